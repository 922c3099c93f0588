"""A desk whose broker leaps over the steps on which nothing happens ends where the desk that steps does.

The engine's loop is not needed for that: a first run tells on which steps broker or strategies did anything, a second
one leaves the broker's work on all others to ``DeskLeaps``.
"""

from __future__ import annotations

import datetime as dt
import itertools
import sys
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

import analyzers
from core.calendar import ExchangeCalendar
from core.settings import Settings
from engine import SimBroker, build
from engine.desk_leaps import DeskLeaps
from feeds import History
from strategies import STRATEGIES

NYSE = ExchangeCalendar("XNYS")
SESSIONS = NYSE.sessions(dt.date(2012, 1, 3), dt.date(2016, 12, 30))


def frames(seed: int, count: int, holes: float) -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    common, gap = np.cumsum(rng.normal(0, 0.012, count)), np.zeros(count)
    for i in range(1, count):
        gap[i] = 0.9 * gap[i - 1] + rng.normal(0, 0.012)
    made = {}
    for symbol, log_price in (("SPX", common + gap), ("IXIC", common * 1.1), ("VIX", np.zeros(count))):
        close = 100.0 * np.exp(log_price)
        if symbol == "VIX":
            close = 20.0 * np.exp(rng.normal(0, 0.4, count))
        open_ = np.r_[close[0], close[:-1]] * np.exp(rng.normal(0, 0.003, count))
        high = np.maximum(open_, close) * (1 + rng.random(count) * 0.02)
        low = np.minimum(open_, close) * (1 - rng.random(count) * 0.02)
        stamps = pd.DatetimeIndex([NYSE.close_of(day) for day in SESSIONS[:count]]).as_unit("ns")
        frame = pd.DataFrame({"open": open_, "high": high, "low": low, "close": close, "volume": 1e6}, index=stamps)
        made[symbol] = frame[rng.random(count) >= holes] if holes else frame
    return made


class Told(SimBroker):
    """A broker that writes down on which steps it or a strategy did anything."""

    def next(self) -> None:
        step = self.cerebro.clock = getattr(self.cerebro, "clock", -1) + 1
        busy = bool(self.submitted or self._toactivate or self.notifs or list(self._room))
        before = len(self.notifs), self.account._funded, self.limits_reached()
        super().next()
        if busy or step == 0 or before != (len(self.notifs), self.account._funded, self.limits_reached()):
            self.cerebro.busy.add(step)

    def limits_reached(self) -> int:
        events = self.gate.events if self.gate is not None else []
        return sum(not event.kind.startswith("throttle") for event in events)


class Leaping(SimBroker):
    """A broker that does nothing on steps that are not in ``cerebro.busy``, and catches up before the others."""

    def next(self) -> None:
        cerebro = self.cerebro
        step = cerebro.clock = getattr(cerebro, "clock", -1) + 1
        if step == 0:
            history = cerebro.history
            steps = history.steps(history.frames)
            DeskLeaps(self, steps, history.begin)
            cerebro.waiting, cerebro.leapt, cerebro.landings = 0, [], 0
        leaps: Any = self.leaps
        if step not in cerebro.busy and step + 1 < cerebro.steps:
            cerebro.waiting += 1
            return
        end = step if step in cerebro.busy else step + 1  # the last step is leapt over where it can be
        while leaps.step + 1 < end:
            first = leaps.step + 1
            stop = leaps.reach(end)
            leaps.commit(stop)
            cerebro.leapt.append((first, stop))
            if stop < end:
                self.land(stop, at_its_own_time=stop == step)
        if step in cerebro.busy:
            self.land(step, at_its_own_time=True)

    def land(self, step: int, at_its_own_time: bool) -> None:
        assert at_its_own_time, f"step {step} should have been in the list of busy ones"
        self.leaps.step = step
        self.cerebro.landings += 1
        super().next()


class LeapingEquity(analyzers.Equity):
    leaps = True

    def next(self) -> None:
        cerebro = self.strategy.env
        done = getattr(self, "_done", 0)
        for first, end in cerebro.leapt[done:]:
            if end > first:
                self.leapt(first, end)
        self._done = len(cerebro.leapt)
        if cerebro.broker.leaps.step == cerebro.clock and not (cerebro.leapt and cerebro.leapt[-1][1] > cerebro.clock):
            super().next()


def run(settings: Settings, history: History, broker: SimBroker, busy: set[int], patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(bt.Order, "refbasis", itertools.count(1))
    cerebro = build(settings, history, broker)
    cerebro.busy = busy
    cerebro.steps = len(history.steps(history.frames) or ())
    return cerebro, cerebro.run()


BASE: dict[str, Any] = {
    "instruments": {"SPX": {}, "IXIC": {"currency": "GBP", "schedule": "none"}, "VIX": {}},
    "strategies": {
        "mean": {
            "strategy": "MeanReversion", "instruments": ["SPX", "IXIC"], "allotment": 0.5,
            "parameters": {"bollinger_period": 10, "bollinger_devs": 1.5, "atr_period": 4, "half_life_period": 20,
                           "half_life_average": 10, "adx_max": 0.0, "time_stop": 6.0, "bollinger_exit": 0.9},
        },
        "pairs": {
            "strategy": "PairsTrading", "pairs": [["SPX", "IXIC"]], "allotment": 0.5,
            "parameters": {"hedge_period": 30, "zscore_period": 20, "half_life_period": 20, "half_life_max": 60.0,
                           "correlation_min": 0.0, "coint_max": 0.0, "entry_z": 1.5, "stop_z": 2.5},
        },
    },
    "costs": {"fx": {"rates": {"USD": 0.9, "GBP": 1.15}}, "interest": {"benchmarks": {"EUR": 0.02, "USD": 0.03,
              "GBP": 0.04}}},
    "risk": {"throttle": {"scale_above": 0.2, "stop_above": 0.45}},
}  # fmt: skip
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "sweep": {"costs": {**BASE["costs"], "fx": {**BASE["costs"]["fx"], "policy": "sweep"}}},
    "no_costs": {"costs": {**BASE["costs"], "enabled": False}},
    "no_risk": {"risk": {"enabled": False}},
    "index": {"risk": {"throttle": {"series": "VIX", "scale_above": 0.18, "stop_above": 0.3}}},
}


@pytest.mark.parametrize("holes", [0.0, 0.1])
@pytest.mark.parametrize("begin", [0, 90])
@pytest.mark.parametrize("case", CASES)
def test_the_desk_ends_where_it_would_have(
    case: str, begin: int, holes: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.model_validate({**BASE, **CASES[case]})
    bars = frames(len(case), 420, holes)
    if case != "index":
        del bars["VIX"]
    start = bars["SPX"].index[begin].to_pydatetime() if begin else None
    busy: set[int] = set()

    def heard(strategy: Any) -> Any:
        def decide(self: Any) -> None:
            before = self.tally.signals, len(self.broker.submitted), len(list(self.broker._room))
            strategy.decide(self)
            if before != (self.tally.signals, len(self.broker.submitted), len(list(self.broker._room))):
                busy.add(self.env.clock)

        def mend(self: Any, holding: Any) -> None:
            before = len(self.broker.submitted), len(self.broker.notifs)
            strategy.mend(self, holding)
            if before != (len(self.broker.submitted), len(self.broker.notifs)):
                busy.add(self.env.clock)

        return type(strategy)(strategy.__name__, (strategy,), {
            "decide": decide, "mend": mend, "__module__": strategy.__module__,
        })  # fmt: skip

    with monkeypatch.context() as patch:
        kinds = {name: heard(each) for name, each in STRATEGIES.items()}
        patch.setattr(sys.modules["engine.build"], "STRATEGIES", kinds)
        stepped, told = run(settings, History(bars, begin=start), Told(settings=settings), busy, patch)
    with monkeypatch.context() as patch:
        patch.setattr(analyzers, "Equity", type("Equity", (LeapingEquity,), {"leaps": True}))
        leapt, did = run(settings, History(bars, begin=start), Leaping(settings=settings), busy, patch)
    assert stepped.clock == leapt.clock and leapt.landings < 0.8 * leapt.clock
    for one, other in zip(told, did, strict=True):
        pd.testing.assert_frame_equal(one.analyzers.equity.frame(), other.analyzers.equity.frame(), check_exact=True)
        assert one.analyzers.orderlog.frame().equals(other.analyzers.orderlog.frame())
    ours, theirs = stepped.broker, leapt.broker
    theirs.leaps.close()
    assert len(ours.account.trades) > 5
    assert ours.account.trades == theirs.account.trades
    assert ours.account.costs == theirs.account.costs and ours.account.cash.balances == theirs.account.cash.balances
    assert (ours.cash, ours._value, ours._valuemkt, ours._fundval, ours._when) == (
        theirs.cash, theirs._value, theirs._valuemkt, theirs._fundval, theirs._when,
    )  # fmt: skip
    positions = [
        [(d._name, p.size, p.price, p.adjbase, p.datetime) for d, p in broker.positions.items()]
        for broker in (ours, theirs)
    ]
    assert positions[0] == positions[1]
    if ours.gate is not None:
        assert ours.gate.events == theirs.gate.events and ours.gate.state() == theirs.gate.state()
