"""Orders and fills against the paper gateway: what the store reports, and that nothing is lost or doubled."""

from __future__ import annotations

import pytest
from stored.desk import ACCOUNT, desk

from gateway.tws import Tws
from stores.codes import Klass, Reaction, is_margin
from stores.errors import NotSentError, RequestError, RequestRefused
from stores.events import (
    CommissionReported,
    ErrorReported,
    OrderReported,
    OrderTwinned,
    PositionReported,
)


def test_a_market_order_is_reported_from_submitted_to_filled_with_its_fee() -> None:
    with desk() as one:
        order = one.buy()
        one.after(3)
        (fill,) = one.fills()
        assert (fill.order_ref, fill.side, fill.shares, fill.signed_shares) == (order.order_ref, "BOT", 100.0, 100.0)
        assert fill.account == ACCOUNT and not fill.is_recovered and not fill.corrects
        reports = [each for each in one.of(OrderReported) if each.order_id == order.order_id]
        assert [each.status for each in reports][-1] == "Filled"
        assert len({(each.status, each.filled) for each in reports}) >= 2
        last = reports[-1]
        assert (last.filled, last.remaining, last.avg_fill_price) == (100.0, 0.0, fill.price)
        assert (last.action, last.quantity, last.order_type, last.tif) == ("BUY", 100.0, "MKT", "DAY")
        (fee,) = one.of(CommissionReported)
        assert (fee.exec_id, fee.order_ref, fee.currency) == (fill.exec_id, order.order_ref, "USD")
        assert fee.commission > 0 and fee.realized_pnl is None
        assert [each.position for each in one.of(PositionReported)] == [100.0]
        assert one.position() == 100.0 and one.store.without_commission() == ()


def test_what_comes_first_is_reported_first() -> None:
    with desk() as one:
        one.buy()
        one.after(3)
        kinds = [type(each).__name__ for each in one.seen]
        assert kinds.index("ExecutionReported") < kinds.index("CommissionReported")


def test_a_bracket_waits_for_its_last_child_and_one_exit_cancels_the_other() -> None:
    with desk() as one:
        parent = one.buy("LMT", limit_price=100.0, transmit=False)
        stop = one.sell("STP", aux_price=1.0, tif="GTC", parent_id=parent.order_id, transmit=False, oca_group="x")
        one.settle()
        assert one.live() == [] or all(not s for s in one.statuses(parent.order_id) if s == "Submitted")
        one.sell("LMT", limit_price=1000.0, tif="GTC", parent_id=parent.order_id, oca_group="x")
        one.after(3)
        assert [each.order_ref for each in one.fills()] == [parent.order_ref]
        reports = {each.order_id: each for each in one.of(OrderReported)}
        assert reports[stop.order_id].parent_id == parent.order_id
        assert reports[stop.order_id].aux_price == 1.0 and reports[stop.order_id].oca_group == "x"
        assert len(one.live()) == 2


def test_a_change_keeps_one_perm_id_and_a_cancel_ends_the_order() -> None:
    with desk() as one:
        order = one.buy("LMT", limit_price=10.0)
        one.settle()
        before = one.of(OrderReported)[-1]
        changed = one.terms(kind="LMT", limit_price=11.0, order_ref=order.order_ref).with_id(order.order_id)
        one.store.modify(one.instrument(), changed)
        one.settle()
        after = one.of(OrderReported)[-1]
        assert (before.limit_price, after.limit_price, before.perm_id) == (10.0, 11.0, after.perm_id)
        one.store.cancel(order.order_id)
        one.settle()
        assert one.statuses(order.order_id)[-1] == "Cancelled" and one.codes() == [202] and one.live() == []
        with pytest.raises(NotSentError, match="is Cancelled, so it cannot be changed"):
            one.store.modify(one.instrument(), changed)


def test_what_if_tells_margins_and_is_no_order() -> None:
    with desk() as one:
        one.tws.advance(seconds=5)
        preview = one.store.what_if(one.instrument(), one.terms())
        assert preview.init_margin_change is not None and preview.init_margin_change > 0
        assert preview.init_margin_after == pytest.approx(preview.init_margin_before + preview.init_margin_change)
        assert preview.commission is not None and preview.commission_currency == "USD"
        one.after(5)
        assert one.fills() == [] and one.of(OrderReported) == [] and one.live() == []


def test_a_global_cancel_ends_all() -> None:
    with desk() as one:
        ids = [one.buy("LMT", limit_price=10.0 + n).order_id for n in range(3)]
        one.settle()
        one.store.global_cancel()
        one.settle()
        assert one.live() == [] and {one.statuses(each)[-1] for each in ids} == {"Cancelled"}


def test_an_order_that_cannot_be_meant_is_not_sent() -> None:
    with desk() as one:
        for terms, said in (
            ({"kind": "LMT"}, "needs limit_price"),
            ({"quantity": 0}, "give more than 0"),
            ({"tif": ""}, "no time in force"),
            ({"tif": "GTD"}, "good_till belong together"),
            ({"action": "LONG"}, "use BUY or SELL"),
            ({"order_ref": "x" * 65}, "at most 64"),
            ({"kind": "TRAIL", "aux_price": 1.0, "trailing_percent": 2.0}, "one of both"),
        ):
            with pytest.raises(RequestError, match=said):
                one.store.place(one.instrument(), one.terms(**terms))
        one.settle()
        assert one.live() == [] and one.codes() == []


# -- faults of orders -------------------------------------------------------------------------------------------------


def test_a_dropped_order_is_nowhere_and_is_not_sent_again() -> None:
    with desk("order_dropped") as one:
        order = one.buy()
        one.after(60)
        assert one.statuses(order.order_id) == [] and one.fills() == [] and one.codes() == []
        refs = [each.order_ref for each in one.store.open_orders() + one.store.completed_orders()]
        assert order.order_ref not in refs and one.store.executions() == () and one.position() == 0


def test_an_order_that_vanishes_is_neither_open_nor_completed() -> None:
    with desk("order_vanishes") as one:
        order = one.buy("LMT", limit_price=10.0)
        one.after(5)
        assert one.statuses(order.order_id)[-1] == "Submitted"
        assert one.store.open_orders() == () and one.store.completed_orders() == ()


def test_an_order_reported_as_cancelled_that_fills_is_filled_at_the_end() -> None:
    with desk("reported_cancelled") as one:
        order = one.buy("LMT", limit_price=10.0)
        one.after(1)
        assert one.statuses(order.order_id)[-1] == "Cancelled"
        one.after(10)
        assert [each.shares for each in one.fills()] == [100.0] and one.position() == 100.0
        assert one.statuses(order.order_id)[-1] == "Filled"


def test_a_fill_after_a_cancel_is_reported() -> None:
    with desk("fill_after_cancel") as one:
        order = one.buy("LMT", limit_price=10.0)
        one.settle()
        one.store.cancel(order.order_id)
        one.after(5)
        assert [each.order_ref for each in one.fills()] == [order.order_ref] and one.position() == 100.0
        assert one.statuses(order.order_id)[-1] == "Filled"


def test_statuses_that_come_twice_are_reported_once() -> None:
    with desk("status_duplicated") as one:
        order = one.buy()
        one.after(3)
        said = [(each.status, each.filled, each.remaining) for each in one.of(OrderReported)]
        assert len(said) == len(set(said)) and said[-1] == ("Filled", 100.0, 0.0)
        assert one.statuses(order.order_id).count("Filled") == 1


def test_a_status_that_comes_late_does_not_take_a_fill_back() -> None:
    with desk("status_out_of_order") as one:
        order = one.buy()
        one.after(90)
        said = one.statuses(order.order_id)
        assert said[-1] == "Filled" and said.count("Filled") == 1 and len(one.fills()) == 1


def test_without_any_status_the_execution_says_filled() -> None:
    with desk("status_missing") as one:
        order = one.buy()
        one.after(3)
        last = [each for each in one.of(OrderReported) if each.order_id == order.order_id][-1]
        assert (last.status, last.filled, last.remaining, last.source) == ("Filled", 100.0, 0.0, "execution")
        assert len(one.fills()) == 1


def place_twin(tws: Tws, order_id: int, limit_price: float) -> None:
    """A change becomes a second order of the same id and orderRef, with a permId of its own."""
    (known,) = [order for order in tws.market.open_orders() if order.order_id == order_id]
    terms = known.terms | {"lmtPrice": limit_price}
    twin = tws.market.new_order(1, order_id, known.account, known.instrument, known.contract, terms)
    tws.market.place(twin, is_twin=True)


def test_a_change_that_becomes_a_second_order_is_called_a_twin() -> None:
    with desk("on placeOrder where new=no: drop") as one:
        order = one.buy("LMT", limit_price=10.0)
        one.settle()
        one.store.modify(
            one.instrument(), one.terms(kind="LMT", limit_price=11.0, order_ref=order.order_ref).with_id(order.order_id)
        )  # fmt: skip
        one.settle()
        one.tws.call(lambda tws: place_twin(tws, order.order_id, 11.0))
        one.settle()
        (twin,) = one.of(OrderTwinned)
        assert twin.order_ref == order.order_ref and len(twin.perm_ids) == 2
        listed = one.store.open_orders()
        assert {each.limit_price for each in listed} == {10.0, 11.0}
        assert {each.perm_id for each in listed} == set(twin.perm_ids)


@pytest.mark.parametrize(
    ("fault", "is_about_margin"),
    [
        ("rejected_margin", True), ("rejected_funds", True), ("rejected_closed", False), ("rejected_account", False),
        ("rejected_size", False), ("rejected_permission", False), ("rejected_short", False),
        ("rejected_advanced", False),
    ],
)  # fmt: skip
def test_a_rejection_is_an_order_refused_with_its_reason(fault: str, is_about_margin: bool) -> None:
    with desk(fault) as one:
        order = one.sell()
        one.after(3)
        (error,) = [each for each in one.of(ErrorReported) if each.code == 201]
        assert (error.klass, error.reaction, error.order_id) == (Klass.ORDER, Reaction.ORDER_REFUSED, order.order_id)
        assert error.order_ref == order.order_ref and is_margin(error.text) is is_about_margin
        assert bool(error.advanced_reject) is (fault == "rejected_advanced")
        assert one.statuses(order.order_id)[-1] == "Inactive" and one.fills() == [] and one.live() == []


def test_a_refused_what_if_raises() -> None:
    with desk('on placeOrder where order.whatIf=yes: drop; error 201 "Order rejected - reason:no margin"') as one:
        with pytest.raises(RequestRefused, match="201") as caught:
            one.store.what_if(one.instrument(), one.terms())
        assert caught.value.number == 201


@pytest.mark.parametrize(
    ("fault", "code", "reaction"),
    [
        ("tif_preset", 10349, Reaction.ORDER_LIVE),
        ("outside_hours_warning", 399, Reaction.ORDER_LIVE),
        ("locate_hold", 404, Reaction.ORDER_HELD),
    ],
)
def test_a_notice_leaves_the_order_live(fault: str, code: int, reaction: Reaction) -> None:
    with desk(fault) as one:
        order = one.sell("LMT", limit_price=1000.0)
        one.settle()
        (error,) = [each for each in one.of(ErrorReported) if each.order_id == order.order_id]
        assert (error.code, error.reaction) == (code, reaction)
        assert "Cancelled" not in one.statuses(order.order_id) and one.live() == [order.order_id]


def test_a_held_short_sale_fills_once_it_is_released() -> None:
    with desk("locate_hold") as one:
        one.sell()
        one.after(30)
        assert one.fills() == []
        one.after(60)
        assert [each.signed_shares for each in one.fills()] == [-100.0] and one.position() == -100.0


def test_a_price_off_the_tick_was_never_placed() -> None:
    with desk("price_off_tick") as one:
        order = one.buy("LMT", limit_price=10.005)
        one.settle()
        (error,) = [each for each in one.of(ErrorReported) if each.code == 110]
        assert (error.reaction, error.on_modify, error.order_id) == (Reaction.ORDER_REFUSED, False, order.order_id)
        assert one.live() == [] and one.statuses(order.order_id) == []


def test_a_change_off_the_tick_leaves_the_original_as_it_was() -> None:
    with desk("modify_off_tick") as one:
        order = one.buy("LMT", limit_price=10.0)
        one.settle()
        one.store.modify(
            one.instrument(), one.terms(kind="LMT", limit_price=11.0, order_ref=order.order_ref).with_id(order.order_id)
        )  # fmt: skip
        one.settle()
        (error,) = [each for each in one.of(ErrorReported) if each.code == 110]
        assert (error.reaction, error.on_modify) == (Reaction.CHANGE_REFUSED, True)
        (live,) = one.store.open_orders()
        assert (live.limit_price, live.status) == (10.0, "Submitted")


def test_a_change_of_a_filled_order_waits_for_the_fill() -> None:
    with desk("modify_filled") as one:
        order = one.buy("LMT", limit_price=10.0)
        one.settle()
        one.store.modify(
            one.instrument(), one.terms(kind="LMT", limit_price=11.0, order_ref=order.order_ref).with_id(order.order_id)
        )  # fmt: skip
        one.after(1)
        (error,) = [each for each in one.of(ErrorReported) if each.code == 104]
        assert error.reaction is Reaction.AWAIT_FILL and len(one.fills()) == 1
        assert one.statuses(order.order_id)[-1] == "Filled"


@pytest.mark.parametrize(
    ("fault", "code", "reaction", "fills"),
    [
        ("cancel_not_possible", 161, Reaction.RECONCILE, 0),
        ("cancel_not_found", 10147, Reaction.RECONCILE, 0),
        ("cancel_crosses_fill", 10148, Reaction.AWAIT_FILL, 1),
    ],
)
def test_a_cancel_that_fails_decides_nothing(fault: str, code: int, reaction: Reaction, fills: int) -> None:
    with desk(fault) as one:
        order = one.buy("LMT", limit_price=10.0)
        one.settle()
        one.store.cancel(order.order_id)
        one.after(1)
        (error,) = [each for each in one.of(ErrorReported) if each.order_id == order.order_id]
        assert (error.code, error.reaction) == (code, reaction)
        assert len(one.fills()) == fills and "Cancelled" not in one.statuses(order.order_id)
        assert one.live() == ([] if fills else [order.order_id])


def test_an_order_that_the_exchange_cancels_ends_by_status_and_error() -> None:
    with desk("cancelled_by_exchange") as one:
        order = one.buy("LMT", limit_price=10.0)
        one.after(5)
        assert one.statuses(order.order_id)[-1] == "Cancelled" and one.codes() == [202] and one.live() == []


# -- faults of fills --------------------------------------------------------------------------------------------------


def test_a_part_is_filled_and_the_rest_refused() -> None:
    with desk("partial_fill_then_reject") as one:
        order = one.buy()
        one.after(5)
        assert [each.shares for each in one.fills()] == [50.0] and one.position() == 50.0
        last = [each for each in one.of(OrderReported) if each.order_id == order.order_id][-1]
        assert (last.status, last.filled) == ("Inactive", 50.0)


def test_an_execution_that_comes_twice_is_reported_once() -> None:
    with desk("execution_duplicated") as one:
        one.buy()
        one.after(3)
        assert len(one.fills()) == 1 and len(one.store.executions()) == 1 and len(one.fills()) == 1


def test_a_correction_replaces_its_execution() -> None:
    with desk("execution_corrected") as one:
        one.buy()
        one.after(10)
        first, second = one.fills()
        assert second.corrects == first.exec_id and second.exec_id == first.exec_id[:-2] + "02"
        assert second.price == pytest.approx(first.price + 0.05) and second.shares == 100.0
        assert [each.exec_id for each in one.store.executions()] == [second.exec_id]
        assert len(one.fills()) == 2 and one.position() == 100.0


def test_a_bust_takes_its_execution_back() -> None:
    with desk("execution_busted") as one:
        one.buy()
        one.after(10)
        first, second = one.fills()
        assert second.is_bust and second.corrects == first.exec_id and not first.is_bust
        assert one.position() == 0.0 and [each.shares for each in one.store.executions()] == [0.0]
        assert one.store.without_commission() == ()


def test_a_late_commission_does_not_hold_the_fill() -> None:
    with desk("commission_late") as one:
        one.buy()
        one.after(3)
        (fill,) = one.fills()
        assert one.of(CommissionReported) == [] and one.store.without_commission() == (fill.exec_id,)
        one.after(40)
        assert [each.exec_id for each in one.of(CommissionReported)] == [fill.exec_id]


def test_a_commission_that_never_comes_is_known_to_be_missing() -> None:
    with desk("commission_never") as one:
        one.buy()
        one.after(60)
        (fill,) = one.fills()
        assert one.store.without_commission() == (fill.exec_id,) and one.of(CommissionReported) == []
