"""Processes that use one catalog at once: writers lose nothing, readers always see one moment."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feeds.bars import RawBars
from feeds.catalog import Catalog, Repair

PRICES = ("open", "high", "low", "close")
GRID = pd.date_range("2015-12-31 12:00", periods=1_440, freq="min", tz="UTC", name="time").as_unit("us")  # two files


def bars(symbol: str, at: slice, value: float) -> RawBars:
    index = GRID[at]
    frame = pd.DataFrame(dict.fromkeys((*PRICES, "volume"), np.full(len(index), value)), index=index)
    return RawBars(symbol, "1m", frame, "made")


# --- what the processes do; each is told the folder, its name, and how often


def pieces(folder: Path, name: str, count: int) -> None:
    """Append pieces of one symbol that all writers share, and of one of its own."""
    for at in range(count):
        with Catalog(folder) as catalog:  # opened each time, as commands do
            catalog.append(bars("BOTH", slice(at * 7, at * 7 + 14), 1.0))
            catalog.append(bars(f"OF_{name}", slice(at * 7, at * 7 + 7), 2.0))


def whole(folder: Path, name: str, count: int) -> None:
    """Replace a whole series, both of its files, again and again, and repair one of its rows."""
    with Catalog(folder) as catalog:
        for at in range(count):
            value = float(at + 1)
            catalog.append(bars("AAA", slice(None), value), replace=True)
            catalog.add_repairs(
                "AAA", "1m", [Repair(GRID[5], 0, "made", "set", {"close": value}, {"close": value + 0.25}, "test")]
            )


def read(folder: Path, name: str, count: int) -> None:
    """Whatever is read is of one value, complete, and with the repair of these rows or none."""
    done = values = 0
    before = 0.0
    with Catalog(folder) as catalog:
        while before < count:
            raw = catalog.raw("AAA", "1m")
            assert raw.index.equals(GRID) and raw.to_numpy().min() == raw.to_numpy().max()
            assert raw["close"].iat[0] >= before
            seen = catalog.bars("AAA", "1m")
            value = seen["open"].iat[0]
            assert (seen["open"] == value).all() and seen["close"].iat[5] in (value, value + 0.25)
            assert len(seen) == len(GRID) and (seen["close"] != value).sum() <= 1
            assert catalog.get("AAA", "1m").rows == len(GRID)
            values += raw["close"].iat[0] != before
            before = raw["close"].iat[0]
            done += 1
    assert done >= values > 3, "the reader saw no writes"


def started(role: str, folder: Path, name: str, count: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, __file__, role, str(folder), name, str(count)], stderr=subprocess.PIPE, stdin=subprocess.PIPE
    )


def finished(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        assert process.stderr is not None
        assert process.stderr.readline() == b"ready\n"
    for process in processes:  # all have loaded what they need: now at once
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    errors = [process.communicate(timeout=300)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(errors)


def test_three_writers_that_make_the_catalog_together_lose_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "catalog"
    finished([started("pieces", folder, name, 25) for name in "ABC"])
    with Catalog(folder) as catalog:
        assert [one.symbol for one in catalog.series()] == ["BOTH", "OF_A", "OF_B", "OF_C"]
        pd.testing.assert_frame_equal(
            catalog.raw("BOTH", "1m"), bars("BOTH", slice(0, 182), 1.0).frame, check_freq=False
        )
        for name in "ABC":
            assert len(catalog.raw(f"OF_{name}", "1m")) == 175
        assert sum(int(act.detail.split()[1]) for act in catalog.acts("BOTH", limit=None)) == 182  # each row added once
        assert len(list((folder / "bars").rglob("*.parquet*"))) == 4


def test_readers_see_one_moment_while_a_writer_replaces_all(tmp_path: Path) -> None:
    folder, count = tmp_path / "catalog", 40
    with Catalog(folder) as catalog:
        catalog.append(bars("AAA", slice(None), 0.5))
    roles = [("whole", "W"), ("read", "R1"), ("read", "R2")]
    finished([started(role, folder, name, count) for role, name in roles])
    with Catalog(folder) as catalog:
        assert catalog.raw("AAA", "1m")["close"].unique().tolist() == [float(count)]
        assert len(catalog.repairs("AAA", "1m")) == 1
        assert len(list((folder / "replaced").rglob("*.parquet"))) == count


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(30))
def test_many_catalogs_are_made_by_four_processes_at_once(tmp_path: Path, trial: int) -> None:
    finished([started("pieces", tmp_path / "catalog", name, 1) for name in "ABCD"])
    with Catalog(tmp_path / "catalog") as catalog:
        assert len(catalog.series()) == 5


def test_a_reader_within_the_process_is_not_disturbed_by_a_writer_in_it(tmp_path: Path) -> None:
    failures: list[BaseException] = []
    with Catalog(tmp_path / "catalog") as catalog:
        catalog.append(bars("AAA", slice(None), 0.0))
        over = time.monotonic() + 1.0

        def reading() -> None:
            try:
                while time.monotonic() < over:
                    seen = catalog.raw("AAA", "1m")
                    assert len(seen) == len(GRID) and seen["close"].nunique() == 1
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=reading) for _ in range(2)]
        for thread in threads:
            thread.start()
        value = 0.0
        while time.monotonic() < over:
            value += 1.0
            catalog.append(bars("AAA", slice(None), value), replace=True)
        for thread in threads:
            thread.join()
    assert not failures and value > 1.0


if __name__ == "__main__":
    sys.stderr.write("ready\n")
    sys.stderr.flush()
    sys.stdin.readline()
    role = {"pieces": pieces, "whole": whole, "read": read}[sys.argv[1]]
    role(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
