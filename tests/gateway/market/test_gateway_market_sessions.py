"""Hours, early closes, times in force, auctions, halts and days. New York is five hours behind UTC here."""

from __future__ import annotations

import datetime as dt

import pytest

from gateway.model import Bar, Instrument

FRIDAY = dt.date(2024, 3, 8)
SECOND = dt.timedelta(seconds=1)


def at(text, day=FRIDAY):
    return dt.datetime.combine(day, dt.time.fromisoformat(text), dt.UTC)


def test_an_order_in_the_night_waits_for_the_open_with_a_warning(make_world):
    world = make_world(start=at("02:00"))
    order = world.place(1, "BUY", "LMT", lmtPrice=100.0)
    assert order.status == "PreSubmitted" and world.codes() == [399]
    assert world.texts == [
        "Order Message:\nBUY 100 AAA NASDAQ.NMS\n"
        "Warning: Your order will not be placed at the exchange until 2024-03-08 09:30:00 US/Eastern."
    ]
    world.until(at("14:30"))
    assert world.statuses(1) == ["PreSubmitted", "Submitted"]


def test_extended_hours_are_for_orders_that_want_them(make_world):
    world = make_world(start=at("12:00"))
    world.place(1, "BUY", "LMT", lmtPrice=100.0)
    extended = world.place(2, "BUY", "LMT", lmtPrice=100.0, outsideRth=True)
    assert extended.status == "Submitted" and world.codes() == [399]
    world.bar(100, 100, 100, 100)
    assert world.fills(1) == [] and world.fills(2) == [(100, 100.0)]


def test_at_night_extended_orders_wait_for_four_o_clock(make_world):
    world = make_world(start=at("02:00"))
    world.place(1, "BUY", "LMT", lmtPrice=100.0, outsideRth=True)
    assert "2024-03-08 04:00:00 US/Eastern" in world.texts[0]


@pytest.mark.parametrize(
    "kind, terms", [("MKT", {}), ("STP", {"auxPrice": 101.0}), ("TRAIL", {"auxPrice": 1.0}), ("MOC", {})]
)
def test_outside_hours_are_ignored_where_any_price_would_do(make_world, kind, terms):
    world = make_world(start=at("12:00"))
    order = world.place(1, "BUY", kind, outsideRth=True, **terms)
    assert world.codes() == [2109, 399] and order.terms["outsideRth"] is False
    world.bar(101, 102, 100, 101)
    assert world.fills() == []


def test_a_day_order_ends_at_the_close_after_the_last_bar(make_world):
    world = make_world(start=at("20:58"))
    order = world.place(1, "BUY", "LMT", lmtPrice=99.0)
    last = world.place(2, "BUY", "LMT", lmtPrice=98.0)
    world.bar(100, 100, 99.5, 100)
    world.bar(100, 100, 98, 98)  # ends at 21:00
    assert (order.status, last.status) == ("Filled", "Filled")
    left = world.place(3, "BUY", "LMT", lmtPrice=97.0)  # for Monday
    world.go(SECOND)
    assert left.is_working
    world.until(dt.datetime(2024, 3, 11, 20, 0, 1, tzinfo=dt.UTC))  # New York is four hours behind by now
    assert left.status == "Cancelled" and left.end_reason == "Expired" and world.codes(3) == [399, 202]


def test_a_day_order_of_extended_hours_ends_in_the_evening(make_world):
    world = make_world(start=at("20:00"))
    order = world.place(1, "BUY", "LMT", lmtPrice=99.0, outsideRth=True)
    world.until(at("23:00"))
    assert order.is_working
    world.until(dt.datetime(2024, 3, 9, 1, 0, 1, tzinfo=dt.UTC))
    assert order.status == "Cancelled"


def test_a_gtc_order_lives_on(make_world):
    world = make_world(start=at("20:59"))
    order = world.place(1, "BUY", "LMT", lmtPrice=99.0, tif="GTC")
    world.until(dt.datetime(2024, 3, 11, 13, 30, tzinfo=dt.UTC))
    world.bar(98, 99, 97, 98)
    assert order.status == "Filled" and world.fills() == [(100, 98.0)]


@pytest.mark.parametrize(
    "text, ends",
    [
        ("20240308 10:00:00 US/Eastern", at("15:00")),
        ("20240308 10:00:00", at("15:00")),
        ("20240308-15:00:00", at("15:00")),
        ("20240308 16:00 Europe/Berlin", at("15:00")),
        ("20240308", dt.datetime(2024, 3, 9, 4, 59, 59, tzinfo=dt.UTC)),
    ],
)
def test_good_till_date(world, text, ends):
    order = world.place(1, "BUY", "LMT", lmtPrice=90.0, tif="GTD", goodTillDate=text)
    world.until(ends)
    assert order.is_working
    world.go(SECOND)
    assert (order.status, order.end_reason) == ("Cancelled", "Expired")


@pytest.mark.parametrize("text", ["", "tomorrow", "20241308", "20240308 10:00:00 Mars/Olympus", "20240308 25:00:00"])
def test_a_date_that_is_none(world, text):
    world.place(1, "BUY", "LMT", lmtPrice=90.0, tif="GTD", goodTillDate=text)
    assert world.codes() == [343] and world.market.open_orders() == []


@pytest.mark.parametrize(
    "text", ["20991231 10:00:00 US/Eastern", "99991231 23:59:59 US/Eastern", "99991231 23:59:59 UTC"]
)
def test_a_time_beyond_the_calendar(world, text):
    world.place(1, "BUY", "LMT", lmtPrice=90.0, goodAfterTime=text)
    assert world.codes() == [343] and world.market.open_orders() == []
    order = world.place(2, "BUY", "LMT", lmtPrice=90.0)
    world.modify(order, goodAfterTime=text)
    assert world.codes(2) == [343] and order.status == "Submitted"


def test_good_till_a_date_that_no_calendar_reaches(world):
    far = world.place(1, "BUY", "LMT", lmtPrice=90.0, tif="GTD", goodTillDate="20991231 10:00:00 US/Eastern")
    none = world.place(2, "BUY", "LMT", lmtPrice=90.0, tif="GTD", goodTillDate="99991231 23:59:59 US/Eastern")
    assert far.status == "Submitted" and none.status == "Inactive" and world.codes() == [343]


def test_good_after_time(world):
    order = world.place(1, goodAfterTime="20240308 09:32:00 US/Eastern")
    assert order.status == "PreSubmitted"
    world.bar(100, 100, 100, 100)
    world.bar(101, 101, 101, 101)
    assert (world.fills(), order.status) == ([], "Submitted")
    world.bar(102, 102, 102, 102)
    assert world.fills() == [(100, 102.0)]


def test_on_close_orders_fill_at_the_close_of_the_last_bar(make_world):
    world = make_world(start=at("20:58"))
    world.place(1, "BUY", "MOC")
    world.place(2, "BUY", "LOC", lmtPrice=101.0)
    short = world.place(3, "BUY", "LOC", lmtPrice=100.0)
    world.bar(100, 105, 99, 102)
    assert world.fills() == []
    world.bar(100, 105, 99, 100.5)
    assert world.fills() == [(100, 100.5), (100, 100.5)]
    assert short.status == "Cancelled"


def test_on_close_orders_take_the_last_price_where_no_bar_ends_at_the_close(make_world):
    world = make_world(start=at("20:58"))
    order = world.place(1, "SELL", "MOC")
    world.bar(100, 105, 99, 102)
    world.until(at("21:00"))
    assert order.is_working
    world.go(SECOND)
    assert world.fills() == [(100, 102.0)]
    assert world.market.executions[0].when == at("21:00")


def test_on_close_orders_of_a_quoted_instrument(make_world):
    world = make_world(start=at("20:59"))
    world.place(1, "SELL", "MOC")
    world.quote(99.9, 100.1, seconds=60)
    world.market.bar(world.a, Bar(at("20:59"), at("21:00"), 100, 101, 99, 100.5))
    assert world.fills() == [(100, 100.5)]


def test_early_close(make_world):
    day = dt.date(2023, 11, 24)  # closes at 13:00
    world = make_world(start=at("17:59", day))
    world.place(1, "BUY", "MOC")
    order = world.place(2, "BUY", "LMT", lmtPrice=90.0)
    world.bar(100, 101, 99, 100)
    assert world.fills(1) == [(100, 100.0)]
    world.go(SECOND)
    assert order.status == "Cancelled"


def test_orders_for_the_open(make_world):
    world = make_world(start=at("14:00"))
    world.place(1, tif="OPG")
    world.place(2, "BUY", "LMT", lmtPrice=100.0, tif="OPG")
    missed = world.place(3, "BUY", "LMT", lmtPrice=99.0, tif="OPG")
    assert world.codes() == []
    world.until(at("14:30"))
    world.bar(100, 101, 98, 100)
    assert world.fills() == [(100, 100.0), (100, 100.0)]
    assert missed.status == "Cancelled"


def test_an_order_for_the_open_in_the_session_is_for_the_next_one(world):
    order = world.place(1, tif="OPG")
    world.bar(100, 101, 98, 100)
    assert order.is_working and world.fills() == []
    world.until(dt.datetime(2024, 3, 11, 13, 30, tzinfo=dt.UTC))
    world.bar(103, 104, 103, 104)
    assert world.fills() == [(100, 103.0)]


def test_orders_for_the_open_take_the_first_quote(make_world):
    world = make_world(start=at("14:29:59"))
    world.place(1, tif="OPG")
    world.quote(99.9, 100.1)  # stamped 14:30:00, of the time before
    assert world.fills() == []
    world.quote(100.0, 100.2)
    assert world.fills() == [(100, 100.2)]


@pytest.mark.parametrize("kind", ["STP", "MOC", "TRAIL"])
def test_only_market_and_limit_orders_are_for_the_open(world, kind):
    world.place(1, "BUY", kind, auxPrice=1.0, tif="OPG")
    assert world.codes() == [10052]


def test_a_daily_bar_is_one_session(make_world):
    world = make_world(start=at("14:30"))
    world.place(1, "BUY", "MOC")
    world.place(2, "BUY")
    world.bar(100, 103, 99, 101, step=dt.timedelta(hours=6.5))
    assert sorted(world.fills()) == [(100, 100.0), (100, 101.0)]


def test_currency_pairs_trade_round_the_clock(make_world):
    pair = Instrument(9, "EUR", sec_type="CASH", min_tick=0.00005, exchange="IDEALPRO", schedule="none")
    world = make_world(instrument=pair, start=at("03:00"))
    world.place(1, "BUY", quantity=20_000)
    world.bar(1.1, 1.1, 1.1, 1.1)
    assert world.codes() == [] and world.fills() == [(20_000, 1.1)]
    world.until(at("22:30"))  # Friday 17:30 in New York
    world.place(2, "SELL", quantity=20_000)
    assert world.codes() == [399] and "2024-03-10 17:15:00" in world.texts[0]


def test_a_halt_stops_matching(world):
    order = world.place(1)
    world.market.halt(world.a)
    world.bar(100, 101, 99, 100)
    world.quote(100, 100.1)
    assert order.status == "Submitted" and world.market.is_halted(world.a)
    world.market.resume(world.a)
    world.quote(100, 100.2)
    assert world.fills() == [(100, 100.2)]


@pytest.mark.parametrize("kind, terms", [("MOC", {}), ("LOC", {"lmtPrice": 101.0})])
@pytest.mark.parametrize("has_bar", [True, False])
def test_on_close_orders_of_a_halted_stock_end_unfilled(make_world, kind, terms, has_bar):
    world = make_world(start=at("20:58"))
    order = world.place(1, "BUY", kind, **terms)
    world.bar(100, 100, 100, 100)
    world.market.halt(world.a)
    if has_bar:
        world.bar(100, 100, 100, 100)
    world.until(at("21:01"))
    assert world.fills() == [] and (order.status, world.codes()) == ("Cancelled", [202])


def test_an_on_close_order_without_any_price_ends_at_the_close(make_world):
    world = make_world(start=at("20:58"))
    order = world.place(1, "BUY", "MOC")
    world.until(at("21:01"))
    assert world.fills() == [] and (order.status, world.codes()) == ("Cancelled", [202])


def test_an_on_close_order_whose_parent_never_fills(make_world):
    world = make_world(start=at("20:58"))
    world.place(1, "BUY", "LMT", lmtPrice=90.0, tif="GTC", transmit=False)
    today = world.place(2, "SELL", "MOC", parentId=1, ocaGroup="own", transmit=False)
    later = world.place(3, "SELL", "MOC", parentId=1, tif="GTC")
    world.bar(100, 100, 100, 100)
    world.until(at("21:01"))
    assert (today.status, later.status) == ("Cancelled", "PreSubmitted")
    world.until(dt.datetime(2024, 3, 11, 13, 30, tzinfo=dt.UTC))
    world.bar(90, 90, 90, 90)
    world.until(dt.datetime(2024, 3, 11, 20, 1, tzinfo=dt.UTC))
    assert world.fills(3) == [(100, 90.0)]


def test_the_warning_writes_a_large_size_in_full(make_world):
    world = make_world(start=at("22:00"), capital=1e9)
    world.place(1, "BUY", "LMT", 1_000_000, lmtPrice=90.0)
    assert world.texts[0].startswith("Order Message:\nBUY 1000000 AAA NASDAQ.NMS\n")


def test_orders_can_be_cancelled_in_a_halt(world):
    order = world.place(1)
    world.market.halt(world.a)
    world.market.cancel(order)
    assert order.status == "Cancelled"


def test_executions_and_completed_orders_are_of_the_current_day(world):
    world.place(1)
    done = world.place(2, "BUY", "LMT", lmtPrice=90.0)
    resting = world.place(3, "BUY", "LMT", lmtPrice=90.0, tif="GTC")
    world.bar(100, 101, 99, 100)
    world.market.cancel(done)
    assert len(world.market.executions) == 1 and len(world.market.completed_orders()) == 2
    world.until(dt.datetime(2024, 3, 9, 4, 59, 59, tzinfo=dt.UTC))
    assert len(world.market.executions) == 1
    world.go(SECOND)  # midnight in New York
    assert world.market.executions == [] and world.market.completed_orders() == []
    assert world.market.open_orders() == [resting] and list(world.market.orders.values()) == [resting]
    assert world.market.find(1, 1) is None


def test_nobody_trades_at_night(make_world):
    world = make_world(start=at("02:00"))
    world.place(1, "BUY", "LMT", lmtPrice=100.0, outsideRth=True)
    world.bar(100, 100, 100, 100)
    world.quote(99, 100)
    assert world.fills() == []


def test_an_order_for_the_open_keeps_its_kind(world):
    order = world.place(1, tif="OPG")
    world.modify(order, orderType="LMT", lmtPrice=100.0)
    assert world.codes() == [329] and order.terms["orderType"] == "MKT"


def test_many_days_pass_at_once(world):
    world.place(1, "SELL")
    world.bar(100, 100, 100, 100)
    day_order = world.place(2, "BUY", "LMT", lmtPrice=90.0)
    world.until(dt.datetime(2024, 4, 8, 14, 0, tzinfo=dt.UTC))
    assert day_order.status == "Cancelled" and world.market.executions == []
    assert world.market.accounts["DU1"].held(1) == -100
    assert world.market.next_due == dt.datetime(2024, 4, 9, 4, 0, tzinfo=dt.UTC)


def test_a_modified_order_ends_when_it_says_now(make_world):
    world = make_world(start=at("20:59"))
    longer = world.place(1, "BUY", "LMT", lmtPrice=90.0)
    shorter = world.place(2, "BUY", "LMT", lmtPrice=90.0, tif="GTC")
    world.modify(longer, tif="GTC")
    world.modify(shorter, tif="DAY")
    world.until(at("21:01"))
    assert (longer.status, shorter.status) == ("Submitted", "Cancelled")


def test_nothing_is_due_for_what_has_ended(world):
    order = world.place(1, "BUY", "LMT", lmtPrice=90.0)
    world.market.cancel(order)
    [(due, actions)] = [world.market.life.timetable.pop()]
    assert due > at("21:00") and actions == []
