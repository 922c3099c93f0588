"""Journal against broker, at every start and reconnect: what is known afterwards, and what halts.

A pure function: it reads a copy of the journal's book and a snapshot and returns findings and records. Presence at the
broker counts at once; absence, and a difference of positions, count when they are seen twice, ``grace`` apart, since
open orders, executions and positions are not of one moment. An outcome is never found out by sending again.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from books import intents_records as rec
from books.intents import IntentJournal
from books.intents_alarms import alarms, stranger
from books.intents_book import IntentBook
from books.intents_intake import booked_by, resolved_by, told_by
from books.intents_order import Key, Order
from books.intents_records import EPSILON, BrokerOrder, Execution, Record
from books.intents_states import DONE, SELF_LIFTING, HaltCause, OrderState
from core.errors import IntentError
from live.reconcile_commands import mends
from live.reconcile_positions import Candidate, candidates, explain, price_of
from live.reconcile_records import BrokerSnapshot, Doubt, Doubts, Finding, FindingKind, Reconciliation

GRACE_SECONDS = 3.0  # between two looks at what is not there
CENT = 0.005


def reconcile(
    book: IntentBook, snapshot: BrokerSnapshot, doubts: Doubts | None = None, *, grace: float = GRACE_SECONDS
) -> Reconciliation:
    """Compare ``book`` (``IntentJournal.snapshot()``) with the broker.

    ``doubts``: of the last reconciliation of this process; ``grace``: seconds between two looks. Raises IntentError for
    the snapshot of another account.
    """
    if snapshot.account != book.account:
        raise IntentError(
            f"the broker answered for account {snapshot.account}, the intent journal is of {book.account}; log in to "
            f"{book.account}, or set paths.state to the folder of {snapshot.account}"
        )
    return _Run(book, snapshot, doubts or {}, dt.timedelta(seconds=grace)).run()


def settle(journal: IntentJournal, result: Reconciliation) -> bool:
    """Write what was found and open the journal. False where it has moved on meanwhile: reconcile again."""
    return journal.settle(
        result.records, result.held, version=result.version, open_to_exits=result.open_to_exits
    )  # fmt: skip


class _Run:
    """One reconciliation under way."""

    def __init__(self, book: IntentBook, snapshot: BrokerSnapshot, doubts: Doubts, grace: dt.timedelta) -> None:
        self.version = book.version
        self.book = book.copy()
        self.snapshot = snapshot
        self.at = snapshot.taken_at
        self.before = doubts
        self.grace = grace
        self.doubts: dict[str, Doubt] = {}
        self.findings: list[Finding] = []
        self.records: list[Record] = []
        self.open: dict[str, BrokerOrder] = {}  # orderRef -> what the broker has open
        self.lost: list[Order] = []  # whose fills only the position can tell, at the second look
        self.told: dict[str, float] = {}  # orderRef of these -> units that the status counts and executions do not

    def run(self) -> Reconciliation:
        if self.snapshot.next_order_id - 1 > self.book.order_id_mark:
            self.write(rec.OrderIdSeen(at=self.at, next_id=self.snapshot.next_order_id))
        # A correction finds its order by what it corrects, so in the order of revisions
        for execution in sorted(self.snapshot.executions, key=lambda e: (e.revision, e.when, e.exec_id)):
            self.take_execution(execution)
        for cost in self.snapshot.commissions:
            if self.book.commissions.get(rec.split_exec_id(cost.exec_id)) != cost:
                self.write(rec.CommissionSeen(at=self.at, commission=cost))
        for order in self.snapshot.open_orders:
            self.take_open(order)
        for order in self.snapshot.completed:
            ref = self.book.owner(order.order_ref, order.perm_id)
            if ref and ref not in self.open:
                self.write(*told_by(self.book, ref, order, self.at))
        for known in self.book.open_orders():
            self.look_for(known)
        self.compare_positions()
        self.compare_cash()
        return Reconciliation(tuple(self.findings), tuple(self.records), self.doubts, self.version)

    # -- tools ----------------------------------------------------------------------------------------------------

    def write(self, *records: Record) -> None:
        for record in records:
            order = self.book.by_ref(record.ref)
            before = order.state if order else None
            self.records.append(record)
            self.book.apply(record)
            found = alarms(self.book, record, before, self.at)  # the journal raises them by itself when it writes
            for halt in [*found, *([record] if isinstance(record, rec.Halted) else [])]:
                if halt is not record:
                    self.book.apply(halt)
                self.find(
                    FindingKind.HALT, halt.why, halt.con_id, halt.ref, halt.expected, halt.found, mends(halt, self.book)
                )
            after = self.book.by_ref(record.ref)
            if before not in DONE and after is not None and after.state in DONE:
                text = f"{after.ref} is {after.state}, {after.filled:.12g} of {after.quantity:.12g} filled"
                evidence = f" ({record.evidence})" if isinstance(record, rec.Resolved) else ""
                self.find(FindingKind.RESOLVED, text + evidence, after.intent.con_id, after.ref)
            elif isinstance(record, rec.TermsSeen):
                text = (
                    f"{record.ref}: the broker works {record.quantity:.12g} at {record.limit_price or record.aux_price}"
                )
                self.find(FindingKind.TERMS, text, after.intent.con_id if after else 0, record.ref)

    def find(
        self, kind: FindingKind, text: str, con_id: int = 0, ref: str = "", expected: float | None = None,
        found: float | None = None, commands: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        symbol = self.book.symbols.get(con_id, "")
        self.findings.append(Finding(kind, text, con_id, symbol, ref, expected, found, commands))

    def is_seen_twice(self, key: str, con_id: int, *, of_position: bool = False) -> bool:
        """Whether the same was seen at an earlier look, ``grace`` ago; else it is a doubt until the next."""
        earlier = self.before.get(key) or Doubt(self.at, con_id)
        seen_twice = self.at - earlier.since >= self.grace and earlier.since < self.at
        self.doubts[key] = replace(earlier, is_confirmed=seen_twice, of_position=of_position)
        return seen_twice

    def halt(
        self, key: Key, cause: HaltCause, why: str, ref: str = "", expected: float | None = None,
        found: float | None = None,
    ) -> None:  # fmt: skip
        """Write a halt that does not stand yet with the same numbers; else only tell it."""
        account, con_id = key
        made = rec.Halted(
            at=self.at, ref=ref, account=account, con_id=con_id, symbol=self.book.symbols.get(con_id, ""), cause=cause,
            why=why, expected=expected, found=found,
        )  # fmt: skip
        stands = self.book.halts.get((account, con_id, cause))
        if stands is not None and (stands.why, stands.expected, stands.found) == (why, expected, found):
            self.find(FindingKind.HALT, why, con_id, ref, expected, found, mends(made, self.book))
        else:
            self.write(made)

    # -- executions and orders ------------------------------------------------------------------------------------

    def take_execution(self, execution: Execution) -> None:
        ref = self.book.owner(execution.order_ref, execution.perm_id, execution.root)
        records, corrects = booked_by(self.book, ref, execution, self.at)
        is_new = any(isinstance(record, rec.ExecutionSeen) for record in records)
        self.write(*records)
        what = f"{execution.action} {execution.shares:.12g} {execution.symbol}"
        text = f"{what} at {execution.price:.12g} ({execution.exec_id})"
        if corrects is not None:
            text += f", which corrects {corrects.shares:.12g} at {corrects.price:.12g}"
        if is_new and ref:
            self.find(FindingKind.ADOPTED, text, execution.con_id, ref)
        elif is_new:
            self.find(FindingKind.BY_HAND, text, execution.con_id)

    def take_open(self, report: BrokerOrder) -> None:
        ref = self.book.owner(report.order_ref, report.perm_id)
        if not ref:
            text = (
                f"{report.action} {report.quantity:.12g} {report.symbol} {report.order_type} (permId {report.perm_id})"
            )
            self.find(FindingKind.BY_HAND, f"open order: {text}", report.con_id)
            self.judge_stranger(report.order_ref, report.account or self.book.account, report.con_id)
            return
        self.open[ref] = report
        order = self.book.orders[ref]
        if order.state in DONE - {OrderState.ABSENT, OrderState.WITHDRAWN}:
            self.judge_revived(order)
        self.write(*told_by(self.book, ref, report, self.at))
        changed = self.book.orders[ref]
        if changed.change is not None and changed.change.at <= self.at:
            if self.is_seen_twice(f"change {ref}", changed.intent.con_id):
                text = "the broker works the terms of before"
                self.write(rec.ChangeRefused(at=self.at, ref=ref, code=0, text=text))
            else:
                self.find(FindingKind.WAITING, f"{ref}: a change is under way", changed.intent.con_id, ref)

    def judge_revived(self, order: Order) -> None:
        if order.changed is not None and order.changed > self.at:
            return  # it ended after the question was asked
        if not self.is_seen_twice(f"open {order.ref}", order.intent.con_id):
            self.find(FindingKind.WAITING, f"{order.ref} is {order.state}, and open", order.intent.con_id, order.ref)
        elif order.state is OrderState.FILLED:
            self.halt(order.key, HaltCause.CONTRADICTION, f"{order.ref} is filled, and open at the broker", order.ref)
        else:
            was = order.state
            why = f"it was {was}, and the broker has it open"
            self.write(rec.Resolved(at=self.at, ref=order.ref, state=OrderState.WORKING, evidence=why))
            self.find(FindingKind.REVIVED, f"{order.ref}: {why}", order.intent.con_id, order.ref)

    def judge_stranger(self, order_ref: str, account: str, con_id: int) -> None:
        """An order of this program that the journal does not hold: positions are not what they seem."""
        found = stranger(self.book, order_ref)
        if found is not None:
            self.halt((account, con_id), *found)

    def look_for(self, known: Order) -> None:
        """An order that is not done, as far as the journal knows."""
        order = self.book.orders[known.ref]
        if order.state in DONE or order.written >= self.at:
            return
        ref, con_id = order.ref, order.intent.con_id
        report = self.open.get(ref)
        counted = max(order.told_filled, report.filled if report else 0.0)
        missing = max(0.0, counted - order.reported)
        if order.state is OrderState.AWAITING or missing > EPSILON:
            if self.is_seen_twice(f"fills {ref} {counted:.12g} {order.reported:.12g}", con_id):
                self.lost.append(order)
                self.told[ref] = missing if counted else order.remaining
            else:
                text = f"{ref} has fills that executions do not tell"
                self.find(FindingKind.WAITING, text, con_id, ref)
        elif report is not None:
            return
        elif not self.is_seen_twice(f"absent {ref}", con_id):
            if order.state is not OrderState.UNKNOWN:
                self.write(rec.OutcomeUnknown(at=self.at, ref=ref, why="it is nowhere at the broker"))
            self.find(FindingKind.WAITING, f"{ref} is nowhere at the broker", con_id, ref)
        elif order.written < self.snapshot.executions_since:
            self.lost.append(order)
        else:
            why = "not among open orders, completed orders and executions, asked twice"
            self.write(*resolved_by(self.book, ref, 0.0, 0.0, why, self.at))

    # -- positions ------------------------------------------------------------------------------------------------

    def compare_positions(self) -> None:
        found = {(p.account, p.con_id): p for p in self.snapshot.positions}
        for place in self.snapshot.positions:
            self.book.symbols.setdefault(place.con_id, place.symbol)
        expected = self.book.positions()
        lost = {order.key for order in self.lost}
        halted = {(account, con_id) for account, con_id, cause in self.book.halts if cause in SELF_LIFTING}
        for key in sorted({*found, *expected, *lost, *halted}):
            position = found.get(key)
            size, cost = (position.size, position.avg_cost) if position else (0.0, 0.0)
            self.compare(key, expected.get(key, 0.0), size, cost)

    def compare(self, key: Key, expected: float, found: float, avg_cost: float) -> None:
        account, con_id = key
        difference = found - expected
        symbol = self.book.symbols.get(con_id, "")
        mine = [order for order in self.lost if order.key == key]
        if mine:
            self.explain_by(key, mine, expected, found, avg_cost)
        elif abs(difference) <= EPSILON:
            self.agree(key, found)
        elif not self.is_ours(key):
            text = f"{found:.12g} {symbol} held by hand" + (f", {expected:.12g} before" if expected else "")
            self.write(
                rec.Carried(
                    at=self.at, account=account, con_id=con_id, symbol=symbol, unit="", quantity=difference,
                    price=avg_cost, why="seen at the broker",
                )
            )  # fmt: skip
            self.find(FindingKind.BY_HAND, text, con_id, "", expected, found)
        else:
            self.differ(key, HaltCause.POSITION, expected, found, "no order of ours explains it")

    def is_ours(self, key: Key) -> bool:
        return key in self.book.traded or any(
            unit and (account, con_id) == key and abs(size) > EPSILON
            for (account, con_id, unit), size in self.book.carried.items()
        )

    def agree(self, key: Key, found: float) -> None:
        for cause in SELF_LIFTING:
            if (*key, cause) in self.book.halts:
                why = "the positions agree again"
                self.write(rec.Released(at=self.at, account=key[0], con_id=key[1], why=why, cause=cause))
                self.find(FindingKind.RELEASED, why, key[1], "", found, found)
        self.find(FindingKind.MATCHED, f"position {found:.12g}", key[1], "", found, found)

    def differ(self, key: Key, cause: HaltCause, expected: float, found: float, why: str) -> None:
        text = f"{found:.12g} found, {expected:.12g} expected: {why}"
        # Orders first: they may explain it
        waits = any(doubt.con_id == key[1] and not doubt.is_confirmed for doubt in self.doubts.values())
        # Both numbers: two fills of one size in two looks are not one difference seen twice
        seen = f"position {key[0]} {key[1]} {round(expected, 6)!r} {round(found, 6)!r}"
        if self.is_seen_twice(seen, key[1], of_position=True) and not waits:
            for other in SELF_LIFTING - {cause}:
                if (*key, other) in self.book.halts:
                    self.write(rec.Released(at=self.at, account=key[0], con_id=key[1], why=text, cause=other))
            self.halt(key, cause, text, "", expected, found)
        else:
            self.find(FindingKind.WAITING, text, key[1], "", expected, found)

    def explain_by(self, key: Key, lost: list[Order], expected: float, found: float, avg_cost: float) -> None:
        groups: list[Candidate] = candidates(lost, self.told)
        filled = explain(found - expected, groups)
        if filled is None:
            names = ", ".join(order.ref for order in lost)
            cause = HaltCause.AMBIGUOUS if len(groups) > 1 else HaltCause.POSITION
            self.differ(key, cause, expected, found, f"it does not say how much of {names} was filled")
            return
        why = f"concluded from the position of {found:.12g}, {expected:.12g} expected; executions do not tell"
        for group, units in zip(groups, filled, strict=True):
            bearer = group.bearer(units)
            for order in group.orders:
                share, report = units if order is bearer else 0.0, self.open.get(order.ref)
                price = price_of(order, report.avg_fill_price if report else 0.0, avg_cost)
                records = resolved_by(self.book, order.ref, share, price, why, self.at)
                self.write(*(records if report is None else records[:-1]))  # what is open has not ended
        self.agree(key, found)

    # -- cash -----------------------------------------------------------------------------------------------------

    def compare_cash(self) -> None:
        balances, flows, last = dict(self.snapshot.cash), self.book.flows(), self.book.cash
        if not balances or (last is not None and last.balances == balances):
            return
        if last is not None:
            for currency in sorted(balances.keys() & last.balances.keys()):
                expected = last.balances[currency] + flows.get(currency, 0.0) - last.flows.get(currency, 0.0)
                if abs(balances[currency] - expected) > CENT:
                    text = f"{balances[currency] - expected:.2f} {currency} moved by something else than executions"
                    self.find(FindingKind.CASH, text, 0, "", expected, balances[currency])
        self.write(rec.CashSeen(at=self.at, account=self.book.account, balances=balances, flows=flows))
