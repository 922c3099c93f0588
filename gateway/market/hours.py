"""When an instrument trades: regular and extended hours by its exchange's calendar, early closes included."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from core.calendar import ExchangeCalendar
from gateway.model import Instrument

if TYPE_CHECKING:
    import pandas as pd

_EXTENDED = frozenset({"XNYS", "XNAS", "XASE", "ARCX", "BATS"})  # from 04:00 to four hours after the close
_FIRST = dt.time(4, 0)
_AFTER = dt.timedelta(hours=4)  # 20:00; 17:00 on a day that closes at 13:00
_FOREX_OPENS, _FOREX_CLOSES = dt.time(17, 15), dt.time(17, 0)  # New York: Sunday, Friday
_NEW_YORK = ZoneInfo("America/New_York")
_DAY = dt.timedelta(days=1)
_INSTANT = dt.timedelta(microseconds=1)


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

    def phase_before(self, when: dt.datetime) -> Phase:
        """The phase that lasts until ``when``: prices stamped with their end belong to it."""
        return self.phase(when - _INSTANT)

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


def _exchange(code: str) -> Callable[[dt.datetime], Session]:
    calendar = ExchangeCalendar(code)
    is_extended = calendar.code in _EXTENDED
    after = _AFTER if is_extended else dt.timedelta(0)

    def find(when: dt.datetime) -> Session:
        day = calendar.session_of(when - after + _INSTANT)
        opens, closes = calendar.hours_of(calendar.session_numbers(calendar.closes_of(_midnight(day))[0]))
        open_, close = (moment[0].to_pydatetime(warn=False).astimezone(dt.UTC) for moment in (opens, closes))
        first = dt.datetime.combine(day, _FIRST, _NEW_YORK).astimezone(dt.UTC) if is_extended else open_
        return Session(first, open_, close, close + after)

    return find


def _midnight(day: dt.date) -> pd.DatetimeIndex:
    import pandas as pd

    return pd.DatetimeIndex([day])


def _forex(when: dt.datetime) -> Session:
    """Sunday 17:15 to Friday 17:00 New York, in days that end at 17:00."""
    day = when.astimezone(_NEW_YORK).date() - _DAY
    while True:
        close = dt.datetime.combine(day, _FOREX_CLOSES, _NEW_YORK).astimezone(dt.UTC)
        if day.weekday() < 5 and close > when:
            open_ = dt.datetime.combine(day - _DAY, _FOREX_OPENS, _NEW_YORK).astimezone(dt.UTC)
            return Session(open_, open_, close, close)
        day += _DAY


@functools.cache
def hours_of(calendar: str, sec_type: str) -> Hours:
    return Hours(_forex if sec_type == "CASH" else _exchange(calendar))


def hours(instrument: Instrument) -> Hours:
    """The hours of an instrument; those of one exchange are shared."""
    return hours_of(instrument.calendar, instrument.sec_type)


def local_text(when: dt.datetime, zone: str) -> str:
    """``2026-06-11 09:30:00 US/Eastern``, as order messages write a moment."""
    return f"{when.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S} {zone}"
