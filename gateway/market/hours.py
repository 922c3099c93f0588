"""When an instrument trades: regular and extended hours by its exchange's calendar, early closes included."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from enum import IntEnum
from zoneinfo import ZoneInfo

import numpy as np

from core.errors import CalendarError
from gateway.hours import TradingHours, hours_of, moment_of, moment_to_datetime
from gateway.model import Instrument


class Phase(IntEnum):
    """What a moment is in the life of a session."""

    CLOSED = 0
    EXTENDED = 1
    REGULAR = 2


class Session:
    """One trading day, UTC: extended hours ``first`` to ``last``, regular hours ``open`` to ``close``."""

    __slots__ = ("close", "first", "last", "open")

    def __init__(self, first: dt.datetime, open_: dt.datetime, close: dt.datetime, last: dt.datetime) -> None:
        self.first, self.open, self.close, self.last = first, open_, close, last

    def __repr__(self) -> str:
        return f"Session({self.first:%Y-%m-%d %H:%M}/{self.open:%H:%M} to {self.close:%H:%M}/{self.last:%H:%M})"


class Hours:
    """The sessions of one exchange. A moment is in what begins at it, not in what ends at it.

    Raises CalendarError for a moment outside the calendar's range.
    """

    def __init__(self, find: Callable[[dt.datetime], Session]) -> None:
        self._find = find  # the first session whose extended hours end after a moment
        self._known: tuple[dt.datetime, Session] | None = None  # from this moment on it is this session

    def session(self, when: dt.datetime) -> Session:
        """The session under way, its extended hours included, or the next one."""
        known = self._known
        if known is not None and known[0] <= when < known[1].last:
            return known[1]
        session = self._find(when)
        self._known = (when, session)
        return session

    def phase(self, when: dt.datetime) -> Phase:
        session = self.session(when)
        if session.open <= when < session.close:
            return Phase.REGULAR
        return Phase.EXTENDED if when >= session.first else Phase.CLOSED

    def next_open(self, when: dt.datetime) -> dt.datetime:
        """The first opening of regular hours after ``when``."""
        session = self.session(when)
        while session.open <= when:
            session = self._find(session.last)
        return session.open

    def next_first(self, when: dt.datetime) -> dt.datetime:
        """The first opening of extended hours after ``when``."""
        session = self.session(when)
        while session.first <= when:
            session = self._find(session.last)
        return session.first

    def next_close(self, when: dt.datetime) -> dt.datetime:
        """The first close of regular hours after ``when``."""
        session = self.session(when)
        while session.close <= when:
            session = self._find(session.last)
        return session.close


@functools.cache
def _hours(trading: TradingHours) -> Hours:
    ends = trading.windows(regular=False)[1]

    def find(when: dt.datetime) -> Session:
        number = int(np.searchsorted(ends, moment_of(when), side="right"))
        if number == len(trading):
            raise CalendarError(f"{when:%Y-%m-%d %H:%M} UTC lies behind the last session that the calendar knows")
        found = trading.session(number)
        return Session(*(moment_to_datetime(each) for each in (found.start, found.open, found.close, found.end)))

    return Hours(find)


def hours(instrument: Instrument) -> Hours:
    """The hours of an instrument; those of one exchange are shared."""
    return _hours(hours_of(instrument))


def local_text(when: dt.datetime, zone: str) -> str:
    """``2026-06-11 09:30:00 US/Eastern``, as order messages write a moment."""
    return f"{when.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S} {zone}"
