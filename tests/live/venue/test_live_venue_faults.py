"""The gateway's faults of orders, fills and connections: what the broker hears of them, and the journal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from atibkr.desk import desk

from core.events import ConnectionEvent, HaltEvent, RefusalEvent
from core.orders import Refusal
from engine.venue import ChangeRefused, Charged, Corrected, Ended, Filled, VenueRefused

# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "how", "code"),
    [
        ("rejected_margin", "margin", 201),
        ("rejected_funds", "margin", 201),
        ("rejected_closed", "rejected", 201),
        ("rejected_account", "rejected", 201),
        ("rejected_size", "rejected", 201),
        ("rejected_permission", "rejected", 201),
        ("rejected_short", "rejected", 201),
        ("rejected_advanced", "rejected", 201),
        ("price_off_tick", "rejected", 110),
    ],
)
def test_a_refused_order_ends_once_with_ibkrs_words(fault: str, how: str, code: int) -> None:
    with desk(fault) as at:
        action = "SELL" if fault == "rejected_short" else "BUY"
        (order,) = at.place(at.order(action, "LMT", limit_price=1.0 if action == "BUY" else 500.0))
        at.after(10, step=2)
        (end,) = at.of(order, Ended)
        assert (end.how, end.code) == (how, code) and end.text and not at.of(order, Filled)
        assert at.known(order).state == "rejected" and not at.journal.book.halts
        assert [(e.by, e.reason) for e in at.on_bus(RefusalEvent)] == [("broker", str(code))]
        again = at.buy()  # and the next one goes through
        at.after(5)
        assert at.of(again, Filled)


def test_a_part_that_filled_before_the_refusal_stays_filled() -> None:
    with desk("partial_fill_then_reject") as at:
        order = at.buy("LMT", limit_price=1.0)
        at.after(10, step=1)
        assert [fill.quantity for fill in at.of(order, Filled)] == [50]
        assert [(end.how, end.code) for end in at.of(order, Ended)] == [("rejected", 201)]
        assert at.known(order).state == "cancelled" and at.held() == 50 and not at.journal.book.halts


# -- notices: the order lives -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["tif_preset", "outside_hours_warning"])
def test_a_notice_leaves_an_order_alone(fault: str) -> None:
    with desk(fault) as at:
        order = at.buy()
        at.after(5)
        assert at.names(order) == ["Accepted", "Filled", "Charged"]


def test_a_short_sale_that_is_held_lives_and_fills_later() -> None:
    with desk("locate_hold:seconds=10") as at:
        order = at.place(at.order("SELL"))[0]
        at.after(5)
        assert at.names(order) == ["Accepted"]
        at.after(10, step=1)
        assert at.of(order, Filled) and at.held() == -100


# -- statuses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", ["status_duplicated", "status_out_of_order", "status_missing", "execution_duplicated"]
)
def test_fills_are_told_once_whatever_the_statuses_say(fault: str) -> None:
    with desk(fault) as at:
        order = at.buy()
        at.after(5, step=1)
        at.after(70, step=10)
        assert at.names(order) == ["Accepted", "Filled", "Charged"] and not at.journal.book.halts


def test_a_cancel_without_any_status_is_found_by_asking() -> None:
    with desk("status_missing") as at:
        order = at.buy("LMT", limit_price=1.0)
        at.venue.cancel(order.ref, "test")
        at.after(20, step=2)
        assert [end.how for end in at.of(order, Ended)] == ["cancelled"]


@pytest.mark.parametrize("fault", ["reported_cancelled:seconds=2", "fill_after_cancel:seconds=2"])
def test_a_fill_after_the_end_is_told(fault: str) -> None:
    with desk(fault) as at:
        order = at.buy("LMT", limit_price=1.0)
        if fault.startswith("fill"):
            at.venue.cancel(order.ref, "test")
        at.after(10, step=1)
        assert [end.how for end in at.of(order, Ended)] == ["cancelled"]
        assert [fill.quantity for fill in at.of(order, Filled)] == [100]
        assert at.names(order).index("Ended") < at.names(order).index("Filled")
        assert at.held() == 100 and not at.journal.book.halts


def test_an_order_that_was_told_as_ended_and_lives_is_cancelled() -> None:
    with desk("reported_cancelled:seconds=60") as at:
        order = at.buy("LMT", limit_price=1.0)
        assert [end.how for end in at.of(order, Ended)] == ["cancelled"] and len(at.at_gateway()) == 1
        at.after(20, step=1)
        assert at.names(order) == ["Accepted", "Ended", "Accepted", "Ended"] and not at.at_gateway()
        at.after(60, step=10)  # the gateway fills it all the same
        assert [fill.quantity for fill in at.of(order, Filled)] == [100] and not at.journal.book.halts


def test_an_order_that_the_exchange_cancels_ends() -> None:
    with desk("cancelled_by_exchange:seconds=2") as at:
        order = at.buy("LMT", limit_price=1.0)
        at.after(5, step=1)
        assert [end.how for end in at.of(order, Ended)] == ["cancelled"]


# -- silence ----------------------------------------------------------------------------------------------------------


def test_a_dropped_order_is_asked_for_twice_and_never_sent_again() -> None:
    with desk("order_dropped") as at:
        order = at.buy()
        at.after(9, step=1)
        assert at.known(order).state == "sent"
        at.after(2, step=1)  # no answer within ten seconds
        assert at.known(order).state == "unknown"
        with pytest.raises(VenueRefused, match="not known") as refused:
            at.venue.place([at.order()])
        assert refused.value.refusal is Refusal.UNRESOLVED
        at.after(10, step=1)
        (end,) = at.of(order, Ended)
        assert end.how == "rejected" and "asked twice" in end.text
        assert at.known(order).state == "absent" and not at.journal.book.halts and at.held() == 0
        again = at.buy()
        at.after(5)
        assert at.of(again, Filled)


def test_an_order_that_vanishes_is_found_out() -> None:
    with desk("order_vanishes:seconds=2") as at:
        order = at.buy("LMT", limit_price=1.0)
        at.after(80, step=2)
        assert [end.how for end in at.of(order, Ended)] == ["expired"]


def test_a_fill_whose_execution_is_lost_is_asked_for() -> None:
    with desk("on execDetails 1: drop") as at:
        order = at.buy()
        at.after(2, step=1)
        assert at.known(order).state == "awaiting" and not at.of(order, Filled)
        at.after(8, step=1)
        assert [fill.quantity for fill in at.of(order, Filled)] == [100] and not at.of(order, Ended)
        assert not at.journal.book.halts


# -- changes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["modify_off_tick"])
def test_a_refused_change_leaves_the_original(fault: str) -> None:
    with desk(fault) as at:
        order = at.buy("LMT", limit_price=1.0)
        at.venue.modify(replace(order, limit_price=2.0))
        at.after(2)
        assert [refused.code for refused in at.of(order, ChangeRefused)] == [110]
        assert at.known(order).terms.limit_price == 1.0 and not at.known(order).change and not at.of(order, Ended)


def test_a_change_of_an_order_that_filled_meanwhile_waits_for_the_fill() -> None:
    with desk("modify_filled") as at:
        order = at.buy("LMT", limit_price=1.0)
        at.venue.modify(replace(order, limit_price=2.0))
        at.after(5, step=1)
        assert [fill.quantity for fill in at.of(order, Filled)] == [100]
        assert [refused.code for refused in at.of(order, ChangeRefused)] == [104] and not at.of(order, Ended)


def test_a_change_that_becomes_a_second_order_halts() -> None:
    with desk("modify_twin") as at:
        order = at.buy("LMT", limit_price=1.0)
        at.venue.modify(replace(order, limit_price=2.0))
        at.after(5, step=1)
        assert {halt.cause for halt in at.journal.book.halts.values()} == {"duplicate"}
        (event,) = [each for each in at.on_bus(HaltEvent) if each.cause == "duplicate"]
        assert event.commands and "permIds" in event.text
        with pytest.raises(VenueRefused, match="halted"):
            at.venue.place([at.order()])


# -- cancelling -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["cancel_not_possible", "cancel_not_found"])
def test_a_cancel_that_did_not_work_is_asked_about_and_tried_again(fault: str) -> None:
    with desk(fault) as at:
        order = at.buy("LMT", limit_price=1.0)
        at.venue.cancel(order.ref, "test")
        at.after(2)
        assert not at.of(order, Ended)
        at.after(30, step=2)
        assert [end.how for end in at.of(order, Ended)] == ["cancelled"] and not at.at_gateway()


def test_a_cancel_that_never_works_calls_a_person() -> None:
    with desk("on cancelOrder: drop") as at:
        order = at.buy("LMT", limit_price=1.0)
        at.venue.cancel(order.ref, "test")
        at.after(60, step=2)
        assert not at.of(order, Ended)
        (event,) = [each for each in at.on_bus(HaltEvent) if each.cause == "cancel"]
        assert "3 times" in event.text


def test_a_cancel_that_crosses_the_fill_books_the_fill() -> None:
    with desk("cancel_crosses_fill") as at:
        order = at.buy("LMT", limit_price=1.0)
        at.venue.cancel(order.ref, "test")
        at.after(5, step=1)
        assert [fill.quantity for fill in at.of(order, Filled)] == [100] and not at.of(order, Ended)


# -- fees -------------------------------------------------------------------------------------------------------------


def test_a_late_commission_holds_no_fill() -> None:
    with desk("commission_late:seconds=30") as at:
        order = at.buy()
        at.after(5)
        assert at.names(order) == ["Accepted", "Filled"]
        at.after(40, step=10)
        assert at.names(order) == ["Accepted", "Filled", "Charged"]


def test_a_commission_that_never_comes_changes_nothing() -> None:
    with desk("commission_never") as at:
        order = at.buy()
        at.after(90, step=10)
        assert at.names(order) == ["Accepted", "Filled"]


# -- the connection ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["drop_before", "drop_middle", "drop_after"])
@pytest.mark.parametrize("message", ["openOrder", "orderStatus", "execDetails", "commissionReport"])
def test_a_connection_that_is_lost_at_any_message_loses_and_doubles_nothing(where: str, message: str) -> None:
    with desk(f"{where}:message={message},n=1") as at:
        order = at.order()
        at.venue.place([order])
        at.tws.advance(seconds=5)
        at.until(lambda: at.of(order, Charged))
        at.reconnected()
        at.after(10, step=2)
        assert at.names(order) == ["Accepted", "Filled", "Charged"]
        assert at.held() == 100 and not at.journal.book.halts and at.venue.is_settled


def test_while_the_servers_are_lost_nothing_is_sent_and_fills_come_late() -> None:
    with desk("connectivity_restored:after=5,seconds=20") as at:
        order = at.buy("LMT", limit_price=1.0)
        at.after(7, step=1)
        assert "1100" in at.venue.why_no_entries("XMPLA")
        with pytest.raises(VenueRefused) as refused:
            at.venue.place([at.order()])
        assert refused.value.refusal is Refusal.NOT_SENT
        at.venue.cancel(order.ref, "it is sent as soon as that is possible")
        at.after(30, step=2)
        at.until(lambda: at.of(order, Ended))
        assert at.venue.why_no_entries("XMPLA") == "" and not at.at_gateway()
        assert [str(each.state) for each in at.on_bus(ConnectionEvent)][-2:] == ["connected", "synchronised"]


def test_ids_that_were_rolled_back_are_not_used_again() -> None:
    with desk("ids_rolled_back:after=5,by=4,seconds=2") as at:
        first = at.buy()
        at.after(20, step=2)
        at.until(lambda: at.store.is_ready and at.venue.is_reconciled)
        second = at.buy()
        at.after(5)
        assert at.of(first, Filled) and at.of(second, Filled) and at.held() == 200


def test_an_id_that_is_used_is_looked_for_by_name() -> None:
    with desk("on placeOrder 1: error 103; drop") as at:
        order = at.buy()
        at.after(20, step=2)
        assert [end.how for end in at.of(order, Ended)] == ["rejected"] and at.held() == 0
        again = at.buy()
        at.after(5)
        assert at.of(again, Filled) and at.known(again).intent.order_id > at.known(order).intent.order_id


def test_an_id_that_our_own_order_used_is_found_alive() -> None:
    with desk("on placeOrder 1: pass; error 103") as at:
        order = at.buy()
        at.after(20, step=2)
        assert at.names(order) == ["Accepted", "Filled", "Charged"] and at.held() == 100


def test_corrections_while_away_come_with_the_next_log_in() -> None:
    with desk("execution_corrected:seconds=3", "on currentTime 30: close") as at:
        order = at.buy()
        at.after(20, step=1)
        at.until(lambda: at.of(order, Corrected))
        assert len(at.of(order, Filled)) == 1 and not at.journal.book.halts
