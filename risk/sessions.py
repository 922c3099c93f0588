"""Which session a bar belongs to, asked of the calendar once a session and not once a bar."""

from __future__ import annotations

import datetime as dt
from typing import Protocol


class SessionCalendar(Protocol):
    """What the gate needs of ``core.calendar.ExchangeCalendar``."""

    def session_of(self, when: dt.datetime, /) -> dt.date: ...

    def close_of(self, session: dt.date, /) -> dt.datetime: ...

    def week_of(self, when: dt.datetime, /) -> tuple[int, int]: ...

    def sessions_between(self, a: dt.date, b: dt.date, /) -> int: ...


def aware_utc(when: dt.datetime) -> dt.datetime:
    """``when`` as aware UTC; a naive datetime is UTC, as everywhere in backtrader."""
    return when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when.astimezone(dt.UTC)


class SessionClock:
    """The current session and week. ``advance`` is one comparison while the session lasts."""

    def __init__(self, calendar: SessionCalendar) -> None:
        self._calendar = calendar
        self._until: dt.datetime | None = None  # close of the current session
        self.session: dt.date | None = None
        self.week: tuple[int, int] | None = None  # year, week of the exchange's calendar

    def advance(self, when: dt.datetime) -> bool:
        """Move to ``when`` (never backwards). True when a new session has begun."""
        if when.tzinfo is None:
            when = when.replace(tzinfo=dt.UTC)
        if self._until is not None and when <= self._until:
            return False
        session = self._calendar.session_of(when)
        if session == self.session:  # a bar after the close that the calendar counts to the same session
            return False
        return self._enter(session)

    def session_of(self, when: dt.datetime) -> dt.date:
        """The session of any moment; changes nothing."""
        return self._calendar.session_of(aware_utc(when))

    def week_at(self, session: dt.date) -> tuple[int, int]:
        """The week of a session."""
        if session == self.session and self.week is not None:
            return self.week
        return self._calendar.week_of(self._calendar.close_of(session))

    def age(self, session: dt.date, now: dt.date | None = None) -> int:
        """Sessions from ``session`` to ``now`` (the current one): 0 = the same session, 1 = the one before."""
        now = now or self.session
        return 0 if now is None or now <= session else self._calendar.sessions_between(session, now)

    def restore(self, session: dt.date | None) -> None:
        """Continue from a session that ``state`` of the gate named."""
        if session is not None:
            self._enter(session)

    def _enter(self, session: dt.date) -> bool:
        close = self._calendar.close_of(session)
        self._until = aware_utc(close)
        self.session = session
        self.week = self._calendar.week_of(close)
        return True
