"""The contract of brokers on IBBroker, through the paper gateway."""

from __future__ import annotations

from atibkr.contract import run_on_ibkr
from contracted.suite import BrokerContract


class TestIBBroker(BrokerContract):
    run = staticmethod(run_on_ibkr)
