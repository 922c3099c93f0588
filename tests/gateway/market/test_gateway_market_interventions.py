"""What faults do to the market: forced fills, corrections, busts, refusals, lost orders, splits."""

from __future__ import annotations

import datetime as dt

import pytest

from gateway.market import MarketError
from gateway.model import Instrument


def equity(world):
    return world.market.accounts["DU1"].equity(world.clock.now())


def filled(world, price=100.0):
    order = world.place(1)
    world.bar(price, price, price, price)
    return order


def test_a_part_is_executed_then_the_order_is_refused(world):
    order = world.place(1, "BUY", "LMT", lmtPrice=90.0)
    execution = world.market.execute(order, 30, 89.0)
    world.market.refuse(order, 201, "Order rejected - reason:nobody knows", {"1": "2"})
    assert (execution.shares, execution.price, execution.cum_qty) == (30, 89.0, 30)
    assert world.statuses(1) == ["Submitted", "Submitted", "Inactive", "Inactive"]
    assert world.codes() == [201] and world.rejects == [{"1": "2"}]
    assert (order.status, order.filled) == ("Inactive", 30)


def test_a_fill_after_the_cancel(world):
    order = world.place(1, "BUY", "LMT", lmtPrice=90.0)
    world.market.cancel(order)
    world.market.execute(order, 40)
    assert (order.status, order.filled, order.avg_fill_price) == ("Cancelled", 40, 90.0)
    world.market.execute(order)
    assert (order.status, order.filled) == ("Filled", 100)
    assert world.market.accounts["DU1"].held(1) == 100
    assert world.market.open_orders() == []


def test_what_cannot_be_executed(world):
    order = world.place(1)
    with pytest.raises(MarketError, match="no price yet"):
        world.market.execute(order)
    world.market.execute(order, price=10.0)
    with pytest.raises(MarketError, match="of 0 shares"):
        world.market.execute(order, 1, 10.0)


def test_a_held_order_is_acknowledged_and_never_matched(world):
    order = world.place(1)
    world.market.hold(order)
    world.bar(100, 101, 99, 100)
    world.quote(100, 100.1)
    assert order.status == "Submitted" and world.fills() == []
    world.market.release(order)
    world.quote(100, 100.2)
    assert world.fills() == [(100, 100.2)]
    with pytest.raises(MarketError, match="does not work: Filled"):
        world.market.hold(order)


def test_an_order_that_ends_silently(world):
    order = world.place(1)
    world.log.clear()
    world.market.end_silently(order)
    world.bar(100, 101, 99, 100)
    assert world.log == []
    assert world.market.open_orders() == [] and world.market.completed_orders() == []
    assert world.market.find(1, 1) is None


def test_a_correction_of_the_price(world):
    order = filled(world)
    first = world.market.executions[0]
    before = equity(world)
    world.log.clear()
    corrected = world.market.correct(first, price=99.0)
    assert corrected.exec_id == first.exec_id[:-2] + "02"
    assert world.log == [
        ("fill", 1, 100, 99.0),
        ("status", 1, "Filled", 100),
        ("fee", 1, 1.0072, None),
    ]
    assert (order.avg_fill_price, order.executions, world.market.executions) == (99.0, [corrected], [corrected])
    assert equity(world) - before == pytest.approx(100 * 1.0 * 0.9)
    again = world.market.correct(first, price=98.0)  # by the old version, the next one comes
    assert again.exec_id.endswith(".03")
    assert world.market.accounts["DU1"].position(world.a).average_cost == pytest.approx(98.010072)


def test_a_correction_of_the_size(world):
    order = filled(world)
    world.market.correct(world.market.executions[0], shares=60)
    assert (order.filled, order.remaining, world.market.accounts["DU1"].held(1)) == (60, 40, 60)


def test_a_bust_takes_everything_back(world):
    order = filled(world)
    before = world.market.accounts["DU1"].cash.balances.get("USD")
    busted = world.market.bust(world.market.executions[0])
    assert busted.shares == 0 and busted.exec_id.endswith(".02")
    state = world.market.accounts["DU1"]
    assert before < 0 and state.cash.balances["USD"] == pytest.approx(0.0) and state.held(1) == 0
    assert equity(world) == pytest.approx(1_000_000.0)
    assert (order.filled, order.executions, world.market.executions) == (0, [], [])
    assert [entry[0] for entry in world.log[-2:]] == ["fill", "status"]


def test_a_bust_in_the_middle_of_the_day_books_the_later_fills_anew(world):
    world.place(1)
    world.bar(100, 100, 100, 100)
    world.place(2)
    world.bar(110, 110, 110, 110)
    world.place(3, "SELL", quantity=50)
    world.bar(120, 120, 120, 120)
    world.market.bust(world.market.executions[0])  # the sale was of shares that cost 110 then
    position = world.market.accounts["DU1"].position(world.a)
    fee_in, fee_out = 1.0072, 1.0 + 50 * 0.000072 + 50 * 0.000166 + 6000 * 0.0000278
    assert position.quantity == 50
    assert position.realized == pytest.approx(50 * 10 - fee_in / 2 - fee_out)
    assert position.average_cost == pytest.approx(110 + fee_in / 100)
    assert equity(world) == pytest.approx(1_000_000 + 0.9 * (100 * 10 - fee_in - fee_out))


def test_corrections_beyond_today_and_beyond_the_order(world):
    filled(world)
    execution = world.market.executions[0]
    with pytest.raises(MarketError, match="cannot become 101 shares"):
        world.market.correct(execution, shares=101)
    assert world.market.life.executions and world.market.execution(execution.exec_id) is execution
    world.go(dt.timedelta(days=1))
    with pytest.raises(MarketError, match="not of today"):
        world.market.bust(execution)


def test_a_split_overnight(world):
    filled(world)
    order = world.place(2, "SELL", "LMT", lmtPrice=110.0, tif="GTC")
    other = world.place(3, "SELL", "LMT", lmtPrice=110.0, tif="GTC", instrument=world.b)
    before = equity(world)
    world.market.split(world.a, 2.0)
    position = world.market.accounts["DU1"].position(world.a)
    assert (position.quantity, position.average_cost) == (200, pytest.approx(100.010072 / 2))
    assert world.market.last_price(world.a) == 50.0 and equity(world) == pytest.approx(before)
    assert order.status == "Cancelled" and other.is_working


def test_a_correction_of_a_currency_pair(make_world):
    world = make_world(instrument=Instrument(9, "EUR", sec_type="CASH", min_tick=0.00005))
    world.place(1, "SELL", quantity=20_000)
    world.bar(1.1, 1.1, 1.1, 1.1)
    state = world.market.accounts["DU1"]
    world.market.correct(world.market.executions[0], price=1.2)
    assert state.cash.balances["USD"] == pytest.approx(24_000)
    # dealt at the settings' 0.90, corrected when the pair had made it 1 / 1.1
    assert state.converted_base == pytest.approx(22_000 * 0.9 - 20_000 - 1.80 + 2_000 / 1.1)
    gained = state.realized_base + state.converted_base + state.cash.cash_fx_eur
    assert state.equity(world.clock.now()) - state.capital == pytest.approx(gained)
    world.market.bust(world.market.executions[0])
    assert state.cash.balances == {"EUR": pytest.approx(1e6 - 1.80), "USD": pytest.approx(0.0)}
    assert equity(world) - 1e6 == pytest.approx(state.converted_base + state.cash.cash_fx_eur)


def test_an_order_is_held_before_it_comes(make_world):
    world = make_world(standing=True)
    world.quote(100, 100.1)
    world.market.hold_id(1, 7)
    order = world.place(7)
    assert order.status == "Submitted" and world.fills() == []
    world.market.release(order)
    world.quote(100, 100.2)
    assert world.fills() == [(100, 100.2)]


def test_a_twin_works_beside_the_order_whose_id_it_has(world):
    first = world.place(1, "BUY", "LMT", lmtPrice=90.0)
    twin = world.market.new_order(1, 1, "", world.a, first.contract, {**first.terms, "lmtPrice": 91.0})
    world.market.place(twin, is_twin=True)
    assert world.codes() == [] and twin.perm_id == first.perm_id + 1
    assert world.market.open_orders() == [first, twin] and world.market.find(1, 1) is twin
    world.bar(90, 90, 90, 90)
    assert (first.status, twin.status) == ("Filled", "Filled")


def test_the_oldest_of_the_day_are_forgotten(make_world):
    world = make_world(keep=3)
    for order_id in range(1, 8):
        world.place(order_id, "BUY" if order_id % 3 else "SELL", quantity=order_id)
        world.bar(order_id, order_id, order_id, order_id)
    market, state = world.market, world.market.accounts["DU1"]
    assert [o.order_id for o in market.completed_orders()] == [5, 6, 7] and market.find(1, 4) is None
    assert [e.shares for e in market.executions] == [5, 6, 7]
    position = state.position(world.a)
    before = (position.quantity, position.cost, position.realized, position.flow)
    market.correct(market.executions[1], price=6.0)  # the same again: the books are made anew from what was settled
    assert (position.quantity, position.cost, position.realized, position.flow) == pytest.approx(before)
    assert position.quantity == 1 + 2 - 3 + 4 + 5 - 6 + 7
