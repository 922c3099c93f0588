"""What is known of a pair: its legs and their orders."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Container, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import backtrader as bt

from core.orders import Refusal, Role
from core.settings import LegSettings
from risk.boundary import closes_parent
from risk.legs import EPSILON, Leg, PairWatch, Phase, late_leg

_REFUSED = frozenset({bt.Order.Rejected, bt.Order.Margin})
_A_MOMENT = dt.timedelta(seconds=1)
_SOON = dt.timedelta(seconds=5)


class LegBook:
    """One leg: every order that its trade has sent for it. Sizes are signed: above 0 is long."""

    def __init__(self, data: bt.AbstractDataBase, sign: int, ordered: float, unit_eur: float) -> None:
        self.data = data
        self.sign = sign  # of the entry
        self.ordered = ordered  # units; 0 = it never was
        self.unit_eur = unit_eur  # value of a unit at the signal, account currency
        self.orders: dict[int, bt.Order] = {}  # order ref -> order
        self.entries: set[int] = set()  # refs of those that enter
        self.refs: AbstractSet[int] = frozenset()  # of the orders that work
        self.exit: bt.Order | None = None  # the last one that the guard has sent
        self.exit_sent: dt.datetime | None = None
        self.position: float | None = None  # of the data at the broker, signed; None before the first look
        self._most = 0.0  # the most that the entries have filled
        self.is_shrunk = False  # a correction took back what the entries had filled

    def add(self, order: bt.Order) -> None:
        self.orders[order.ref] = order
        role = order.info.get("role")
        if role == Role.ENTRY or (not role and not closes_parent(order) and order.isbuy() == (self.sign > 0)):
            self.entries.add(order.ref)

    def take(self, working: AbstractSet[int], position: float) -> None:
        """See which orders work, what the broker holds and whether a correction has taken anything back."""
        self.refs = working
        self.position = position
        entered = self.sign * self._filled(self.entries)
        self.is_shrunk = entered < self._most - EPSILON
        self._most = max(self._most, entered)

    def working(self) -> list[bt.Order]:
        return [order for ref, order in self.orders.items() if ref in self.refs]

    def _filled(self, refs: AbstractSet[int]) -> float:
        return sum(float(self.orders[ref].executed.size) for ref in refs)

    @property
    def _closers(self) -> set[int]:
        return set(self.orders) - self.entries

    @property
    def held(self) -> float:
        """What the trade's orders have filled, and no more than the broker has: an exit must never open a position."""
        filled = self._filled(self.orders.keys())
        if self.position is None:
            return filled
        if filled > 0.0:
            return max(min(filled, self.position), 0.0)
        return min(max(filled, self.position), 0.0)

    @property
    def has_closed(self) -> bool:
        """Whether orders that close have filled anything."""
        return bool(self._filled(self._closers))

    @property
    def first_entry(self) -> bt.Order:
        return self.orders[min(self.entries)]

    @property
    def first_stop(self) -> bt.Order | None:
        stops = [order for order in self.orders.values() if order.info.get("role") == Role.STOP]
        return min(stops, key=lambda order: order.ref) if stops else None

    def next_exit(self, timeout: dt.timedelta) -> dt.datetime | None:
        """When an exit may be sent; None: now. One that was refused is sent again after ``timeout``, one that could not
        be sent just then after some seconds, one that was cancelled after a second."""
        last = self.exit
        if last is None or self.exit_sent is None or last.ref in self.refs or not last.executed.remsize:
            return None
        if last.status not in _REFUSED:
            return self.exit_sent + _A_MOMENT
        refusal = last.info.get("refusal")
        return self.exit_sent + (min(timeout, _SOON) if refusal and Refusal(refusal).may_pass else timeout)

    def closes(self, order: bt.Order) -> bool:
        """Whether a working order is about to close the leg: an exit, or a stop that has fired and fills."""
        role = order.info.get("role")
        return bool(role == Role.EXIT or (role == Role.STOP and order.executed.size))

    def is_beyond(self, order: bt.Order) -> bool:
        """Whether an order closes more than there is since a correction."""
        return self.is_shrunk and abs(order.executed.remsize) > abs(self.held) + EPSILON

    def view(self, asked: Container[int] = ()) -> Leg:
        """The leg as ``risk.legs`` sees it. ``asked``: refs of the orders that the guard itself wanted cancelled."""
        entries = [self.orders[ref] for ref in self.entries]
        working = [order for order in entries if order.ref in self.refs]
        called_off = any(
            order.status == bt.Order.Canceled and order.ref not in asked and order.ref not in self.refs
            for order in entries
        )
        exits = any(order.info.get("role") == Role.EXIT for order in self.orders.values())
        return Leg(
            ordered=self.ordered,
            held=self.sign * self.held,
            coming=sum(abs(float(order.executed.remsize)) for order in working),
            unit_eur=self.unit_eur,
            is_leaving=called_off or exits or self.has_closed,
            is_closing=any(self.closes(order) and not self.is_beyond(order) for order in self.working()),
            can_retry=bool(entries) and not any(order.executed.exbits for order in entries),
        )


class Pair:
    """Two legs and what was decided about them."""

    def __init__(self, settings: LegSettings, owner: Any, trade: str) -> None:
        self.owner = owner  # the strategy
        self.trade = trade
        self.legs: list[LegBook] = []
        self.watch = PairWatch(settings)
        self.told = Phase.WATCHED  # the last phase that somebody was told of
        self.timeout = dt.timedelta(seconds=settings.timeout_seconds)
        self.asked: dict[int, dt.datetime] = {}  # ref of an order that the guard has asked to cancel -> when

    def trades(self, data: bt.AbstractDataBase) -> bool:
        return any(leg.data is data for leg in self.legs)

    def leg_of(self, order: bt.Order) -> LegBook:
        return next(leg for leg in self.legs if leg.data is order.data)

    def take(self, working: AbstractSet[int], positions: Mapping[int, float]) -> None:
        """``positions``: id of a data -> what the broker holds of it."""
        for leg in self.legs:
            leg.take(working, positions[id(leg.data)])

    def views(self) -> tuple[Leg, Leg]:
        one, other = (leg.view(self.asked) for leg in self.legs)
        return one, other

    def late_and_other(self) -> tuple[LegBook, LegBook]:
        """The leg that has to catch up, then the other one."""
        late = late_leg(*self.views())
        return self.legs[late], self.legs[1 - late]

    def due(self) -> dt.datetime | None:
        """When to look again even if nothing is reported."""
        if self.watch.phase is not Phase.UNWOUND:
            return self.watch.due()
        held = [leg for leg in self.legs if leg.held]
        waits = [wait for leg in held if (wait := leg.next_exit(self.timeout)) is not None]
        asked = [self.asked[ref] + self.timeout for leg in held for ref in leg.entries & leg.refs if ref in self.asked]
        return min([*waits, *asked], default=None)

    def is_unheard(self, orders: Iterable[bt.Order], when: dt.datetime) -> bool:
        """Whether all these orders were to be cancelled a whole ``timeout`` ago."""
        return all(when >= self.asked[order.ref] + self.timeout for order in orders)

    @property
    def is_over(self) -> bool:
        """Flat with nothing at work."""
        return not any(leg.working() or abs(leg.held) > EPSILON for leg in self.legs)


def restored(data: bt.AbstractDataBase, orders: list[bt.Order], rate: float) -> LegBook:
    """The leg that these orders of an earlier run make; one without an entry among them was never ordered."""
    entries = [order for order in orders if order.info.get("role") == Role.ENTRY]
    first = min(entries, key=lambda order: order.ref, default=None)
    if first is None:
        leg = LegBook(data, 1, 0.0, 0.0)
    else:
        price = float(first.executed.price or first.created.price)
        leg = LegBook(data, 1 if first.isbuy() else -1, abs(float(first.created.size)), price * rate)
    for order in orders:
        leg.add(order)
    return leg


def whole(units: float) -> float:
    """The nearest whole number of units."""
    return float(math.floor(units + 0.5))
