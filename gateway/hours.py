"""When an instrument trades: regular and extended hours by session, from ``core.calendar``, and IBKR's text of them.

Extended hours of US exchanges are 04:00 to 20:00 New York time, to 17:00 after an early close. Currency pairs on
IDEALPRO trade from 17:15 of the day before to 17:00 New York time, Monday to Friday, but not on 25 December and 1
January. Elsewhere extended hours are the regular ones.
"""

from __future__ import annotations

import datetime as dt
import functools
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.calendar import FIRST, ExchangeCalendar
from gateway.model import Instrument

Moments = npt.NDArray[np.int64]  # microseconds since 1970, UTC
DAY = dt.timedelta(days=1)
DAYS_TOLD = 7  # tradingHours reaches so many days ahead
_US = frozenset({"XNYS", "XNAS", "XASE", "ARCX", "BATS"})


@dataclass(frozen=True, slots=True)
class Session:
    """A trading day: moments in microseconds UTC. ``start`` and ``end`` are those of the extended hours."""

    day: dt.date
    open: int
    close: int
    start: int
    end: int

    def window(self, regular: bool) -> tuple[int, int]:
        return (self.open, self.close) if regular else (self.start, self.end)


class TradingHours:
    """Sessions of the instruments of one exchange and security type."""

    def __init__(self, calendar: str, sec_type: str, time_zone: str) -> None:
        self.zone = ZoneInfo(time_zone)
        self.time_zone = time_zone
        days, self.open, self.close = _pairs(self.zone) if sec_type == "CASH" else _regular(calendar)
        self.start, self.end = self.open, self.close
        if sec_type == "STK" and calendar in _US:
            self.start = _local(days, "04:00", self.zone)
            early = self.close < _local(days, "16:00", self.zone)
            self.end = np.where(early, _local(days, "17:00", self.zone), _local(days, "20:00", self.zone))
        self.midnight = _local(days, "00:00", self.zone)
        self.days: list[dt.date] = [stamp.date() for stamp in days]

    def __len__(self) -> int:
        return len(self.days)

    def session(self, number: int) -> Session:
        """The session with a number, counted from the first known."""
        row = (int(column[number]) for column in (self.open, self.close, self.start, self.end))
        return Session(self.days[number], *row)

    def windows(self, regular: bool) -> tuple[Moments, Moments]:
        """Starts and ends of all sessions, of the regular or of the extended hours."""
        return (self.open, self.close) if regular else (self.start, self.end)

    def number_at(self, moment: int, regular: bool) -> int | None:
        """The session whose hours hold a moment (``start <= moment < end``)."""
        starts, ends = self.windows(regular)
        number = int(np.searchsorted(starts, moment, side="right")) - 1
        return number if number >= 0 and moment < ends[number] else None

    def begun_before(self, moment: int, regular: bool) -> int:
        """The last session that began before a moment; -1: none."""
        return int(np.searchsorted(self.windows(regular)[0], moment, side="left")) - 1

    def number_of(self, day: dt.date) -> int | None:
        """The session of a day; None: the exchange is closed."""
        at = bisect_left(self.days, day)
        return at if at < len(self.days) and self.days[at] == day else None

    def between(self, first: dt.date, last: dt.date) -> range:
        """Numbers of the sessions of these days, both inclusive."""
        return range(bisect_left(self.days, first), bisect_right(self.days, last))

    def text(self, now: dt.datetime, regular: bool) -> str:
        """tradingHours (or, ``regular``, liquidHours) of the coming days:
        ``20240308:0930-20240308:1600;20240309:CLOSED``."""
        today = now.astimezone(self.zone).date()
        starts, ends = self.windows(regular)
        parts = []
        for ahead in range(DAYS_TOLD):
            day = today + ahead * DAY
            number = self.number_of(day)
            if number is None:
                parts.append(f"{day:%Y%m%d}:CLOSED")
            else:
                parts.append("-".join(f"{self.local(int(at)):%Y%m%d:%H%M}" for at in (starts[number], ends[number])))
        return ";".join(parts)

    def local(self, moment: int) -> dt.datetime:
        """A moment in the instrument's own time zone."""
        return moment_to_datetime(moment).astimezone(self.zone)


def hours_of(instrument: Instrument) -> TradingHours:
    """The trading hours of an instrument, shared by all of its kind."""
    return _hours(instrument.calendar, instrument.sec_type, instrument.time_zone)


def moment_of(when: dt.datetime) -> int:
    """Microseconds since 1970 of an aware datetime."""
    return (when - _EPOCH) // _MICROSECOND


def moment_to_datetime(moment: int) -> dt.datetime:
    """The aware datetime, UTC, of microseconds since 1970."""
    return _EPOCH + dt.timedelta(microseconds=moment)


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
SECOND = 1_000_000  # of these


@functools.cache
def _hours(calendar: str, sec_type: str, time_zone: str) -> TradingHours:
    return TradingHours(calendar, sec_type, time_zone)


def _regular(code: str) -> tuple[pd.DatetimeIndex, Moments, Moments]:
    calendar = ExchangeCalendar(code)
    days = pd.DatetimeIndex(calendar.sessions(calendar.first, calendar.last)).as_unit("us")
    closes, _ = calendar.closes_of(days)
    opens, closes = calendar.hours_of(calendar.session_numbers(closes))
    return days, opens.asi8.copy(), closes.asi8.copy()


def _pairs(zone: ZoneInfo) -> tuple[pd.DatetimeIndex, Moments, Moments]:
    days = pd.bdate_range(FIRST, ExchangeCalendar("XNYS").last).as_unit("us")
    holiday = ((days.month == 12) & (days.day == 25)) | ((days.month == 1) & (days.day == 1))
    days = days[~holiday]
    return days, _local(days - pd.Timedelta(days=1), "17:15", zone), _local(days, "17:00", zone)


def _local(days: pd.DatetimeIndex, clock: str, zone: ZoneInfo) -> Moments:
    """Moments of a time of day, in ``zone``, on many days."""
    moments: Moments = (days + pd.Timedelta(f"{clock}:00")).tz_localize(zone).as_unit("us").asi8.copy()
    return moments
