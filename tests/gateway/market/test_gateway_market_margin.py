"""What the margin check counts: orders that work already, and orders that had no price when they came."""

from __future__ import annotations

import pytest

from gateway.market import Accounts
from gateway.model import Instrument

PAIR = Instrument(9, "EUR", sec_type="CASH", min_tick=0.00005)


@pytest.fixture
def priced(make_world):
    """100,000 EUR, and both stocks at 100 USD (90 EUR): 2,222 shares are all that the initial margin allows."""
    world = make_world(capital=100_000.0)
    world.bar(100, 100, 100, 100)
    world.bar(100, 100, 100, 100, instrument=world.b)
    return world


def test_of_eight_orders_of_nearly_all_only_the_first_is_taken(priced):
    orders = [priced.place(number, quantity=2_100) for number in range(1, 9)]
    assert [order.status for order in orders] == ["Submitted"] + ["Inactive"] * 7
    assert priced.codes() == [201] * 7
    # 4,200 shares at 100 USD, half of it, at 0.90
    assert "must exceed the new total Initial Margin of  [189000.00 EUR]" in priced.texts[0]
    priced.bar(100, 100, 100, 100)
    assert priced.fills() == [(2_100, 100.0)]


def test_working_orders_of_other_instruments_count(priced):
    priced.place(1, quantity=2_100)
    priced.place(2, quantity=200, instrument=priced.b)
    priced.place(3, quantity=100, instrument=priced.b)
    assert priced.codes(2) == [201] and priced.codes(3) == []


def test_of_both_sides_of_an_instrument_the_larger_counts(priced):
    priced.place(1, "BUY", "LMT", 2_100, lmtPrice=99.0)
    priced.place(2, "SELL", "LMT", 2_100, lmtPrice=101.0)
    assert priced.codes() == []
    priced.place(3, "SELL", "LMT", 200, lmtPrice=101.0)
    assert priced.codes() == [201]


def test_what_ended_counts_no_more_and_what_has_filled_only_once(priced):
    first = priced.place(1, "BUY", "LMT", 2_100, lmtPrice=99.0)
    priced.market.cancel(first)
    priced.place(2, "BUY", "LMT", 2_100, lmtPrice=100.0)
    priced.quote(99.9, 100.0, ask_size=1_000)
    priced.place(3, "BUY", "LMT", 100, lmtPrice=100.0)
    assert priced.codes() == [202]


def test_an_order_that_grows_is_counted_instead_of_itself(priced):
    order = priced.place(1, "BUY", "LMT", 1_200, lmtPrice=100.0)
    priced.modify(order, totalQuantity=2_200)
    assert priced.codes() == [] and order.quantity == 2_200
    priced.modify(order, totalQuantity=2_300)
    assert priced.codes() == [201] and order.quantity == 2_200


def test_of_an_oca_group_the_largest_counts(priced):
    for number in (1, 2, 3):
        priced.place(number, "BUY", "LMT", 2_100, lmtPrice=99.0, ocaGroup="g")
    assert priced.codes() == []
    priced.place(4, "BUY", "LMT", 200, lmtPrice=99.0)
    assert priced.codes() == [201]


def test_exits_and_sales_of_what_is_held_need_no_margin(priced):
    priced.place(1, quantity=2_100, transmit=False)
    priced.place(2, "SELL", "LMT", 2_100, lmtPrice=110.0, parentId=1, transmit=False)
    priced.place(3, "SELL", "STP", 2_100, auxPrice=90.0, parentId=1)
    priced.bar(100, 100, 100, 100)
    priced.bar(80, 80, 80, 80)
    assert priced.codes() == [202] and priced.fills() == [(2_100, 100.0), (2_100, 80.0)]


@pytest.mark.parametrize("terms", [{}, {"kind": "TRAIL", "auxPrice": 1.0}, {"kind": "MOC"}])
def test_an_order_that_came_before_any_price_is_checked_at_the_first(make_world, terms):
    world = make_world(capital=100_000.0)
    large = world.place(1, quantity=1_000_000, **terms)
    small = world.place(2, quantity=2_000, **terms)
    more = world.place(3, quantity=2_000, **terms)
    assert [order.status for order in (large, small, more)].count("Inactive") == 0
    world.bar(100, 101, 99, 100)
    assert (large.status, more.status) == ("Inactive", "Inactive")
    assert small.status != "Inactive" and world.codes() == [201, 201]
    assert [shares for shares, _ in world.fills() if shares != 2_000] == []


def test_the_first_price_may_be_one_side_of_a_quote(make_world):
    world = make_world(capital=100_000.0)
    order = world.place(1, quantity=1_000_000)
    world.quote(float("nan"), 100.0)
    assert order.status == "Inactive" and world.fills() == []


def test_a_bracket_that_is_rejected_at_the_first_price_goes_as_a_whole(make_world):
    world = make_world(capital=100_000.0)
    world.place(1, quantity=1_000_000, transmit=False)
    child = world.place(2, "SELL", "STP", 1_000_000, auxPrice=90.0, parentId=1)
    world.bar(100, 100, 100, 100)
    assert child.status == "Cancelled" and world.market.open_orders() == []


def test_a_preview_of_a_working_order_leaves_it_alone(priced):
    market = priced.market
    order = priced.place(1, "BUY", "LMT", 2_000, lmtPrice=99.0)
    story = len(priced.log)
    for quantity, code in ((2_200, None), (3_000, 201)):
        wanted = {**order.terms, "totalQuantity": quantity, "whatIf": True}
        preview = market.new_order(1, 1, "DU1", order.instrument, order.contract, wanted)
        state, notice = market.what_if(preview, order)
        assert (notice.code if notice else None) == code
        assert state["initMarginChange"] == f"{quantity * 99 * 0.5 * 0.9:.2f}"
    assert order.quantity == 2_000 and "whatIf" not in order.terms and len(priced.log) == story


def test_a_preview_counts_what_works(priced):
    priced.place(1, quantity=2_100)
    order = priced.market.new_order(
        1, 2, "DU1", priced.a, {}, {"action": "BUY", "totalQuantity": 200, "orderType": "MKT", "tif": "DAY"}
    )
    _, notice = priced.market.what_if(order)
    assert notice is not None and notice.code == 201


def test_a_preview_of_a_currency_pair_has_its_commission(make_world):
    world = make_world(instrument=PAIR, capital=1e6)
    world.quote(1.2499, 1.2501)
    wanted = {"action": "SELL", "totalQuantity": 1_000_000, "orderType": "MKT", "tif": "DAY"}
    state, notice = world.market.what_if(world.market.new_order(1, 1, "DU1", PAIR, {}, wanted))
    # 0.2 basis points of 1,250,000 USD are 25 USD, at 0.80
    assert notice is None and state["commissionCurrency"] == "EUR"
    assert state["commission"] == pytest.approx(20.0)
    assert state["equityWithLoanChange"] == "-20.00"


# ---------------------------------------------------------------------- exchange rates


def test_the_rate_of_a_currency_follows_its_pair(make_world):
    world = make_world(instrument=PAIR, capital=1e6)
    state, now = world.market.accounts["DU1"], world.clock.now
    assert state.cash.fx.rate("USD", now()) == 0.90  # of the settings, until there is a price
    world.quote(1.2499, 1.2501)
    assert state.cash.fx.rate("USD", now()) == pytest.approx(0.80)
    world.place(1, "SELL", quantity=500_000)
    world.quote(1.2499, 1.2501)
    # what is sold at the bid loses half the spread and the commission, and nothing else
    assert state.equity(now()) == pytest.approx(1e6 - 500_000 * (1 - 1.2499 / 1.25) - 10.0)
    world.quote(0.9999, 1.0001)
    assert state.equity(now()) == pytest.approx(500_000 + 500_000 * 1.2499 - 10.0)


def test_the_books_add_up_while_the_pair_moves(make_world):
    world = make_world(instrument=PAIR, capital=1e6)
    state = world.market.accounts["DU1"]
    world.quote(1.0999, 1.1001)
    world.place(1, quantity=1_000, instrument=world.b)
    world.bar(100, 101, 99, 101, instrument=world.b)
    world.quote(1.0499, 1.0501)
    world.place(2, "BUY", quantity=20_000)
    world.quote(1.0599, 1.0601)
    world.place(3, "SELL", quantity=600, instrument=world.b)
    world.bar(102, 103, 101, 102, instrument=world.b)
    world.quote(1.1999, 1.2001)
    world.market.correct(world.market.executions[0], price=99.0)
    world.quote(1.2499, 1.2501)
    now = world.clock.now()
    state.cash.revalue(now, state.principal)
    parts = state.realized_base + state.unrealized(now) + state.cash.cash_fx_eur + state.converted_base
    assert state.equity(now) - state.capital == pytest.approx(parts, abs=1e-6)
    assert state.held(2) == 400 and state.held(9) == 20_000


def test_a_pair_may_have_the_base_second(make_world):
    pair = Instrument(9, "USD", sec_type="CASH", currency="EUR", min_tick=0.00005)
    world = make_world(instrument=pair)
    world.quote(0.7999, 0.8001)
    assert world.market.accounts.rates.rate("USD", world.clock.now()) == pytest.approx(0.80)


@pytest.mark.parametrize(
    "instrument, currency",
    [
        (Instrument(1, "VOD", currency="GBP", schedule="none"), "GBP"),
        (Instrument(1, "GBP", sec_type="CASH", min_tick=0.00005), "GBP"),
        (Instrument(1, "EUR", sec_type="CASH", currency="CHF", min_tick=0.00005), "CHF"),
    ],
)
def test_a_currency_without_a_rate_is_refused(make_world, instrument, currency):
    world = make_world(instrument=instrument)
    order = world.place(1)
    assert order.status == "Inactive" and world.codes() == [201]
    assert f"no exchange rate of {currency} to your base currency EUR" in world.texts[0]
    assert world.market.open_orders() == [] and world.market.find(1, 1) is None
    assert not world.market.life.working and not world.market.accounts["DU1"].positions
    state, notice = world.market.what_if(world.market.new_order(1, 2, "DU1", instrument, {}, order.terms))
    assert state == {} and notice is not None and notice.code == 201


def test_a_pair_that_has_a_price_needs_no_rate_of_the_settings(make_world):
    world = make_world(instrument=Instrument(1, "EUR", sec_type="CASH", currency="CHF", min_tick=0.00005))
    world.quote(0.9599, 0.9601)
    world.place(1, "SELL", quantity=50_000)
    world.quote(0.9599, 0.9601)
    assert world.market.accounts["DU1"].cash.balances["CHF"] == pytest.approx(50_000 * 0.9599)


def test_accounts_without_pairs_keep_their_rates(make_world):
    world = make_world(accounts=Accounts({"DU1": 1e6}))
    world.bar(100, 100, 100, 100)
    assert world.market.accounts.rates.rate("USD", world.clock.now()) == 0.90
    assert world.market.accounts.rates.constant("USD") == 0.90
