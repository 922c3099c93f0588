"""A broker that loses, repeats and reorders what it says: after reconciliation nothing is doubled or unaccounted."""

from __future__ import annotations

import datetime as dt
import itertools
import random
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from books.intents import IntentJournal
from books.intents_records import BrokerOrder, Commission, Draft, Execution, Intent, Terms
from books.intents_states import UNRESOLVED, HaltCause
from core.clock import VirtualClock
from core.orders import Role
from live.reconcile import GRACE_SECONDS, reconcile, settle
from live.reconcile_records import BrokerPosition, BrokerSnapshot, FindingKind

ACCOUNT = "DU1"
MORNING = dt.datetime(2024, 6, 12, 13, 30, tzinfo=dt.UTC)
INSTRUMENTS = {1: "AAA", 2: "BBB"}
SIZE = 100.0


@dataclass
class Placed:
    """An order at the broker."""

    intent: Intent
    perm_id: int
    status: str = "Submitted"
    filled: float = 0.0
    day: int = 0
    quantity: float = 0.0  # an OCA group reduces it

    @property
    def is_live(self) -> bool:
        return self.status in ("Submitted", "PreSubmitted")

    def report(self) -> BrokerOrder:
        intent = self.intent
        return BrokerOrder(
            intent.ref, self.perm_id, self.status, ACCOUNT, intent.con_id, intent.symbol, intent.action,
            self.quantity, self.filled, self.quantity - self.filled, 10.0, intent.order_id,
        )  # fmt: skip


@dataclass
class ChaoticBroker:
    """Truth on one side, ``outbox`` on the other: what is in it may be lost, repeated, reordered."""

    clock: VirtualClock
    placed: list[Placed] = field(default_factory=list)
    executions: list[tuple[int, Execution]] = field(default_factory=list)  # day, all revisions
    positions: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    outbox: list[BrokerOrder | Execution | Commission] = field(default_factory=list)
    day: int = 0
    since: dt.datetime = MORNING
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def place(self, intent: Intent) -> None:
        order = Placed(intent, 1000 + next(self.numbers), day=self.day, quantity=intent.quantity)
        self.placed.append(order)
        self.outbox.append(order.report())

    def live(self, con_id: int | None = None) -> list[Placed]:
        return [p for p in self.placed if p.is_live and con_id in (None, p.intent.con_id)]

    def fill(self, order: Placed, shares: float) -> None:
        intent = order.intent
        shares = min(shares, order.quantity - order.filled)
        order.filled += shares
        if order.filled >= order.quantity:
            order.status = "Filled"
        execution = Execution(
            f"x.{next(self.numbers)}.01", ACCOUNT, intent.con_id, intent.symbol, intent.action, shares, 10.0,
            self.clock.now(), order.perm_id, intent.ref, intent.order_id,
        )  # fmt: skip
        self.book(execution, execution.signed)
        self.outbox += [order.report(), Commission(execution.exec_id, 1.0, "USD")]
        for other in self.live(intent.con_id):  # one reduces the other, ocaType 3
            if other is not order and intent.terms.oca_group == other.intent.terms.oca_group != "":
                other.quantity -= shares
                if other.quantity <= other.filled:
                    self.cancel(other)
                else:
                    self.outbox.append(other.report())

    def book(self, execution: Execution, change: float) -> None:
        self.positions[execution.con_id] += change
        self.executions.append((self.day, execution))
        self.outbox.append(execution)

    def revise(self, pick: int, share: float) -> None:
        """Correct the size of one of today's executions, or bust it (share 0)."""
        latest = {e.root: e for day, e in self.executions if day == self.day and e.order_ref}
        if latest:
            old = list(latest.values())[pick % len(latest)]
            new = replace(old, exec_id=f"{old.root}.{old.revision + 1:02d}", shares=old.shares * share)
            self.book(new, new.signed - old.signed)

    def by_hand(self, con_id: int, shares: float) -> None:
        action = "BUY" if shares > 0 else "SELL"
        execution = Execution(
            f"h.{next(self.numbers)}.01", ACCOUNT, con_id, INSTRUMENTS[con_id], action, abs(shares), 10.0,
            self.clock.now(), 500 + next(self.numbers),
        )  # fmt: skip
        self.book(execution, shares)

    def cancel(self, order: Placed) -> None:
        order.status = "Cancelled"
        self.outbox.append(order.report())

    def next_day(self) -> None:
        for order in self.live():
            if order.intent.terms.tif == "DAY":
                self.cancel(order)
        self.day += 1
        self.clock.set(MORNING + dt.timedelta(days=self.day))
        self.since = self.clock.now()

    def snapshot(self, chance: random.Random) -> BrokerSnapshot:
        """Four answers, and between two of them something may be filled."""
        asked = self.clock.now()
        open_orders = tuple(p.report() for p in self.live())
        self.perhaps_fill(chance)
        completed = tuple(p.report() for p in self.placed if not p.is_live and p.day == self.day)
        self.perhaps_fill(chance)
        executions = tuple(e for day, e in self.executions if day == self.day)
        self.perhaps_fill(chance)
        positions = tuple(
            BrokerPosition(ACCOUNT, c, INSTRUMENTS[c], size, 10.0) for c, size in self.positions.items() if size
        )
        return BrokerSnapshot(
            ACCOUNT, asked, self.since, open_orders=open_orders, completed=completed, executions=executions,
            positions=positions, next_order_id=1,
        )  # fmt: skip

    def perhaps_fill(self, chance: random.Random) -> None:
        live = self.live()
        if live and chance.random() < 0.1:
            self.fill(chance.choice(live), chance.choice((10.0, 40.0, SIZE)))


class Desk:
    """What live does, in small: one order at a time on each instrument, towards a wanted position."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.path = folder / "intents.sqlite"
        self.clock = VirtualClock(MORNING)
        self.broker = ChaoticBroker(self.clock)
        self.random = random.Random(seed)
        self.crossed_days = self.has_revised = False
        self.journal = self.open()
        self.meet()

    def open(self) -> IntentJournal:
        journal = IntentJournal(self.path, ACCOUNT, clock=self.clock, journal_id="test")
        journal._file._database.connection.execute("PRAGMA synchronous = OFF")  # no test of power loss
        return journal

    def meet(self) -> None:
        """Reconcile until nothing is left to ask."""
        doubts = None
        for _ in range(12):
            self.clock.sleep(GRACE_SECONDS)
            result = reconcile(self.journal.snapshot(), self.broker.snapshot(self.random), doubts)
            assert settle(self.journal, result)
            doubts = result.doubts
            if result.is_settled:
                return
        raise AssertionError(f"not settled after 12 looks: {result.findings}")

    def want(self, con_id: int, crash: int) -> None:
        """Go to 0 or to 100. ``crash``: 1 before the send, 2 after it, 4 within it; 3 it is lost on its way."""
        size = self.journal.book.unit_size("unit", con_id)
        buys = size < SIZE
        draft = Draft(
            "unit", f"t{con_id}", "entry", Role.ENTRY, con_id, INSTRUMENTS[con_id], "BUY" if buys else "SELL",
            SIZE - size if buys else size, Terms(tif=self.random.choice(["DAY", "GTC"])),
        )  # fmt: skip
        is_busy = any(order.intent.con_id == con_id for order in self.journal.book.open_orders())
        if is_busy or self.journal.why_not(draft):
            return
        drafts = [draft]
        if not buys and self.random.random() < 0.6:  # a stop and a target, of which one reduces the other
            group = f"oca{next(self.broker.numbers)}"
            drafts = [
                replace(draft, role=Role.STOP, terms=Terms("STP", aux_price=9.0, tif="GTC", oca_group=group)),
                replace(draft, role=Role.TARGET, terms=Terms("LMT", limit_price=12.0, tif="GTC", oca_group=group)),
            ]
        intents = self.journal.intend(drafts)
        if crash == 1:
            return self.crash()
        if crash != 3:
            self.check_arrival(intents[0])
            for intent in intents:
                self.broker.place(intent)
                if crash == 4:  # after the first of two
                    return self.crash()
        if crash == 2:
            return self.crash()
        self.journal.sent([intent.ref for intent in intents])
        return None

    def check_arrival(self, intent: Intent) -> None:
        """Nothing of ours works on the instrument, and no fill on it is unknown: else this order doubles one."""
        assert not self.broker.live(intent.con_id)
        known = self.journal.book.exec_ids
        orders = self.journal.book.orders

        def group(ref: str) -> str:  # of two exits it is not known which one was filled
            return orders[ref].terms.oca_group or ref

        estimated = {group(seen.ref) for seen in self.journal.book.executions.values() if seen.execution.estimated}
        for _, execution in self.broker.executions:
            if execution.con_id == intent.con_id and execution.order_ref and execution.revision == 1:
                assert execution.exec_id in known or group(execution.order_ref) in estimated or self.has_revised

    def deliver(self, mode: int) -> None:
        box, self.broker.outbox = self.broker.outbox, []
        if mode & 1:
            self.random.shuffle(box)
        if mode & 2:
            box = [event for event in box if self.random.random() < 0.7]
        if mode & 4:
            box += box[: len(box) // 2]
        for event in box:
            if isinstance(event, BrokerOrder):
                self.journal.reported(event)
            elif isinstance(event, Execution):
                self.journal.execution(event)
            else:
                self.journal.commission(event)

    def crash(self) -> None:
        self.broker.outbox.clear()
        self.journal.close()
        self.journal = self.open()
        self.meet()

    def disconnect(self) -> None:
        self.broker.outbox.clear()
        self.journal.disconnected("the connection was lost")
        if self.random.random() < 0.3:  # a second restart before the first has settled
            self.journal.close()
            self.journal = self.open()
        self.meet()

    def step(self, operation: str, number: int) -> None:
        con_id = 1 + number % 2
        live = self.broker.live()
        order = live[number % len(live)] if live else None
        self.clock.sleep(number % 7)
        match operation:
            case "want":
                self.want(con_id, number // 2 % 7)
            case "fill" if order:
                self.broker.fill(order, (10.0, 40.0, SIZE)[number % 3])
            case "cancel" if order:
                self.broker.cancel(order)
            case "deliver":
                self.deliver(number % 8)
            case "crash":
                self.crash()
            case "disconnect":
                self.disconnect()
            case "night":
                self.crossed_days = True
                self.broker.next_day()
                self.disconnect()
            case "weekend":  # fills that nobody hears of, and executions that are gone
                self.crossed_days = True
                for each in live:
                    if each.intent.terms.tif == "GTC" and self.random.random() < 0.5:
                        self.broker.fill(each, (40.0, SIZE)[number % 2])
                self.broker.next_day()
                self.crash()
            case "hand":
                self.broker.by_hand(con_id, 7.0 if number % 3 else -7.0)
            case "correct" | "bust":
                self.has_revised = True
                self.broker.revise(number, 0.5 if operation == "correct" else 0.0)
            case "look":
                self.meet()

    # -- what must hold -------------------------------------------------------------------------------------------

    def verify(self) -> None:
        self.crash()
        book, broker = self.journal.book, self.broker
        sent = [placed.intent.ref for placed in broker.placed]
        assert len(sent) == len(set(sent))  # 0 duplicates
        assert all(not order.other_perm_ids for order in book.orders.values())
        assert set(sent) <= set(book.orders)  # nothing was sent that is not written
        halted = {con_id for _, con_id, _ in book.halts}
        for con_id in INSTRUMENTS:
            expected, found = book.positions().get((ACCOUNT, con_id), 0.0), broker.positions[con_id]
            if abs(expected - found) > 1e-6:
                (halt,) = book.halts_of(con_id)  # unexplained: halted, with the difference
                assert (halt.expected, halt.found) == (expected, found)
        for order in book.unresolved():
            assert order.intent.con_id in halted
        today = {e.root: e for day, e in broker.executions if day == broker.day}  # the last revision of each
        for root, execution in today.items():
            seen = book.executions[root]  # 0 unaccounted fills
            assert (seen.execution.exec_id, seen.execution.shares) == (execution.exec_id, execution.shares)
            assert seen.ref == execution.order_ref
        live = {placed.intent.ref for placed in broker.live()}
        assert live == {order.ref for order in book.open_orders()} - {order.ref for order in book.unresolved()}
        if not self.crossed_days:
            self.verify_exact()

    def verify_exact(self) -> None:
        """Within one day everything is explained: no halt for a position, no estimate, nothing in doubt."""
        book = self.journal.book
        causes = {cause for _, _, cause in book.halts}
        assert not causes & {HaltCause.POSITION, HaltCause.AMBIGUOUS, HaltCause.DUPLICATE}
        assert not book.unresolved()
        assert not any(seen.execution.estimated for seen in book.executions.values())
        for con_id in INSTRUMENTS:
            latest = {e.root: e for _, e in self.broker.executions if e.con_id == con_id}
            ours = sum(e.signed for e in latest.values() if e.order_ref)
            assert book.unit_size("unit", con_id) == pytest.approx(ours)


OPERATIONS = ["want"] * 5 + ["fill"] * 4 + ["deliver"] * 3 + ["cancel", "crash", "disconnect", "hand", "look"]
REVISIONS = ["correct", "bust"]
NIGHTS = ["night", "weekend"]


def _run(operations: list[tuple[str, int]], seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder), seed)
        try:
            for operation, number in operations:
                desk.step(operation, number)
            desk.verify()
        finally:
            desk.journal.close()


def _histories(kinds: list[str]) -> st.SearchStrategy[list[tuple[str, int]]]:
    return st.lists(st.tuples(st.sampled_from(kinds), st.integers(0, 999)), min_size=5, max_size=40)


@given(_histories(OPERATIONS), st.integers(0, 2**16))
@settings(max_examples=60)
def test_lost_repeated_and_reordered_reports_within_a_day(operations: list[tuple[str, int]], seed: int) -> None:
    _run(operations, seed)


@given(_histories(OPERATIONS + REVISIONS), st.integers(0, 2**16))
@settings(max_examples=60)
def test_corrections_and_busts_within_a_day(operations: list[tuple[str, int]], seed: int) -> None:
    _run(operations, seed)


@given(_histories(OPERATIONS + REVISIONS + NIGHTS), st.integers(0, 2**16))
@settings(max_examples=60)
def test_nights_after_which_executions_are_gone(operations: list[tuple[str, int]], seed: int) -> None:
    _run(operations, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(600))
def test_long_random_histories(seed: int) -> None:
    chance = random.Random(seed)
    kinds = OPERATIONS + REVISIONS * (seed % 2) + NIGHTS * (seed % 3 == 0)
    _run([(chance.choice(kinds), chance.randrange(1000)) for _ in range(120)], seed)


def test_the_search_finds_a_desk_that_sends_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: where absence counts at the first word and doubt forbids nothing, an order is doubled."""
    monkeypatch.setattr(IntentJournal, "why_not", lambda self, draft, **options: "")
    monkeypatch.setattr(Desk, "meet", lambda self: self.journal.settle([]))
    monkeypatch.setattr("books.intents_book.IntentBook.open_orders", lambda self: [])
    with pytest.raises(AssertionError):
        for seed in range(50):
            chance = random.Random(seed)
            _run([(chance.choice(OPERATIONS), chance.randrange(1000)) for _ in range(60)], seed)


def test_findings_name_what_waits() -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder), 0)
        desk.want(1, 3)  # lost on its way
        desk.journal.disconnected("the connection was lost")
        desk.broker.clock.sleep(0.001)  # an order written at the moment of the question may have come after it
        result = reconcile(desk.journal.snapshot(), desk.broker.snapshot(desk.random))
        assert result.of(FindingKind.WAITING) and result.held == {1} and not result.is_settled
        assert {order.state for order in desk.journal.book.open_orders()} <= UNRESOLVED
        desk.journal.close()
