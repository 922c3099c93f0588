"""From the bar on the wire to the order on the wire, for the whole of a live session.

Run from the repository: ``python benchmarks/live_latency.py [--days 1] [--repeats 3]``. A paper gateway in lockstep,
which stands still while a client works, and ``halflife live`` with both strategies on one-minute bars: store, feed,
indicators, gate, what-if and intent journal (on the disk before anything is sent), recording. The time runs from the
moment at which the first byte of a step's bars comes to the socket until the first order that they lead to is handed to
it. Beside it the client library alone in the same process, whose loop places an order for the bar at once, and the
journal's commit to this disk. Limits: median 5 ms, 99th percentile 20 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # a script has its own folder on the path only

from books.intents import IntentJournal  # noqa: E402
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
OFTEN = ("strategies.meanrev.parameters.zscore_entry=1.2", "strategies.pairs.parameters.entry_z=1.2")


class Stopwatch:
    """Stamps at the client library's socket: what came first since the last question for the time, and the order."""

    def __init__(self) -> None:
        self.took: list[float] = []  # seconds
        self._came: float | None = None
        self._is_armed = False
        self._client: Any = load().client.Client
        self._kept = (Inbox.tcpDataArrived, self._client.placeOrder, self._client.reqCurrentTime)

    def __enter__(self) -> Stopwatch:
        arrived, place, ask = self._kept

        def on_data(inbox: Inbox) -> None:
            self.data()
            arrived(inbox)

        def placed(client: Any, *args: Any) -> Any:
            sent = place(client, *args)
            self.order()
            return sent

        def asked(client: Any, *args: Any) -> Any:
            self._came, self._is_armed = None, True
            return ask(client, *args)

        Inbox.tcpDataArrived = on_data  # type: ignore[method-assign]
        self._client.placeOrder, self._client.reqCurrentTime = placed, asked
        return self

    def __exit__(self, *_: object) -> None:
        Inbox.tcpDataArrived, self._client.placeOrder, self._client.reqCurrentTime = self._kept  # type: ignore[method-assign]

    def data(self) -> None:
        if self._came is None:
            self._came = time.perf_counter()

    def order(self) -> None:
        if self._came is not None and self._is_armed:
            self.took.append(time.perf_counter() - self._came)
            self._is_armed = False


def whole_session(minutes: int) -> list[float]:
    """Seconds from bar to order, of a live session with both strategies."""
    with tempfile.TemporaryDirectory() as folder, Gateway.sample(speed="max") as gateway, Stopwatch() as watch:
        settings = rehearsal_settings([f"paths.state={folder}", *OFTEN])
        until = ExchangeCalendar("XNYS").close_of(SAMPLE_DAY) - dt.timedelta(minutes=390 - minutes)
        session = LiveSession(
            settings, store=rehearsal_store(gateway, settings), clock=gateway.tws.clock, lockstep=True, until=until
        )
        session.run()
        return watch.took


def library_alone(orders: int) -> list[float]:
    """Seconds from bar to order where a handler does nothing but place one."""
    ibkr = load()

    async def trade(port: int) -> None:
        ib = ibkr.IB()
        ib.wrapper.ib.client.apiEnd  # noqa: B018 - the event kit is made with the client
        await ib.connectAsync("127.0.0.1", port, clientId=1)
        stock = ibkr.Stock("XMPLA", "SMART", "USD")
        await ib.qualifyContractsAsync(stock)
        arrived = ib.client.conn.hasData
        arrived.connect(lambda data: watch.data())
        bars = ib.reqRealTimeBars(stock, 5, "TRADES", True)
        while len(watch.took) < orders:
            known = len(bars)
            await ib.reqCurrentTimeAsync()
            if len(bars) > known:
                ib.placeOrder(stock, ibkr.LimitOrder("BUY", 1, 1.0, tif="DAY"))
                ib.client.reqGlobalCancel()
        ib.disconnect()

    with Gateway.sample(speed="max") as gateway, Stopwatch() as watch:
        asyncio.run(trade(gateway.port))
        return watch.took


def commits(count: int) -> list[float]:
    """Seconds of the commit of a bracket to the journal on this disk."""
    took = []
    with tempfile.TemporaryDirectory() as folder, IntentJournal(Path(folder) / "intents.sqlite", "DU1") as journal:
        journal.settle()
        for number in range(count):
            draft = Draft("unit", f"t{number}", "entry", Role.ENTRY, 1 + number, "X", "BUY", 100.0)
            begun = time.perf_counter()
            journal.intend([draft])
            took.append(time.perf_counter() - begun)
    return took


def main() -> None:
    """Measure in turns, and print the table."""
    parser = argparse.ArgumentParser(description="Latency of a live session.")
    parser.add_argument("--minutes", type=int, default=390, help="of the sample's day")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    sides: dict[str, tuple[Callable[[], list[float]], list[float]]] = {
        "halflife live, both strategies": (lambda: whole_session(options.minutes), []),
        f"{load().__name__} alone": (lambda: library_alone(100), []),
        "the journal's commit alone": (lambda: commits(COMMITS), []),
    }
    for _ in track(range(options.repeats), "measuring"):
        for measure, took in sides.values():
            took += measure()
    table = Table(title="From the bar on the wire to the order on the wire")
    for column in ("what", "orders", "median ms", "p99 ms", "worst ms"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, (_, took) in sides.items():
        figures = (*np.percentile(took, (50, 99)), max(took))
        table.add_row(name, str(len(took)), *(f"{1e3 * each:.2f}" for each in figures))
    Console().print(table)
    median, p99 = (1e3 * float(each) for each in np.percentile(next(iter(sides.values()))[1], (50, 99)))
    held = "held" if median <= MEDIAN_MS and p99 <= P99_MS else "NOT held"
    Console().print(f"limits: median {MEDIAN_MS:g} ms, p99 {P99_MS:g} ms: {held}")


if __name__ == "__main__":
    main()
