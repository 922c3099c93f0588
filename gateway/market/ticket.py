"""An order as matching sees it."""

from __future__ import annotations

import datetime as dt
import math

from books.charges import MonthlyVolume, OrderFees
from gateway.market.terms import AT_MARKET, STOPS, TRAILING, Terms, increment
from gateway.model import Bar, Order

NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)
EPSILON = 1e-9


class Ticket:
    """An order with what only the market knows of it.

    It is *held* until it is transmitted, *waits* while something keeps it from the book (its parent, a locate, its
    goodAfterTime), and is *live* in the book; it *has rested* when it lived through prices. ``after``: it meets no bar
    that began before this moment. ``exits``: shares that its children have closed. ``margined_at``: the price at which
    the account was found to have the margin for it; None: not yet, or, the exit of a bracket, it needs none.
    """

    __slots__ = (
        "after",
        "auction",
        "children",
        "exits",
        "fees",
        "group",
        "is_frozen",
        "is_held",
        "is_live",
        "is_triggered",
        "due",
        "has_rested",
        "margined_at",
        "oca_type",
        "order",
        "parent",
        "seq",
        "stop",
        "terms",
        "waits_for",
    )

    def __init__(self, order: Order, terms: Terms, seq: int, volume: MonthlyVolume) -> None:
        self.order = order
        self.seq = seq
        self.fees = OrderFees(volume)
        self.parent: Ticket | None = None
        self.children: list[Ticket] = []
        self.exits = 0.0
        self.group: object = None  # key of its OCA group
        self.oca_type = 3
        self.is_held = False
        self.is_live = False
        self.margined_at: float | None = None
        self.is_frozen = False
        self.has_rested = False
        self.due: list[dt.datetime] = []  # when the timetable wakes it
        self.waits_for: set[str] = set()  # parent, locate, time
        self.after = NEVER
        self.auction: dt.datetime | None = None  # OPG: the opening that it is for
        self.take(terms)

    def take(self, terms: Terms) -> None:
        """Begin with these terms, or go on with them after a modification."""
        self.terms = terms
        self.is_triggered = False
        self.stop = terms.stop  # trails

    @property
    def open_shares(self) -> float:
        """What may fill now: for the exits of a bracket no more than the parent has filled and they have not closed."""
        order = self.order
        left = self.terms.quantity - order.filled
        parent = self.parent
        if parent is not None and self.is_exit:
            left = min(left, parent.order.filled - parent.exits)
        return left if left > EPSILON else 0.0

    @property
    def is_exit(self) -> bool:
        """Whether it closes what its parent opens."""
        parent = self.parent
        return (
            parent is not None
            and parent.terms.sign != self.terms.sign
            and parent.order.instrument.con_id == self.order.instrument.con_id
        )

    @property
    def why_held(self) -> str:
        """IBKR's whyHeld: ``child``, ``trigger``, ``locate``, or several with commas."""
        words = []
        if "parent" in self.waits_for:
            words.append("child")
        if "locate" in self.waits_for:
            words.append("locate")
        if self.terms.kind in STOPS and not self.is_triggered:
            words.append("trigger")
        return ",".join(words)

    # ------------------------------------------------------------------ trailing stops

    def trails(self) -> bool:
        return self.terms.kind in TRAILING and not self.is_triggered

    def follow(self, best: float) -> None:
        """Move the stop behind the most favourable price (sell: the highest), to a whole tick; never away from it."""
        terms = self.terms
        distance = best * terms.percent / 100.0 if terms.percent else terms.trail or 0.0
        stop = best - distance if terms.sign < 0 else best + distance
        tick = increment(stop, self.order.instrument, terms.rules)
        steps = math.floor(stop / tick + 1e-6) if terms.sign < 0 else math.ceil(stop / tick - 1e-6)
        stop = round(steps * tick, 10)
        if self.stop is None or (stop > self.stop if terms.sign < 0 else stop < self.stop):
            self.stop = stop
            self.order.terms["trailStopPrice"] = stop

    def followed(self) -> float | None:
        """The price behind which a trailing stop stands."""
        terms, stop = self.terms, self.stop
        if stop is None or not self.trails():
            return None
        if terms.percent:
            return stop / (1.0 + terms.sign * terms.percent / 100.0)
        return stop - terms.sign * (terms.trail or 0.0)

    @property
    def limit(self) -> float | None:
        """The limit that holds once it is triggered."""
        terms = self.terms
        if terms.kind == "TRAIL LIMIT" and self.stop is not None and terms.offset is not None:
            return self.stop + terms.offset * terms.sign
        return terms.limit


# ---------------------------------------------------------------------- prices at which an order meets a bar


def marketable(sign: int, price: float, limit: float) -> bool:
    """Whether ``price`` is at the limit or better."""
    return price <= limit if sign > 0 else price >= limit


def reached(sign: int, price: float, stop: float) -> bool:
    """Whether ``price`` is at the stop or beyond."""
    return price >= stop if sign > 0 else price <= stop


def at_open(ticket: Ticket, bar: Bar) -> float | None:
    """The price at which an order that is live before the bar fills at its open; None: it does not.

    A stop that the open has passed is triggered by it.
    """
    terms, open_ = ticket.terms, bar.open
    kind, sign = terms.kind, terms.sign
    if kind == "MKT":
        return open_
    if kind in STOPS and not ticket.is_triggered:
        if ticket.stop is None:
            ticket.follow(open_)  # a trailing stop without trailStopPrice begins at the first price
            return None
        if not reached(sign, open_, ticket.stop):
            return None
        ticket.is_triggered = True
    if kind in ("STP", "TRAIL"):
        return open_
    limit = ticket.limit
    return open_ if limit is not None and marketable(sign, open_, limit) else None


def in_range(ticket: Ticket, bar: Bar) -> float | None:
    """The price at which an order that did not fill at the open fills within the bar; None: it does not.

    Pessimistic where the path is not known: a limit that is triggered within the bar fills only where the close proves
    it; a trailing stop moves after the bar, unless the close proves that it was hit on the way back.
    """
    terms = ticket.terms
    kind, sign = terms.kind, terms.sign
    worst, best = (bar.high, bar.low) if sign > 0 else (bar.low, bar.high)  # for stops, for limits
    if kind in STOPS and not ticket.is_triggered:
        stop = ticket.stop
        if stop is None or not reached(sign, worst, stop):
            if kind not in TRAILING:
                return None
            ticket.follow(best)
            stop = ticket.stop
            if stop is None or not reached(sign, bar.close, stop):
                return None
        ticket.is_triggered = True
        if kind in ("STP", "TRAIL"):
            return stop
        limit = ticket.limit
        if limit is None:
            return None
        if marketable(sign, stop, limit):
            return stop
        return limit if marketable(sign, bar.close, limit) else None
    if kind in AT_MARKET:
        return None  # what the open left of it waits for the next one
    limit = ticket.limit
    return limit if limit is not None and marketable(sign, best, limit) else None


def whole(shares: float) -> float:
    """Whole shares of what is offered."""
    return math.floor(shares + EPSILON) if math.isfinite(shares) and shares > 0.0 else 0.0
