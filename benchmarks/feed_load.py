"""Load one-minute bars into Cerebro: ColumnarData against bt.feeds.PandasData.

Run from the repository: ``python benchmarks/feed_load.py [--bars 1000000] [--repeats 5]``. Both are measured in turns
in one run, each from a new frame's index to lines that are ready for the first bar, as Cerebro preloads them. What
counts is the ratio of the medians: at least 100. Memory is what Python and numpy allocate on top of the frame,
at its peak while loading: at most 120 bytes a bar.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import backtrader as bt
import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script has its own folder on the path only

from feeds import ColumnarData  # noqa: E402

WANTED_RATIO = 100.0
WANTED_BYTES = 120.0
Feed = Callable[..., bt.feed.DataBase]


def minute_bars(count: int) -> pd.DataFrame:
    """A random walk of one-minute bars: DatetimeIndex UTC (naive), float64 open, high, low, close, volume."""
    rng = np.random.default_rng(7)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 1e-4, count)))
    opens = np.concatenate(([100.0], close[:-1]))
    return pd.DataFrame(
        {
            "open": opens,
            "high": np.maximum(opens, close) * 1.0001,
            "low": np.minimum(opens, close) * 0.9999,
            "close": close,
            "volume": rng.integers(1, 10_000, count).astype("float64"),
        },
        index=pd.date_range("2010-01-04 14:31", periods=count, freq="1min"),
    )


def load(feed: Feed, frame: pd.DataFrame) -> bt.feed.DataBase:
    """What Cerebro.run does before the first bar: construct, add, start, preload."""
    cerebro = bt.Cerebro(stdstats=False)
    data = feed(dataname=frame, timeframe=bt.TimeFrame.Minutes)
    cerebro.adddata(data)
    data.reset()
    data._start()
    data.preload()
    return data


def seconds(feed: Feed, frame: pd.DataFrame) -> float:
    gc.collect()
    begin = time.perf_counter()
    load(feed, frame)
    return time.perf_counter() - begin


def bytes_a_bar(feed: Feed, frame: pd.DataFrame) -> tuple[float, float]:
    """Peak while loading and what stays, by tracemalloc."""
    gc.collect()
    tracemalloc.start()
    data = load(feed, frame)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / len(data.array), kept / len(data.array)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bars", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    console = Console()
    frame = minute_bars(asked.bars)
    stock: list[float] = []
    columnar: list[float] = []
    load(ColumnarData, frame)  # imports and caches
    for _ in track(range(asked.repeats), description="loading", console=console):
        stock.append(seconds(bt.feeds.PandasData, frame))
        columnar.append(seconds(ColumnarData, frame))
    peak, kept = bytes_a_bar(ColumnarData, frame)
    ratio = statistics.median(stock) / statistics.median(columnar)
    identical = all(
        a.array.tobytes() == b.array.tobytes()
        for a, b in zip(
            load(ColumnarData, frame.iloc[:10_000]).lines,
            load(bt.feeds.PandasData, frame.iloc[:10_000]).lines,
            strict=True,
        )
    )

    table = Table(title=f"{asked.bars:,} one-minute bars into Cerebro, medians of {asked.repeats}")
    for heading in ("feed", "seconds", "us a bar", "bytes a bar, peak (kept)"):
        table.add_column(heading, justify="left" if heading == "feed" else "right")
    for name, times, memory in (
        ("bt.feeds.PandasData", stock, "not measured"),
        ("feeds.ColumnarData", columnar, f"{peak:.0f} ({kept:.0f})"),
    ):
        median = statistics.median(times)
        table.add_row(name, f"{median:.3f}", f"{median / asked.bars * 1e6:.3f}", memory)
    console.print(table)
    console.print(f"ratio {ratio:.0f} (wanted: {WANTED_RATIO:.0f}); lines identical: {identical}")
    return 0 if ratio >= WANTED_RATIO and peak <= WANTED_BYTES and identical else 1


if __name__ == "__main__":
    sys.exit(main())
