"""Cash and value on every bar of a run, from its fills alone.

Why it is exact: between two fills cash and positions do not change, so the value of a bar is the formula of
``equity.work_out`` with that bar's closes: the same operations in the same order, here on whole columns. Positions of
size 0 add exactly 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.lean.desk import Book
from engine.lean.execution import scheme_of
from engine.lean.timeline import Floats, column


class Curve:
    """Grows with the run: ``upto(steps)`` gives the first ``steps`` values."""

    def __init__(self, book: Book, datas: list[Any], cash: float) -> None:
        self._book = book
        self._datas = datas
        self._start_cash = cash
        self._closes: dict[int, Floats] = {}  # id of a data -> its close on every step
        self.fund_shares = book.broker._fundshares

    def upto(self, steps: int) -> Floats:
        """Value of the account at the end of the pass of each of the first steps."""
        values = np.empty(steps)
        changes = [(0, self._start_cash, []), *(each for each in self._book.changes if each[0] < steps)]
        ends = [each[0] for each in changes[1:]] + [steps]
        for (begin, cash, held), end in zip(changes, ends, strict=True):
            values[begin:end] = cash
            if held and end > begin:
                values[begin:end] = self._worth(slice(begin, end), cash, held)
        return values

    def _worth(self, steps: slice, cash: float, held: list[tuple[Any, float, float]]) -> Floats:
        broker = self._book.broker
        unlevered = np.zeros(steps.stop - steps.start)
        for data, size, price in held:
            scheme = scheme_of(broker, data)
            closes = self._close(data)[steps]
            worth = size * closes if broker.p.shortcash else _short_worth(size, price, closes)
            gain = size * (closes - price) * scheme.p.mult
            if not broker.p.shortcash:
                worth = np.abs(worth)
            without = worth - gain
            long = (unlevered + without / scheme.p.leverage) + gain
            unlevered = np.where(worth > 0, long, unlevered + worth)
        total: Floats = cash + unlevered
        return total

    def _close(self, data: Any) -> Floats:
        """The close that a data stands on, on every step."""
        if id(data) not in self._closes:
            closes, timeline = column(data.lines.close), self._book.timeline
            if not timeline.shared:
                closes = closes[np.array(timeline.rows[self._book.places[id(data)]])]
            self._closes[id(data)] = closes
        return self._closes[id(data)]


def _short_worth(size: float, price: float, closes: Floats) -> Floats:
    """``CommInfoBase.getvalue`` where shorts tie up cash."""
    if size >= 0:
        return size * closes
    worth: Floats = price * size + (price - closes) * size
    return worth
