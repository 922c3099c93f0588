"""The order ids that a TWS gives out to its clients."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class OrderIds:
    """High-water marks, kept for as long as the gateway lives, over all connections of a client."""

    def __init__(self) -> None:
        self._highest: defaultdict[int, int] = defaultdict(int)  # client id -> its highest order id so far

    def next_of(self, client_id: int) -> int:
        """The next valid order id of a client."""
        return self._highest[client_id] + 1

    def use(self, client_id: int, order_id: int) -> None:
        """An order with this id was accepted."""
        self._highest[client_id] = max(self._highest[client_id], order_id)

    @contextmanager
    def unmoved(self, client_id: int | None) -> Iterator[None]:
        """Ids that a client uses within are free again afterwards."""
        if client_id is None:
            yield
            return
        before = self._highest[client_id]
        yield
        self._highest[client_id] = before

    def roll_back(self, by: int) -> None:
        """Lower the marks of all clients, as after a restart with lost settings."""
        for client_id, highest in self._highest.items():
            self._highest[client_id] = max(highest - by, 0)
