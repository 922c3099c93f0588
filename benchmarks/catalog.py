"""The catalog at working size: a million one-minute bars into Cerebro, a year out of ten, one more day, 5,000 symbols.

Run from the repository: ``python benchmarks/catalog.py [--bars 1000000] [--symbols 5000] [--repeats 5]``. The bars are
a random walk over regular sessions of XNYS, about ten years of them. The catalog is measured against what one would do
without it: one Parquet file, read by pandas and loaded by ``bt.feeds.PandasData``, once in the same run, for it takes
its time. Reading counts from the opening of the catalog to lines that are ready for the first bar, as Cerebro preloads
them. Times are limits of their own here, for they are what a person waits for: a million bars in at most 1 s, the
listing in at most 2 s; a year costs at most a fifth of the whole.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import backtrader as bt
import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script has its own folder on the path only

from core.calendar import ExchangeCalendar  # noqa: E402
from feeds import ColumnarData, RawBars  # noqa: E402
from feeds.bars import BarSize  # noqa: E402
from feeds.catalog import Catalog  # noqa: E402

WANTED_READ = 1.0  # seconds, for a million bars
WANTED_LISTING = 2.0  # seconds
WANTED_YEAR = 0.2  # of the whole
FIRST = dt.date(2014, 1, 2)
MINUTE_US = 60_000_000


def walk(index: pd.DatetimeIndex, seed: int) -> pd.DataFrame:
    """Prices to the cent that wander, and volumes."""
    rng = np.random.default_rng(seed)
    count = len(index)
    close = (100.0 * np.exp(np.cumsum(rng.normal(0.0, 5e-4, count)))).round(2)
    opens = np.concatenate(([100.0], close[:-1]))
    return pd.DataFrame(
        {
            "open": opens,
            "high": np.maximum(opens, close) + 0.01,
            "low": np.minimum(opens, close) - 0.01,
            "close": close,
            "volume": rng.integers(1, 10_000, count).astype("float64"),
        },
        index=index.rename("time"),
    )


def minutes(calendar: ExchangeCalendar, count: int) -> pd.DatetimeIndex:
    """The closes of the first ``count`` minutes of sessions from FIRST on, UTC."""
    days = pd.DatetimeIndex(calendar.sessions(FIRST, calendar.last)).as_unit("us")
    closes = calendar.closes_of(days)[0]
    opens, _ = calendar.hours_of(calendar.session_numbers(closes))
    first, last = (stamps.as_unit("us").asi8 for stamps in (opens, closes))
    lengths = (last - first) // MINUTE_US
    total = int(lengths.sum())
    if total < count:
        raise SystemExit(f"{total:,} minutes are all there are since {FIRST}; ask for fewer --bars")
    within = np.arange(total) - np.repeat(np.cumsum(lengths) - lengths, lengths) + 1
    stamps = np.repeat(first, lengths) + within * MINUTE_US
    return pd.DatetimeIndex(stamps[:count].view("datetime64[us]")).tz_localize("UTC")


def into_cerebro(feed: Callable[..., bt.feed.DataBase], frame: pd.DataFrame) -> bt.Cerebro:
    """What Cerebro.run does before the first bar: construct, add, start, preload."""
    cerebro = bt.Cerebro(stdstats=False)
    data = feed(dataname=frame, timeframe=bt.TimeFrame.Minutes)
    cerebro.adddata(data)
    data.reset()
    data._start()
    data.preload()
    return cerebro


def whole_run(folder: Path) -> int:
    """Read, load and run a strategy that does nothing; the number of its bars."""
    with Catalog(folder, create=False) as catalog:
        frame = catalog.bars("SPY", "1m")
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(ColumnarData(dataname=frame, timeframe=bt.TimeFrame.Minutes))
    cerebro.addstrategy(bt.Strategy)
    (strategy,) = cerebro.run()
    return len(strategy)


def timed(work: Callable[[], object]) -> float:
    gc.collect()
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def read(folder: Path, symbol: str, bar: BarSize, start: dt.date | None = None, end: dt.date | None = None) -> int:
    with Catalog(folder, create=False) as catalog:
        return len(catalog.bars(symbol, bar, start, end))


def fill(folder: Path, frame: pd.DataFrame, symbols: int, console: Console) -> tuple[float, float]:
    """Make the catalog; seconds for the million bars, and for each daily symbol."""
    days = pd.DatetimeIndex(frame.index.tz_convert(None).normalize().unique()).as_unit("us")
    daily = walk(days, seed=3)
    with Catalog(folder) as catalog:
        minute = timed(lambda: catalog.append(RawBars("SPY", "1m", frame, "benchmark")))
        catalog.append(RawBars("SPY", "1d", daily, "benchmark"))
        begin = time.perf_counter()
        for number in track(range(symbols), description="making daily symbols", console=console):
            catalog.append(RawBars(f"S{number:04d}", "1d", daily.iloc[:510], "benchmark"))
        each = (time.perf_counter() - begin) / max(symbols, 1)
    return minute, each


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bars", type=int, default=1_000_000)
    parser.add_argument("--symbols", type=int, default=5_000)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    console = Console()
    index = minutes(ExchangeCalendar("XNYS"), asked.bars + 390)
    frame = walk(index, seed=7)
    kept, next_day = frame.iloc[: asked.bars], frame.iloc[asked.bars :]
    year = kept.index[len(kept) // 2].year
    bounds = dt.date(year, 1, 1), dt.date(year, 12, 31)
    times: dict[str, list[float]] = {}

    def measure(name: str, work: Callable[[], object]) -> None:
        times.setdefault(name, []).append(timed(work))

    with tempfile.TemporaryDirectory() as temporary:
        folder, file = Path(temporary) / "catalog", Path(temporary) / "bars.parquet"
        minute, each = fill(folder, kept, asked.symbols, console)
        kept.to_parquet(file)
        read(folder, "SPY", "1m")  # imports and caches
        with Catalog(folder, create=False) as catalog:
            pd.testing.assert_frame_equal(catalog.bars("SPY", "1m"), kept, check_freq=False)
            listed = len(catalog.series("1d"))

        def from_catalog() -> None:
            with Catalog(folder, create=False) as catalog:
                into_cerebro(ColumnarData, catalog.bars("SPY", "1m"))

        def listing() -> None:
            with Catalog(folder, create=False) as catalog:
                catalog.series("1d")

        for _ in track(range(asked.repeats), description="reading", console=console):
            measure("catalog into Cerebro", from_catalog)
            measure("  of it the catalog", lambda: read(folder, "SPY", "1m"))
            measure("one year of it", lambda: read(folder, "SPY", "1m", *bounds))
            measure("pandas.read_parquet of one file", lambda: pd.read_parquet(file))
            measure(f"listing of {listed:,} daily symbols", listing)
        measure("stock: read_parquet and PandasData", lambda: into_cerebro(bt.feeds.PandasData, pd.read_parquet(file)))
        measure("catalog into Cerebro and an empty run", lambda: whole_run(folder))
        with Catalog(folder) as catalog:
            measure("append of one day", lambda: catalog.append(RawBars("SPY", "1m", next_day, "benchmark")))
            measure("the same day again", lambda: catalog.append(RawBars("SPY", "1m", next_day, "benchmark")))
    medians = {name: statistics.median(found) for name, found in times.items()}

    table = Table(title=f"{asked.bars:,} one-minute bars of one symbol, medians of {asked.repeats}")
    table.add_column("what")
    table.add_column("seconds", justify="right")
    table.add_row("import of the bars", f"{minute:.3f}")
    table.add_row("import of one daily symbol of 510 bars", f"{each:.4f}")
    for name, median in medians.items():
        table.add_row(name, f"{median:.3f}")
    console.print(table)

    whole, reading = medians["catalog into Cerebro"], medians["  of it the catalog"]
    share = medians["one year of it"] / reading
    seconds = medians[f"listing of {listed:,} daily symbols"]
    stock = medians["stock: read_parquet and PandasData"]
    console.print(
        f"into Cerebro {whole:.2f} s (wanted: {WANTED_READ:.0f}), stock takes {stock / whole:.0f} times as long\n"
        f"one year of ten costs {share:.3f} of the whole (wanted: {WANTED_YEAR})\n"
        f"listing {seconds:.2f} s (wanted: {WANTED_LISTING:.0f})"
    )
    return 0 if whole <= WANTED_READ and share <= WANTED_YEAR and seconds <= WANTED_LISTING else 1


if __name__ == "__main__":
    sys.exit(main())
