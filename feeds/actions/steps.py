"""Where corporate actions fall in a frame of bars: the first bar without the right, and the close before it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd

from core.calendar import ExchangeCalendar
from core.errors import AdjustmentError
from feeds.bars import CorporateAction

# On one day a split comes first: a payment is for one share of that day, as it trades without the right
ORDER = {"split": 0, "spin_off": 1, "dividend": 2}
_LONGEST_CLOSURE = dt.timedelta(days=31)  # more than any exchange stayed closed since 1990


@dataclass(frozen=True)
class Step:
    """Actions that part the bars before row ``first`` from those after, in the order in which they take effect.

    ``reference``: row of the close by which payments are measured.
    """

    first: int
    reference: int
    actions: tuple[CorporateAction, ...]


def steps(frame: pd.DataFrame, actions: Sequence[CorporateAction], exchange: str) -> list[Step]:
    """Steps within the frame, oldest first; an ex-date without a bar takes the first bar after it.

    Actions at or before the first bar and after the last part nothing and are left out. Raises AdjustmentError where
    the index does not rise, CalendarError.
    """
    index = pd.DatetimeIndex(frame.index)
    if not index.is_monotonic_increasing:
        at = int(np.argmax(np.diff(index.asi8) < 0)) + 1
        raise AdjustmentError(
            f"row {at} ({index[at]}) is earlier than the row before it, so no row is the last before an ex-date; "
            "sort the bars by time"
        )
    if not len(index) or not actions:
        return []
    where = _where(index, exchange)
    placed = [(*where(index, action.ex_date), action) for action in sorted(actions, key=_in_order)]
    inside = [(first, reference, action) for first, reference, action in placed if 0 < first < len(index)]
    return [
        Step(first, rows[0][1], tuple(action for _, _, action in rows))
        for first, group in groupby(inside, key=lambda row: row[0])
        if (rows := list(group))
    ]


def after(
    frame: pd.DataFrame, actions: Sequence[CorporateAction], exchange: str, last: dt.date
) -> list[CorporateAction]:
    """Actions with an ex-date behind the last bar and up to ``last``, oldest first."""
    index = pd.DatetimeIndex(frame.index)
    where = _where(index, exchange)
    return [
        action
        for action in sorted(actions, key=_in_order)
        if action.ex_date <= last and where(index, action.ex_date)[0] == len(index)
    ]


def _in_order(action: CorporateAction) -> tuple[dt.date, int]:
    return action.ex_date, ORDER[action.kind]


def _where(index: pd.DatetimeIndex, exchange: str) -> Callable[[pd.DatetimeIndex, dt.date], tuple[int, int]]:
    """How to find the first row without a right and the row of the close before it."""
    return _daily if index.tz is None else _Intraday(exchange)


def _daily(index: pd.DatetimeIndex, ex_date: dt.date) -> tuple[int, int]:
    first = int(index.searchsorted(pd.Timestamp(ex_date), side="left"))
    return first, first - 1


class _Intraday:
    """Bars stamped with their close: the right ends at midnight of the exchange, so trades of the evening have it.

    Payments are measured by the close of the session, not by a trade of the evening after it.
    """

    def __init__(self, exchange: str) -> None:
        self.calendar = ExchangeCalendar(exchange)

    def __call__(self, index: pd.DatetimeIndex, ex_date: dt.date) -> tuple[int, int]:
        midnight = pd.Timestamp(dt.datetime.combine(ex_date, dt.time(), tzinfo=self.calendar.tz)).tz_convert("UTC")
        first = int(index.searchsorted(midnight, side="right"))
        if not 0 < first < len(index):
            return first, first - 1
        start = max(ex_date - _LONGEST_CLOSURE, self.calendar.first)
        sessions = self.calendar.sessions(start, ex_date - dt.timedelta(days=1))
        if not sessions:
            return first, first - 1
        closed = int(index.searchsorted(pd.Timestamp(self.calendar.close_of(sessions[-1])), side="right")) - 1
        return first, min(closed, first - 1) if closed >= 0 else first - 1
