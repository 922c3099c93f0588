"""When the bars of an exchange end: the stamps that a backtest sees, of regular hours."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from core.calendar import ExchangeCalendar
from feeds.hours import SECONDS

_TINY = dt.timedelta(microseconds=1)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SECOND = dt.timedelta(seconds=1)


class Grid:
    """Stamps of bars of size ``bar`` (1m, 1h, 1d) on one exchange. All moments are UTC.

    Slots are those of UTC's clock, cut at the session's open and close (``feeds.aggregate``); a daily bar ends with its
    session. Raises CalendarError for moments outside the calendar.
    """

    def __init__(self, bar: str, calendar: ExchangeCalendar) -> None:
        self.bar = bar
        self.calendar = calendar
        self.seconds = SECONDS.get(bar, 86_400)
        self._sessions: list[tuple[dt.datetime, dt.datetime, dt.datetime]] = []  # before, open, close: those used last

    def session(self, when: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
        """Open and close of the session to which a moment belongs: the first that closes at it or later."""
        _, opens, closes = self._session(when)
        return opens, closes

    def is_open(self, when: dt.datetime) -> bool:
        """Whether there is trading in regular hours at a moment."""
        opens, closes = self.session(when + _TINY)
        return opens <= when < closes

    def after(self, when: dt.datetime) -> dt.datetime:
        """The first stamp after a moment."""
        opens, closes = self.session(when + _TINY)
        if self.bar == "1d":
            return closes
        return min(self._floor(max(when, opens)) + self.seconds * _SECOND, closes)

    def last_at(self, when: dt.datetime) -> dt.datetime:
        """The last stamp that is not after a moment."""
        before, opens, closes = self._session(when)
        if when == closes:
            return closes
        slot = self._floor(when) if self.bar != "1d" else before
        return slot if slot > opens else before

    def begin(self, stamp: dt.datetime) -> dt.datetime:
        """When the bar with a stamp begins."""
        opens, _ = self.session(stamp)
        if self.bar == "1d":
            return opens
        return max(opens, self._floor(stamp - _TINY))

    def _floor(self, when: dt.datetime) -> dt.datetime:
        seconds = (when - _EPOCH) // _SECOND
        return _EPOCH + (seconds - seconds % self.seconds) * _SECOND

    def _session(self, when: dt.datetime) -> tuple[dt.datetime, dt.datetime, dt.datetime]:
        for known in self._sessions:
            if known[0] < when <= known[2]:
                return known
        number = self.calendar.session_numbers(pd.DatetimeIndex([when]))
        opens, closes = (each[0].to_pydatetime() for each in self.calendar.hours_of(number))
        before = self.calendar.hours_of(np.maximum(number - 1, 0))[1][0].to_pydatetime()
        found = (before, opens, closes)
        self._sessions = [found, *self._sessions[:3]]
        return found
