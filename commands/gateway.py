"""``halflife gateway``: a TWS on loopback that plays a day. The work is in ``gateway``.

Exit codes: 0 stopped by Ctrl-C or SIGTERM, which is how it ends; 2 an error that the user can mend.
"""

from __future__ import annotations

import datetime as dt
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands import gateway_options
from commands.console import Debug, console, readable
from commands.gateway_options import ACCOUNT, BARS, CAPITAL
from core.errors import GatewayError
from core.settings import LoggingSettings, PathSettings
from core.signals import interruptible

if TYPE_CHECKING:
    from commands.gateway_data import Served
    from gateway import Gateway
    from gateway.gateway import Speed
    from gateway.tws import Tws

PAPER_PORT = 4002  # of IB Gateway with a paper account


def gateway(
    data: Annotated[
        str, typer.Option("--data", metavar="SYMBOLS", help="Symbols of the catalog, as BAC,AIG; 'sample': generated.")
    ] = "sample",
    quotes: Annotated[
        str | None,
        typer.Option(
            "--quotes",
            metavar="SYMBOL=SERIES",
            help="Series with a symbol's quotes: BAC=BACQ,AIG=AIGQ.",
            show_default=False,
        ),
    ] = None,
    date: Annotated[
        str | None, typer.Option("--date", metavar="DAY", help="First session played, YYYY-MM-DD.", show_default=False)
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--time", metavar="HH:MM", help="Exchange's time at which it begins.", show_default="before the open"
        ),
    ] = None,
    days: Annotated[int, typer.Option("--days", metavar="N", min=1, help="Sessions played.")] = 1,
    bar: Annotated[
        str | None,
        typer.Option("--bar", metavar="|".join(BARS), help="Bar size; without it the finest.", show_default=False),
    ] = None,
    speed: Annotated[
        str, typer.Option("--speed", metavar="1|60|max", help="1 real time, 60 sixty times as fast, max lockstep.")
    ] = "1",
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    expose: Annotated[bool, typer.Option("--expose", metavar="", help="Allow a --host that others can reach.")] = False,
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="0 takes a free one.")
    ] = PAPER_PORT,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="SCENARIO",
            help="A scenario, a .fault file or a script; repeat for several.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, help="Of the sample and of the faults' chance.")
    ] = 1,
    capital: Annotated[
        float | None,
        typer.Option("--capital", metavar="EUR", help="Of the paper account.", show_default=f"{CAPITAL:g}"),
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option(
            "--account",
            metavar="NAME=EUR",
            help="An account and its capital; repeat for several.",
            show_default=f"{ACCOUNT}={CAPITAL:g}",
        ),
    ] = None,
    catalog: Annotated[
        Path | None,
        typer.Option("--catalog", metavar="DIR", help="Folder of the bars: paths.catalog.", show_default=False),
    ] = None,
    debug: Debug = False,
) -> None:
    """Serve a day of bars and quotes as TWS would: rehearse live trading without an account or internet.

    Any client of TWS connects to it (ib_insync, ib_async, ibapi). What is traded is booked in a paper account in EUR.
    """
    with readable(debug):
        day = gateway_options.day_of(date)
        pace = gateway_options.speed_of(speed)
        accounts = gateway_options.accounts_of(account or [], capital)
        from core.logs import setup_logging  # what follows takes a second that --help need not wait for

        with setup_logging(LoggingSettings(), PathSettings().state, name="gateway"):
            served = gateway_options.served_of(data, day, days, bar, seed, catalog, quotes)
            running = _make(
                served, pace, host, expose, port, gateway_options.start_of(at, served), fault or [], seed, accounts
            )
            _run(running, served, speed, tuple(accounts))


def _make(
    served: Served,
    speed: Speed,
    host: str,
    expose: bool,
    port: int,
    start: dt.datetime,
    faults: list[str],
    seed: int,
    accounts: dict[str, float],
) -> Gateway:
    from gateway import Gateway
    from gateway.market import Accounts

    return Gateway(
        served.tape, served.book, served.history, speed=speed, host=host, expose=expose, port=port, start=start,
        accounts=Accounts(accounts), faults=faults, seed=seed,
    )  # fmt: skip


def _run(running: Gateway, served: Served, speed: str, accounts: tuple[str, ...]) -> None:
    """Serve until Ctrl-C or SIGTERM; tell who comes and goes."""
    seen: set[int] = set()

    def tell(tws: Tws) -> None:
        now = set(tws.clients)
        for client in sorted(now - seen):
            session = tws.clients[client]
            console.print(f"client {client} connected from {session.peer}, version {session.version}")
        for client in sorted(seen - now):
            console.print(f"client {client} is gone")
        seen.clear()
        seen.update(now)

    running.tws.on_clients = lambda: tell(running.tws)
    with running:
        papers = f"paper account{'s' * (len(accounts) > 1)} {', '.join(accounts)} in EUR"
        console.print(f"[bold]TWS on {running.host}:{running.port}[/bold], {papers}", highlight=False)
        for line in served.lines:
            console.print(f"  {line}", highlight=False)
        first, last = running.now(), served.tape.last
        console.print(
            f"  from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC, speed {speed}"
            + (": time waits for clients with market data to send reqCurrentTime" if speed == "max" else ""),
            highlight=False,
        )
        console.print("Ctrl-C stops it.")
        with interruptible(), suppress(KeyboardInterrupt):
            ended = False
            while running.is_running:
                time.sleep(0.2)
                if running.has_ended and not ended:
                    ended = True
                    console.print("The tape has ended; the gateway still answers.")
        if not running.is_running:
            running.stop()  # raises what ended it
            raise GatewayError("the gateway has ended by itself; its log says why")
        orders, executions = running.call(lambda tws: (len(tws.market.orders), len(tws.market.executions)))
    console.print(f"Stopped: {orders} orders and {executions} executions on the last day.")
