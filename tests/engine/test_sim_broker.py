"""SimBroker without settings is stock; with settings it keeps an IBKR-like account. Expected values are by hand."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.orders import Refusal, Role
from core.settings import Settings
from engine.sim_broker import SimBroker
from feeds import ColumnarData

START = "2020-01-02"
FREE = {"enabled": False}


def desk(**changes: Any) -> Settings:
    """A frictionless EUR desk with one EUR instrument and no gate; ``changes`` replace whole tables."""
    tables: dict[str, Any] = {
        "instruments": {"AAA": {"currency": "EUR", "schedule": "none", "borrow_rate": 0.0}},
        "strategies": {"one": {"strategy": "MeanReversion", "instruments": ["AAA"]}},
        "account": {"capital": 10_000.0, "initial_margin": 1.0},
        "costs": {"enabled": False, "fx": {"rates": {"USD": 0.8}}},
        "risk": {"enabled": False},
    }
    return Settings.model_validate({**tables, **changes})


def bars(*rows: tuple[float, float, float, float], volume: float = 1e6) -> pd.DataFrame:
    """Daily bars from (open, high, low, close), on business days."""
    index = pd.bdate_range(START, periods=len(rows), tz="UTC") + pd.Timedelta("21h")
    frame = pd.DataFrame(rows, columns=["open", "high", "low", "close"], index=index, dtype=float)
    return frame.assign(volume=volume)


def flat(*prices: float, **kwargs: float) -> pd.DataFrame:
    """Bars whose open, high, low and close are one price."""
    return bars(*((p, p, p, p) for p in prices), **kwargs)


class Scripted(bt.Strategy):
    """Calls ``script[n](self)`` on bar n (1 = the first) and keeps every notification."""

    params = (("script", None),)

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.values: list[tuple[float, float]] = []

    def notify_order(self, order: bt.Order) -> None:
        executed = order.executed
        self.log.append(
            (len(self), order.ref, order.getstatusname(), executed.size, executed.price, executed.value, executed.comm)
        )

    def notify_trade(self, trade: bt.Trade) -> None:
        self.log.append((len(self), "trade", trade.status, trade.size, trade.pnl, trade.pnlcomm))

    def prenext(self) -> None:
        self.next()

    def next(self) -> None:
        self.values.append((self.broker.getvalue(), self.broker.getcash()))
        for action in (self.p.script or {}).get(len(self), ()):
            action(self)


def run(
    broker: bt.BrokerBase, script: dict[int, list[Callable[[Any], Any]]], frames: dict[str, pd.DataFrame]
) -> Scripted:
    """Run ``script`` on one data for each frame (key = symbol) and return the strategy."""
    bt.Order.refbasis = iter(range(1, 1_000_000))
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.setbroker(broker)
    config = broker.p.settings if isinstance(broker, SimBroker) else None
    for symbol, frame in frames.items():
        data = ColumnarData(dataname=frame)
        data.unit, data.symbol = "one", symbol
        if config is not None:
            data.instrument = config.instruments[symbol]
        cerebro.adddata(data, name=f"one/{symbol}")
    cerebro.addstrategy(Scripted, script=script)
    return cerebro.run()[0]


def close_of(strategy: Scripted) -> float:
    account = strategy.broker.account
    return sum(r.net_eur for r in account.trades) + sum(r.net_eur for r in account.open_trades())


# --------------------------------------------------------------------------- nothing configured

PRICES = st.lists(st.floats(20.0, 200.0), min_size=6, max_size=25)


@st.composite
def programmes(draw: st.DrawFn) -> tuple[pd.DataFrame, dict[int, list[tuple[str, dict[str, Any]]]], dict[str, Any]]:
    """Bars, an order programme over every order type, and broker options."""
    closes = draw(PRICES)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = []
    for close in closes:
        open_ = close * (1 + rng.normal(0, 0.02))
        high = max(open_, close) * (1 + abs(rng.normal(0, 0.02)))
        low = min(open_, close) * (1 - abs(rng.normal(0, 0.02)))
        rows.append((open_, high, low, close))
    programme: dict[int, list[tuple[str, dict[str, Any]]]] = {}
    for bar in draw(st.lists(st.integers(1, len(closes)), max_size=8)):
        kind = draw(st.sampled_from(["Market", "Close", "Limit", "Stop", "StopLimit", "StopTrail", "bracket", "close"]))
        price = closes[bar - 1] * draw(st.sampled_from([0.9, 0.97, 1.0, 1.03, 1.1]))
        side = draw(st.sampled_from(["buy", "sell"]))
        size = draw(st.integers(1, 80))
        programme.setdefault(bar, []).append(
            (kind, {"side": side, "size": size, "price": price, "valid": draw(st.sampled_from([None, 1, 3]))})
        )
    options = draw(
        st.sampled_from([{}, {"coc": True}, {"slip_perc": 0.01}, {"shortcash": False}, {"checksubmit": False}])
    )
    return bars(*rows), programme, options


def scripted(programme: dict[int, list[tuple[str, dict[str, Any]]]]) -> dict[int, list[Callable[[Any], Any]]]:
    def action(kind: str, order: dict[str, Any]) -> Callable[[Any], Any]:
        def act(strategy: bt.Strategy) -> None:
            send = getattr(strategy, order["side"])
            valid = None if order["valid"] is None else dt.timedelta(days=order["valid"])
            price, size = order["price"], order["size"]
            if kind == "bracket":
                up = 1 if order["side"] == "buy" else -1
                bracket = strategy.buy_bracket if up > 0 else strategy.sell_bracket
                bracket(size=size, exectype=bt.Order.Market, stopprice=price * (1 - 0.05 * up),
                        limitprice=price * (1 + 0.05 * up))  # fmt: skip
            elif kind == "close":
                strategy.close()
            elif kind == "StopTrail":
                send(size=size, exectype=bt.Order.StopTrail, trailpercent=0.03, valid=valid)
            elif kind == "StopLimit":
                send(size=size, exectype=bt.Order.StopLimit, price=price, plimit=price * 1.01, valid=valid)
            else:
                send(size=size, exectype=getattr(bt.Order, kind), price=price, valid=valid)

        return act

    return {bar: [action(*order) for order in orders] for bar, orders in programme.items()}


@given(programmes())
@settings(max_examples=60)
def test_without_settings_it_is_the_stock_broker_to_the_last_bit(case: Any) -> None:
    frame, programme, options = case
    runs = []
    for kind in (bt.brokers.BackBroker, SimBroker):
        broker = kind(cash=5_000.0, **options)
        broker.setcommission(commission=0.001)
        strategy = run(broker, scripted(programme), {"AAA": frame})
        runs.append((strategy.log, strategy.values))
    assert runs[0] == runs[1]


STOCK_OPTIONS: dict[str, Callable[[Any], Any]] = {
    "futures": lambda b: b.setcommission(commission=2.0, margin=500.0, mult=10.0),
    "leverage": lambda b: b.setcommission(commission=0.001, leverage=3.0),
    "credit interest": lambda b: b.setcommission(interest=0.05, interest_long=True),
    "fund mode": lambda b: b.set_fundmode(True, 50),
    "filler": lambda b: b.set_filler(bt.fillers.FixedSize(size=20)),
    "cheat on open": lambda b: b.set_coo(True),
    "cheat on close": lambda b: b.set_coc(True),
    "fixed slippage": lambda b: b.set_slippage_fixed(0.5),
    "order history": lambda b: b.add_order_history([["2020-01-10T22:00:00", 10, 101.0]]),
}


@pytest.mark.parametrize("runonce", [True, False])
@pytest.mark.parametrize("option", STOCK_OPTIONS)
def test_every_option_of_the_stock_broker_works_without_settings(option: str, runonce: bool) -> None:
    """A deposit, reversals, brackets and trailing stops; value, cash, leverage and fund on each bar are stock's."""

    class Reading(Scripted):
        def next(self) -> None:
            super().next()
            b = self.broker
            self.log.append((b.fundvalue, b.fundshares, b.getvalue(), b.getcash(), b.get_leverage()))

    script: dict[int, list[Callable[[Any], Any]]] = {
        2: [lambda s: s.buy(size=50)],
        5: [lambda s: s.sell(size=120)],
        9: [lambda s: s.buy_bracket(size=90, exectype=bt.Order.Market, stopprice=90, limitprice=103)],
        15: [lambda s: s.broker.add_cash(5000)],
        20: [lambda s: s.buy(size=10, exectype=bt.Order.StopTrail, trailamount=1)],
        25: [lambda s: s.close()],
    }
    walk = 100 + np.cumsum(np.random.default_rng(0).normal(0, 1, 40))
    frame = bars(*((p, p + 2, p - 2, p + 1) for p in walk), volume=300)
    logs = []
    for kind in (bt.brokers.BackBroker, SimBroker):
        bt.Order.refbasis = iter(range(1, 1_000))
        cerebro = bt.Cerebro(stdstats=False, runonce=runonce, cheat_on_open=option == "cheat on open")
        cerebro.setbroker(kind(cash=20_000.0))
        STOCK_OPTIONS[option](cerebro.broker)
        cerebro.adddata(ColumnarData(dataname=frame), name="one/AAA")
        cerebro.addstrategy(Reading, script=script)
        logs.append(cerebro.run()[0].log)
    assert logs[0] == logs[1] and len(logs[0]) > 50


@given(programmes())
@settings(max_examples=40)
def test_a_frictionless_account_fills_like_stock(case: Any) -> None:
    """Market orders of a rich account in one currency: same fills and equity as stock, by two books."""
    frame, programme, _ = case
    markets = {bar: [("Market", o) for _, o in orders] for bar, orders in programme.items()}
    rich = desk(account={"capital": 1e6, "initial_margin": 0.01})
    stock = run(bt.brokers.BackBroker(cash=1e6), scripted(markets), {"AAA": frame})
    ours = run(SimBroker(settings=rich), scripted(markets), {"AAA": frame})
    assert [e[:5] for e in ours.log if e[1] != "trade"] == [e[:5] for e in stock.log if e[1] != "trade"]
    assert [v for v, _ in ours.values] == pytest.approx([v for v, _ in stock.values], rel=1e-12)


# --------------------------------------------------------------------------- costs and currency by hand


def test_round_trip_in_dollars_with_fixed_fees_and_slippage() -> None:
    """100 shares, bought at 50 and sold at 55, USD 0.80 EUR, 10 bps slippage, fees of the US fixed schedule.

    buy  50.05, sell 54.945 -> 489.50 USD; commission 1.00 each (minimum); CAT 0.0072 each;
    SEC 5494.50 * 0.0000278 = 0.1527471; FINRA 0.0166. Gross 500 USD = EUR 400; slippage 5 + 5.5 = 10.5 USD = EUR 8.40.
    """
    config = desk(
        instruments={"AAA": {"currency": "USD", "schedule": "ibkr_us_fixed"}},
        costs={
            "slippage": {"model": "bps", "bps": 10.0},
            "fx": {"rates": {"USD": 0.8}},
            "interest": {"benchmarks": {"EUR": 0.0, "USD": 0.0}},
        },
    )
    script = {1: [lambda s: s.buy(size=100)], 2: [lambda s: s.close()]}
    strategy = run(SimBroker(settings=config), script, {"AAA": flat(50, 50, 55, 55)})
    row = strategy.broker.account.trades[0]
    fees = 2 * 1.00 + 2 * 0.0072 + 0.1527471 + 0.0166
    assert row.gross_eur == pytest.approx(400.0)
    assert row.slippage_eur == pytest.approx(8.40)
    assert row.commission_eur == pytest.approx(0.8 * fees)
    assert row.net_eur == pytest.approx(400.0 - 8.40 - 0.8 * fees)
    assert (row.entry_price, row.exit_price) == pytest.approx((50.05, 54.945))
    interest = strategy.broker.account.interest_eur  # Friday to Monday: 3 days of USD debit at 0 + 1.5%
    assert interest == pytest.approx(-0.8 * (5005.0 + 1.0072) * 3 * 0.015 / 360, rel=1e-4)
    assert strategy.values[-1][0] == pytest.approx(10_000 + row.net_eur + interest)


def test_a_reversal_pays_one_minimum() -> None:
    """Long 10, sell 20: one order of 20 shares, one minimum of USD 1 (stock charges each half)."""
    config = desk(
        instruments={"AAA": {"currency": "USD", "schedule": "ibkr_us_fixed", "borrow_rate": 0.0}},
        costs={
            "fees": {"sec_per_value": 0, "finra_taf_per_share": 0, "cat_per_share": 0},
            "fx": {"rates": {"USD": 1.0}},
            "interest": {"benchmarks": {"USD": 0.0, "EUR": 0.0}},
        },
    )
    script = {1: [lambda s: s.buy(size=10)], 2: [lambda s: s.sell(size=20)]}
    strategy = run(SimBroker(settings=config), script, {"AAA": flat(50, 50, 50, 50)})
    assert strategy.broker.account.costs["commission"] == pytest.approx(2.0)
    assert strategy.broker.account.trades[0].commission_eur == pytest.approx(1.0 + 0.5)


def test_borrow_fee_counts_calendar_days() -> None:
    """Short 100 at USD 10: mark ceil(10.20) = 11 -> 1,100 x 3.6% / 360 = 0.11 a day; Thursday to Monday: 0.11 + 0.33.

    Sold at Thursday's open, charged on Friday (1 day) and Monday (3 days); closed at Monday's open after the charge.
    """
    config = desk(
        instruments={"AAA": {"currency": "USD", "schedule": "none", "borrow_rate": 0.036}},
        costs={"interest": {"benchmarks": {"EUR": 0.0, "USD": 0.0}}, "fx": {"rates": {"USD": 0.5}}},
    )
    index = pd.DatetimeIndex(["2020-01-08", "2020-01-09", "2020-01-10", "2020-01-13"], tz="UTC") + pd.Timedelta("21h")
    frame = flat(10, 10, 10, 10).set_axis(index)
    script = {1: [lambda s: s.sell(size=100)], 3: [lambda s: s.close()]}
    strategy = run(SimBroker(settings=config), script, {"AAA": frame})
    assert strategy.broker.account.trades[0].borrow_eur == pytest.approx(0.44 * 0.5)


def test_volume_share_fills_over_several_bars() -> None:
    """10% of 100 shares a bar: an order of 25 fills 10, 10, 5 at prices moved by 0.1 * share^2."""
    config = desk(costs={"slippage": {"model": "volume_share", "volume_limit": 0.1, "price_impact": 0.1}})
    script = {1: [lambda s: s.buy(size=25)]}
    strategy = run(SimBroker(settings=config), script, {"AAA": flat(10, 10, 10, 10, 10, volume=100)})
    sizes = [entry[3] for entry in strategy.log if entry[2] in ("Partial", "Completed")]
    assert sizes == [10, 20, 25]
    row = strategy.broker.account.open_trades()[0]
    assert row.size == 25
    impact = (20 * 10 * 0.1 * 0.1**2 + 5 * 10 * 0.1 * 0.05**2) / 25
    assert row.entry_price == pytest.approx(10 + impact)
    assert row.slippage_eur == pytest.approx(25 * impact)


# --------------------------------------------------------------------------- execution


def test_next_close_fills_market_orders_at_the_next_close() -> None:
    config = desk(execution="next_close")
    script = {1: [lambda s: s.buy(size=1)]}
    frame = bars((9, 11, 8, 10), (20, 25, 15, 22), (30, 35, 25, 31))
    strategy = run(SimBroker(settings=config), script, {"AAA": frame})
    assert strategy.broker.account.open_trades()[0].entry_price == 22


def test_an_entry_at_the_open_is_protected_in_the_same_bar() -> None:
    """Filled at 100, the bar trades down to 90: a stop at 95 fires in that bar. Stock would wait for the next."""
    script = {1: [lambda s: s.buy_bracket(size=10, exectype=bt.Order.Market, stopprice=95, limitprice=120)]}
    frame = bars((100, 101, 99, 100), (100, 101, 90, 99), (99, 100, 98, 99))
    strategy = run(SimBroker(settings=desk()), script, {"AAA": frame})
    (row,) = strategy.broker.account.trades
    assert (row.exit_price, row.exit_reason, row.bars) == (95, "stop", 0)
    assert strategy.broker.account.equity_eur == pytest.approx(10_000 - 50)


def test_the_stop_fills_before_the_target_when_a_bar_touches_both() -> None:
    script = {1: [lambda s: s.buy_bracket(size=1, exectype=bt.Order.Market, stopprice=95, limitprice=105)]}
    frame = bars((100, 100, 100, 100), (100, 100, 100, 100), (100, 110, 90, 100), (100, 100, 100, 100))
    strategy = run(SimBroker(settings=desk()), script, {"AAA": frame})
    assert [r.exit_price for r in strategy.broker.account.trades] == [95]


def test_a_market_exit_fills_at_the_open_before_the_stop_in_the_range() -> None:
    """Exit in the OCA group of the stop: the open (98) comes before the range that touches the stop (95)."""
    orders: list[bt.Order] = []

    def enter(s: Scripted) -> None:
        orders.extend(s.buy_bracket(size=1, exectype=bt.Order.Market, stopprice=95, limitexec=None))

    script = {1: [enter], 2: [lambda s: s.close(oco=orders[1])]}
    frame = bars((100, 100, 100, 100), (100, 100, 100, 100), (98, 99, 90, 97), (97, 97, 97, 97))
    strategy = run(SimBroker(settings=desk()), script, {"AAA": frame})
    assert [r.exit_price for r in strategy.broker.account.trades] == [98]
    assert not strategy.broker.pending and not strategy.position.size


def test_children_are_sized_to_a_partly_filled_parent_that_is_cancelled() -> None:
    """10 of 25 fill, the rest is cancelled: the stop protects 10, and closes 10."""
    config = desk(costs={"slippage": {"model": "volume_share", "volume_limit": 0.1, "price_impact": 0.0}})
    orders: list[bt.Order] = []

    def enter(s: Scripted) -> None:
        orders.extend(s.buy_bracket(size=25, exectype=bt.Order.Market, stopprice=95, limitprice=150))

    script = {1: [enter], 2: [lambda s: s.cancel(orders[0])]}
    frame = bars((100, 100, 100, 100), (100, 100, 100, 100), (100, 100, 100, 100), (100, 100, 90, 92), (92, 92, 92, 92),
                 volume=100)  # fmt: skip
    strategy = run(SimBroker(settings=config), script, {"AAA": frame})
    (row,) = strategy.broker.account.trades
    assert (row.size, row.exit_price) == (10, 95)
    assert not strategy.position.size and not strategy.broker.pending


def test_the_first_fill_of_a_stop_cancels_the_rest_of_the_entry() -> None:
    """10 of 25 are bought, the stop sells 4 of them: the entry is cancelled and both exits are left with 6."""
    thin = {"slippage": {"model": "volume_share", "volume_limit": 1.0, "price_impact": 0.0}}
    config = desk(execution="next_close", costs=thin)
    frame = flat(100, 100, 90, 90, 90)
    frame["volume"] = [100, 10, 4, 6, 100]
    orders: list[bt.Order] = []
    left: list[tuple[str, list[float]]] = []

    def enter(s: Scripted) -> None:
        orders.extend(s.buy_bracket(size=25, exectype=bt.Order.Market, stopprice=95, limitprice=150))

    def look(s: Scripted) -> None:
        left.append((orders[0].getstatusname(), [o.executed.remsize for o in orders[1:]]))

    strategy = run(SimBroker(settings=config), {1: [enter], 2: [look], 3: [look]}, {"AAA": frame})
    assert left == [("Partial", [-10, -10]), ("Canceled", [-6, -6])]
    (row,) = strategy.broker.account.trades
    assert (row.size, row.exit_price) == (10, 90) and not strategy.broker.pending


def test_a_partial_exit_leaves_the_stop_on_what_is_left() -> None:
    """10 held; 2 a bar can be sold. The exit sells 2 and 2, then the stop finds 6 left; the target is gone with it."""
    config = desk(costs={"slippage": {"model": "volume_share", "volume_limit": 1.0, "price_impact": 0.0}})
    orders: list[bt.Order] = []

    def enter(s: Scripted) -> None:
        orders.extend(s.buy_bracket(size=10, exectype=bt.Order.Market, stopprice=95, limitprice=150))

    frame = flat(100, 100, 100, 100, 90, 90, 90)
    frame["volume"] = [100, 100, 2, 2, 100, 100, 100]
    frame.iloc[4, :4] = [100, 100, 90, 92]  # the exit was cancelled: the stop fires

    def leave(s: Scripted) -> None:
        orders.append(s.close(oco=orders[1]))

    script = {1: [enter], 2: [leave], 4: [lambda s: s.cancel(orders[3])]}
    strategy = run(SimBroker(settings=config), script, {"AAA": frame})
    (row,) = strategy.broker.account.trades
    sold = [(e[3], e[4]) for e in strategy.log if e[2] in ("Partial", "Completed") and e[3] < 0]
    assert sold == [(-2, 100), (-4, 100), (-6, 95)]
    assert row.size == 10 and not strategy.position.size and not strategy.broker.pending


def test_an_order_does_not_meet_a_bar_older_than_itself() -> None:
    """BBB has no bar on day 3: a limit sent on day 2's close waits for day 4 (stock fills it on day 2's old bar)."""
    aaa = flat(10, 10, 10, 10)
    bbb = bars((10, 12, 8, 10), (10, 12, 8, 10), (10, 10.5, 9.8, 10), (10, 10.5, 9.8, 10))
    bbb = bbb.drop(bbb.index[2])
    config = desk(instruments={s: {"currency": "EUR", "schedule": "none"} for s in ("AAA", "BBB")})
    script = {2: [lambda s: s.buy(data=s.datas[1], size=1, exectype=bt.Order.Limit, price=9)]}
    frames = {"AAA": aaa, "BBB": bbb}
    assert run(bt.brokers.BackBroker(), script, frames).getpositionbyname("one/BBB").size == 1
    assert run(SimBroker(settings=config), script, frames).getpositionbyname("one/BBB").size == 0


def test_margin_refuses_what_equity_cannot_carry_and_lets_reductions_pass() -> None:
    """10,000 at a margin of 50%: 190 shares at 100 take 9,500; 20 more are refused; selling is not."""
    config = desk(account={"capital": 10_000.0, "initial_margin": 0.5})
    script = {
        1: [lambda s: s.buy(size=190)],
        2: [lambda s: s.buy(size=20)],
        3: [lambda s: s.sell(size=100)],
    }
    strategy = run(SimBroker(settings=config), script, {"AAA": flat(100, 100, 60, 60, 60)})
    assert [e[2] for e in strategy.log if e[1] == 2][-1] == "Margin"
    assert strategy.position.size == 90


# --------------------------------------------------------------------------- the gate


def gated(**risk: Any) -> Settings:
    return desk(risk={"throttle": {"enabled": False}, **risk}, account={"capital": 10_000.0, "initial_margin": 0.1})


def test_a_refused_bracket_is_rejected_whole_with_its_reason() -> None:
    """20 shares at 100 with a stop at 90 risk 200 = 2% of 10,000; 30 risk 3%."""
    config = gated(max_trade_risk=0.02, max_trade_notional=None, max_gross_exposure=None, max_net_exposure=None)
    orders: dict[int, list[bt.Order]] = {}

    def enter(size: int) -> Callable[[Any], None]:
        def act(s: Scripted) -> None:
            orders[size] = s.buy_bracket(size=size, exectype=bt.Order.Market, stopprice=90, limitprice=150)

        return act

    strategy = run(SimBroker(settings=config), {1: [enter(30)], 2: [enter(20)]}, {"AAA": flat(100, 100, 100, 100)})
    assert [o.getstatusname() for o in orders[30]] == ["Rejected"] * 3
    assert {o.info.refusal for o in orders[30]} == {Refusal.TRADE_RISK}
    assert "max_trade_risk" in orders[30][0].info.refusal_detail
    assert strategy.position.size == 20


def test_the_kill_switch_cancels_entries_flattens_and_latches() -> None:
    """10 shares of 400 at 10,000: -50% of the stock is a drawdown of 20%. The flatten order fills at the next open."""
    config = gated(
        max_trade_risk=None, max_trade_notional=None, max_daily_loss=None, max_weekly_loss=None,
        kill_switch={"max_drawdown": 0.2, "flatten": True},
    )  # fmt: skip
    script = {
        1: [lambda s: s.buy(size=10)],
        2: [lambda s: s.buy(size=1, exectype=bt.Order.Limit, price=1.0)],
        4: [lambda s: s.buy(size=1)],
    }
    strategy = run(SimBroker(settings=config), script, {"AAA": flat(400, 400, 200, 190, 190, 190)})
    (row,) = strategy.broker.account.trades
    assert (row.exit_reason, row.exit_price, row.size) == ("kill", 190, 10)
    assert strategy.position.size == 0 and not strategy.broker.pending
    status = {e[1]: e[2] for e in strategy.log if e[1] != "trade"}
    assert (status[2], status[4]) == ("Canceled", "Rejected")
    assert [event.kind for event in strategy.broker.gate.events][:1] == ["kill"]


def test_a_kill_flattens_each_bracket_under_its_own_stop() -> None:
    """Two brackets of 5 in one book: each flatten order is in the OCA group of one stop, so both pass the gate."""
    config = gated(
        max_trade_risk=None, max_trade_notional=None, max_daily_loss=None, max_weekly_loss=None,
        kill_switch={"max_drawdown": 0.1, "flatten": True},
    )  # fmt: skip

    def enter(s: Scripted) -> None:
        s.buy_bracket(size=5, exectype=bt.Order.Market, stopprice=1, limitprice=999)

    strategy = run(SimBroker(settings=config), {1: [enter], 2: [enter]}, {"AAA": flat(400, 400, 400, 250, 240, 240)})
    assert strategy.position.size == 0 and not strategy.broker.pending
    (row,) = strategy.broker.account.trades
    assert (row.exit_reason, row.exit_price, row.size) == ("kill", 240, 10)


def test_the_throttle_sees_the_age_of_its_index() -> None:
    """An index that ends early goes stale: after 5 sessions the throttle falls back on realised volatility."""
    index = flat(*[15.0] * 5)
    prices = flat(*np.linspace(100, 101, 30))
    config = Settings.model_validate(
        {
            **desk(risk={"throttle": {"series": "VIX"}}).model_dump(),
            "instruments": {s: {"currency": "EUR", "schedule": "none"} for s in ("AAA", "VIX")},
        }
    )
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.setbroker(SimBroker(settings=config))
    for symbol, frame, unit in (("AAA", prices, "one"), ("VIX", index, "reference")):
        data = ColumnarData(dataname=frame)
        data.unit, data.symbol, data.instrument = unit, symbol, config.instruments[symbol]
        cerebro.adddata(data, name=f"{unit}/{symbol}")
    cerebro.addstrategy(Scripted)
    cerebro.run()
    sources = [event.detail for event in cerebro.broker.gate.events if event.kind == "throttle_source"]
    assert len(sources) >= 2 and "realised" in sources[-1]


def test_the_legs_of_a_batch_pass_or_fall_together() -> None:
    """A limit of 30% of 10,000 on the pair as one trade: 10 + 30 shares at 100 are 4,000, 10 + 10 are 2,000."""
    config = Settings.model_validate(
        {
            **gated(max_trade_risk=None, max_trade_notional=0.3, max_gross_exposure=None).model_dump(),
            "instruments": {s: {"currency": "EUR", "schedule": "none"} for s in ("AAA", "BBB")},
        }
    )

    def pair(trade: str, *sizes: int) -> Callable[[Any], None]:
        def act(s: Scripted) -> None:
            for data, size in zip(s.datas, sizes, strict=False):
                send = s.buy if size > 0 else s.sell
                send(data=data, size=abs(size), role=Role.ENTRY, batch=trade, batch_size=2, trade=trade)

        return act

    script = {1: [pair("big", 10, -30)], 2: [pair("small", 10, -10)], 3: [pair("half", 1)]}
    frames = {"AAA": flat(100, 100, 100, 100, 100), "BBB": flat(100, 100, 100, 100, 100)}
    strategy = run(SimBroker(settings=config), script, frames)
    status = {e[1]: e[2] for e in strategy.log if e[1] != "trade"}
    assert [status[ref] for ref in sorted(status)] == ["Rejected", "Rejected", "Completed", "Completed", "Rejected"]
    assert {r.trade_id for r in strategy.broker.account.open_trades()} == {"small"}


# --------------------------------------------------------------------------- the identity


@given(
    programmes(),
    st.sampled_from(["borrow", "sweep"]),
    st.sampled_from(["next_open", "next_close"]),
    st.sampled_from(["none", "bps", "half_spread", "volume_share"]),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=120)
def test_trades_interest_and_currency_add_up_to_the_change_in_equity(
    tmp_path_factory: Any, case: Any, policy: str, execution: str, slippage: str, seed: int
) -> None:
    frame, programme, _ = case
    rng = np.random.default_rng(seed)
    folder = tmp_path_factory.mktemp("rates")
    rates = 0.9 * np.exp(np.cumsum(rng.normal(0, 0.02, len(frame))))
    days = [str(stamp.date()) for stamp in frame.index]
    file = folder / "usd.csv"
    file.write_text("date,rate\n" + "\n".join(f"{d},{r:.6f}" for d, r in zip(days, rates, strict=True)))
    config = desk(
        execution=execution,
        account={"capital": 100_000.0, "initial_margin": 0.5},
        instruments={"AAA": {"currency": "USD", "schedule": "ibkr_us_tiered", "borrow_rate": 0.05}},
        costs={
            "slippage": {"model": slippage, "bps": 5.0, "volume_limit": 0.1},
            "fx": {"policy": policy, "files": {"USD": str(file)}, "rates": {}},
            "interest": {"credit": True},
        },
    )
    strategy = run(SimBroker(settings=config), scripted(programme), {"AAA": frame.assign(volume=300.0)})
    account = strategy.broker.account
    explained = close_of(strategy) + account.interest_eur + account.cash_fx_eur
    assert math.isclose(account.equity_eur - 100_000.0, explained, abs_tol=0.005)
    for row in account.trades:
        costs = row.commission_eur + row.borrow_eur + row.slippage_eur
        assert row.net_eur == pytest.approx(row.gross_eur - costs + row.fx_eur, abs=1e-9)
        assert row.mae_eur <= min(0.0, row.gross_eur) + 1e-9 and row.mfe_eur >= max(0.0, row.gross_eur) - 1e-9
