"""A commission scheme that somebody writes into in mid-run: the bars before keep their values."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
import pytest
from beside import Trader, both, frame

import engine
from feeds import ColumnarData


def bind(scheme: Any) -> None:
    scheme._getcommission = lambda size, price, pseudoexec: 3.0


def lend(scheme: Any) -> None:
    scheme._creditrate, scheme.p.interest_long = 0.001, True


CHANGES = {
    "leverage": lambda scheme: setattr(scheme.p, "leverage", 2.0),
    "mult": lambda scheme: setattr(scheme.p, "mult", 2.0),
    "commission": lambda scheme: setattr(scheme.p, "commission", 0.01),
    "interest": lend,
    "a method": bind,
}


def setup(cerebro: Any) -> None:
    for name in ("DrawDown", "TimeReturn", "TradeAnalyzer"):
        cerebro.addanalyzer(getattr(bt.analyzers, name))


@pytest.mark.parametrize("datas", [1, 2])
@pytest.mark.parametrize("what", CHANGES)
def test_a_scheme_changed_in_mid_run(what: str, datas: int) -> None:
    class Changes(Trader):
        def next(self) -> None:
            super().next()
            if len(self) == 200:
                CHANGES[what](self.broker.getcommissioninfo(self.data))
            self.log.append((self.broker.getvalue(), self.broker.get_leverage()))

    _, ours = both(Changes, [frame(seed, missing=0.2 * (datas > 1)) for seed in range(datas)], setup)
    (scheme,) = ours.cerebro.broker.comminfo.values()
    assert type(scheme) is scheme.__class__
    assert type(scheme.p) is scheme.p.__class__


def test_verify_starts_both_runs_from_the_same_rates() -> None:
    class Changes(bt.Strategy):
        def wake_sets(self) -> Any:
            return {"tens": np.arange(self.data.buflen()) % 10 == 0}

        def wakes(self) -> Any:
            return ["tens"]

        def leapt(self) -> None:
            pass

        def next(self) -> None:
            if len(self) % 20 == 1:
                self.close() if self.position else self.buy(size=10)
            if len(self) == 201:
                self.broker.getcommissioninfo(self.data).p.commission = 0.01

    cerebro = engine.Cerebro(stdstats=False)
    cerebro.broker.setcommission(commission=0.001)
    cerebro.adddata(ColumnarData(dataname=frame()))
    cerebro.addstrategy(Changes)
    cerebro.run(verify=True)
    assert cerebro.landings


def test_a_run_within_a_run_shares_the_default_scheme() -> None:
    """Each broker has the same default: both runs are lean, and a write is seen by both."""
    default = bt.brokers.BackBroker().getcommissioninfo(bt.feeds.DataBase())
    reasons: list[Any] = []

    class Inner(Trader):
        def next(self) -> None:
            super().next()
            if len(self) == 100:
                self.broker.getcommissioninfo(self.data).p.leverage = 2.0

    class Outer(Trader):
        kind: Any = bt.Cerebro

        def next(self) -> None:
            super().next()
            if len(self) == 200:
                reasons.append(getattr(go(self.kind, Inner), "stepping_reasons", []))
            self.log.append(self.broker.getvalue())

    def go(kind: Any, strategy: type) -> Any:
        cerebro = kind(stdstats=False)
        cerebro.adddata(ColumnarData(dataname=frame()))
        cerebro.addstrategy(strategy)
        cerebro.addanalyzer(bt.analyzers.DrawDown)
        cerebro.run()
        return cerebro

    ran = {}
    for kind in (bt.Cerebro, engine.Cerebro):
        try:
            strategy = go(kind, type("Outer", (Outer,), {"kind": kind})).runningstrats[0]
        finally:
            default.p.leverage = 1.0
        prices = [each for each in strategy.log if isinstance(each, float)]
        ran[kind] = (prices, repr(strategy.analyzers[0].get_analysis()))
    assert reasons == [[], []]
    assert ran[engine.Cerebro] == ran[bt.Cerebro]
    assert type(default) is default.__class__
