"""From bars to exchange sessions: the equity at each session's end and the returns between them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

SESSIONS_PER_YEAR = 252


class SessionCalendar(Protocol):
    """What is needed of ``core.calendar.ExchangeCalendar``."""

    def sessions(self, start: dt.date, end: dt.date) -> Sequence[Any]:
        """Return the sessions from ``start`` to ``end``, both included."""

    def close_of(self, session: dt.date) -> dt.datetime:
        """Return the close of a session, UTC."""


def utc(values: Any) -> pd.DatetimeIndex:
    """Return ``values`` as a UTC DatetimeIndex; naive stamps are UTC."""
    return pd.DatetimeIndex(pd.to_datetime(values, utc=True))


def sessions_of(index: Any, calendar: SessionCalendar | None = None) -> pd.DatetimeIndex:
    """Return the session of each stamp as a naive midnight, the label that exchange_calendars uses.

    A bar is stamped with its close, so it belongs to the first session that closes at or after the stamp.
    Without a calendar the session is the UTC date, which is the same for daily bars of one exchange and for
    minute bars of exchanges that do not trade across UTC midnight.
    """
    stamps = utc(index)
    if calendar is None or not len(stamps):
        return stamps.tz_localize(None).normalize()
    days = _sessions_around(stamps, calendar)
    closes = utc([calendar.close_of(day) for day in days])
    return pd.DatetimeIndex(pd.to_datetime(days))[closes.searchsorted(stamps, side="left")]


def session_equity(equity: pd.Series, calendar: SessionCalendar | None = None) -> pd.Series:
    """Return the last equity of each session, indexed by session.

    With a calendar every session between the first and the last bar has a row: where there was no bar nothing
    was marked, and the equity stays as it was.
    """
    ends = pd.Series(equity.to_numpy(dtype=float), index=sessions_of(equity.index, calendar))
    ends = ends[~ends.index.duplicated(keep="last")]
    if calendar is None or ends.empty:
        return ends
    days = calendar.sessions(ends.index[0].date(), ends.index[-1].date())
    return ends.reindex(pd.DatetimeIndex(pd.to_datetime(list(days)))).ffill()


def session_returns(equity: pd.Series, capital: float, calendar: SessionCalendar | None = None) -> pd.Series:
    """Return the simple return of each session (fractions), the first one from the starting ``capital``.

    No return is defined on a base that is zero or negative: after ruin the sessions are NaN.
    """
    return returns_of(session_equity(equity, calendar), capital)


def returns_of(ends: pd.Series, capital: float) -> pd.Series:
    """Return the simple returns of session-end equity; see :func:`session_returns`."""
    base = ends.shift(1, fill_value=capital).to_numpy(dtype=float)
    with np.errstate(all="ignore"):
        values = np.where(base > 0.0, ends.to_numpy(dtype=float) / base - 1.0, np.nan)
    return pd.Series(values, index=ends.index, name="return")


def session_pnl(equity: pd.Series, capital: float, calendar: SessionCalendar | None = None) -> pd.Series:
    """Return the net result of each session in EUR: differences of equity, the first one from ``capital``."""
    ends = session_equity(equity, calendar)
    return (ends - ends.shift(1, fill_value=capital)).rename("pnl_eur")


def _sessions_around(stamps: pd.DatetimeIndex, calendar: SessionCalendar) -> list[Any]:
    """Return the sessions that the stamps can belong to, the one that closes after the last stamp included."""
    start, last = stamps.min().date(), stamps.max().date()
    days = list(calendar.sessions(start, last + dt.timedelta(days=1)))
    margin = 1
    while not days or utc([calendar.close_of(days[-1])])[0] < stamps.max():
        margin += 7  # a bar after the last close belongs to the next session, which holidays may delay
        days = list(calendar.sessions(start, last + dt.timedelta(days=margin)))
    return days
