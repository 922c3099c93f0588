"""The order side of the base: any broker that refuses, fills in parts or runs out of cash, and a restart."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.orders import ExitReason, Role
from feeds import ColumnarData
from strategies.base import BookStrategy, StrategyParameters
from strategies.holding import WORKING, Holding

LENGTH = 40


class PlanParameters(StrategyParameters):
    size: float = 100.0
    stop: float = 2.0  # from the close; 0 = none
    target: float = 3.0  # from the close; 0 = none


class Planned(BookStrategy):
    """Enters and leaves on given bars and checks after each bar that its orders and its position agree."""

    model = PlanParameters
    plan_of: dict[int, int] = {}  # bar -> +1 or -1 enters, 0 leaves
    check_each_bar = True

    @classmethod
    def bars_needed(cls, values: Any) -> int:
        return 1

    def __init__(self) -> None:
        super().__init__()
        self.over: list[Holding] = []

    def watch(self) -> None:
        if self.check_each_bar:
            assert_in_line(self)

    def decide(self) -> None:
        act = self.plan_of.get(len(self.data))
        if act == 0:
            self.leave(self.data, ExitReason.SIGNAL)
        elif act:
            close, p = self.data.close[0], self.p
            stop = close - act * p.stop if p.stop else None
            target = close + act * p.target if p.target else None
            self.enter(self.data, act, p.size, stop, target, "planned")
        if self.check_each_bar:
            assert_in_line(self)  # what the next bar finds, an exit that has just been refused included

    def notify_over(self, holding: Holding) -> None:
        self.over.append(holding)


def assert_in_line(strategy: Any) -> None:
    """What must hold once notifications are in and orders are mended."""
    position = strategy.position.size
    holding = strategy.holding(strategy.data)
    waiting = [*strategy.broker.pending, *strategy.broker.submitted]
    working = {role: [o for o in waiting if o.info.role == role and o.status in WORKING] for role in Role}
    assert position == (holding.size if holding else 0)
    assert len(working[Role.EXIT]) <= 1
    assert len(working[Role.ENTRY]) <= 1
    if not position and not working[Role.ENTRY]:
        assert not any(working.values()), "an order that could open a position is left while flat"
    if position and not working[Role.ENTRY] and not working[Role.EXIT]:
        assert sum(abs(o.executed.remsize) for o in working[Role.STOP]) == abs(position), "a position without its stop"
    for order in (*working[Role.EXIT], *working[Role.STOP]):
        assert abs(order.executed.remsize) <= max(abs(position), strategy.p.size)


class Fickle(bt.brokers.BackBroker):
    """Stock matching; rejects entries and exits as told. A protective order reduces, so no gate rejects it."""

    rejects: Any = None  # iterator of bools, one for each order

    def submit(self, order: bt.Order, check: bool = True) -> bt.Order:
        if order.info.role in (Role.ENTRY, Role.EXIT) and self.rejects is not None and next(self.rejects):
            order.reject(self)
            self.notify(order)
            return order
        return super().submit(order, check)


def frame(closes: Any) -> pd.DataFrame:
    close = np.asarray(closes, dtype=float)
    opens = np.r_[close[0], close[:-1]]
    return pd.DataFrame(
        {
            "open": opens, "high": np.maximum(opens, close) + 0.5, "low": np.minimum(opens, close) - 0.5,
            "close": close, "volume": 1e6, "openinterest": 0.0,
        },
        index=pd.date_range("2020-01-01", periods=len(close), freq="D"),
    )  # fmt: skip


def play(
    closes: Any,
    plan: dict[int, int],
    *,
    rejects: Any = None,
    parts: Any = None,
    cash: float = 1e6,
    check_each_bar: bool = True,
    data_unit: str = "",
    prepare: Callable[[bt.Cerebro, Any], None] | None = None,
    **parameters: Any,
) -> Any:
    cls = type(Planned)("Planned", (Planned,), {
        "plan_of": plan, "check_each_bar": check_each_bar, "__module__": __name__,
    })  # fmt: skip
    cerebro = bt.Cerebro(stdstats=False)
    broker = Fickle(
        cash=cash, filler=None if parts is None else lambda o, p, a: min(abs(o.executed.remsize), next(parts))
    )
    broker.rejects = rejects
    cerebro.setbroker(broker)
    data = ColumnarData(dataname=frame(closes))
    data.unit = data_unit
    cerebro.adddata(data, name="X")
    cerebro.addstrategy(cls, **parameters)
    if prepare is not None:
        prepare(cerebro, data)
    return cerebro.run()[0]


moves = st.lists(st.sampled_from([-2.5, -1.0, -0.25, 0.0, 0.25, 1.0, 2.5]), min_size=LENGTH, max_size=LENGTH)
plans = st.dictionaries(st.integers(1, LENGTH), st.sampled_from([1, -1, 0]), min_size=4, max_size=20)


@settings(max_examples=150)
@given(
    moves,
    plans,
    st.lists(st.booleans(), min_size=3, max_size=12),
    st.one_of(st.none(), st.lists(st.sampled_from([0, 7, 30, 60, 100]), min_size=1, max_size=7).filter(any)),
    st.sampled_from([1e6, 12_000.0, 10_050.0]),
    st.sampled_from([0.0, 3.0]),
)
@example([0.0] * LENGTH, {2: 1, 5: 0}, [False, True, True, False], None, 1e6, 3.0)
def test_orders_and_position_agree_after_every_bar(
    moved: list[float], plan: dict[int, int], rejects: list[bool], parts: list[int] | None, cash: float, target: float
) -> None:
    play(
        100.0 + np.cumsum(moved),
        plan,
        rejects=itertools.cycle(rejects),
        parts=None if parts is None else itertools.cycle(parts),
        cash=cash,
        target=target,
    )


def test_an_entry_that_is_refused_leaves_nothing() -> None:
    strategy = play([100.0] * 10, {2: 1}, rejects=iter([True]))
    assert not strategy.holdings and [holding.entered for holding in strategy.over] == [0]


def test_an_entry_without_cash_leaves_nothing() -> None:
    strategy = play([100.0] * 10, {2: 1}, cash=500.0)
    assert not strategy.holdings and not strategy.position.size


def test_a_refused_entry_may_be_tried_again() -> None:
    strategy = play([100.0] * 10, {2: 1, 4: 1}, rejects=iter([True, False]))
    assert strategy.position.size == 100.0


def test_an_exit_that_is_refused_is_sent_again_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="strategies"):
        strategy = play([100.0] * 12, {2: 1, 5: 0}, rejects=iter([False, True, True, False]))
    assert not strategy.position.size and strategy.over[0].exit_reason == "signal"
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2 and all("role=exit" in record.getMessage() for record in warnings)


def test_leaving_twice_sends_one_exit(caplog: pytest.LogCaptureFixture) -> None:
    # the filler leaves the exit of bar 5 without a fill until bar 9
    parts = iter([100] + [0] * 3 + [100] * 20)
    with caplog.at_level(logging.INFO, logger="strategies"):
        strategy = play([100.0] * 14, {2: 1, 5: 0, 6: 0, 7: 0}, parts=parts)
    assert sum(record.getMessage().startswith("exit ") for record in caplog.records) == 1
    assert not strategy.position.size


def test_leaving_before_the_fill_cancels_the_entry() -> None:
    parts = itertools.repeat(0)
    strategy = play([100.0] * 10, {2: 1, 4: 0}, parts=parts)
    assert not strategy.holdings and not strategy.broker.pending


def test_leaving_a_part_filled_entry_cancels_the_rest_and_closes_the_part() -> None:
    parts = iter([40, 0, 0] + [100] * 9)
    strategy = play([100.0] * 12, {2: 1, 4: 0}, parts=parts)
    assert not strategy.position.size and not strategy.holdings
    assert strategy.over[0].fills and sorted(strategy.over[0].fills.values()) == [-40.0, 40.0]


def test_an_entry_that_dies_after_a_part_gets_its_stop_back(caplog: pytest.LogCaptureFixture) -> None:
    # 100 units at 100 with 10,100: half fills at 100, then the price jumps to 110 and cash is short: Margin, which
    # in stock backtrader cancels the children too
    closes = [100.0] * 2 + [110.0] * 4 + [109.0, 100.0, 95.0, 90.0]
    with caplog.at_level(logging.INFO, logger="strategies"):
        strategy = play(closes, {2: 1}, parts=itertools.cycle([50]), cash=10_100.0, target=30.0)
    assert "protect " in caplog.text and "part_entry" in caplog.text
    # the stop of the signal, 98, has closed what was bought
    assert strategy.over[0].exit_reason == "stop" and strategy.over[0].size == 0


def test_a_stop_that_fills_in_part_protects_the_rest_until_the_exit_has_filled() -> None:
    # the stop of 98 fills 40 units on bar 5, the exit that is sent there is refused; bar 6 opens at 97.5, where
    # the stop that has taken its place closes the other 60
    parts = iter([100, 40] + [100] * 20)
    strategy = play([100.0] * 4 + [97.5] * 8, {2: 1, 5: 0}, parts=parts, target=0.0, rejects=iter([False, True, False]))
    fills = [(o.info.role, o.executed.size, o.executed.price) for o in strategy.broker.orders if o.executed.size]
    assert fills == [("entry", 100.0, 100.0), ("stop", -40.0, 98.0), ("stop", -60.0, 97.5)]
    assert [holding.exit_reason for holding in strategy.over] == ["stop"]


def test_stop_that_fires_while_an_exit_works_ends_both() -> None:
    # leaves on the close of bar 5; bar 6 opens at 100 and falls to 90: stock matches the older order, the stop, first
    strategy = play([100.0] * 5 + [90.0] * 5, {2: 1, 5: 0})
    assert not strategy.position.size and not strategy.holdings and not strategy.broker.pending
    assert len(strategy.over) == 1


def test_no_second_entry_while_one_is_held() -> None:
    strategy = play([100.0] * 10, {2: 1, 3: 1, 5: -1})
    assert strategy.position.size == 100.0 and len(strategy.broker.orders) == 3


@pytest.mark.parametrize(("stop", "target"), [(-2.0, 3.0), (2.0, -3.0), (float("nan"), 3.0), (200.0, 3.0)])
def test_protection_on_the_wrong_side_is_no_entry(stop: float, target: float) -> None:
    cls = type(Planned)(
        "Planned", (Planned,), {"decide": lambda self: _try(self, stop, target), "__module__": __name__}
    )
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(bt.feeds.PandasData(dataname=frame([100.0] * 5)), name="X")
    cerebro.addstrategy(cls)
    assert not cerebro.run()[0].broker.orders


def _try(strategy: Any, stop: float, target: float) -> None:
    assert strategy.enter(strategy.data, 1, 10.0, 100.0 - stop, 100.0 + target) is None


@pytest.mark.parametrize("size", [0.0, -5.0, float("nan"), float("inf")])
def test_no_size_is_no_entry(size: float) -> None:
    cls = type(Planned)("Planned", (Planned,), {
        "decide": lambda self: self.enter(self.data, 1, size, 90.0), "__module__": __name__,
    })  # fmt: skip
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(bt.feeds.PandasData(dataname=frame([100.0] * 5)), name="X")
    cerebro.addstrategy(cls)
    assert not cerebro.run()[0].broker.orders


def test_order_info_and_terms() -> None:
    strategy = play([100.0] * 6, {2: 1})
    entry, stop, target = strategy.broker.orders
    assert (entry.info.role, stop.info.role, target.info.role) == (Role.ENTRY, Role.STOP, Role.TARGET)
    assert (entry.info.reason, stop.info.reason, target.info.reason) == ("planned", "stop", "target")
    assert {order.info.trade for order in (entry, stop, target)} == {"Planned@20200102T000000"}
    assert entry.exectype == bt.Order.Market and entry.valid is not None  # for the day
    assert (stop.valid, target.valid) == (None, None)  # good till cancelled
    assert (stop.created.price, target.created.price) == (98.0, 103.0)  # from the close of the signal bar


def test_an_exit_made_by_the_broker_is_the_exit() -> None:
    class KillSwitch(bt.Analyzer):
        def next(self) -> None:
            strategy = self.strategy
            if len(strategy.data) == 6:
                strategy.broker.sell(
                    strategy,
                    strategy.data,
                    100.0,
                    oco=strategy.broker.orders[1],
                    role=Role.EXIT,
                    reason=ExitReason.KILL,
                )

    strategy = play([100.0] * 12, {2: 1, 7: 0}, prepare=lambda cerebro, data: cerebro.addanalyzer(KillSwitch))
    assert strategy.over[0].exit_reason == "kill" and not strategy.position.size and not strategy.broker.pending


class Restarted(bt.Strategy):
    """Plays the run before a restart: its orders and position are at the broker when Planned starts."""

    def next(self) -> None:
        if len(self.data) == 3:
            tags = {"trade": "u@20200103T000000"}
            parent = self.buy(size=10, transmit=False, role=Role.ENTRY, reason="planned", **tags)
            self.sell(size=10, exectype=bt.Order.Stop, price=95.0, parent=parent, role=Role.STOP, reason="stop", **tags)


def test_a_restart_finds_position_stop_and_age_again(caplog: pytest.LogCaptureFixture) -> None:
    class Later(Planned):
        @classmethod
        def bars_needed(cls, values: Any) -> int:
            return 8

        def __init__(self) -> None:
            super().__init__()
            bt.ind.SMA(period=8)  # next comes on bar 8 for the first time, as after a warm-up

    cerebro = bt.Cerebro(stdstats=False)
    data = bt.feeds.PandasData(dataname=frame([100.0] * 12))
    data.unit = "u"
    cerebro.adddata(data, name="X")
    cerebro.addstrategy(Restarted)
    cerebro.addstrategy(Later, unit="u", target=0.0)
    with caplog.at_level(logging.INFO, logger="strategies"):
        strategy = cerebro.run()[1]
    holding = strategy.holding(strategy.data)
    assert (holding.size, holding.sign, holding.trade, holding.stop_price) == (10.0, 1, "u@20200103T000000", 95.0)
    assert holding.bars == 12 - 4  # filled on the bar after the signal of bar 3
    assert "recovered" in caplog.text


def test_a_restart_without_orders_protects_nothing_but_knows_the_position() -> None:
    class Buyer(bt.Strategy):
        def next(self) -> None:
            if len(self.data) == 1:
                self.sell(size=4)

    class Later(Planned):
        check_each_bar = False
        plan_of = {10: 0}

        def __init__(self) -> None:
            super().__init__()
            bt.ind.SMA(period=8)

    cerebro = bt.Cerebro(stdstats=False)
    data = bt.feeds.PandasData(dataname=frame([100.0] * 14))
    data.unit = "u"
    cerebro.adddata(data, name="X")
    cerebro.addstrategy(Buyer)
    cerebro.addstrategy(Later, unit="u")
    strategy = cerebro.run()[1]
    assert strategy.over[0].sign == -1 and strategy.over[0].entered == 8 and not strategy.position.size
