"""How far something is stretched from its mean, and the bar on which it gets there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from core.steps import Flags, Floats


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


def before_each(values: Floats) -> Floats:
    """``Stretch.before`` on each of many bars: the last finite value of the bars before it, NaN where there is none."""
    last = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(values)), -1))
    before = np.full(len(values), np.nan)
    known = last[:-1] >= 0
    before[1:][known] = values[last[:-1][known]]
    return before


def reached_on(values: Floats, before: Floats, level: float) -> tuple[Flags, Flags]:
    """Bars on which ``Stretch.reached`` is +1, and bars on which it is -1."""
    long = (values <= -level) & ~(before <= -level)
    return long, (values >= level) & ~(before >= level) & ~long


def latched_on(sets: Flags, clears: Flags) -> Flags:
    """Bars after which a latch is on that ``sets`` switches on and ``clears``, which wins, off; it begins off."""
    last = np.maximum.accumulate(np.where(sets | clears, np.arange(len(sets)), -1))
    return (last >= 0) & ~clears[last]
