"""Bars that are over, and what of a request a service did not give."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from core.calendar import ExchangeCalendar
from feeds.bars import BarSize

# Quotes of free and delayed plans lag by 15 to 20 minutes, and the closing auction is reported late
SETTLED = dt.timedelta(minutes=30)
_LATE = dt.timedelta(days=10)  # longer than any closure of a large exchange between two sessions


def only_finished(
    frame: pd.DataFrame, bar: BarSize, calendar: ExchangeCalendar, now: dt.datetime
) -> tuple[pd.DataFrame, list[str]]:
    """The bars whose session (daily) or interval (intraday) has been over for half an hour, and a note on the others.

    A daily bar on a day without session is over when its day is, in the exchange's timezone.
    """
    times = pd.DatetimeIndex(frame.index)
    limit = now - SETTLED
    if bar == "1d":
        days = times.to_numpy().astype("datetime64[D]").astype(object)
        today = limit.astimezone(calendar.tz).date()
        over = np.array([day < today or (day == today and _closed(calendar, day, limit)) for day in days], dtype=bool)
    else:
        over = np.asarray(times <= pd.Timestamp(limit), dtype=bool)
    left = int((~over).sum())
    if not left:
        return frame, []
    return frame[over], [
        f"{left} {'bar was' if left == 1 else 'bars were'} left out: not over at {now:%Y-%m-%d %H:%M} UTC."
    ]


def late_start(start: dt.date | None, frame: pd.DataFrame) -> list[str]:
    """A note where the first bar is much later than what was asked for: a plan's limit, or a young listing."""
    first = frame.index[0].date()
    if start is None or first - start <= _LATE:
        return []
    return [f"Asked from {start}, but the first bar is of {first}."]


def _closed(calendar: ExchangeCalendar, day: dt.date, limit: dt.datetime) -> bool:
    return calendar.is_session(day) and calendar.close_of(day) <= limit
