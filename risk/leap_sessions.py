"""The session and the week of each step of a run, asked of the calendar once for all of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd

from core.steps import Steps
from risk.sessions import SessionCalendar, aware_utc


class SessionSteps:
    """Sessions along the steps of a run.

    ``numbers``: of the session of each step; differences are ``calendar.sessions_between``. ``weeks``: equal in the
    same week. ``first_of``, ``week_first_of``: the first step of each step's session and week. Raises CalendarError
    where the calendar does not reach.
    """

    def __init__(self, calendar: SessionCalendar, steps: Steps) -> None:
        self._calendar = calendar
        self._steps = steps
        self._known: dict[int, tuple[dt.date, dt.datetime, tuple[int, int]]] = {}  # number -> session, close, week
        many: Any = calendar
        if hasattr(calendar, "session_numbers"):
            numbers = many.session_numbers(pd.DatetimeIndex(steps.moments.astype("datetime64[us]")))
            weeks = many.weeks_of(numbers)
        else:
            sessions = [calendar.session_of(steps.when(step)) for step in range(len(steps))]
            numbers = np.array([calendar.sessions_between(sessions[0], session) for session in sessions])
            pairs = [calendar.week_of(calendar.close_of(session)) for session in sessions]
            weeks = np.array([53 * year + week for year, week in pairs])
        self.array = np.asarray(numbers, dtype=np.int64)
        self.numbers: list[int] = self.array.tolist()
        self.weeks: list[int] = np.asarray(weeks).tolist()
        self.first_of = _first_of(self.array)
        self.week_first_of = _first_of(np.asarray(weeks))

    @classmethod
    def of(cls, calendar: SessionCalendar, steps: Steps) -> SessionSteps:
        """Those of ``steps``, made once for each calendar."""
        key = ("sessions", getattr(calendar, "code", calendar))
        if key not in steps.cache:
            steps.cache[key] = cls(calendar, steps)
        made: SessionSteps = steps.cache[key]
        return made

    def known(self, step: int) -> tuple[dt.date, dt.datetime, tuple[int, int]]:
        """Session of a step, its close (aware UTC) and its week, as ``risk.sessions.SessionClock`` has them."""
        number = self.numbers[step]
        if number not in self._known:
            session = self._calendar.session_of(self._steps.when(step))
            close = self._calendar.close_of(session)
            self._known[number] = session, aware_utc(close), self._calendar.week_of(close)
        return self._known[number]


def _first_of(values: np.ndarray[Any, Any]) -> list[int]:
    """For each item the position at which its value began."""
    begins = np.flatnonzero(np.diff(values, prepend=values[:1] - 1))
    firsts: list[int] = np.repeat(begins, np.diff(begins, append=len(values))).tolist()
    return firsts
