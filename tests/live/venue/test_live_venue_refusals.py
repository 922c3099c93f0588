"""What is not sent, what is only half sent, and a disk that is full."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from atibkr.desk import Desk, desk

from core.errors import LedgerError, NotSentError
from core.events import ExceptionEvent, RefusalEvent
from core.orders import Refusal
from engine.venue import Ended, Filled, VenueRefused
from live.shorts import EVERY


@contextmanager
def failing(at: Desk, call: int, error: BaseException, *, is_sent: bool = False) -> Iterator[None]:
    """The ``call``-th order from now on fails at the socket; ``is_sent``: after it has left."""
    place, count = at.store.place, iter(range(1, 1000))

    def fails(*arguments: Any) -> None:
        is_now = next(count) == call
        if not is_now or is_sent:
            place(*arguments)
        if is_now:
            raise error

    at.store.place = fails  # type: ignore[method-assign]
    yield
    at.store.place = place  # type: ignore[method-assign]


def test_what_never_left_is_refused_and_the_journal_knows() -> None:
    with desk() as at:
        with failing(at, 1, NotSentError("the cable")), pytest.raises(VenueRefused, match="the cable") as refused:
            at.venue.place(at.bracket())
        assert refused.value.refusal is Refusal.NOT_SENT
        assert {order.state for order in at.journal.book.orders.values()} == {"withdrawn"}
        assert [(e.by, e.reason) for e in at.on_bus(RefusalEvent)] == [("journal", "not_sent")]
        at.after(5)
        assert not at.reports and not at.at_gateway()


@pytest.mark.parametrize("call", [2, 3])
def test_a_bracket_that_was_sent_in_part_is_cancelled_whole(call: int) -> None:
    with desk() as at:
        orders = at.bracket()
        with failing(at, call, NotSentError("the cable")):
            at.venue.place(orders)
        at.after(20, step=2)
        assert [at.of(order, Ended)[0].how for order in orders[call - 1 :]] == ["rejected"] * (4 - call)
        assert all(at.of(order, Ended) for order in orders) and not at.at_gateway() and at.held() == 0
        assert not at.journal.book.halts and at.venue.is_settled


def test_the_second_leg_of_a_pair_is_not_sent_the_first_is_cancelled_or_filled() -> None:
    with desk() as at:
        y = at.order("BUY", "LMT", limit_price=1.0, unit="pair", leg="y", trade="p")
        x = at.order("SELL", unit="pair", symbol="XMPLB", leg="x", trade="p")
        with failing(at, 2, NotSentError("the cable")):
            at.venue.place([y, x])
        at.after(10, step=2)
        assert [at.of(order, Ended)[0].how for order in (y, x)] == ["cancelled", "rejected"]


@pytest.mark.parametrize("is_sent", [False, True])
def test_an_outcome_that_is_not_known_is_asked_never_sent_again(is_sent: bool) -> None:
    with desk() as at:
        order = at.order()
        with failing(at, 1, RuntimeError("anything"), is_sent=is_sent):
            at.venue.place([order])
        assert at.known(order).state == "unknown"
        at.after(20, step=2)
        assert at.held() == (100 if is_sent else 0)
        assert bool(at.of(order, Filled)) is is_sent and bool(at.of(order, Ended)) is not is_sent
        assert len(at.journal.book.orders) == 1 and not at.journal.book.halts


def test_large_orders_are_previewed_and_refused_with_ibkrs_numbers() -> None:
    with desk(live={"what_if_eur": 10_000.0}) as at:
        with pytest.raises(VenueRefused) as refused:
            at.venue.place([at.order(quantity=100_000)])
        assert refused.value.refusal is Refusal.NO_MARGIN
        assert not at.journal.book.orders  # nothing was written, nothing was sent
        order = at.buy()
        at.after(5)
        assert at.of(order, Filled)


def test_small_orders_are_not_previewed_once_a_price_is_known() -> None:
    with desk(
        "on placeOrder where whatIf=yes: drop", live={"what_if_eur": 50_000.0}, store={"answer_timeout": 0.2}
    ) as at:
        with pytest.raises(VenueRefused, match="no preview"):
            at.venue.place([at.order()])
        at.store.subscribe_bars(at.venue.instruments["XMPLA"])
        at.after(15, step=5)
        at.buy()


@pytest.mark.parametrize("shares", [0.0, 99.0])
def test_shares_that_nobody_lends_any_more_are_not_sold_short(shares: float) -> None:
    """As the gateway says by generic tick 236, which is asked each quarter of an hour."""
    with desk() as at:
        at.after(2, step=1)
        at.place(at.order("SELL", symbol="XMPLB", unit="pair"))
        lend = at.tws.tws.book.by_con_id[at.venue.instruments["XMPLA"].con_id]
        at.tws.call(lambda tws: tws.market.set_shortable(lend, shares))
        at.after(EVERY + 5.0, step=5.0)
        sent = len(at.at_gateway())
        with pytest.raises(VenueRefused, match=rf"XMPLA: {shares:,.0f} shares can be borrowed, 100 are needed") as told:
            at.venue.place([at.order("SELL")])
        assert told.value.refusal is Refusal.NO_BORROW and len(at.at_gateway()) == sent
        at.buy()  # nobody has to lend for it
        at.after(5)
        at.place(at.order("SELL", role="exit"))  # nor for what closes it
        at.tws.call(lambda tws: tws.market.set_shortable(lend, 100.0))
        at.after(EVERY + 5.0, step=5.0)
        at.place(at.order("SELL"))


def test_shares_that_cannot_be_borrowed_are_not_sold() -> None:
    with desk() as at:
        at.after(2, step=1)
        shorts, con_id = at.venue._shorts, at.venue.instruments["XMPLA"].con_id
        assert shorts is not None and shorts.shares[con_id] == 10_000_000.0  # as the gateway says
        shorts.shares[con_id] = 99.0
        with pytest.raises(VenueRefused, match="can be borrowed") as refused:
            at.venue.place([at.order("SELL")])
        assert refused.value.refusal is Refusal.NO_BORROW
        at.place(at.order("SELL", symbol="XMPLB", unit="pair"))


def test_a_full_disk_sends_nothing_and_loses_no_fill(monkeypatch: pytest.MonkeyPatch) -> None:
    with desk() as at:
        order = at.order()
        at.venue.place([order])
        file = at.journal._file
        with monkeypatch.context() as patched:
            patched.setattr(file, "transaction", lambda **_: (_ for _ in ()).throw(LedgerError("disk full")))
            at.after(5)
            assert [fill.quantity for fill in at.of(order, Filled)] == [100]  # it is real
            assert [e.error for e in at.on_bus(ExceptionEvent)][:1] == ["LedgerError"]
            with pytest.raises(VenueRefused, match="disk full") as refused:
                at.venue.place([at.order()])
            assert refused.value.refusal is Refusal.NOT_SENT
        at.after(20, step=2)  # there is room again
        assert at.known(order).filled == 100 and len(at.of(order, Filled)) == 1
        assert not at.journal.book.halts and at.place(at.order())


def test_a_change_while_there_is_no_connection_is_refused() -> None:
    with desk("connectivity_lost:after=5") as at:
        order = at.buy("LMT", limit_price=1.0)
        at.after(7, step=1)
        with pytest.raises(VenueRefused):
            at.venue.modify(replace(order, limit_price=2.0))
        assert at.known(order).terms.limit_price == 1.0


def test_a_refusal_is_told_once_for_its_cause_until_an_order_has_gone_out() -> None:
    def refuse(at: Desk, why: str) -> int:
        with failing(at, 1, NotSentError(why)), pytest.raises(VenueRefused, match=why):
            at.venue.place([at.order()])
        return len(at.on_bus(RefusalEvent))

    with desk() as at:
        assert [refuse(at, "the cable"), refuse(at, "the cable"), refuse(at, "the disk")] == [1, 1, 2]
        at.after(890)
        assert refuse(at, "the cable") == 2
        at.after(15)
        assert [refuse(at, "the cable"), refuse(at, "the cable")] == [3, 3]
        at.venue.place([at.order()])
        assert [refuse(at, "the cable"), refuse(at, "the cable")] == [4, 4]
