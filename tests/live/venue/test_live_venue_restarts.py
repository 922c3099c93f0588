"""The process is killed at each point of an order, and what the next one takes up."""

from __future__ import annotations

from pathlib import Path

import pytest
from atibkr.desk import Desk, desk

from books.intents_records import Carried as Taken
from core.errors import IntentError
from core.orders import Refusal
from engine.venue import Accepted, Carried, Charged, Corrected, Ended, Filled, VenueRefused


def only(carried: tuple[Carried, ...]) -> Carried:
    (found,) = carried
    return found


def again_and_again(at: Desk) -> None:
    """A second restart finds the same, and nothing new."""
    before = at.carried
    at.restart()
    assert at.carried == before and not at.reports
    at.after(10, step=2)
    assert not at.reports


def test_a_filled_order_is_carried_with_its_fills_and_fees() -> None:
    with desk() as at:
        sent = at.buy(trade="t1", reason="zscore")
        at.after(5)
        fill, cost = at.of(sent, Filled)[0], at.of(sent, Charged)[0]
        at.restart()
        found = only(at.carried)
        assert not found.is_working and found.order.ref == -1
        assert (found.order.unit, found.order.symbol, found.order.role, found.order.trade, found.order.reason) == (
            "rev", "XMPLA", "entry", "t1", "zscore",
        )  # fmt: skip
        assert found.order.decision == sent.decision
        told = [type(report) for report in found.reports]
        assert told == [Accepted, Filled, Charged]
        assert (found.reports[1].exec_id, found.reports[2].fees) == (fill.exec_id, cost.fees)  # type: ignore[attr-defined]
        again_and_again(at)


def test_a_bracket_is_carried_and_its_stop_goes_on_to_work() -> None:
    with desk() as at:
        entry, stop, target = at.place(*at.bracket())
        at.after(5)
        at.restart()
        assert [each.is_working for each in at.carried] == [False, True, True]
        first, second, third = (each.order for each in at.carried)
        assert second.parent == third.parent == first.ref and second.oca_group == third.oca_group == "hl.test.oca.2"
        assert (second.role, second.aux_price, second.tif) == ("stop", 50.0, "GTC")
        at.venue.cancel(second.ref, "test")  # one of a group ends all of it at IBKR? no: it alone
        at.settle()
        assert [end.how for end in at.of(second.ref, Ended)] == ["cancelled"]
        leave = at.place(at.order("SELL", role="exit", oca_group=third.oca_group))[0]
        at.after(5)
        assert at.of(leave, Filled) and at.of(third.ref, Ended) and at.held() == 0


def test_a_fill_while_the_process_was_down_is_among_what_is_carried() -> None:
    with desk() as at:
        at.venue.place([at.order()])
        at.crash()
        at.tws.advance(seconds=30)
        at.start()
        found = only(at.carried)
        assert [type(report) for report in found.reports] == [Accepted, Filled, Charged] and not found.is_working
        assert at.held() == at.journal.book.unit_size("rev", at.venue.instruments["XMPLA"].con_id) == 100


def test_an_order_that_was_written_and_not_sent_is_asked_for_and_ends() -> None:
    with desk() as at:
        at.store.place = lambda *_: (_ for _ in ()).throw(SystemExit)  # type: ignore[method-assign, assignment]
        with pytest.raises(SystemExit):
            at.venue.place([at.order()])
        at.restart()
        found = only(at.carried)
        assert found.is_working and not found.reports and at.venue.doubts
        with pytest.raises(VenueRefused) as refused:
            at.venue.place([at.order()])
        assert refused.value.refusal is Refusal.UNRESOLVED
        at.after(12, step=1)
        assert [end.how for end in at.of(found.order.ref, Ended)] == ["rejected"] and at.venue.is_settled
        assert at.place(at.order()) and not at.journal.book.halts


def test_a_late_fill_of_a_carried_order_is_told() -> None:
    with desk("on placeOrder 1: hold; pass; wait 20; release") as at:
        at.buy()
        at.restart()
        found = only(at.carried)
        assert found.is_working and [type(report) for report in found.reports] == [Accepted]
        at.after(30, step=2)
        assert at.names(found.order.ref) == ["Filled", "Charged"]


def test_a_correction_of_a_carried_fill_is_told() -> None:
    with desk("execution_corrected:seconds=20") as at:
        at.buy()
        at.after(5)
        at.restart()
        found = only(at.carried)
        at.after(30, step=2)
        (change,) = at.of(found.order.ref, Corrected)
        assert change.corrects == found.reports[1].exec_id  # type: ignore[attr-defined]


def test_a_cancel_that_was_not_answered_is_sent_again() -> None:
    with desk("on cancelOrder 1: drop") as at:
        order = at.buy("LMT", limit_price=1.0)
        at.venue.cancel(order.ref, "test")
        at.restart()
        found = only(at.carried)
        at.after(5, step=1)
        ends = [report for report in (*found.reports, *at.reports) if isinstance(report, Ended)]
        assert [end.how for end in ends] == ["cancelled"] and not at.at_gateway()


def test_the_kill_switch_stays_latched() -> None:
    with desk() as at:
        entry = at.buy()
        at.after(5)
        at.venue.kill("drawdown")
        at.restart()
        assert at.venue.killed == "drawdown"
        with pytest.raises(VenueRefused, match="drawdown") as refused:
            at.venue.place([at.order()])
        assert refused.value.refusal is Refusal.KILLED
        leave = at.place(at.order("SELL", role="exit"))[0]  # what closes goes out
        at.after(5)
        assert at.of(leave, Filled) and at.held() == 0 and entry


def test_units_that_were_adopted_are_carried_as_a_fill() -> None:
    with desk() as at:
        con_id = at.venue.instruments["XMPLA"].con_id
        at.journal.accept(con_id, "XMPLA", 50.0, "by hand")
        at.journal.adopt(con_id, "XMPLA", "rev", 50.0, 123.0)
        at.tws.call(lambda tws: None)
        at.crash()
        at.start()
        found = only(at.carried)
        fill = found.reports[0]
        assert isinstance(fill, Filled) and (fill.quantity, fill.price, fill.is_estimate) == (50.0, 123.0, True)
        assert (found.order.unit, found.order.action, found.is_working) == ("rev", "BUY", False)


def prices(at: Desk) -> list[tuple[str, float, float]]:
    return [(each.order.action, fill.quantity, fill.price) for each in at.carried for fill in fills(each)]


def fills(carried: Carried) -> list[Filled]:
    return [report for report in carried.reports if isinstance(report, Filled)]


def test_units_that_left_a_book_are_carried_at_the_price_that_was_given() -> None:
    with desk() as at:
        con_id = at.venue.instruments["XMPLA"].con_id
        at.journal.accept(con_id, "XMPLA", 50.0, "by hand")
        at.journal.adopt(con_id, "XMPLA", "rev", 50.0, 100.0)
        at.journal.accept(con_id, "XMPLA", -50.0, "sold by hand, days ago", "rev", 97.5)
        at.restart()
        assert prices(at) == [("BUY", 50.0, 100.0), ("SELL", 50.0, 97.5)]


def without_price(at: Desk, quantity: float) -> None:
    """As versions before let it be accepted."""
    con_id = at.venue.instruments["XMPLA"].con_id
    made = Taken(
        at=at.store.clock.now(), account=at.journal.account, con_id=con_id, symbol="XMPLA", unit="rev",
        quantity=quantity, price=None, why="accepted: test",
    )  # fmt: skip
    at.journal.settle([made])


def test_units_without_a_price_have_the_nearest_one_of_the_journal_and_never_none() -> None:
    with desk() as at:
        con_id = at.venue.instruments["XMPLA"].con_id
        at.journal.accept(con_id, "XMPLA", 50.0, "by hand")
        at.journal.adopt(con_id, "XMPLA", "rev", 50.0, 100.0)
        without_price(at, -50.0)
        at.restart()
        assert prices(at) == [("BUY", 50.0, 100.0), ("SELL", 50.0, 100.0)]


def test_units_of_which_no_price_is_known_are_told_with_the_command_that_gives_one() -> None:
    with desk() as at:
        without_price(at, 50.0)
        con_id = at.venue.instruments["XMPLA"].con_id
        command = f"--accept {con_id} --quantity -50 --unit rev --price PRICE"
        with pytest.raises(IntentError, match=command):
            at.restart()
        at.journal.accept(con_id, "XMPLA", -50.0, "sold by hand", "rev", 97.5)  # as it says
        at.restart()
        assert prices(at) == [("BUY", 50.0, 97.5), ("SELL", 50.0, 97.5)]


def test_units_of_strategies_that_are_gone_are_told() -> None:
    with desk() as at:
        at.place(at.order(unit="gone"))
        at.after(5)
        at.restart()
        assert at.carried == () and at.venue.strangers() == {("gone", "XMPLA"): 100.0}


def test_what_the_owner_trades_by_hand_is_left_alone() -> None:
    with desk() as at:
        order = at.buy()
        at.after(5)
        con_id = at.venue.instruments["XMPLB"].con_id
        assert con_id not in {key for _, key in at.journal.book.unit_positions()} and at.of(order, Filled)
        assert Path("intents.sqlite").is_file()
