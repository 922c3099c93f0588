"""A scripted venue whose time passes between what it reports, and a strategy that keeps what it has."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from contracted.scripted import Item, ScriptedVenue, when

from core.orders import Refusal
from engine.venue import Report, VenueOrder, VenueRefused
from strategies.base import BookStrategy


class Waking(ScriptedVenue):
    """Wakes the broker when it asks for that, as the market and IBKR do. ``sent``: (moment, role, kind, units)."""

    def __init__(self, *items: Item, refused_until: str = "") -> None:
        super().__init__(*items)
        self.clock = when("14:30:00")
        self.sent: list[tuple[str, str, str, float]] = []
        self.tried: list[str] = []
        self.changes: list[tuple[str, int, float]] = []  # moment, place of the order, its new total; 0 = cancelled
        self._refused_until = refused_until

    def play(
        self, until: dt.datetime | None, wake: Callable[[], dt.datetime | None]
    ) -> Iterator[tuple[dt.datetime, Sequence[Report]]]:
        assert until is not None
        while True:
            due, coming = wake(), when(self.items[0][0]) if self.items else None
            if due is not None and due <= until and (coming is None or due < coming):
                self.clock = due
                yield due, ()
            elif coming is not None and coming <= until:
                self.clock = coming
                yield coming, self.items.pop(0)[1](self)
            else:
                self.clock = until
                return

    def place(self, orders: Sequence[VenueOrder]) -> None:
        self.tried.append(self._now())
        if self._refused_until and orders[0].role == "exit" and self.clock < when(self._refused_until):
            raise VenueRefused(Refusal.NOT_SENT, "no connection")
        super().place(orders)
        self.sent += [(self._now(), order.role, order.kind, order.quantity) for order in orders]

    def cancel(self, ref: int, why: str) -> None:
        super().cancel(ref, why)
        self.changes.append((self._now(), self._place_of(ref), 0.0))

    def modify(self, order: VenueOrder) -> None:
        super().modify(order)
        self.changes.append((self._now(), self._place_of(order.ref), order.quantity))

    def _now(self) -> str:
        return f"{self.clock:%H:%M:%S}"

    def _place_of(self, ref: int) -> int:
        """Among the orders that were placed, or those carried (from -1 downwards)."""
        return ref if ref < 0 else [order.ref for order in self.placed].index(ref)


class Keeps(BookStrategy):
    """Buys 100 on the first bar, with a stop at 9."""

    @classmethod
    def bars_needed(cls, values: Mapping[str, Any]) -> int:
        return 1

    def decide(self) -> None:
        if len(self.data) == 1:
            self.enter(self.data, 1, 100, 9.0)
