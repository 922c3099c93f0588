"""Orders with which a day begins that is not the first of its run: what was told of them until then."""

from __future__ import annotations

import datetime as dt
from typing import Any

from engine.venue import Accepted, Carried, ChangeRefused, Charged, Corrected, Ended, Filled, Resized, VenueOrder
from live.record_orders import KnownOrders, renumbered


def at(minute: int) -> dt.datetime:
    return dt.datetime(2024, 7, 2, 16, minute, tzinfo=dt.UTC)


NOON = at(0)
ORDER = VenueOrder(ref=5, unit="u", symbol="X", action="BUY", quantity=10.0, kind="MKT", tif="DAY", bar=NOON)
STOP = VenueOrder(
    ref=6, unit="u", symbol="X", action="SELL", quantity=10.0, kind="STP", tif="GTC", bar=NOON, aux_price=9.0, parent=5
)


def filled(ref: int, exec_id: str, quantity: float, minute: int) -> Filled:
    return Filled(ref=ref, when=at(minute), exec_id=exec_id, quantity=quantity, price=10.0)


def known(*reports: Any) -> dict[int, Carried]:
    orders = KnownOrders()
    orders.place([ORDER, STOP])
    orders.hear(reports)
    return {each.order.ref: each for each in orders.carried()}


def test_an_order_is_carried_with_what_was_told_of_it() -> None:
    fee = Charged(
        ref=5, when=NOON - dt.timedelta(seconds=1), exec_id="a", fees=1.0, currency="USD"
    )  # by a clock that is behind
    fill = filled(5, "a", 4.0, 1)
    left = known(Accepted(ref=5, when=NOON), fill, fee)
    assert [type(report) for report in left[5].reports] == [Accepted, Filled, Charged]
    assert left[5].is_working and left[5].reports[2].when == fill.when  # a fee is never before its fill
    assert left[6].is_working and not left[6].reports
    assert not known(fill, filled(5, "b", 6.0, 2))[5].is_working
    assert not known(Ended(ref=6, when=NOON, how="cancelled"))[6].is_working


def test_an_execution_that_was_taken_back_fills_its_order_no_more() -> None:
    fill, other = filled(5, "a", 4.0, 1), filled(5, "c", 6.0, 3)
    back = Corrected(ref=5, when=at(2), exec_id="b", corrects="a", quantity=0.0, price=10.0)
    assert known(fill, back, other)[5].is_working
    assert not known(fill, other, back)[5].is_working  # it was over


def test_terms_are_those_that_work() -> None:
    assert known(Resized(ref=6, when=NOON, quantity=7.0))[6].order.quantity == 7.0
    orders = KnownOrders()
    orders.take_over([Carried(STOP, (), True)])
    wanted = VenueOrder(
        ref=6, unit="u", symbol="X", action="SELL", quantity=10.0, kind="STP", tif="GTC", bar=NOON, aux_price=9.5,
        parent=5,
    )  # fmt: skip
    orders.modify(wanted)
    assert orders.carried()[0].order == wanted
    orders.hear([ChangeRefused(ref=6, when=NOON, code=0, text="no")])
    assert orders.carried() == [Carried(STOP, (), True)]


def test_a_replay_knows_orders_of_before_by_refs_that_backtrader_does_not_give() -> None:
    earlier = Carried(VenueOrder(
        ref=-3, unit="u", symbol="X", action="BUY", quantity=1.0, kind="MKT", tif="DAY", bar=NOON
    ), (), False)  # fmt: skip
    fill = filled(5, "a", 10.0, 1)
    made, refs = renumbered([earlier, Carried(ORDER, (fill,), False), Carried(STOP, (), True)])
    assert refs == {-3: -3, 5: -4, 6: -5}
    assert [each.order.ref for each in made] == [-3, -4, -5] and made[2].order.parent == -4
    assert [report.ref for report in made[1].reports] == [-4]
