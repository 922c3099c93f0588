"""Journal, store and paper gateway together: a crash at each point of an order, and what a restart knows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from books.intents import IntentJournal
from books.intents_records import Draft, Intent, Terms
from core.clock import VirtualClock
from core.errors import IntentError
from core.orders import Role
from gateway import Gateway
from live.reconcile import GRACE_SECONDS, reconcile, settle
from live.reconcile_records import Finding, FindingKind
from live.reconcile_store import to_snapshot
from stores import ContractSpec, IBStore, Instrument, OrderTerms, StoreSettings
from stores.events import Synchronised

OPEN = dt.datetime(2024, 6, 12, 14, 0, tzinfo=dt.UTC)  # 10:00 in New York


@dataclass
class Session:
    """One life of the process, on a gateway that outlives it."""

    tws: Gateway
    clock: VirtualClock
    findings: list[Finding] = field(default_factory=list)

    def start(self) -> None:
        """Open the journal, log in, reconcile until nothing is left to ask."""
        doubts = None
        for _ in range(4):
            self.tws.advance(seconds=GRACE_SECONDS)
            self.clock.set(self.tws.now())
            store = StoreSettings(port=self.tws.port, heartbeat=0.0, backoff_first=0.02, backoff_jitter=0.0)
            self.store = IBStore(store, self.clock).start()
            if doubts is None:
                self.journal = IntentJournal(
                    "intents.sqlite", self.store.account, client_id=1, clock=self.clock, journal_id="test"
                )
            (told,) = [event for event in self.store.events.drain() if isinstance(event, Synchronised)]
            result = reconcile(self.journal.snapshot(), to_snapshot(told.snapshot, self.clock.now()), doubts)
            assert settle(self.journal, result)
            self.findings += result.findings
            doubts = result.doubts
            if result.is_settled:
                return
            self.store.stop()  # each look is a log-in of its own: the hardest case
        raise AssertionError(f"not settled: {self.findings}")

    def crash(self) -> None:
        """Nothing is said and nothing is noted any more."""
        self.store.stop()
        self.journal.close()
        self.findings.clear()

    def instrument(self) -> Instrument:
        return self.store.qualify(ContractSpec("XMPLA"))

    def intend(self, terms: Terms, role: Role = Role.ENTRY) -> Intent:
        con_id = self.instrument().con_id
        (intent,) = self.journal.intend([Draft("unit", "t1", role, role, con_id, "XMPLA", "BUY", 100.0, terms)])
        return intent

    def send(self, intent: Intent) -> None:
        terms = intent.terms
        self.store.place(
            self.instrument(),
            OrderTerms(
                intent.order_id, intent.ref, intent.action, intent.quantity, terms.order_type, terms.tif,
                terms.limit_price,
            ),
        )  # fmt: skip
        self.store.current_time()

    def of(self, kind: FindingKind) -> list[Finding]:
        return [finding for finding in self.findings if finding.kind is kind]


@pytest.fixture
def session() -> Iterator[Session]:
    with Gateway.sample(speed="still", standing=True) as tws:
        tws.advance(to=OPEN)
        made = Session(tws, VirtualClock(tws.now()))
        made.start()
        yield made
        made.store.stop()
        made.journal.close()


FAR = Terms("LMT", limit_price=1.0)  # rests


def test_an_intent_that_was_never_sent_is_absent(session: Session) -> None:
    intent = session.intend(FAR)
    session.crash()
    session.start()
    assert session.journal.book.orders[intent.ref].state == "absent" and not session.journal.book.halts
    assert session.intend(FAR).order_id > intent.order_id


def test_an_order_that_rests_is_found_again(session: Session) -> None:
    intent = session.intend(FAR)
    session.send(intent)
    session.crash()
    session.start()
    order = session.journal.book.orders[intent.ref]
    assert order.state == "working" and order.perm_id and not session.of(FindingKind.WAITING)


def test_a_fill_that_nobody_was_there_for_is_adopted_with_its_commission(session: Session) -> None:
    intent = session.intend(Terms())
    session.send(intent)
    session.crash()
    session.tws.advance(seconds=30)
    session.start()
    order, book = session.journal.book.orders[intent.ref], session.journal.book
    assert order.state == "filled" and session.of(FindingKind.ADOPTED)
    assert book.unit_positions() == {("unit", intent.con_id): 100.0} and not book.halts
    assert book.commission(intent.ref)["USD"] > 0.0
    session.crash()
    session.start()  # and a second restart finds nothing new
    assert not session.of(FindingKind.ADOPTED) and session.journal.book.unit_size("unit", intent.con_id) == 100.0


def test_a_disk_that_is_written_by_nobody_sends_nothing(session: Session) -> None:
    session.journal.close()
    with pytest.raises(IntentError, match="its file is closed"):
        session.intend(FAR)
    assert not session.store.open_orders()
