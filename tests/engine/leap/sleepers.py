"""Strategies that do what a plan says and declare exactly the bars on which they do it.

An action with ``where="bar"`` is done on the bar ``at`` of the first data; one with ``where="filled"`` on the bar on
which the ``at``-th completed order was told of. On a bar of which nothing was declared they must not be called; where
they are, they look and write nothing down unless they act, so a run that steps gives the same log as one that leaps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import backtrader as bt
import numpy as np
from parity.actions import act
from parity.recorder import Quiet
from parity.running import STRATEGIES


class Sleeper(Quiet):
    """Names one set: the bars on which it acts."""

    def __init__(self) -> None:
        super().__init__()
        self.acts = {action.at for action in self.plan.actions if action.where == "bar"}
        self.bar_done = 0  # the last bar of the first data whose actions were done
        self.filled = 0  # completed orders that it was told of
        self.answered = 0  # of these, after how many it acted

    # -- acting ---------------------------------------------------------------------------------------------------

    def turn(self, kind: str, always: bool = False) -> None:
        bar = len(self.data)
        acting = bar in self.acts and bar != self.bar_done and self.may_act(bar)
        if not (acting or always or self.filled > self.answered):
            return
        self.look(kind)
        if acting:
            self.bar_done = bar
            for action in self.plan.actions:
                if action.where == "bar" and action.at == bar:
                    act(self, action)
        while self.filled > self.answered:
            self.answered += 1
            for action in self.plan.actions:
                if action.where == "filled" and action.at == self.answered:
                    act(self, action)

    def may_act(self, bar: int) -> bool:
        return True

    def next(self) -> None:
        self.turn("bar")

    def notify_order(self, order: bt.Order) -> None:
        super().notify_order(order)
        if order.status == bt.Order.Completed:
            self.filled += 1

    # -- declaring ------------------------------------------------------------------------------------------------

    def wake_sets(self) -> dict[str, Any]:
        return {"acts": self.flags(self.acts)}

    def flags(self, bars: set[int]) -> Any:
        flags = np.zeros(self.data.buflen(), dtype=bool)
        if self.plan.noise:
            flags[:: self.plan.noise] = True
        for bar in bars:
            if bar <= len(flags):
                flags[bar - 1] = True
        return flags

    def wakes(self) -> Iterator[str | int]:
        yield "acts"

    def leapt(self) -> None:
        pass


class Counting(Sleeper):
    """Says after how many bars it acts next."""

    def wake_sets(self) -> dict[str, Any]:
        return {}

    def wakes(self) -> Iterator[str | int]:
        coming = [bar for bar in self.acts if bar > len(self.data)]
        if coming:
            yield min(coming) - len(self.data)


class Holding(Sleeper):
    """Acts on even bars only while its own fills leave it with something, and names that set only then."""

    held = 0.0

    def notify_order(self, order: bt.Order) -> None:
        super().notify_order(order)
        if order.status == bt.Order.Completed:
            self.held += order.executed.size

    def may_act(self, bar: int) -> bool:
        return bool(bar % 2 or self.held)

    def wake_sets(self) -> dict[str, Any]:
        odd = {bar for bar in self.acts if bar % 2}
        return {"odd": self.flags(odd), "even": self.flags(self.acts - odd)}

    def wakes(self) -> Iterator[str | int]:
        yield "odd"
        self.getposition(self.data)  # makes one, which the engine takes back
        if self.held:
            yield "even"


class Changing(Sleeper):
    """Declares in another way each time."""

    def wakes(self) -> Iterator[str | int]:
        self.asked = getattr(self, "asked", 0) + 1
        if self.asked % 5 == 0:
            yield "*"
        elif self.asked % 2:
            yield "acts"
        else:
            coming = [bar for bar in self.acts if bar > len(self.data)]
            yield from (bar - len(self.data) for bar in coming)


def _prenext(self: Any) -> None:
    self.turn("prenext")


def _nextstart(self: Any) -> None:
    self.turn("nextstart", always=True)


def _notify_trade(self: Any, trade: bt.Trade) -> None:
    self.note("trade", *self.tape.trade(trade))
    self.called("trade")


def _notify_timer(self: Any, timer: Any, when: Any, *args: Any, **kwargs: Any) -> None:
    self.note("timer", timer.p.tid, str(when), len(self), self.broker.getvalue(), timer.p.cheat)
    self.called("timer")


WHOLE = {
    "prenext": _prenext, "nextstart": _nextstart, "notify_trade": _notify_trade, "notify_timer": _notify_timer,
}  # fmt: skip
KINDS = {"set": Sleeper, "count": Counting, "hold": Holding, "change": Changing}
for name, kind in KINDS.items():
    STRATEGIES[name, False] = kind
    STRATEGIES[name, True] = type(f"Whole{kind.__name__}", (kind,), {**WHOLE, "wakes": kind.wakes})
