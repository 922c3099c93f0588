"""IBKR's venue through the gateway: what is sent, what is reported, and in which order."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from atibkr.desk import OPEN, desk

from core.orders import Refusal
from engine.venue import Charged, Corrected, Ended, Filled, Resized, VenueRefused


def test_a_market_order_is_accepted_filled_and_charged() -> None:
    with desk() as at:
        order = at.buy()
        at.after(5)
        assert at.names(order) == ["Accepted", "Filled", "Charged"]
        (fill,) = at.of(order, Filled)
        (cost,) = at.of(order, Charged)
        assert fill.quantity == 100 and fill.when == OPEN + dt.timedelta(seconds=1) and fill.is_quoted
        assert (cost.fees, cost.currency, cost.exec_id) == (1.0072, "USD", fill.exec_id)  # the minimum, and CAT
        assert at.held() == 100 and at.journal.book.unit_size("rev", at.known(order).intent.con_id) == 100


def test_the_journal_holds_the_intent_with_all_that_a_restart_needs() -> None:
    with desk() as at:
        sent = at.bracket()
        at.place(*sent)
        entry, stop, target = (at.known(order).intent for order in sent)
        assert [each.parent_ref for each in (entry, stop, target)] == ["", entry.ref, entry.ref]
        assert stop.terms.oca_group == target.terms.oca_group == "hl.test.oca.2"
        assert (stop.terms.oca_type, entry.terms.oca_group) == (2, "")
        assert (stop.role, stop.trade, stop.bar, stop.unit) == ("stop", sent[1].trade, sent[1].bar, "rev")


def test_a_bracket_fills_and_its_target_ends_its_stop() -> None:
    with desk() as at:
        entry, stop, target = at.place(*at.bracket())
        at.after(5)
        assert at.names(entry) == ["Accepted", "Filled", "Charged"]
        assert at.names(stop) == at.names(target) == ["Accepted"]
        price = at.of(entry, Filled)[0].price
        at.venue.modify(replace(target, limit_price=round(price - 1.0, 2)))  # below the market: it fills
        at.after(5)
        assert at.names(target)[:2] == ["Accepted", "Filled"]
        assert [(end.how, end.code) for end in at.of(stop, Ended)] == [("cancelled", 0)]
        assert at.held() == 0.0


def test_an_exit_joins_the_group_of_the_protective_stop() -> None:
    with desk() as at:
        entry, stop, _ = at.place(*at.bracket())
        at.after(5)
        leave = at.place(at.order("SELL", role="exit", oca_group=stop.oca_group))[0]
        at.after(5)
        assert at.of(leave, Filled) and at.of(stop, Ended)[0].how == "cancelled"
        assert at.known(leave).terms.oca_group == at.known(stop).terms.oca_group and at.held() == 0.0


def test_a_cancelled_order_is_told_when_ibkr_says_so() -> None:
    with desk() as at:
        order = at.buy("LMT", limit_price=1.0)
        at.venue.cancel(order.ref, "test")
        assert at.names(order) == ["Accepted"]
        at.settle()
        (end,) = at.of(order, Ended)
        assert end.how == "cancelled"
        at.venue.cancel(order.ref, "again")  # nothing happens
        at.settle()
        assert at.names(order) == ["Accepted", "Ended"] and not at.at_gateway()


def test_a_good_till_date_expires() -> None:
    with desk() as at:
        order = at.buy("LMT", limit_price=1.0, tif="GTD", good_till=OPEN + dt.timedelta(seconds=30))
        at.after(40)
        assert [end.how for end in at.of(order, Ended)] == ["expired"]


def test_a_day_order_expires_at_the_close() -> None:
    with desk() as at:
        order = at.buy("LMT", limit_price=1.0)
        at.tws.advance(to=dt.datetime(2024, 6, 12, 20, 0, 5, tzinfo=dt.UTC))
        at.settle()
        assert [end.how for end in at.of(order, Ended)] == ["expired"]


def test_a_modification_works_at_the_new_price() -> None:
    with desk() as at:
        order = at.buy("LMT", limit_price=1.0)
        at.venue.modify(replace(order, limit_price=2.0, quantity=50))
        at.settle()
        (live,) = at.at_gateway()
        assert (live.terms["lmtPrice"], live.quantity) == (2.0, 50)
        assert [r.quantity for r in at.of(order, Resized)] == [50]
        assert at.known(order).terms.limit_price == 2.0 and not at.known(order).change


def test_prices_are_rounded_to_the_side_that_does_not_fill() -> None:
    with desk() as at:
        buy = at.buy("LMT", limit_price=1.019)
        stop = at.place(at.order("SELL", "STP", aux_price=1.019, role="stop", tif="GTC"))[0]
        assert (at.known(buy).terms.limit_price, at.known(stop).terms.aux_price) == (1.01, 1.01)
        assert at.names(buy) == ["Accepted"]


def test_units_below_the_smallest_size_are_refused_and_parts_are_cut() -> None:
    with desk() as at:
        with pytest.raises(VenueRefused, match="smallest order") as refused:
            at.venue.place([at.order(quantity=0.5)])
        assert refused.value.refusal is Refusal.INVALID and not at.journal.book.orders
        order = at.buy(quantity=100.5)
        at.after(5)
        assert [r.quantity for r in at.of(order, Resized)] == [100] and at.of(order, Filled)[0].quantity == 100


def test_partial_fills_come_one_by_one() -> None:
    with desk("on placeOrder 1: hold; pass; wait 1; execute shares=30; wait 1; execute shares=70") as at:
        order = at.buy("LMT", limit_price=1.0)
        at.after(3, step=1)
        assert at.names(order) == ["Accepted", "Filled", "Charged", "Filled", "Charged"]
        assert [fill.quantity for fill in at.of(order, Filled)] == [30, 70]


def test_a_correction_replaces_the_price_of_a_fill() -> None:
    with desk("execution_corrected") as at:
        order = at.buy()
        at.after(5, step=1)
        (fill,), (change,) = at.of(order, Filled), at.of(order, Corrected)
        assert (change.corrects, change.quantity) == (fill.exec_id, 100)
        assert change.price == pytest.approx(fill.price + 0.05) and not at.of(order, Ended)
        assert at.held() == 100 and not at.journal.book.halts


def test_a_bust_takes_a_fill_back() -> None:
    with desk("execution_busted") as at:
        order = at.buy()
        at.after(5, step=1)
        (fill,), (bust,) = at.of(order, Filled), at.of(order, Corrected)
        assert (bust.corrects, bust.quantity) == (fill.exec_id, 0.0)
        assert [end.how for end in at.of(order, Ended)] == ["cancelled"]
        assert at.held() == 0 and not at.journal.book.halts


def test_no_order_goes_out_while_blind() -> None:
    with desk(blind=lambda symbol: "stale" if symbol == "XMPLA" else "") as at:
        assert at.venue.why_no_entries("XMPLA") == "stale" and at.venue.why_no_entries("XMPLB") == ""


def test_the_pair_goes_out_together() -> None:
    with desk() as at:
        y = at.order(unit="pair", leg="y", trade="p1")
        x = at.order("SELL", unit="pair", symbol="XMPLB", leg="x", trade="p1")
        at.place(y, x)
        at.after(5)
        assert at.of(y, Filled) and at.of(x, Filled)
        sizes = at.journal.book.unit_positions()
        assert {unit for unit, _ in sizes} == {"pair"} and sorted(sizes.values()) == [-100, 100]
