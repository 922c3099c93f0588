"""The contract of brokers on the gateway's market within the process."""

from __future__ import annotations

from contracted.on_market import run_on_market
from contracted.suite import BrokerContract


class TestMarketVenue(BrokerContract):
    run = staticmethod(run_on_market)
