"""Times of bars as files write them: ISO 8601, compact, seconds since 1970, or day and month in either order."""

from __future__ import annotations

import re
import zoneinfo
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import FeedError, UnknownNameError, did_you_mean
from feeds.sources.table import Table

DateOrder = Literal["dmy", "mdy"]
DATE_ORDERS: tuple[DateOrder, ...] = ("dmy", "mdy")

_OFFSET = r"[Zz]$|\d{2}:\d{2}.*[+-]\d{2}(?::?\d{2})?$"  # Z, or +hh:mm behind a time
_PARTS = re.compile(r"^(\d{1,2})[./-](\d{1,2})[./-](\d{4})(?:[ T,]+(.*))?$")
_WORDS = re.compile(r"^[A-Za-z]{3,9}\.? \d{1,2},? \d{4}$")
_EPOCH_DIGITS = {10: "s", 13: "ms", 16: "us", 19: "ns"}


def read_times(table: Table, column: str, clock: str | None, order: DateOrder | None) -> pd.DatetimeIndex:
    """The times of a table: naive where the file gives no offset from UTC, else UTC.

    ``clock``: a column with the time of day beside the date. Raises FeedError with the line.
    """
    series = table.rows[column]
    if pd.api.types.is_datetime64_any_dtype(series):
        times = pd.DatetimeIndex(series)
        if times.hasnans:
            raise _refused(table, series, np.asarray(times.isna()))
        return (times if times.tz is None else times.tz_convert("UTC")).as_unit("us")
    text = series.map(str, na_action="ignore").astype("string").str.strip()
    empty = text.isna().to_numpy(dtype=bool)
    if empty.any():
        raise _refused(table, series, empty)
    if clock is not None:
        text = text.str.cat(_clock(table, clock), sep=" ")
    aware = text.str.contains(_OFFSET, regex=True).to_numpy(dtype=bool)
    if aware.any() and not aware.all():
        at = int(np.argmax(aware != aware[0]))
        raise FeedError(
            f"{table.at(int(text.index[at]))}: {text.iloc[at]!r} has {'no' if aware[0] else 'an'} offset from UTC, "
            f"unlike the {table.unit}s before it; write all times in one way"
        )
    return _parsed(table, series, text, bool(aware.any()), order).as_unit("us")


def localised(table: Table, lines: pd.Index[Any], times: pd.DatetimeIndex, timezone: str) -> pd.DatetimeIndex:
    """Naive local times in UTC. The hour that comes twice in autumn is told apart where the order of rows does.

    ``lines``: number of each row. Raises FeedError with the line for a time that a change of clocks leaves out or
    that may be two moments, UnknownNameError for an unknown timezone.
    """
    if timezone not in zoneinfo.available_timezones():
        raise UnknownNameError(f"unknown timezone {timezone!r}{_hint(timezone)}")
    never = np.asarray(times.tz_localize(timezone, nonexistent="NaT", ambiguous=np.ones(len(times), dtype=bool)).isna())
    if never.any():
        at = int(np.argmax(never))
        raise FeedError(
            f"{table.at(int(lines[at]))}: {times[at]:%Y-%m-%d %H:%M:%S} does not exist in {timezone}, where clocks "
            f"were put forward over it{_in_all(never, table)}; correct the times or name their timezone"
        )
    unclear = np.asarray(times.tz_localize(timezone, nonexistent="NaT", ambiguous="NaT").isna())
    summer = np.zeros(len(times), dtype=bool)
    if unclear.any():
        summer = _first_pass(times, unclear)
        # Nothing in the order says which hour is meant where it does not come twice
        told = _told_apart(times, unclear)
        if not told.all():
            at = int(np.flatnonzero(unclear)[np.argmin(told)])
            raise FeedError(
                f"{table.at(int(lines[at]))}: {times[at]:%Y-%m-%d %H:%M:%S} comes twice in {timezone}, where clocks "
                "were put back over it, and nothing says which one is meant; write times in UTC or with their offset"
            )
    return times.tz_localize(timezone, ambiguous=summer).tz_convert("UTC")


def _parsed(
    table: Table, series: pd.Series[Any], text: pd.Series[Any], aware: bool, order: DateOrder | None
) -> pd.DatetimeIndex:
    first = str(text.iloc[0])
    digits = text.str.fullmatch(r"\d+").to_numpy(dtype=bool)
    if digits.all() and len(first) in _EPOCH_DIGITS:
        numbers = pd.to_numeric(text).to_numpy(dtype=np.int64)
        return pd.DatetimeIndex(numbers.astype(f"datetime64[{_EPOCH_DIGITS[len(first)]}]")).tz_localize("UTC")
    if _PARTS.match(first):
        text = _by_order(table, series, text, order)
    elif _WORDS.match(first):
        times = pd.to_datetime(text.str.replace(r"[.,]", "", regex=True), format="%b %d %Y", errors="coerce")
        return _whole(table, series, pd.DatetimeIndex(times))
    elif re.match(r"^\d{4}[./]\d", first):
        text = text.str.replace(r"^(\d{4})[./](\d{1,2})[./](\d{1,2})", _dashes, regex=True)
    return _whole(table, series, pd.DatetimeIndex(pd.to_datetime(text, format="ISO8601", errors="coerce", utc=aware)))


def _by_order(table: Table, series: pd.Series[Any], text: pd.Series[Any], order: DateOrder | None) -> pd.Series[Any]:
    """Dates like 1/2/2018 as ISO 8601. The order of day and month is given, or proved by a row that allows one only."""
    parts = text.str.extract(_PARTS.pattern)
    other = parts[0].isna().to_numpy()
    if other.any():
        raise _refused(table, series, other)
    first, second = (parts[column].astype(int).to_numpy() for column in (0, 1))
    proofs = {"dmy": first > 12, "mdy": second > 12}
    proved = [name for name, rows in proofs.items() if rows.any()]
    if order is None and len(proved) == 1:
        order = "dmy" if proved[0] == "dmy" else "mdy"
    if order is None and not proved:
        raise FeedError(
            f"{table.at(int(text.index[0]))}, column {series.name}: {text.iloc[0]!r} may be day and month or month and "
            "day, and no row shows which; say --date-order dmy or mdy, or write ISO 8601: 2018-12-31"
        )
    against = proofs["mdy" if order == "dmy" else "dmy"] if order else proofs["dmy" if first[0] <= 12 else "mdy"]
    if against.any():
        raise _refused(table, series, against)
    day, month = (parts[0], parts[1]) if order == "dmy" else (parts[1], parts[0])
    iso = parts[2] + "-" + month.str.zfill(2) + "-" + day.str.zfill(2)
    rest = parts[3].fillna("")
    return iso.where(rest == "", iso + " " + rest)


def _whole(table: Table, series: pd.Series[Any], times: pd.DatetimeIndex) -> pd.DatetimeIndex:
    if times.hasnans:
        raise _refused(table, series, np.asarray(times.isna()))
    return times


def _clock(table: Table, column: str) -> pd.Series[Any]:
    """Times of day: 09:30, or 93000 as Stooq writes it."""
    text = table.rows[column].map(str, na_action="ignore").astype("string").str.strip()
    digits = text.str.fullmatch(r"\d{1,6}").fillna(False).to_numpy(dtype=bool)
    padded = text.str.zfill(6).str.replace(r"^(\d\d)(\d\d)(\d\d)$", r"\1:\2:\3", regex=True)
    clock = text.where(~digits, padded)
    bad = ~clock.str.match(r"^\d{1,2}:\d{2}").fillna(False).to_numpy(dtype=bool)
    if bad.any():
        raise _refused(table, table.rows[column], bad)
    return clock.str.replace(r"^(\d):", r"0\1:", regex=True)


def _told_apart(times: pd.DatetimeIndex, unclear: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """For each unclear row whether its day's unclear hour runs through twice, so that the order of rows tells."""
    values = times.asi8[unclear]
    days = times.normalize().asi8[unclear]
    back = np.zeros(len(values), dtype=bool)
    back[1:] = (np.diff(values) <= 0) & (np.diff(days) == 0)
    twice = np.unique(days[back])
    return np.isin(days, twice)


def _first_pass(times: pd.DatetimeIndex, unclear: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """True (summer time) for unclear rows before the clocks went back: before the time falls for the first time."""
    values, days = times.asi8, times.normalize().asi8
    summer = np.zeros(len(times), dtype=bool)
    rows = np.flatnonzero(unclear)
    for day in np.unique(days[rows]):
        of_day = rows[days[rows] == day]
        falls = np.flatnonzero(np.diff(values[of_day]) <= 0)
        if len(falls):
            summer[of_day[: falls[0] + 1]] = True
    return summer


def _dashes(match: re.Match[str]) -> str:
    return f"{match[1]}-{match[2]:0>2}-{match[3]:0>2}"


def _in_all(bad: npt.NDArray[np.bool_], table: Table) -> str:
    count = int(np.count_nonzero(bad))
    return f" ({count} {table.unit}s in all)" if count > 1 else ""


def _hint(timezone: str) -> str:
    hint = did_you_mean(timezone, zoneinfo.available_timezones())
    return hint if hint.startswith("; did") else "; write it as America/New_York, Europe/Berlin or UTC"


def _refused(table: Table, series: pd.Series[Any], bad: npt.NDArray[np.bool_]) -> FeedError:
    at = int(np.argmax(bad))
    value = series.iloc[at]
    what = "no value" if pd.isna(value) else f"{str(value)!r} is not a date"
    if not pd.isna(value) and at:
        what += f" as those before it ({str(series.iloc[0])!r})" if _PARTS.match(str(series.iloc[0])) else ""
    return FeedError(
        f"{table.at(int(series.index[at]))}, column {series.name}: {what}{_in_all(bad, table)}; "
        "write ISO 8601: 2018-12-31 or 2018-12-31T14:30:00Z"
    )
