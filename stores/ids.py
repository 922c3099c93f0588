"""Ids of orders and of requests. They come from ranges of their own, so that an error's id has one meaning."""

from __future__ import annotations

import itertools
import threading

from stores.errors import NotSentError, StoreError

REQUESTS_FROM = 1 << 30  # ids of orders stay below


class OrderIds:
    """Ids of orders: never lower than IBKR says, than the journal says, than any that was used or seen.

    After a restart IBKR can name an id that was used already; the high-water mark goes on above it. Thread-safe.
    """

    def __init__(self, first: int) -> None:
        self._lock = threading.Lock()
        self._next = first
        self._told = False
        self.rolled_back = 0  # how far below the mark IBKR's last word was

    def told(self, next_valid: int) -> None:
        """IBKR's nextValidId."""
        with self._lock:
            self.rolled_back = max(0, self._next - next_valid) if self._told else 0
            self._told = True
        self.at_least(next_valid)

    def at_least(self, order_id: int) -> None:
        """Raise the mark. Raises StoreError where the ids of this client are used up."""
        if order_id >= REQUESTS_FROM:
            raise StoreError(
                f"TWS names {order_id} as the next order id, and halflife uses those below {REQUESTS_FROM}; press "
                "'Reset API order ID sequence' in TWS (Global Configuration, API, Settings) while no order is open"
            )
        with self._lock:
            self._next = max(self._next, order_id)

    def seen(self, order_id: int) -> None:
        """An order of this id exists."""
        if 0 < order_id < REQUESTS_FROM - 1:
            self.at_least(order_id + 1)

    def take(self) -> int:
        """The next id. Raises NotSentError before IBKR has named one."""
        with self._lock:
            if not self._told:
                raise NotSentError("there is no order id yet: TWS has not been logged in to; wait until it is ready")
            self._next += 1
            return self._next - 1

    @property
    def next(self) -> int:
        """The id that ``take`` would give."""
        with self._lock:
            return self._next


class RequestIds:
    """Ids of requests and subscriptions."""

    def __init__(self) -> None:
        self._count = itertools.count(REQUESTS_FROM)

    def take(self) -> int:
        return next(self._count)
