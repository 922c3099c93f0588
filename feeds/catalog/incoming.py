"""Bars as they are brought, as rows that can be stored; ranges as stored times."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from core.calendar import exchange_code
from core.clock import as_utc
from core.errors import CalendarError, FeedError
from feeds.bars import BAR_SIZES, COLUMNS, EXTRAS, RawBars
from feeds.catalog.names import check_symbol

_DAY_US = 86_400_000_000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def description(bars: RawBars, currency: str, exchange: str) -> dict[str, str]:
    """What is stored about bars; ``currency`` and ``exchange`` where they do not say. Raises CatalogError,
    CalendarError."""
    exchange = bars.exchange or exchange
    try:
        exchange = exchange_code(exchange)
    except CalendarError as error:
        raise CalendarError(f"{bars.symbol}: {error.args[0]}") from error
    return {
        "symbol": check_symbol(bars.symbol), "bar": bars.bar, "source": bars.source,
        "currency": bars.currency or currency, "exchange": exchange, "adjusted": bars.adjusted,
        "content": bars.content,
    }  # fmt: skip


def rows_of(bars: RawBars) -> pd.DataFrame:
    """Column ``time`` (int64 microseconds) and the values as float64, sorted by time; rows of one time stay in order.

    Raises FeedError for times that are not what ``feeds.bars`` says, and for columns that are missing or unknown.
    """
    name, frame = f"{bars.symbol} {bars.bar}", bars.frame
    if bars.bar not in BAR_SIZES:
        raise FeedError(f"{name}: unknown bar size; it is one of {', '.join(BAR_SIZES)}")
    missing = [column for column in COLUMNS if column not in frame]
    unknown = [str(column) for column in frame.columns if column not in (*COLUMNS, *EXTRAS)]
    if missing or unknown:
        raise FeedError(
            f"{name}: {'no column ' + ', '.join(missing) if missing else 'unknown column ' + ', '.join(unknown)}; bars "
            f"have {', '.join(COLUMNS)} and may have {', '.join(EXTRAS)}"
        )
    if not frame.columns.is_unique:
        raise FeedError(f"{name}: two columns have one name ({', '.join(map(str, frame.columns))}); drop one")
    if len(frame):  # the columns of an empty frame may be of any kind
        for column, kind in frame.dtypes.items():
            if not is_numeric_dtype(kind) or is_bool_dtype(kind):
                raise FeedError(f"{name}: column {column} is {kind}, not numbers; convert it: pd.to_numeric(...)")
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex):
        raise FeedError(f"{name}: the index is a {type(index).__name__}, not a DatetimeIndex; set it to the times")
    if index.hasnans:
        raise FeedError(f"{name}: {int(np.count_nonzero(index.isna()))} rows have no time; drop them or give them one")
    if (index.tz is None) != (bars.bar == "1d"):
        wanted = "dates of sessions, without a timezone" if bars.bar == "1d" else "closes with a timezone (UTC)"
        raise FeedError(f"{name}: the times of {bars.bar} bars are {wanted}; convert the index")
    utc = index if index.tz is None else index.tz_convert("UTC").tz_localize(None)
    times = utc.to_numpy().astype("datetime64[us]").astype(np.int64)
    if bars.bar == "1d" and (times % _DAY_US).any():
        raise FeedError(f"{name}: daily bars are labelled by the date alone, some have a time of day; normalise them")
    columns = {"time": times}
    for column in (*COLUMNS, *EXTRAS):
        if column in frame:
            columns[column] = frame[column].to_numpy(dtype=np.float64, na_value=np.nan)
    return pd.DataFrame(columns).sort_values("time", kind="stable", ignore_index=True)


def time_range(start: dt.date | dt.datetime | None, end: dt.date | dt.datetime | None) -> tuple[int | None, int | None]:
    """First and last microsecond, inclusive. A date is its whole day in UTC; a naive datetime is UTC."""
    first = None if start is None else _microseconds(start)
    last = None if end is None else _microseconds(end) + (0 if isinstance(end, dt.datetime) else _DAY_US - 1)
    return first, last


def _microseconds(when: dt.date | dt.datetime) -> int:
    if not isinstance(when, dt.datetime):
        when = dt.datetime(when.year, when.month, when.day, tzinfo=dt.UTC)
    return (as_utc(when) - _EPOCH) // dt.timedelta(microseconds=1)
