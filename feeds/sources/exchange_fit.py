"""Whether bars that came without an exchange can be of the one that is taken for them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np
import pandas as pd

from core.calendar import ExchangeCalendar
from feeds.bars import RawBars

FEW = 0.03  # of the bars on Saturdays and Sundays: more are no stray rows
FITS = 0.04  # of the bars on days without a session: futures open an hour after currencies, and have holidays
COARSE = 6  # days from bar to bar, median, from which on bars are of weeks or months
_WITH_CLOSURES = {  # of exchange_calendars, that fit what trades around the clock
    "24/5": "every Monday to Friday is a session",
    "CMES": "sessions from the evening of Sunday to Friday",
}
EVERY_DAY = "24/7"
_WITHOUT = EVERY_DAY, "every day is a session"
_QUOTES, _WEEKENDS = "these are quotes", "many bars are of Saturdays or Sundays"


def doubt_exchange(bars: RawBars, exchange: str) -> Iterator[str]:
    """A note on quotes, and on bars of Saturdays and Sundays, with an exchange that fits them."""
    weekend = _weekends(bars, exchange) > FEW and not _coarse(bars)
    quotes = bars.content == "quotes"
    if not (weekend or quotes):
        return
    seen = [words for words, true in ((_QUOTES, quotes), (_WEEKENDS, weekend)) if true]
    code, why = fitting_exchange(bars)
    closed = ", on whose closed days bars are wrong" if _closed(bars, exchange) else ""
    yield (
        f"no --exchange was said, so it is stored as {exchange}{closed}; but {' and '.join(seen)}. If it is of another "
        f"one, remove it and import it with that: for what trades around the clock --exchange {code} ({why})."
    )


def fitting_exchange(bars: RawBars) -> tuple[str, str]:
    """A calendar of what trades around the clock with sessions on the days of these bars, and what it counts as one."""
    closed = {code: _closed(bars, code) for code in _WITH_CLOSURES}
    best = min(closed, key=lambda code: closed[code])
    if closed[best] <= FITS:
        return best, _WITH_CLOSURES[best]
    code, why = _WITHOUT
    days = _days(bars, code)
    if not (days.day_of_week == 5).any():
        why += f", so Saturdays will be missing; with {best} bars of Sundays would be of closed days"
    return code, why


def _weekends(bars: RawBars, code: str) -> float:
    """Share of the bars on Saturdays and Sundays."""
    return float(np.isin(_days(bars, code).day_of_week, (5, 6)).mean()) if len(bars.frame) else 0.0


def _closed(bars: RawBars, code: str) -> float:
    """Share of the bars on days without a session, as far as the calendar reaches."""
    calendar = ExchangeCalendar(code)
    days = _days(bars, code)
    reached = np.asarray((days >= pd.Timestamp(calendar.first)) & (days <= pd.Timestamp(calendar.last)))
    closed = np.zeros(len(days), dtype=np.bool_)
    closed[reached] = ~calendar.closes_of(days[reached])[1]
    if bars.bar != "1d":  # a session of futures begins on the evening before its day
        closed[closed] = ~calendar.in_session(pd.DatetimeIndex(bars.frame.index)[closed])
    return float(closed.mean()) if len(closed) else 0.0


def _coarse(bars: RawBars) -> bool:
    """Whether the labels are of weeks and months, which need not be days of sessions."""
    steps = np.diff(np.unique(_days(bars, EVERY_DAY).to_numpy())) / np.timedelta64(1, "D")
    return len(steps) > 0 and float(np.median(steps)) >= COARSE


def _days(bars: RawBars, code: str) -> pd.DatetimeIndex:
    """The day of each bar, of intraday ones at the exchange."""
    times = pd.DatetimeIndex(bars.frame.index)
    if times.tz is None:
        return times
    inside = times - dt.timedelta(microseconds=1)  # a close at midnight is of the day before
    return inside.tz_convert(ExchangeCalendar(code).tz).tz_localize(None).normalize()
