"""What must never happen to an order, told from the state before a record and after it: the reasons to halt."""

from __future__ import annotations

import datetime as dt

from books.intents_book import IntentBook
from books.intents_order import Order
from books.intents_records import EPSILON, Acknowledged, ExecutionSeen, Halted, Record, StatusSeen
from books.intents_ref import OrderRef
from books.intents_states import NEVER_LIVED, HaltCause, OrderState

_GONE = frozenset({OrderState.ABSENT, OrderState.WITHDRAWN})


def alarms(book: IntentBook, record: Record, before: OrderState | None, at: dt.datetime) -> list[Halted]:
    """Halts that ``record``, already in ``book``, gives reason for and that do not hold yet.

    ``before``: state of its order before it, None where it has none.
    """
    order = book.by_ref(record.ref) if record.ref else None
    if order is None:
        return _of_stranger(book, record, at) if isinstance(record, ExecutionSeen) else []
    found: list[tuple[HaltCause, str]] = []
    if order.other_perm_ids:
        ids = ", ".join(map(str, (order.perm_id, *order.other_perm_ids)))
        found.append((HaltCause.DUPLICATE, f"{order.ref} has {1 + len(order.other_perm_ids)} permIds ({ids})"))
    if order.filled > order.limit + EPSILON:
        found.append((HaltCause.OVERFILL, f"{order.ref}: {order.filled:.12g} filled of {order.limit:.12g} ordered"))
    perm_id = getattr(record, "perm_id", 0)
    if isinstance(record, ExecutionSeen):
        perm_id = record.execution.perm_id
        found += [(HaltCause.CONTRADICTION, why) for why in _of_execution(order, record, before)]
    if perm_id and book.by_perm.get(perm_id, order.ref) != order.ref:
        found.append((HaltCause.CONTRADICTION, f"permId {perm_id} is of {book.by_perm[perm_id]} and of {order.ref}"))
    if before in _GONE and order.state not in _GONE and isinstance(record, Acknowledged | StatusSeen):
        found.append((HaltCause.GHOST, f"{order.ref} was {before} and is now {order.state}; cancel it"))
    account, con_id = order.key
    return [
        Halted(at=at, ref=order.ref, account=account, con_id=con_id, symbol=order.intent.symbol, cause=cause, why=why)
        for cause, why in found
        if (account, con_id, cause) not in book.halts
    ]


def stranger(book: IntentBook, order_ref: str) -> tuple[HaltCause, str] | None:
    """Why an order of this program that the journal does not hold is one: positions are not what they seem. None: the
    name is not one of this program's."""
    parts = OrderRef.parse(order_ref)
    if parts is None:
        return None
    if parts.journal == book.journal_id:
        return (
            HaltCause.LOST_RECORD,
            f"{order_ref} is of this journal, which does not hold it: was an older copy restored?",
        )
    return HaltCause.OTHER_JOURNAL, f"{order_ref} is of another intent journal ({parts.journal}) on this account"


def _of_stranger(book: IntentBook, record: ExecutionSeen, at: dt.datetime) -> list[Halted]:
    execution = record.execution
    found = stranger(book, execution.order_ref) if not record.ref and execution.shares > EPSILON else None
    if found is None or (execution.account, execution.con_id, found[0]) in book.halts:
        return []
    why = f"{execution.action} {execution.shares:.12g} {execution.symbol} was filled, and {found[1]}"
    return [
        Halted(
            at=at, account=execution.account, con_id=execution.con_id, symbol=execution.symbol, cause=found[0], why=why
        )
    ]  # fmt: skip


def _of_execution(order: Order, record: ExecutionSeen, before: OrderState | None) -> list[str]:
    execution, intent = record.execution, order.intent
    said = []
    if before in NEVER_LIVED and execution.shares > EPSILON:
        said.append(f"{order.ref} was {before}, and execution {execution.exec_id} fills it")
    if (execution.account, execution.con_id, execution.action) != (intent.account, intent.con_id, intent.action):
        said.append(
            f"execution {execution.exec_id} of {order.ref} is {execution.action} {execution.symbol} in "
            f"{execution.account}, ordered was {intent.action} {intent.symbol} in {intent.account}"
        )
    return said
