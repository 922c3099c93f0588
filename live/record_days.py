"""The records of a run: a folder for each trading day, named by its date at the exchange, that is replayed by itself.

A day begins like a session after a restart: with the orders of before and what became of them, the state of risk gate
and account, and the bars on which indicators settle.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from books.account import Account
from core.calendar import desk_calendar
from core.settings import Settings
from engine.build import bars_needed
from feeds.loader import earlier_start
from live.recording import Recorder, new_folder
from live.state import State

_MOMENT = dt.timedelta(milliseconds=1)  # times of bars come from floats


def marks_of(account: Account, when: dt.datetime) -> dict[str, list[float]]:
    """Book -> last price, rate (account currency for one unit of the book's) and result at both, account currency.

    Fills that are booked anew do not tell them: borrow fees, the rates of their time, and the close of the evening, by
    which the proceeds of shorts bear no interest.
    """
    marks = {}
    for key, book in account.books.items():
        rate = account.rate(book.currency, when)
        marks[key] = [book.last_price, rate, book.result_eur(rate)]
    return marks


class DayRecords:
    """``live.recording.Records`` below ``days``.

    ``about``: what ``start.json`` of every day holds. ``begin``: the first bar that counts, UTC. ``state``: of the
    session before. ``now``: the time, UTC. ``take``: what ``start.json`` holds of the moment, the state as of a bar.
    """

    def __init__(
        self,
        days: Path,
        settings: Settings,
        about: Mapping[str, Any],
        *,
        begin: dt.datetime | None,
        state: State | None,
        now: Callable[[], dt.datetime],
        take: Callable[[dt.datetime], Mapping[str, Any]],
        failed: Callable[[str], None],
    ) -> None:
        self._days = days
        self._settings = settings
        self._about = dict(about)
        self._begin = begin
        self._state = state
        self._now = now
        self._take = take
        self._failed = failed
        self._calendar = desk_calendar(settings)
        self.session = self._calendar.session_of((begin or now()) - _MOMENT)
        self._close = self._calendar.close_of(self.session) + _MOMENT

    def first(self) -> Recorder:
        begin = self._begin.isoformat() if self._begin else None
        return self._recorder(begin=begin, state=self._state)

    def is_over(self, bar: dt.datetime | None) -> bool:
        """The first bar of a session ends the one before, and so does, where nothing has come, the midnight before it:
        so the next record is there when the first bar comes, which need not wait for it."""
        moment = bar or self._now()
        if moment <= self._close:
            return False
        session = self._calendar.session_of(moment - _MOMENT)
        return bar is not None or moment.astimezone(self._calendar.tz).date() >= session > self.session

    def next(self, last: dt.datetime, bar: dt.datetime | None) -> tuple[Recorder, dt.datetime]:
        taken = self._take(last)
        self.session = self._calendar.session_of((bar or self._now()) - _MOMENT)
        self._close = self._calendar.close_of(self.session) + _MOMENT
        begin = (last + dt.timedelta(seconds=1)).replace(microsecond=0)
        return self._recorder(begin=begin.isoformat(), **taken), self._settles_from()

    def _settles_from(self) -> dt.datetime:
        """The bars that a session has which begins on this day, as in ``live.feed.LiveHistory.load``."""
        data = self._settings.data.model_copy(update={"start": self.session, "end": None})
        start = earlier_start(self._settings.model_copy(update={"data": data}), bars_needed(self._settings))
        span = self._calendar.span(start, None)
        after = span[0] if span is not None else None
        return after + _MOMENT if after is not None else dt.datetime.min.replace(tzinfo=dt.UTC)

    def _recorder(self, **about: Any) -> Recorder:
        now = self._now()
        values = {**self._about, "session": self.session.isoformat(), "started": now.isoformat(), **about}
        return Recorder(new_folder(self._days / self.session.isoformat(), now), values, self._failed)
