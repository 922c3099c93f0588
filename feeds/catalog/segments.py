"""Parquet files of raw bars: written whole or not at all, read by range.

A segment holds the rows of one part of a series, sorted by time: all of it for daily and hourly bars, a year of
one-minute bars, a month of one-second bars. It is never changed: a write makes a new file.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from feeds.bars import COLUMNS, BarSize

SUFFIX = ".parquet"
_UNFINISHED = ".unfinished"
_ROWS_IN_GROUP = 16_384  # a range reads whole row groups: some 40 sessions of one-minute bars
_PART_UNIT: Mapping[BarSize, str] = {"1m": "Y", "1s": "M"}  # numpy's unit of the part; others are one part
WHOLE = "all"

Microseconds = npt.NDArray[np.int64]


def parts_of(bar: BarSize, times: Microseconds) -> list[tuple[str, slice]]:
    """The parts that sorted times fall into, in order, with their rows."""
    if bar not in _PART_UNIT:
        return [(WHOLE, slice(0, len(times)))] if len(times) else []
    labels = times.astype("datetime64[us]").astype(f"datetime64[{_PART_UNIT[bar]}]")
    starts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]]) if len(labels) else np.empty(0, dtype=np.intp)
    ends = np.r_[starts[1:], len(labels)]
    return [(str(labels[start]), slice(int(start), int(end))) for start, end in zip(starts, ends, strict=True)]


def write_segment(folder: Path, part: str, frame: pd.DataFrame, about: Mapping[str, str]) -> str:
    """Write rows (columns ``time`` in microseconds, then values) into a new file and return its name.

    The file is on the disk before it has its name. Raises OSError; nothing is left of a failed write.
    """
    _make(folder)
    name = f"{part}-{uuid.uuid4().hex}{SUFFIX}"
    unfinished = folder / f"{name}{_UNFINISHED}"
    columns = {"time": pa.array(frame["time"].to_numpy(dtype=np.int64).view("datetime64[us]"))}
    columns |= {column: pa.array(frame[column].to_numpy(dtype=np.float64)) for column in frame.columns[1:]}
    table = pa.table(columns).replace_schema_metadata({f"halflife.{key}": value for key, value in about.items()})
    try:
        with unfinished.open("wb") as stream:
            pq.write_table(
                table, stream, compression="zstd", use_dictionary=False, row_group_size=_ROWS_IN_GROUP,
                column_encoding={"time": "DELTA_BINARY_PACKED"}, write_page_checksum=True,
            )  # fmt: skip
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.rename(folder / name)
        _sync_folder(folder)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return name


def read_segment(file: Path, rows: int, first: int | None, last: int | None) -> pd.DataFrame:
    """Rows from ``first`` to ``last`` (microseconds, inclusive), only the row groups that hold them.

    ``rows``: how many the whole file has. Raises FileNotFoundError, OSError, pyarrow.ArrowException (damaged).
    """
    with file.open("rb") as stream, pq.ParquetFile(stream, page_checksum_verification=True) as parquet:
        names = parquet.schema_arrow.names
        if parquet.metadata.num_rows != rows or names[: len(COLUMNS) + 1] != ["time", *COLUMNS]:
            raise pa.ArrowInvalid(f"{parquet.metadata.num_rows} rows of {', '.join(names)} instead of {rows} bars")
        groups = list(range(parquet.metadata.num_row_groups))
        if first is not None or last is not None:
            groups = [group for group in groups if _overlaps(parquet.metadata.row_group(group), first, last)]
        table = parquet.read_row_groups(groups, use_threads=False)
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        values = column.to_numpy() if column.num_chunks != 1 else column.chunk(0).to_numpy(zero_copy_only=False)
        columns[name] = values.view("int64") if name == "time" else values
    times = columns["time"]
    start = 0 if first is None else int(np.searchsorted(times, first, side="left"))
    stop = len(times) if last is None else int(np.searchsorted(times, last, side="right"))
    return pd.DataFrame({name: values[start:stop] for name, values in columns.items()}, copy=False)


def delete_files(files: Iterable[Path]) -> None:
    """Delete files that no index points at; what cannot be deleted now is found again by ``leftovers``."""
    for file in files:
        with suppress(OSError):  # a reader on Windows holds it
            file.unlink(missing_ok=True)


def leftovers(folder: Path, known: set[str]) -> list[Path]:
    """Files of the folder that the index does not know: what gave way, and what a killed process left.

    To be asked by who holds the lock of the index, for then nobody has files under way.
    """
    if not folder.is_dir():
        return []
    return [
        entry for entry in folder.iterdir() if entry.name.endswith((SUFFIX, _UNFINISHED)) and entry.name not in known
    ]


def _overlaps(group: pq.RowGroupMetaData, first: int | None, last: int | None) -> bool:
    statistics = group.column(0).statistics
    if statistics is None or not statistics.has_min_max:
        return True
    low, high = (int(np.datetime64(value, "us").astype(np.int64)) for value in (statistics.min, statistics.max))
    return (last is None or low <= last) and (first is None or high >= first)


def _make(folder: Path) -> None:
    missing = [one for one in (folder, *folder.parents) if not one.is_dir()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        _sync_folder(one.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open folders, and its rename is in the journal of the file system
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
