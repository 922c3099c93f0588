"""Fills against bars, worked out by hand: what each type of order gets from a bar, and when it gets nothing."""

from __future__ import annotations

import pytest

from gateway.model import Bar

# A bar that opens at 100, rises to 103, falls to 96 and closes at 99, and one that comes after it
BAR, NEXT = (100.0, 103.0, 96.0, 99.0), (97.0, 98.0, 95.0, 96.0)

CASES = {
    "market buy: the open": ("BUY", "MKT", {}, 100.0),
    "market sell: the open": ("SELL", "MKT", {}, 100.0),
    "limit buy above the open: the open, which is better": ("BUY", "LMT", {"lmtPrice": 101.0}, 100.0),
    "limit buy in the range: its limit": ("BUY", "LMT", {"lmtPrice": 97.0}, 97.0),
    "limit buy at the low: its limit": ("BUY", "LMT", {"lmtPrice": 96.0}, 96.0),
    "limit buy below the low: nothing": ("BUY", "LMT", {"lmtPrice": 95.99}, None),
    "limit sell below the open: the open": ("SELL", "LMT", {"lmtPrice": 99.0}, 100.0),
    "limit sell in the range: its limit": ("SELL", "LMT", {"lmtPrice": 102.5}, 102.5),
    "limit sell above the high: nothing": ("SELL", "LMT", {"lmtPrice": 103.01}, None),
    "stop buy in the range: its stop": ("BUY", "STP", {"auxPrice": 102.0}, 102.0),
    "stop buy that the open has passed: the open": ("BUY", "STP", {"auxPrice": 99.0}, 100.0),
    "stop buy above the high: nothing": ("BUY", "STP", {"auxPrice": 103.01}, None),
    "stop sell in the range: its stop": ("SELL", "STP", {"auxPrice": 98.0}, 98.0),
    "stop sell that the open has passed: the open": ("SELL", "STP", {"auxPrice": 101.0}, 100.0),
    "stop sell below the low: nothing": ("SELL", "STP", {"auxPrice": 95.99}, None),
    "stop limit buy, limit beyond: the stop": (
        "BUY",
        "STP LMT",
        {"auxPrice": 102.0, "lmtPrice": 102.5},
        102.0,
    ),
    "stop limit buy, limit within, close proves it": ("BUY", "STP LMT", {"auxPrice": 102.0, "lmtPrice": 99.5}, 99.5),
    "stop limit buy, limit within, not proven": ("BUY", "STP LMT", {"auxPrice": 102.0, "lmtPrice": 98.0}, None),
    "stop limit buy, open beyond, limit met": ("BUY", "STP LMT", {"auxPrice": 99.0, "lmtPrice": 100.5}, 100.0),
    "stop limit buy, open beyond, limit later": ("BUY", "STP LMT", {"auxPrice": 99.0, "lmtPrice": 96.5}, 96.5),
    "stop limit buy, open beyond, limit never": ("BUY", "STP LMT", {"auxPrice": 99.0, "lmtPrice": 95.0}, None),
    "stop limit sell, limit beyond the stop": ("SELL", "STP LMT", {"auxPrice": 98.0, "lmtPrice": 97.5}, 98.0),
    "stop limit sell, limit within, close proves": ("SELL", "STP LMT", {"auxPrice": 98.0, "lmtPrice": 98.5}, 98.5),
    "stop limit sell, limit within, not proven": ("SELL", "STP LMT", {"auxPrice": 98.0, "lmtPrice": 99.5}, None),
    "trail sell, its stop in the range": ("SELL", "TRAIL", {"auxPrice": 3.0, "trailStopPrice": 97.0}, 97.0),
    "trail sell from the open": ("SELL", "TRAIL", {"auxPrice": 3.0}, 97.0),
    "trail sell, moved up, hit before the close": (
        "SELL",
        "TRAIL",
        {"auxPrice": 4.0, "trailStopPrice": 95.0},
        99.0,
    ),
    "trail sell, moved by the high, not hit": ("SELL", "TRAIL", {"auxPrice": 4.5, "trailStopPrice": 95.0}, None),
    "trail sell in percent": ("SELL", "TRAIL", {"trailingPercent": 2.0, "trailStopPrice": 98.0}, 98.0),
    "trail buy, its stop in the range": ("BUY", "TRAIL", {"auxPrice": 2.0, "trailStopPrice": 102.0}, 102.0),
    "trail buy, moved down, hit before the close": (
        "BUY",
        "TRAIL",
        {"auxPrice": 3.0, "trailStopPrice": 104.0},
        99.0,
    ),
    "trail limit sell": (
        "SELL",
        "TRAIL LIMIT",
        {"auxPrice": 3.0, "trailStopPrice": 97.0, "lmtPriceOffset": 0.5},
        97.0,
    ),
    "trail limit sell, limit above the stop, close proves it": (
        "SELL",
        "TRAIL LIMIT",
        {"auxPrice": 3.0, "trailStopPrice": 97.0, "lmtPriceOffset": -1.0},
        98.0,
    ),
}


@pytest.mark.parametrize("tif", ["DAY", "GTC"])
@pytest.mark.parametrize("case", CASES)
def test_fill_of_the_first_bar(world, case, tif):
    action, kind, terms, price = CASES[case]
    order = world.place(1, action, kind, tif=tif, **terms)
    world.bar(*BAR)
    assert world.fills() == ([] if price is None else [(100, price)])
    assert order.status == ("Filled" if price else order.status)
    assert order.avg_fill_price == (price or 0.0)


AT_ONCE = {
    "market": ("MKT", {}, True),
    "limit that the open satisfies": ("LMT", {"lmtPrice": 100.0}, True),
    "limit in the range, but not at once": ("LMT", {"lmtPrice": 99.0}, False),
}


@pytest.mark.parametrize("tif", ["IOC", "FOK"])
@pytest.mark.parametrize("case", AT_ONCE)
def test_orders_for_now_take_the_open_or_end(world, case, tif):
    kind, terms, fills = AT_ONCE[case]
    order = world.place(1, "BUY", kind, tif=tif, **terms)
    world.bar(*BAR)
    assert world.fills() == ([(100, 100.0)] if fills else [])
    assert order.status == ("Filled" if fills else "Cancelled")
    assert world.codes() == ([] if fills else [202])


def test_ioc_takes_part_of_the_volume_and_fok_none(make_world):
    world = make_world(participation=0.1)
    some = world.place(1, tif="IOC")
    none = world.place(2, tif="FOK")
    world.bar(*BAR, 900.0)  # 90 shares are offered
    assert world.fills() == [(90, 100.0)]
    assert (some.status, some.filled, none.status) == ("Cancelled", 90, "Cancelled")


def test_volume_is_shared_by_orders_and_what_is_left_waits(make_world):
    world = make_world(participation=0.5)
    world.place(1, quantity=60)
    world.place(2, quantity=60)
    world.bar(*BAR, 200.0)
    assert world.fills(1) == [(60, 100.0)] and world.fills(2) == [(40, 100.0)]
    world.bar(*NEXT, 200.0)
    assert world.fills(2) == [(40, 100.0), (20, 97.0)]


def test_a_stop_is_hit_before_a_target(world):
    world.place(1, "SELL", "LMT", lmtPrice=102.0)
    world.place(2, "SELL", "STP", auxPrice=98.0)
    world.bar(*BAR)
    assert [entry[1] for entry in world.log if entry[0] == "fill"] == [2, 1]


def test_market_orders_come_first_at_the_open(world):
    world.place(1, "BUY", "LMT", lmtPrice=101.0)
    world.place(2, "BUY", "STP", auxPrice=99.0)
    world.place(3, "BUY")
    world.bar(*BAR)
    assert [entry[1] for entry in world.log if entry[0] == "fill"] == [3, 2, 1]


def test_no_order_meets_a_bar_that_began_before_it(world):
    start = world.clock.now()
    world.clock.sleep(20)
    world.place(1)
    world.clock.sleep(40)
    world.market.bar(world.a, Bar(start, world.clock.now(), *BAR))
    assert world.fills() == []
    world.bar(*NEXT)
    assert world.fills() == [(100, 97.0)]


def test_a_triggered_stop_limit_stays_triggered(world):
    order = world.place(1, "BUY", "STP LMT", auxPrice=102.0, lmtPrice=98.0)
    assert (order.status, order.why_held) == ("PreSubmitted", "trigger")
    world.bar(*BAR)
    assert (order.status, order.why_held) == ("Submitted", "")
    world.bar(99.0, 99.0, 97.0, 98.0)  # the stop is far away now
    assert world.fills() == [(100, 98.0)]


def test_a_trailing_stop_follows_from_bar_to_bar_and_never_back(world):
    order = world.place(1, "SELL", "TRAIL", auxPrice=2.0)
    seen = []
    for bar in [(100, 101, 99.5, 101), (101, 104, 100.5, 103), (103, 103, 102.5, 102.5)]:
        world.bar(*bar)
        seen.append(order.terms["trailStopPrice"])
    assert seen == [99.0, 102.0, 102.0]
    world.bar(102.5, 102.6, 101.0, 101.5)
    assert world.fills() == [(100, 102.0)]


def test_a_trailing_stop_in_percent_follows(world):
    order = world.place(1, "BUY", "TRAIL", trailingPercent=10.0)
    world.bar(100, 100, 80, 80)
    assert order.terms["trailStopPrice"] == pytest.approx(88.0)
    world.bar(85, 90, 85, 90)
    assert world.fills() == [(100, pytest.approx(88.0))]


def test_the_limit_of_a_trailing_limit_follows_its_stop(world):
    world.place(1, "SELL", "TRAIL LIMIT", auxPrice=2.0, trailStopPrice=98.0, lmtPriceOffset=0.5)
    world.bar(100, 105, 99.5, 105)  # the stop is at 103 now, the limit will be 102.5
    world.bar(102, 102, 101, 101)  # opens below both
    assert world.fills() == []
    world.bar(102, 103, 102, 103)
    assert world.fills() == [(100, 102.5)]


def test_a_limit_price_makes_the_offset_of_a_trailing_limit(world):
    world.place(1, "SELL", "TRAIL LIMIT", auxPrice=2.0, trailStopPrice=98.0, lmtPrice=97.0)
    world.bar(100, 100, 97.9, 98)
    assert world.fills() == [(100, 98.0)]


def test_liquidity_is_added_by_limits_that_rested(world):
    world.place(1, "BUY", "LMT", lmtPrice=97.0)
    world.place(2, "BUY", "LMT", lmtPrice=101.0)
    world.place(3, "BUY", "STP", auxPrice=102.0)
    world.bar(*BAR)
    liquidity = {e.order.order_id: e.last_liquidity for e in world.market.executions}
    assert liquidity == {1: 1, 2: 2, 3: 2}


def test_the_sequence_of_a_fill_is_execution_status_commission(world):
    world.place(1)
    world.bar(*BAR)
    assert [entry[0] for entry in world.log] == ["status", "fill", "status", "fee"]
    assert world.statuses(1) == ["Submitted", "Filled"]


def test_a_bar_without_a_price_is_no_bar(world):
    order = world.place(1)
    nan = float("nan")
    world.bar(nan, nan, nan, nan)
    assert order.status == "Submitted" and world.market.last_price(world.a) is None


def test_all_or_none_waits_until_it_can_fill_whole(make_world):
    world = make_world(participation=0.1)
    order = world.place(1, "BUY", "LMT", lmtPrice=101.0, allOrNone=True)
    world.bar(*BAR, 990.0)
    assert order.status == "Submitted" and world.fills() == []
    world.bar(*NEXT, 1000.0)
    assert world.fills() == [(100, 97.0)]


def test_an_order_with_conditions_is_kept_and_never_fires(world):
    order = world.place(1, conditions=[{"condType": 1}])
    world.bar(*BAR)
    assert order.status == "PreSubmitted" and world.fills() == []
    world.modify(order, conditions=[])
    world.bar(*NEXT)
    assert world.fills() == [(100, 97.0)]


def test_a_trailing_stop_stands_on_a_tick_away_from_the_market(make_world):
    world = make_world(rules={26: [(0.0, 0.0001), (1.0, 0.05)]})
    sell = world.place(1, "SELL", "TRAIL", trailingPercent=3.0)
    buy = world.place(2, "BUY", "TRAIL", trailingPercent=3.0)
    world.bar(101, 101, 101, 101)  # 97.97 and 104.03
    assert (sell.terms["trailStopPrice"], buy.terms["trailStopPrice"]) == (97.95, 104.05)


@pytest.mark.parametrize(
    "first, then, stop",
    [
        ({"auxPrice": 2.0}, {"auxPrice": 5.0}, 99.0),
        ({"auxPrice": 2.0}, {"lmtPrice": 1.0}, 102.0),
        ({"trailingPercent": 2.0}, {"trailingPercent": 5.0}, 98.8),
        ({"auxPrice": 2.0}, {"trailStopPrice": 90.0}, 90.0),
    ],
)
def test_a_modified_trailing_stop_remembers_the_best_price(world, first, then, stop):
    order = world.place(1, "SELL", "TRAIL", **first)
    world.bar(100, 104, 99.9, 104)
    contract, terms = order.contract, {**order.terms, "trailStopPrice": None}
    world.market.modify(order, contract, {**terms, **then})
    assert world.market.life.tickets[order.perm_id].stop == pytest.approx(stop)
    assert order.terms["trailStopPrice"] == pytest.approx(stop)
