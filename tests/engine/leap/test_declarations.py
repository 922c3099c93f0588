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
    with pytest.raises(EngineError, match="wakes.. names 'seven', which is none of its wake_sets.*'sevens'"):
        go(wakes=lambda self: ["seven"], analyzer=analyzer, verify=verify)
    with pytest.raises(EngineError, match=r"wake_sets\(\)\['sevens'\] is int64 of shape \(60,\)"):
        go(wake_sets=lambda self: {"sevens": np.arange(BARS)}, analyzer=analyzer, verify=verify)
