"""How many of its sessions a series covers, counted on the exchange's calendar."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from core.calendar import ExchangeCalendar
from core.errors import CalendarError
from feeds.bars import BarSize
from feeds.hours import bars_in_session

BROKEN_OFF = dt.timedelta(minutes=30)  # a piece of history of one-second bars


def expected_bars(calendar: ExchangeCalendar, bar: BarSize, first: pd.Timestamp, last: pd.Timestamp) -> float:
    """Bars between two times, both included, had every session all of its bars; NaN where the calendar ends before."""
    try:
        days = calendar.sessions_between(first.date(), last.date()) + calendar.is_session(first.date())
        if not calendar.first <= first.date() <= last.date() <= calendar.last:
            return float("nan")
        return float(days * bars_in_session(bar, calendar))
    except CalendarError:
        return float("nan")


def by_year(frame: pd.DataFrame, calendar: ExchangeCalendar) -> pd.DataFrame:
    """Sessions of each year between the first bar and the last, and how many of them have a bar.

    ``frame``: bars of one series, see feeds.bars; an intraday bar outside the hours of a session covers none.
    Index: year; columns ``bars``, ``sessions``, ``covered``, ``share`` (NaN without a session).
    """
    times = pd.DatetimeIndex(frame.index)
    days = session_days(times, calendar)
    sessions = pd.DatetimeIndex([], dtype="datetime64[us]")
    if len(days):
        first, last = max(days[0].date(), calendar.first), min(days[-1].date(), calendar.last)
        sessions = pd.DatetimeIndex(calendar.sessions(first, last)).as_unit("us")
    covered = sessions[sessions.isin(days)]
    counts = {"bars": times.year, "sessions": sessions.year, "covered": covered.year}
    table = pd.DataFrame({name: pd.Series(1, index=years).groupby(level=0).sum() for name, years in counts.items()})
    table = table.fillna(0).astype(int).rename_axis("year")
    return table.assign(share=table["covered"] / table["sessions"].replace(0, np.nan))


def held_until(times: pd.DatetimeIndex, calendar: ExchangeCalendar, first: dt.date, last: dt.date) -> dt.date | None:
    """The session up to which each one from ``first`` on has its bars; None where the first one has none.

    ``times``: of the bars, in order. A session whose last half hour has no bar may have been broken off: it is the end.
    """
    times = times if times.tz is None else times[calendar.in_session(times)]
    ends = pd.Series(times, index=session_days(times, calendar)).groupby(level=0).last()
    held = None
    for session in calendar.sessions(first, last):
        end = ends.get(pd.Timestamp(session))
        if end is None:
            break
        held = session
        if times.tz is not None and end < calendar.close_of(session) - BROKEN_OFF:
            break
    return held


def session_days(times: pd.DatetimeIndex, calendar: ExchangeCalendar) -> pd.DatetimeIndex:
    """The sessions of bars as naive midnights: the label of a daily bar; of another one that in whose hours it is."""
    if times.tz is None:
        return times.normalize()
    numbers = calendar.session_numbers(times[calendar.in_session(times)])
    known = np.array(calendar.sessions(calendar.first, calendar.last), dtype="datetime64[us]")
    return pd.DatetimeIndex(known[numbers])
