"""What a difference of positions says about orders whose executions are out of reach."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from books.intents_order import Order
from books.intents_records import EPSILON
from core.orders import Role


@dataclass(frozen=True, slots=True)
class Candidate:
    """An order, or a group of which one cancels the others, that may have been filled unseen."""

    orders: tuple[Order, ...]
    low: float  # units that it must have filled beyond what executions tell
    high: float  # units that it can have

    @property
    def sign(self) -> int:
        return self.orders[0].intent.sign

    def bearer(self, units: float) -> Order:
        """Whose fill so many units are taken to be: of a bracket's exits the stop, whose price is the worse one."""
        able = [order for order in self.orders if order.remaining >= units - EPSILON] or list(self.orders)
        return next((order for order in able if order.intent.role is Role.STOP), able[0])


def candidates(orders: Sequence[Order], told: Mapping[str, float]) -> list[Candidate]:
    """Group the exits of a bracket, and OCA groups: together they fill no more than the largest of them.

    ``told``: orderRef -> units that the broker's status counts as filled and executions do not tell.
    """

    def group(order: Order) -> tuple[str, str, str, int]:
        intent = order.intent
        bond = order.terms.oca_group or intent.parent_ref or intent.ref
        return intent.unit, intent.trade, bond, intent.sign

    found = []
    for _, members in itertools.groupby(sorted(orders, key=group), key=group):
        each = tuple(members)
        if not any(order.ref in told for order in each):
            found.append(Candidate(each, 0.0, max(order.remaining for order in each)))
            continue
        for order in each:
            missing = told.get(order.ref)
            low, high = (0.0, order.remaining) if missing is None else (missing, missing)
            found.append(Candidate((order,), low, high))
    return found


def explain(difference: float, found: Sequence[Candidate]) -> list[float] | None:
    """Units that each candidate has filled, where exactly one answer gives ``difference``; else None.

    Any part of an order may have been filled, so an answer is unique only where one candidate is free, or where the
    difference is the greatest or the least that there can be.
    """
    free = [candidate for candidate in found if candidate.high - candidate.low > EPSILON]
    if len(free) == 1:
        fixed = sum(c.sign * c.low for c in found if c is not free[0])
        units = free[0].sign * (difference - fixed)
        if free[0].low - EPSILON <= units <= free[0].high + EPSILON:
            return [units if c is free[0] else c.low for c in found]
        return None
    for buys, sells in (("high", "low"), ("low", "high")):
        filled = [float(getattr(c, buys if c.sign > 0 else sells)) for c in found]
        if abs(sum(c.sign * units for c, units in zip(found, filled, strict=True)) - difference) <= EPSILON:
            return filled
    return None


def price_of(order: Order, told: float, avg_cost: float) -> float:
    """The best guess of the price of a fill that nobody reported, instrument currency."""
    terms = order.terms
    for price in (told, order.told_price, terms.limit_price, terms.aux_price if terms.order_type == "STP" else None):
        if price:
            return price
    return avg_cost
