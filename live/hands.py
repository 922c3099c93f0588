"""Positions of ours that somebody else has changed: an exit would then open a position, and nobody would protect it.

The owner may trade in TWS whatever he likes, and what he holds beside ours is left alone. Where he has traded against
a position of this program, nobody but he can say whether that closed it: the instrument halts, and is told with the
commands that settle it. An order that closes no more than there is passes halts: it takes risk away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from books.intents_records import EPSILON, Halted
from books.intents_states import HaltCause
from core.orders import Role
from engine.venue import VenueOrder
from live.reconcile import GRACE_SECONDS
from live.values import ReportedAccount
from live.venue_desk import VenueDesk
from stores.events import PositionReported

_CLOSING = frozenset({Role.EXIT, Role.STOP, Role.TARGET})


def closes(order: VenueOrder) -> bool:
    """Whether an order closes what is held already, and not what its parent is to open."""
    return order.parent is None and order.role in _CLOSING


def may_close(sign: int, quantity: float, ours: float, found: float) -> bool:
    """Whether an order leaves the account no further on its side of zero than it would leave our own position.

    ``sign``: +1 buys; ``quantity`` > 0; ``ours``: what our units hold together, signed; ``found``: what the broker has.
    """
    after, wanted = found + sign * quantity, ours + sign * quantity
    if sign > 0:
        return after <= max(0.0, wanted) + EPSILON
    return after >= min(0.0, wanted) - EPSILON


class HandWatch:
    """Hears of positions and judges exits. ``look``: asks the broker what is true; ``cancel``: an order by its
    orderRef, and why."""

    def __init__(
        self,
        desk: VenueDesk,
        reported: ReportedAccount,
        look: Callable[[str], None],
        cancel: Callable[[str, str], None],
    ) -> None:
        self._desk = desk
        self._reported = reported
        self._look = look
        self._cancel = cancel
        self._beside: dict[int, float] = {}  # conId -> what the owner held when we held nothing
        desk.pump.on(PositionReported, self._told)

    def objection(self, orders: Sequence[VenueOrder]) -> str:
        """Why these orders, which close, may not go out; "" = they may."""
        for order in orders:
            con_id = self._desk.instruments[order.symbol].con_id
            if not self._may_close(con_id, order.sign, order.quantity):
                found = self._found(con_id)
                self._look(f"{order.symbol}: {found:.12g} at the broker, {self._ours(con_id):.12g} by the journal")
                return (
                    f"{order.action} {order.quantity:.12g} {order.symbol} would not close but open: the broker has "
                    f"{found:.12g}; see `halflife reconcile`"
                )
        return ""

    def _ours(self, con_id: int) -> float:
        units = self._desk.journal.book.unit_positions()
        return sum(size for (unit, held), size in units.items() if unit and held == con_id)

    def _found(self, con_id: int) -> float:
        told = self._reported.positions.get(con_id)
        return told.position if told is not None else 0.0

    def _may_close(self, con_id: int, sign: int, quantity: float) -> bool:
        ours = self._ours(con_id)
        beside = self._beside.get(con_id)
        if beside is None:
            book = self._desk.journal.book
            beside = book.carried.get((book.account, con_id, ""), 0.0)
        against = beside if beside * ours < 0.0 else 0.0
        return may_close(sign, quantity, ours, self._found(con_id) - against)

    def _told(self, event: PositionReported) -> None:
        con_id = event.contract.con_id
        ours = self._ours(con_id)
        if abs(ours) <= EPSILON:
            self._beside[con_id] = event.position
        elif not self._may_close(con_id, -1 if ours > 0.0 else 1, abs(ours)):
            # A fill of ours may be on its way: it counts if it is still so
            self._desk.deadlines.set(f"position {con_id}", GRACE_SECONDS, lambda: self._judge(con_id))

    def _judge(self, con_id: int) -> None:
        desk, ours = self._desk, self._ours(con_id)
        if abs(ours) <= EPSILON or self._may_close(con_id, -1 if ours > 0.0 else 1, abs(ours)):
            return
        book = desk.journal.book
        if (book.account, con_id, HaltCause.PERSON) in book.halts:
            return
        found, symbol = self._found(con_id), book.symbols.get(con_id, str(con_id))
        missing = math.copysign(min(abs(ours), abs(ours - found)), -ours)
        why = (
            f"{ours:.12g} are held by this program and the broker has {found:.12g}: somebody has traded against them. "
            f"Their protective orders are cancelled: they would open a position. If that closed them, give the units "
            f"what they lost (`halflife reconcile --adopt {symbol} --quantity {missing:.12g} --unit NAME --price P`), "
            f"then --release"
        )
        with desk.writing("halt"):
            desk.journal.halt(con_id, symbol, why)
        halt = book.halts.get((book.account, con_id, HaltCause.PERSON))
        if isinstance(halt, Halted):
            desk.halted([halt])
        self._cancel_exits(con_id)

    def _cancel_exits(self, con_id: int) -> None:
        """Orders of ours that were to close what is not there any more: one that fills would open a position."""
        for order in self._desk.journal.book.open_orders():
            intent = order.intent
            if intent.con_id != con_id or intent.role not in _CLOSING:
                continue
            parent = self._desk.journal.book.by_ref(intent.parent_ref) if intent.parent_ref else None
            is_waiting = parent is not None and not parent.filled
            if not is_waiting and not self._may_close(con_id, intent.sign, order.remaining):
                self._cancel(order.ref, "what it was to close is not there any more")
