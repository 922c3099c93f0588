"""Times of bars as files write them: ISO 8601, compact, seconds since 1970, or day and month in either order."""

from __future__ import annotations

import re
import zoneinfo
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import FeedError
from feeds.sources.parquet import ISO_CURE, YEARS
from feeds.sources.stamps import DAY_US
from feeds.sources.table import Table

DateOrder = Literal["dmy", "mdy"]
DATE_ORDERS: tuple[DateOrder, ...] = ("dmy", "mdy")

_OFFSET = r"[Zz]$|[T ]\d{2}[\d:.,]* ?[+-](?:\d{1,2}(?::\d{2})?|\d{4})$"  # Z, +hh:mm, +hhmm, +hh, +h behind a time
_UNZONED = r"[\d-]{8,10}(?:[T ][\d:.,]*)?"  # a date and a time of day
_MIDNIGHT = r"[T ]00:00(?::00(?:\.0+)?)?(?:[Zz]| ?[+-]\d{2}(?::?\d{2})?)?$"
_ISO = r"(?:\d{4}-\d{1,2}-\d{1,2}|\d{8})(?:[T ]\d.*)?"
_PARTS = re.compile(r"^(\d{1,2})[./-](\d{1,2})[./-](\d{4})(?:[ T,].*)?$")
_WORDS = re.compile(r"^[A-Za-z]{3,9}\.? \d{1,2},? \d{4}$|^\d{1,2}[- ][A-Za-z]{3,9}[- ]\d{4}$")
_ZONE = re.compile(r"(.*\d) +([A-Z][A-Za-z]+(?:/[A-Za-z_]+)+|UTC|GMT)$")  # 20181224 09:30:00 US/Eastern
_RUN = {12: r"(\d{8})(\d\d)(\d\d)", 14: r"(\d{8})(\d\d)(\d\d)(\d\d)"}  # digits -> date and time of day in one run
_EPOCH = {9: "s", 10: "s", 12: "ms", 13: "ms", 15: "us", 16: "us", 18: "ns", 19: "ns"}  # digits, 1973 to 2286


def read_times(
    table: Table, column: str, clock: str | None, order: DateOrder | None
) -> tuple[pd.DatetimeIndex, str | None]:
    """The times of a table: naive where the file gives no offset from UTC, else UTC; and the timezone they name.

    Where each is a midnight, with or without an offset, they are naive dates as they are written: a day does not
    become the one before it for being written elsewhere. ``clock``: a column with the time of day beside the date.
    Raises FeedError with the line.
    """
    series = table.rows[column]
    empty = series.isna().to_numpy(dtype=bool)
    if empty.any():
        raise _refused(table, series, empty)
    zone = None
    if _holds_moments(series):
        times = _of_moments(table, series, clock)
    else:
        text, zone = _without_zone(table, series)
        times = _of_text(table, text, clock, order)
    outside = np.asarray((times.year < YEARS[0]) | (times.year >= YEARS[1]) | times.isna())
    if outside.any():
        raise table.refused(series, outside, f"a time between {YEARS[0]} and {YEARS[1]}", ISO_CURE)
    if times.tz is None and str(column).strip().lower() == "gmt time":
        return times if _all_midnight(times) else times.tz_localize("UTC"), None
    return times, zone


def _without_zone(table: Table, series: pd.Series[Any]) -> tuple[pd.Series[Any], str | None]:
    """Times as text, and the name of the timezone that stands behind all of them."""
    text = series if isinstance(series.dtype, pd.StringDtype) else series.map(str).astype("string")
    text = text.str.strip()
    named = _ZONE.match(str(text.iloc[0]))
    if named is None:
        return text, None
    if named[2] not in zoneinfo.available_timezones():
        every = np.ones(len(text), dtype=bool)
        raise table.refused(
            series, every, "a time in a known timezone", "write times as 2018-12-31 14:30:00 US/Eastern"
        )
    other = ~text.str.endswith(f" {named[2]}").to_numpy(dtype=bool)
    if other.any():
        raise table.refused(series, other, f"a time in {named[2]}", "write all times in one timezone")
    return text.str.slice(0, -len(named[2])).str.strip(), named[2]


def _holds_moments(series: pd.Series[Any]) -> bool:
    return pd.api.types.is_datetime64_any_dtype(series)


def _of_moments(table: Table, series: pd.Series[Any], clock: str | None) -> pd.DatetimeIndex:
    times = pd.DatetimeIndex(series).as_unit("us")
    days = times.tz_localize(None)
    if not _all_midnight(days):
        return times if times.tz is None else times.tz_convert("UTC")
    if clock is None:
        return days
    dates = pd.Series(days.strftime("%Y-%m-%d "), index=series.index, name=series.name, dtype="string")
    return _parsed(table, series, dates.str.cat(_clock(table, clock)), False, None)


def _of_text(table: Table, text: pd.Series[Any], clock: str | None, order: DateOrder | None) -> pd.DatetimeIndex:
    series = text
    if clock is not None:
        text = text.str.cat(_clock(table, clock), sep=" ")
    aware = text.str.contains(_OFFSET, regex=True).to_numpy(dtype=bool)
    if aware.any() and not aware.all():
        at = int(np.argmax(aware != aware[0]))
        raise FeedError(
            f"{table.at(int(text.index[at]))}: {text.iloc[at]!r} has {'no' if aware[0] else 'an'} offset from UTC, "
            f"unlike the {table.unit}s before it; write all times in one way"
        )
    offset = bool(aware.any())
    if offset and text.str.contains(_MIDNIGHT, regex=True).all():
        text, offset = text.str.replace(_MIDNIGHT, "", regex=True), False
    return _parsed(table, series, text, offset, order)


def _all_midnight(times: pd.DatetimeIndex) -> bool:
    return not (times.asi8 % DAY_US).any()


def _parsed(
    table: Table, series: pd.Series[Any], text: pd.Series[Any], aware: bool, order: DateOrder | None
) -> pd.DatetimeIndex:
    first = str(text.iloc[0])
    if first.isdecimal() and len(first) > 8:
        return _of_digits(table, series, text)
    if _WORDS.match(first):
        plain = text.str.replace(r"[.,]", "", regex=True)
        plain = plain.str.replace(r"^(\d{1,2})[- ]([A-Za-z]+)[- ]", r"\2 \1 ", regex=True)
        short, long = (pd.to_datetime(plain, format=f"{month} %d %Y", errors="coerce") for month in ("%b", "%B"))
        times = pd.DatetimeIndex(short.fillna(long))
        if times.hasnans:
            raise _refused(table, series, np.asarray(times.isna()))
        return times.as_unit("us")
    if _PARTS.match(first):
        text = _by_order(table, series, text, order)
    elif re.match(r"\d{8}(?: +|-)\d\d:", first):
        text = text.str.replace(r"^(\d{8})(?: +|-)(\d\d:)", r"\1 \2", regex=True)
    elif re.match(r"\d{4}[./]\d", first):
        text = text.str.replace(r"^(\d{4})[./](\d{1,2})[./](\d{1,2})", r"\1-\2-\3", regex=True)
    try:
        times = pd.DatetimeIndex(pd.to_datetime(text, format="ISO8601", errors="coerce", utc=aware))
    except ValueError as error:  # some have an offset that is none of _OFFSET
        raise _refused(table, series, ~text.str.fullmatch(_UNZONED).to_numpy(dtype=bool)) from error
    if times.tz is not None and not aware:  # all have: +100, which pandas takes for ten hours
        raise _refused(table, series, np.ones(len(text), dtype=bool))
    partial = ~text.str.fullmatch(_ISO).to_numpy(dtype=bool)  # pandas takes 2018 for the first of its days
    if partial.any() or times.hasnans:
        raise _refused(table, series, partial | np.asarray(times.isna()))
    return times.as_unit("us")


def _of_digits(table: Table, series: pd.Series[Any], text: pd.Series[Any]) -> pd.DatetimeIndex:
    """Times without a mark: 20181224143000, or since 1970 in the unit that their length shows."""
    lengths = text.str.len().to_numpy(dtype=np.int64)
    digits = text.str.fullmatch("[0-9]+").to_numpy(dtype=bool)
    first = str(text.iloc[0])
    if len(first) in _RUN and first[:2] in ("19", "20"):
        mark = r"\1T\2:\3" if len(first) == 12 else r"\1T\2:\3:\4"
        iso = text.str.replace(f"^{_RUN[len(first)]}$", mark, regex=True)
        times = pd.DatetimeIndex(pd.to_datetime(iso, format="ISO8601", errors="coerce")).as_unit("us")
        bad = np.asarray(times.isna()) | (lengths != len(first)) | ~digits
        if bad.any():
            raise _refused(table, series, bad)
        return times
    unit = _EPOCH.get(len(first), "")
    bad = ~digits | np.array([_EPOCH.get(length) != unit for length in range(lengths.max() + 1)])[lengths]
    if bad.any() or not unit:
        raise _refused(table, series, bad if bad.any() else np.ones(len(bad), dtype=bool))
    numbers = pd.to_numeric(text).to_numpy(dtype=np.int64)
    return pd.DatetimeIndex(numbers.astype(f"datetime64[{unit}]")).tz_localize("UTC").as_unit("us")


def _by_order(table: Table, series: pd.Series[Any], text: pd.Series[Any], order: DateOrder | None) -> pd.Series[Any]:
    """Dates like 1/2/2018 as ISO 8601. The order of day and month is given, or proved by a row that allows one only."""
    codes, dates = pd.factorize(text.str.replace(r"[T, ].*", "", regex=True))  # few against the rows of a long file
    parts = pd.Series(dates).str.extract(_PARTS.pattern)
    other = parts[0].isna().to_numpy(dtype=bool)[codes]
    if other.any():
        raise _refused(table, series, other)
    first, second = (parts[column].astype(int).to_numpy()[codes] for column in (0, 1))
    proofs: dict[DateOrder, npt.NDArray[np.bool_]] = {"dmy": first > 12, "mdy": second > 12}
    proved = sorted((name for name in DATE_ORDERS if proofs[name].any()), key=lambda name: int(np.argmax(proofs[name])))
    if order is None and not proved:
        raise FeedError(
            f"{table.at(int(text.index[0]))}, column {series.name}: {text.iloc[0]!r} may be day and month or month and "
            "day, and no row shows which; say --date-order dmy or mdy, or write ISO 8601: 2018-12-31"
        )
    order = order or proved[0]
    against = proofs["mdy" if order == "dmy" else "dmy"]
    if against.any():
        raise _refused(table, series, against)
    day, month = (parts[0], parts[1]) if order == "dmy" else (parts[1], parts[0])
    iso = parts[2] + "-" + month.str.zfill(2) + "-" + day.str.zfill(2)
    days = pd.Series(iso.to_numpy()[codes], index=text.index, dtype="string")
    clock = text.str.replace(r"^[^T, ]*[T, ]*", "", regex=True)
    return days if not (clock != "").any() else days.str.cat(clock, sep=" ").str.strip()


def _clock(table: Table, column: str) -> pd.Series[Any]:
    """Times of day as 09:30 or 09:30:00, also from 0930 and 093000."""
    series = table.rows[column]
    text = series.map(str, na_action="ignore").astype("string").str.strip().fillna("")
    lengths = text.str.len().to_numpy(dtype=np.int64)
    if text.str.fullmatch(r"[0-9]{1,6}").all():
        if (lengths == 4).all():
            return text.str.replace(r"^(\d\d)(\d\d)$", r"\1:\2", regex=True)
        # without the zeros before it 930 is half past nine or nine minutes and a half, if no 93000 stands beside it
        if not (lengths == 6).all() and (lengths.max() < 5 or text.str.match("0.").any()) and (text != "0").any():
            bad = np.asarray((lengths != 6) & (text != "0").to_numpy(dtype=bool))
            raise table.refused(series, bad, "a clear time of day", "write times of day as 09:30 or 093000")
        return text.str.zfill(6).str.replace(r"^(\d\d)(\d\d)(\d\d)$", r"\1:\2:\3", regex=True)
    bad = ~text.str.match(r"[0-9]{1,2}:[0-9]{2}").to_numpy(dtype=bool)
    if bad.any():
        raise table.refused(series, bad, "a time of day", "write times of day as 09:30 or 093000")
    return text.str.replace(r"^(\d):", r"0\1:", regex=True)


def _refused(table: Table, series: pd.Series[Any], bad: npt.NDArray[np.bool_]) -> FeedError:
    first = str(series.iloc[0])
    known = f"a date as those before it ({first!r})" if np.argmax(bad) else "a date"
    return table.refused(series, bad, known, ISO_CURE)
