"""Has a strategy mend between bars what the venue ended under it: a stop or an exit that went without a fill.

A strategy puts such things right on its next bar (``strategies.orders``), which is an hour or a day away with bars of
that size. Somebody may cancel a stop in TWS, and IBKR may refuse an exit, at any time. Orders made so are the
strategy's own, at a moment that the venue names, so backtest, live session and replay agree on them.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Container, Iterable
from typing import Any, Protocol

import backtrader as bt

from core.logs import log_event
from core.naming import symbol_of
from core.orders import Role

logger = logging.getLogger(__name__)
SETTLING = dt.timedelta(seconds=5)  # the fill that ended a stop may be told after its end
RETRY = dt.timedelta(seconds=65)  # before what was refused goes again; bars of a minute and a pair's guard come first


class MendedBroker(Protocol):
    """What mending needs of a broker."""

    cerebro: Any
    positions: Any

    def get_notification(self) -> bt.Order | None:
        """The next order that its owner has not been told of; None = no more."""


class Mender:
    """Remembers what was lost, and calls ``mend`` of its strategy soon. ``asked``: refs whose cancellation is ours."""

    def __init__(self, broker: MendedBroker, asked: Container[int]) -> None:
        self._broker = broker
        self._asked = asked
        self._due: dict[tuple[bt.AbstractDataBase, str], tuple[dt.datetime, bt.Strategy]] = {}  # data, role
        self._tried: dict[bt.AbstractDataBase, dt.datetime] = {}  # the last time

    def carried(self, orders: Iterable[bt.Order], when: dt.datetime) -> None:
        """Orders of an earlier run are taken up: stops may have gone while nobody was there, told or not."""
        self._due.clear()
        stops = [order for order in orders if _role(order) == Role.STOP]
        working = {id(order.data) for order in stops if order.alive()}
        for order in stops:
            if id(order.data) not in working and self._broker.positions[order.data].size:
                self._lost(order, when, SETTLING)

    def ended(self, order: bt.Order, when: dt.datetime) -> None:
        """The venue has ended an order."""
        if order.ref in self._asked or order.status == bt.Order.Completed:
            return
        parent = order.parent
        if self._broker.positions[order.data].size or (parent is not None and parent.alive()):
            self._lost(order, when, RETRY if _role(order) == Role.EXIT else SETTLING)

    def refused(self, orders: Iterable[bt.Order], when: dt.datetime) -> None:
        """The venue has taken none of these, for a reason that may pass."""
        for order in orders:
            if order.parent is None and self._broker.positions[order.data].size:
                self._lost(order, when, RETRY)

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
            if self._broker.positions[data].size:
                self._tried[data] = when
                self._tell(owner)
                holding = owner.taken_up(data)
                if holding is not None:
                    log_event(logger, "mend", when=when, data=data._name, symbol=symbol_of(data), size=holding.size)
                    owner.mend(holding)

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
