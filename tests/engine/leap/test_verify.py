"""``verify=True`` is silent where a declaration is right, and names bar, thing and cure where it is not."""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
from collections.abc import Iterator
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from leap.sleepers import Sleeper
from parity import running
from parity.compare import first_difference
from parity.engines import OURS, STOCK
from parity.programme import Action, Plan, Programme
from parity.running import run

import engine
from analyzers import Equity
from core.calendar import ExchangeCalendar
from core.errors import EngineError
from core.settings import Settings
from engine.lean.touch import Touch
from feeds import ColumnarData, History
from strategies import STRATEGIES

BARS = 120
TIMES = pd.date_range("2020-01-01", periods=BARS)


def frame(seed: int = 1) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(chance.normal(0.0, 0.02, BARS)))
    opened = np.r_[close[0], close[:-1]]
    return pd.DataFrame(
        {
            "open": opened, "high": np.maximum(opened, close) * 1.01, "low": np.minimum(opened, close) * 0.99,
            "close": close, "volume": 1e6,
        },
        index=TIMES,
    )  # fmt: skip


class Swing(bt.Strategy):
    """Buys 10 on bars 20, 40, ... and sells them ten bars later."""

    params = (("forgets", ()),)

    def next(self) -> None:
        bar = len(self) - 1
        if bar and bar % 20 == 0:
            self.buy(size=10)
        elif bar > 10 and bar % 20 == 10 and self.position:
            self.close()

    def wake_sets(self) -> dict[str, Any]:
        bars = np.arange(self.data.buflen()) % 10 == 0
        bars[list(self.p.forgets)] = False
        return {"tens": bars}

    def wakes(self) -> Iterator[str | int]:
        yield "tens"

    def leapt(self) -> None:
        pass


def go(strategy: type[bt.Strategy], *analyzers: type, data: pd.DataFrame | None = None, **options: Any) -> Any:
    given = {name: options.pop(name) for name in ("forgets",) if name in options}
    cerebro = engine.Cerebro(stdstats=False, verify=True)
    cerebro.adddata(ColumnarData(dataname=frame() if data is None else data), name="ES")
    cerebro.addstrategy(strategy, **given)
    for analyzer in analyzers:
        cerebro.addanalyzer(analyzer)
    cerebro.run(**options)
    return cerebro


def said(strategy: type[bt.Strategy], *analyzers: type, **options: Any) -> str:
    with pytest.raises(EngineError) as raised:
        go(strategy, *analyzers, **options)
    return str(raised.value)


def test_a_right_declaration_passes_and_the_run_has_leapt() -> None:
    cerebro = go(Swing, bt.analyzers.DrawDown, bt.analyzers.TradeAnalyzer)
    assert 0 < cerebro.landings < BARS / 2 and not cerebro.leaping_obstacles
    assert len(cerebro.broker.orders) == 10


def test_verify_may_be_an_argument_of_run() -> None:
    cerebro = engine.Cerebro(stdstats=False)
    cerebro.adddata(ColumnarData(dataname=frame()))
    cerebro.addstrategy(Swing, forgets=(60,))
    cerebro.run()
    with pytest.raises(EngineError, match=r"leaves out bar 60"):
        cerebro.run(verify=True)


def test_a_bar_left_out_is_named_with_its_time() -> None:
    text = said(Swing, forgets=(60,))
    assert "on bar 61 of ES, 2020-03-02 00:00:00" in text
    assert "Swing is told of order 5 (buy 10 of ES, Market, Submitted) when stepping only" in text
    assert "wakes() of Swing leaves out bar 60 of ES, 2020-03-01 00:00:00" in text


def test_a_wrong_count_of_bars_is_named() -> None:
    class Late(Swing):
        def next(self) -> None:
            super().next()

        def wakes(self) -> Iterator[int]:
            yield 11

    assert "wakes() of Late leaves out bar 20 of ES" in said(Late)


def test_a_cancel_left_out_is_named() -> None:
    class Cancels(Swing):
        def next(self) -> None:
            if len(self) == 5:
                self.order = self.buy(size=1, exectype=bt.Order.Limit, price=1.0)
            elif len(self) == 31:
                self.cancel(self.order)

        def wakes(self) -> Iterator[int]:
            if len(self) < 5:
                yield 5 - len(self)

    text = said(Cancels)
    assert "order 1 (buy 1 of ES, Limit, Canceled)" in text and "Cancels leaves out bar 30 of ES" in text


def test_a_strategy_that_counts_its_calls_is_told_of_leapt() -> None:
    class Counts(Swing):
        calls = 0

        def next(self) -> None:
            self.calls += 1
            if self.calls == 41:
                self.buy(size=1)

        def wakes(self) -> Iterator[str]:
            yield "tens"

    text = said(Counts)
    assert "order 1" in text and "leaves out" not in text and "leapt() must bring it" in text

    class CountsOn(Counts):
        def leapt(self) -> None:
            self.calls = len(self) - 1

    assert go(CountsOn).landings


@pytest.mark.parametrize(
    ("sets", "wakes", "text"),
    [
        ({"tens": np.ones(7, dtype=bool)}, ["tens"], "bool of shape (7,); give an array of bool with one item for"),
        ({"tens": np.ones(BARS)}, ["tens"], "is float64 of shape"),
        ({"tens": np.ones(BARS, dtype=bool)}, ["ten"], "names 'ten', which is none of its wake_sets(); did"),
        ({}, ["tens"], "names 'tens', which is none of its wake_sets()"),
    ],
)  # fmt: skip
def test_a_declaration_that_cannot_be_read_is_named(sets: Any, wakes: Any, text: str) -> None:
    class Wrong(Swing):
        def wake_sets(self) -> Any:
            return sets

        def wakes(self) -> Any:
            return wakes

    assert text in said(Wrong)


def test_a_run_stopped_on_a_bar_left_out_is_named() -> None:
    class Stops(Swing):
        def next(self) -> None:
            if len(self) == 34:
                self.env.runstop()

        def wakes(self) -> Iterator[str]:
            yield "tens"

    text = said(Stops)
    assert "the run ends on step 33 when stepping and on step 119 when leaping" in text
    assert "wakes() of Stops leaves out bar 33" in text


def test_an_error_of_both_runs_is_raised_as_it_is() -> None:
    class Fails(Swing):
        def next(self) -> None:
            if len(self) == 41:
                raise KeyError("mine")

        def wakes(self) -> Iterator[str]:
            yield "tens"

    with pytest.raises(KeyError, match="mine"):
        go(Fails)
    assert "ends on step 40 with KeyError: 'mine' when stepping" in said(Fails, forgets=(40,))


def test_an_analyzer_that_leaps_and_should_not_is_named() -> None:
    class Counter(bt.Analyzer):
        leaps = True

        def start(self) -> None:
            self.rets["bars"] = 0

        def next(self) -> None:
            self.rets["bars"] += 1

    assert "the analysis counter.bars: 120 when stepping" in said(Swing, Counter)


def test_settings_changed_in_mid_run_are_put_back_between_the_runs() -> None:
    class Sets(Swing):
        def next(self) -> None:
            super().next()
            if len(self) == 21:
                self.broker.set_slippage_perc(0.01)
                self.broker.setcommission(commission=0.01)
                self.broker.set_cash(5_000.0)

        def wakes(self) -> Iterator[str]:
            yield "tens"

    assert go(Sets).landings


def test_a_run_that_steps_says_why_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    class Overrides(Swing):
        def next(self) -> None:
            pass

    def lines(cls: type[bt.Strategy]) -> list[str]:
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="engine"):
            go(cls)
        return [record.message for record in caplog.records if record.message.startswith("not leaping")]

    assert lines(Swing) == [] and lines(bt.Strategy) == []
    (line,) = lines(Overrides)
    assert "Overrides overrides what the wakes of its base class were declared for" in line


# ------------------------------------------------------------------ against the test's own comparison


PLAN = Plan(
    actions=(
        Action(at=4), Action(at=9, do="close"), Action(at=12, exectype="Limit", price=0.99, side="sell"),
        Action(at=15, do="bracket"), Action(at=24, exectype="StopTrail", trail=("percent", 0.01)),
        Action(at=26, side="sell", exectype="StopTrailLimit", trail=("amount", 1.0), price=0.99, limit=0.985),
    ),
    loud=False, wakes="set",
)  # fmt: skip
PROGRAMME = Programme(plans=(PLAN,))


@pytest.mark.parametrize("bar", [4, 9, 15, 24])
def test_one_bar_missing_is_caught_by_the_comparison_and_by_verify(bar: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgets(Sleeper):
        def wake_sets(self) -> dict[str, Any]:
            return {"acts": self.flags(self.acts - {bar})}

        def wakes(self) -> Iterator[str | int]:
            yield "acts"

    stock = run(PROGRAMME, STOCK)
    assert first_difference(stock, run(PROGRAMME, OURS)) is None
    monkeypatch.setitem(running.STRATEGIES, ("set", False), Forgets)
    assert first_difference(stock, run(PROGRAMME, OURS)) is not None
    events = run(PROGRAMME, OURS, lambda cerebro: setattr(cerebro.p, "verify", True))
    named = [event[2] for event in events if event[0] == "error"]
    assert named and f"wakes() of Forgets leaves out bar {bar - 1} of d0" in str(named)


def test_a_touch_one_bar_late_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = dataclasses.replace(PLAN, actions=(Action(at=4, exectype="Limit", price=0.97),))
    programme = Programme(plans=(plan,))
    exact = Touch.next_step
    assert first_difference(run(programme, STOCK), run(programme, OURS)) is None
    monkeypatch.setattr(Touch, "next_step", lambda self, orders, step: exact(self, orders, step) + 1)
    difference = first_difference(run(programme, STOCK), run(programme, OURS))
    assert difference is not None and difference.kind == "order"


# ------------------------------------------------------------------ the house's own broker

NYSE = ExchangeCalendar("XNYS")
SETTINGS: dict[str, Any] = {
    "instruments": {"SPX": {}},
    "strategies": {
        "mean": {
            "strategy": "MeanReversion", "instruments": ["SPX"],
            "parameters": {"bollinger_period": 10, "bollinger_devs": 1.5, "atr_period": 4, "half_life_period": 20,
                           "half_life_average": 10, "adx_max": 0.0, "time_stop": 6.0, "bollinger_exit": 0.9},
        },
    },
    "costs": {"fx": {"rates": {"USD": 0.9}}},
}  # fmt: skip


def desk() -> Any:
    sessions = NYSE.sessions(dt.date(2012, 1, 3), dt.date(2014, 12, 30))[:300]
    chance = np.random.default_rng(3)
    close = 100.0 * np.exp(np.cumsum(chance.normal(0, 0.015, len(sessions))))
    opened = np.r_[close[0], close[:-1]]
    stamps = pd.DatetimeIndex([NYSE.close_of(day) for day in sessions]).as_unit("ns")
    bars = pd.DataFrame(
        {
            "open": opened, "high": np.maximum(opened, close) * 1.01, "low": np.minimum(opened, close) * 0.99,
            "close": close, "volume": 1e6,
        },
        index=stamps,
    )  # fmt: skip
    settings = Settings.model_validate(SETTINGS)
    return engine.build(settings, History({"SPX": bars}), engine.SimBroker(settings=settings))


def test_a_desk_that_leaps_passes() -> None:
    cerebro = desk()
    cerebro.addanalyzer(Equity, _name="again")
    cerebro.run(verify=True)
    assert 0 < cerebro.landings < 300, cerebro.leaping_obstacles
    assert cerebro.broker.account.trades


def test_a_desk_whose_strategy_forgets_a_bar_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    right = STRATEGIES["MeanReversion"].wake_sets

    def forgetful(self: Any) -> Any:
        return {name: np.zeros_like(flags) for name, flags in right(self).items()}

    monkeypatch.setattr(STRATEGIES["MeanReversion"], "wake_sets", forgetful)
    cerebro = desk()
    with pytest.raises(EngineError, match=r"leaping differs from stepping on bar \d+ of .*SPX.* leaves out bar"):
        cerebro.run(verify=True)
