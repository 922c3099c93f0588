"""Stock's ``_once`` of a strategy and everything below it, with bulk moves and vectorised calculations.

Why it is exact: the order of stock's ``_once`` is kept (own lines forward, children, home, own calculation, bindings);
growing a line by n values at once leaves what n single steps leave.
"""

from __future__ import annotations

import array
from collections.abc import Callable
from typing import Any

import backtrader as bt
from backtrader.linebuffer import LineActions, LineBuffer
from backtrader.lineiterator import LineIterator
from backtrader.lineseries import Lines, LineSeries

from engine.once.arrays import view
from engine.once.registry import vectorised

_STOCK_BINDING = LineBuffer.oncebinding
_NAN = array.array("d", [float("nan")])


def compute(strategy: bt.Strategy) -> None:
    """What ``Strategy._once`` does; its own calculation and bindings are nothing (``eligible`` sees to it)."""
    _forward(strategy, strategy._clock.buflen())
    size = strategy.buflen()
    for indicator in strategy._lineiterators[LineIterator.IndType]:
        _once(indicator)
    for observer in strategy._lineiterators[LineIterator.ObsType]:
        _forward(observer, size)
    for data in strategy.datas:
        data.home()
    for indicator in strategy._lineiterators[LineIterator.IndType]:
        indicator.home()
    for observer in strategy._lineiterators[LineIterator.ObsType]:
        observer.home()
    strategy.home()
    for line in strategy.lines:
        line.oncebinding()


def _once(indicator: Any) -> None:
    cls = type(indicator)
    if isinstance(indicator, LineActions) and cls._once is LineActions._once:
        _forward(indicator, indicator._clock.buflen())
        indicator.home()
        _calculate(indicator, indicator.buflen())
        _bind(indicator)
    elif isinstance(indicator, LineIterator) and cls._once is LineIterator._once:
        _once_series(indicator)
    else:
        indicator._once()


def _once_series(indicator: Any) -> None:
    _forward(indicator, indicator._clock.buflen())
    children = indicator._lineiterators[LineIterator.IndType]
    for child in children:
        _once(child)
    for observer in indicator._lineiterators[LineIterator.ObsType]:
        observer.forward(size=indicator.buflen())
    for data in indicator.datas:
        data.home()
    for child in children:
        child.home()
    for observer in indicator._lineiterators[LineIterator.ObsType]:
        observer.home()
    indicator.home()
    _calculate(indicator, indicator.buflen())
    for line in indicator.lines:
        _bind(line)


def _bind(line: Any) -> None:
    """``line.oncebinding()``."""
    values, length = view(line), line.buflen()
    for binding in line.bindings:
        bound = view(binding)
        if values is None or bound is None or len(bound) < length or type(line).oncebinding is not _STOCK_BINDING:
            del values, bound
            line.oncebinding()
            return
        bound[:length] = values[:length]


def _calculate(indicator: Any, end: int) -> None:
    """``preonce``, ``oncestart`` and ``once`` over the whole length."""
    start = indicator._minperiod - 1
    function: Callable[[Any, int, int], bool] | None = vectorised(indicator)
    if function is None or not function(indicator, start, end):
        indicator.preonce(0, start)
        indicator.oncestart(start, start + 1)
        indicator.once(start + 1, end)


def _forward(holder: Any, size: int) -> None:
    """``forward(size=size)`` in bulk, where the lines are backtrader's own."""
    if isinstance(holder, LineSeries):
        if type(holder).forward is not LineSeries.forward or type(holder.lines).forward is not Lines.forward:
            holder.forward(size=size)
            return
        lines = holder.lines.lines
    else:
        lines = [holder]
    for line in lines:
        if type(line).forward is LineBuffer.forward and type(line.array) is array.array:
            line.idx += size
            line.lencount += size
            if line.array:
                line.array.extend(_NAN * size)
            else:
                line.array = _NAN * size  # twice the speed
        else:
            line.forward(size=size)
