"""From the intent journal to the reports of the venue: what the broker has not been told of an order yet.

Reports are differences between what the journal knows and what was told before. So a fill is told once, whether an
event, a reconciliation or a person's decision brought it, and a repeat tells nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from books.intents_book import IntentBook
from books.intents_order import Order
from books.intents_records import EPSILON, Commission, Execution, Terms, split_exec_id
from books.intents_states import AT_BROKER, DONE, OrderState
from engine.venue import Accepted, ChangeRefused, Charged, Corrected, End, Ended, Filled, Report, Resized
from stores.codes import is_margin

_NEVER_SENT = frozenset({OrderState.ABSENT, OrderState.WITHDRAWN})
_ENDED = frozenset({OrderState.AWAITING, OrderState.FILLED, OrderState.CANCELLED, OrderState.EXPIRED})


@dataclass(slots=True)
class Told:
    """What the broker knows of one order."""

    ref: int
    quantity: float
    accepted: bool = False
    ended: bool = False
    wanted: tuple[float, Terms] | None = None  # of a change under way
    executions: dict[str, Execution] = field(default_factory=dict)  # root of execId -> as it was told
    charged: dict[str, Commission] = field(default_factory=dict)  # execId -> as it was told


class Teller:
    """``day_end``: when a DAY order of a symbol that was written at a time ends, UTC."""

    def __init__(self, day_end: Callable[[str, dt.datetime], dt.datetime]) -> None:
        self._day_end = day_end
        self._told: dict[str, Told] = {}  # orderRef -> what was told
        self._refs: dict[int, str] = {}  # ref -> orderRef
        self.reasons: dict[str, tuple[int, str]] = {}  # orderRef -> the broker's last error that ends it
        self.revived: set[str] = set()  # orderRefs that were told as ended and live

    def know(self, ref: int, order_ref: str, quantity: float) -> None:
        """From now on the order is told of by ``ref``."""
        self._refs[ref] = order_ref
        self._told[order_ref] = Told(ref, quantity)

    def order_ref(self, ref: int) -> str:
        """orderRef of the broker's order; "" where it is not known."""
        return self._refs.get(ref, "")

    def forget(self, order_ref: str) -> None:
        """Nothing was sent of it, and the broker was told so at once."""
        told = self._told.pop(order_ref, None)
        if told is not None:
            del self._refs[told.ref]

    def ref(self, order_ref: str) -> int | None:
        told = self._told.get(order_ref)
        return told.ref if told is not None else None

    def changing(self, order_ref: str, quantity: float, terms: Terms) -> None:
        """A change to this is under way."""
        self._told[order_ref].wanted = (quantity, terms)

    def change_refused(self, order_ref: str, code: int, text: str, when: dt.datetime) -> list[Report]:
        """The broker refused the change."""
        told = self._told.get(order_ref)
        if told is None or told.wanted is None:
            return []
        told.wanted = None
        return [ChangeRefused(ref=told.ref, when=when, code=code, text=text)]

    # -- differences ----------------------------------------------------------------------------------------------

    def news(self, book: IntentBook, order_ref: str, when: dt.datetime, roots: Iterable[str] = ()) -> list[Report]:
        """What is new of an order; ``roots``: of the executions that may be."""
        told, order = self._told.get(order_ref), book.by_ref(order_ref)
        if told is None or order is None:
            return []
        fills: list[Report] = []
        for root in roots:
            seen = book.executions.get(root)
            if seen is not None and seen.ref == order_ref:
                fills += self.execution(order_ref, seen.execution)
        found: list[Report] = []
        if not told.accepted and (fills or _has_lived(order)):
            told.accepted = True
            found.append(Accepted(ref=told.ref, when=when))
        found += self._terms(told, order, when)
        found += fills
        if order.state not in DONE or order.state is OrderState.FILLED:
            if told.ended and order.state in AT_BROKER:
                told.ended = False
                self.revived.add(order_ref)
                found.append(Accepted(ref=told.ref, when=when))
        elif not told.ended:
            told.ended = True
            how, code, text = self._end(order, when)
            found.append(Ended(ref=told.ref, when=when, how=how, code=code, text=text))
        return found

    def execution(self, order_ref: str, execution: Execution) -> list[Report]:
        """A fill, or the correction of one that was told."""
        told = self._told.get(order_ref)
        if told is None:
            return []
        before = told.executions.get(execution.root)
        if before is not None and before.revision >= execution.revision:
            return []
        told.executions[execution.root] = execution
        if before is None:
            if execution.shares <= EPSILON:
                return []  # it was taken back before anybody had heard of it
            return [
                Filled(
                    ref=told.ref, when=execution.when, exec_id=execution.exec_id, quantity=execution.shares,
                    price=execution.price, is_estimate=execution.estimated,
                )
            ]  # fmt: skip
        return [
            Corrected(
                ref=told.ref, when=execution.when, exec_id=execution.exec_id, corrects=before.exec_id,
                quantity=execution.shares, price=execution.price,
            )
        ]  # fmt: skip

    def charge(self, book: IntentBook, cost: Commission, when: dt.datetime) -> list[Report]:
        """What an execution that was told has cost."""
        root, revision = split_exec_id(cost.exec_id)
        seen = book.executions.get(root)
        told = self._told.get(seen.ref) if seen is not None else None
        execution = told.executions.get(root) if told is not None else None
        if told is None or execution is None or revision > execution.revision:
            return []
        later = any(
            split_exec_id(other)[0] == root and split_exec_id(other)[1] > revision for other in told.charged
        )  # fmt: skip
        if later or told.charged.get(cost.exec_id) == cost or execution.shares <= EPSILON:
            return []
        told.charged[cost.exec_id] = cost
        return [
            Charged(
                ref=told.ref, when=when, exec_id=execution.exec_id, fees=cost.amount, currency=cost.currency
            )
        ]  # fmt: skip

    def _terms(self, told: Told, order: Order, when: dt.datetime) -> list[Report]:
        found: list[Report] = []
        if told.wanted is not None and order.change is None and order.state in AT_BROKER:
            quantity, terms = told.wanted
            told.wanted = None
            now = (order.quantity, order.terms.limit_price, order.terms.aux_price)
            if now != (quantity, terms.limit_price, terms.aux_price):
                text = "the broker works other terms than the ones that were asked for"
                found.append(ChangeRefused(ref=told.ref, when=when, code=0, text=text))
        if abs(order.quantity - told.quantity) > EPSILON:
            told.quantity = order.quantity
            found.append(Resized(ref=told.ref, when=when, quantity=order.quantity))
        return found

    def _end(self, order: Order, when: dt.datetime) -> tuple[End, int, str]:
        code, text = self.reasons.get(order.ref, (0, ""))
        text = text or order.why
        if order.state in _NEVER_SENT:
            return "rejected", code, text
        if order.state is OrderState.REJECTED or code not in (0, 202):
            return ("margin" if code == 201 and is_margin(text) else "rejected"), code, text
        if order.state is OrderState.EXPIRED or self._has_expired(order, when):
            return "expired", code, text
        return "cancelled", code, text or ("taken back" if order.reported > order.filled + EPSILON else "")

    def _has_expired(self, order: Order, when: dt.datetime) -> bool:
        """Whether an order that IBKR calls cancelled has ended by its time in force."""
        if order.is_cancelling or order.state is not OrderState.CANCELLED:
            return False
        if order.terms.good_till is not None:
            return when >= order.terms.good_till
        return order.terms.tif == "DAY" and when >= self._day_end(order.intent.symbol, order.written)

    # -- an order of an earlier run -------------------------------------------------------------------------------

    def history(self, book: IntentBook, order: Order, executions: Iterable[Execution]) -> list[Report]:
        """All that became of an order, as if it were told now; from here on only what is new is."""
        found: list[Report] = []
        for execution in sorted(executions, key=lambda each: (each.when, each.exec_id)):
            found += self.execution(order.ref, execution)
            for revision in range(execution.revision, 0, -1):
                cost = book.commissions.get((execution.root, revision))
                if cost is not None:
                    found += [replace(each, when=execution.when) for each in self.charge(book, cost, execution.when)]
                    break
        rest = self.news(book, order.ref, order.changed or order.written)
        accepted = [replace(each, when=order.written) for each in rest if isinstance(each, Accepted)]
        return [*accepted, *found, *(each for each in rest if not isinstance(each, Accepted | Resized))]


def _has_lived(order: Order) -> bool:
    """Whether the broker has, or had, the order at work."""
    return order.state is OrderState.WORKING or (order.state in _ENDED and bool(order.perm_id or order.filled))
