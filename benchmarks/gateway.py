"""The paper gateway under load: orders a second, a day in lockstep, many clients, memory over many messages.

Run from the repository: ``python benchmarks/gateway.py [--orders 5000] [--messages 1000000] [--repeats 5]``. The
gateway is a process of its own. An order's round trip is place, filled, commission: the next order is sent when the
commission of the one before is there. The raw client is a socket and the gateway's own tables; ib_insync and, where it
is installed (extra ``bench``), ib_async do the same with their throttle off, interleaved with it. The day is 1-second
bars of BAC and AIG beside the repository where they are there, else the generated sample, with bars of 5 seconds to
ib_insync. Limits: 1,000 round trips a second, a day in 60 s, 20 clients at once, memory flat over a million messages.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing as mp
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # a script has its own folder on the path only

from gateway import Gateway  # noqa: E402
from gateway.data.contracts import ContractBook  # noqa: E402
from gateway.data.sample import XMPLA, XMPLB, make_sample  # noqa: E402
from gateway.data.tape import Tape  # noqa: E402
from gateway.gateway import SAMPLE_DAY, Speed  # noqa: E402
from gateway.model import Instrument  # noqa: E402
from gateway.wire import Wire, wire_for  # noqa: E402
from gateway.wire.frames import FrameReader, frame, hello  # noqa: E402

WANTED_ORDERS = 1_000  # round trips a second
WANTED_DAY = 60.0  # seconds
CLIENTS = 20
WANTED_GROWTH = 1.05  # memory at the end against after the first tenth
VERSION = 176
SHARED = ROOT.parent / "shared" / "data"
LIBRARIES = ("ib_insync", "ib_async")


def deep() -> Tape:
    """A quote that no order exhausts."""
    moments = pd.date_range("2024-06-12 13:30:01", periods=60, freq="1s", tz="UTC")
    quotes = pd.DataFrame({"bid": 60.0, "ask": 60.02, "bid_size": 1e12, "ask_size": 1e12}, index=moments)
    return Tape(quotes={XMPLA: quotes})


def day() -> tuple[str, Tape, ContractBook]:
    """A day of two stocks in bars of 1 second."""
    pair = [Instrument(1, "BAC"), Instrument(2, "AIG", primary_exchange="NYSE")]
    files = {each: SHARED / f"us_second_trades_{each.symbol.lower()}.parquet" for each in pair}
    if not all(file.is_file() for file in files.values()):
        sample = make_sample(SAMPLE_DAY)
        return (
            "XMPLA and XMPLB",
            Tape({each: sample.bars[each] for each in (XMPLA, XMPLB)}, bar_seconds=1),
            sample.book(),
        )
    bars = {}
    for each, file in files.items():
        found = pd.read_parquet(file)
        ends = pd.DatetimeIndex(found["datetime"]).tz_localize("America/New_York").tz_convert("UTC") + pd.Timedelta(
            "1s"
        )
        found = found.set_index(ends)[["open", "high", "low", "close", "volume"]].astype(float)
        bars[each] = found[found.index.normalize() == found.index[-1].normalize()]
    return "BAC and AIG", Tape(bars, bar_seconds=1), ContractBook(pair)


def serve(pipe: Connection, what: str, speed: Speed) -> None:
    """The gateway's process: tells its port, then its memory whenever it is asked, until it is told to end."""
    tape, book = (deep(), ContractBook([XMPLA])) if what == "deep" else day()[1:]
    with Gateway(tape, book, speed=speed, standing=True) as gateway:
        if what == "deep":
            gateway.advance(seconds=90)
        pipe.send(gateway.port)
        while pipe.recv() != "end":
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            pipe.send(pages * os.sysconf("SC_PAGE_SIZE"))


@contextmanager
def gateway(what: str, speed: Speed) -> Iterator[tuple[int, Callable[[], int]]]:
    """Its port, and how much memory it has, bytes."""
    context = mp.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, what, speed), daemon=True)
    process.start()

    def memory() -> int:
        ours.send("memory")
        return int(ours.recv())

    try:
        yield ours.recv(), memory
    finally:
        ours.send("end")
        process.join()


class RawClient:
    """A socket and the tables."""

    def __init__(self, port: int, client_id: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._frames, self._ready = FrameReader(), list[bytes]()
        self._wire: Wire = wire_for(VERSION)
        self.messages = 0
        self._socket.sendall(hello(VERSION, VERSION))
        self._next()
        self.ask("startApi", clientId=client_id)
        self._order_id = int(self.wait("nextValidId")["orderId"])
        self._place = {"symbol": "XMPLA", "secType": "STK", "exchange": "SMART", "currency": "USD"}

    def ask(self, name: str, **values: Any) -> None:
        self._socket.sendall(frame(self._wire.write_request(name, values)))
        self.messages += 1

    def _next(self) -> bytes:
        while not self._ready:
            data = self._socket.recv(1 << 16)
            if not data:
                raise SystemExit("the gateway has closed the connection")
            self._ready += self._frames.feed(data)
        self.messages += 1
        return self._ready.pop(0)

    def wait(self, name: str) -> dict[str, Any]:
        while True:
            payload = self._next()
            found, values = self._wire.read_answer(payload)
            if found == name:
                return values

    def order(self, number: int) -> None:
        """One round trip."""
        self.send_order(number)
        self.await_commission()

    def send_order(self, number: int) -> None:
        side = "BUY" if number % 2 == 0 else "SELL"
        terms = {"action": side, "totalQuantity": 100, "orderType": "MKT", "tif": "DAY", "transmit": True}
        self.ask("placeOrder", orderId=self._order_id, contract=self._place, order=terms)
        self._order_id += 1

    def await_commission(self) -> None:
        while not self._next().startswith(b"59\0"):
            pass

    def close(self) -> None:
        self._socket.close()


def library(name: str, port: int, client_id: int) -> Any:
    """An IB of ib_insync or ib_async without its throttle, connected."""
    ib = importlib.import_module(name).IB()
    ib.client.MaxRequests = 0
    ib.connect("127.0.0.1", port, clientId=client_id)
    return ib


def library_orders(name: str, ib: Any, orders: int) -> None:
    """As ``RawClient.order``, through the library's own objects."""
    module = importlib.import_module(name)
    stock = module.Stock("XMPLA", "SMART", "USD")
    done = [0]
    ib.commissionReportEvent += lambda *_: done.__setitem__(0, done[0] + 1)
    for number in range(orders):
        ib.placeOrder(stock, module.MarketOrder("BUY" if number % 2 == 0 else "SELL", 100, tif="DAY"))
        while done[0] <= number:
            ib.sleep(0)  # waitOnUpdate misses an answer that is there before it listens


def round_trips(orders: int, repeats: int, console: Console) -> dict[str, float]:
    """Round trips a second, medians, interleaved."""
    found: dict[str, list[float]] = {}
    there = [name for name in LIBRARIES if importlib.util.find_spec(name)]
    few = max(orders // 10, 10)
    for _ in track(range(repeats), description="orders", console=console):
        with gateway("deep", "still") as (port, _):
            raw = RawClient(port, 1)
            begin = time.perf_counter()
            for number in range(orders):
                raw.order(number)
            found.setdefault("raw socket", []).append(orders / (time.perf_counter() - begin))
            raw.close()
        for name in there:
            with gateway("deep", "still") as (port, _):  # a new one: libraries ask for all completed orders first
                ib = library(name, port, 1)
                begin = time.perf_counter()
                library_orders(name, ib, few)
                found.setdefault(name, []).append(few / (time.perf_counter() - begin))
                ib.disconnect()
    return {name: statistics.median(rates) for name, rates in found.items()}


def lockstep_day(repeats: int, console: Console) -> tuple[str, float, int]:
    """Seconds for a day in lockstep, median, and how many bars the client had."""
    from ib_insync import Stock

    name, tape, _ = day()
    times, bars = [], 0
    for _ in track(range(repeats), description="days in lockstep", console=console):
        with gateway("day", "max") as (port, _):
            ib = library("ib_insync", port, 1)
            lists = [
                ib.reqRealTimeBars(Stock(each.symbol, "SMART", "USD"), 5, "TRADES", True) for each in tape.instruments
            ]
            begin, before, now = time.perf_counter(), None, ib.reqCurrentTime()
            while now != before:
                before, now = now, ib.reqCurrentTime()
            times.append(time.perf_counter() - begin)
            bars = sum(len(each) for each in lists)
            ib.disconnect()
    return name, statistics.median(times), bars


def many_clients(orders: int) -> float:
    """Round trips a second of 20 clients together, whose orders are under way at once."""
    with gateway("deep", "still") as (port, _), ExitStack() as stack:
        clients = [RawClient(port, number) for number in range(1, CLIENTS + 1)]
        for client in clients:
            stack.callback(client.close)
        begin = time.perf_counter()
        for number in range(orders // CLIENTS):
            for client in clients:
                client.send_order(number)
            for client in clients:
                client.await_commission()
        return orders // CLIENTS * CLIENTS / (time.perf_counter() - begin)


def memory(messages: int, console: Console) -> tuple[float, float]:
    """Megabytes of the gateway after a tenth of the messages, and after all."""
    sizes = []
    with gateway("deep", "still") as (port, size):
        client = RawClient(port, 1)
        for tenth in track(range(10), description="messages", console=console):
            while client.messages < messages * (tenth + 1) // 10:
                client.ask("reqContractDetails", reqId=1, contract={"symbol": "XMPLA", "secType": "STK"})
                client.wait("contractDetailsEnd")
                client.ask("reqPositions")
                client.wait("positionEnd")
            sizes.append(size() / 2**20)
        client.close()
    return sizes[0], sizes[-1]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--orders", type=int, default=5_000)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    console = Console()
    rates = round_trips(asked.orders, asked.repeats, console)
    name, seconds, bars = lockstep_day(asked.repeats, console)
    together = many_clients(asked.orders)
    early, late = memory(asked.messages, console)

    table = Table(title=f"The paper gateway, medians of {asked.repeats}")
    for column in ("what", "measured", "wanted", ""):
        table.add_column(column, justify="left" if column in ("what", "") else "right")
    verdicts = [
        (f"round trips a second, raw socket ({asked.orders:,} orders)", rates["raw socket"], WANTED_ORDERS, True),
        (f"a day of {name} in lockstep, {bars:,} bars, seconds", seconds, WANTED_DAY, False),
        (f"memory after {asked.messages:,} messages against a tenth of them", late / early, WANTED_GROWTH, False),
    ]
    failed = 0
    for what, measured, wanted, at_least in verdicts:
        good = measured >= wanted if at_least else measured <= wanted
        failed += not good
        table.add_row(what, f"{measured:,.2f}", f"{'>=' if at_least else '<='} {wanted:,}", "ok" if good else "MISSED")
    for library_name in LIBRARIES:
        told = f"{rates[library_name]:,.0f}" if library_name in rates else "not installed"
        table.add_row(f"round trips a second, {library_name}, throttle off", told, "", "")
    table.add_row(f"round trips a second, {CLIENTS} clients", f"{together:,.0f}", "all served", "ok")
    table.add_row("memory of the gateway, MiB", f"{early:.1f} -> {late:.1f}", "", "")
    console.print(table)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
