"""Whether a bar can be believed: its own numbers, and its distance from the bars before it."""

from __future__ import annotations

import math
from typing import Protocol

CONFIRM = 3  # bars in a row that end a suspicion


class Prices(Protocol):
    """Of ``stores.events.BarArrived`` and ``stores.records.HistoryBar``."""

    @property
    def open(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def close(self) -> float: ...
    @property
    def volume(self) -> float: ...


def what_is_wrong(bar: Prices) -> str:
    """Why a bar contradicts itself; empty where it does not."""
    prices = (bar.open, bar.high, bar.low, bar.close)
    if not all(map(math.isfinite, (*prices, bar.volume))):
        return "it has a price or a volume that is no number"
    if min(prices) <= 0.0:
        return f"it has a price of {min(prices):g}"
    if bar.high < max(bar.open, bar.close) or bar.low > min(bar.open, bar.close):
        return f"its low {bar.low:g} and high {bar.high:g} do not hold its open {bar.open:g} and close {bar.close:g}"
    return f"its volume is {bar.volume:g}" if bar.volume < 0.0 else ""


class Doubt:
    """Suspects prices that jump by more than ``limit`` (a fraction) until the bars that follow say what is true.

    A bar in doubt is left out of what is built from the stream: history decides. Entries wait (``why``).
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.reference: float | None = None  # the last price that is believed
        self.why = ""
        self._level = 0.0  # of the bars in doubt
        self._level_seen = 0
        self._calm = 0

    def believes(self, bar: Prices) -> bool:
        """Look at the next bar of the stream; False: it is left out."""
        if self.reference is None or self._is_near(bar, self.reference):
            self._calm += 1
            if self._calm >= CONFIRM:
                self.why = ""
            self.reference, self._level_seen = bar.close, 0
            return True
        before, far = self.reference, max(bar.high / self.reference, self.reference / bar.low) - 1.0
        self._level_seen = self._level_seen + 1 if self._level_seen and self._is_near(bar, self._level) else 1
        self._level, self._calm = bar.close, 0
        self.why = f"a price {far:.0%} from {before:g} is not confirmed yet"
        if self._level_seen >= CONFIRM:
            self.trust(bar.close)
        return False

    def trust(self, price: float) -> None:
        """A price that history or a row of bars has confirmed."""
        if self.reference is None or not self._is_close(price, self.reference):
            self.why = ""  # the jump was real
        self.reference, self._level_seen = price, 0

    def _is_near(self, bar: Prices, price: float) -> bool:
        return self._is_close(bar.high, price) and self._is_close(bar.low, price)

    def _is_close(self, one: float, other: float) -> bool:
        return abs(one / other - 1.0) <= self.limit
