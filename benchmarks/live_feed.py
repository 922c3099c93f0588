"""The live feed at the market's own pace: how much of a core a hundred instruments take.

Run from the repository: ``python benchmarks/live_feed.py [--instruments 100] [--seconds 120] [--speed 1]``. The paper
gateway is a process of its own and streams generated bars of 5 seconds; this process has the store with its thread, the
hub, and a whole graph: one MeanReversion on one-minute bars for each instrument, with SimBroker. Its processor time
(user and system, all threads) is counted once the indicators are warm and the first bar has come in time, and divided
by the seconds of the market that passed. Two out of 50 bars come late or not at all, so that history is asked for, too.
Limit: half a core.
"""

from __future__ import annotations

import argparse
import datetime as dt
import logging
import multiprocessing as mp
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # a script has its own folder on the path only

from core.calendar import ExchangeCalendar  # noqa: E402
from core.settings import Settings  # noqa: E402
from engine import SimBroker, build  # noqa: E402
from engine.build import bars_needed  # noqa: E402
from gateway import Gateway  # noqa: E402
from gateway.data.clock import AcceleratedClock  # noqa: E402
from gateway.data.contracts import ContractBook  # noqa: E402
from gateway.data.history import History  # noqa: E402
from gateway.data.tape import Tape  # noqa: E402
from gateway.model import Instrument  # noqa: E402
from live.aligning import Step  # noqa: E402
from live.feed import LiveHistory  # noqa: E402
from live.hub import BarHub  # noqa: E402
from live.pump import EventPump  # noqa: E402
from stores import ContractSpec, IBStore, StoreSettings  # noqa: E402
from stores.events import BarArrived  # noqa: E402

WANTED = 0.5  # of a core
DAY, EARLIER = dt.date(2024, 6, 12), dt.date(2024, 6, 10)
START = dt.datetime(2024, 6, 12, 14, 0, 3, tzinfo=dt.UTC)
FAULTS = (
    "at start: limit historical 1000000 600",  # IBKR lets 60 streams begin in ten minutes; we do not wait for that
    "on realtimeBar every 50: drop",
    "on realtimeBar every 49: delay 7",
)
COLUMNS = ["open", "high", "low", "close", "volume"]


def names(count: int) -> list[str]:
    return [f"X{number:03d}" for number in range(count)]


def walk(rng: np.random.Generator, ends: pd.DatetimeIndex) -> pd.DataFrame:
    """A price that wanders, with a trade in each bar."""
    close = np.round(50.0 * np.exp(np.cumsum(rng.normal(0.0, 2e-4, len(ends)))), 2)
    open_ = np.concatenate([close[:1], close[:-1]])
    spread = np.maximum(open_, close) + 0.01, np.minimum(open_, close) - 0.01
    volume = rng.integers(100, 1_000, len(ends)).astype(float)
    return pd.DataFrame(dict(zip(COLUMNS, (open_, *spread, close, volume), strict=True)), index=ends)


def market(count: int) -> tuple[Tape, ContractBook, History]:
    """The day in bars of 5 seconds, and the sessions before it in minutes."""
    calendar, rng = ExchangeCalendar("XNYS"), np.random.default_rng(1)
    minutes = pd.DatetimeIndex([], tz="UTC")
    for session in calendar.sessions(EARLIER, DAY - dt.timedelta(days=1)):
        closes = pd.Timestamp(calendar.close_of(session))
        minutes = minutes.append(pd.date_range(end=closes, periods=390, freq="min"))
    fives = pd.date_range("2024-06-12 13:30:05", "2024-06-12 20:00:00", freq="5s", tz="UTC")
    bars, frames = {}, {}
    for number, name in enumerate(names(count), 1):
        instrument = Instrument(number, name)
        bars[instrument] = walk(rng, fives)
        frames[instrument] = {60: walk(rng, minutes)}
    tape, book = Tape(bars, bar_seconds=5), ContractBook([*bars])
    return tape, book, History(tape, book, frames)


def serve(pipe: Connection, count: int, speed: float) -> None:
    """The gateway's process: tells its port and its time, until it is told to end."""
    logging.disable(logging.WARNING)
    tape, book, history = market(count)
    gateway = Gateway(tape, book, history, speed=speed, start=START, faults=FAULTS)
    with gateway:
        pipe.send((gateway.port, gateway.now()))
        pipe.recv()


@contextmanager
def served(count: int, speed: float) -> Iterator[tuple[int, dt.datetime]]:
    context = mp.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, count, speed), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("end")
        process.join()


def measure(count: int, seconds: float, speed: float) -> dict[str, float]:
    """Processor time and bars of so many seconds of the market."""
    symbols = names(count)
    settings = Settings.model_validate({
        "data": {"bar": "1m"}, "instruments": {symbol: {} for symbol in symbols},
        "strategies": {"reversion": {"strategy": "MeanReversion", "instruments": symbols}},
    })  # fmt: skip
    found: dict[str, float] = {"pieces": 0.0, "bars": 0.0}
    with served(count, speed) as (port, now):
        clock = AcceleratedClock(now, speed)
        pacing = StoreSettings(port=port, history_requests=10_000)  # it is not what is measured
        with IBStore(pacing, clock) as store:
            pump = EventPump(store)
            hub = BarHub(
                store, pump, settings=settings,
                instruments={symbol: store.qualify(ContractSpec(symbol)) for symbol in symbols},
            )  # fmt: skip
            history = LiveHistory.load(settings, hub, warm_up=bars_needed(settings))

            def heard(event: BarArrived) -> None:
                found["pieces"] += "begin" in found

            def stepped(step: Step) -> None:
                if "begin" in found:
                    found["bars"] += len(step.bars)
                elif not step.is_late:
                    found.update(begin=time.process_time(), at=clock.now().timestamp())
                    pump.call_later(seconds, hub.close)

            pump.on(BarArrived, heard)
            hub.taps.append(stepped)
            cerebro = build(settings, history, SimBroker(settings=settings))
            cerebro.run()
            found["cpu"] = time.process_time() - found.pop("begin")
            found["seconds"] = clock.now().timestamp() - found.pop("at")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--instruments", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=120.0, help="of the market")
    parser.add_argument("--speed", type=float, default=1.0, help="1: the market's own pace")
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    found = measure(asked.instruments, asked.seconds, asked.speed)
    ratio = found["cpu"] / found["seconds"]
    good = ratio <= WANTED
    table = Table(title=f"The live feed, {asked.instruments} instruments, {found['seconds']:.0f} s of the market")
    for column in ("what", "measured", "wanted", ""):
        table.add_column(column, justify="left" if column in ("what", "") else "right")
    table.add_row(
        "processor seconds a second of the market", f"{ratio:.3f}", f"<= {WANTED}", "ok" if good else "MISSED"
    )
    table.add_row("bars of 5 seconds", f"{found['pieces']:,.0f}", "", "")
    table.add_row("bars of a minute that the graph got", f"{found['bars']:,.0f}", "", "")
    Console().print(table)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
