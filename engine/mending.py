"""Has a strategy mend between bars what the venue changed under it: a stop or an exit that went without a fill, orders
that close more or less than there is since an execution was corrected.

A strategy puts such things right on its next bar (``strategies.orders``), which is an hour or a day away with bars of
that size. Somebody may cancel a stop in TWS, IBKR may refuse an exit, and an exchange may take a trade back, at any
time. Orders made so are the strategy's own, at a moment that the venue names, so backtest, live session and replay
agree on them.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Container, Iterable, Sequence
from typing import Any, Protocol

import backtrader as bt

from core.logs import log_event
from core.naming import symbol_of
from core.orders import Role

logger = logging.getLogger(__name__)
SETTLING = dt.timedelta(seconds=5)  # the fill that ended a stop may be told after its end
RETRY = dt.timedelta(seconds=65)  # before what was refused goes again; bars of a minute and a pair's guard come first
_CLOSING = (Role.STOP, Role.TARGET, Role.EXIT)
_FIT = "fit"  # in the place of a role: sizes are to be looked at
_ROUNDING = 1e-9  # units


class MendedBroker(Protocol):
    """What mending needs of a broker."""

    cerebro: Any
    positions: Any

    def get_notification(self) -> bt.Order | None:
        """The next order that its owner has not been told of; None = no more."""

    def working(self) -> Sequence[bt.Order]:
        """Orders that were sent and have not ended."""


class Mender:
    """Remembers what is amiss, and calls ``mend`` of its strategy soon. ``asked``: refs whose cancellation is ours."""

    def __init__(self, broker: MendedBroker, asked: Container[int]) -> None:
        self._broker = broker
        self._asked = asked
        self._due: dict[tuple[bt.AbstractDataBase, str], tuple[dt.datetime, bt.Strategy]] = {}  # data, role or _FIT
        self._tried: dict[bt.AbstractDataBase, dt.datetime] = {}  # the last time

    def carried(self, orders: Iterable[bt.Order], when: dt.datetime) -> None:
        """Orders of an earlier run are taken up. While nobody was there stops may have gone, told or not, executions
        may have been taken back, and units may have been given to a unit."""
        self._due.clear()
        orders = list(orders)
        stops = [order for order in orders if _role(order) == Role.STOP]
        working = {id(order.data) for order in stops if order.alive()}
        for order in stops:
            if id(order.data) not in working and self._broker.positions[order.data].size:
                self._lost(order, when, SETTLING)
        for order in orders:
            if self._is_unfit(order.data):
                self._look_at(order, when + SETTLING)

    def ended(self, order: bt.Order, when: dt.datetime) -> None:
        """The venue has ended an order."""
        if order.status == bt.Order.Completed or (order.ref in self._asked and _role(order) != Role.STOP):
            return
        parent = order.parent
        if self._broker.positions[order.data].size or (parent is not None and parent.alive()):
            self._lost(order, when, RETRY if _role(order) == Role.EXIT else SETTLING)

    def refused(self, orders: Iterable[bt.Order], when: dt.datetime) -> None:
        """The venue has taken none of these, for a reason that may pass."""
        for order in orders:
            if order.parent is None and self._broker.positions[order.data].size:
                self._lost(order, when, RETRY)

    def corrected(self, order: bt.Order, when: dt.datetime, *, is_refused: bool = False) -> None:
        """More or less of an order has filled than was known, or a change of it was refused (``is_refused``)."""
        self._look_at(order, when + (RETRY if is_refused else SETTLING))

    def _look_at(self, order: bt.Order, due: dt.datetime) -> None:
        """Have the strategy compare what works in an order's data with what is held."""
        if hasattr(order.owner, "mend"):
            self._due[order.data, _FIT] = due, order.owner

    def _is_unfit(self, data: bt.AbstractDataBase) -> bool:
        """Whether the orders that close a position close more than there is, or stops less; once no entry works."""
        orders = [order for order in self._broker.working() if order.data is data]
        if any(_role(order) == Role.ENTRY for order in orders):
            return False
        held = float(self._broker.positions[data].size)
        rests = {role: [-float(o.executed.remsize) for o in orders if _role(o) == role] for role in _CLOSING}
        each = [rest for role in _CLOSING for rest in rests[role]]
        if any(rest * held <= 0.0 or abs(rest) > abs(held) + _ROUNDING for rest in each):
            return True
        stopped, is_leaving = abs(sum(rests[Role.STOP])), bool(rests[Role.EXIT])
        return stopped > abs(held) + _ROUNDING or (0.0 < stopped < abs(held) - _ROUNDING and not is_leaving)

    def _lost(self, order: bt.Order, when: dt.datetime, wait: dt.timedelta) -> None:
        role = _role(order)
        if role not in (Role.STOP, Role.EXIT) or not hasattr(order.owner, "mend"):
            return
        due, tried = when + wait, self._tried.get(order.data)
        if tried is not None:
            due = max(due, tried + RETRY)
        self._due[order.data, role] = due, order.owner  # the strategy itself may have tried again meanwhile

    def without_stop(self) -> list[bt.AbstractDataBase]:
        """Datas that are held and whose stop is about to be put back."""
        return [data for data, role in self._due if role == Role.STOP and self._broker.positions[data].size]

    def next_due(self) -> dt.datetime | None:
        """When ``check`` must be called even if nothing is reported."""
        return min([due for due, _ in self._due.values()], default=None)

    def check(self, when: dt.datetime) -> None:
        """Mend what is due."""
        if not self._due:
            return
        for (data, role), (due, owner) in list(self._due.items()):
            if due > when:
                continue
            del self._due[data, role]
            if role == _FIT or self._broker.positions[data].size:
                if role != _FIT:
                    self._tried[data] = when
                self._tell(owner)
                holding = owner.taken_up(data)
                if holding is not None:
                    log_event(logger, "mend", when=when, data=data._name, symbol=symbol_of(data), size=holding.size)
                    owner.mend(holding)
                if self._is_unfit(data):
                    self._due[data, _FIT] = when + RETRY, owner

    def _tell(self, owner: Any) -> None:
        """What Cerebro would tell the strategy on its next bar, now, for it must know what has ended.

        Observers, which draw, do not see these executions.
        """
        quick = self._broker.cerebro.p.quicknotify
        while (order := self._broker.get_notification()) is not None:
            told = order.owner if order.owner is not None else owner
            told._addnotification(order, quicknotify=quick)
        pending = list(owner._orderspending)
        if pending and not quick:
            owner._notify(qorders=pending)
        owner.clear()


def _role(order: bt.Order) -> str:
    return str(order.info.get("role", ""))
