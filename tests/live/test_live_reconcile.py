"""Each thing that reconciliation can find, made by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

import pytest

from books.intents import IntentJournal
from books.intents_records import BrokerOrder, Commission, Draft, Execution, Intent, Terms
from books.intents_states import HaltCause, OrderState
from core.clock import VirtualClock
from core.errors import IntentError
from core.orders import Role
from live.reconcile import GRACE_SECONDS, reconcile, settle
from live.reconcile_positions import candidates, explain
from live.reconcile_records import BrokerPosition, BrokerSnapshot, FindingKind, Reconciliation

MORNING = dt.datetime(2024, 6, 12, 13, 30, tzinfo=dt.UTC)
MIDNIGHT = MORNING.replace(hour=4, minute=0)  # in New York
DRAFT = Draft("unit", "t1", "entry", Role.ENTRY, 7, "BAC", "BUY", 100.0, Terms("LMT", limit_price=10.0))
STOP = replace(DRAFT, leg="stop", role=Role.STOP, action="SELL", terms=Terms("STP", aux_price=9.0, tif="GTC"))
TARGET = replace(DRAFT, leg="target", role=Role.TARGET, action="SELL", terms=Terms("LMT", limit_price=12.0, tif="GTC"))


class Desk:
    """A journal, a clock, and the broker's answers that a test changes."""

    def __init__(self) -> None:
        self.clock = VirtualClock(MORNING)
        self.journal = IntentJournal("intents.sqlite", "DU1", clock=self.clock, journal_id="test")
        self.journal.settle()
        self.answer = BrokerSnapshot("DU1", MORNING, MIDNIGHT)
        self.last: Reconciliation | None = None

    def says(self, **answer: object) -> None:
        self.answer = replace(self.answer, **answer)  # type: ignore[arg-type]

    def look(self) -> Reconciliation:
        """One look, ``GRACE_SECONDS`` after the last."""
        self.clock.sleep(GRACE_SECONDS)
        self.says(taken_at=self.clock.now())
        doubts = self.last.doubts if self.last else None
        self.last = reconcile(self.journal.snapshot(), self.answer, doubts)
        assert settle(self.journal, self.last)
        return self.last

    def settle(self) -> Reconciliation:
        """Look until nothing is left to ask; all findings of all looks."""
        self.journal.disconnected("a restart")
        findings = []
        for _ in range(6):
            result = self.look()
            findings += result.findings
            if result.is_settled:
                return replace(result, findings=tuple(findings))
        raise AssertionError(f"not settled: {result.findings}")

    def order(self, draft: Draft = DRAFT) -> Intent:
        (intent,) = self.journal.intend([draft])
        return intent

    def state(self, intent: Intent) -> OrderState:
        return self.journal.book.orders[intent.ref].state

    def next_day(self) -> None:
        self.clock.sleep(86_400)
        self.says(executions_since=self.answer.executions_since + dt.timedelta(days=1))

    def halts(self) -> dict[HaltCause, tuple[float | None, float | None]]:
        return {cause: (halt.expected, halt.found) for (_, _, cause), halt in self.journal.book.halts.items()}


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.journal.close()


def report(intent: Intent, status: str = "Submitted", filled: float = 0.0, **more: object) -> BrokerOrder:
    made = BrokerOrder(
        intent.ref, 100 + intent.number, status, "DU1", intent.con_id, intent.symbol, intent.action, intent.quantity,
        filled, limit_price=intent.terms.limit_price, aux_price=intent.terms.aux_price,
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def fill(intent: Intent, shares: float, exec_id: str = "a.b.01", when: dt.datetime = MORNING) -> Execution:
    return Execution(
        exec_id, "DU1", intent.con_id, intent.symbol, intent.action, shares, 10.0, when, 100 + intent.number, intent.ref
    )


def held(size: float, con_id: int = 7, symbol: str = "BAC") -> BrokerPosition:
    return BrokerPosition("DU1", con_id, symbol, size, 10.0)


# -- outcomes ----------------------------------------------------------------------------------------------------------


def test_an_order_that_is_open_is_working_at_the_first_look(desk: Desk) -> None:
    intent = desk.order()
    desk.journal.disconnected("lost")
    desk.says(open_orders=(report(intent),))
    assert desk.look().is_settled
    assert desk.state(intent) == "working" and desk.journal.book.orders[intent.ref].perm_id == 101


def test_an_order_that_is_nowhere_is_absent_at_the_second_look_only(desk: Desk) -> None:
    intent = desk.order()
    desk.journal.disconnected("lost")
    first = desk.look()
    assert first.held == {7} and desk.state(intent) == "unknown"
    with pytest.raises(IntentError, match="is not known"):
        desk.order()
    desk.order(replace(DRAFT, con_id=8, symbol="AIG"))  # others go on
    second = desk.look()
    assert desk.state(intent) == "absent"
    assert [f.ref for f in second.of(FindingKind.RESOLVED)] == [intent.ref]
    assert desk.order().ref != intent.ref  # the strategy may, under another name


def test_a_second_look_that_comes_too_soon_does_not_count(desk: Desk) -> None:
    intent = desk.order()
    desk.journal.disconnected("lost")
    first = desk.look()
    desk.says(taken_at=desk.clock.now() + dt.timedelta(seconds=GRACE_SECONDS / 2))
    second = reconcile(desk.journal.snapshot(), desk.answer, first.doubts)
    assert not second.is_settled and not second.of(FindingKind.RESOLVED)
    assert desk.state(intent) == "unknown"


def test_a_fill_that_nobody_heard_of_is_adopted(desk: Desk) -> None:
    intent = desk.order()
    desk.says(
        executions=(fill(intent, 60.0), fill(intent, 40.0, "a.c.01")), commissions=(Commission("a.b.01", 1.0, "USD"),),
        positions=(held(100.0),),
    )  # fmt: skip
    result = desk.settle()
    assert [f.ref for f in result.of(FindingKind.ADOPTED)] == [intent.ref] * 2
    assert desk.state(intent) == "filled" and desk.journal.book.commission(intent.ref) == {"USD": 1.0}
    assert not desk.halts() and desk.look().of(FindingKind.ADOPTED) == []


def test_a_cancelled_order_is_told_by_the_completed_ones(desk: Desk) -> None:
    intent = desk.order()
    desk.says(completed=(report(intent, "Cancelled", 60.0),), executions=(fill(intent, 60.0),), positions=(held(60.0),))
    desk.settle()
    assert desk.state(intent) == "cancelled" and desk.journal.book.orders[intent.ref].filled == 60.0


def test_a_working_order_that_vanished_with_its_part_is_ended(desk: Desk) -> None:
    intent = desk.order()
    desk.journal.reported(report(intent))
    desk.says(executions=(fill(intent, 60.0),), positions=(held(60.0),))
    desk.settle()
    assert desk.state(intent) == "expired" and desk.journal.book.positions() == {("DU1", 7): 60.0}


def test_an_order_that_was_written_after_the_question_is_not_judged(desk: Desk) -> None:
    desk.says(taken_at=desk.clock.now())
    desk.clock.sleep(1)
    intent = desk.order()
    result = reconcile(desk.journal.snapshot(), desk.answer)
    assert result.is_settled and settle(desk.journal, result) and desk.state(intent) == "intended"


def test_what_came_meanwhile_asks_for_another_reconciliation(desk: Desk) -> None:
    result = reconcile(desk.journal.snapshot(), desk.answer)
    desk.order()
    assert settle(desk.journal, result) is False


def test_a_connection_that_is_lost_meanwhile_keeps_the_journal_closed(desk: Desk) -> None:
    result = reconcile(desk.journal.snapshot(), desk.answer)
    desk.journal.disconnected("lost again")
    assert settle(desk.journal, result) is False
    with pytest.raises(IntentError, match="closed: lost again"):
        desk.order()


def test_a_cancelled_order_that_is_open_is_revived_at_the_second_look(desk: Desk) -> None:
    intent = desk.order()
    desk.journal.reported(report(intent, "Cancelled"))  # a client library's word on an error that left it live
    desk.says(open_orders=(report(intent),))
    result = desk.settle()
    assert result.of(FindingKind.REVIVED) and desk.state(intent) == "working" and not desk.halts()


def test_an_absent_order_that_comes_alive_halts(desk: Desk) -> None:
    intent = desk.order()
    desk.settle()
    assert desk.state(intent) == "absent"
    desk.says(open_orders=(report(intent),))
    assert desk.settle().of(FindingKind.HALT)[0].commands == ("halflife reconcile --release 7",)
    assert desk.state(intent) == "working" and set(desk.halts()) == {HaltCause.GHOST}


def test_two_live_orders_of_one_ref_halt(desk: Desk) -> None:
    intent = desk.order()
    desk.says(open_orders=(report(intent), report(intent, perm_id=999)))
    (finding,) = desk.settle().of(FindingKind.HALT)
    assert "has 2 permIds (101, 999)" in finding.text and set(desk.halts()) == {HaltCause.DUPLICATE}


def test_a_change_that_was_lost_is_forgotten_at_the_second_look(desk: Desk) -> None:
    intent = desk.order()
    desk.journal.reported(report(intent))
    desk.journal.changing(intent.ref, 50.0, DRAFT.terms)
    desk.says(open_orders=(report(intent),))
    desk.settle()
    order = desk.journal.book.orders[intent.ref]
    assert order.change is None and order.quantity == 100.0
    desk.says(open_orders=(report(intent, limit_price=9.5),))  # changed by hand in TWS
    assert desk.settle().of(FindingKind.TERMS) and desk.journal.book.orders[intent.ref].terms.limit_price == 9.5


# -- yesterday's orders ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("found", "expected"), [(0.0, "absent"), (100.0, "filled"), (40.0, "expired")])
def test_an_unknown_order_of_yesterday_is_resolved_by_the_position(desk: Desk, found: float, expected: str) -> None:
    intent = desk.order()
    desk.next_day()
    desk.says(positions=(held(found),) if found else ())
    desk.settle()
    assert desk.state(intent) == expected and not desk.halts()
    assert desk.journal.book.positions() == ({("DU1", 7): found} if found else {})
    assert [e.estimated for e in desk.journal.book.fills(intent.ref)] == [True] * bool(found)
    assert all(e.price == 10.0 for e in desk.journal.book.fills(intent.ref))  # its limit


def test_an_order_of_yesterday_does_not_explain_more_than_it_can(desk: Desk) -> None:
    intent = desk.order()
    desk.next_day()
    desk.says(positions=(held(130.0),))
    finding = desk.settle().of(FindingKind.HALT)[0]
    assert (finding.expected, finding.found) == (0.0, 130.0) and intent.ref in finding.text
    assert finding.commands[0] == "halflife reconcile --accept 7 --quantity 130"
    assert desk.halts() == {HaltCause.POSITION: (0.0, 130.0)} and desk.state(intent) == "unknown"
    desk.journal.accept(7, "BAC", 30.0, "bought by hand")
    desk.settle()  # the rest explains itself
    assert desk.state(intent) == "filled" and not desk.halts()
    assert desk.journal.book.unit_positions() == {("unit", 7): 100.0, ("", 7): 30.0}


def bracket(desk: Desk) -> list[Intent]:
    intents = desk.journal.intend([DRAFT, replace(STOP, parent=0), replace(TARGET, parent=0)])
    for intent in intents:
        desk.journal.reported(report(intent))
    desk.journal.execution(fill(intents[0], 100.0))
    return intents


@pytest.mark.parametrize("left", [100.0, 0.0, 70.0])
def test_one_of_two_exits_filled_over_the_weekend(desk: Desk, left: float) -> None:
    entry, stop, target = bracket(desk)
    desk.next_day()
    desk.says(positions=(held(left),) if left else ())
    desk.settle()
    assert not desk.halts() and not desk.journal.book.open_orders()
    assert desk.journal.book.orders[stop.ref].filled == 100.0 - left  # the worse price, and marked as an estimate
    assert desk.journal.book.orders[target.ref].filled == 0.0
    assert {e.price for e in desk.journal.book.fills(stop.ref)} <= {9.0}


def test_exits_that_are_still_open_are_left_working(desk: Desk) -> None:
    entry, stop, target = bracket(desk)
    desk.next_day()
    desk.says(positions=(held(100.0),), open_orders=(report(stop), report(target)))
    desk.settle()
    assert desk.state(stop) == desk.state(target) == "working" and not desk.halts()


def test_what_two_orders_could_explain_halts_until_a_person_resolves_it(desk: Desk) -> None:
    buy, other = desk.journal.intend([DRAFT, replace(DRAFT, unit="other")])
    desk.next_day()
    desk.says(positions=(held(100.0),))
    finding = desk.settle().of(FindingKind.HALT)[0]
    assert "halflife reconcile --resolve ORDER_REF --filled QUANTITY --price PRICE" in finding.commands
    assert desk.halts() == {HaltCause.AMBIGUOUS: (0.0, 100.0)}
    desk.journal.resolve(buy.ref, 100.0, 10.0, "account statement")
    result = desk.settle()
    assert desk.state(other) == "absent" and not desk.halts() and result.of(FindingKind.RELEASED)
    assert desk.journal.book.unit_positions() == {("unit", 7): 100.0}


def test_all_or_nothing_of_two_orders_is_no_riddle(desk: Desk) -> None:
    buy, other = desk.journal.intend([DRAFT, replace(DRAFT, unit="other")])
    desk.next_day()
    desk.says(positions=(held(200.0),))
    desk.settle()
    assert desk.state(buy) == desk.state(other) == "filled" and not desk.halts()


def test_a_fill_that_was_told_but_never_listed_is_taken_from_the_position(desk: Desk) -> None:
    intent = desk.order()
    desk.journal.reported(report(intent, "Filled", 100.0, avg_fill_price=10.25))
    assert desk.state(intent) == "awaiting"
    desk.says(positions=(held(100.0),))
    desk.settle()
    assert desk.state(intent) == "filled" and desk.journal.book.fills(intent.ref)[0].price == 10.25


def test_a_part_that_an_open_order_counts_is_taken_from_the_position(desk: Desk) -> None:
    entry, stop, target = bracket(desk)
    desk.next_day()  # the target filled 80 on a day that executions do not reach, and reduced the stop
    desk.says(
        positions=(held(20.0),),
        open_orders=(report(stop, quantity=20.0), report(target, filled=80.0, avg_fill_price=12.5)),
    )
    desk.settle()
    assert not desk.halts() and desk.state(stop) == desk.state(target) == "working"
    assert [(e.shares, e.price) for e in desk.journal.book.fills(target.ref)] == [(80.0, 12.5)]
    assert desk.journal.book.orders[stop.ref].quantity == 20.0


@pytest.mark.parametrize(
    ("difference", "sizes", "expected"),
    [
        (0.0, [100, 50], [0, 0]),
        (150.0, [100, 50], [100, 50]),
        (100.0, [100, 50], None),
        (-50.0, [100, -50], [0, 50]),
        (0.0, [100, -50], None),
        (100.0, [100, -50], [100, 0]),
        (30.0, [100], [30]),
        (-30.0, [100], None),
        (130.0, [100], None),
    ],
)
def test_differences_that_have_one_explanation(
    desk: Desk, difference: float, sizes: list[int], expected: list[float] | None
) -> None:
    drafts = [
        replace(DRAFT, trade=f"t{n}", quantity=float(abs(size)), action="BUY" if size > 0 else "SELL")
        for n, size in enumerate(sizes)
    ]
    intents = desk.journal.intend(drafts)
    groups = candidates([desk.journal.book.orders[intent.ref] for intent in intents], {})
    assert explain(difference, groups) == expected


# -- positions and strangers -------------------------------------------------------------------------------------------


def test_a_difference_halts_at_the_second_look_and_ends_when_it_is_gone(desk: Desk) -> None:
    intent = desk.order()
    desk.journal.execution(fill(intent, 100.0))
    desk.says(executions=(fill(intent, 100.0),), positions=(held(40.0),))
    assert desk.look().held == {7} and not desk.halts()
    with pytest.raises(IntentError, match="a difference that is being asked about"):
        desk.order()
    finding = desk.look().of(FindingKind.HALT)[0]
    assert finding.text.startswith("40 found, 100 expected") and desk.halts() == {HaltCause.POSITION: (100.0, 40.0)}
    assert finding.commands == ("halflife reconcile --accept 7 --quantity -60 --unit unit --price PRICE",)
    with pytest.raises(IntentError, match="BAC is halted .position: 40 found, 100 expected"):
        desk.order()
    records = len(desk.journal._file._database.rows("SELECT id FROM records"))
    desk.look()
    assert len(desk.journal._file._database.rows("SELECT id FROM records")) == records  # told again, not written again
    desk.says(positions=(held(100.0),))
    assert desk.look().of(FindingKind.RELEASED) and not desk.halts()
    desk.order()


def test_a_position_in_doubt_lets_exits_out_and_an_order_in_doubt_does_not(desk: Desk) -> None:
    intent = desk.order()
    desk.journal.execution(fill(intent, 100.0))
    desk.says(executions=(fill(intent, 100.0),))  # the position is older than the fill
    assert desk.look().held == {7}
    leave = replace(DRAFT, role=Role.EXIT, action="SELL")
    assert "a difference that is being asked about" in desk.journal.why_not(leave)
    assert not desk.journal.why_not(leave, past_halts=True)
    desk.says(executions=(fill(intent, 100.0),), open_orders=(report(intent),))  # it is filled, and open
    assert desk.look().held == {7}
    assert "a difference that is being asked about" in desk.journal.why_not(leave, past_halts=True)


def test_a_difference_of_a_moment_does_not_halt(desk: Desk) -> None:
    intent = desk.order()
    desk.journal.reported(report(intent))
    desk.says(open_orders=(report(intent),), positions=(held(60.0),))  # a fill between two answers
    assert desk.look().held == {7}
    desk.says(executions=(fill(intent, 60.0),))
    assert desk.look().is_settled and not desk.halts()


def test_a_difference_that_changes_begins_anew(desk: Desk) -> None:
    intent = desk.order()
    desk.journal.execution(fill(intent, 100.0))
    desk.says(positions=(held(40.0),))
    desk.look()
    desk.says(positions=(held(50.0),))
    assert not desk.look().of(FindingKind.HALT) and not desk.halts()


def test_two_fills_of_one_size_in_flight_are_not_one_difference(desk: Desk) -> None:
    intent = desk.order()
    desk.journal.reported(report(intent))
    desk.says(open_orders=(report(intent),), positions=(held(10.0),))
    desk.look()
    desk.says(executions=(fill(intent, 10.0),), positions=(held(20.0),))
    assert not desk.look().is_settled and not desk.halts()
    desk.says(executions=(fill(intent, 10.0), fill(intent, 10.0, "a.c.01")))
    assert desk.look().is_settled and not desk.halts()


def test_positions_by_hand_are_left_alone(desk: Desk) -> None:
    by_hand = Execution("h.1.01", "DU1", 9, "XOM", "BUY", 20.0, 50.0, MORNING, 5)
    desk.says(positions=(held(70.0, 9, "XOM"), held(5.0, 7)), executions=(by_hand,))
    result = desk.settle()
    assert len(result.of(FindingKind.BY_HAND)) == 3 and not desk.halts()
    assert desk.journal.book.unit_positions() == {("", 9): 70.0, ("", 7): 5.0}
    intent = desk.order()
    desk.journal.execution(fill(intent, 100.0))
    desk.says(positions=(held(10.0, 9, "XOM"), held(105.0, 7)), executions=(by_hand, fill(intent, 100.0)))
    desk.settle()  # XOM was sold on a day that executions do not reach: still nothing of ours
    assert not desk.halts() and desk.journal.book.unit_size("unit", 7) == 100.0


def test_trades_by_hand_on_our_instrument_are_told_by_their_executions(desk: Desk) -> None:
    intent = desk.order()
    desk.journal.execution(fill(intent, 100.0))
    by_hand = Execution("h.1.01", "DU1", 7, "BAC", "SELL", 30.0, 10.0, MORNING, 5, "mine")
    desk.says(positions=(held(70.0),), executions=(fill(intent, 100.0), by_hand))
    desk.settle()
    assert not desk.halts() and desk.journal.book.unit_positions() == {("unit", 7): 100.0, ("", 7): -30.0}


def test_orders_by_hand_are_left_alone(desk: Desk) -> None:
    mine = BrokerOrder("", 5, "Submitted", "DU1", 7, "BAC", "SELL", 10.0)
    desk.says(open_orders=(mine,))
    assert desk.settle().of(FindingKind.BY_HAND)[0].text == "open order: SELL 10 BAC  (permId 5)"
    assert not desk.halts()


@pytest.mark.parametrize(("journal_id", "cause"), [("else", HaltCause.OTHER_JOURNAL), ("test", HaltCause.LOST_RECORD)])
def test_orders_of_this_program_that_the_journal_does_not_hold_halt(
    desk: Desk, journal_id: str, cause: HaltCause
) -> None:
    stranger = BrokerOrder(f"hl.{journal_id}.unit.t1.entry.77", 5, "Submitted", "DU1", 7, "BAC", "SELL", 10.0)
    desk.says(open_orders=(stranger,))
    desk.settle()
    assert set(desk.halts()) == {cause}


@pytest.mark.parametrize("is_told_first", [False, True])
@pytest.mark.parametrize(("journal_id", "cause"), [("else", HaltCause.OTHER_JOURNAL), ("test", HaltCause.LOST_RECORD)])
def test_fills_of_this_program_that_the_journal_does_not_hold_halt_once(
    desk: Desk, journal_id: str, cause: HaltCause, is_told_first: bool
) -> None:
    """Whether the execution comes by itself, as it does at a log-in, or with the answer to a look."""
    of_another = Execution(
        "h.1.01", "DU1", 7, "BAC", "SELL", 30.0, 10.0, MORNING, 5, f"hl.{journal_id}.unit.t1.entry.77"
    )
    if is_told_first:
        desk.journal.execution(of_another)
    desk.says(positions=(held(-30.0),), executions=(of_another,))
    desk.settle()
    assert set(desk.halts()) == {cause}
    assert "SELL 30 BAC was filled" in next(iter(desk.journal.book.halts.values())).why
    desk.journal.release(7, "it was an earlier journal")
    desk.settle()
    assert not desk.halts()  # a person has looked at it


def test_another_account_is_refused(desk: Desk) -> None:
    with pytest.raises(IntentError, match="answered for account U9, the intent journal is of DU1; log in to DU1"):
        reconcile(desk.journal.snapshot(), replace(desk.answer, account="U9"))


def test_order_ids_are_taken_over(desk: Desk) -> None:
    desk.says(next_order_id=900)
    desk.settle()
    assert desk.order().order_id == 900


def test_cash_that_executions_do_not_explain_is_told(desk: Desk) -> None:
    desk.says(cash={"EUR": 1000.0, "USD": 5000.0})
    desk.settle()
    intent = desk.order()
    desk.says(
        executions=(fill(intent, 100.0),), commissions=(Commission("a.b.01", 1.0, "USD"),), positions=(held(100.0),),
        cash={"EUR": 1000.0, "USD": 3999.0},
    )  # fmt: skip
    assert desk.settle().of(FindingKind.CASH) == []
    desk.says(cash={"EUR": 1000.0, "USD": 4010.5})
    (finding,) = desk.settle().of(FindingKind.CASH)
    assert (finding.expected, finding.found) == (3999.0, 4010.5) and finding.text.startswith("11.50 USD moved")
    assert not desk.halts() and not desk.look().of(FindingKind.CASH)


def test_reconciling_changes_no_book_but_its_copy(desk: Desk) -> None:
    intent = desk.order()
    desk.journal.reported(report(intent, "Cancelled"))
    book = desk.journal.snapshot()
    version, before = book.version, book.orders[intent.ref].state
    reconcile(book, replace(desk.answer, open_orders=(report(intent),), executions=(fill(intent, 100.0),)))
    assert (book.version, book.orders[intent.ref].state, book.executions) == (version, before, {})
