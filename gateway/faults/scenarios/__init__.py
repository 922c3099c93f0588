"""Named scenarios: each a script, what a client sees, what it must do, and the public thread or page about it."""

from gateway.faults.scenarios.connection import CONNECTION
from gateway.faults.scenarios.data import DATA
from gateway.faults.scenarios.fills import FILLS
from gateway.faults.scenarios.orders import ORDERS
from gateway.faults.scenarios.scenario import Scenario

FAMILIES: dict[str, dict[str, Scenario]] = {
    "Connection": CONNECTION,
    "Orders": ORDERS,
    "Fills": FILLS,
    "Market data and history": DATA,
}
SCENARIOS: dict[str, Scenario] = CONNECTION | ORDERS | FILLS | DATA

__all__ = ["FAMILIES", "SCENARIOS", "Scenario"]
