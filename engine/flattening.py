"""Closes everything that a broker over a venue holds, and goes on until it is flat: a kill switch, or a stop, wants it.

An exit may be refused just then: the connection is lost, an order is in doubt, the disk is full. So a flatten is a
state and not an act: whatever is held and has no exit at work gets one, again and again.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from typing import Any, Protocol

import backtrader as bt

from core.logs import log_event
from core.naming import symbol_of
from core.orders import ExitReason, Role

logger = logging.getLogger(__name__)
RETRY = dt.timedelta(seconds=15)  # before an exit that has ended without closing is followed by another one


class FlattenedBroker(Protocol):
    """What flattening needs of a broker."""

    positions: Any

    def working(self) -> tuple[bt.Order, ...]:
        """Orders that were sent and have not ended."""

    def flatten(self, data: bt.AbstractDataBase, size: float, reason: ExitReason) -> None:
        """Close a position at market, under its protective orders."""


class Flattener:
    """``why``: for which reason everything has to go at this moment; None = it has not."""

    def __init__(self, broker: FlattenedBroker, why: Callable[[], ExitReason | None]) -> None:
        self._broker = broker
        self._why = why
        self._tried: dict[bt.AbstractDataBase, dt.datetime] = {}  # the last time

    def check(self, when: dt.datetime) -> None:
        """Close what is held, has no exit at work and was not tried just now."""
        why = self._why()
        if why is None:
            self._tried.clear()
            return
        for data, size in self._bare():
            tried = self._tried.get(data)
            if tried is not None and when < tried + RETRY:
                continue
            if tried is not None:
                log_event(logger, "flatten_again", level=logging.WARNING, when=when, symbol=symbol_of(data), size=size)
            self._tried[data] = when
            self._broker.flatten(data, size, why)

    def next_due(self) -> dt.datetime | None:
        """When ``check`` must be called even if nothing is reported."""
        if not self._tried or self._why() is None:
            return None
        return min([self._tried[data] + RETRY for data, _ in self._bare() if data in self._tried], default=None)

    def _bare(self) -> list[tuple[bt.AbstractDataBase, float]]:
        """Datas that are held with no exit at work, and how much."""
        leaving = {id(order.data) for order in self._broker.working() if order.info.get("role") == Role.EXIT}
        held = self._broker.positions.items()
        return [(data, position.size) for data, position in held if position.size and id(data) not in leaving]
