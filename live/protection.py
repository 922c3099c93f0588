"""Tells where a position stands at the broker with fewer units that would close it than it has."""

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
_ROUNDING = 1e-9  # units


class ProtectionWatch:
    """Publishes a ProtectionEvent for each position that stands bare, whole or in part, with the units that no stop and
    no exit covers; again where they become more; and when all of it is protected again or gone.

    Positions whose strategy trades without stops are let be.
    """

    def __init__(self, broker: IBBroker, bus: Bus) -> None:
        self._broker = broker
        self._bus = bus
        self._looked: dt.datetime | None = None
        self._bare: dict[bt.AbstractDataBase, tuple[float, dt.datetime]] = {}  # units that are bare, since when so many
        self._told: dict[bt.AbstractDataBase, float] = {}  # the most that were told

    def look(self, now: dt.datetime) -> None:
        """Call often; it looks once a second."""
        if self._looked is not None and _STEP > now - self._looked >= -_STEP:
            return
        self._looked = now
        for data, position in self._broker.positions.items():
            bare = self._bare_units(data, position.size)
            if bare:
                before, since = self._bare.get(data, (0.0, now))
                since = now if bare > before + _ROUNDING else since
                self._bare[data] = bare, since
                if now - since >= PATIENCE and bare > self._told.get(data, 0.0) + _ROUNDING:
                    self._told[data] = bare
                    self._tell(data, now, bare if position.size > 0 else -bare)
            elif self._bare.pop(data, None) is not None and self._told.pop(data, 0.0):
                self._tell(data, now, position.size, is_protected=True)

    def _tell(self, data: bt.AbstractDataBase, now: dt.datetime, size: float, *, is_protected: bool = False) -> None:
        self._bus.publish(
            ProtectionEvent(
                at=now, unit=unit_of(data), symbol=symbol_of(data), size=float(size), is_protected=is_protected,
                seconds=PATIENCE.total_seconds(),
            )
        )  # fmt: skip

    def _bare_units(self, data: bt.AbstractDataBase, size: float) -> float:
        """Units (>= 0) that would stay if everything that closes them filled; 0 where that is as it should be."""
        if not size:
            return 0.0
        groups: dict[str, float] = {}  # OCA group, or an order of none -> units: of a group no more than that fill
        for order in self._broker.working():
            if order.data is data and order.isbuy() == (size < 0) and order.info.get("role") in _PROTECTS:
                terms = self._broker.terms_of(order)
                group = (terms.oca_group if terms is not None else "") or f"#{order.ref}"
                groups[group] = max(groups.get(group, 0.0), abs(float(order.executed.remsize)))
        bare = abs(size) - sum(groups.values())
        return bare if bare > _ROUNDING and self._needs_stop(data) else 0.0

    def _needs_stop(self, data: bt.AbstractDataBase) -> bool:
        """By what its strategy says, never by a stop that is missing: units that were given to it have none yet."""
        strategy = self._strategy(data)
        if not hasattr(strategy, "has_stops"):
            return not self._broker.p.settings.risk.legs.accept_without_stops
        holding = strategy.holdings.get(data._name)
        return bool(strategy.has_stops) and not (holding is not None and holding.is_bare)

    def _strategy(self, data: bt.AbstractDataBase) -> Any:
        for strategy in self._broker.cerebro.runningstrats:
            if any(each is data for each in strategy.datas):  # `in` would compare prices
                return strategy
        return None
