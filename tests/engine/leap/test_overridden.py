"""A subclass that overrides what acts, however it does, is stepped unless it declares anew."""

from __future__ import annotations

import functools
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

import engine
from core.leaping import declares_wakes
from feeds import ColumnarData

BARS = 400


class Dip(bt.Strategy):
    """Buys dips, sells ten bars later."""

    entered = 0

    def stop_bars(self) -> int:
        return 10

    def log_level(self) -> int:
        return 1

    @staticmethod
    def is_entry(close: float, opened: float) -> bool:
        return close < opened * 0.99

    @classmethod
    def is_exit(cls, bars: int, limit: int) -> bool:
        return bars >= limit

    @property
    def held(self) -> int:
        return len(self) - self.entered

    @functools.cached_property
    def size(self) -> int:
        return 5

    def wake_sets(self) -> Any:
        close, opened = (np.array(line.array) for line in (self.data.close, self.data.open))
        return {"dips": close < opened * 0.99}

    def wakes(self) -> Any:
        return [self.entered + 10 - len(self)] if self.position else ["dips"]

    def leapt(self) -> None:
        pass

    def notify_order(self, order: Any) -> None:
        if order.status == order.Completed:
            self.entered = len(self)

    def next(self) -> None:
        skips = self.skips() if hasattr(self, "skips") else False
        if self.position:
            if self.is_exit(self.held, self.stop_bars()):
                self.close()
        elif self.is_entry(self.data.close[0], self.data.open[0]) and not skips:
            self.buy(size=self.size)


class Fixed(bt.Strategy):
    """Looks nothing up by name."""

    wake_sets, wakes, leapt = Dip.wake_sets, Dip.wakes, Dip.leapt
    entered = 0

    def next(self) -> None:
        if not self.position and self.data.close[0] < self.data.open[0] * 0.99:
            self.buy()


def partial_bars(bars: int) -> int:
    return bars


OVERRIDES = {
    "a method whose name begins as stop does": {"stop_bars": lambda self: 4},
    "a method whose name begins as log does": {"log_level": lambda self: 2},
    "a static method": {"is_entry": staticmethod(lambda close, opened: close > opened)},
    "a class method": {"is_exit": classmethod(lambda cls, bars, limit: bars >= 3)},
    "a property": {"held": property(lambda self: 99)},
    "a cached property": {"size": functools.cached_property(lambda self: 7)},
    "a partial": {"stop_bars": functools.partial(partial_bars, 4)},
    "a new method that the class above looks for": {"skips": lambda self: len(self) % 2},
    "a method of its own": {"nextstart": lambda self: None},
}


def made(base: type = Dip, **members: Any) -> type:
    return type("Made", (base,), members)


def run(strategy: type, leap: bool) -> Any:
    chance = np.random.default_rng(1)
    close = 100.0 * np.exp(np.cumsum(chance.normal(0.0, 0.01, BARS)))
    opened = np.r_[close[0], close[:-1]]
    prices = {"open": opened, "high": np.maximum(opened, close), "low": np.minimum(opened, close), "close": close}
    cerebro = engine.Cerebro(stdstats=False, leap=leap)
    cerebro.adddata(ColumnarData(dataname=pd.DataFrame(prices, index=pd.date_range("2020", periods=BARS))))
    cerebro.addstrategy(strategy)
    cerebro.run()
    return cerebro


@pytest.mark.parametrize("what", OVERRIDES)
def test_overriding_steps(what: str) -> None:
    strategy = made(**OVERRIDES[what])
    leaping, stepping = run(strategy, leap=True), run(strategy, leap=False)
    assert leaping.broker.getvalue() == stepping.broker.getvalue()
    assert len(leaping.broker.orders) == len(stepping.broker.orders)
    assert leaping.leaping_obstacles == [
        "Made overrides what the wakes of its base class were declared for; it must bring its own"
    ]


def test_the_class_itself_leaps() -> None:
    cerebro = run(Dip, leap=True)
    assert not cerebro.leaping_obstacles
    assert 0 < cerebro.landings < BARS


@pytest.mark.parametrize("what", OVERRIDES)
def test_overriding_with_wakes_of_its_own_leaps(what: str) -> None:
    assert not run(made(**OVERRIDES[what], wakes=lambda self: ["dips", 1]), leap=True).leaping_obstacles


@pytest.mark.parametrize("name", ["start", "stop", "notify_trade", "notify_order", "log", "__repr__"])
def test_what_is_called_in_any_case_may_be_overridden(name: str) -> None:
    assert not run(made(**{name: lambda self, *given: ""}), leap=True).leaping_obstacles


def test_new_methods_that_nobody_looks_for_are_harmless() -> None:
    assert not run(made(Fixed, report=lambda self: None, limit=3), leap=True).leaping_obstacles


def test_methods_bound_on_the_object_step() -> None:
    class Bound(Dip):
        def __init__(self) -> None:
            self.stop_bars = lambda: 4

    leaping, stepping = run(Bound, leap=True), run(Bound, leap=False)
    assert leaping.leaping_obstacles
    assert leaping.broker.getvalue() == stepping.broker.getvalue()
    assert not declares_wakes(leaping.runningstrats[0])
