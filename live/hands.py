"""Positions of ours that somebody else has changed: an exit would then open a position, and nobody would protect it.

The owner may trade in TWS whatever he likes, and what he holds beside ours is left alone. Where he has traded against
a position of this program, nobody but he can say whether that closed it: the instrument halts, and is told with the
commands that settle it. An order that closes no more than there is passes halts: it takes risk away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from books.intents_records import EPSILON, Halted
from books.intents_states import SELF_LIFTING, HaltCause
from books.intents_taken import adopt_commands
from core.orders import Role
from engine.venue import VenueOrder
from live.reconcile import GRACE_SECONDS
from live.reconcile_store import CURRENCY_PAIR
from live.venue_desk import VenueDesk
from live.venue_positions import LAG, Ours, ToldPosition
from stores.events import ExecutionReported, PositionReported, Synchronised

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
        self, desk: VenueDesk, look: Callable[[str], None], cancel: Callable[[str, str], None]
    ) -> None:  # fmt: skip
        self._desk = desk
        self._look = look
        self._cancel = cancel
        self._positions: dict[int, ToldPosition] = {}  # conId -> what the broker has
        desk.pump.on(PositionReported, self._told)
        desk.pump.on(ExecutionReported, self._executed)
        desk.pump.on(Synchronised, self._synchronised)

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

    # -- sizes ----------------------------------------------------------------------------------------------------

    def _ours(self, con_id: int) -> float:
        units = self._desk.journal.book.unit_positions()
        return sum(size for (unit, held), size in units.items() if unit and held == con_id)

    def _position(self, con_id: int) -> ToldPosition:
        """What the broker has, with units of ours as they are now."""
        book = self._desk.journal.book
        sizes = [size for (unit, held), size in book.unit_positions().items() if unit and held == con_id]
        ours = Ours(self._desk.clock.now(), sum(sizes), not sizes)
        if con_id not in self._positions:
            self._positions[con_id] = ToldPosition(ours, book.beside.get(con_id, 0.0))
        position = self._positions[con_id]
        position.move(ours)
        return position

    def _found(self, con_id: int) -> float:
        return self._position(con_id).found(self._desk.clock.now())

    def _found_for_us(self, con_id: int) -> float:
        """Without what the owner has held against ours since before: it is left alone."""
        beside = self._position(con_id).beside
        return self._found(con_id) - (beside if beside * self._ours(con_id) < 0.0 else 0.0)

    def _may_close(self, con_id: int, sign: int, quantity: float) -> bool:
        return may_close(sign, quantity, self._ours(con_id), self._found_for_us(con_id))

    def _is_there(self, con_id: int) -> bool:
        """Whether the broker has what our units hold."""
        ours = self._ours(con_id)
        return abs(ours) <= EPSILON or self._may_close(con_id, -1 if ours > 0.0 else 1, abs(ours))

    # -- events ---------------------------------------------------------------------------------------------------

    def _told(self, event: PositionReported) -> None:
        desk, con_id = self._desk, event.contract.con_id
        if event.account != desk.journal.account or event.contract.sec_type == CURRENCY_PAIR:
            return
        position, now = self._position(con_id), desk.clock.now()
        was_behind = position.is_behind(now)
        position.hear(event.position, now)
        if not position.is_odd:
            desk.deadlines.drop(f"position {con_id}")
        elif was_behind:  # it may be older than fills of ours besides, so it is asked before it counts
            desk.deadlines.set(f"position {con_id}", LAG.total_seconds(), lambda: self._judge(con_id))
            self._look(f"position {event.position:.12g} of conId {con_id} while fills are under way")
        else:  # a fill of ours may be on its way: it counts if it is still so
            desk.deadlines.set(f"position {con_id}", GRACE_SECONDS, lambda: self._judge(con_id))

    def _executed(self, event: ExecutionReported) -> None:
        desk, con_id = self._desk, event.contract.con_id
        if event.account != desk.journal.account or event.contract.sec_type == CURRENCY_PAIR:
            return
        if self._position(con_id).is_behind(desk.clock.now()):
            desk.deadlines.set(f"fill {con_id}", LAG.total_seconds(), lambda: self._missing(con_id))

    def _missing(self, con_id: int) -> None:
        """The position that belongs to the last fill is due: without it the broker is asked."""
        ours, found = self._ours(con_id), self._found(con_id)
        if abs(found - ours - self._position(con_id).own) > EPSILON:
            self._look(f"conId {con_id}: no position has come after the last fill")

    def _synchronised(self, event: Synchronised) -> None:
        book = self._desk.journal.book
        expected = book.positions()
        for con_id in sorted({*self._positions, *(each.con_id for each in self._desk.instruments.values())}):
            position = self._position(con_id)
            if abs(position.told - expected.get((book.account, con_id), 0.0)) <= EPSILON:
                position.agree(book.beside.get(con_id, 0.0))
                if not self._is_there(con_id):
                    self._withhold(con_id)
                continue
            if not position.is_known:
                position.settle()
            is_halted = any((book.account, con_id, cause) in book.halts for cause in SELF_LIFTING)
            if is_halted and not self._is_there(con_id):
                self._cancel_exits(con_id)

    def _judge(self, con_id: int) -> None:
        desk, position = self._desk, self._position(con_id)
        waits = any(order.intent.con_id == con_id for order in desk.journal.book.in_doubt())
        if position.is_odd and (waits or not desk.is_journal_sound):  # executions are on their way into the journal
            desk.deadlines.set(f"position {con_id}", GRACE_SECONDS, lambda: self._judge(con_id))
            return
        position.settle()
        if not self._is_there(con_id):
            self._withhold(con_id)
            self._look(f"conId {con_id}: what was traded against it is to be in the journal")

    # -- what follows ---------------------------------------------------------------------------------------------

    def _withhold(self, con_id: int) -> None:
        """The owner has traded against what units hold: halt, and take exits back that would open a position."""
        desk, book = self._desk, self._desk.journal.book
        if (book.account, con_id, HaltCause.PERSON) not in book.halts:
            ours, symbol = self._ours(con_id), book.symbols.get(con_id, str(con_id))
            missing = math.copysign(min(abs(ours), abs(ours - self._found_for_us(con_id))), -ours)
            commands = ", ".join(f"`{command}`" for command in adopt_commands(book, con_id, missing))
            why = (
                f"{ours:.12g} are held by this program and the broker has {self._found(con_id):.12g}: somebody has "
                f"traded against them. Their protective orders are cancelled: they would open a position. If that "
                f"closed them, give the units what they lost ({commands}), then `halflife reconcile --release {con_id}`"
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
