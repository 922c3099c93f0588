"""Bars with known shocks, and a Cerebro run whose orders are told bar by bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from feeds import ColumnarData
from strategies import BookStrategy


class Event(NamedTuple):
    """One notification, as the strategy got it."""

    bar: int  # len of the order's data
    data: str
    role: str
    status: str
    size: float  # executed so far, signed
    price: float  # average fill price
    reason: str
    trade: str


def told(strategy: type[BookStrategy]) -> type[BookStrategy]:
    """The same strategy, writing its notifications and the bars of its decisions down."""

    def __init__(self: Any) -> None:
        strategy.__init__(self)
        self.events: list[Event] = []
        self.decisions: list[int] = []

    def notify_order(self: Any, order: bt.Order) -> None:
        done, info = order.executed, order.info
        self.events.append(
            Event(
                len(order.data),
                order.data._name,
                str(info.role),
                order.getstatusname(),
                done.size,
                done.price,
                str(info.reason),
                str(info.trade),
            )  # fmt: skip
        )
        strategy.notify_order(self, order)

    def decide(self: Any) -> None:
        self.decisions.append(len(self.data))
        strategy.decide(self)

    return type(strategy)(strategy.__name__, (strategy,), {
        "__init__": __init__, "notify_order": notify_order, "decide": decide, "__module__": strategy.__module__,
    })  # fmt: skip


def frame(closes: Sequence[float], start: str = "2020-01-01", **columns: Any) -> pd.DataFrame:
    """Daily bars: open at the close before, a quarter beyond open and close on either side."""
    close = np.asarray(closes, dtype=float)
    open_ = np.r_[close[0], close[:-1]]
    made = pd.DataFrame(
        {
            "open": open_,
            "high": np.maximum(open_, close) + 0.25,
            "low": np.minimum(open_, close) - 0.25,
            "close": close,
            "volume": 1_000.0,
            "openinterest": 0.0,
        },
        index=pd.date_range(start, periods=len(close), freq="D"),
    )
    for name, values in columns.items():
        made[name] = values
    return made


@pytest.fixture
def bars() -> Callable[..., pd.DataFrame]:
    return frame


@pytest.fixture
def run() -> Callable[..., list[Any]]:
    """``run(datas, strategies, ...)``: datas as (name, unit, frame), strategies as (class, parameters)."""

    def _run(
        datas: Sequence[tuple[str, str, pd.DataFrame]],
        strategies: Sequence[tuple[type[BookStrategy], dict[str, Any]]],
        *,
        runonce: bool = True,
        cash: float = 100_000.0,
        broker: bt.BrokerBase | None = None,
        stdstats: bool = False,
        exactbars: int = 0,
        earlier: type[bt.Strategy] | None = None,
    ) -> list[Any]:
        cerebro = bt.Cerebro(runonce=runonce, stdstats=stdstats, exactbars=exactbars)
        if broker is not None:
            cerebro.setbroker(broker)
        cerebro.broker.setcash(cash)
        for name, unit, bars in datas:
            data = ColumnarData(dataname=bars)
            data.unit = unit
            cerebro.adddata(data, name=name)
        if earlier is not None:
            cerebro.addstrategy(earlier)
        for strategy, parameters in strategies:
            cerebro.addstrategy(told(strategy), **parameters)
        return list(cerebro.run())

    return _run


@pytest.fixture(params=[True, False], ids=["runonce", "next"])
def runonce(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def walk() -> Callable[..., np.ndarray]:
    """A random walk that is pulled back to 100."""

    def _walk(seed: int, length: int = 560) -> np.ndarray:
        noise = np.random.default_rng(seed).normal(0.0, 1.2, length)
        price, prices = 100.0, []
        for shock in noise:
            price += shock + 0.05 * (100.0 - price)
            prices.append(price)
        return np.array(prices)

    return _walk
