"""Each limit of the gate by hand, the order in which they are asked, and what the sentences say."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math

import pytest

from core.calendar import ExchangeCalendar
from core.orders import AccountView, OrderView, PositionView, Refusal
from core.settings import RiskSettings
from risk import OrderGate, RiskEventKind

NYSE = ExchangeCalendar("XNYS")
MONDAY = dt.datetime(2024, 3, 4, 21, tzinfo=dt.UTC)  # a session close
OFF = {
    "max_trade_risk": None,
    "max_trade_notional": None,
    "max_open_positions": None,
    "max_gross_exposure": None,
    "max_net_exposure": None,
    "max_daily_loss": None,
    "max_weekly_loss": None,
    "throttle": {"enabled": False},
}


def order(ref, signed, symbol="SPX", unit="u", price=100.0, **more):
    sign = 1 if signed > 0 else -1
    return OrderView(ref, f"{unit}/{symbol}", unit, symbol, sign, abs(signed), price, more.pop("rate", 1.0), **more)


def position(size, symbol="SPX", unit="u", price=100.0):
    return PositionView(f"{unit}/{symbol}", unit, symbol, size, price, 1.0)


def account(positions=(), working=(), equity=100_000.0, when=MONDAY):
    return AccountView(when, equity, tuple(positions), tuple(working))


def make_gate(equity=100_000.0, **limits):
    gate = OrderGate(RiskSettings(**{**OFF, **limits}), NYSE, 100_000.0)
    gate.on_bar(MONDAY, equity, {})
    return gate


def refusal(gate, batch, view=None):
    judged = gate.review(batch, view or account())
    return None if judged is None else judged[0]


# ---------------------------------------------------------------- one limit at a time


def test_trade_risk_of_a_bracket_is_its_way_to_the_stop():
    gate = make_gate(max_trade_risk=0.02)  # EUR 2,000
    at_limit = [order(1, 400, stop_price=95.0), order(2, -400, parent=1, price=95.0)]  # 400 x 5
    above = [order(1, 401, stop_price=95.0), order(2, -401, parent=1, price=95.0)]
    assert gate.review(at_limit, account()) is None
    assert gate.review(above, account()) == (
        Refusal.TRADE_RISK,
        "buying 401 SPX would risk EUR 2,005.00 (2.00% of equity), above risk.max_trade_risk = 0.02 (EUR 2,000.00)",
    )


def test_trade_without_a_stop_risks_its_notional():
    gate = make_gate(max_trade_risk=0.02)
    assert refusal(gate, [order(1, 20)]) is None
    assert refusal(gate, [order(1, 21)]) is Refusal.TRADE_RISK


def test_trade_risk_cannot_be_bypassed_by_splitting_the_order():
    gate = make_gate(max_trade_risk=0.02)
    assert refusal(gate, [order(2, 10)], account(working=[order(1, 10)])) is None
    assert refusal(gate, [order(2, 11)], account(working=[order(1, 10)])) is Refusal.TRADE_RISK
    assert refusal(gate, [order(2, 11)], account([position(10)])) is Refusal.TRADE_RISK


def test_trade_notional():
    gate = make_gate(max_trade_notional=0.5)
    assert refusal(gate, [order(1, 500)]) is None
    assert gate.review([order(1, -600)], account()) == (
        Refusal.TRADE_NOTIONAL,
        "selling 600 SPX would make the trade's notional EUR 60,000.00 (60.00% of equity), above"
        " risk.max_trade_notional = 0.5 (EUR 50,000.00)",
    )
    assert refusal(gate, [order(1, 101)], account([position(400)])) is Refusal.TRADE_NOTIONAL
    assert refusal(gate, [order(1, -900)], account([position(400)])) is None  # 400 reduce, 500 open


def test_open_positions_count_books_with_a_position_or_a_working_entry():
    gate = make_gate(max_open_positions=2)
    crowd = account([position(10, unit="a")], [order(1, 10, unit="b"), order(2, -10, unit="b", parent=1)])
    assert refusal(gate, [order(3, 10, unit="c")], crowd) is Refusal.OPEN_POSITIONS
    assert refusal(gate, [order(3, 10, unit="a")], crowd) is None  # adds to a book that is counted
    assert refusal(gate, [order(3, -30, unit="a")], crowd) is None  # so does turning it around
    more = account([position(1, unit=unit) for unit in "abc"])
    assert refusal(gate, [order(3, 10, unit="a")], more) is None  # over the limit, but no book more
    assert "3 open positions" in gate.review([order(3, 10, unit="c")], crowd)[1]


def test_gross_exposure_is_of_the_instruments_net():
    gate = make_gate(max_gross_exposure=1.0)
    view = account([position(900, unit="a"), position(-400, unit="b")])  # EUR 50,000 net
    assert refusal(gate, [order(1, 500, "IXIC")], view) is None
    assert refusal(gate, [order(1, 501, "IXIC")], view) is Refusal.GROSS_EXPOSURE
    assert refusal(gate, [order(1, 500)], view) is None
    assert refusal(gate, [order(1, 100)], account(working=[order(2, 901)])) is Refusal.GROSS_EXPOSURE


def test_net_exposure_in_both_directions():
    gate = make_gate(max_net_exposure=0.5)
    assert refusal(gate, [order(1, 501)]) is Refusal.NET_EXPOSURE
    assert refusal(gate, [order(1, -501)]) is Refusal.NET_EXPOSURE
    view = account([position(400, "A"), position(-300, "B")])
    assert refusal(gate, [order(1, 400, "C")], view) is None
    assert refusal(gate, [order(1, 401, "C")], view) is Refusal.NET_EXPOSURE
    assert refusal(gate, [order(1, -601, "C")], view) is Refusal.NET_EXPOSURE
    assert "net short exposure to EUR 50,100.00" in gate.review([order(1, -601, "C")], view)[1]


def test_exposure_that_prices_pushed_over_the_limit_stops_only_what_makes_it_worse():
    gate = make_gate(max_net_exposure=1.0)
    view = account([position(1_200)])
    assert refusal(gate, [order(1, 1, "IXIC")], view) is Refusal.NET_EXPOSURE
    assert refusal(gate, [order(1, -500, "IXIC")], view) is None
    assert refusal(gate, [order(1, -2_300, "IXIC")], view) is Refusal.NET_EXPOSURE  # short 1,100 in the worst case


def test_excess_over_a_position_is_judged_as_a_new_exposure():
    gate = make_gate(max_trade_notional=0.1)
    assert refusal(gate, [order(1, -700)], account([position(600)])) is None
    assert refusal(gate, [order(1, -701)], account([position(600)])) is Refusal.TRADE_NOTIONAL


def test_worst_price_and_rate_value_an_order():
    gate = make_gate(max_trade_notional=0.5)
    assert refusal(gate, [order(1, 500, price=110.0, rate=0.9)]) is None  # EUR 49,500
    assert refusal(gate, [order(1, 500, price=112.0, rate=0.9)]) is Refusal.TRADE_NOTIONAL


def test_order_at_the_limit_passes_despite_rounding():
    gate = make_gate(max_trade_notional=0.3, max_gross_exposure=0.3)
    assert refusal(gate, [order(1, 3, price=0.1)], account(equity=1.0)) is None  # 3 x 0.1 > 0.3 in binary


def test_pair_is_judged_together():
    gate = make_gate(max_trade_risk=0.02, max_trade_notional=0.5)
    long, short = order(1, 250, "A", stop_price=96.0), order(2, -250, "B", stop_price=104.0)  # EUR 1,000 of risk each
    assert refusal(gate, [long, short]) is None
    wider = dataclasses.replace(short, stop_price=104.1)
    assert refusal(gate, [wider]) is None
    assert refusal(gate, [long, wider]) is Refusal.TRADE_RISK
    larger = dataclasses.replace(short, size=251.0, stop_price=103.9)
    assert refusal(gate, [long, larger]) is Refusal.TRADE_NOTIONAL
    assert gate.review([long, wider], account())[1].startswith("buying 250 A and selling 250 B would risk")


def test_pair_needs_room_for_both_legs():
    gate = make_gate(max_open_positions=2)
    pair = [order(1, 1, "A"), order(2, -1, "B")]
    assert refusal(gate, pair) is None
    assert refusal(gate, pair, account([position(1, "C")])) is Refusal.OPEN_POSITIONS


def test_short_of_what_cannot_be_shorted():
    gate = make_gate()
    assert refusal(gate, [order(1, -1, shortable=False)]) is Refusal.NOT_SHORTABLE
    assert refusal(gate, [order(1, 1, shortable=False)]) is None
    assert refusal(gate, [order(1, -10, shortable=False)], account([position(10)])) is None
    assert refusal(gate, [order(1, -11, shortable=False)], account([position(10)])) is Refusal.NOT_SHORTABLE
    bracket = [order(1, 10, shortable=False), order(2, -10, parent=1, price=90.0, shortable=False)]
    assert refusal(gate, bracket) is None


# ---------------------------------------------------------------- orders that are none, accounts that are unknown


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["size", "worst_price", "stop_price"])
def test_order_with_an_invalid_number(name, value):
    broken = dataclasses.replace(order(1, 10), **{name: value})
    assert refusal(make_gate(), [broken]) is Refusal.INVALID
    assert refusal(make_gate(), [order(2, 10), broken]) is Refusal.INVALID


def test_order_with_an_invalid_sign():
    assert refusal(make_gate(), [dataclasses.replace(order(1, 10), sign=0)]) is Refusal.INVALID


@pytest.mark.parametrize("rate", [0.0, -0.9, math.nan, math.inf])
def test_opening_order_needs_a_rate_and_a_reducing_one_does_not(rate):
    gate = make_gate()
    assert refusal(gate, [order(1, 10, rate=rate)]) is Refusal.INVALID
    assert refusal(gate, [order(1, -10, rate=rate)], account([position(10)])) is None


@pytest.mark.parametrize("equity", [math.nan, math.inf, -math.inf])
def test_unknown_equity_stops_all_but_reductions(equity):
    gate = make_gate()
    assert refusal(gate, [order(1, 1)], account(equity=equity)) is Refusal.ACCOUNT_UNKNOWN
    assert refusal(gate, [order(1, -10)], account([position(10)], equity=equity)) is None
    assert "unknown account state stops new orders" in gate.review([order(1, 1)], account(equity=equity))[1]


def test_unknown_mark_stops_orders_until_the_next_good_one():
    gate = make_gate(kill_switch={"max_drawdown": 0.1})
    for minutes in (1, 2):
        assert gate.on_bar(MONDAY + dt.timedelta(days=1, minutes=minutes), math.nan, {}) is None
    assert refusal(gate, [order(1, 1)]) is Refusal.ACCOUNT_UNKNOWN
    assert not gate.killed
    gate.on_bar(MONDAY + dt.timedelta(days=2), 95_000.0, {})
    assert refusal(gate, [order(1, 1)]) is None
    assert [e.kind for e in gate.events] == [RiskEventKind.ACCOUNT_UNKNOWN, RiskEventKind.ACCOUNT_KNOWN]


def test_unknown_position_or_working_order_stops_new_orders():
    gate = make_gate()
    nan = math.nan
    assert refusal(gate, [order(1, 1)], account([position(nan)])) is Refusal.ACCOUNT_UNKNOWN
    assert refusal(gate, [order(1, 1)], account([position(1, price=nan)])) is Refusal.ACCOUNT_UNKNOWN
    assert refusal(gate, [order(1, 1)], account([position(1, "B", price=nan)])) is Refusal.ACCOUNT_UNKNOWN
    assert refusal(gate, [order(1, 1)], account(working=[order(2, 1, price=nan)])) is Refusal.ACCOUNT_UNKNOWN
    assert refusal(gate, [order(1, -1)], account([position(1, price=nan)])) is None


@pytest.mark.parametrize("equity", [0.0, -5_000.0])
def test_account_without_equity_opens_nothing(equity):
    gate = OrderGate(RiskSettings(), NYSE, 100_000.0)
    assert refusal(gate, [order(1, 1, stop_price=99.0)], account(equity=equity)) is Refusal.TRADE_RISK
    assert refusal(gate, [order(1, -1)], account([position(1)], equity=equity)) is None


# ---------------------------------------------------------------- the whole


def test_gate_that_is_off_judges_nothing():
    gate = OrderGate(RiskSettings(enabled=False), NYSE, 100_000.0)
    assert gate.on_bar(MONDAY, 1.0, {"SPX": 100.0}) is None
    assert refusal(gate, [order(1, 1_000_000)]) is None
    assert gate.scale("SPX") == 1.0
    assert gate.events == []


def test_empty_batch_passes():
    assert make_gate().review([], account()) is None


def test_order_of_the_batch_that_already_works_counts_once():
    gate = make_gate(max_trade_notional=0.5)
    entry = order(1, 500)
    assert refusal(gate, [entry], account(working=[entry])) is None


def test_refusals_come_in_the_documented_order():
    """Everything is breached at once; switching off the first reason brings up the next."""
    settings = {
        **OFF,
        "max_daily_loss": 0.01,
        "max_weekly_loss": 0.02,
        "kill_switch": {"max_drawdown": 0.03},
        "max_trade_risk": 0.01,
        "max_trade_notional": 0.02,
        "max_open_positions": 1,
        "max_gross_exposure": 0.5,
        "max_net_exposure": 0.4,
        "throttle": {"realised_sessions": 2},
        "protections": {"guard_stops": 1, "cooldown_sessions": 5, "lock_loss_eur": 1.0},
    }
    switches = [
        (Refusal.KILLED, {"kill_switch": {"max_drawdown": 0.9}}),
        (Refusal.NOT_SHORTABLE, {}),
        (Refusal.DAILY_LOSS, {"max_daily_loss": None}),
        (Refusal.WEEKLY_LOSS, {"max_weekly_loss": None}),
        (Refusal.STOP_GUARD, {"protections": {"cooldown_sessions": 5, "lock_loss_eur": 1.0}}),
        (Refusal.COOLDOWN, {"protections": {"lock_loss_eur": 1.0}}),
        (Refusal.INSTRUMENT_LOCK, {"protections": {}}),
        (Refusal.VOLATILITY, {"throttle": {"enabled": False}}),
        (Refusal.TRADE_RISK, {"max_trade_risk": None}),
        (Refusal.TRADE_NOTIONAL, {"max_trade_notional": None}),
        (Refusal.OPEN_POSITIONS, {"max_open_positions": None}),
        (Refusal.GROSS_EXPOSURE, {"max_gross_exposure": None}),
        (Refusal.NET_EXPOSURE, {"max_net_exposure": None}),
    ]

    @dataclasses.dataclass
    class Trade:
        trade_id: str = "t"
        instrument: str = "SPX"
        exit_time: dt.datetime = MONDAY
        net_eur: float = -100.0
        exit_reason: str = "stop"

    shortable = False
    for expected, switch in switches:
        gate = OrderGate(RiskSettings(**settings), NYSE, 100_000.0)
        for day, close in ((26, 100.0), (27, 130.0), (28, 90.0)):
            gate.on_bar(dt.datetime(2024, 2, day, 21, tzinfo=dt.UTC), 100_000.0, {"SPX": close})
        gate.on_bar(MONDAY, 95_000.0, {"SPX": 120.0})
        gate.on_trade(Trade())
        short = order(1, -600, shortable=shortable)
        view = account([position(1, "IXIC")], equity=95_000.0)
        assert refusal(gate, [short], view) is expected
        broken = dataclasses.replace(short, rate=math.nan)
        assert refusal(gate, [broken], view) is Refusal.INVALID
        assert refusal(gate, [broken], dataclasses.replace(view, equity_eur=math.nan)) is Refusal.ACCOUNT_UNKNOWN
        shortable = shortable or expected is Refusal.NOT_SHORTABLE
        settings |= switch
    gate = OrderGate(RiskSettings(**settings), NYSE, 100_000.0)
    assert refusal(gate, [order(1, -600)], account([position(1, "IXIC")], equity=95_000.0)) is None
