"""The two engines that run one programme: stock backtrader, and ours."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import backtrader as bt

import engine
from engine.sim_broker import SimBroker
from feeds import ColumnarData

OURS_EXISTS = hasattr(engine, "Cerebro")


@dataclass(frozen=True)
class Engine:
    """Classes to build a graph from."""

    name: str
    cerebro: Callable[..., Any]
    feed: Callable[..., Any]
    broker: Callable[..., Any] | None  # None: the one that Cerebro makes itself

    def but(self, **changes: Any) -> Engine:
        return dataclasses.replace(self, **changes)


STOCK = Engine("stock", bt.Cerebro, bt.feeds.PandasData, bt.brokers.BackBroker)
OURS = Engine("ours", getattr(engine, "Cerebro", bt.Cerebro), ColumnarData, SimBroker)
# Each of ours must stand alone beside stock parts
MIXED = {
    "BackBroker": OURS.but(name="ours with BackBroker", broker=bt.brokers.BackBroker),
    "own broker": OURS.but(name="ours with the broker that Cerebro makes", broker=None),
    "PandasData": OURS.but(name="ours with PandasData", feed=bt.feeds.PandasData),
}
