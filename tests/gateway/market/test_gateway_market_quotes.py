"""Fills against quotes, worked out by hand: bid and ask, sizes, triggers."""

from __future__ import annotations

import datetime as dt

import pytest

from gateway.model import Bar, Quote

QUOTE = (99.98, 100.02)

CASES = {
    "market buy: the ask": ("BUY", "MKT", {}, 100.02),
    "market sell: the bid": ("SELL", "MKT", {}, 99.98),
    "limit buy at the ask": ("BUY", "LMT", {"lmtPrice": 100.02}, 100.02),
    "limit buy above the ask: the ask": ("BUY", "LMT", {"lmtPrice": 101.0}, 100.02),
    "limit buy at the bid: nothing": ("BUY", "LMT", {"lmtPrice": 99.98}, None),
    "limit sell at the bid": ("SELL", "LMT", {"lmtPrice": 99.98}, 99.98),
    "limit sell at the ask: nothing": ("SELL", "LMT", {"lmtPrice": 100.02}, None),
    "stop buy at the ask: the ask": ("BUY", "STP", {"auxPrice": 100.02}, 100.02),
    "stop buy below the ask: the ask": ("BUY", "STP", {"auxPrice": 99.0}, 100.02),
    "stop buy above the ask: nothing": ("BUY", "STP", {"auxPrice": 100.03}, None),
    "stop sell above the bid: the bid": ("SELL", "STP", {"auxPrice": 99.99}, 99.98),
    "stop sell below the bid: nothing": ("SELL", "STP", {"auxPrice": 99.97}, None),
    "stop limit buy, triggered, limit met": ("BUY", "STP LMT", {"auxPrice": 100.0, "lmtPrice": 100.05}, 100.02),
    "stop limit buy, triggered, limit not met": ("BUY", "STP LMT", {"auxPrice": 100.0, "lmtPrice": 100.0}, None),
    "trail sell, bid at its stop": ("SELL", "TRAIL", {"auxPrice": 1.0, "trailStopPrice": 99.98}, 99.98),
    "trail sell, above its stop": ("SELL", "TRAIL", {"auxPrice": 1.0, "trailStopPrice": 99.0}, None),
}


@pytest.mark.parametrize("tif", ["DAY", "GTC", "IOC", "FOK"])
@pytest.mark.parametrize("case", CASES)
def test_fill_of_the_first_quote(world, case, tif):
    action, kind, terms, price = CASES[case]
    order = world.place(1, action, kind, tif=tif, **terms)
    world.quote(*QUOTE)
    assert world.fills() == ([] if price is None else [(100, price)])
    if price is None:
        assert order.is_working == (tif in ("DAY", "GTC"))


def test_size_limits_the_fill_and_the_next_quote_goes_on(world):
    order = world.place(1, "BUY", "LMT", lmtPrice=100.05)
    world.quote(99.98, 100.02, ask_size=30)
    world.quote(99.98, 100.04, ask_size=50.9)
    world.quote(99.98, 100.06, ask_size=500)
    world.quote(99.98, 100.05, ask_size=500)
    assert world.fills() == [(30, 100.02), (50, 100.04), (20, 100.05)]
    assert order.avg_fill_price == pytest.approx((30 * 100.02 + 50 * 100.04 + 20 * 100.05) / 100)
    assert world.statuses(1) == ["Submitted", "Submitted", "Submitted", "Filled"]


def test_size_is_shared_by_price_then_by_time_market_orders_first(world):
    world.place(1, "BUY", "LMT", lmtPrice=100.05)
    world.place(2, "BUY", "LMT", lmtPrice=100.10)
    world.place(3, "BUY")
    world.place(4, "BUY", "LMT", lmtPrice=100.10)
    world.quote(99.98, 100.02, ask_size=350)
    assert [(e[1], e[2]) for e in world.log if e[0] == "fill"] == [(3, 100), (2, 100), (4, 100), (1, 50)]


def test_buys_and_sells_take_their_own_sides(world):
    world.place(1, "BUY")
    world.place(2, "SELL")
    world.quote(99.98, 100.02, bid_size=40, ask_size=60)
    assert world.fills(1) == [(60, 100.02)] and world.fills(2) == [(40, 99.98)]


def test_fok_is_all_or_nothing_and_ioc_what_there_is(world):
    fok = world.place(1, tif="FOK")
    ioc = world.place(2, tif="IOC")
    world.quote(99.98, 100.02, ask_size=99)
    assert (fok.status, fok.filled) == ("Cancelled", 0)
    assert (ioc.status, ioc.filled) == ("Cancelled", 99)


@pytest.mark.parametrize("bid, ask", [(float("nan"), float("nan")), (100.0, float("nan")), (0.0, 0.0)])
def test_no_ask_no_fill(world, bid, ask):
    world.place(1, "BUY")
    world.quote(bid, ask)
    assert world.fills() == []
    assert world.market.last_price(world.a) is None


def test_a_stop_is_triggered_once_and_then_works_as_what_it_became(world):
    order = world.place(1, "BUY", "STP LMT", auxPrice=100.02, lmtPrice=100.0)
    world.quote(99.98, 100.02)
    assert (order.status, order.why_held) == ("Submitted", "")
    world.quote(99.90, 99.95)
    assert world.fills() == [(100, 99.95)]


def test_a_triggered_stop_with_too_little_size_goes_on_at_the_market(world):
    world.place(1, "SELL", "STP", auxPrice=100.0)
    world.quote(99.98, 100.02, bid_size=40)
    world.quote(101.0, 101.1)
    assert world.fills() == [(40, 99.98), (60, 101.0)]


def test_a_trailing_stop_follows_the_bid(world):
    world.place(1, "SELL", "TRAIL", auxPrice=1.0)
    for bid in (100.0, 102.0, 101.5):
        world.quote(bid, bid + 0.1)
    assert world.fills() == []
    world.quote(101.0, 101.1)
    assert world.fills() == [(100, 101.0)]


def test_children_meet_the_next_quote(world):
    world.place(1, "BUY", transmit=False)
    world.place(2, "SELL", "STP", auxPrice=100.0, parentId=1)
    world.quote(99.98, 100.02)
    assert world.fills() == [(100, 100.02)]
    world.quote(99.97, 100.01)
    assert world.fills(2) == [(100, 99.97)]


def test_an_instrument_that_is_quoted_is_not_matched_against_the_bar(world):
    world.place(1, "BUY", "LMT", lmtPrice=99.0)
    start = world.clock.now()
    world.quote(99.98, 100.02, seconds=60)
    world.market.bar(world.a, Bar(start, world.clock.now(), 100, 100, 98, 100))
    assert world.fills() == []
    world.bar(100, 100, 98.5, 100)  # without a quote in it
    assert world.fills() == [(100, 99.0)]


def test_the_mark_is_the_middle_and_survives_a_one_sided_quote(world):
    world.quote(100.0, 100.1)
    world.quote(100.0, float("nan"))
    assert world.market.last_price(world.a) == pytest.approx(100.05)


def test_a_crossed_quote_fills_both_sides(world):
    world.place(1, "BUY", "LMT", lmtPrice=100.0)
    world.place(2, "SELL", "LMT", lmtPrice=100.0)
    world.quote(100.5, 99.5)
    assert world.fills(1) == [(100, 99.5)] and world.fills(2) == [(100, 100.5)]


def test_standing_quotes_fill_at_once_where_that_is_wanted(make_world):
    world = make_world(standing=True)
    world.quote(99.98, 100.02, ask_size=150)
    world.place(1)
    world.place(2, tif="IOC")
    world.place(3, "BUY", "LMT", lmtPrice=99.99)
    assert world.fills(1) == [(100, 100.02)] and world.fills(2) == [(50, 100.02)] and world.fills(3) == []
    assert world.statuses(1) == ["Submitted", "Filled"]


def test_by_default_orders_wait_for_the_next_quote(world):
    world.quote(99.98, 100.02)
    world.place(1)
    assert world.fills() == []
    world.quote(100.0, 100.1)
    assert world.fills() == [(100, 100.1)]


def test_quotes_of_other_hours_fill_only_orders_that_want_them(make_world):
    world = make_world(start=dt.datetime(2024, 3, 8, 13, 0, tzinfo=dt.UTC))  # 08:00 in New York
    world.place(1, "BUY", "LMT", lmtPrice=100.05)
    world.place(2, "BUY", "LMT", lmtPrice=100.05, outsideRth=True)
    world.quote(99.98, 100.02)
    assert world.fills(1) == [] and world.fills(2) == [(100, 100.02)]


def test_the_quote_at_the_close_is_still_of_the_session(make_world):
    world = make_world(start=dt.datetime(2024, 3, 8, 20, 59, 59, tzinfo=dt.UTC))
    world.place(1)
    world.market.quote(world.a, Quote(dt.datetime(2024, 3, 8, 21, tzinfo=dt.UTC), 99.98, 100.02, 100, 100))
    assert world.fills() == [(100, 100.02)]
