"""How far something is stretched from its mean, and the bar on which it gets there."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Stretch:
    """Signed distance from the mean on this bar and on the last one before it that has a value; NaN = not known."""

    now: float = math.nan
    before: float = math.nan

    def move(self, value: float) -> None:
        """Take in the value of a new bar."""
        if math.isfinite(self.now):
            self.before = self.now
        self.now = value

    def reached(self, level: float) -> int:
        """Side of the trade that bets on the return: +1 (long) on the bar that gets to -level or below, -1 (short) on
        the one that gets to level or above, else 0. The first value that is known counts as getting there."""
        if self.now <= -level and not self.before <= -level:
            return 1
        if self.now >= level and not self.before >= level:
            return -1
        return 0
