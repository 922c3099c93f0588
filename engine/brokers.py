"""Which broker the settings ask for in a backtest."""

from __future__ import annotations

import backtrader as bt

from core.settings import Settings
from engine.market_venue import MarketVenue
from engine.sim_broker import SimBroker
from engine.venue_broker import VenueBroker
from feeds import History


def make_broker(settings: Settings, history: History) -> bt.BrokerBase:
    """``SimBroker`` for ``matching = "bar"``, a ``VenueBroker`` over the gateway's market for ``"ibkr"``."""
    if settings.matching == "bar":
        return SimBroker(settings=settings)
    return VenueBroker(MarketVenue(settings, history), settings=settings)
