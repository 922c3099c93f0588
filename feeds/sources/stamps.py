"""Bars of a size: the one that times show, and from the start of a bar to its close."""

from __future__ import annotations

import datetime as dt

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.calendar import ExchangeCalendar
from core.errors import FeedError
from feeds.bars import BAR_SIZES, BarSize

SIZES: dict[BarSize, dt.timedelta] = {
    "1h": dt.timedelta(hours=1),
    "1m": dt.timedelta(minutes=1),
    "1s": dt.timedelta(seconds=1),
}
DAY_US = 86_400_000_000
_WEEKLY_US = 6 * DAY_US
_SOME = 5  # steps of which one or two may be to the last bar of a session, which is short
_ENOUGH = 20  # steps that are multiples of more than the size by no chance


def closes_of_bars(starts: pd.DatetimeIndex, size: dt.timedelta, calendar: ExchangeCalendar) -> pd.DatetimeIndex:
    """The close of each bar, UTC: the last one of a session ends with the session, however short it is.

    ``starts`` is aware. Raises CalendarError where the calendar does not reach.
    """
    began = starts.tz_convert("UTC").as_unit("us")
    if not len(began):
        return began
    ended, close = began + size, calendar.closes_after(began).as_unit("us")
    return pd.DatetimeIndex(ended.where(~((began < close) & (ended > close)), close), name="time").as_unit("us")


def size_of_bars(what: str, times: pd.DatetimeIndex) -> BarSize:
    """The size that the spacing of the times shows, in any order and with repeats. ``what`` begins the error.

    Raises FeedError for times of no size that is known, or too few to show one.
    """
    dates = not (times.asi8 % DAY_US).any()
    steps = _steps(times)
    if not len(steps):
        if dates:
            return "1d"
        raise FeedError(f"{what}: one time does not show the size of its bar; say --bar {'|'.join(BAR_SIZES)}")
    median, grid = float(np.median(steps)), int(np.gcd.reduce(steps))
    if (dates and len(steps) < 3) or 0.9 * DAY_US <= median <= 4 * DAY_US:
        return "1d"
    for bar, size in SIZES.items():
        length = size // dt.timedelta(microseconds=1)
        slowest = 15.0 if bar == "1s" else 1.5  # seconds without a trade have no bar
        if 0.75 * length < median < slowest * length and (length % grid == 0 or len(steps) < _ENOUGH):
            return bar
    if median >= _WEEKLY_US:
        raise FeedError(
            f"{what}: the bars are {median / DAY_US:g} days apart (median): weekly or longer ones, and bar sizes are "
            f"{', '.join(BAR_SIZES)}; bring daily bars. --bar 1d takes each of these for a day, which a run would, too"
        )
    raise FeedError(
        f"{what}: the bars are {dt.timedelta(microseconds=median)} apart (median), which is no bar size that is known "
        f"({', '.join(BAR_SIZES)}); say --bar where bars of these sizes are missing"
    )


def refuse_other_size(what: str, times: pd.DatetimeIndex, bar: BarSize) -> None:
    """Raise FeedError for intraday bars that are too fine to be of this size, or on a wider grid."""
    steps = _steps(times)
    if bar not in SIZES or not len(steps):
        return
    length = SIZES[bar] // dt.timedelta(microseconds=1)
    median, grid = float(np.median(steps)), int(np.gcd.reduce(steps))
    if (median < 0.75 * length and len(steps) >= _SOME) or (grid > length and len(steps) >= _ENOUGH):
        apart = dt.timedelta(microseconds=median if median < length else grid)
        raise FeedError(
            f"{what}: the bars are {apart} or a multiple apart, but they are to be {bar}; set data.bar (--bar) to the "
            "size of the bars"
        )


def _steps(times: pd.DatetimeIndex) -> npt.NDArray[np.int64]:
    """Microseconds between the distinct times in order."""
    stamps = np.sort(times.as_unit("us").asi8)  # np.unique is ten times slower with numpy 2.3
    steps = stamps[1:] - stamps[:-1]
    return steps[steps > 0]
