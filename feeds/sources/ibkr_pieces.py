"""Long requests in pieces that IBKR answers, from the first to the last: what came before an end is whole.

A duration counts calendar days in some cases and sessions in others, so each piece asks for a little more than the
step to the next one: pieces overlap, and no bar is left out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from core.calendar import ExchangeCalendar
from feeds.bars import BarSize

SIZES: dict[BarSize, str] = {"1d": "1 day", "1h": "1 hour", "1m": "1 min", "1s": "1 secs"}
SECONDS: dict[BarSize, int] = {"1h": 3600, "1m": 60, "1s": 1}
_STEPS: dict[BarSize, tuple[str, dt.timedelta]] = {  # what is asked for at once, and how far the next piece is
    "1d": ("1 Y", dt.timedelta(days=360)),
    "1h": ("1 M", dt.timedelta(days=25)),
    "1m": ("1 W", dt.timedelta(days=5)),
    "1s": ("1800 S", dt.timedelta(minutes=30)),
}


@dataclass(frozen=True, slots=True)
class Piece:
    """``duration`` (IBKR's) up to ``end``, UTC."""

    end: dt.datetime
    duration: str


def pieces(bar: BarSize, start: dt.datetime, end: dt.datetime, calendar: ExchangeCalendar) -> Iterator[Piece]:
    """What to ask for, in order of time, so that all bars between ``start`` and ``end`` (UTC) come."""
    duration, step = _STEPS[bar]
    if bar != "1s":
        at = start
        while at < end:
            at = min(at + step, end)
            yield Piece(at, duration)
        return
    for session in calendar.sessions(start.date() - dt.timedelta(days=1), end.date()):
        opens, closes = _hours(calendar, session)
        at, last = max(opens, start), min(closes, end)
        while at < last:
            at = min(at + step, last)
            yield Piece(at, duration)


def _hours(calendar: ExchangeCalendar, session: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """Open and close of a session, UTC."""
    numbers = calendar.session_numbers(pd.DatetimeIndex([calendar.close_of(session)]))
    opens, closes = calendar.hours_of(numbers)
    return opens[0].to_pydatetime(), closes[0].to_pydatetime()
