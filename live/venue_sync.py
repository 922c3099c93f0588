"""Journal against broker while the session runs: at each log-in, after doubts, and from time to time.

Nothing here waits: a look is asked for, its answer is an event, and between two looks instruments in doubt take no
orders.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable

from books.intents_order import Order
from books.intents_records import CommissionSeen, ExecutionSeen
from books.intents_states import AT_BROKER
from core.errors import LedgerError, StoreError, UnansweredError
from core.events import Connection, ConnectionEvent, HaltEvent
from live.findings import in_words
from live.reconcile import GRACE_SECONDS, reconcile, settle
from live.reconcile_records import Doubts, Finding, FindingKind, Reconciliation
from live.reconcile_store import to_snapshot
from live.venue_desk import VenueDesk
from stores.events import ConnectionChanged, ConnectionState, Synchronised
from stores.synchronising import LOOK

logger = logging.getLogger(__name__)
LOOK_AT = 30  # second of each minute at which is looked while orders work, for one may be gone without a word; away
# from the ends of bars, where fills are on their way and would look like differences
LOOK_AGAIN = 30.0  # seconds after which a look without an answer is asked for once more
RETRY = 5.0  # seconds after which a reconciliation that could not be written is tried again
_TOLD = {
    ConnectionState.SYNCHRONISING: Connection.CONNECTED,
    ConnectionState.BROKEN: Connection.DEGRADED,
    ConnectionState.DISCONNECTED: Connection.LOST,
    ConnectionState.STOPPED: Connection.REFUSED,
}


class Reconciler:
    """``after``: called when a reconciliation was taken in. ``is_reconciled``: one was since the last log-in."""

    def __init__(self, desk: VenueDesk) -> None:
        self._desk = desk
        self.is_reconciled = False
        self.doubts: Doubts = {}
        self.waiting: tuple[Finding, ...] = ()
        self.after: list[Callable[[], None]] = []
        self._is_logged_in = False
        self._is_looking = False
        self._looks_again = False
        self._last_told: Connection | None = None
        self._halts_told: set[tuple[int, str]] = set()
        desk.on_unwritten = lambda: self.look_soon(RETRY, "the journal could not be written")
        desk.pump.on(Synchronised, self.synchronised)
        desk.pump.on(ConnectionChanged, self.connection_changed)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to ask; halts may stand."""
        is_asked = all(doubt.is_confirmed for doubt in self.doubts.values())
        return self.is_reconciled and is_asked and not self._unknown()

    def _unknown(self) -> list[Order]:
        """Orders whose outcome is being asked for; those of halted instruments wait for a person."""
        book = self._desk.journal.book
        return [order for order in book.in_doubt() if not book.halts_of(order.intent.con_id)]

    # -- asking ---------------------------------------------------------------------------------------------------

    def look(self, why: str = "") -> None:
        """Ask the broker what is true. Without a connection the next log-in tells."""
        desk = self._desk
        if self._is_looking:
            self._looks_again = True
            return
        if not desk.store.is_ready:
            return
        logger.info("looking: %s", why or "second look")
        self._is_looking = True
        desk.deadlines.set("look", LOOK_AGAIN, self._unanswered)
        try:
            desk.store.look(wait=desk.pump.lockstep)
        except (StoreError, UnansweredError) as error:
            logger.info("left to the next connection, or the next look: %s", error)

    def look_soon(self, seconds: float, why: str = "") -> None:
        desk = self._desk
        if "look soon" not in desk.deadlines:
            desk.deadlines.set("look soon", seconds, lambda: self.look(why))

    def _unanswered(self) -> None:
        self._is_looking = False
        self.look("the last look was not answered")

    def _from_time_to_time(self) -> None:
        if any(order.state in AT_BROKER for order in self._desk.journal.book.open_orders()):
            self.look("orders are at work")
        self._look_next_minute()

    def _look_next_minute(self) -> None:
        now = self._desk.clock.now()
        seconds = (LOOK_AT - now.second - now.microsecond / 1e6) % 60.0 or 60.0
        self._desk.deadlines.set("look from time to time", seconds, self._from_time_to_time)

    # -- the connection -------------------------------------------------------------------------------------------

    def connection_changed(self, event: ConnectionChanged) -> None:
        """The journal is closed as long as orders cannot go out."""
        desk = self._desk
        if event.state is ConnectionState.READY:
            return
        if self.is_reconciled or desk.journal.book.unresolved():
            with desk.writing("journal, connection"):
                desk.journal.disconnected(event.why or str(event.state))
        self.is_reconciled = self._is_logged_in = self._is_looking = self._looks_again = False
        for name in ("look", "look soon", "second look", "look from time to time"):
            desk.deadlines.drop(name)
        told = _TOLD.get(event.state)
        if told is not None and told is not self._last_told:
            self._last_told = told
            desk.bus.publish(ConnectionEvent(at=event.when, state=told, text=event.why))

    # -- the answer -----------------------------------------------------------------------------------------------

    def synchronised(self, event: Synchronised) -> None:
        """Reconcile, and tell what was found."""
        desk = self._desk
        if event.reason == LOOK:
            desk.deadlines.drop("look")
            self._is_looking = False
            if not self._is_logged_in:
                return  # of the connection before
        self._is_logged_in = True
        asked_at = event.asked_at or event.snapshot.when
        snapshot = to_snapshot(event.snapshot, asked_at, desk.settings.live.zone)
        result = reconcile(desk.journal.snapshot(), snapshot, self.doubts)
        try:
            is_taken = settle(desk.journal, result)
        except LedgerError as error:
            desk.unwritten("reconciliation", error)
            return
        if not is_taken:
            self.look_soon(RETRY, "the last reconciliation was not taken in")
            return
        desk.written()
        self.doubts, self.waiting = result.doubts, tuple(result.of(FindingKind.WAITING))
        if not self.is_reconciled:
            self.is_reconciled = True
            self._last_told = Connection.SYNCHRONISED
            found = in_words(result.findings)
            text = f"{event.reason}; found {found}" if found else event.reason
            desk.bus.publish(ConnectionEvent(at=desk.clock.now(), state=Connection.SYNCHRONISED, text=text))
        self._tell(result)
        self._go_on(result)
        for act in self.after:
            act()

    def _go_on(self, result: Reconciliation) -> None:
        desk = self._desk
        if not result.is_settled or self._unknown():
            desk.deadlines.set("second look", GRACE_SECONDS + 0.05, self.look)
        elif self._looks_again:
            self.look_soon(1.0, "something came while it was asked")
        self._looks_again = False
        if "look from time to time" not in desk.deadlines:
            self._look_next_minute()

    # -- telling --------------------------------------------------------------------------------------------------

    def _tell(self, result: Reconciliation) -> None:
        desk = self._desk
        roots: defaultdict[str, list[str]] = defaultdict(list)
        for record in result.records:
            if record.ref:
                roots[record.ref] += [record.execution.root] if isinstance(record, ExecutionSeen) else []
        for order_ref, found in roots.items():
            desk.tell(order_ref, found)
        for record in result.records:
            if isinstance(record, CommissionSeen):
                desk.charge(record.commission)
        for finding in result.findings:
            self._publish(finding)

    def _publish(self, finding: Finding) -> None:
        desk = self._desk
        what = (finding.con_id, finding.text)
        if finding.kind is FindingKind.HALT:
            if what in self._halts_told:
                return
            self._halts_told.add(what)
        elif finding.kind is FindingKind.RELEASED:
            self._halts_told = {told for told in self._halts_told if told[0] != finding.con_id}
        elif finding.kind is not FindingKind.MATCHED:
            logger.warning("reconciliation, %s: %s %s", finding.kind, finding.symbol, finding.text)
        if finding.kind not in (FindingKind.HALT, FindingKind.RELEASED):
            return
        is_released = finding.kind is FindingKind.RELEASED
        desk.bus.publish(
            HaltEvent(
                at=desk.clock.now(), symbol=finding.symbol, cause=str(finding.kind), text=finding.text,
                is_released=is_released, expected=finding.expected, found=finding.found, commands=finding.commands,
            )
        )  # fmt: skip
