"""What the journal makes of the broker's words, in whatever order they come."""

from __future__ import annotations

import datetime as dt
import itertools
import queue
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from books.intents import IntentJournal, read_book
from books.intents_records import BrokerOrder, Commission, Draft, Execution, Terms
from books.intents_ref import MAX_LENGTH, OrderRef
from books.intents_states import AT_BROKER, DONE, IN_DOUBT, NEVER_LIVED, OPEN, UNRESOLVED, HaltCause, OrderState
from core.clock import VirtualClock
from core.errors import IntentError
from core.orders import Role

NOON = dt.datetime(2024, 6, 12, 16, tzinfo=dt.UTC)
DRAFT = Draft("unit", "t1", "entry", Role.ENTRY, 7, "BAC", "BUY", 100.0)
STOP = replace(DRAFT, leg="stop", role=Role.STOP, action="SELL", terms=Terms("STP", aux_price=9.0, tif="GTC"))


@pytest.fixture
def journal() -> Iterator[IntentJournal]:
    with IntentJournal("intents.sqlite", "DU1", clock=VirtualClock(NOON), journal_id="test") as opened:
        opened.settle()
        yield opened


@pytest.fixture
def ref(journal: IntentJournal) -> str:
    (intent,) = journal.intend([DRAFT])
    return intent.ref


def report(ref: str, status: str = "Submitted", filled: float = 0.0, perm_id: int = 11, **more: float) -> BrokerOrder:
    return BrokerOrder(ref, perm_id, status, "DU1", 7, "BAC", "BUY", filled=filled, **more)  # type: ignore[arg-type]


def fill(ref: str, shares: float, exec_id: str = "a.b.01", price: float = 10.0, perm_id: int = 11) -> Execution:
    return Execution(exec_id, "DU1", 7, "BAC", "BUY", shares, price, NOON, perm_id, ref)


def state(journal: IntentJournal, ref: str) -> OrderState:
    return journal.book.orders[ref].state


def again() -> IntentJournal:
    return IntentJournal("intents.sqlite", "DU1", clock=VirtualClock(NOON))


# -- states ------------------------------------------------------------------------------------------------------------


def test_the_sets_of_states_fit_together() -> None:
    assert OPEN | DONE == set(OrderState) and not OPEN & DONE
    assert UNRESOLVED | AT_BROKER == OPEN and not UNRESOLVED & AT_BROKER
    assert IN_DOUBT < UNRESOLVED and NEVER_LIVED < DONE


@pytest.mark.parametrize(
    ("status", "filled", "expected"),
    [
        ("PendingSubmit", 0.0, "working"),
        ("PreSubmitted", 0.0, "working"),
        ("Submitted", 0.0, "working"),
        ("PendingCancel", 0.0, "working"),
        ("a word that IBKR adds", 0.0, "working"),
        ("Inactive", 0.0, "inactive"),
        ("Cancelled", 0.0, "cancelled"),
        ("ApiCancelled", 0.0, "cancelled"),
        ("Filled", 100.0, "awaiting"),  # not filled before executions say so
        ("Filled", 0.0, "awaiting"),
        ("Cancelled", 40.0, "awaiting"),
    ],
)
def test_a_status_alone(journal: IntentJournal, ref: str, status: str, filled: float, expected: str) -> None:
    journal.reported(report(ref, status, filled))
    assert state(journal, ref) == expected


STORY = {
    "sent": lambda j, r: j.sent([r]),
    "working": lambda j, r: j.reported(report(r)),
    "part": lambda j, r: j.execution(fill(r, 60.0, "a.b.01")),
    "rest": lambda j, r: j.execution(fill(r, 40.0, "a.c.01")),
    "filled": lambda j, r: j.reported(report(r, "Filled", 100.0)),
}


@pytest.mark.parametrize("order", list(itertools.permutations(STORY)), ids=lambda order: "-".join(order))
def test_a_filled_order_is_filled_in_whatever_order_it_is_told(
    journal: IntentJournal, ref: str, order: tuple[str, ...]
) -> None:
    for name in (*order, *order):  # everything twice
        STORY[name](journal, ref)
    entry = journal.book.orders[ref]
    assert (entry.state, entry.filled, entry.perm_id) == ("filled", 100.0, 11)
    assert journal.book.positions() == {("DU1", 7): 100.0}
    assert not journal.book.halts
    copy = read_book("intents.sqlite")
    assert copy.orders[ref].state == "filled" and copy.unit_positions() == {("unit", 7): 100.0}


CANCELLED = {
    "working": STORY["working"],
    "part": STORY["part"],
    "cancelled": lambda j, r: j.reported(report(r, "Cancelled", 60.0)),
}


@pytest.mark.parametrize("order", list(itertools.permutations(CANCELLED)), ids=lambda order: "-".join(order))
def test_a_cancelled_order_keeps_its_part_in_whatever_order(
    journal: IntentJournal, ref: str, order: tuple[str, ...]
) -> None:
    for name in (*order, *order):
        CANCELLED[name](journal, ref)
    assert state(journal, ref) == "cancelled" and journal.book.orders[ref].filled == 60.0


def test_a_fill_after_the_cancel_is_booked(journal: IntentJournal, ref: str) -> None:
    journal.reported(report(ref, "Cancelled"))
    journal.execution(fill(ref, 100.0))
    assert state(journal, ref) == "filled" and not journal.book.halts


def test_what_is_told_twice_is_written_once(journal: IntentJournal, ref: str) -> None:
    for _ in range(3):
        for name in STORY:
            STORY[name](journal, ref)
        journal.commission(Commission("a.b.01", 1.0, "USD"))
    kinds = [r["kind"] for r in journal._file._database.rows("SELECT kind FROM records ORDER BY id")]
    assert sorted(kinds) == sorted(
        ["intended", "sent", "sent", "sent", "acknowledged", "status", "execution", "execution", "status", "commission"]
    )


def test_an_expired_order_says_so(journal: IntentJournal, ref: str) -> None:
    journal.reported(replace(report(ref, "Cancelled"), completed="Expired"))
    assert state(journal, ref) == "expired"


def test_a_refusal_ends_an_order_but_not_its_fills(journal: IntentJournal, ref: str) -> None:
    journal.refused(ref, 201, "no margin")
    assert state(journal, ref) == "rejected" and journal.book.orders[ref].why == "201: no margin"
    (other,) = journal.intend([DRAFT])
    journal.execution(fill(other.ref, 10.0, perm_id=12))
    journal.refused(other.ref, 201, "no margin")
    assert state(journal, other.ref) == "cancelled"


# -- executions --------------------------------------------------------------------------------------------------------


def test_a_correction_replaces_and_a_bust_takes_back(journal: IntentJournal, ref: str) -> None:
    assert journal.execution(fill(ref, 100.0)).shares == 100.0
    booking = journal.execution(fill(ref, 90.0, "a.b.02", 10.5))
    assert (booking.shares, booking.corrects) == (-10.0, fill(ref, 100.0))
    assert journal.book.orders[ref].avg_fill_price == 10.5 and state(journal, ref) == "cancelled"
    bust = journal.execution(replace(fill("", 0.0, "a.b.03"), perm_id=0))  # it knows its order by what it corrects
    assert (bust.ref, bust.shares) == (ref, -90.0)
    assert journal.book.positions() == {} and journal.book.fills(ref) == [] and journal.book.flows()["USD"] == 0.0


def test_a_correction_that_comes_first_stands(journal: IntentJournal, ref: str) -> None:
    journal.execution(fill(ref, 90.0, "a.b.02"))
    late = journal.execution(fill(ref, 100.0, "a.b.01"))
    assert (late.is_new, late.shares) == (True, 0.0)
    assert journal.book.orders[ref].filled == 90.0


def test_an_execution_finds_its_order_by_perm_id(journal: IntentJournal, ref: str) -> None:
    journal.reported(report(ref))
    assert journal.execution(fill("", 100.0)).ref == ref


def test_executions_of_the_owner_are_kept_apart(journal: IntentJournal) -> None:
    booking = journal.execution(fill("", 30.0, perm_id=99))
    assert booking.ref == "" and journal.book.unit_positions() == {("", 7): 30.0}


def test_two_units_on_one_netted_position(journal: IntentJournal) -> None:
    long, short = journal.intend([DRAFT, replace(DRAFT, unit="other", action="SELL", quantity=30.0)])
    journal.execution(fill(long.ref, 100.0))
    journal.execution(replace(fill(short.ref, 30.0, "a.c.01", perm_id=12), action="SELL"))
    assert journal.book.positions() == {("DU1", 7): 70.0}
    assert journal.book.unit_positions() == {("unit", 7): 100.0, ("other", 7): -30.0}
    assert journal.book.unit_size("other", 7) == -30.0


def test_commissions_join_by_exec_id_before_and_after(journal: IntentJournal, ref: str) -> None:
    assert journal.commission(Commission("a.b.01", 1.0, "USD")) is True
    journal.execution(fill(ref, 100.0))
    assert journal.commission(Commission("a.b.01", 1.0, "USD")) is False
    assert journal.book.commission(ref) == {"USD": 1.0}
    assert journal.book.flows() == {"": 0.0, "USD": -1001.0} or journal.book.flows() == {"USD": -1001.0}
    journal.execution(fill(ref, 90.0, "a.b.02"))  # a correction comes without a commission of its own
    assert journal.book.commission(ref) == {"USD": 1.0}
    journal.commission(Commission("a.b.02", 0.9, "USD"))
    assert journal.book.flows()["USD"] == pytest.approx(-900.9)


# -- what must never happen --------------------------------------------------------------------------------------------


def test_two_perm_ids_for_one_order_halt(journal: IntentJournal, ref: str) -> None:
    journal.reported(report(ref))
    (halt,) = journal.reported(report(ref, perm_id=12))
    assert halt.cause is HaltCause.DUPLICATE and "has 2 permIds (11, 12)" in halt.why
    with pytest.raises(IntentError, match="BAC is halted .duplicate: .*see `halflife reconcile`"):
        journal.intend([DRAFT])
    journal.intend([replace(DRAFT, con_id=8, symbol="AIG")])  # other instruments go on
    assert journal.execution(fill("", 100.0, perm_id=12)).ref == ref  # and its fills are ours


def test_more_filled_than_ordered_halts(journal: IntentJournal, ref: str) -> None:
    journal.execution(fill(ref, 100.0))
    (halt,) = journal.execution(fill(ref, 1.0, "a.c.01")).halts
    assert halt.cause is HaltCause.OVERFILL and "101 filled of 100 ordered" in halt.why


def test_a_fill_of_what_never_lived_halts_and_is_booked(journal: IntentJournal, ref: str) -> None:
    journal.withdrawn(ref, "no connection")
    (halt,) = journal.execution(fill(ref, 100.0)).halts
    assert halt.cause is HaltCause.CONTRADICTION and journal.book.positions() == {("DU1", 7): 100.0}


def test_an_order_that_comes_alive_after_it_was_absent_halts(journal: IntentJournal, ref: str) -> None:
    journal.withdrawn(ref, "no connection")
    (halt,) = journal.reported(report(ref))
    assert halt.cause is HaltCause.GHOST and state(journal, ref) == "working"


def test_one_perm_id_of_two_orders_halts(journal: IntentJournal, ref: str) -> None:
    (other,) = journal.intend([DRAFT])
    journal.reported(report(ref))
    (halt,) = journal.reported(report(other.ref))
    assert halt.cause is HaltCause.CONTRADICTION


@pytest.mark.parametrize("change", [{"con_id": 8}, {"action": "SELL"}, {"account": "DU2"}])
def test_an_execution_that_is_not_what_was_ordered_halts(
    journal: IntentJournal, ref: str, change: dict[str, str]
) -> None:
    (halt,) = journal.execution(replace(fill(ref, 100.0), **change)).halts  # type: ignore[arg-type]
    assert halt.cause is HaltCause.CONTRADICTION


def test_the_same_exec_id_with_another_content_halts(journal: IntentJournal, ref: str) -> None:
    journal.execution(fill(ref, 60.0))
    (halt,) = journal.execution(fill(ref, 40.0)).halts
    assert halt.cause is HaltCause.CONTRADICTION and journal.book.orders[ref].filled == 60.0


# -- before the send ---------------------------------------------------------------------------------------------------


def test_a_bracket_gets_refs_ids_and_its_parent(journal: IntentJournal) -> None:
    entry, stop = journal.intend([DRAFT, replace(STOP, parent=0)], next_order_id=500)
    assert (entry.ref, stop.ref) == ("hl.test.unit.t1.entry.1", "hl.test.unit.t1.stop.2")
    assert (entry.order_id, stop.order_id, stop.parent_ref) == (500, 501, entry.ref)
    with pytest.raises(IntentError, match="parent 1 must come before its child"):
        journal.intend([DRAFT, replace(STOP, parent=1)])
    assert len(journal.book.orders) == 2  # all or none


def test_order_ids_never_go_back(journal: IntentJournal) -> None:
    assert journal.order_ids_from(400) == 400
    (intent,) = journal.intend([DRAFT], next_order_id=3)  # nextValidId was set back
    assert intent.order_id == 400 and journal.order_ids_from(1) == 401
    journal.close()
    with again() as restarted:
        assert restarted.order_ids_from(1) == 401


def test_a_restart_does_not_know_and_says_so(journal: IntentJournal, ref: str) -> None:
    (other,) = journal.intend([replace(DRAFT, con_id=8)])
    journal.reported(replace(report(other.ref, perm_id=12), con_id=8))
    journal.close()
    with again() as restarted:
        assert state(restarted, ref) == "unknown" and state(restarted, other.ref) == "working"
        assert [order.ref for order in restarted.book.unresolved()] == [ref]
        with pytest.raises(IntentError, match="closed: it has not been reconciled since the start"):
            restarted.intend([DRAFT])
        restarted.settle()
        with pytest.raises(IntentError, match=f"the outcome of {ref} on BAC is not known"):
            restarted.intend([DRAFT])


def test_a_lost_connection_closes_and_forgets_nothing(journal: IntentJournal, ref: str) -> None:
    journal.disconnected("the connection was lost")
    assert state(journal, ref) == "unknown"
    with pytest.raises(IntentError, match="the connection was lost; wait for the reconciliation"):
        journal.intend([DRAFT])
    journal.cancelling(ref)  # always allowed


def test_the_kill_switch_stays_latched_and_lets_exits_pass(journal: IntentJournal) -> None:
    journal.kill("drawdown of 21%")
    journal.close()
    with again() as restarted:
        restarted.settle()
        assert restarted.killed == "drawdown of 21%"
        with pytest.raises(IntentError, match="kill switch is latched .drawdown of 21%.; re-arm it"):
            restarted.intend([DRAFT])
        restarted.intend([replace(DRAFT, role=Role.EXIT, action="SELL")])
        restarted.rearm("looked at")
        restarted.intend([DRAFT])


def test_halts_survive_and_are_released(journal: IntentJournal) -> None:
    journal.halt(0, "", "somebody said so")
    journal.close()
    with again() as restarted:
        restarted.settle()
        with pytest.raises(IntentError, match="the account is halted .person: somebody said so"):
            restarted.intend([DRAFT])
        restarted.release(0, "said so")
        restarted.intend([DRAFT])


@pytest.mark.parametrize("quantity", [0.0, -1.0, float("nan"), float("inf")])
def test_a_size_that_is_none_is_refused(journal: IntentJournal, quantity: float) -> None:
    with pytest.raises(IntentError, match="a size must be above zero"):
        journal.intend([replace(DRAFT, quantity=quantity)])
    with pytest.raises(IntentError, match="finite numbers"):
        journal.intend([replace(DRAFT, terms=Terms("LMT", limit_price=float("nan")))])
    with pytest.raises(IntentError, match="no conId; qualify the contract"):
        journal.intend([replace(DRAFT, con_id=0)])


def test_a_change_needs_a_working_order_and_is_known_by_its_terms(journal: IntentJournal) -> None:
    (stop,) = journal.intend([STOP])
    tighter = replace(STOP.terms, aux_price=9.5)
    with pytest.raises(IntentError, match="cannot be modified: it is intended"):
        journal.changing(stop.ref, 100.0, tighter)
    journal.reported(report(stop.ref, quantity=100.0, aux_price=9.0))
    journal.changing(stop.ref, 60.0, tighter)
    assert journal.book.orders[stop.ref].limit == 100.0
    journal.reported(report(stop.ref, quantity=100.0, aux_price=9.0))  # an echo of before
    assert journal.book.orders[stop.ref].change is not None
    journal.reported(report(stop.ref, quantity=60.0, aux_price=9.5))
    order = journal.book.orders[stop.ref]
    assert (order.quantity, order.terms, order.change) == (60.0, tighter, None)
    journal.changing(stop.ref, 50.0, tighter)
    journal.change_refused(stop.ref, 105, "cannot be modified")
    assert journal.book.orders[stop.ref].change is None and state(journal, stop.ref) == "working"
    journal.disconnected("1100")
    with pytest.raises(IntentError, match="cannot be modified: 1100; wait"):
        journal.changing(stop.ref, 50.0, tighter)


def test_adopting_moves_units_from_the_owner_to_a_unit(journal: IntentJournal) -> None:
    journal.accept(7, "BAC", 50.0, "bought in TWS")
    with pytest.raises(IntentError, match="60 BAC cannot be adopted: held by hand are 50"):
        journal.adopt(7, "BAC", "unit", 60.0, 10.0)
    journal.adopt(7, "BAC", "unit", 30.0, 10.0)
    assert journal.book.unit_positions() == {("", 7): 20.0, ("unit", 7): 30.0}
    assert journal.book.positions() == {("DU1", 7): 50.0}


def test_a_person_resolves_what_nobody_else_can(journal: IntentJournal, ref: str) -> None:
    journal.mark_unknown("no answer")
    with pytest.raises(IntentError, match="give an order whose outcome is unknown and at most what is left"):
        journal.resolve(ref, 101.0, 10.0, "statement")
    journal.resolve(ref, 40.0, 10.0, "statement")
    assert journal.book.orders[ref].filled == 40.0 and state(journal, ref) in DONE
    assert journal.book.fills(ref)[0].estimated
    journal.execution(fill(ref, 40.0))  # the real one, late: it takes the place of the estimate
    assert journal.book.orders[ref].filled == 40.0 and journal.book.positions() == {("DU1", 7): 40.0}


# -- orderRef ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["mr", "pairs:BAC-AIG", "a.very.long.unit.name.with.dots", "", "ü/ß"])
@pytest.mark.parametrize("number", [1, 99_999, 10**9])
def test_a_ref_fits_and_comes_back(unit: str, number: int) -> None:
    ref = OrderRef.make("ab2c", unit, "pairs:BAC-AIG#1234", "entry.A", number)
    assert len(str(ref)) <= MAX_LENGTH and str(ref).isascii()
    assert OrderRef.parse(str(ref)) == ref and ref.number == number


@pytest.mark.parametrize(
    "text", ["", "mine", "hl.a.b.c.d", "hl.a.b.c.d.x", "hl.a.b.c.d.0", "hl.a.b.c.d.1.2", "xx.a.b.c.d.1"]
)
def test_other_refs_are_not_ours(text: str) -> None:
    assert OrderRef.parse(text) is None


# -- threads -----------------------------------------------------------------------------------------------------------


def test_one_thread_intends_while_another_hears_of_fills(journal: IntentJournal) -> None:
    """As live does: Cerebro's thread and the store's."""
    journal._file._database.connection.execute("PRAGMA synchronous = OFF")
    made: queue.Queue[str] = queue.Queue()

    def hear() -> None:
        for number in range(100):
            ref = made.get()
            for _ in range(2):
                journal.reported(report(ref, perm_id=1000 + number))
                journal.execution(fill(ref, 100.0, f"x.{number}.01", perm_id=1000 + number))

    listener = threading.Thread(target=hear)
    listener.start()
    for _ in range(100):
        (intent,) = journal.intend([DRAFT])
        journal.sent([intent.ref])
        made.put(intent.ref)
    listener.join()
    book = read_book("intents.sqlite")
    assert {order.state for order in book.orders.values()} == {OrderState.FILLED}
    assert book.positions() == journal.book.positions() == {("DU1", 7): 10_000.0} and not book.halts
