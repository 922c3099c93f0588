"""What ties orders together: brackets (parentId) and OCA groups.

A bracket's children live from the parent's first fill and close no more than it has filled. Those that close it are
one OCA group by themselves, unless they name another: what one fills is taken off the others, so that they never close
more than there is. Cancelling one order of a group cancels the group, as TWS does; an expiry or a rejection does not.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import TYPE_CHECKING

from gateway.market import texts
from gateway.market.ticket import EPSILON, Ticket

if TYPE_CHECKING:
    from gateway.market.life import Life

CANCEL_ALL = 1  # ocaType; 2 and 3 reduce the others in proportion (with and without block)


class Links:
    """Brackets and OCA groups of working orders."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self.groups: dict[Hashable, list[Ticket]] = {}  # (account, ocaGroup) or permId of a parent -> its orders
        self.filled: set[Hashable] = set()  # groups of today that are done

    def key(self, ticket: Ticket) -> Hashable:
        """The OCA group that an order belongs to; None: to none."""
        order = ticket.order
        name = order.terms.get("ocaGroup")
        if name and (ticket.parent is None or name != str(ticket.parent.order.perm_id)):
            return order.account, name
        return ticket.parent.order.perm_id if ticket.parent is not None and ticket.is_exit else None

    def join(self, ticket: Ticket) -> None:
        """Enter an order into its parent's family and its OCA group."""
        parent = ticket.parent
        if parent is not None:
            parent.children.append(ticket)
        key = self.key(ticket)
        if key is None:
            return
        terms = ticket.order.terms
        ticket.group = key
        ticket.oca_type = int(terms.get("ocaType") or 3)
        terms["ocaType"] = ticket.oca_type
        if parent is not None and not isinstance(key, tuple):
            terms["ocaGroup"] = str(parent.order.perm_id)
        self.groups.setdefault(key, []).append(ticket)

    def after_fill(self, ticket: Ticket, shares: float, left: float, is_at_open: bool) -> None:
        """Reduce the rest of the group (``left``: what was to be filled before), then let the children live."""
        parent = ticket.parent
        if parent is not None and ticket.is_exit:
            parent.exits += shares
        if ticket.group is not None:
            for other in list(self.groups.get(ticket.group, ())):
                if other is not ticket and other.order.is_working:
                    self._reduce(other, ticket, shares, left)
            if isinstance(ticket.group, tuple) and left - shares <= EPSILON:
                self.filled.add(ticket.group)
        if parent is not None and ticket.is_exit and not parent.order.is_working:
            self._fit(parent)
        for child in ticket.children:
            if "parent" in child.waits_for:
                self._life.stop_waiting(child, "parent", is_at_open)

    def _reduce(self, other: Ticket, filled: Ticket, shares: float, left: float) -> None:
        rest = other.terms.quantity - other.order.filled
        if isinstance(filled.group, tuple):
            kept = 0.0 if filled.oca_type == CANCEL_ALL else math.floor(rest * (left - shares) / left + EPSILON)
        else:
            kept = min(rest, self.to_close(other))
        self._life.resize(other, kept)

    @staticmethod
    def to_close(child: Ticket) -> float:
        """The most that the exits of a bracket can still close."""
        parent = child.parent
        if parent is None:
            return math.inf
        most = parent.terms.quantity if parent.order.is_working else parent.order.filled
        return most - parent.exits

    def after_end(self, ticket: Ticket, by_trader: bool) -> None:
        """What the end of an order means for those tied to it."""
        group = self.groups.get(ticket.group) if ticket.group is not None else None
        if group is not None:
            group[:] = [other for other in group if other is not ticket]
            if not group:
                del self.groups[ticket.group]
            elif by_trader:
                for other in list(group):
                    self._life.end(other, "Cancelled", texts.CANCELLED, "Cancelled by Trader")
        if ticket.order.filled:
            self._fit(ticket)
            return
        for child in list(ticket.children):
            if child.order.is_working:
                self._life.end(child, "Cancelled", texts.CANCELLED, "Cancelled by Trader")

    def _fit(self, parent: Ticket) -> None:
        """A parent has ended: leave its exits no more than there is to close, as the rest would work for ever."""
        for child in list(parent.children):
            if child.is_exit and child.order.is_working:
                rest = child.terms.quantity - child.order.filled
                self._life.resize(child, min(rest, self.to_close(child)))
