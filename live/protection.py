"""Tells where a position stands at the broker with no order that would close it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import backtrader as bt

from core.events import Bus, ProtectionEvent
from core.naming import symbol_of, unit_of
from core.orders import Role

if TYPE_CHECKING:
    from live.broker import IBBroker

PATIENCE = dt.timedelta(seconds=10)  # by then a stop that was lost has been put back (engine.mending)
_STEP = dt.timedelta(seconds=1)
_PROTECTS = frozenset({Role.STOP, Role.EXIT})


class ProtectionWatch:
    """Publishes a ProtectionEvent once for each position that stands bare, and when it is protected again or gone.

    Positions whose strategy trades without stops are let be.
    """

    def __init__(self, broker: IBBroker, bus: Bus) -> None:
        self._broker = broker
        self._bus = bus
        self._looked: dt.datetime | None = None
        self._since: dict[bt.AbstractDataBase, dt.datetime] = {}
        self._told: set[bt.AbstractDataBase] = set()

    def look(self, now: dt.datetime) -> None:
        """Call often; it looks once a second."""
        if self._looked is not None and _STEP > now - self._looked >= -_STEP:
            return
        self._looked = now
        for data, position in self._broker.positions.items():
            if position.size and self._is_bare(data, position.size):
                since = self._since.setdefault(data, now)
                if data not in self._told and now - since >= PATIENCE:
                    self._told.add(data)
                    self._tell(data, now, position.size)
            elif self._since.pop(data, None) is not None and data in self._told:
                self._told.remove(data)
                self._tell(data, now, position.size, is_protected=True)

    def _tell(self, data: bt.AbstractDataBase, now: dt.datetime, size: float, *, is_protected: bool = False) -> None:
        self._bus.publish(
            ProtectionEvent(
                at=now, unit=unit_of(data), symbol=symbol_of(data), size=float(size), is_protected=is_protected,
                seconds=PATIENCE.total_seconds(),
            )
        )  # fmt: skip

    def _is_bare(self, data: bt.AbstractDataBase, size: float) -> bool:
        for order in self._broker.working():
            if order.data is data and order.isbuy() == (size < 0) and order.info.get("role") in _PROTECTS:
                return False
        holding = self._holding(data)
        if holding is None:
            return not self._broker.p.settings.risk.legs.accept_without_stops
        return holding.stop_price is not None

    def _holding(self, data: bt.AbstractDataBase) -> Any:
        for strategy in self._broker.cerebro.runningstrats:
            if any(each is data for each in strategy.datas):  # `in` would compare prices
                return getattr(strategy, "holdings", {}).get(data._name)
        return None
