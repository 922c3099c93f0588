"""One graph under stock Cerebro and under ours."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

import engine
from engine.sim_broker import SimBroker
from feeds import ColumnarData


def frame(seed: int = 1, bars: int = 400, freq: str = "1D", missing: float = 0.0) -> pd.DataFrame:
    """A random walk with consistent bars; ``missing``: the share of bars left out."""
    random = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.01, bars)))
    opened = np.r_[close[0], close[:-1]] * (1.0 + random.normal(0.0, 0.003, bars))
    table = pd.DataFrame(
        {
            "open": opened,
            "high": np.maximum(opened, close) * (1.0 + np.abs(random.normal(0.0, 0.004, bars))),
            "low": np.minimum(opened, close) * (1.0 - np.abs(random.normal(0.0, 0.004, bars))),
            "close": close,
            "volume": random.integers(1, 1000, bars).astype(float),
        },
        index=pd.date_range("2019-01-01 15:30", periods=bars, freq=freq),
    )
    return table[random.random(bars) >= missing]


@dataclass
class Ran:
    """A finished run."""

    cerebro: Any
    strategies: list[Any]

    @property
    def log(self) -> list[Any]:
        return [event for strategy in self.strategies for event in strategy.log]

    @property
    def account(self) -> tuple[Any, ...]:
        broker = self.cerebro.broker
        return (
            broker.getcash(), broker.getvalue(), broker.fundvalue, broker.get_leverage(), broker._unrealized,
            list(broker.d_credit.values()), [vars(each) for each in broker.positions.values()],
        )  # fmt: skip

    @property
    def analyses(self) -> str:
        return repr([each.get_analysis() for strategy in self.strategies for each in strategy.analyzers])

    @property
    def lines(self) -> list[bytes]:
        """Every line of every indicator and observer, to the last bit."""
        found = []
        for strategy in self.strategies:
            for thing in [strategy, *strategy._lineiterators[0], *strategy._lineiterators[2]]:
                buffers = thing.lines.lines if isinstance(thing, bt.LineSeries) else [thing]
                found += [(line._idx, line.lencount, line.array.tobytes()) for line in buffers]
        return found


Setup = Callable[[Any], None]


def run(
    cerebro_class: Any, strategies: list[type], frames: list[pd.DataFrame], setup: Setup | None, **options: Any
) -> Ran:
    """Build and run. The order and trade numbers start at 1."""

    bt.Order.refbasis = itertools.count(1)
    bt.Trade.refbasis = itertools.count(1)
    ours = cerebro_class is not bt.Cerebro
    cerebro = cerebro_class(**{"stdstats": False, **options})
    cerebro.setbroker(SimBroker() if ours else bt.brokers.BackBroker())
    for table in frames:
        cerebro.adddata((ColumnarData if ours else bt.feeds.PandasData)(dataname=table))
    for strategy in strategies:
        cerebro.addstrategy(strategy)
    cerebro.broker.setcash(50_000.0)
    cerebro.broker.setcommission(commission=0.001)
    if setup is not None:
        setup(cerebro)
    return Ran(cerebro, cerebro.run())


def both(
    strategies: type | list[type], frames: list[pd.DataFrame] | None = None, setup: Setup | None = None, **options: Any
) -> tuple[Ran, Ran]:
    """(stock, ours), after asserting that they agree."""
    chosen = strategies if isinstance(strategies, list) else [strategies]
    tables = frames if frames is not None else [frame()]
    stock = run(bt.Cerebro, chosen, tables, setup, **options)
    ours = run(engine.Cerebro, chosen, tables, setup, **options)
    assert repr(ours.log) == repr(stock.log)
    assert ours.account == stock.account
    assert ours.analyses == stock.analyses
    assert ours.lines == stock.lines
    return stock, ours


class Logged(bt.Strategy):
    """Logs all that it is told."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    def notify_order(self, order: Any) -> None:
        done = order.executed
        self.log.append(
            (
                "order",
                len(self),
                order.ref,
                order.status,
                done.size,
                done.price,
                done.pnl,
                done.comm,
                done.dt,
                order.dteos,
            )
        )

    def notify_trade(self, trade: Any) -> None:
        self.log.append(("trade", len(self), trade.ref, trade.pnl, trade.pnlcomm, trade.barlen, trade.dtclose))


class Trader(Logged):
    """Market orders on bands, some 40 trades."""

    def __init__(self) -> None:
        super().__init__()
        self.bands = bt.ind.BollingerBands(period=10, devfactor=1.0)

    def next(self) -> None:
        if not self.position:
            if self.data.close[0] < self.bands.bot[0]:
                self.buy(size=30)
        elif self.data.close[0] > self.bands.mid[0]:
            self.close()
