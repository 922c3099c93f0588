"""Timers of a leaping run go off where stock's do, one after the other, and ``verify`` listens to them."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

import engine
from core.errors import EngineError
from engine.leap.alarms import Alarms
from feeds import ColumnarData

BARS = 100


class Timed(bt.Strategy):
    """Acts on bars 7, 27, ...; subclasses have timers."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.timers = self.make_timers()

    def make_timers(self) -> list[Any]:
        return []

    def wake_sets(self) -> Any:
        return {"some": np.arange(self.data.buflen()) % 20 == 7}

    def wakes(self) -> Any:
        return ["some"]

    def leapt(self) -> None:
        pass

    def note(self, *what: Any) -> None:
        self.log.append((len(self.data), *what, self.position.size, self.broker.getvalue()))

    def notify_order(self, order: Any) -> None:
        self.note(order.ref, order.status)

    def notify_timer(self, timer: Any, when: dt.datetime, *args: Any, **kwargs: Any) -> None:
        self.note("timer", self.timers.index(timer), when)

    def next(self) -> None:
        if (len(self.data) - 1) % 20 == 7:
            self.note("bar")
            self.close() if self.position else self.buy(size=5)


def run(kind: type, strategy: type, **options: Any) -> Any:
    chance = np.random.default_rng(3)
    close = 100.0 * np.exp(np.cumsum(chance.normal(0.0, 0.01, BARS)))
    prices = {"open": close, "high": close + 1.0, "low": close - 1.0, "close": close, "volume": 1.0}
    bt.Order.refbasis = itertools.count(1)
    cerebro = kind(stdstats=False)
    cerebro.adddata(ColumnarData(dataname=pd.DataFrame(prices, index=pd.date_range("2020", periods=BARS))), name="ES")
    cerebro.addstrategy(strategy)
    cerebro.run(**options)
    return cerebro


def both(strategy: type) -> Any:
    stock, ours = run(bt.Cerebro, strategy), run(engine.Cerebro, strategy)
    assert ours.runningstrats[0].log == stock.runningstrats[0].log
    run(engine.Cerebro, strategy, verify=True)
    return ours


def test_a_timer_that_asks_a_callback_is_asked_on_its_bar() -> None:
    class Asks(Timed):
        wakes = Timed.wakes

        def make_timers(self) -> list[Any]:
            return [self.add_timer(when=bt.timer.SESSION_START, allow=self.is_holding)]

        def is_holding(self, day: dt.date) -> bool:
            return bool(self.position.size)

    ours = both(Asks)
    assert sum(event[1] == "timer" for event in ours.runningstrats[0].log) > 20
    (obstacle,) = ours.leaping_obstacles
    assert "a callback (allow)" in obstacle


def test_timers_of_one_bar_are_asked_one_after_the_other() -> None:
    class Rearranges(Timed):
        wakes = Timed.wakes

        def make_timers(self) -> list[Any]:
            return [self.add_timer(when=bt.timer.SESSION_START, weekdays=[day]) for day in (2, 1, 2)]

        def notify_timer(self, timer: Any, when: dt.datetime, *args: Any, **kwargs: Any) -> None:
            super().notify_timer(timer, when)
            if timer is self.timers[0] and len(self.data) > 30:  # the last one goes off on Wednesdays, from today on
                self.timers[2].p.weekdays = [3]
            if timer is self.timers[1] and len(self.data) > 60:
                self.timers[2].p.weekdays = [1]

    ours = both(Rearranges)
    assert not ours.leaping_obstacles
    assert 0 < ours.landings < BARS


@pytest.mark.parametrize("owner", ["strategy", "Cerebro"])
def test_verify_names_the_timer_that_goes_off_in_one_of_both_runs(owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(alarms: Any, step: int, *given: Any) -> None:
        alarms._known = step

    class Weekly(Timed):
        wakes = Timed.wakes

        def make_timers(self) -> list[Any]:
            if owner == "Cerebro":
                self.env._add_timer(self.env, bt.timer.SESSION_START, weekdays=[2])
                return []
            return [self.add_timer(when=bt.timer.SESSION_START, weekdays=[2])]

    monkeypatch.setattr(Alarms, "ring", fails)
    told = "Weekly" if owner == "strategy" else "Cerebro"
    with pytest.raises(EngineError, match=f"bar 6 of ES.*{told} is told of timer 1 .2020-01-07.* when stepping only"):
        run(engine.Cerebro, Weekly, verify=True)


def test_a_verified_run_leaves_no_ear_behind() -> None:
    class Weekly(Timed):
        wakes = Timed.wakes

        def make_timers(self) -> list[Any]:
            return [self.add_timer(when=bt.timer.SESSION_START, weekdays=[2])]

    cerebro = run(engine.Cerebro, Weekly, verify=True)
    assert "notify_timer" not in vars(cerebro)
    assert "notify_timer" not in vars(cerebro.runningstrats[0])
