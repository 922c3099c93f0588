"""The strategies called only on the bars that they declare, and told of nothing else, do what they do when stepping."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import logging
import sys
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from core.calendar import ExchangeCalendar
from core.config import load_settings
from core.leaping import EVERY_STEP, LeapingStrategy, declares_wakes
from core.settings import Settings
from engine import SimBroker, build
from engine.build import bars_needed, resolve
from feeds import History, load
from strategies import STRATEGIES, BookStrategy, MeanReversion
from strategies.stretch import Stretch, before_each, reached_on

SESSIONS = ExchangeCalendar("XNYS").sessions(dt.date(2012, 1, 3), dt.date(2016, 12, 30))


def leaping(strategy: type[BookStrategy]) -> type[BookStrategy]:
    """The same strategy, with calls of ``next`` and ``prenext`` left out where it declares that it does not act."""

    class Leaping(strategy):  # type: ignore[valid-type, misc]
        sets: dict[str, Any] | None = None
        calls = skipped = 0
        told = behind = False
        last_bar = 0  # len(data) at the last step
        wake: list[Any] = []

        def prenext(self) -> None:
            self.skip_or_not()

        def next(self) -> None:
            if self.skip_or_not():
                self.calls += 1
                if self.behind:
                    self.leapt()
                strategy.next(self)
                self.behind = self.told = False
                self.asked_at, self.wake = len(self.data), list(self.wakes())
                assert all(n == EVERY_STEP or n in self.sets if isinstance(n, str) else n > 0 for n in self.wake)

        def skip_or_not(self) -> bool:
            if self.sets is None:
                assert isinstance(self, LeapingStrategy)
                self.sets = self.wake_sets()
                self.asked_at, self.wake = 0, list(self.wakes())
            moved, self.last_bar = len(self.data) > self.last_bar, len(self.data)
            first = self.calls == 0 and all(len(data) >= self._minperiod for data in self.datas)
            due = self.told or first or EVERY_STEP in self.wake
            for each in self.wake if moved else ():
                if isinstance(each, int):
                    due = due or len(self.data) == self.asked_at + each
                elif each != EVERY_STEP:
                    due = due or bool(self.sets[each][len(self.data) - 1])
            if not due:
                self.behind = True
                self.skipped += 1
            return due

        def notify_order(self, order: Any) -> None:
            self.told = True
            strategy.notify_order(self, order)

        def notify_trade(self, trade: Any) -> None:
            self.told = True

    Leaping.__name__ = Leaping.__qualname__ = strategy.__name__
    return Leaping


def series(seed: int, count: int, holes: float) -> dict[str, pd.DataFrame]:
    """Two instruments that revert to each other, with jumps, on calendars that need not be one."""
    rng = np.random.default_rng(seed)
    common = np.cumsum(rng.normal(0, 0.01, count))
    gap = np.zeros(count)
    for i in range(1, count):
        gap[i] = 0.9 * gap[i - 1] + rng.normal(0, 0.012)
    frames = {}
    for symbol, log_price in (("SPX", common + gap), ("IXIC", common * 1.1)):
        close = 100.0 * np.exp(log_price)
        open_ = np.r_[close[0], close[:-1]] * np.exp(rng.normal(0, 0.003, count))
        high = np.maximum(open_, close) * (1 + rng.random(count) * 0.02)
        low = np.minimum(open_, close) * (1 - rng.random(count) * 0.02)
        stamps = pd.DatetimeIndex([ExchangeCalendar("XNYS").close_of(day) for day in SESSIONS[:count]])
        frame = pd.DataFrame(
            {"open": open_, "high": high, "low": low, "close": close, "volume": 1e6}, index=stamps.as_unit("ns")
        )
        frames[symbol] = frame[rng.random(count) >= holes] if holes else frame
    return frames


def outcome(settings: Settings, history: History, monkeypatch: pytest.MonkeyPatch, caplog: Any, leaps: bool) -> Any:
    monkeypatch.setattr(bt.Order, "refbasis", itertools.count(1))
    kinds = {name: leaping(each) if leaps else each for name, each in STRATEGIES.items()}
    monkeypatch.setattr(sys.modules["engine.build"], "STRATEGIES", kinds)
    settings = settings.model_copy(update={"engine": "stock"})  # the other one would leap by itself
    cerebro = build(settings, history, SimBroker(settings=settings))
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="strategies"), caplog.at_level(logging.INFO, logger="sizers"):
        strategies = cerebro.run()
    lines = [record.getMessage() for record in caplog.records]
    account, gate = cerebro.broker.account, cerebro.broker.gate
    told = [
        (
            each.tally.facts(),
            each.analyzers.equity.frame(),
            each.analyzers.orderlog.frame(),
            {name: repr(dataclasses.replace(h, data=None, entry=None, stop=None, target=None, exit=None))
             for name, h in each.holdings.items()},
        )
        for each in strategies
    ]  # fmt: skip
    return strategies, told, lines, account.trades, gate.events


def compare(
    strategy: str, parameters: dict[str, Any], frames: dict[str, pd.DataFrame],
    monkeypatch: pytest.MonkeyPatch, caplog: Any, begin: int = 0, **more: Any,
) -> tuple[int, int, int]:  # fmt: skip
    """Returns trades, calls and steps left out."""
    units = {"pairs": [["SPX", "IXIC"]]} if strategy == "PairsTrading" else {"instruments": ["SPX", "IXIC"]}
    settings = Settings.model_validate(
        {
            "instruments": {"SPX": {"tick": 0.01}, "IXIC": {"tick": 0.01}},
            "strategies": {"one": {"strategy": strategy, "parameters": parameters, **units}},
            "risk": {"throttle": {"scale_above": 0.6, "stop_above": 0.9}, "kill_switch": {"max_drawdown": 0.5}},
            **more,
        }
    )
    start = frames["SPX"].index[begin].to_pydatetime() if begin else None
    history = History(frames, begin=start)
    stepped = outcome(settings, history, monkeypatch, caplog, leaps=False)
    leapt = outcome(settings, history, monkeypatch, caplog, leaps=True)
    for (facts, equity, orders, held), (facts_2, equity_2, orders_2, held_2) in zip(stepped[1], leapt[1], strict=True):
        assert facts == facts_2 and held == held_2
        pd.testing.assert_frame_equal(equity, equity_2, check_exact=True)
        pd.testing.assert_frame_equal(orders, orders_2, check_exact=True)
    assert stepped[2] == leapt[2]  # log lines
    assert stepped[3] == leapt[3] and stepped[4] == leapt[4]
    return len(stepped[3]), sum(s.calls for s in leapt[0]), sum(s.skipped for s in leapt[0])


QUICK = {
    "bollinger_period": 10, "bollinger_devs": 1.5, "zscore_period": 10, "zscore_entry": 1.5, "keltner_period": 10,
    "keltner_mult": 1.2, "atr_period": 4, "adx_period": 4, "keltner_atr_period": 4, "half_life_period": 20,
    "half_life_average": 10, "adx_max": 0.0,
}  # fmt: skip
MEAN = {
    "bollinger": {},
    "zscore": {"entry": "zscore", "target": "atr", "target_atr": 2.0},
    "rsi": {"entry": "rsi", "stop": "fraction", "stop_fraction": 0.02},
    "keltner": {"entry": "keltner", "target": "fraction", "target_fraction": 0.02, "time_stop": 0.0},
    "long": {"side": "long", "time_stop": 0.5},
    "short": {"side": "short", "entry": "rsi", "stop_atr": 1.0},
    "adx": {"adx_max": 25.0},
    "vol": {"vol_min": 0.05, "vol_max": 0.25, "vol_period": 10},
    "regimes": {"long_regimes": "bull,sideways", "short_regimes": "bear", "regime_period": 50},
    "hurst": {"hurst_max": 0.6, "hurst_period": 60},
}


@pytest.mark.parametrize("holes", [0.0, 0.1])
@pytest.mark.parametrize("name", MEAN)
def test_mean_reversion(name: str, holes: float, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    frames = series(sum(map(ord, name)), 520, holes)
    trades, calls, skipped = compare("MeanReversion", {**QUICK, **MEAN[name]}, frames, monkeypatch, caplog)
    assert trades > 2 and skipped > 0.3 * (calls + skipped)


PAIR = {"hedge_period": 30, "zscore_period": 20, "half_life_period": 20, "coint_period": 60, "half_life_max": 60.0,
        "correlation_min": 0.0, "coint_max": 0.0, "entry_z": 1.5, "stop_z": 2.5}  # fmt: skip
PAIRS = {
    "ols": {},
    "tls": {"hedge": "tls", "log_prices": False},
    "kalman": {"hedge": "kalman", "kalman_delta": 1e-6, "kalman_obs_var": 1e-4, "entry_z": 1.2, "exit_z": 0.2},
    "dollar": {"neutrality": "dollar", "time_stop": 0.5, "stop_z": 0.0},
    "cointegration": {"coint_max": 0.3, "coint_exit": 0.5},
    "correlation": {"correlation_min": 0.3, "correlation_period": 20},
    "disaster": {"disaster_stop": 0.02},
}


@pytest.mark.parametrize("holes", [0.0, 0.1])
@pytest.mark.parametrize("name", PAIRS)
def test_pairs(name: str, holes: float, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    frames = series(sum(map(ord, name)), 520, holes)
    trades, calls, skipped = compare("PairsTrading", {**PAIR, **PAIRS[name]}, frames, monkeypatch, caplog)
    assert trades > 2 and skipped > 0.3 * (calls + skipped)


@pytest.mark.parametrize("strategy", ["MeanReversion", "PairsTrading"])
@pytest.mark.parametrize(
    "more",
    [
        {"execution": "next_close"},
        {"costs": {"slippage": {"model": "volume_share", "volume_limit": 0.00002}}},  # part fills
        {
            "risk": {
                "max_daily_loss": 0.002,
                "kill_switch": {"max_drawdown": 0.01, "flatten": True, "rearm_sessions": 5},
            }
        },
        {"risk": {"max_trade_notional": 0.05}},  # refusals
    ],
    ids=["next_close", "part_fills", "kills", "refusals"],
)
def test_what_the_broker_does(
    strategy: str, more: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    frames = series(11, 520, 0.05)
    parameters = QUICK if strategy == "MeanReversion" else PAIR
    compare(strategy, parameters, frames, monkeypatch, caplog, begin=130, **more)


def test_the_sample(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """The shipped desk, three units of two strategies side by side, on real prices."""
    settings = resolve(load_settings(None, ["data.end=2002-12-31"]))
    history = load(settings, warm_up=bars_needed(settings))
    stepped = outcome(settings, history, monkeypatch, caplog, leaps=False)
    leapt = outcome(settings, history, monkeypatch, caplog, leaps=True)
    assert len(stepped[3]) > 10 and stepped[2:] == leapt[2:]
    for (facts, equity, orders, held), (facts_2, equity_2, orders_2, held_2) in zip(stepped[1], leapt[1], strict=True):
        assert facts == facts_2 and held == held_2 and equity.equals(equity_2) and orders.equals(orders_2)
    assert all(each.skipped > 0.6 * (each.calls + each.skipped) for each in leapt[0])


def test_a_subclass_that_acts_otherwise_declares_anew() -> None:
    def made(**body: Any) -> Any:
        kind = type("Other", (MeanReversion,), body)
        return kind.__new__(kind)

    assert declares_wakes(made(notify_order=lambda self, order: None, anything=1))
    assert not declares_wakes(made(decide=lambda self: None))
    assert not declares_wakes(made(signal=lambda self: 0))
    assert declares_wakes(made(decide=lambda self: None, wakes=lambda self: [1]))
    assert not declares_wakes(bt.Strategy.__new__(bt.Strategy))


def test_an_entry_left_out_is_seen(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """The comparison above is worth something: one bar less in one set changes the result."""
    real = MeanReversion.wake_sets

    def without_one(self: Any) -> Any:
        sets = real(self)
        sets["entry"][np.flatnonzero(sets["entry"])[0]] = False
        return sets

    monkeypatch.setattr(MeanReversion, "wake_sets", without_one)
    with pytest.raises(AssertionError):
        compare("MeanReversion", QUICK, series(3, 520, 0.0), monkeypatch, caplog)


@pytest.mark.parametrize("seed", range(5))
def test_crossings_of_many_bars_are_those_of_single_bars(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.round(rng.normal(0, 2, 300), 0)
    values[rng.random(300) < 0.2] = np.nan
    values[rng.random(300) < 0.05] = np.inf
    before, stretch = before_each(values), Stretch()
    long, short = reached_on(values, before, 2.0)
    for i, value in enumerate(values):
        stretch.move(float(value))
        assert np.array_equal(before[i], stretch.before, equal_nan=True)
        assert stretch.reached(2.0) == int(long[i]) - int(short[i])
