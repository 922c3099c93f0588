"""The observers of a strategy: ``Strategy._next_observers``.

Why it is exact: an observer's lines grow by one value on each bar and stand on it, so they are tied to a cursor of the
observer. ``BuySell``, ``Trades`` and ``DataTrades`` write nothing but NaN over NaN on a bar without orders or closed
trades, so they are not asked then. Every other observer is.
"""

from __future__ import annotations

from typing import Any

import backtrader as bt
from backtrader.lineiterator import LineIterator
from backtrader.observers import BuySell, DataTrades, Trades

from engine.lean.cursor import Cursor
from engine.lean.ties import Ties, can_tie, lines_of

NAN = float("nan")


class _Frame:
    """An observer and its lines; ``lines`` is empty where stock has to move them."""

    def __init__(self, observer: Any, ties: Ties) -> None:
        self.observer = observer
        self.cursor = Cursor(ties)
        self.lines: list[Any] = []
        if can_tie(observer):
            ties.tie(observer, self.cursor)
            self.lines = lines_of(observer)
        cls = observer.__class__
        is_bound = any(line.bindings for line in lines_of(observer))
        self.waits_for_orders = cls is BuySell and not is_bound
        self.waits_for_trades = cls in (Trades, DataTrades) and not is_bound

    def has_nothing_to_do(self, strategy: bt.Strategy) -> bool:
        if self.waits_for_trades:
            return not strategy._tradespending
        if self.waits_for_orders and not strategy._orderspending:
            self.observer.curbuylen = self.observer.curselllen = 0
            return True
        return False


class Gallery:
    """All observers of a strategy."""

    def __init__(self, strategy: bt.Strategy, ties: Ties) -> None:
        self._strategy = strategy
        self._ties = ties
        self._frames = [_Frame(each, ties) for each in strategy._lineiterators[LineIterator.ObsType]]

    def observe(self, status: int) -> None:
        strategy = self._strategy
        for frame in self._frames:
            observer = frame.observer
            for analyzer in observer._analyzers:
                if status < 0:
                    analyzer._next()
                elif status == 0:
                    analyzer._nextstart()
                else:
                    analyzer._prenext()
            if frame.lines and self._ties.tied:
                for line in frame.lines:
                    line.array.append(NAN)
                frame.cursor.idx += 1
            elif len(strategy) > len(observer):
                observer.forward()
            if frame.has_nothing_to_do(strategy):
                continue
            if status < 0:
                observer.next()
            elif status == 0:
                observer.nextstart()
            elif len(observer):
                observer.prenext()
