"""From a fact of the broker to the records that it is worth: nothing where it is known already."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, replace

from books import intents_records as rec
from books.intents_book import IntentBook
from books.intents_order import Order
from books.intents_records import EPSILON, BrokerOrder, Draft, Execution, ExecutionSeen, Record
from books.intents_states import AT_BROKER, DONE, HaltCause, OrderState, state_of_status
from core.errors import IntentError

ESTIMATE = "position"  # begins the execId of a fill that was concluded from a position
_WAKES = frozenset({OrderState.ABSENT, OrderState.WITHDRAWN})


@dataclass(frozen=True, slots=True)
class Booking:
    """What an execution did to the books."""

    execution: Execution
    ref: str  # orderRef; "" = no order of ours
    is_new: bool  # False: it was known, or its correction was
    shares: float  # change of what is filled, signed, bought > 0; of a correction the difference
    corrects: Execution | None = None  # what it replaces
    halts: tuple[rec.Halted, ...] = ()  # that it gave reason for


def check_draft(draft: Draft) -> None:
    """Raise IntentError for an order that no broker could work."""
    terms = draft.terms
    prices = [p for p in (terms.limit_price, terms.aux_price, terms.trail_stop_price) if p is not None]
    if not (math.isfinite(draft.quantity) and draft.quantity > 0.0 and all(math.isfinite(p) for p in prices)):
        raise IntentError(
            f"{draft.action} {draft.quantity!r} {draft.symbol} ({draft.unit}) at {prices}: a size must be above zero, "
            f"and sizes and prices finite numbers; correct the sizer or the strategy"
        )
    if not draft.con_id:
        raise IntentError(f"{draft.symbol} ({draft.unit}) has no conId; qualify the contract before an order")


def told_by(book: IntentBook, ref: str, report: BrokerOrder, at: dt.datetime) -> list[Record]:
    """Records of a report on our order ``ref``: its permId, its status, terms that are not the ones we know."""
    order = book.orders[ref]
    records: list[Record] = []
    if report.perm_id and report.perm_id not in (order.perm_id, *order.other_perm_ids):
        records.append(rec.Acknowledged(at=at, ref=ref, perm_id=report.perm_id))
    if report.status and _is_news(order, report):
        records.append(
            rec.StatusSeen(
                at=at, ref=ref, status=report.status, filled=report.filled, avg_fill_price=report.avg_fill_price,
                why_held=report.why_held, completed=report.completed,
            )
        )  # fmt: skip
    if report.quantity and state_of_status(report.status) in AT_BROKER and _has_other_terms(order, report):
        terms = order.terms
        records.append(
            rec.TermsSeen(
                at=at, ref=ref, quantity=report.quantity,
                limit_price=terms.limit_price if report.limit_price is None else report.limit_price,
                aux_price=terms.aux_price if report.aux_price is None else report.aux_price,
            )
        )  # fmt: skip
    return records


def _is_news(order: Order, report: BrokerOrder) -> bool:
    state = state_of_status(report.status)
    if state in DONE:
        return report.status != order.status or order.told_state is None or report.filled > order.told_filled + EPSILON
    if order.state in DONE - _WAKES or order.told_state is not None:
        return False  # an older word that was overtaken
    return report.status != order.status or order.state is not state


def _has_other_terms(order: Order, report: BrokerOrder) -> bool:
    pairs = [(report.quantity, order.quantity)]
    for told, known in (
        (report.limit_price, order.terms.limit_price),
        (report.aux_price, order.terms.aux_price),
    ):
        if told is not None and known is not None:
            pairs.append((told, known))
    return any(abs(told - known) > EPSILON for told, known in pairs)


def booked_by(
    book: IntentBook, ref: str, execution: Execution, at: dt.datetime
) -> tuple[list[Record], Execution | None]:
    """Records of an execution of our order ``ref`` ("" = of nobody here), and the execution that it corrects."""
    known = book.executions.get(execution.root)
    if execution.exec_id in book.exec_ids:
        return _contradiction(book, ref, known.execution if known else None, execution, at), None
    records: list[Record] = [ExecutionSeen(at=at, ref=ref, execution=execution)]
    if ref and known is None and not execution.estimated:
        records += _less_estimated(book, ref, execution.shares, at)
    corrected = known.execution if known and known.execution.revision < execution.revision else None
    return records, corrected


def _contradiction(
    book: IntentBook, ref: str, known: Execution | None, told: Execution, at: dt.datetime
) -> list[Record]:
    """The same execId with another content: the broker's word against the broker's word."""
    if known is None or known.exec_id != told.exec_id or not ref:
        return []
    same = known.action == told.action and known.con_id == told.con_id
    if same and abs(known.shares - told.shares) <= EPSILON and abs(known.price - told.price) <= EPSILON:
        return []
    if (told.account, told.con_id, HaltCause.CONTRADICTION) in book.halts:
        return []
    why = (
        f"execution {told.exec_id} was {known.action} {known.shares:.12g} at {known.price:.12g} and is now "
        f"{told.action} {told.shares:.12g} at {told.price:.12g}"
    )
    return [
        rec.Halted(
            at=at, ref=ref, account=told.account, con_id=told.con_id, symbol=told.symbol,
            cause=HaltCause.CONTRADICTION, why=why,
        )
    ]  # fmt: skip


def _less_estimated(book: IntentBook, ref: str, shares: float, at: dt.datetime) -> list[Record]:
    """A fill that was concluded from a position gives way to the execution that tells it."""
    seen = book.executions.get(f"{ESTIMATE}.{ref}")
    if seen is None or seen.execution.shares <= EPSILON:
        return []
    return [ExecutionSeen(at=at, ref=ref, execution=estimated(book, ref, -shares, seen.execution.price, at))]


def estimated(book: IntentBook, ref: str, shares: float, price: float, at: dt.datetime) -> Execution:
    """The estimated fill of an order, raised (or, shares < 0, lowered) by so many units."""
    order = book.orders[ref]
    seen = book.executions.get(f"{ESTIMATE}.{ref}")
    before, revision = (seen.execution.shares, seen.execution.revision) if seen else (0.0, 0)
    intent = order.intent
    made = Execution(
        exec_id="", account=intent.account, con_id=intent.con_id, symbol=intent.symbol, action=intent.action,
        shares=max(0.0, before + shares), price=price, when=at, perm_id=order.perm_id, order_ref=ref,
        order_id=intent.order_id, client_id=intent.client_id, currency=intent.currency, multiplier=intent.multiplier,
        estimated=True,
    )  # fmt: skip
    return replace(made, exec_id=f"{ESTIMATE}.{ref}.{revision + 1:02d}")


def resolved_by(book: IntentBook, ref: str, shares: float, price: float, why: str, at: dt.datetime) -> list[Record]:
    """Records that end an order of which ``shares`` more were filled than executions have told."""
    order, records = book.orders[ref], list[Record]()
    if shares > EPSILON:
        records.append(ExecutionSeen(at=at, ref=ref, execution=estimated(book, ref, shares, price, at)))
    filled = order.filled + max(0.0, shares)
    if filled >= order.limit - EPSILON:
        state = OrderState.FILLED
    elif order.perm_id or filled > EPSILON:
        state = OrderState.EXPIRED if order.terms.tif == "DAY" and not order.is_cancelling else OrderState.CANCELLED
    else:
        state = OrderState.ABSENT
    records.append(rec.Resolved(at=at, ref=ref, state=state, evidence=why))
    return records
