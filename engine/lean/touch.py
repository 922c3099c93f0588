"""The next step on which a resting order can fill or expire, so that the broker may sleep until then.

Why it is exact: a limit or stop order fills only on a bar whose open, high or low reaches its price, and expires only
on a bar later than its date; until then stock looks at it and leaves it alone. Here the bars are searched for the first
one that does either; for a trailing stop against the price that the closes before have pulled it to (``moving``), for
an order at the close by the end of its session. The answer may be too early (the pass then finds nothing to do), never
too late.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import backtrader as bt
import numpy as np

from engine.lean.moving import Moving, best_before, is_trailing, levels
from engine.lean.timeline import Floats, Integers, Timeline, column

NEVER = 1 << 60
_LIMITS = frozenset({bt.Order.Limit})
_STOPS = frozenset({bt.Order.Stop, bt.Order.StopLimit})
_FIRST_WINDOW = 64  # bars; each further window is four times as long


class Touch:
    """Searches the bars of a run. ``places``: id of a data -> its place in the timeline.

    ``moves``: whether somebody takes the orders of ``moving`` along, so that they need not be looked at on every bar.
    """

    def __init__(self, timeline: Timeline, datas: list[Any], places: dict[int, int], moves: bool = False) -> None:
        self._moves = moves
        self._timeline = timeline
        self._datas = datas
        self._places = places
        self._bars: dict[int, tuple[Floats, Floats, Floats]] = {}  # place -> highest, lowest (open or range), times
        self._closes: dict[int, Floats] = {}  # place -> closes
        self._rows: dict[int, Integers] = {}  # place -> its rows of the timeline

    def next_step(self, orders: Iterable[bt.Order], step: int) -> int:
        """The first step after ``step`` on which one of the orders, all looked at on ``step``, can change."""
        first = NEVER
        for order in orders:
            first = min(first, self._step_of(order, step))
            if first <= step + 1:
                break
        return first

    def _step_of(self, order: bt.Order, step: int) -> int:
        place = self._places.get(id(order.data), -1)
        if place < 0 or not self._timeline.is_growing:
            return step + 1
        bar = self._timeline.row(place, step) + 1
        found = NEVER
        valid = order.valid
        if valid:
            if not isinstance(valid, float):
                return step + 1
            times = self._columns(place)[2]
            late = int(np.searchsorted(times, valid, side="right"))
            found = self._step_at(place, max(bar, late)) if late < len(times) else NEVER
        if not order.active():
            return found
        kind, price = order.exectype, order.created.price
        if kind == bt.Order.StopLimit or kind == bt.Order.StopTrailLimit and self._moves:
            if order.triggered:
                kind, price = bt.Order.Limit, order.created.pricelimit
                bar = max(bar - 1, 0)  # if triggered just now, the same bar can fill it where its data does not move
        if kind in _LIMITS:
            hit = self._first(place, bar, price, rising=not order.isbuy())
        elif kind in _STOPS:
            hit = self._first(place, bar, price, rising=order.isbuy())
        elif not self._moves:
            return step + 1
        elif kind == bt.Order.Close:
            hit = self._closing(order, place, bar)
        elif is_trailing(order) and bar:
            return min(found, self._trailed(order, place, step + 1))
        else:
            return step + 1
        return min(found, max(self._step_at(place, hit), step + 1)) if hit >= 0 else found

    def _closing(self, order: bt.Order, place: int, bar: int) -> int:
        """First bar from ``bar`` on that is later than the order and at or past the end of its session; -1 if none."""
        times = self._columns(place)[2]
        late = int(np.searchsorted(times, order.created.dt, side="right"))
        bar = max(bar, late, int(np.searchsorted(times, order.dteos)))
        return bar if bar < len(times) else -1

    def _trailed(self, order: bt.Order, place: int, start: int) -> int:
        """First step from ``start`` on that reaches a trailing stop."""
        highest, lowest, _ = self._columns(place)
        rows, closes, price = self._rows_of(place), self.closes(place), order.created.price
        steps, window = len(self._timeline.stamps), _FIRST_WINDOW
        while start < steps:
            stretch: Any = slice(start, start + window)
            if rows is not None:
                stretch = rows[stretch]
            pulled = levels(order, closes[stretch])
            best = best_before(order, price, pulled)
            if order.isbuy():
                mask = highest[stretch] >= best
            else:
                mask = lowest[stretch] <= best
            first = int(mask.argmax())
            if mask[first]:
                return start + first
            price = min(best[-1], pulled[-1]) if order.isbuy() else max(best[-1], pulled[-1])
            start += window
            window *= 4
        return NEVER

    def moving(self, order: bt.Order, step: int) -> Moving | None:
        """An order that rests from ``step`` on and moves while the broker sleeps; None for any other."""
        if order.exectype != bt.Order.Close and not is_trailing(order) or not order.active():
            return None
        place = self._places[id(order.data)]
        return Moving(order, self.closes(place), self._rows_of(place), step)

    def closes(self, place: int) -> Floats:
        if place not in self._closes:
            self._closes[place] = column(self._datas[place].lines.close)
        return self._closes[place]

    def _first(self, place: int, bar: int, price: float, rising: bool) -> int:
        """First bar from ``bar`` on that reaches ``price`` from below (rising) or above; -1 if none does."""
        highest, lowest, _ = self._columns(place)
        prices, window = highest if rising else lowest, _FIRST_WINDOW
        while bar < len(prices):
            seen = prices[bar : bar + window]
            mask = seen >= price if rising else seen <= price
            first = int(mask.argmax())
            if mask[first]:
                return bar + first
            bar += window
            window *= 4
        return -1

    def _columns(self, place: int) -> tuple[Floats, Floats, Floats]:
        if place not in self._bars:
            lines = self._datas[place].lines
            opens = column(lines.open)  # stock compares it, too; prices that are no numbers touch nothing
            highest, lowest = np.fmax(column(lines.high), opens), np.fmin(column(lines.low), opens)
            self._bars[place] = highest, lowest, column(lines.datetime)
        return self._bars[place]

    def _step_at(self, place: int, bar: int) -> int:
        """The step on which a data comes to a bar."""
        rows = self._rows_of(place)
        return bar if rows is None else int(np.searchsorted(rows, bar))

    def _rows_of(self, place: int) -> Integers | None:
        """The row of a data on each step; None where it is the step."""
        if self._timeline.shared:
            return None
        if place not in self._rows:
            self._rows[place] = np.array(self._timeline.rows[place])
        return self._rows[place]
