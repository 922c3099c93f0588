"""Declarations that cannot be read: the error is about them, whatever else the run has with it."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

import engine
from core.errors import EngineError
from feeds import ColumnarData

BARS = 60
ANALYZERS = (None, "TradeAnalyzer", "DrawDown", "TimeReturn", "SharpeRatio")


def frame() -> pd.DataFrame:
    close = 100.0 + np.cos(np.arange(BARS))
    prices = {"open": close, "high": close + 1.0, "low": close - 1.0, "close": close, "volume": 1.0}
    return pd.DataFrame(prices, index=pd.date_range("2020-01-01", periods=BARS))


class Sevens(bt.Strategy):
    """Acts on bars 7, 17, ..."""

    def wake_sets(self) -> Any:
        return {"sevens": np.arange(self.data.buflen()) % 10 == 7}

    def wakes(self) -> Any:
        return ["sevens"]

    def leapt(self) -> None:
        pass

    def next(self) -> None:
        if len(self) == 8:
            self.buy()


def go(
    wakes: Any = Sevens.wakes, wake_sets: Any = Sevens.wake_sets, analyzer: str | None = None, **options: Any
) -> Any:
    cerebro = engine.Cerebro(stdstats=False)
    cerebro.adddata(ColumnarData(dataname=frame()), name="ES")
    cerebro.addstrategy(type("Declares", (Sevens,), {"wakes": wakes, "wake_sets": wake_sets}))
    if analyzer is not None:
        cerebro.addanalyzer(getattr(bt.analyzers, analyzer))
    cerebro.run(**options)
    return cerebro


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_an_error_before_the_first_bar_is_that_of_the_declaration(analyzer: str | None, verify: bool) -> None:
    with pytest.raises(
        EngineError,
        match="Declares.wakes.., before the first bar, names 'seven', which is none of its wake_sets.*'sevens'",
    ):
        go(wakes=lambda self: ["seven"], analyzer=analyzer, verify=verify)
    with pytest.raises(EngineError, match=r"wake_sets\(\)\['sevens'\] is int64 of shape \(60,\)"):
        go(wake_sets=lambda self: {"sevens": np.arange(BARS)}, analyzer=analyzer, verify=verify)


UNREADABLE = {
    "None": None,
    "5": 5,
    "'sevens'": "sevens",
    "[None]": [None],
    "[nan]": [float("nan")],
    "[3.9]": [3.9],
    "[True]": [True],
    "[array]": [np.ones(3)],
}


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("what", UNREADABLE)
def test_wakes_that_are_none_name_the_strategy_and_the_bar(what: str, verify: bool) -> None:
    with pytest.raises(EngineError, match=r"Declares.wakes\(\), before the first bar, gives .*; give"):
        go(wakes=lambda self: UNREADABLE[what], verify=verify)
    with pytest.raises(EngineError, match=r"Declares.wakes\(\), on bar 37 of ES, 2020-02-07 00:00:00, gives .*; give"):
        go(wakes=lambda self: ["sevens"] if len(self) < 38 else UNREADABLE[what], analyzer="TimeReturn", verify=verify)


@pytest.mark.parametrize("wakes", [[7], [7.0], [np.int64(7)], [np.float64(7.0)], (7,), {7}, [-3], ["sevens", "*"], []])
def test_wakes_that_can_be_read(wakes: Any) -> None:
    assert not go(wakes=lambda self: wakes, wake_sets=lambda self: {"sevens": np.ones(BARS, bool)}).leaping_obstacles


@pytest.mark.parametrize("sets", [None, [1], {3: np.zeros(BARS, bool)}, {"*": np.zeros(BARS, bool)}])
def test_sets_that_are_none_name_the_strategy(sets: Any) -> None:
    with pytest.raises(EngineError, match=r"Declares.wake_sets\(\), before the first bar, (gives|names) .*; "):
        go(wake_sets=lambda self: sets)


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_an_error_within_wakes_names_the_strategy_and_the_bar(analyzer: str | None, verify: bool) -> None:
    def late(strategy: Any) -> Any:
        return ["sevens"] if len(strategy) < 30 else [strategy.misspelt]

    said = r"Declares.wakes\(\), {}, raises AttributeError: .* has no attribute 'misspelt'"
    with pytest.raises(EngineError, match=said.format("before the first bar")) as told:
        go(wakes=lambda self: [self.misspelt], analyzer=analyzer, verify=verify)
    assert isinstance(told.value.__cause__, AttributeError)
    with pytest.raises(EngineError, match=said.format("on bar 37 of ES, 2020-02-07 00:00:00")):
        go(wakes=late, analyzer=analyzer, verify=verify)


def forgetful(act: Any) -> type:
    """Does something on bar 27, which it leaves out."""

    class Forgets(Sevens):
        def wake_sets(self) -> Any:
            flags = np.arange(self.data.buflen()) % 10 == 7
            flags[27] = False
            return {"sevens": flags}

        def wakes(self) -> Any:
            return ["sevens"]

        def next(self) -> None:
            if len(self) == 18:
                self.resting = self.buy(size=1, price=1.0, exectype=bt.Order.Limit)
            if len(self) == 28:
                act(self)

    return Forgets


def fail(strategy: Any) -> None:
    raise ValueError("no more")


def verified(strategy: type) -> str:
    cerebro = engine.Cerebro(stdstats=False, verify=True)
    cerebro.adddata(ColumnarData(dataname=frame()), name="ES")
    cerebro.addstrategy(strategy)
    with pytest.raises(EngineError) as told:
        cerebro.run()
    assert "next" not in vars(cerebro.runningstrats[0])
    return str(told.value)


def test_verify_names_the_bar_left_out_on_which_next_raises() -> None:
    told = verified(forgetful(fail))
    assert (
        "on bar 27 of ES, 2020-01-28 00:00:00: the run ends on step 27 with ValueError: no more when stepping" in told
    )
    assert told.endswith("wakes() of Forgets leaves out bar 27 of ES, 2020-01-28 00:00:00")


@pytest.mark.parametrize("price", [500.0, 100.5])
def test_verify_names_the_bar_left_out_on_which_an_order_is_changed(price: float) -> None:
    told = verified(forgetful(lambda strategy: setattr(strategy.resting.created, "price", price)))
    assert "order 1 (buy 1 of ES, Limit, Completed) when stepping only" in told
    assert told.endswith(
        "wakes() of Forgets leaves out bar 27 of ES, 2020-01-28 00:00:00, on which it writes into order 1"
    )


def test_verify_where_somebody_put_our_cerebro_in_the_place_of_stock_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bt, "Cerebro", engine.Cerebro)
    assert go(verify=True).landings
