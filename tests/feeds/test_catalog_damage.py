"""A catalog that is damaged, newer, foreign, read-only or on a full disk: an error that names it, and nothing lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import CatalogError
from feeds.bars import BarSize, CorporateAction, RawBars
from feeds.catalog import Catalog

PRICES = ("open", "high", "low", "close")
INDEX = "catalog.sqlite"
MIB = 1 << 20


def bars(symbol: str, first: int, count: int, bar: BarSize = "1d", seed: int = 0) -> RawBars:
    """Bars of random numbers, which no compression makes small."""
    start, step, zone = ("2000-01-03", "D", None) if bar == "1d" else ("2000-01-03 14:31", "min", "UTC")
    times = pd.date_range(start, periods=first + count, freq=step, tz=zone, name="time").as_unit("us")
    values = np.random.default_rng(seed).normal(100.0, 10.0, (first + count, 5))
    frame = pd.DataFrame(values, columns=[*PRICES, "volume"], index=times).iloc[first:]
    return RawBars(symbol, bar, frame, "made")


def filled(folder: Path) -> Path:
    """A closed catalog of two symbols."""
    with Catalog(folder) as catalog:
        catalog.append(bars("AAA", 0, 300))
        catalog.append(bars("BBB", 0, 300))
    return folder


def segment(folder: Path, symbol: str = "AAA") -> Path:
    (file,) = (folder / "bars" / "1d" / symbol).glob("*.parquet")
    return file


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def same(read: pd.DataFrame, brought: RawBars) -> bool:
    return read.to_numpy().tobytes() == brought.frame.to_numpy().tobytes() and read.index.equals(brought.frame.index)


# --- another file or folder in its place


def test_a_newer_catalog_is_refused_and_not_touched(tmp_path: Path) -> None:
    folder = filled(tmp_path / "catalog")
    with sqlite3.connect(folder / INDEX) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    before = content(folder)
    with pytest.raises(
        CatalogError, match="has schema version 2, this halflife knows 1; update halflife, or set paths.c"
    ):
        Catalog(folder)
    assert content(folder) == before


def test_another_kind_of_sqlite_file_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / INDEX) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()
    before = content(tmp_path)
    with pytest.raises(
        CatalogError, match="is not a catalog but another SQLite file; move it away .*, or set paths.catalog"
    ):
        Catalog(tmp_path)
    assert content(tmp_path) == before


def test_what_is_no_catalog_is_refused_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="there is no catalog in .*none; `halflife data import`"):
        Catalog(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()
    (tmp_path / "file").write_text("here")
    with pytest.raises(CatalogError, match="file is a file, not the folder of a catalog"):
        Catalog(tmp_path / "file")
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("a.csv", "b.csv", "c.csv", "d.csv"):
        (mine / name).write_text("time,close")
    with pytest.raises(CatalogError, match=r"holds other files \(a.csv, b.csv, c.csv, ...\) and no catalog; set paths"):
        Catalog(mine)
    assert len(list(mine.iterdir())) == 4
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / INDEX).write_text("time,open,high,low,close,volume\n" * 200)
    with pytest.raises(CatalogError, match="it is not a SQLite file .*; move it away"):
        Catalog(tmp_path / "text")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / INDEX).touch()  # a process was killed just when it began
    with Catalog(tmp_path / "empty") as catalog:
        assert catalog.append(bars("AAA", 0, 3)).added == 3


def test_bars_without_their_index_are_not_built_over(tmp_path: Path) -> None:
    folder = filled(tmp_path / "catalog")
    before = content(folder / "bars")
    for empty in (True, False):
        (folder / INDEX).write_bytes(b"") if empty else (folder / INDEX).unlink()
        with pytest.raises(CatalogError, match="holds bars, but its index catalog.sqlite is gone or empty; put a copy"):
            Catalog(folder)
    assert content(folder / "bars") == before


# --- damage


@pytest.mark.parametrize("damage", ["zeros", "noise", "cut"])
def test_a_damaged_index_is_named_wherever_the_damage_is(tmp_path: Path, damage: str) -> None:
    whole = filled(tmp_path / "catalog")
    size = (whole / INDEX).stat().st_size
    failed = 0
    for page in range(size // 4096):
        folder = tmp_path / f"page{page}"
        shutil.copytree(whole, folder)
        with (folder / INDEX).open("r+b") as stream:
            stream.seek(page * 4096 + (100 if page == 0 else 0))  # the first page begins with SQLite's own header
            if damage == "cut":
                stream.truncate()
            else:
                stream.write(np.random.default_rng(page).bytes(3996) if damage == "noise" else bytes(3996))
        try:
            with Catalog(folder) as catalog:
                for one in catalog.series():
                    catalog.bars(one.symbol, one.bar)
                    catalog.actions(one.symbol)
                catalog.acts()
                catalog.append(bars("CCC", 0, 3))
        except CatalogError as error:
            failed += 1
            assert INDEX in str(error) and ("damaged" in str(error) or "not a SQLite file" in str(error))
    assert failed >= 5  # pages of an index that nothing reads here may be damaged unseen


def test_a_missing_segment_is_named_and_others_are_read(tmp_path: Path) -> None:
    folder = filled(tmp_path / "catalog")
    file = segment(folder)
    kept = file.read_bytes()
    file.unlink()
    with Catalog(folder) as catalog:
        for use in (lambda: catalog.bars("AAA", "1d"), lambda: catalog.append(bars("AAA", 300, 1))):
            with pytest.raises(
                CatalogError, match=f"AAA 1d: the file .*{file.name} is missing; put it back from a cop"
            ):
                use()
        assert same(catalog.bars("BBB", "1d"), bars("BBB", 0, 300))
        assert len(catalog.series()) == 2
        file.write_bytes(kept)
        assert same(catalog.bars("AAA", "1d"), bars("AAA", 0, 300))
        file.unlink()
        catalog.remove("AAA", "1d")
        assert catalog.append(bars("AAA", 0, 300)).added == 300


def test_no_damaged_bit_of_a_segment_gives_other_numbers(tmp_path: Path) -> None:
    folder = filled(tmp_path / "catalog")
    file = segment(folder)
    whole = file.read_bytes()
    random = np.random.default_rng(1)
    silent = refused = 0
    with Catalog(folder) as catalog:
        for at in [*random.choice(len(whole), 250, replace=False), *range(len(whole) - 1_800, len(whole), 5)]:
            hurt = bytearray(whole)
            hurt[at] ^= 1 << int(random.integers(8))
            file.write_bytes(hurt)
            try:
                silent += not same(catalog.raw("AAA", "1d"), bars("AAA", 0, 300))
            except CatalogError as error:
                refused += 1
                assert file.name in str(error) and "halflife data remove AAA --bar 1d" in str(error)
    assert silent == 0 and refused > 400


@pytest.mark.parametrize(
    "other",
    [b"", b"PAR1", b"time,open\n1,2\n" * 50, None],
    ids=["empty", "magic", "text", "cut"],
)  # fmt: skip
def test_a_segment_that_is_no_parquet_file_is_named(tmp_path: Path, other: bytes | None) -> None:
    folder = filled(tmp_path / "catalog")
    file = segment(folder)
    file.write_bytes(file.read_bytes()[:-100] if other is None else other)
    with Catalog(folder) as catalog:
        with pytest.raises(CatalogError, match=f"AAA 1d: the file .*{file.name} cannot be read"):
            catalog.raw("AAA", "1d")
        assert same(catalog.raw("BBB", "1d"), bars("BBB", 0, 300))


def test_a_parquet_file_of_something_else_is_not_taken_for_bars(tmp_path: Path) -> None:
    folder = filled(tmp_path / "catalog")
    file = segment(folder)
    other = pd.read_parquet(file)
    with Catalog(folder) as catalog:
        other.drop(columns="low").to_parquet(file)
        with pytest.raises(CatalogError, match="instead of 300 bars"):
            catalog.raw("AAA", "1d")
        other.iloc[:299].to_parquet(file)
        with pytest.raises(CatalogError, match="299 rows of time, open, high, low, close, volume instead of 300 bars"):
            catalog.raw("AAA", "1d", pd.Timestamp("2000-01-03").date())


def test_a_segment_can_be_understood_alone(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    folder = filled(tmp_path / "catalog")
    about = pq.read_schema(segment(folder)).metadata
    assert {key.decode(): value.decode() for key, value in about.items() if key.startswith(b"halflife.")} == {
        "halflife.symbol": "AAA", "halflife.bar": "1d", "halflife.source": "made", "halflife.currency": "USD",
        "halflife.exchange": "XNYS", "halflife.adjusted": "raw", "halflife.content": "trades",
    }  # fmt: skip


# --- read-only


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The folder cannot be written: by a mount for root, whom rights do not bind, else by its rights."""
    if os.name != "posix":
        pytest.skip("rights of folders are POSIX's")
    if os.geteuid() == 0:
        if subprocess.run(["mount", "--bind", folder, folder], capture_output=True, check=False).returncode:
            pytest.skip("root, and no right to mount")
        try:
            subprocess.run(["mount", "-o", "remount,ro,bind", folder], capture_output=True, check=True)
            yield
        finally:
            subprocess.run(["umount", folder], capture_output=True, check=True)
        return
    everything = [folder, *folder.rglob("*")]
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        yield
    finally:
        for path in everything:
            path.chmod(0o755 if path.is_dir() else 0o644)


def test_a_read_only_catalog_is_read_and_not_written(tmp_path: Path) -> None:
    folder = filled(tmp_path / "catalog")
    with read_only(folder):
        with Catalog(folder, create=False) as catalog:
            assert [one.symbol for one in catalog.series()] == ["AAA", "BBB"]
            assert same(catalog.bars("AAA", "1d"), bars("AAA", 0, 300))
            for write in (
                lambda: catalog.append(bars("AAA", 300, 1)), lambda: catalog.undo_repairs("AAA", "1d"),
                lambda: catalog.remove("AAA", "1d"),
            ):  # fmt: skip
                with pytest.raises(CatalogError, match="cannot be written, only read; correct the rights of its files"):
                    write()
    with Catalog(folder) as catalog:
        assert catalog.append(bars("AAA", 300, 1)).added == 1


def test_a_read_only_copy_without_its_last_writes_is_refused(tmp_path: Path) -> None:
    with Catalog(tmp_path / "catalog") as catalog:
        catalog.append(bars("AAA", 0, 3))
        shutil.copytree(tmp_path / "catalog", tmp_path / "copy")  # while it is open: the log is not empty
    (tmp_path / "copy" / f"{INDEX}-shm").unlink()
    with read_only(tmp_path / "copy"):
        with pytest.raises(CatalogError, match="what was written last is still in catalog.sqlite-wal; open it once wh"):
            Catalog(tmp_path / "copy")
    with Catalog(tmp_path / "copy") as catalog:
        assert len(catalog.raw("AAA", "1d")) == 3


def test_a_catalog_cannot_be_made_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir()
    with read_only(tmp_path / "shut"), pytest.raises(CatalogError, match="set paths.catalog"):
        Catalog(tmp_path / "shut" / "catalog")


# --- a full disk


def unchanged(catalog: Catalog, folder: Path, had: tuple[object, ...]) -> None:
    """What was there is there, and every file that is no leftover of a failed commit is known."""
    assert state(catalog) == had
    assert catalog._database.rows("PRAGMA integrity_check")[0][0] == "ok"
    assert not list(folder.rglob("*.unfinished"))


def state(catalog: Catalog) -> tuple[object, ...]:
    raw = catalog.raw("AAA", "1m")
    return catalog.series(), catalog.acts(limit=None), catalog.actions("AAA"), raw.to_numpy().tobytes()


def big(seed: int) -> RawBars:
    """Two years of minutes (two segments, some 3 MiB), with an action; another seed replaces them."""
    made = bars("AAA", 0, 60_000, "1m", seed)
    times = made.frame.index + pd.to_timedelta(np.where(np.arange(60_000) < 30_000, 0, 366), unit="D")
    split = CorporateAction(pd.Timestamp("2000-01-05").date(), "split", float(seed + 2), "made")
    return RawBars("AAA", "1m", made.frame.set_axis(times.rename("time")), "made", actions=(split,))


def test_a_disk_that_fills_leaves_the_catalog_as_it_was(tmp_path: Path) -> None:
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("a small disk needs the right to mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], capture_output=True, check=False
    ).returncode:
        pytest.skip("no right to mount")
    try:
        with Catalog(disk / "catalog") as catalog:
            catalog.append(big(0))
            had, failed = state(catalog), set[str]()
            free = shutil.disk_usage(disk).free
            filler = disk / "filler"
            for left in (0, 500_000, 1_300_000, 2_000_000, 3_500_000, *range(4_400_000, 4_600_000, 8_192)):
                filler.write_bytes(bytes(free - left))
                try:
                    catalog.append(big(1), replace=True)
                except CatalogError as error:
                    assert "the disk is full" in str(error) and "paths.catalog" in str(error)
                    failed |= {where for where in ("/bars/1m/AAA", "/replaced/1m/AAA", INDEX) if where in str(error)}
                    unchanged(catalog, disk, had)
                else:
                    break
                finally:
                    filler.unlink()
            assert failed == {"/bars/1m/AAA", "/replaced/1m/AAA", INDEX}  # it filled at every step of a write
            assert catalog.append(big(2), replace=True).replaced == 60_000
            assert same(catalog.raw("AAA", "1m"), big(2))
    finally:
        subprocess.run(["umount", disk], capture_output=True, check=True)


def test_files_that_may_not_grow_leave_the_catalog_as_it_was(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    folder = tmp_path / "catalog"
    with Catalog(folder) as catalog:
        catalog.append(big(0))
        had, failed = state(catalog), set[str]()
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        for most in [0, 1_000, 50_000, 500_000, 1_000_000, 1_300_000, *range(1_500_000, 4_000_000, 250_000)]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
            try:
                catalog.append(big(1), replace=True)
            except CatalogError as error:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
                failed.add(str(error).split("/")[-1].split("(")[0])
                unchanged(catalog, folder, had)
            else:
                break
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert len(failed) >= 1 and catalog.append(big(2), replace=True).replaced == 60_000
        assert same(catalog.raw("AAA", "1m"), big(2))


def test_an_index_that_is_full_leaves_the_catalog_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "catalog"
    with Catalog(folder) as catalog:
        catalog.append(big(0))
        run = catalog._database.connection.execute
        pages = run("PRAGMA page_count").fetchone()[0]
        run(f"PRAGMA max_page_count = {pages}")  # SQLite then says that the disk is full
        many = tuple(CorporateAction(day.date(), "dividend", 0.1) for day in pd.date_range("1990-01-01", periods=3_000))
        had = state(catalog)
        for _ in range(3):
            with pytest.raises(CatalogError, match="the disk is full .*; free space on the disk or set paths.catalog"):
                catalog.append(
                    RawBars("AAA", "1m", bars("AAA", 0, 9, "1m", 7).frame, "made", actions=many), replace=True
                )
            unchanged(catalog, folder, had)
        run("PRAGMA max_page_count = 1000000")
        assert catalog.append(bars("AAA", 60_000, 5, "1m")).added == 5
        assert len(list(folder.rglob("*.parquet"))) == 2  # nothing is left of what failed
