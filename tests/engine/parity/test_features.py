"""What users attach to a Cerebro and no random programme has: own analyzers, observers, brokers, filters, stores."""

from __future__ import annotations

import datetime as dt
from typing import Any

import backtrader as bt
import pytest
from parity.cases import ONE, PLAN, TWO, Tweak, both, of
from parity.compare import first_difference
from parity.engines import OURS, STOCK
from parity.frames import frame_of
from parity.programme import Action, Feed, Plan, Programme
from parity.recorder import Loud
from parity.running import run

# ------------------------------------------------------------------ analyzers, observers, sizers, brokers of a user


class EveryHook(bt.Analyzer):
    """Writes down each call that an analyzer gets, with what can be read then."""

    def __init__(self) -> None:
        self.child = ChildHook()

    def note(self, kind: str, *values: Any) -> None:
        self.strategy.note(f"analyzer {kind}", len(self), len(self.data), *values)

    def start(self) -> None:
        self.note("start")

    def prenext(self) -> None:
        self.note("prenext", self.strategy.broker.getvalue())

    def nextstart(self) -> None:
        self.note("nextstart", self.data.close[0])

    def next(self) -> None:
        self.note("next", self.strategy.broker.getvalue(), self.strategy.position.size, self.data.close[0])

    def notify_order(self, order: Any) -> None:
        self.note("order", *self.strategy.tape.order(order))

    def notify_trade(self, trade: Any) -> None:
        self.note("trade", *self.strategy.tape.trade(trade))

    def notify_cashvalue(self, cash: float, value: float) -> None:
        self.note("cashvalue", cash, value)

    def notify_fund(self, cash: float, value: float, fundvalue: float, shares: float) -> None:
        self.note("fund", cash, value, fundvalue, shares)

    def stop(self) -> None:
        self.note("stop")

    def get_analysis(self) -> Any:
        return {"bars": len(self)}


class ChildHook(bt.Analyzer):
    """Made inside another analyzer."""

    def start(self) -> None:
        self.seen = 0

    def next(self) -> None:
        self.seen += 1

    def get_analysis(self) -> Any:
        return {"seen": self.seen}


class Frames(bt.TimeFrameAnalyzerBase):
    params = (("timeframe", bt.TimeFrame.Weeks),)

    def on_dt_over(self) -> None:
        self.strategy.note("period", str(self.dtkey), self.dtcmp, self.strategy.broker.getvalue())

    def start(self) -> None:
        super().start()
        self.rets["bars"] = 0

    def next(self) -> None:
        super().next()
        self.rets["bars"] += 1


@pytest.mark.parametrize("programme", [ONE, TWO], ids=["one", "two"])
def test_an_analyzer_with_every_hook(programme: Programme) -> None:
    events = both(lambda cerebro: (cerebro.addanalyzer(EveryHook), cerebro.addanalyzer(Frames)), programme)
    assert len(of(events, "analyzer next")) > 20 and of(events, "analyzer trade") and of(events, "period")


class Exposure(bt.Observer):
    """Reads the broker, the strategy and another observer."""

    lines = ("exposure", "length")

    def next(self) -> None:
        broker = self._owner.broker
        self.lines.exposure[0] = broker.getvalue() - broker.getcash()
        self.lines.length[0] = float(len(self._owner._orderspending) + len(self._owner._tradespending))


class Slave(bt.Observer):
    """An observer with an analyzer of its own."""

    lines = ("ret",)

    def __init__(self) -> None:
        self.returns = self._owner._addanalyzer_slave(bt.analyzers.TimeReturn, timeframe=bt.TimeFrame.NoTimeFrame)

    def next(self) -> None:
        self.lines.ret[0] = self.returns.rets.get(self.returns.dtkey, float("nan"))


def test_observers_of_a_user() -> None:
    events = both(lambda c: (c.addobserver(Exposure), c.addobserver(Slave), c.addobservermulti(Exposure)), TWO)
    assert sum(line[0] == "observer Exposure" for line in of(events, "line")) == 2 * 3


class Counting(bt.Sizer):
    def _getsizing(self, comminfo: Any, cash: float, data: Any, isbuy: bool) -> Any:
        self.strategy.note("sizer", cash, data._name, isbuy, type(comminfo).__name__, self.broker.getvalue())
        return 2 + len(data) % 5


def test_a_sizer_of_a_user() -> None:
    unsized = Plan(tuple(Action(at=at, size=None, side=("buy", "sell")[at // 3 % 2]) for at in range(2, 36, 3)))
    events = both(lambda cerebro: cerebro.addsizer(Counting), Programme(plans=(unsized,)))
    assert len(of(events, "sizer")) == 12


class PerShare(bt.CommInfoBase):
    """Counts its calls: each of them is part of the contract."""

    params = (("stocklike", True), ("commtype", bt.CommInfoBase.COMM_FIXED))
    calls = 0

    def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:
        PerShare.calls += 1
        return abs(size) * 0.005 * (1.0 if pseudoexec else 1.5) + 1e-3 * PerShare.calls


def test_a_commission_that_counts_its_calls() -> None:
    def tweak(cerebro: Any) -> None:
        PerShare.calls = 0
        cerebro.broker.addcommissioninfo(PerShare())

    both(tweak, TWO)


class Interest(bt.CommInfoBase):
    params = (("stocklike", True), ("interest", 0.1), ("interest_long", True))

    def _get_credit_interest(self, data: Any, size: float, price: float, days: int, dt0: Any, dt1: Any) -> float:
        return days * abs(size) * price * 1e-4 + (0.25 if dt0.month != dt1.month else 0.0)


def test_interest_of_a_user() -> None:
    both(lambda cerebro: cerebro.broker.addcommissioninfo(Interest()), TWO)


class HalfFilled:
    """A filler that is a plain function object."""

    def __call__(self, order: Any, price: float, ago: int) -> float:
        return min(abs(order.executed.remsize), 4)


def test_a_filler_of_a_user() -> None:
    both(lambda cerebro: cerebro.broker.set_filler(HalfFilled()), TWO)


OVERRIDDEN = ("notify", "_execute", "_get_value", "next", "_try_exec", "submit", "get_notification")


@pytest.mark.parametrize("method", OVERRIDDEN)
def test_a_broker_whose_methods_a_user_overrides(method: str) -> None:
    """A subclass's method is called as often as stock would call it."""

    def tweak(cerebro: Any) -> None:
        kind = type(cerebro.broker)

        def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            return getattr(kind, method)(self, *args, **kwargs)

        made = type("Counted", (kind,), {"calls": 0, method: counted})
        old = cerebro.broker
        cerebro.setbroker(made(**old.p._getkwargs()))
        cerebro.counted = cerebro.broker

    calls = []
    for engine in (STOCK, OURS):
        kept: list[Any] = []
        run(TWO, engine, lambda cerebro, kept=kept: (tweak(cerebro), kept.append(cerebro)))
        calls.append(kept[0].counted.calls)
    assert calls[0] == calls[1] > 10
    both(tweak, TWO)


@pytest.mark.parametrize("method", ["notify", "_execute", "_get_value", "getcommissioninfo", "getvalue", "getcash"])
def test_a_broker_whose_method_is_replaced_on_the_object(method: str) -> None:
    """As a debugging session does."""

    def tweak(cerebro: Any) -> None:
        broker, original = cerebro.broker, getattr(cerebro.broker, method)

        def counted(*args: Any, **kwargs: Any) -> Any:
            broker.seen = getattr(broker, "seen", 0) + 1
            return original(*args, **kwargs)

        setattr(broker, method, counted)

    seen = []
    for engine in (STOCK, OURS):
        kept: list[Any] = []
        run(ONE, engine, lambda cerebro, kept=kept: (tweak(cerebro), kept.append(cerebro)))
        seen.append(kept[0].broker.seen)
    assert seen[0] == seen[1]


# ------------------------------------------------------------------ strategies and indicators of a user


class Directly(Loud):
    """Sends to the broker itself, changes positions' views, reads by names and by calls."""

    def next(self) -> None:
        super().next()
        if len(self) % 9 == 4:
            self.broker.buy(self, self.data, 3, exectype=bt.Order.Market)
            self.broker.sell(self, self.data, 2, price=self.data.close[0] * 1.01, exectype=bt.Order.Limit, oco=None)
        if len(self) % 9 == 6:
            close = self.data.close
            self.note("reads", self.getpositionbyname("d0").size, sorted(self.getdatanames()), bool(self.position))
            self.note(
                "reads", list(close.get(size=3)), list(close.get(ago=-1, size=2)), str(self.data.datetime.date(-1))
            )
            self.note("reads", close[-2], self.datas[0].lines[0][0], len(close), close.buflen(), close.idx)


class Overriding(Loud):
    """Overrides what Cerebro calls on a strategy."""

    def _notify(self, qorders: Any = (), qtrades: Any = ()) -> None:
        self.note("_notify", len(qorders), len(qtrades))
        super()._notify(list(qorders), list(qtrades))

    def clear(self) -> None:
        self.note("clear")
        super().clear()

    def _addnotification(self, order: Any, quicknotify: bool = False) -> None:
        self.note("_addnotification", self.tape.order_ref(order.ref))
        super()._addnotification(order, quicknotify)


@pytest.mark.parametrize("kind", [Directly, Overriding])
@pytest.mark.parametrize("options", [{}, {"quicknotify": True}, {"cheat_on_open": True}])
def test_strategies_that_know_backtrader_well(kind: Any, options: dict[str, Any]) -> None:
    def tweak(cerebro: Any) -> None:
        cerebro.strats.clear()
        cerebro.addstrategy(kind)
        for name, value in options.items():
            setattr(cerebro.p, name, value)

    both(tweak, TWO)


def test_an_indicator_that_cerebro_adds() -> None:
    both(lambda cerebro: (cerebro.addindicator(bt.ind.SMA, period=5), cerebro.addindicator(bt.ind.MACDHisto)), TWO)


# ------------------------------------------------------------------ datas, filters, notifications, stores


class Telling(Loud):
    """Datas and stores that have something to say, in mid-run."""

    def next(self) -> None:
        super().next()
        if len(self) in (5, 6, 30):
            self.data.put_notification(self.data.CONNBROKEN, "broken", len(self))


class FakeStore:
    """The part of a store that Cerebro talks to."""

    def __init__(self, note: Any) -> None:
        self.note, self.asked = note, 0

    def start(self, *args: Any, **kwargs: Any) -> None:
        self.note("store start")

    def stop(self) -> None:
        self.note("store stop", self.asked > 0)

    def get_notifications(self) -> Any:
        self.asked += 1
        return [("hello", (self.asked,), {})] if self.asked % 3 == 1 else []


@pytest.mark.parametrize("runonce", [True, False])
def test_notifications_of_datas_and_stores(runonce: bool) -> None:
    def tweak(cerebro: Any) -> None:
        cerebro.strats.clear()
        cerebro.addstrategy(Telling)
        cerebro.p.runonce = runonce
        cerebro.addstore(FakeStore(cerebro.parity_tape.add))
        cerebro.adddatacb(lambda data, status, *args, **kwargs: cerebro.parity_tape.add("datacb", status, args))
        cerebro.addstorecb(lambda msg, *args, **kwargs: cerebro.parity_tape.add("storecb", msg, args))

    events = both(tweak)
    assert of(events, "store start") and bool(of(events, "datacb")) == (not runonce)


def test_one_data_compensates_another() -> None:
    """Orders for the second go to the position of the first."""
    trades = tuple(Action(at=at, size=5, data=at % 2, side=("buy", "sell")[at // 5 % 2]) for at in range(3, 34, 3))
    programme = Programme((Feed(), Feed(seed=2)), (Plan(trades),), analyzers=("TradeAnalyzer", "Transactions"))
    both(lambda cerebro: cerebro.datas[1].compensate(cerebro.datas[0]), programme)


FILTERS: dict[str, Tweak] = {
    "heikin ashi": lambda data: data.addfilter(bt.filters.HeikinAshi),
    "renko": lambda data: data.addfilter(bt.filters.Renko, size=1.0),
    "session": lambda data: data.addfilter(bt.filters.SessionFilter),
    "session filler": lambda data: data.addfilter(bt.filters.SessionFiller),
    "day splitter": lambda data: data.addfilter(bt.filters.DaySplitter_Close),
    "simple": lambda data: data.addfilter_simple(lambda data: data.close[0] > 101.0),
    "steps": lambda data: data.addfilter(bt.filters.BarReplayer_Open),
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("minutes", [30, 1440])
def test_filters(name: str, minutes: int) -> None:
    feeds = (Feed(minutes=minutes, bars=30, options=(("sessionend", dt.time(23, 0)),)), Feed(minutes=minutes, seed=3))
    programme = Programme(feeds, (PLAN,), analyzers=("TimeReturn",))
    events = run(programme, STOCK, lambda cerebro: FILTERS[name](cerebro.datas[0]))
    ours = run(programme, OURS, lambda cerebro: FILTERS[name](cerebro.datas[0]))
    difference = first_difference(events, ours)
    assert difference is None, str(difference)


def test_chained_datas() -> None:
    results = []
    for engine in (STOCK, OURS):

        def tweak(cerebro: Any, engine: Any = engine) -> None:
            parts = [engine.feed(dataname=frame_of(Feed(seed=s, first=40 * s, bars=30))) for s in (1, 2)]
            cerebro.chaindata(*parts, name="chain")

        results.append(run(ONE, engine, tweak))
    assert first_difference(*results) is None


def test_a_clone_of_a_data_and_a_resampled_one_beside_it() -> None:
    def tweak(cerebro: Any) -> None:
        cerebro.resampledata(cerebro.datas[0], name="weeks", timeframe=bt.TimeFrame.Weeks)

    both(tweak, ONE)


def test_a_trading_calendar() -> None:
    class Short(bt.TradingCalendar):
        params = (("open", dt.time(9)), ("close", dt.time(16)), ("holidays", [dt.date(2022, 1, 6)]))

    both(lambda cerebro: cerebro.addcalendar(Short()), TWO)


@pytest.mark.parametrize("when", [bt.timer.SESSION_START, bt.timer.SESSION_END, dt.time(16, 0)])
@pytest.mark.parametrize("cheat", [True, False])
def test_timers_with_callbacks(when: Any, cheat: bool) -> None:
    def tweak(cerebro: Any) -> None:
        minutes = dt.timedelta(minutes=3)
        cerebro.add_timer(when, cheat=cheat, strats=True, allow=lambda day: day.day % 3 != 0, offset=minutes)
        cerebro.add_timer(when, cheat=not cheat, strats=True, repeat=15 * minutes, monthdays=[1, 10, 20])

    events = both(tweak, Programme((Feed(minutes=60, bars=80),), (PLAN,)))
    assert bool(of(events, "timer")) == (when != bt.timer.SESSION_END)  # no bar lies at 23:59:59
