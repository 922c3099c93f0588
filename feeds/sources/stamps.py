"""From the start of intraday bars to their close."""

from __future__ import annotations

import datetime as dt

import pandas as pd

from core.calendar import ExchangeCalendar
from feeds.bars import BarSize

SIZES: dict[BarSize, dt.timedelta] = {
    "1h": dt.timedelta(hours=1),
    "1m": dt.timedelta(minutes=1),
    "1s": dt.timedelta(seconds=1),
}


def closes_of_bars(starts: pd.DatetimeIndex, size: dt.timedelta, calendar: ExchangeCalendar) -> pd.DatetimeIndex:
    """The close of each bar, UTC: the last one of a session ends with the session, however short it is.

    ``starts`` is aware. Raises CalendarError where the calendar does not reach.
    """
    began = starts.tz_convert("UTC").as_unit("us")
    if not len(began):
        return began
    ended, close = began + size, calendar.closes_after(began).as_unit("us")
    return pd.DatetimeIndex(ended.where(~((began < close) & (ended > close)), close), name="time").as_unit("us")
