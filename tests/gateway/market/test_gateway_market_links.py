"""Brackets and OCA groups."""

from __future__ import annotations

import datetime as dt

import pytest

from gateway.market import Accounts


def bracket(world, quantity=100, target=110.0, stop=90.0, entry="MKT", **terms):
    """A bracket of orders 1 (parent), 2 (target) and 3 (stop)."""
    parent = world.place(1, "BUY", entry, quantity, transmit=False, **terms)
    take = world.place(2, "SELL", "LMT", quantity, lmtPrice=target, parentId=1, transmit=False)
    protect = world.place(3, "SELL", "STP", quantity, auxPrice=stop, parentId=1)
    return parent, take, protect


def test_nothing_is_sent_until_the_last_child_transmits(world):
    world.place(1, transmit=False)
    world.place(2, "SELL", "LMT", lmtPrice=110.0, parentId=1, transmit=False)
    assert world.log == []
    world.bar(100, 101, 99, 100)
    assert world.fills() == []
    world.place(3, "SELL", "STP", auxPrice=90.0, parentId=1)
    assert world.log == [
        ("status", 1, "Submitted", 0),
        ("status", 2, "PreSubmitted", 0),
        ("status", 3, "PreSubmitted", 0),
    ]


def test_children_wait_for_their_parent(world):
    _, take, protect = bracket(world, entry="LMT", lmtPrice=95.0)
    assert (take.why_held, protect.why_held) == ("child", "child,trigger")
    world.bar(100, 112, 96, 100)  # the target's price was there, the parent's not
    assert world.fills() == []


def test_children_live_in_the_bar_at_whose_open_the_parent_filled(world):
    bracket(world)
    world.bar(100, 111, 99, 110)
    assert world.fills() == [(100, 100.0), (100, 110.0)]


def test_children_meet_the_next_bar_where_the_parent_filled_within_one(world):
    _, take, protect = bracket(world, entry="LMT", lmtPrice=98.0)
    world.bar(100, 111, 89, 110)
    assert world.fills() == [(100, 98.0)]
    assert (take.status, take.why_held) == ("Submitted", "")
    assert (protect.status, protect.why_held) == ("PreSubmitted", "trigger")
    world.bar(110, 111, 109, 110)
    assert world.fills(2) == [(100, 110.0)]


def test_in_one_bar_the_stop_is_assumed_before_the_target(world):
    _, take, protect = bracket(world)
    world.bar(100, 111, 89, 110)
    assert world.fills() == [(100, 100.0), (100, 90.0)]
    assert (protect.status, take.status) == ("Filled", "Cancelled")
    assert world.codes(2) == [202]


def test_a_child_that_the_open_has_passed_already_fills_there(world):
    world.place(1, transmit=False)
    world.place(2, "SELL", "STP", auxPrice=101.0, parentId=1)
    world.bar(100, 102, 99, 101)
    assert world.fills() == [(100, 100.0), (100, 100.0)]


def test_children_are_sized_to_what_the_parent_has_filled(make_world):
    world = make_world(participation=1.0)
    _, take, _ = bracket(world)
    world.bar(100, 111, 99, 110, 40.0)  # 40 in, nothing left for the exit
    assert world.fills() == [(40, 100.0)]
    world.bar(110, 111, 109, 110, 30.0)  # the parent's rest comes first
    assert world.fills() == [(40, 100.0), (30, 110.0)]
    world.bar(110, 111, 109, 110, 1000.0)
    assert world.fills(1) == [(40, 100.0), (30, 110.0), (30, 110.0)]
    assert world.fills(2) == [(100, 110.0)]
    assert take.status == "Filled"


def test_what_one_exit_fills_is_taken_off_the_other(world):
    bracket(world)
    world.quote(99.9, 100.0)
    world.quote(110.0, 110.1, bid_size=30)
    protect = world.market.find(1, 3)
    assert (protect.quantity, protect.status) == (70, "PreSubmitted")
    world.quote(90.0, 90.1)
    assert world.fills(2) == [(30, 110.0)] and world.fills(3) == [(70, 90.0)]
    assert world.market.find(1, 2).status == "Cancelled"
    assert world.market.accounts["DU1"].held(1) == 0


def test_two_targets_and_a_stop_never_close_more_than_there_is(world):
    world.place(1, transmit=False)
    world.place(2, "SELL", "LMT", 50, lmtPrice=105.0, parentId=1, transmit=False)
    world.place(3, "SELL", "LMT", 50, lmtPrice=110.0, parentId=1, transmit=False)
    stop = world.place(4, "SELL", "STP", 100, auxPrice=90.0, parentId=1)
    world.bar(100, 106, 99, 105)
    assert (world.fills(2), stop.quantity) == ([(50, 105.0)], 50)
    world.bar(100, 100, 89, 90)
    assert world.fills(4) == [(50, 90.0)]
    assert world.market.find(1, 3).status == "Cancelled"


def test_a_parent_cancelled_without_a_fill_takes_its_children_along(world):
    parent, take, protect = bracket(world, entry="LMT", lmtPrice=95.0)
    world.market.cancel(parent)
    assert [order.status for order in (parent, take, protect)] == ["Cancelled"] * 3
    assert world.codes() == [202, 202, 202]


def test_a_parent_cancelled_after_a_part_leaves_children_for_that_part(world):
    parent, take, protect = bracket(world, entry="LMT", lmtPrice=100.0)
    world.quote(99.9, 100.0, ask_size=40)
    world.market.cancel(parent)
    assert (take.quantity, protect.quantity) == (40, 40)
    world.quote(110.0, 110.1)
    assert world.fills(2) == [(40, 110.0)]
    assert protect.status == "Cancelled"


def test_a_parent_that_expires_takes_its_children_along(world):
    bracket(world, entry="LMT", lmtPrice=95.0)
    world.go(dt.timedelta(hours=7))
    assert world.market.open_orders() == []


def test_a_rejected_parent_never_sends_its_children(make_world):
    world = make_world(capital=1_000.0)
    world.bar(100, 100, 100, 100)
    parent, take, _ = bracket(world)
    assert parent.status == "Inactive" and world.codes(1) == [201]
    assert take.status == "ApiCancelled"
    assert world.market.open_orders() == []


def test_a_child_of_a_filled_parent_lives_at_once(world):
    world.place(1)
    world.bar(100, 101, 99, 100)
    child = world.place(2, "SELL", "LMT", lmtPrice=105.0, parentId=1)
    assert (child.status, child.why_held) == ("Submitted", "")


def test_a_child_without_a_parent(world):
    world.place(2, "SELL", "LMT", lmtPrice=105.0, parentId=9)
    assert world.codes() == [10006]


def test_a_child_on_the_parents_side_is_not_an_exit(world):
    world.place(1, quantity=10, transmit=False)
    world.place(2, "BUY", "LMT", 50, lmtPrice=95.0, parentId=1)
    world.bar(100, 100, 94, 95)
    assert world.fills() == [(10, 100.0), (50, 95.0)]


def test_children_tell_the_group_that_ibkr_makes_of_them(world):
    parent, take, protect = bracket(world)
    assert take.terms["ocaGroup"] == protect.terms["ocaGroup"] == str(parent.perm_id)
    assert take.terms["ocaType"] == 3
    assert "ocaGroup" not in parent.terms


def test_cancelling_one_exit_cancels_the_other(world):
    _, take, protect = bracket(world)
    world.quote(99.9, 100.0)
    world.market.cancel(take)
    assert (take.status, protect.status) == ("Cancelled", "Cancelled")


def test_a_held_order_that_is_cancelled_never_left(world):
    order = world.place(1, transmit=False)
    world.market.cancel(order)
    assert world.log == [("status", 1, "ApiCancelled", 0)]
    assert world.market.completed_orders() == []


def test_a_modification_transmits_what_was_held(world):
    order = world.place(1, transmit=False)
    world.modify(order, transmit=True)
    assert world.statuses(1) == ["Submitted"]


# ---------------------------------------------------------------------- OCA groups


def pair(world, oca_type, first=100, second=100):
    group = {"ocaGroup": "g", "ocaType": oca_type}
    return (
        world.place(1, "BUY", "LMT", first, lmtPrice=99.0, **group),
        world.place(2, "BUY", "LMT", second, lmtPrice=98.0, **group),
    )


@pytest.mark.parametrize("oca_type", [1, 2, 3])
def test_a_whole_fill_cancels_the_rest_of_the_group(world, oca_type):
    one, other = pair(world, oca_type)
    world.bar(100, 100, 97, 97)  # both limits are in the range
    assert world.fills() == [(100, 99.0)]
    assert (one.status, other.status, world.codes(2)) == ("Filled", "Cancelled", [202])


@pytest.mark.parametrize(
    "oca_type, first, second, left",
    [(1, 100, 100, None), (2, 100, 100, 60), (3, 100, 100, 60), (2, 100, 200, 120), (3, 200, 33, 26)],
)
def test_a_partial_fill_cancels_or_reduces_in_proportion(world, oca_type, first, second, left):
    _, other = pair(world, oca_type, first, second)
    world.quote(98.9, 99.0, ask_size=40)
    assert world.fills() == [(40, 99.0)]
    assert other.status == ("Cancelled" if left is None else "Submitted")
    assert left is None or other.quantity == left


def test_an_order_for_a_group_that_has_filled(world):
    pair(world, 1)
    world.bar(100, 100, 97, 97)
    world.place(3, "BUY", "LMT", lmtPrice=97.0, ocaGroup="g", ocaType=1)
    assert world.statuses(3) == ["Inactive", "Inactive"]
    assert world.texts[-1] == "Order rejected - reason:OCA group is already filled."


def test_cancelling_one_order_cancels_the_group(world):
    one, other = pair(world, 1)
    world.market.cancel(other)
    assert (one.status, other.status) == ("Cancelled", "Cancelled")
    world.market.cancel(one)
    assert world.codes(1) == [202, 10148]


def test_groups_of_two_accounts_are_two_groups(make_world):
    world = make_world(accounts=Accounts({"DU1": 1e6, "DU2": 1e6}))
    world.place(1, "BUY", "LMT", lmtPrice=99.0, ocaGroup="g", account="DU1")
    other = world.place(2, "BUY", "LMT", lmtPrice=98.0, ocaGroup="g", account="DU2")
    world.bar(100, 100, 98.5, 99)
    assert other.status == "Submitted"


def test_a_group_spans_instruments(world):
    world.place(1, "BUY", "LMT", lmtPrice=99.0, ocaGroup="g", ocaType=1)
    other = world.place(2, "BUY", "LMT", lmtPrice=98.0, ocaGroup="g", ocaType=1, instrument=world.b)
    world.bar(100, 100, 98.5, 99)
    assert other.status == "Cancelled"


def test_a_modified_exit_stays_in_its_family_and_a_member_in_its_group(world):
    parent, take, _ = bracket(world)
    one = world.place(8, "BUY", "LMT", lmtPrice=99.0, ocaGroup="g", ocaType=2)
    other = world.place(9, "BUY", "LMT", lmtPrice=98.0, ocaGroup="g", ocaType=2)
    world.modify(take, ocaGroup="", ocaType=0, lmtPrice=111.0)
    assert take.terms["ocaGroup"] == str(parent.perm_id)
    world.modify(one, ocaGroup="", ocaType=0, lmtPrice=99.5)
    assert (one.terms["ocaGroup"], one.terms["ocaType"]) == ("g", 2)
    world.bar(100, 100, 99.4, 100)
    assert world.fills(8) == [(100, 99.5)] and other.status == "Cancelled"


# ---------------------------------------------------------------------- exits larger than what there is to close


def test_an_exit_larger_than_its_parent_ends_with_it(world):
    world.place(1, quantity=100, transmit=False)
    stop = world.place(2, "SELL", "STP", 300, auxPrice=90.0, parentId=1)
    world.bar(100, 100, 100, 100)
    assert (stop.quantity, stop.status) == (100, "PreSubmitted")
    world.bar(90, 90, 90, 90)
    assert stop.status == "Filled" and world.market.open_orders() == []


def test_an_exit_cannot_be_made_larger_than_what_its_parent_left(world):
    parent, take, protect = bracket(world, entry="LMT", lmtPrice=100.0)
    world.quote(99.9, 100.0, ask_size=40)
    world.modify(protect, totalQuantity=150)  # the parent may still fill: no harm yet
    assert world.codes() == [] and protect.quantity == 150
    world.market.cancel(parent)
    assert (take.quantity, protect.quantity) == (40, 40)
    world.modify(protect, totalQuantity=100)
    assert world.codes(3) == [201] and protect.quantity == 40
    assert world.texts[-1].endswith("exceeds what its parent order has filled [40].")
    world.modify(protect, totalQuantity=30)
    assert protect.quantity == 30
    world.modify(protect, totalQuantity=40)
    world.quote(89.0, 89.1)
    assert world.fills(3) == [(40, 89.0)] and world.market.open_orders() == []


def test_exits_of_different_groups_leave_none_of_them_behind(world):
    world.place(1, transmit=False)
    world.place(2, "SELL", "LMT", lmtPrice=110.0, parentId=1, ocaGroup="g", transmit=False)
    other = world.place(3, "SELL", "STP", auxPrice=90.0, parentId=1)
    world.bar(100, 100, 100, 100)
    world.bar(111, 111, 111, 111)
    assert world.fills(2) == [(100, 111.0)]
    assert other.status == "Cancelled" and world.market.open_orders() == []
