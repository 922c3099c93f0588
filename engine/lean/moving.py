"""Resting orders that stock changes on every bar: trailing stops follow the close, orders at the close note it down.

Why it is exact: after each pass that leaves a trailing stop alone stock asks once whether the close less the distance
(plus, for a purchase) is better than the price so far. A run of such questions leaves the best of all; the levels are
the same operations on whole columns, and a maximum rounds nothing. An order at the close keeps the last close alone. So
both are brought up to date when the broker wakes, when somebody reads or writes, and at the end.

A step on which its data has no bar counts, too: stock looks at the bar before once more, with the price that this bar
itself has moved.
"""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
from backtrader.order import OrderData

from engine.lean.cursor import real_dict
from engine.lean.timeline import Floats, Integers

TRAILS = frozenset({bt.Order.StopTrail, bt.Order.StopTrailLimit})
_order_state, _created_state = real_dict(bt.Order), real_dict(OrderData)  # who asks them for ``vars`` comes back here
_NUMBERS = (int, float, type(None))


def is_trailing(order: Any) -> bool:
    """Whether its price moves, by a distance that can be written out."""
    if order.exectype not in TRAILS or order.triggered or not order.active():
        return False
    numbers = (order.trailamount, order.trailpercent, order.created.price)
    return all(isinstance(number, _NUMBERS) for number in numbers)


def levels(order: Any, closes: Floats) -> Floats:
    """Where each close would pull the price: ``Order.trailadjust``."""
    distance: Any = order.trailamount or (closes * order.trailpercent if order.trailpercent else 0.0)
    pulled: Floats = closes + distance if order.isbuy() else closes - distance
    return pulled


class Moving:
    """One such order. ``done``: the last step that it reflects."""

    def __init__(self, order: Any, closes: Floats, rows: Integers | None, step: int) -> None:
        self.order = order
        self.done = step
        self._closes = closes
        self._rows = rows  # of its data, by step; None where they are the steps

    def catch_up(self, step: int) -> None:
        """Be as after the passes up to ``step``."""
        if step <= self.done:
            return
        steps = slice(self.done + 1, step + 1)
        closes = self._closes[steps if self._rows is None else self._rows[steps]]
        self.done = step
        if self.order.exectype == bt.Order.Close:
            _order_state(self.order)["pannotated"] = float(closes[-1])
        else:
            self._follow(closes)

    def _follow(self, closes: Floats) -> None:
        order, created = self.order, _created_state(self.order.created)
        pulled = levels(order, closes)
        best = float(pulled.min() if order.isbuy() else pulled.max())
        if best < created["price"] if order.isbuy() else best > created["price"]:
            created["price"] = best
            if order.exectype == bt.Order.StopTrailLimit:
                created["pricelimit"] = best - order._limitoffset


def best_before(order: Any, price: float, pulled: Floats) -> Floats:
    """The price in force on each of the steps whose closes pull it, each step's own pull left out."""
    best: Floats = np.concatenate(([price], pulled[:-1]))
    (np.minimum if order.isbuy() else np.maximum).accumulate(best, out=best)
    return best
