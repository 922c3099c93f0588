"""The data room on hundreds of symbols: import, then check and repair, as `halflife data` does it.

Run from the repository: ``python benchmarks/data_room.py [--file BARS.parquet] [--symbols 442] [--sessions 510]``. The
file has a row for each symbol and day (symbol, date, open, high, low, close, volume). Without one, random walks are
written with a defect in each symbol: a row on a holiday, a spike, a bar twice, and high and low swapped, in turn. Times
are limits of their own here, for the work is what a person waits for: import at most 20 s, check and repair 30 s.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script has its own folder on the path only

from core.calendar import ExchangeCalendar  # noqa: E402
from feeds.room import DataRoom, RoomResult  # noqa: E402

WANTED_IMPORT = 20.0  # seconds
WANTED_CARE = 30.0


def dirty_bars(symbols: int, sessions: int) -> pd.DataFrame:
    """Random walks on sessions of XNYS since 2015, long format, one planted error in each symbol."""
    rng = np.random.default_rng(11)
    calendar = ExchangeCalendar("XNYS")
    first = pd.Timestamp("2015-03-20").date()
    days = pd.DatetimeIndex(calendar.sessions(first, calendar.last)[:sessions])
    holiday = next(day for day in pd.bdate_range(days[0], days[-1]) if day not in days)
    frames = []
    for number in range(symbols):
        close = rng.uniform(10, 200) * np.exp(np.cumsum(rng.normal(0, 0.012, sessions)))
        opened = close * np.exp(rng.normal(0, 0.004, sessions))
        frame = pd.DataFrame(
            {
                "symbol": f"S{number:04d}",
                "date": days,
                "open": opened,
                "high": np.maximum(opened, close) * (1.0 + rng.uniform(0, 0.01, sessions)),
                "low": np.minimum(opened, close) * (1.0 - rng.uniform(0, 0.01, sessions)),
                "close": close,
                "volume": rng.integers(100_000, 1_000_000, sessions).astype("float64"),
            }
        )
        at = int(rng.integers(50, sessions - 50))
        if number % 4 == 0:
            stray = frame.iloc[[at]].assign(date=holiday)
            frame = pd.concat([frame, stray])
        elif number % 4 == 1:
            frame.loc[at, ["open", "high", "low", "close"]] *= 3.0
        elif number % 4 == 2:
            frame = pd.concat([frame, frame.iloc[[at]]])
        else:
            frame.loc[at, ["high", "low"]] = frame.loc[at, ["low", "high"]].to_numpy()
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def timed(work: Callable[[], RoomResult]) -> tuple[float, RoomResult]:
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--file", type=Path)
    parser.add_argument("--symbols", type=int, default=442)
    parser.add_argument("--sessions", type=int, default=510)
    asked = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        file = asked.file
        if file is None:
            file = Path(folder) / "bars.parquet"
            dirty_bars(asked.symbols, asked.sessions).to_parquet(file, index=False)
        room = DataRoom(Path(folder) / "catalog")
        steps = {
            "import": lambda: room.import_files([file]),
            "import again": lambda: room.import_files([file]),
            "check": lambda: room.check(raw=True),
            "repair": room.repair,
            "check after repair": room.check,
            "adjust": room.adjust,
            "show": room.show,
        }
        table = Table(title=f"{file.name}, {file.stat().st_size / 1e6:.1f} MB")
        for heading in ("step", "seconds", "what came of it"):
            table.add_column(heading, justify="right" if heading == "seconds" else "left")
        seconds: dict[str, float] = {}
        for name, work in steps.items():
            seconds[name], result = timed(work)
            table.add_row(name, f"{seconds[name]:.2f}", result.sentence())
    console.print(table)
    care = seconds["check"] + seconds["repair"]
    console.print(
        f"import {seconds['import']:.1f} s (wanted: {WANTED_IMPORT:.0f}); "
        f"check and repair {care:.1f} s (wanted: {WANTED_CARE:.0f})"
    )
    return 0 if seconds["import"] <= WANTED_IMPORT and care <= WANTED_CARE else 1


if __name__ == "__main__":
    sys.exit(main())
