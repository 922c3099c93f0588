"""Parquet files as frames whose columns have plain types: what a column holds is refused by name, never a stack trace.

Only columns with a known name are converted; what the others hold is of no matter.
"""

from __future__ import annotations

import re
import textwrap
from typing import Any

import numpy as np
import pandas as pd

from core.errors import FeedEmptyError, FeedError, FeedSourceError
from feeds.sources.columns import Role, role_of

YEARS = (1800, 2200)  # of times; what lies outside was misread or mistyped
ISO_CURE = "write ISO 8601: 2018-12-31 or 2018-12-31T14:30:00Z"
_INDEX = re.compile(r"__index_level_\d+__")  # pandas keeps an index without a name under such a name
_SHOWN = 160  # characters of pyarrow's own words in an error
_OPENING = re.compile(r"^Could not open Parquet input source '.*?': ")
_DAY = np.timedelta64(1, "D")  # the local time of a moment may be of the year before or after


def read_parquet(content: bytes, where: str) -> pd.DataFrame:
    """A row for each row of the file, numbered from 1. ``where`` begins every error.

    Raises FeedSourceError (damaged), FeedEmptyError, FeedError (a column of a type that can hold no bars).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Not read_table, which finds no column by its name where two have it; int96 would be cut to nanoseconds
        file = pq.ParquetFile(
            pa.BufferReader(content), page_checksum_verification=True, coerce_int96_timestamp_unit="us"
        )
        table = file.read()
        table.validate(full=True)
    except (OSError, ValueError, OverflowError, pa.ArrowException) as error:
        words = "".join(mark if mark.isprintable() else " " for mark in _OPENING.sub("", str(error)))
        reason = textwrap.shorten(words, _SHOWN, placeholder=" ...").rstrip(" .:")
        raise FeedSourceError(f"{where}: the Parquet file is damaged ({reason}); get it again") from error
    if not table.num_rows:
        raise FeedEmptyError(f"{where} has columns and no bars; fill it or leave it out")
    names = [_INDEX.sub("datetime", one.name) if pa.types.is_temporal(one.type) else one.name for one in table.schema]
    columns = [
        _plain(column, name, role_of(name), f"{where}, ") for name, column in zip(names, table.columns, strict=True)
    ]
    frame: pd.DataFrame = pa.Table.from_arrays(columns, names).to_pandas(ignore_metadata=True)
    return frame.set_axis(pd.RangeIndex(1, len(frame) + 1), axis=0)


def _plain(column: Any, name: str, role: Role | None, where: str) -> Any:
    """A column of numbers, text, times of day, or times in microseconds within YEARS.

    Another type is named in the cells instead of their values, so that a reader refuses the first of them.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if role is None:
        return pa.nulls(len(column))
    kind = column.type
    if pa.types.is_dictionary(kind):  # Parquet gives back those of text and bytes
        kind = kind.value_type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        try:
            return column.cast(pa.binary()).cast(pa.string())
        except pa.ArrowInvalid as error:
            raise FeedError(f"{where}column {name}: not UTF-8 text; write it as text") from error
    if role == "symbol" and not (_is_text(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise FeedError(f"{where}column {name}: it holds {kind}, not symbols; write them as text")
    if role == "time" and (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        return _moments(column, name, where)
    if role == "time" and pa.types.is_time(kind):  # a time of day beside the date
        return column.cast(pa.time64("us"), safe=False)
    if pa.types.is_nested(kind) or pa.types.is_temporal(kind):
        return pc.if_else(column.is_valid(), str(kind), None)
    return column


def _moments(column: Any, name: str, where: str) -> Any:
    """Times in microseconds. Raises FeedError with the row for one outside YEARS, and for an unknown timezone."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_date32(column.type):
        column = column.cast(pa.timestamp("s"))
    elif pa.types.is_date64(column.type):
        column = column.cast(pa.timestamp("ms"))
    unit, zone = column.type.unit, column.type.tz
    try:
        pa.array([0], pa.timestamp("us", zone)).to_pandas()
    except (KeyError, ValueError, OSError) as error:
        raise FeedError(f"{where}column {name}: unknown timezone {zone!r}; write times in UTC") from error
    numbers = column.cast(pa.int64())
    first, last = (
        int(edge.astype(f"datetime64[{unit}]").astype(np.int64))
        for edge in (np.datetime64(str(YEARS[0]), "D") - _DAY, np.datetime64(str(YEARS[1]), "D") + _DAY)
    )
    outside = pc.or_(pc.less(numbers, first), pc.greater(numbers, last))
    count = pc.sum(outside).as_py()
    if count:
        at = pc.index(outside, True).as_py()
        value = np.datetime64(numbers[at].as_py(), unit)
        more = f" ({count} rows in all)" if count > 1 else ""
        raise FeedError(
            f"{where}row {at + 1}, column {name}: '{value}' is not a time between {YEARS[0]} and {YEARS[1]}{more}; "
            f"{ISO_CURE}"
        )
    return column.cast(pa.timestamp("us", zone), safe=False)


def _is_text(kind: Any) -> bool:
    return str(kind) in ("string", "large_string", "string_view")
