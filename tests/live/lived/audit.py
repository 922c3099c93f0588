"""What must hold after any session: nothing doubled, nothing unaccounted, what is unresolved halted."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable

from lived.witness import Witness

from books.intents_book import IntentBook
from books.intents_records import EPSILON
from books.intents_states import IN_DOUBT, UNRESOLVED
from core.events import Connection, ConnectionEvent, MonitorEvent
from core.orders import Role

OPENING = frozenset({Role.ENTRY})


def audit(witness: Witness, book: IntentBook) -> list[str]:
    """Every breach of the promise of "exactly once", as a sentence; empty = it was kept."""
    return [*doubled(witness, book), *unaccounted(witness, book), *unexplained(witness, book)]


def doubled(witness: Witness, book: IntentBook) -> list[str]:
    """Orders that lived twice: two orders of one orderRef, two entries of one trade and instrument."""
    found = [
        f"{ref} lived {len(orders)} times (permIds {[o.perm_id for o in orders]})"
        for ref, orders in witness.by_ref().items()
        if ref and len(orders) > 1
    ]
    strangers = [ref for ref in witness.by_ref() if ref and ref not in book.orders]
    found += [f"the gateway has {ref}, which the journal does not hold" for ref in strangers]
    entries: Counter[tuple[str, str, int]] = Counter()
    for ref, orders in witness.by_ref().items():
        known = book.orders.get(ref)
        if known is not None and known.intent.role in OPENING and any(o.filled for o in orders):
            entries[known.intent.unit, known.intent.trade, known.intent.con_id] += 1
    return found + [f"{key} was entered {count} times" for key, count in entries.items() if count > 1]


def unaccounted(witness: Witness, book: IntentBook) -> list[str]:
    """Executions that the journal does not hold as they stand, and positions that differ without a halt."""
    found = []
    in_journal: dict[str, tuple[float, float]] = {}
    estimated: dict[int, float] = defaultdict(float)
    for seen in book.executions.values():
        execution = seen.execution
        sign = 1.0 if execution.action == "BUY" else -1.0
        if execution.estimated:
            estimated[execution.con_id] += sign * execution.shares
        else:
            in_journal[execution.exec_id.rpartition(".")[0]] = (sign * execution.shares, execution.price)
    for root, (perm_id, signed, price) in witness.executions.items():
        order = witness.orders[perm_id]
        told = in_journal.get(root)
        if told is None:
            con_id, ref = order.instrument.con_id, order.terms.get("orderRef")
            if signed and not estimated.get(con_id) and not is_halted(book, con_id):
                found.append(f"execution {root} of {ref} ({signed:g} at {price:g}) is not booked")
        elif abs(told[0] - signed) > EPSILON or abs(told[1] - price) > EPSILON:
            found.append(f"execution {root} is booked as {told}, it is ({signed}, {price})")
    return found


def unexplained(witness: Witness, book: IntentBook) -> list[str]:
    """Positions of the journal that are not the gateway's, and orders in doubt on instruments that are not halted."""
    found = []
    expected: dict[int, float] = defaultdict(float)
    for (_, con_id), size in book.positions().items():
        expected[con_id] += size
    for con_id in {*expected, *witness.held}:
        if abs(expected.get(con_id, 0.0) - witness.held.get(con_id, 0.0)) > EPSILON and not is_halted(book, con_id):
            found.append(
                f"{book.symbols.get(con_id, con_id)}: the journal has {expected.get(con_id, 0.0):g}, the gateway "
                f"{witness.held.get(con_id, 0.0):g}, and it is not halted"
            )
    return found


def in_doubt(book: IntentBook) -> list[str]:
    """orderRefs whose outcome is not known: they stop their instrument, and are told."""
    return [order.ref for order in book.open_orders() if order.state in IN_DOUBT | UNRESOLVED]


def is_halted(book: IntentBook, con_id: int) -> bool:
    return bool(book.halts_of(con_id)) or bool(book.in_doubt(con_id))


def naked_spans(witness: Witness, y: int, x: int) -> list[tuple[dt.datetime, dt.timedelta]]:
    """Spans in which one leg of a pair was held and the other was not: begin and length."""
    spans: list[tuple[dt.datetime, dt.timedelta]] = []
    held = {y: 0.0, x: 0.0}
    begun: dt.datetime | None = None
    for when, con_id, units in witness.positions:
        if con_id not in held:
            continue
        held[con_id] = units
        is_naked = (abs(held[y]) > EPSILON) != (abs(held[x]) > EPSILON)
        if is_naked:
            begun = begun or when
        elif begun is not None:
            spans.append((begun, when - begun))
            begun = None
    if begun is not None:
        spans.append((begun, dt.timedelta.max))
    return spans


def outages(events: Iterable[MonitorEvent]) -> list[tuple[dt.datetime, dt.timedelta]]:
    """Spans in which orders could not go out: begin and length; the last one may have no end."""
    spans: list[tuple[dt.datetime, dt.timedelta]] = []
    begun: dt.datetime | None = None
    for event in events:
        if not isinstance(event, ConnectionEvent) or event.text.startswith("data of"):
            continue
        if event.state in (Connection.LOST, Connection.DEGRADED):
            begun = begun or event.at
        elif event.state is Connection.SYNCHRONISED and begun is not None:
            spans.append((begun, event.at - begun))
            begun = None
    if begun is not None:
        spans.append((begun, dt.timedelta.max))
    return spans
