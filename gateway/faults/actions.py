"""All verbs. Importing this module declares them."""

from __future__ import annotations

from gateway.faults import doing_market, doing_messages, doing_orders, doing_sockets
from gateway.faults.verbs import VERBS

MODULES = (doing_messages, doing_sockets, doing_orders, doing_market)
__all__ = ["MODULES", "VERBS"]
