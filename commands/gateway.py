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

from commands.console import Debug, console, readable
from core.errors import GatewayError, SettingsError
from core.settings import AccountSettings, LoggingSettings, PathSettings
from core.signals import interruptible

if TYPE_CHECKING:
    from commands.gateway_data import Served
    from gateway import Gateway
    from gateway.gateway import Speed
    from gateway.tws import Tws

PAPER_PORT = 4002  # of IB Gateway with a paper account
BARS = ("1s", "1m", "1h", "1d")


def gateway(
    data: Annotated[
        str, typer.Option("--data", metavar="SYMBOLS", help="Symbols of the catalog, as BAC,AIG; 'sample': generated.")
    ] = "sample",
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
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the sample and of the faults' chance.")] = 1,
    capital: Annotated[
        float, typer.Option("--capital", metavar="EUR", min=1.0, help="Of the paper account.")
    ] = AccountSettings().capital,
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
        day = _day(date)
        pace = _speed(speed)
        from core.logs import setup_logging  # what follows takes a second that --help need not wait for

        with setup_logging(LoggingSettings(), PathSettings().state, name="gateway"):
            served = _served(data, day, days, bar, seed, catalog)
            running = _make(served, pace, host, expose, port, _start(at, served), fault or [], seed, capital)
            _run(running, served, speed)


def _day(text: str | None) -> dt.date | None:
    try:
        return None if text is None else dt.date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"--date {text!r} is no day; write YYYY-MM-DD, as 2024-06-12") from error


def _speed(text: str) -> Speed:
    if text == "max":
        return "max"
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.0 < speed <= 10_000.0:
        raise SettingsError(f"--speed {text!r} is none; give 1 for real time, 60 for sixty times as fast, or max")
    return speed


def _start(text: str | None, served: Served) -> dt.datetime | None:
    """The moment of the first day at which the gateway begins; None: before the open."""
    if text is None:
        return None
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(served.tape.instruments[0].time_zone)
    try:
        clock = dt.time.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"--time {text!r} is none; write HH:MM, as 09:30") from error
    return dt.datetime.combine(served.tape.first.astimezone(zone).date(), clock, zone).astimezone(dt.UTC)


def _served(data: str, day: dt.date | None, days: int, bar: str | None, seed: int, catalog: Path | None) -> Served:
    from commands import gateway_data

    if data == "sample":
        return gateway_data.sample(day, days, seed)
    if bar is not None and bar not in gateway_data.SECONDS:
        raise SettingsError(f"--bar {bar!r} is none; give one of {', '.join(BARS)}")
    symbols = [symbol.strip() for symbol in data.split(",") if symbol.strip()]
    if not symbols:
        raise SettingsError("--data names no symbol; give some, as BAC,AIG, or sample")
    return gateway_data.catalog(catalog or Path(PathSettings().catalog), symbols, day, days, bar)


def _make(
    served: Served,
    speed: Speed,
    host: str,
    expose: bool,
    port: int,
    start: dt.datetime | None,
    faults: list[str],
    seed: int,
    capital: float,
) -> Gateway:
    from gateway import Gateway
    from gateway.market import Accounts

    return Gateway(
        served.tape, served.book, served.history, speed=speed, host=host, expose=expose, port=port, start=start,
        accounts=Accounts({"DU1234567": capital}), faults=faults, seed=seed,
    )  # fmt: skip


def _run(running: Gateway, served: Served, speed: str) -> None:
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
        console.print(
            f"[bold]TWS on {running.host}:{running.port}[/bold], paper account DU1234567 in EUR", highlight=False
        )
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
