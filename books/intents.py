"""The intent journal: an order is on the disk before it is sent, and so is all that becomes of it.

It is the memory that makes "exactly once" true: the intent with its unique orderRef is written before the send, every
event is appended, fills are known by execId, and nothing that is not known to be settled is ever sent again. See
docs/exactly_once.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from books import intents_records as rec
from books.intents_alarms import alarms
from books.intents_book import IntentBook
from books.intents_file import KIND, IntentFile
from books.intents_intake import Booking, booked_by, check_draft, resolved_by, told_by
from books.intents_lock import ProcessLock
from books.intents_order import Order
from books.intents_records import EPSILON, BrokerOrder, Commission, Draft, Execution, Intent, Record, Terms
from books.intents_ref import OrderRef, new_journal_id
from books.intents_states import AT_BROKER, UNRESOLVED, HaltCause, OrderState
from books.intents_taken import accepted, adopted
from core.clock import Clock, SystemClock
from core.errors import IntentError
from core.orders import Role

_UNHEARD = frozenset({OrderState.INTENDED, OrderState.SENT})


class IntentJournal:
    """Intents, events and fills of one account, in one SQLite file that one process writes.

    ``path``: the file; ``account``: whose orders these are (as managedAccounts has it). A journal opens *closed*: what
    had no answer before becomes ``UNKNOWN``, and ``intend`` refuses until ``settle`` has taken in a reconciliation;
    ``disconnected`` closes it again. All methods may be called from any thread; a record is on the disk when its call
    returns. Raises LedgerError, with the cure, where the file is another account's, a newer version's, held by another
    process, read-only or damaged, or the disk is full: then nothing may be sent.
    """

    def __init__(
        self, path: str | Path, account: str, *, client_id: int = 0, clock: Clock | None = None, journal_id: str = ""
    ) -> None:
        self.path = Path(path)
        self.account = account
        self.client_id = client_id
        self._clock = clock or SystemClock()
        self._mutex = RLock()
        self._closed_by = "it has not been reconciled since the start"
        self._held: frozenset[int] = frozenset()
        self._open_to_exits: frozenset[int] = frozenset()
        self._lock = ProcessLock(self.path.with_name(self.path.name + ".lock"), f"{KIND} {self.path}")
        try:
            self._file = IntentFile(self.path, account, journal_id or new_journal_id(), self._clock.now())
        except BaseException:
            self._lock.release()
            raise
        try:
            self._book = self._load()
            self.mark_unknown("the process was started again before an answer came")
        except BaseException:
            self.close()
            raise

    # -- reading --------------------------------------------------------------------------------------------------

    @property
    def book(self) -> IntentBook:
        """The state as it stands: read it under ``reading`` where other threads write, or take ``snapshot``."""
        return self._book

    def snapshot(self) -> IntentBook:
        """A copy of the state, for ``reconcile``."""
        with self._mutex:
            return self._book.copy()

    @contextmanager
    def reading(self) -> Iterator[IntentBook]:
        """The state, which nobody changes within the block."""
        with self._mutex:
            yield self._book

    @property
    def killed(self) -> str:
        """Why the kill switch is latched; "" = it is not."""
        killed = self._book.killed
        return killed.why if killed else ""

    def why_not(self, draft: Draft, *, past_halts: bool = False) -> str:
        """Why an order may not be sent now, one sentence with the cure; "" = it may.

        ``past_halts``: halts do not count, nor does a doubt about nothing but a position, as for an order that can
        only take risk away.
        """
        with self._mutex:
            if self._closed_by:
                return f"the intent journal is closed: {self._closed_by}; wait for the reconciliation"
            if self.killed and draft.role is Role.ENTRY:
                return f"the kill switch is latched ({self.killed}); re-arm it with `halflife reconcile --rearm`"
            for halt in () if past_halts else self._book.halts_of(draft.con_id):
                what = draft.symbol if halt.con_id else "the account"
                return f"{what} is halted ({halt.cause}: {halt.why}); see `halflife reconcile`"
            for order in self._book.in_doubt(draft.con_id):
                return f"the outcome of {order.ref} on {draft.symbol} is not known ({order.why}); wait until it is"
            if draft.con_id in self._held - (self._open_to_exits if past_halts else frozenset()):
                return f"{draft.symbol} has a difference that is being asked about; wait for the next reconciliation"
            return ""

    # -- before and after the send --------------------------------------------------------------------------------

    def intend(self, drafts: Sequence[Draft], *, next_order_id: int = 0, past_halts: bool = False) -> list[Intent]:
        """Write orders before they are sent, all or none, and return them with orderRef and order id.

        ``next_order_id``: the broker's nextValidId, where newer than the last that was told. A bracket or both legs of
        a pair come in one call. Raises IntentError where one of them may not be sent (``why_not``), LedgerError where
        it cannot be written: then nothing may be sent.
        """
        with self._mutex:
            for draft in drafts:
                check_draft(draft)
                if why := self.why_not(draft, past_halts=past_halts):
                    raise IntentError(f"{draft.action} {draft.quantity:.12g} {draft.symbol} ({draft.unit}): {why}")
            at, book = self._clock.now(), self._book
            number, order_id = book.last_number, max(book.order_id_mark, next_order_id - 1)
            intents: list[Intent] = []
            for place, draft in enumerate(drafts, start=1):
                if draft.parent is not None and not 0 <= draft.parent < place - 1:
                    raise IntentError(f"{draft.symbol} {draft.leg}: parent {draft.parent} must come before its child")
                ref = str(OrderRef.make(self._file.id, draft.unit, draft.trade, draft.leg, number + place))
                intents.append(
                    Intent(
                        ref=ref,
                        number=number + place,
                        order_id=order_id + place,
                        client_id=self.client_id,
                        account=self.account,
                        unit=draft.unit,
                        trade=draft.trade,
                        leg=draft.leg,
                        role=draft.role,
                        con_id=draft.con_id,
                        symbol=draft.symbol,
                        action=draft.action,
                        quantity=draft.quantity,
                        terms=draft.terms,
                        currency=draft.currency,
                        multiplier=draft.multiplier,
                        parent_ref="" if draft.parent is None else intents[draft.parent].ref,
                        reason=draft.reason,
                        bar=draft.bar,
                    )  # fmt: skip
                )
            self._append([rec.Intended(at=at, ref=intent.ref, intent=intent) for intent in intents])
            return intents

    def sent(self, refs: Iterable[str]) -> None:
        """The orders were handed to the socket. It comes to the disk with the next record: after a loss of power an
        order that was not sent and one that was are asked about alike."""
        self._append([rec.Sent(at=self._clock.now(), ref=ref) for ref in refs], can_wait=True)

    def withdrawn(self, ref: str, why: str) -> None:
        """Not a byte of the order has left this process, for certain (the connection refused it before)."""
        order = self._order(ref)
        if order.state is not OrderState.INTENDED:
            raise IntentError(f"{ref} is {order.state} and cannot be withdrawn; cancel it, or mark it unknown")
        self._append([rec.Withdrawn(at=self._clock.now(), ref=ref, why=why)])

    def changing(self, ref: str, quantity: float, terms: Terms) -> None:
        """Write a modification before it is sent. Raises IntentError unless the order is known to work.

        While the connection is degraded a modification became a second live order (nautilus_trader#4564).
        """
        with self._mutex:
            order = self._order(ref)
            if self._closed_by or order.state not in AT_BROKER or not order.perm_id:
                why = self._closed_by or f"it is {order.state}"
                raise IntentError(f"{ref} cannot be modified: {why}; wait for the reconciliation")
            self._append([rec.ChangeIntended(at=self._clock.now(), ref=ref, quantity=quantity, terms=terms)])

    def change_refused(self, ref: str, code: int, text: str) -> None:
        """105, 321, 329, 2102 on a modification: the original is live."""
        self._append([rec.ChangeRefused(at=self._clock.now(), ref=ref, code=code, text=text)])

    def cancelling(self, ref: str, why: str = "") -> None:
        """Write a cancellation before it is sent; always allowed, and a second one does no harm."""
        self._order(ref)
        self._append([rec.CancelIntended(at=self._clock.now(), ref=ref, why=why)])

    # -- what the broker says -------------------------------------------------------------------------------------

    def reported(self, order: BrokerOrder) -> list[rec.Halted]:
        """Take in openOrder and orderStatus; what is known already writes nothing. Returns halts it gave reason for."""
        with self._mutex:
            ref = self._book.owner(order.order_ref, order.perm_id)
            return self._append(told_by(self._book, ref, order, self._clock.now())) if ref else []

    def refused(self, ref: str, code: int, text: str) -> None:
        """The broker refused the order (201 and its kin, 321 on a new order)."""
        self._append([rec.Refused(at=self._clock.now(), ref=ref, code=code, text=text)])

    def execution(self, execution: Execution) -> Booking:
        """Book a fill, a correction or a bust; known ones change nothing, those of others are kept as the owner's."""
        with self._mutex:
            book, at = self._book, self._clock.now()
            ref = book.owner(execution.order_ref, execution.perm_id, execution.root)
            records, corrects = booked_by(book, ref, execution, at)
            unit = book.orders[ref].intent.unit if ref else ""
            before = book.executed(execution.account, execution.con_id, unit)
            halts = self._append(records)
            after = self._book.executed(execution.account, execution.con_id, unit)
            is_new = any(isinstance(r, rec.ExecutionSeen) for r in records)
            return Booking(execution, ref, is_new, after - before, corrects, tuple(halts))

    def commission(self, commission: Commission) -> bool:
        """Join a commission to its execution, which may come later; False where it was known."""
        with self._mutex:
            if self._book.commissions.get(rec.split_exec_id(commission.exec_id)) == commission:
                return False
            self._append([rec.CommissionSeen(at=self._clock.now(), commission=commission)])
            return True

    def order_ids_from(self, next_id: int) -> int:
        """Take in nextValidId and return the next order id to use: never one that was used before."""
        with self._mutex:
            if next_id - 1 > self._book.order_id_mark:
                self._append([rec.OrderIdSeen(at=self._clock.now(), next_id=next_id)])
            return self._book.order_id_mark + 1

    # -- doubt and its end ----------------------------------------------------------------------------------------

    def disconnected(self, why: str) -> None:
        """Close until the next ``settle``; what has no answer yet becomes unknown."""
        with self._mutex:
            self._closed_by = why
            self._book.version += 1  # a reconciliation that is under way is of the connection before
            self.mark_unknown(why)

    def mark_unknown(self, why: str, refs: Iterable[str] | None = None) -> None:
        """No answer came (within the time allowed). ``refs`` None: all that have none."""
        with self._mutex:
            if refs is None:
                refs = [order.ref for order in self._book.open_orders() if order.state in _UNHEARD]
            at = self._clock.now()
            self._append([rec.OutcomeUnknown(at=at, ref=ref, why=why) for ref in refs])

    def settle(
        self, records: Iterable[Record] = (), held: Iterable[int] = (), *, version: int | None = None,
        open_to_exits: Iterable[int] = (),
    ) -> bool:  # fmt: skip
        """Take in what a reconciliation has found, all or none, and open; ``held``: conIds that wait for the next one;
        ``open_to_exits``: those among them on which an order may go out that only takes risk away.

        ``version``: of the book that was reconciled. Where other records have come since, nothing is taken in and False
        is returned: reconcile again. Use ``live.reconcile.settle`` rather than this.
        """
        with self._mutex:
            if version not in (None, self._book.version):
                return False
            self._append(list(records))
            self._held, self._open_to_exits, self._closed_by = frozenset(held), frozenset(open_to_exits), ""
            return True

    def resolve(self, ref: str, shares: float, price: float, why: str) -> None:
        """A person says what became of an order in doubt: ``shares`` more filled (>= 0) at ``price``, and done.

        Raises IntentError for an order that is not in doubt or for more than is left of it.
        """
        with self._mutex:
            order = self._order(ref)
            if order.state not in UNRESOLVED or not -EPSILON <= shares <= order.remaining + EPSILON:
                raise IntentError(
                    f"{ref} is {order.state} with {order.remaining:.12g} left and cannot be resolved with "
                    f"{shares:.12g} filled; give an order whose outcome is unknown and at most what is left of it"
                )
            self._append(resolved_by(self._book, ref, shares, price, why, self._clock.now()))

    # -- what persons and risk decide -----------------------------------------------------------------------------

    def halt(self, con_id: int, symbol: str, why: str, cause: HaltCause = HaltCause.PERSON) -> None:
        """No new orders on an instrument; ``con_id`` 0 = on none."""
        at = self._clock.now()
        self._append(
            [rec.Halted(at=at, account=self.account, con_id=con_id, symbol=symbol, cause=cause, why=why)]
        )  # fmt: skip

    def release(self, con_id: int, why: str, cause: HaltCause | None = None) -> None:
        """End the halts of an instrument (``con_id`` 0: those of the account)."""
        self._append([rec.Released(at=self._clock.now(), account=self.account, con_id=con_id, why=why, cause=cause)])

    def accept(
        self, con_id: int, symbol: str, quantity: float, why: str, unit: str = "", price: float | None = None
    ) -> None:
        """Accept a difference of ``quantity`` signed units: as the owner's own, or into the book of ``unit``.

        ``price``: per unit, of what goes into a unit's book. The halts that the difference gave reason for end with the
        last part of it. Raises IntentError for units of the owner's own against those of a unit, and for a unit's that
        close something without a price.
        """
        with self._mutex:
            self._append(accepted(self._book, con_id, symbol, quantity, why, unit, price, self._clock.now()))

    def adopt(self, con_id: int, symbol: str, unit: str, quantity: float, price: float) -> None:
        """Move signed units that the owner holds into the book of ``unit``, at a price per unit.

        Raises IntentError where the owner does not hold as many.
        """
        with self._mutex:
            self._append(adopted(self._book, con_id, symbol, unit, quantity, price, self._clock.now()))

    def kill(self, why: str) -> None:
        """Latch the kill switch: no entries until it is re-armed, in this process and the next."""
        self._append([rec.Killed(at=self._clock.now(), why=why)])

    def rearm(self, why: str) -> None:
        self._append([rec.Rearmed(at=self._clock.now(), why=why)])

    # -- the file -------------------------------------------------------------------------------------------------

    def tidy(self) -> None:
        """To be called where nobody waits: what the file needs now and then, so that no order has to wait for it.

        Raises LedgerError where the disk refuses; the records stand."""
        with self._mutex:
            self._file.tidy()

    def close(self) -> None:
        """Close the file and let another process have it."""
        with self._mutex:
            self._closed_by = "its file is closed"
            self._file.close()
            self._lock.release()

    def __enter__(self) -> IntentJournal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _order(self, ref: str) -> Order:
        order = self._book.by_ref(ref)
        if order is None:
            raise IntentError(f"the intent journal holds no order {ref}; write it with intend before it is sent")
        return order

    def _load(self) -> IntentBook:
        book = IntentBook(self._file.account, self._file.id)
        for _, record in self._file.records():
            book.apply(record)
        return book

    def _append(self, records: Sequence[Record], *, can_wait: bool = False) -> list[rec.Halted]:
        if not records:
            return []
        with self._mutex:
            halts: list[rec.Halted] = []
            try:
                with self._file.transaction(can_wait=can_wait) as transaction:
                    for record in records:
                        order = self._book.by_ref(record.ref)
                        before = order.state if order else None
                        transaction.add(record)
                        self._book.apply(record)
                        if isinstance(record, rec.Halted):
                            halts.append(record)
                        for halt in alarms(self._book, record, before, record.at):
                            transaction.add(halt)
                            self._book.apply(halt)
                            halts.append(halt)
            except BaseException:
                version = self._book.version
                self._book = self._load()  # what the disk has is the truth
                self._book.version += version + 1  # and no reconciliation of before fits it
                raise
            return halts


def read_book(path: str | Path) -> IntentBook:
    """The state of a journal that another process may be writing. Raises LedgerError where there is none."""
    file = IntentFile(Path(path), None, "", SystemClock().now())
    try:
        return IntentBook(file.account, file.id).apply_all(record for _, record in file.records())
    finally:
        file.close()
