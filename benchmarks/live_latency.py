"""From the bar on the wire to the order on the wire, for the whole of a live session.

Run from the repository: ``python benchmarks/live_latency.py [--minutes 390] [--repeats 3]``. A paper gateway in
lockstep, which stands still while a client works, and ``halflife live`` on one-minute bars with settings that order on
most of them: store, feed, indicators, gate, sizing, intent journal (on the disk before anything is sent), recording.
The time runs from the moment at which the first byte of a step's bars comes to the socket until an order that they lead
to is handed to it: the first one, and the last of both brackets of a pair. Of it the commits to the disk are shown
apart. Beside it the client library alone in the same process: a handler that places an order for the bar at once, and
its own round trip, from an order to the word of it. Limits of the first order: median 5 ms, 99th percentile 20 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # a script has its own folder on the path only

from books.intents import IntentJournal  # noqa: E402
from books.intents_file import Transaction  # noqa: E402
from books.intents_records import Draft  # noqa: E402
from core.calendar import ExchangeCalendar  # noqa: E402
from core.orders import Role  # noqa: E402
from gateway import Gateway  # noqa: E402
from gateway.gateway import SAMPLE_DAY  # noqa: E402
from live.rehearsal import rehearsal_settings, rehearsal_store  # noqa: E402
from live.session import LiveSession  # noqa: E402
from stores.inbox import Inbox  # noqa: E402
from stores.library import load  # noqa: E402

MEDIAN_MS, P99_MS = 5.0, 20.0
COMMITS = 200
REVERSION = ("zscore_period=3", "zscore_entry=0.9", "zscore_exit=0.5", "adx_max=0")
PAIR = (
    "zscore_period=3", "entry_z=0.9", "exit_z=0.5", "stop_z=0", "coint_max=1", "half_life_min=0", "half_life_max=1000",
    "correlation_min=0",
)  # fmt: skip
OFTEN = (
    *(f"strategies.meanrev.parameters.{each}" for each in REVERSION),
    *(f"strategies.pairs.parameters.{each}" for each in PAIR),
)
PLACED, ANSWERED = "places at once", "order to its answer"


@dataclass(slots=True)
class Turn:
    """Seconds of one bar that led to orders. ``commits``: of them spent on the disk before the first order."""

    first: float
    last: float
    orders: int
    commits: float


class Stopwatch:
    """Stamps at the client library's socket: what came first since the last question for the time, and the orders."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self._came: float | None = None
        self._turn: Turn | None = None
        self._commits = 0.0
        self._client: Any = load().client.Client
        self._kept = (Inbox.tcpDataArrived, self._client.placeOrder, self._client.reqCurrentTime, Transaction.__exit__)

    def __enter__(self) -> Stopwatch:
        arrived, place, ask, commit = self._kept

        def on_data(inbox: Inbox) -> None:
            self.data()
            arrived(inbox)

        def placed(client: Any, *args: Any) -> Any:
            sent = place(client, *args)
            self.order()
            return sent

        def asked(client: Any, *args: Any) -> Any:
            self._came, self._turn, self._commits = None, None, 0.0
            return ask(client, *args)

        def committed(transaction: Transaction, *error: object) -> None:
            begun = time.perf_counter()
            commit(transaction, *error)
            self._commits += time.perf_counter() - begun

        Inbox.tcpDataArrived = on_data  # type: ignore[method-assign]
        Transaction.__exit__ = committed  # type: ignore[method-assign]
        self._client.placeOrder, self._client.reqCurrentTime = placed, asked
        return self

    def __exit__(self, *_: object) -> None:
        Inbox.tcpDataArrived, self._client.placeOrder, self._client.reqCurrentTime, Transaction.__exit__ = self._kept  # type: ignore[method-assign]

    def data(self) -> None:
        if self._came is None:
            self._came = time.perf_counter()

    def order(self) -> None:
        if self._came is None:
            return
        took = time.perf_counter() - self._came
        if self._turn is None:
            self._turn = Turn(took, took, 1, self._commits)
            self.turns.append(self._turn)
        else:
            self._turn.last = took
            self._turn.orders += 1


def session(minutes: int, units: tuple[str, ...]) -> list[Turn]:
    """The bars that led to orders, in a live session with these units of the rehearsal."""
    with tempfile.TemporaryDirectory() as folder, Gateway.sample(speed="max") as gateway, Stopwatch() as watch:
        made = rehearsal_settings([f"paths.state={folder}", *OFTEN])
        settings = made.model_copy(update={"strategies": {name: made.strategies[name] for name in units}})
        until = ExchangeCalendar("XNYS").close_of(SAMPLE_DAY) - dt.timedelta(minutes=390 - minutes)
        LiveSession(
            settings, store=rehearsal_store(gateway, settings), clock=gateway.tws.clock, lockstep=True, until=until
        ).run()
        return watch.turns


def both(minutes: int) -> dict[str, list[float]]:
    turns = session(minutes, ("meanrev", "pairs"))
    return {
        "both strategies: first order": [turn.first for turn in turns],
        "  of it commits to the disk": [turn.commits for turn in turns],
        "  without them": [turn.first - turn.commits for turn in turns],
    }


def pair(minutes: int) -> dict[str, list[float]]:
    entries = [turn for turn in session(minutes, ("pairs",)) if turn.orders == 4]
    return {
        "a pair's two brackets: first of 4 orders": [turn.first for turn in entries],
        "  without commits": [turn.first - turn.commits for turn in entries],
        "  last of 4 orders": [turn.last for turn in entries],
    }


def library_alone(orders: int) -> dict[str, list[float]]:
    """Seconds from bar to order where a handler does nothing but place one, and from an order to the word of it."""
    ibkr = load()
    answered: list[float] = []

    async def trade(port: int) -> None:
        ib = ibkr.IB()
        ib.client.MaxRequests = 0  # its throttle holds messages back for a second, ours is the store's
        await ib.connectAsync("127.0.0.1", port, clientId=1)
        stock = ibkr.Stock("XMPLA", "SMART", "USD")
        await ib.qualifyContractsAsync(stock)
        ib.client.conn.hasData.connect(lambda data: watch.data())
        told: set[int] = set()
        ib.openOrderEvent += lambda trade: told.add(trade.order.orderId)
        bars = ib.reqRealTimeBars(stock, 5, "TRADES", True)
        while len(watch.turns) < orders:
            known = len(bars)
            await ib.reqCurrentTimeAsync()
            if len(bars) > known:
                begun = time.perf_counter()
                placed = ib.placeOrder(stock, ibkr.LimitOrder("BUY", 1, 1.0, tif="DAY"))
                while placed.order.orderId not in told:
                    await asyncio.sleep(0)
                answered.append(time.perf_counter() - begun)
                ib.cancelOrder(placed.order)
        ib.disconnect()

    with Gateway.sample(speed="max") as gateway, Stopwatch() as watch:
        asyncio.run(trade(gateway.port))
        name = ibkr.__name__
        return {
            f"{name} alone: {PLACED}": [turn.first for turn in watch.turns], f"{name} alone: {ANSWERED}": answered,
        }  # fmt: skip


def commits(count: int) -> dict[str, list[float]]:
    """Seconds of the commit of an order to the journal on this disk."""
    took = []
    with tempfile.TemporaryDirectory() as folder, IntentJournal(Path(folder) / "intents.sqlite", "DU1") as journal:
        journal.settle()
        for number in range(count):
            draft = Draft("unit", f"t{number}", "entry", Role.ENTRY, 1 + number, "X", "BUY", 100.0)
            begun = time.perf_counter()
            journal.intend([draft])
            took.append(time.perf_counter() - begun)
    return {"the journal alone: an order written": took}


def main() -> None:
    """Measure in turns, and print the table."""
    parser = argparse.ArgumentParser(description="Latency of a live session.")
    parser.add_argument("--minutes", type=int, default=390, help="of the sample's day")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    measures: list[Callable[[], dict[str, list[float]]]] = [
        lambda: both(options.minutes), lambda: pair(options.minutes), lambda: library_alone(200),
        lambda: commits(COMMITS),
    ]  # fmt: skip
    found: dict[str, list[float]] = {}
    for _ in track(range(options.repeats), "measuring"):
        for measure in measures:
            for name, took in measure().items():
                found.setdefault(name, []).extend(took)
    table = Table(title="From the bar on the wire to the order on the wire")
    for column in ("what", "times", "median ms", "p90 ms", "p99 ms", "worst ms"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, took in found.items():
        figures = (*np.percentile(took, (50, 90, 99)), max(took)) if took else ()
        table.add_row(name, str(len(took)), *(f"{1e3 * each:.2f}" for each in figures))
    console = Console()
    console.print(table)
    console.print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    median, p99 = (1e3 * float(each) for each in np.percentile(next(iter(found.values())), (50, 99)))
    held = "held" if median <= MEDIAN_MS and p99 <= P99_MS else "NOT held"
    console.print(f"limits of the first order: median {MEDIAN_MS:g} ms, p99 {P99_MS:g} ms: {held}")


if __name__ == "__main__":
    main()
