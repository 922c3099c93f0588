"""What a session has done for one unit, apart from what the sessions before it did."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from books.trades import TradeRow
from engine.venue import Filled, Report, VenueOrder


class SessionCount:
    """Hears what a ``live.broker.IBBroker`` does (``engine.venue.VenueListener``).

    The broker begins with the orders, fills and trades of all sessions before; the first thing that it does after that
    is where this one begins. ``trades``: what it closed, or found closed and untold.
    """

    def __init__(self, broker: Any, unit: str) -> None:
        self.unit = unit
        self.trades: list[TradeRow] = []
        self.has_begun = False
        self.before = 0  # closed trades of all units that the account had by then
        self.carried: frozenset[int] = frozenset()  # backtrader's refs of the orders that it had
        self._broker = broker
        self._costs = 0.0  # that the unit had paid by then, account currency
        self._own: set[int] = set()  # the venue's refs of the unit's orders
        self._filled: set[int] = set()  # those that filled in this session, a part counts

    def begin(self) -> None:
        """What the broker has now is of before. Does nothing once it has begun."""
        if self.has_begun:
            return
        self.has_begun = True
        broker = self._broker
        self.before, self._costs = len(broker.account.trades), self._paid()
        self.carried = frozenset(order.ref for order in broker.carried_orders)
        terms = [broker.terms_of(order) for order in broker.carried_orders]
        self._own = {each.ref for each in terms if each is not None and each.unit == self.unit}

    @property
    def fills(self) -> int:
        """Orders that were filled, as a whole or in part."""
        return len(self._filled)

    @property
    def costs_eur(self) -> float:
        """Costs of all kinds, account currency."""
        return self._paid() - self._costs if self.has_begun else 0.0

    def _paid(self) -> float:
        return float(sum(self._broker.account.costs_by_unit.get(self.unit, {}).values()))

    # -- what it hears --------------------------------------------------------------------------------------------

    def sent(self, orders: Sequence[VenueOrder]) -> None:
        """An order of the unit may fill."""
        self.begin()
        self._own |= {order.ref for order in orders if order.unit == self.unit}

    def cancelled(self, ref: int, why: str) -> None:
        """Nothing to count."""

    def reported(self, when: dt.datetime, reports: Iterable[Report]) -> None:
        """Fills of the unit's orders, those of before included."""
        self.begin()
        self._filled |= {each.ref for each in reports if isinstance(each, Filled) and each.ref in self._own}

    def marked(self, when: dt.datetime, equity_eur: float) -> None:
        """The first bar begins it at the latest."""
        self.begin()
