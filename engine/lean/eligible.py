"""What may run lean. Everything else goes through stock's own loop, which is always right.

The lean loop knows what stock's methods do and leaves out what changes nothing. So it asks that those methods are
stock's: a class that brings its own ``_oncepost`` or ``advance`` gets its own.
"""

from __future__ import annotations

from typing import Any

import backtrader as bt
from backtrader.feed import AbstractDataBase
from backtrader.lineiterator import LineIterator

from engine.lean.ties import can_tie
from engine.lean.timeline import has_times

_STRATEGY = (
    "_once", "_oncepost", "_oncepost_open", "_next_analyzers", "_next_observers", "_getminperstatus", "clear",
    "forward", "advance", "reset", "home", "preonce", "oncestart", "once", "_addnotification",
)  # fmt: skip
_DATA = ("advance", "advance_peek", "_tick_nullify", "_tick_fill")


def obstacles(cerebro: bt.Cerebro, strategies: list[bt.Strategy]) -> list[str]:
    """Why a run that stock would step through after ``once`` cannot be lean; empty if it can."""
    found = []
    if not strategies:
        return ["no strategy takes part"]
    for strategy in strategies:
        found += [f"{type(strategy).__name__} has its own {name}" for name in _own(strategy, bt.Strategy, _STRATEGY)]
        if not can_tie(strategy):
            found.append(f"{type(strategy).__name__} has lines of its own making")
        if _is_clocked_late(strategy):
            found.append(f"an indicator of {type(strategy).__name__} follows a later one")
    for data in cerebro.datas:
        name = data._name or type(data).__name__
        found += [f"data {name} has its own {method}" for method in _own(data, AbstractDataBase, _DATA)]
        if not can_tie(data):
            found.append(f"data {name} has lines of its own making")
        elif any(len(line.array) < data.lines.datetime.buflen() for line in data.lines.lines):
            found.append(f"data {name} has lines of different lengths")
    if not found and not all(map(has_times, cerebro.datas)):
        found.append("a data has bars without a time")
    return found


def _own(thing: Any, stock: type, names: tuple[str, ...]) -> list[str]:
    """Which of the methods are not stock's, by class or by instance."""
    cls = type(thing)
    return [name for name in names if getattr(cls, name) is not getattr(stock, name) or name in vars(thing)]


def _is_clocked_late(strategy: bt.Strategy) -> bool:
    """Whether an indicator follows one that stands after it in the order of advancing, so it lags a bar behind."""
    indicators = strategy._lineiterators[LineIterator.IndType]
    places = {id(each): place for place, each in enumerate(indicators)}
    return any(places.get(id(each._clock), -1) > place for place, each in enumerate(indicators))
