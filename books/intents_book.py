"""What the records of the intent journal add up to: orders and their states, positions by unit, halts, the latch.

The same fold makes it from the file at start and keeps it up while records are appended, so what a restart sees is
what was seen before. It holds no file and no clock: reconciliation works on copies of it.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from books import intents_records as rec
from books.intents_order import Key, Order, within
from books.intents_records import EPSILON, Commission, Execution, Record, split_exec_id
from books.intents_states import DONE, IN_DOUBT, NEVER_LIVED, OPEN, UNRESOLVED, HaltCause, OrderState, state_of_status

_WAKES = frozenset({OrderState.ABSENT, OrderState.WITHDRAWN})  # that they come alive is an alarm
_NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)


class IntentBook:
    """State after some records. Read it; only ``apply`` changes it."""

    def __init__(self, account: str, journal_id: str) -> None:
        self.account = account
        self.journal_id = journal_id
        self.orders: dict[str, Order] = {}  # orderRef -> order
        self.open_refs: dict[str, None] = {}  # of orders that are not done, in order of writing
        self.by_perm: dict[int, str] = {}  # permId -> orderRef
        self.executions: dict[str, rec.ExecutionSeen] = {}  # root of execId -> its latest revision
        self.exec_ids: set[str] = set()  # all that were ever taken in
        self.commissions: dict[tuple[str, int], Commission] = {}  # root of execId, revision -> what it cost
        self.carried: dict[tuple[str, int, str], float] = defaultdict(float)  # account, conId, unit -> units
        self.taken: tuple[rec.Carried, ...] = ()  # units that came into a unit's book without an order
        self.beside: dict[int, float] = defaultdict(float)  # conId -> owner's own units, held since no unit held any
        self.symbols: dict[int, str] = {}  # conId -> symbol
        self.traded: set[Key] = set()  # instruments that ever had an intent
        self.halts: dict[tuple[str, int, HaltCause], rec.Halted] = {}
        self.killed: rec.Killed | None = None
        self.rearmed: rec.Rearmed | None = None  # the last time that a person did it
        self.order_id_mark = 0  # the highest order id that was ever used or told
        self.last_number = 0  # of an intent
        self.version = 0  # grows with every change: two books of one version are the same
        self.cash: rec.CashSeen | None = None
        self._units: dict[tuple[str, int, str], float] = defaultdict(float)  # executions by account, conId, unit
        self._holding: dict[int, int] = defaultdict(int)  # conId -> units of the settings that hold some
        self._since: dict[int, dt.datetime] = {}  # conId -> when the first of these units came
        self._flows: dict[str, float] = defaultdict(float)  # currency -> money moved by executions and commissions

    # -- questions ------------------------------------------------------------------------------------------------

    def open_orders(self) -> list[Order]:
        """Orders that are not done, in the order in which they were written."""
        return [self.orders[ref] for ref in self.open_refs]

    def unresolved(self) -> list[Order]:
        """Orders whose outcome is not known."""
        return [order for order in self.open_orders() if order.state in UNRESOLVED]

    def in_doubt(self, con_id: int | None = None) -> list[Order]:
        """Orders that forbid a new one on their instrument."""
        return [o for o in self.open_orders() if o.state in IN_DOUBT and con_id in (None, o.intent.con_id)]

    def by_ref(self, ref: str) -> Order | None:
        return self.orders.get(ref)

    def owner(self, order_ref: str, perm_id: int, root: str = "") -> str:
        """orderRef of our order that a report speaks of; "" where it is not ours."""
        if order_ref in self.orders:
            return order_ref
        known = self.executions.get(root) if root else None
        return (known.ref if known else "") or (self.by_perm.get(perm_id, "") if perm_id else "")

    def fills(self, ref: str) -> list[Execution]:
        """Executions of an order as they stand after corrections, busts left out, by time."""
        found = [seen.execution for seen in self.executions.values() if seen.ref == ref and seen.execution.shares]
        return sorted(found, key=lambda execution: (execution.when, execution.exec_id))

    def positions(self) -> dict[Key, float]:
        """Expected signed units by (account, conId), the owner's own included; zeros are left out."""
        total: dict[Key, float] = defaultdict(float)
        for (account, con_id, _), size in (*self._units.items(), *self.carried.items()):
            total[account, con_id] += size
        return {key: size for key, size in total.items() if abs(size) > EPSILON}

    def unit_positions(self) -> dict[tuple[str, int], float]:
        """Signed units of this journal's account by (unit, conId); unit "" is the owner's own."""
        total: dict[tuple[str, int], float] = defaultdict(float)
        for (account, con_id, unit), size in (*self._units.items(), *self.carried.items()):
            if account == self.account:
                total[unit, con_id] += size
        return {key: size for key, size in total.items() if abs(size) > EPSILON}

    def unit_size(self, unit: str, con_id: int) -> float:
        """Signed units of one book."""
        key = (self.account, con_id, unit)
        return self._units.get(key, 0.0) + self.carried.get(key, 0.0)

    def executed(self, account: str, con_id: int, unit: str) -> float:
        """Signed units that executions have brought into one book."""
        return self._units.get((account, con_id, unit), 0.0)

    def commission(self, ref: str) -> dict[str, float]:
        """Currency -> commissions of an order so far, paid > 0."""
        paid: dict[str, float] = defaultdict(float)
        for seen in self.executions.values():
            cost = self._cost_of(seen.execution) if seen.ref == ref else None
            if cost is not None:
                paid[cost.currency] += cost.amount
        return dict(paid)

    def flows(self) -> dict[str, float]:
        """Currency -> money that all executions and commissions have moved, received > 0."""
        return dict(self._flows)

    def halts_of(self, con_id: int) -> list[rec.Halted]:
        """Halts that hold for an instrument, those of the whole account included."""
        return [halt for (_, halted, _), halt in self.halts.items() if halted in (0, con_id)]

    def copy(self) -> IntentBook:
        """A book of its own with the same state."""
        twin = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict | set):
                setattr(twin, name, value.copy())
        for ref in self.open_refs:  # done orders are copied when they are touched
            twin.orders[ref] = copy.copy(self.orders[ref])
        return twin

    # -- the fold -------------------------------------------------------------------------------------------------

    def apply(self, record: Record) -> None:
        """Take in one record. Every record may come at any time: order and repetition never break the state."""
        self.version += 1
        _FOLDS[type(record)](self, record)

    def apply_all(self, records: Iterable[Record]) -> IntentBook:
        for record in records:
            self.apply(record)
        return self

    def _touch(self, record: Record) -> Order | None:
        order = self.orders.get(record.ref)
        if order is not None:
            if record.ref not in self.open_refs:
                order = self.orders[record.ref] = copy.copy(order)
            order.changed = record.at
        return order

    def _set(self, order: Order, state: OrderState) -> None:
        order.state = state
        if state in OPEN:
            self.open_refs[order.ref] = None
        else:
            self.open_refs.pop(order.ref, None)
            order.change = None

    def _intended(self, record: rec.Intended) -> None:
        intent = record.intent
        self.orders[intent.ref] = Order(
            intent, record.at, quantity=intent.quantity, terms=intent.terms, changed=record.at
        )
        self.open_refs[intent.ref] = None
        self.traded.add((intent.account, intent.con_id))
        self.symbols[intent.con_id] = intent.symbol
        self.order_id_mark = max(self.order_id_mark, intent.order_id)
        self.last_number = max(self.last_number, intent.number)

    def _sent(self, record: rec.Sent) -> None:
        if (order := self._touch(record)) and order.state is OrderState.INTENDED:
            order.state = OrderState.SENT

    def _withdrawn(self, record: rec.Withdrawn) -> None:
        if (order := self._touch(record)) and order.state is OrderState.INTENDED:
            order.why = record.why
            self._set(order, OrderState.WITHDRAWN)

    def _change_intended(self, record: rec.ChangeIntended) -> None:
        if order := self._touch(record):
            order.change = record

    def _change_refused(self, record: rec.ChangeRefused) -> None:
        if order := self._touch(record):
            order.change, order.why = None, f"{record.code}: {record.text}"

    def _terms_seen(self, record: rec.TermsSeen) -> None:
        if order := self._touch(record):
            base = order.change.terms if order.change else order.terms
            order.terms = replace(base, limit_price=record.limit_price, aux_price=record.aux_price)
            order.quantity, order.change = record.quantity, None
            self._settle(order)

    def _cancel_intended(self, record: rec.CancelIntended) -> None:
        if order := self._touch(record):
            order.is_cancelling = True

    def _acknowledged(self, record: rec.Acknowledged) -> None:
        if order := self._touch(record):
            self._know(order, record.perm_id)
            if order.state in _WAKES | {OrderState.INTENDED, OrderState.SENT, OrderState.UNKNOWN}:
                self._set(order, OrderState.WORKING)

    def _status(self, record: rec.StatusSeen) -> None:
        order = self._touch(record)
        if order is None:
            return
        state = state_of_status(record.status)
        if state in DONE or order.told_state is None:
            order.status = record.status
        if state in DONE:
            if "expire" in record.completed.lower():
                state = OrderState.EXPIRED
            if order.state not in NEVER_LIVED | {OrderState.FILLED} or record.filled > EPSILON:
                order.told_state, order.told_filled = state, max(record.filled, order.told_filled)
                order.told_price = record.avg_fill_price
                self._settle(order)
        elif order.state in OPEN - {OrderState.AWAITING} | _WAKES:  # after the end, an older word that was overtaken
            self._set(order, state)

    def _refused(self, record: rec.Refused) -> None:
        if (order := self._touch(record)) and order.state in OPEN:
            order.why = f"{record.code}: {record.text}"
            self._set(order, OrderState.CANCELLED if order.filled > EPSILON else OrderState.REJECTED)

    def _execution(self, record: rec.ExecutionSeen) -> None:
        execution = record.execution
        if execution.exec_id in self.exec_ids:
            return
        self.exec_ids.add(execution.exec_id)
        self.symbols.setdefault(execution.con_id, execution.symbol)
        known = self.executions.get(execution.root)
        order = self._touch(record)
        if order is not None:
            more = execution.shares - (known.execution.shares if known else 0.0)
            order.reported += more if execution.estimated else max(0.0, more)
        if known is not None and known.execution.revision > execution.revision:
            if order is not None:
                self._settle(order)
            return  # its correction came first
        self.executions[execution.root] = record
        if known is not None:
            self._book(known, -1.0)
        self._book(record, 1.0)
        self._look_beside(execution.con_id, execution.when, 0.0 if order is not None else execution.signed)

    def _book(self, seen: rec.ExecutionSeen, times: float) -> None:
        execution = seen.execution
        order = self._touch(seen)
        unit = order.intent.unit if order else ""
        self._move(self._units, (execution.account, execution.con_id, unit), times * execution.signed)
        currency, multiplier = execution.currency, execution.multiplier
        if order is not None:
            currency, multiplier = currency or order.intent.currency, order.intent.multiplier
        self._flows[currency] -= times * execution.signed * execution.price * multiplier
        cost = self._cost_of(execution)
        if cost is not None:
            self._flows[cost.currency] -= times * cost.amount
        if order is not None:
            self._know(order, execution.perm_id)
            order.filled += times * execution.shares
            order.value += times * execution.shares * execution.price
            if times > 0.0:
                self._settle(order)

    def _move(self, sizes: dict[tuple[str, int, str], float], key: tuple[str, int, str], quantity: float) -> None:
        """Bring units into one book."""
        account, con_id, unit = key
        before = self.unit_size(unit, con_id)
        sizes[key] += quantity
        if unit and account == self.account:
            after = self.unit_size(unit, con_id)
            self._holding[con_id] += (abs(after) > EPSILON) - (abs(before) > EPSILON)

    def _look_beside(self, con_id: int, when: dt.datetime, by_hand: float = 0.0) -> None:
        """``by_hand``: units that came to the owner at ``when``; where that was before ours they are only told late."""
        own = self.unit_size("", con_id)
        if not self._holding[con_id]:
            self.beside[con_id], self._since[con_id] = own, _NEVER
            return
        if not by_hand:
            self._since[con_id] = min(self._since.get(con_id, _NEVER), when)
        late = by_hand if when < self._since.get(con_id, _NEVER) else 0.0
        self.beside[con_id] = within(self.beside[con_id] + late, own)

    def _settle(self, order: Order) -> None:
        """Decide the state from what was filled and what the broker has said of the end."""
        told, told_filled = order.told_state, order.told_filled
        if told is OrderState.FILLED and not told_filled:
            told_filled = order.quantity
        if order.filled >= order.limit - EPSILON:
            self._set(order, OrderState.FILLED)
        elif told is not None and told_filled > order.reported + EPSILON:
            self._set(order, OrderState.AWAITING)
        elif told is not None:  # told filled and busted since: done with a part
            part = told is OrderState.FILLED and order.filled < order.quantity - EPSILON
            self._set(order, OrderState.CANCELLED if part else told)
        elif order.state is OrderState.FILLED:
            self._set(order, OrderState.CANCELLED)  # a bust does not revive an order
        elif order.state in UNRESOLVED | NEVER_LIVED and order.filled > EPSILON:
            self._set(order, OrderState.WORKING)

    def _know(self, order: Order, perm_id: int) -> None:
        if not perm_id or perm_id == order.perm_id:
            return
        self.by_perm.setdefault(perm_id, order.ref)
        if not order.perm_id:
            order.perm_id = perm_id
        elif perm_id not in order.other_perm_ids:
            order.other_perm_ids += (perm_id,)

    def _commission(self, record: rec.CommissionSeen) -> None:
        root, revision = split_exec_id(record.commission.exec_id)
        seen = self.executions.get(root)
        before = self._cost_of(seen.execution) if seen else None
        self.commissions[root, revision] = record.commission
        after = self._cost_of(seen.execution) if seen else None
        for cost, sign in ((before, 1.0), (after, -1.0)):
            if cost is not None:
                self._flows[cost.currency] += sign * cost.amount

    def _cost_of(self, execution: Execution) -> Commission | None:
        """Of the latest revision that has one; a correction often comes without."""
        for revision in range(execution.revision, 0, -1):
            if (cost := self.commissions.get((execution.root, revision))) is not None:
                return cost
        return None

    def _unknown(self, record: rec.OutcomeUnknown) -> None:
        if (order := self._touch(record)) and order.state in OPEN - {OrderState.AWAITING}:
            order.why = record.why
            self._set(order, OrderState.UNKNOWN)

    def _resolved(self, record: rec.Resolved) -> None:
        if order := self._touch(record):
            order.why = record.evidence
            if record.state in OPEN:
                order.told_state, order.told_filled = None, 0.0
            self._set(order, record.state)

    def _carry(self, record: rec.Carried) -> None:
        self.symbols.setdefault(record.con_id, record.symbol)
        self._move(self.carried, (record.account, record.con_id, record.unit), record.quantity)
        self._look_beside(record.con_id, record.at, 0.0 if record.unit else record.quantity)
        if record.unit and record.account == self.account:
            self.taken += (record,)

    def _halted(self, record: rec.Halted) -> None:
        self.halts[record.account, record.con_id, record.cause] = record

    def _released(self, record: rec.Released) -> None:
        for key in [k for k in self.halts if k[:2] == (record.account, record.con_id)]:
            if record.cause in (None, key[2]):
                del self.halts[key]

    def _order_id(self, record: rec.OrderIdSeen) -> None:
        self.order_id_mark = max(self.order_id_mark, record.next_id - 1)

    def _cash_seen(self, record: rec.CashSeen) -> None:
        self.cash = record

    def _kill(self, record: rec.Killed) -> None:
        self.killed = self.killed or record

    def _rearm(self, record: rec.Rearmed) -> None:
        self.killed, self.rearmed = None, record


_FOLDS: dict[type[Record], Callable[[IntentBook, Any], None]] = {
    rec.Intended: IntentBook._intended,
    rec.Sent: IntentBook._sent,
    rec.Withdrawn: IntentBook._withdrawn,
    rec.ChangeIntended: IntentBook._change_intended,
    rec.ChangeRefused: IntentBook._change_refused,
    rec.TermsSeen: IntentBook._terms_seen,
    rec.CancelIntended: IntentBook._cancel_intended,
    rec.Acknowledged: IntentBook._acknowledged,
    rec.StatusSeen: IntentBook._status,
    rec.Refused: IntentBook._refused,
    rec.ExecutionSeen: IntentBook._execution,
    rec.CommissionSeen: IntentBook._commission,
    rec.OutcomeUnknown: IntentBook._unknown,
    rec.Resolved: IntentBook._resolved,
    rec.Carried: IntentBook._carry,
    rec.Halted: IntentBook._halted,
    rec.Released: IntentBook._released,
    rec.OrderIdSeen: IntentBook._order_id,
    rec.CashSeen: IntentBook._cash_seen,
    rec.Killed: IntentBook._kill,
    rec.Rearmed: IntentBook._rearm,
}
