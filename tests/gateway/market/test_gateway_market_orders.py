"""Orders: what is refused and in which words, modifications, cancels, ids, statuses."""

from __future__ import annotations

import datetime as dt

import pytest

from gateway.market import Accounts, not_found
from gateway.model import Instrument

MARGIN = (
    "Order rejected - reason:We are unable to accept your order. Your Available Funds are in sufficient to cover the "
    "change in the account's margin requirements if this order executes. In order to obtain the desired position your "
    "Equity with Loan Value [10000.00 EUR] must exceed the new total Initial Margin of  [13500.00 EUR]."
)
OFF_TICK = "The price does not conform to the minimum price variation for this contract."

REFUSED = {
    "half a cent": ({"kind": "LMT", "lmtPrice": 10.005}, 110, OFF_TICK),
    "a stop of half a cent": ({"kind": "STP", "auxPrice": 10.005}, 110, OFF_TICK),
    "a negative limit": ({"kind": "LMT", "lmtPrice": -1.0}, 110, OFF_TICK),
    "no limit": ({"kind": "LMT"}, 321, "Error validating request.-'bH' : cause - Please enter a valid limit price"),
    "an unset limit": ({"kind": "LMT", "lmtPrice": 1.7976931348623157e308}, 321, None),
    "an empty limit": ({"kind": "LOC", "lmtPrice": ""}, 321, None),
    "no stop": ({"kind": "STP"}, 321, None),
    "no trailing amount": ({"kind": "TRAIL", "auxPrice": 0.0}, 321, None),
    "a trailing percent of 100": ({"kind": "TRAIL", "trailingPercent": 100.0}, 321, None),
    "a trailing limit without offset": ({"kind": "TRAIL LIMIT", "auxPrice": 1.0}, 321, None),
    "a type that there is not": ({"kind": "REL"}, 387, "Unsupported order type for this exchange and security type."),
    "a side that there is not": ({"action": "HOLD"}, 321, None),
    "no size": ({"quantity": 0}, 434, "The order size cannot be zero."),
    "a negative size": ({"quantity": -5}, 434, None),
    "half a share": ({"quantity": 1.5}, 10243, None),
    "a time in force that there is not": ({"tif": "FOREVER"}, 10052, "Invalid time in force:FOREVER."),
    "an account that there is not": ({"account": "DU9"}, 321, None),
}


@pytest.mark.parametrize("case", REFUSED)
def test_tws_refuses(world, case):
    terms, code, text = REFUSED[case]
    order = world.place(1, **terms)
    assert world.codes() == [code] and text in (None, world.texts[0])
    assert world.market.open_orders() == [] and world.market.orders == {}
    assert not order.is_working
    world.log.clear()
    world.place(1)  # the id is free again
    assert world.statuses(1) == ["Submitted"]


def test_market_rules_hold_by_price(make_world):
    rules = {26: [(0.0, 0.0001), (1.0, 0.01)], 99: [(0.0, 0.05)]}
    world = make_world(rules=rules, instrument=Instrument(1, "AAA", min_tick=0.0001))
    world.place(1, "BUY", "LMT", lmtPrice=0.4567)
    world.place(2, "BUY", "LMT", lmtPrice=1.4567)
    world.place(3, "BUY", "LMT", lmtPrice=1.45)
    assert world.codes(1) == [] and world.codes(2) == [110] and world.codes(3) == []


def test_a_rejection_for_want_of_margin(make_world):
    world = make_world(capital=10_000.0)
    order = world.place(1, "BUY", "LMT", 300, lmtPrice=100.0)  # 300 x 100 x 0.90 x 50%
    assert world.log == [("status", 1, "Inactive", 0), ("told", 1, 201), ("status", 1, "Inactive", 0)]
    assert world.texts == [MARGIN] and order in world.market.completed_orders()
    world.place(2, "BUY", "LMT", 222, lmtPrice=100.0)
    assert world.statuses(2) == ["Submitted"]


def test_margin_counts_what_is_held_and_never_stops_a_reduction(make_world):
    world = make_world(capital=10_000.0)
    world.place(1, "SELL", quantity=200)
    world.bar(100, 100, 100, 100)
    world.bar(200, 200, 200, 200)  # equity is gone
    world.place(2, "SELL", quantity=1)
    world.place(3, "BUY", quantity=200)
    world.place(4, "BUY", quantity=401)
    assert [world.statuses(i)[0] for i in (2, 3, 4)] == ["Inactive", "Submitted", "Inactive"]


def test_the_limit_of_working_orders(make_world):
    world = make_world(order_limit=3)
    for order_id in range(1, 5):
        world.place(order_id, "BUY", "LMT", 1, lmtPrice=90.0)
    assert world.statuses(4) == ["Inactive", "Inactive"]
    assert "minimum of 3 orders working on either the buy or sell side" in world.texts[0]
    world.place(5, "SELL", "LMT", 1, lmtPrice=110.0)
    assert world.statuses(5) == ["Submitted"]
    world.market.cancel(world.market.find(1, 1))
    world.place(6, "BUY", "LMT", 1, lmtPrice=90.0)
    assert world.statuses(6) == ["Submitted"]


def test_an_id_twice(world):
    world.place(1)
    world.place(1)
    assert world.codes() == [103] and world.texts == ["Duplicate order id"]
    world.place(1, client=2)
    assert world.codes() == [103]


def test_no_account_among_several(make_world):
    world = make_world(accounts=Accounts({"DU1": 1e6, "DU2": 1e6}))
    world.place(1)
    assert world.codes() == [435]
    world.place(1, account="DU2")
    world.bar(100, 100, 100, 100)
    assert world.market.accounts["DU2"].held(1) == 100 and world.market.accounts["DU1"].held(1) == 0


def test_no_time_in_force_becomes_day(world):
    order = world.place(1, "BUY", "LMT", lmtPrice=90.0, tif="")
    assert world.log[0] == ("told", 1, 10349) and order.status == "Submitted" and order.terms["tif"] == "DAY"
    assert world.texts == ["Order TIF was set to DAY based on order preset."]


def test_perm_ids_and_execution_ids_count(make_world):
    world = make_world(prefix="0000abcd", first_perm_id=77)
    world.place(1)
    world.place(2)
    world.bar(100, 100, 100, 100)
    assert [o.perm_id for o in world.market.orders.values()] == [77, 78]
    assert [e.exec_id for e in world.market.executions] == ["0000abcd.00000001.01.01", "0000abcd.00000002.01.01"]


# ---------------------------------------------------------------------- locate


def test_a_short_sale_without_shares_is_held(make_world):
    world = make_world(instrument=Instrument(1, "AAA", shortable=150))
    world.place(1, "SELL")
    held = world.place(2, "SELL")
    world.bar(100, 100, 100, 100)
    assert (held.status, held.why_held) == ("PreSubmitted", "locate")
    assert world.codes() == [404] and world.fills() == [(100, 100.0)]


def test_located_shares_set_it_free(make_world):
    world = make_world(instrument=Instrument(1, "AAA", shortable=0))
    order = world.place(1, "SELL")
    assert world.codes() == [404] and world.texts == ["Order held while securities are located."]
    assert (order.status, order.why_held) == ("PreSubmitted", "locate")
    world.bar(100, 100, 100, 100)
    assert world.fills() == []
    world.market.set_shortable(world.a, 99)
    assert order.why_held == "locate"
    world.market.set_shortable(world.a, 100)
    assert order.status == "Submitted"
    world.bar(101, 101, 101, 101)
    assert world.fills() == [(100, 101.0)]


def test_a_sale_of_what_is_held_needs_no_locate(make_world):
    world = make_world(instrument=Instrument(1, "AAA", shortable=0))
    world.place(1)
    world.bar(100, 100, 100, 100)
    world.place(2, "SELL")
    world.place(3, "SELL", quantity=101)
    assert world.codes(2) == [] and world.codes(3) == [404]


def test_an_oca_pair_of_exits_counts_once(make_world):
    world = make_world(instrument=Instrument(1, "AAA", shortable=0))
    world.place(1)
    world.bar(100, 100, 100, 100)
    world.place(2, "SELL", "LMT", lmtPrice=110.0, ocaGroup="g")
    world.place(3, "SELL", "STP", auxPrice=90.0, ocaGroup="g")
    world.place(4, "SELL", "LMT", lmtPrice=120.0)
    assert world.codes() == [404] and world.codes(4) == [404]


def test_a_held_sale_can_be_made_smaller(make_world):
    world = make_world(instrument=Instrument(1, "AAA", shortable=50))
    order = world.place(1, "SELL")
    world.modify(order, totalQuantity=50)
    assert order.status == "Submitted"


# ---------------------------------------------------------------------- modifications


def test_price_size_and_type_can_change(world):
    order = world.place(1, "BUY", "LMT", lmtPrice=90.0)
    world.modify(order, lmtPrice=99.0, totalQuantity=70)
    assert world.statuses(1) == ["Submitted", "Submitted"]
    world.bar(100, 100, 95, 98)
    assert world.fills() == [(70, 99.0)]
    other = world.place(2, "BUY", "LMT", lmtPrice=90.0)
    world.modify(other, orderType="MKT")
    world.bar(98, 98, 98, 98)
    assert world.fills(2) == [(100, 98.0)]


def test_a_partly_filled_order_can_shrink_to_what_is_filled(world):
    order = world.place(1, "BUY", "LMT", lmtPrice=100.0)
    world.quote(99.9, 100.0, ask_size=40)
    world.modify(order, totalQuantity=39)
    assert world.codes() == [321] and order.is_working and order.quantity == 100
    world.modify(order, totalQuantity=40)
    assert (order.status, order.remaining, order.end_reason) == ("Filled", 0, "Filled Size: 40")
    assert world.market.open_orders() == []


def test_what_cannot_be_modified(world):
    filled = world.place(1)
    gone = world.place(2, "BUY", "LMT", lmtPrice=90.0)
    live = world.place(3, "BUY", "LMT", lmtPrice=90.0)
    world.bar(100, 100, 100, 100)
    world.market.cancel(gone)
    world.log.clear()
    world.modify(filled, totalQuantity=200)
    world.modify(gone, lmtPrice=91.0)
    world.modify(live, lmtPrice=90.001)
    world.modify(live, action="SELL")
    world.market.modify(live, {"conId": 2}, dict(live.terms))
    assert world.log == [("told", 1, 104), ("told", 2, 201), ("told", 3, 110), ("told", 3, 105), ("told", 3, 105)]
    assert "Cannot modify a filled order." in world.texts
    assert live.status == "Submitted" and live.terms["lmtPrice"] == 90.0


def test_a_modification_beyond_the_margin_leaves_the_order(make_world):
    world = make_world(capital=10_000.0)
    order = world.place(1, "BUY", "LMT", 100, lmtPrice=100.0)
    world.modify(order, totalQuantity=1000)
    assert world.codes() == [201] and order.status == "Submitted" and order.quantity == 100


def test_a_triggered_stop_keeps_its_stop_price(world):
    order = world.place(1, "BUY", "STP LMT", auxPrice=100.0, lmtPrice=99.0)
    world.bar(100, 101, 99.5, 100)
    world.modify(order, auxPrice=105.0)
    assert world.codes() == [201]
    assert world.texts == ["Order rejected - reason:Stop price revision is disallowed after order has triggered"]
    world.modify(order, lmtPrice=100.0)
    world.bar(99.9, 100, 99.9, 100)
    assert world.fills() == [(100, 99.9)]


def test_a_modified_order_owes_its_minimum_again(world):
    order = world.place(1, "BUY", "LMT", lmtPrice=100.0)
    world.quote(99.9, 100.0, ask_size=10)
    world.modify(order, lmtPrice=100.01)
    world.quote(99.9, 100.0)
    fees = [entry[2] for entry in world.log if entry[0] == "fee"]
    assert fees == [pytest.approx(1.0 + 10 * 0.000072), pytest.approx(1.0 + 90 * 0.000072)]


def test_a_modified_order_goes_to_the_end_of_the_queue(world):
    first = world.place(1, "BUY", "LMT", lmtPrice=100.0)
    world.place(2, "BUY", "LMT", lmtPrice=100.0)
    world.modify(first, totalQuantity=50)
    world.quote(99.9, 100.0, ask_size=100)
    assert world.fills(1) == [] and world.fills(2) == [(100, 100.0)]


# ---------------------------------------------------------------------- cancels


def test_cancel(world):
    order = world.place(1, "BUY", "LMT", lmtPrice=90.0)
    world.market.cancel(order)
    assert world.log[1:] == [
        ("status", 1, "PendingCancel", 0),
        ("status", 1, "Cancelled", 0),
        ("told", 1, 202),
    ]
    assert world.texts == ["Order Canceled - reason:"]
    assert (order.remaining, order.end_reason) == (100, "Cancelled by Trader")
    world.bar(80, 80, 80, 80)
    assert world.fills() == []


@pytest.mark.parametrize("how, status", [("fill", "Filled"), ("cancel", "Cancelled")])
def test_a_cancel_that_comes_too_late(world, how, status):
    order = world.place(1)
    if how == "fill":
        world.bar(100, 100, 100, 100)
    else:
        world.market.cancel(order)
    world.texts.clear()
    world.market.cancel(order)
    assert world.codes()[-1] == 10148
    assert world.texts == [f"OrderId 1 that needs to be cancelled cannot be cancelled, state: {status}."]


def test_a_cancel_of_nothing():
    assert (not_found(5).code, not_found(5).text) == (10147, "OrderId 5 that needs to be cancelled is not found.")


def test_a_cancel_takes_its_time_and_a_fill_may_come_first(make_world):
    world = make_world(cancel_seconds=2.0)
    first = world.place(1, "BUY", "LMT", lmtPrice=99.0)
    other = world.place(2, "BUY", "LMT", lmtPrice=95.0)
    world.market.cancel(first)
    world.market.cancel(other)
    assert first.status == "PendingCancel"
    world.market.cancel(first)
    assert world.texts == ["OrderId 1 that needs to be cancelled cannot be cancelled, state: PendingCancel."]
    world.modify(first, lmtPrice=98.0)
    assert world.codes(1) == [10148, 201]
    world.quote(98.9, 99.0, ask_size=40)
    assert (first.status, first.filled) == ("PendingCancel", 40)
    world.quote(98.9, 99.0)
    assert (first.status, other.status) == ("Cancelled", "Cancelled")  # two seconds are over
    assert world.codes(2) == [202]


def test_a_fill_that_comes_before_the_cancel_is_the_end(make_world):
    world = make_world(cancel_seconds=2.0)
    order = world.place(1, "BUY", "LMT", lmtPrice=99.0)
    world.market.cancel(order)
    world.quote(98.9, 99.0)
    world.go(dt.timedelta(seconds=5))
    assert world.statuses(1) == ["Submitted", "PendingCancel", "Filled"] and world.codes() == []


def test_global_cancel(make_world):
    world = make_world(cancel_seconds=1.0)
    orders = [world.place(i, "BUY", "LMT", lmtPrice=90.0, client=i % 2) for i in range(1, 5)]
    world.market.cancel_all(1)
    assert [order.status for order in orders] == ["PendingCancel", "Submitted", "PendingCancel", "Submitted"]
    world.market.cancel_all()
    assert [order.status for order in orders] == ["PendingCancel"] * 4
    assert world.texts == [
        f"Cancel attempted when order is not in a cancellable state.  Order permId ={orders[i].perm_id}" for i in (0, 2)
    ]
    world.go(dt.timedelta(seconds=1))
    assert world.market.open_orders() == []


# ---------------------------------------------------------------------- what-if


def test_what_if(make_world):
    world = make_world(capital=10_000.0)
    order = world.market.new_order(
        1, 5, "", world.a, {}, {"action": "BUY", "totalQuantity": 100, "orderType": "LMT", "lmtPrice": 100.0}
    )
    told, notice = world.market.what_if(order)
    assert notice is None
    fee = 1.0 + 100 * 0.000072
    assert told == {
        "status": "PreSubmitted",
        "commission": pytest.approx(fee),
        "commissionCurrency": "USD",
        "initMarginBefore": "0.00",
        "initMarginChange": "4500.00",
        "initMarginAfter": "4500.00",
        "maintMarginBefore": "0.00",
        "maintMarginChange": "2250.00",
        "maintMarginAfter": "2250.00",
        "equityWithLoanBefore": "10000.00",
        "equityWithLoanChange": f"-{fee * 0.9:.2f}",
        "equityWithLoanAfter": f"{10_000 - fee * 0.9:.2f}",
    }
    assert world.log == [] and world.market.orders == {}


def test_what_if_of_too_much_and_of_nonsense(make_world):
    world = make_world(capital=10_000.0)
    terms = {"action": "BUY", "totalQuantity": 300, "orderType": "LMT", "lmtPrice": 100.0}
    told, notice = world.market.what_if(world.market.new_order(1, 5, "", world.a, {}, terms))
    assert told["initMarginAfter"] == "13500.00" and notice is not None and notice.text == MARGIN
    told, notice = world.market.what_if(world.market.new_order(1, 5, "", world.a, {}, {**terms, "lmtPrice": 1.005}))
    assert told == {} and notice is not None and notice.code == 110
