"""How many of its sessions a series covers, counted on the exchange's calendar."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.calendar import ExchangeCalendar
from core.errors import CalendarError
from feeds.bars import BarSize
from feeds.hours import bars_in_session


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

    ``frame``: bars of one series, see feeds.bars. Index: year; columns ``bars``, ``sessions``, ``covered``, ``share``.
    """
    days = session_days(pd.DatetimeIndex(frame.index), calendar)
    sessions = pd.DatetimeIndex(
        calendar.sessions(max(days[0].date(), calendar.first), min(days[-1].date(), calendar.last))
    )
    covered = sessions.isin(days)
    table = pd.DataFrame(
        {
            "bars": pd.Series(1, index=days.year).groupby(level=0).sum(),
            "sessions": pd.Series(1, index=sessions.year).groupby(level=0).sum(),
            "covered": pd.Series(covered.astype(int), index=sessions.year).groupby(level=0).sum(),
        }
    ).fillna(0)
    table = table.astype(int).rename_axis("year")
    return table.assign(share=table["covered"] / table["sessions"].replace(0, np.nan))


def session_days(times: pd.DatetimeIndex, calendar: ExchangeCalendar) -> pd.DatetimeIndex:
    """The session of each bar as a naive midnight: its label of a daily bar, the calendar's of an intraday one."""
    if times.tz is None:
        return times.normalize()
    numbers: npt.NDArray[np.intp] = calendar.session_numbers(times)
    first = calendar.sessions(calendar.first, calendar.last)
    return pd.DatetimeIndex(np.array(first, dtype="datetime64[us]")[numbers])
