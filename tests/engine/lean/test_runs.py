"""Runs that are lean give what stock gives, and leave nothing behind."""

from __future__ import annotations

import threading
from typing import Any

import backtrader as bt
import pytest
from backtrader.linebuffer import LineBuffer
from backtrader.position import Position
from beside import Logged, Trader, both, frame, run

import engine


def test_market_orders_on_bands() -> None:
    _, ours = both(Trader)
    assert len(ours.log) > 100
    assert ours.cerebro.stepping_reasons == []


def test_all_observers_and_analyzers() -> None:
    def setup(cerebro: Any) -> None:
        for name in ("TradeAnalyzer", "DrawDown", "TimeReturn", "SharpeRatio", "SQN", "Transactions", "PositionsValue"):
            cerebro.addanalyzer(getattr(bt.analyzers, name))

    both(Trader, setup=setup, stdstats=True)


@pytest.mark.parametrize("timeframe", ["Days", "Weeks", "Months", "Years", "NoTimeFrame"])
def test_returns_of_every_period(timeframe: str) -> None:
    def setup(cerebro: Any) -> None:
        cerebro.addanalyzer(bt.analyzers.TimeReturn, timeframe=getattr(bt.TimeFrame, timeframe))
        cerebro.addanalyzer(bt.analyzers.TimeReturn, timeframe=getattr(bt.TimeFrame, timeframe), fund=True)

    both(Trader, [frame(bars=900, freq="7h")], setup)


def test_two_calendars_and_two_strategies() -> None:
    class Second(Trader):
        def __init__(self) -> None:
            super().__init__()
            self.other = bt.ind.RSI(self.data1, period=5)

        def next(self) -> None:
            if self.other[0] < 30.0 and not self.getposition(self.data1):
                self.buy(self.data1, size=7)
            elif self.other[0] > 60.0:
                self.close(self.data1)

    both([Trader, Second], [frame(1, missing=0.2), frame(2, missing=0.3)])


class Resting(Logged):
    """Brackets, expiries and trailing stops."""

    def next(self) -> None:
        price = self.data.close[0]
        if not self.position and len(self) % 7 == 0:
            self.buy_bracket(size=10, price=price * 0.99, stopprice=price * 0.95, limitprice=price * 1.04, exectype=2)
        if len(self) % 31 == 0:
            self.sell(size=3, exectype=bt.Order.StopTrail, trailpercent=0.02)
        if len(self) % 23 == 0:
            self.buy(size=1, exectype=bt.Order.Limit, price=price * 0.97, valid=self.data.datetime.date())
            self.buy(size=1, exectype=bt.Order.StopLimit, price=price * 1.01, plimit=price * 1.005)


class Unchecked(Logged):
    """Sends an order, and then keeps the broker from looking at what was sent for a while."""

    def next(self) -> None:
        if len(self) == 5:
            self.buy(size=1)
        self.broker.set_checksubmit(not 5 <= len(self) < 12)


def test_orders_wait_for_their_check() -> None:
    _, ours = both(Unchecked)
    assert len(ours.log) > 0


def test_resting_orders() -> None:
    _, ours = both(Resting)
    assert {event[3] for event in ours.log if event[0] == "order"} >= {1, 2, 4, 5, 6}


def test_a_resting_order_whose_price_is_changed_fills_at_the_new_one() -> None:
    class Changed(Logged):
        def next(self) -> None:
            if len(self) == 5:
                self.resting = self.buy(size=1, exectype=bt.Order.Limit, price=1.0)
            if len(self) == 50:
                self.resting.created.price = self.data.close[0] * 1.01

    _, ours = both(Changed)
    assert [event[1] for event in ours.log if event[:1] == ("order",) and event[3] == 4] == [51]


def test_value_is_that_of_the_bar_whenever_it_is_read() -> None:
    class Reads(Trader):
        def next(self) -> None:
            super().next()
            if len(self) % 3 == 0:
                broker = self.broker
                self.log.append(
                    (broker.getvalue(), broker.fundvalue, broker.get_value(lever=True), self.position.adjbase)
                )
                self.log.append(vars(self.position).get("datetime"))

    both(Reads)


def test_an_analysis_read_in_the_middle_of_a_run_is_that_of_the_moment() -> None:
    class Reads(Trader):
        def next(self) -> None:
            super().next()
            if len(self) in (40, 41, 200):
                self.log.append(repr([each.get_analysis() for each in self.analyzers]))

    def setup(cerebro: Any) -> None:
        for name in ("TradeAnalyzer", "DrawDown", "TimeReturn"):
            cerebro.addanalyzer(getattr(bt.analyzers, name))

    both(Reads, setup=setup)


def test_cash_set_by_hand_and_deposits() -> None:
    class Pays(Trader):
        def next(self) -> None:
            super().next()
            if len(self) == 60:
                self.broker.add_cash(1_000.0)
            if len(self) == 120:
                self.broker.set_cash(70_000.0)
            self.log.append((self.broker.getcash(), self.broker.getvalue(), self.broker.fundvalue))

    both(Pays, setup=lambda cerebro: cerebro.addanalyzer(bt.analyzers.DrawDown))


def test_a_commission_scheme_set_in_mid_run() -> None:
    class Sets(Trader):
        def next(self) -> None:
            super().next()
            if len(self) == 100:
                self.broker.setcommission(commission=2.0, margin=50.0, mult=3.0)

    both(Sets, setup=lambda cerebro: cerebro.addanalyzer(bt.analyzers.TimeReturn))


def test_a_line_moved_by_hand_sends_the_rest_of_the_run_stocks_way() -> None:
    class Moves(Trader):
        def next(self) -> None:
            super().next()
            if len(self) == 100:
                self.data.rewind()

    _, ours = both(Moves)
    assert ours.cerebro.stepping_reasons == ["a line was moved, written or replaced by hand in mid-run"]


def test_a_stop_that_is_asked_for_counts_on_the_same_bar() -> None:
    class Stops(Trader):
        def next(self) -> None:
            super().next()
            if len(self) == 77:
                self.env.runstop()

    _, ours = both(Stops, setup=lambda cerebro: cerebro.addanalyzer(bt.analyzers.DrawDown))
    assert len(ours.strategies[0]) == 77


def test_timers_and_cheating_on_open() -> None:
    class Timed(Logged):
        params = (("cheat_on_open", True),)

        def __init__(self) -> None:
            super().__init__()
            self.average = bt.ind.SMA(period=5)
            self.add_timer(bt.timer.SESSION_START, weekdays=[2, 4])
            self.add_timer(bt.timer.SESSION_START, weekdays=[3], cheat=True)

        def notify_timer(self, timer: Any, when: Any, *args: Any, **kwargs: Any) -> None:
            self.log.append((len(self), when, self.average[0], self.broker.getvalue()))

        def next_open(self) -> None:
            if len(self) % 9 == 0:
                self.buy(size=2)
            elif len(self) % 9 == 4:
                self.close()

    both(Timed, cheat_on_open=True)


@pytest.mark.parametrize("bars", [0, 1, 2, 10])
def test_short_feeds(bars: int) -> None:
    class Short(Logged):
        def next(self) -> None:
            self.buy(size=1)

    if bars:
        both(Short, [frame(bars=bars)])


def classes_of(cerebro: Any) -> list[type]:
    found: list[type] = [type(cerebro.broker)]
    found += [type(each) for each in cerebro.broker.positions.values()]
    for data in cerebro.datas:
        found += [type(data), *(type(line) for line in data.lines.lines), type(data.lines.lines)]
    for strategy in cerebro.runningstrats:
        found += [type(analyzer) for analyzer in strategy.analyzers]
        for thing in strategy._lineiterators[0]:
            found.append(type(thing))
    for order in cerebro.broker.orders:
        found += [type(order), type(order.created)]
    return found


class Fails(Resting):
    def next(self) -> None:
        super().next()
        if len(self) == 90:
            raise RuntimeError("on purpose")


@pytest.mark.parametrize("strategy", [Resting, Fails])
def test_every_object_has_its_own_class_again(strategy: type) -> None:
    cerebros = []
    for kind in (bt.Cerebro, engine.Cerebro):
        cerebro = kind(stdstats=False)
        cerebro.adddata(bt.feeds.PandasData(dataname=frame()))
        cerebro.addstrategy(strategy)
        cerebro.addanalyzer(bt.analyzers.DrawDown)
        try:
            cerebro.run()
        except RuntimeError:
            assert strategy is Fails
        cerebros.append(cerebro)
    stock, ours = map(classes_of, cerebros)
    assert ours == stock
    stock_data, our_data = (cerebro.datas[0] for cerebro in cerebros)
    assert sorted(vars(our_data)) == sorted(vars(stock_data))
    assert [len(data) for data in (stock_data, our_data)] == [len(stock_data)] * 2
    assert our_data.tick_close == stock_data.tick_close
    drawdowns = [cerebro.runningstrats[0].analyzers[0] for cerebro in cerebros]
    assert repr(vars(drawdowns[0]).get("rets")) == repr(vars(drawdowns[1]).get("rets"))


def members() -> dict[tuple[type, str], Any]:
    classes = (LineBuffer, Position, bt.Order, bt.Strategy, bt.brokers.BackBroker, bt.analyzers.DrawDown)
    return {(cls, name): id(member) for cls in classes for name, member in vars(cls).items() if name != "refbasis"}


def test_stock_classes_are_untouched_inside_next_and_in_another_thread() -> None:
    before = members()
    values: list[float] = []

    class Looks(Logged):
        def next(self) -> None:
            if len(self) == 50:
                assert members() == before
                assert self.data.__class__ is engine_feed and isinstance(self.data.close, LineBuffer)
                line = LineBuffer()
                line.forward(3.0)
                assert (line[0], len(line), line.idx) == (3.0, 1, 0)
                other = threading.Thread(
                    target=lambda: values.append(run(bt.Cerebro, [Trader], [frame()], None).account[1])
                )
                other.start()
                other.join()

    from feeds import ColumnarData as engine_feed

    run(engine.Cerebro, [Looks], [frame()], None)
    assert values == [run(bt.Cerebro, [Trader], [frame()], None).account[1]]


def test_a_second_run_of_the_same_cerebro_gives_the_same() -> None:
    cerebro = engine.Cerebro(stdstats=False)
    cerebro.adddata(bt.feeds.PandasData(dataname=frame()))
    cerebro.addstrategy(Trader)
    first = cerebro.run()[0]
    values = cerebro.broker.getvalue()
    second = cerebro.run()[0]
    assert cerebro.broker.getvalue() == values
    assert [event[1] for event in first.log] == [event[1] for event in second.log]


def test_what_falls_back_says_why() -> None:
    class Own(Trader):
        def _oncepost(self, dt: float) -> None:
            super()._oncepost(dt)

    _, ours = both(Own)
    assert ours.cerebro.stepping_reasons == ["Own has its own _oncepost"]
    _, ours = both(Trader, runonce=False)
    assert ours.cerebro.stepping_reasons == ["runonce is off"]
    _, ours = both(Trader, exactbars=-1)
    assert ours.cerebro.stepping_reasons == ["exactbars is on, so lines keep no history"]


def test_the_thresholds_of_the_garbage_collector_come_back() -> None:
    import gc

    before = gc.get_threshold()
    with pytest.raises(RuntimeError):
        run(engine.Cerebro, [Fails], [frame()], None)
    assert gc.get_threshold() == before
