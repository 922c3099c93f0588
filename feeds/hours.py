"""Bars against the hours of their exchange: how many a session has, and whether they are of the size they should be."""

from __future__ import annotations

import datetime as dt
import math
from typing import Literal

import numpy as np
import pandas as pd

from core.calendar import ExchangeCalendar
from core.errors import FeedError

SECONDS = {"1h": 3_600, "1m": 60, "1s": 1}  # intraday sizes of data.bar


def bars_in_session(bar: str, calendar: ExchangeCalendar) -> int:
    """Bars in a regular session of the exchange; the last one may be shorter (an hourly session of 6.5 h has 7)."""
    if bar == "1d":
        return 1
    return math.ceil(calendar.regular_seconds / SECONDS[bar])


def by_hours(
    symbol: str, bars: pd.DataFrame, calendar: ExchangeCalendar, hours: Literal["regular", "all"]
) -> tuple[pd.DataFrame, list[str]]:
    """The bars that ``data.hours`` wants, and what to say of those outside the session.

    A bar is in the session when it is stamped after the open and not after the close.
    """
    inside = calendar.in_session(pd.DatetimeIndex(bars.index))
    outside = int(np.count_nonzero(~inside))
    if not outside:
        return bars, []
    lie, were = ("1 bar lies", "was") if outside == 1 else (f"{outside} bars lie", "were")
    if hours == "regular":
        return bars[inside], [f'{symbol}: {lie} outside regular hours and {were} left out (data.hours = "regular").']
    return bars, [
        f'{symbol}: {lie} outside regular hours and {were} used (data.hours = "all"): stops and market orders fill '
        "there, where Interactive Brokers holds them until the open, and spreads are wider."
    ]


def check_spacing(symbol: str, bars: pd.DataFrame, bar: str, calendar: ExchangeCalendar) -> None:
    """Raise FeedError where intraday bars are plainly of another size than ``data.bar``; one bar tells nothing.

    Bars may be missing, so bars are too coarse only if no two of a session are as close as ``bar``; the last bar of a
    session may be short, so they are too fine only if the median spacing is.
    """
    wanted = SECONDS[bar]
    if len(bars) < 2:
        return
    times = pd.DatetimeIndex(bars.index)
    sessions = calendar.session_numbers(times)
    seconds = np.diff(times.as_unit("us").asi8) / 1e6
    within = seconds[np.diff(sessions) == 0]
    if not len(within):
        raise FeedError(
            f"{symbol}: the {len(bars)} bars have one bar a session, but data.bar is {bar}; "
            'set data.bar = "1d" or load intraday bars'
        )
    median = float(np.median(within))
    if median < 0.75 * wanted or (median > 1.5 * wanted and within.min() > 1.5 * wanted):
        raise FeedError(
            f"{symbol}: the bars are {dt.timedelta(seconds=median)} apart within a session (median), but data.bar is "
            f"{bar}; set data.bar to the size of the bars, or load bars of that size"
        )
