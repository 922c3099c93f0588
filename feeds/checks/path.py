"""The path of a price as an owner lives it: log returns from row to row, without what corporate actions explain."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from feeds.bars import CorporateAction
from feeds.checks.local import median_around
from feeds.checks.rows import Rows

LARGE = 0.28  # log return to be reported by itself: -24% or +32%; a 4:3 split is 0.288
OWN_VOLUME = 3  # bars, without the first: news keeps volume high for a day or two
SURGE = 2.0  # times the usual volume: news is traded, a wrong row is not

Floats = npt.NDArray[np.float64]


class Path:
    """Live rows of a series; ``returns[i]`` leads from row i to row i + 1.

    On the ex-date of an action the return is taken with or without it, whichever is nearer to 0: prices that are
    adjusted already do not show it. ``level``: log price that these returns lead along, from 0.
    ``shift``: what is to be added to the log of any price of a row to stand on that level. Volumes stand there too.
    """

    def __init__(self, rows: Rows, actions: Sequence[CorporateAction]) -> None:
        log = np.log(rows.price)
        came = np.diff(log)
        without = came - _explained(rows, actions)
        self.returns = np.where(np.abs(without) < np.abs(came), without, came)
        self.level = np.concatenate(([0.0], np.cumsum(self.returns)))
        self.shift: Floats = self.level - log
        low, high = rows.extent
        self.low, self.high = np.log(low) + self.shift, np.log(high) + self.shift
        self.volume = None if rows.volume is None else rows.volume * np.exp(-self.shift)

    def apart(self, row: int) -> bool:
        """Whether no price of a row and of the row before it were the same: nothing was traded in between."""
        return bool(self.low[row] > self.high[row - 1] or self.high[row] < self.low[row - 1])

    def traded_more(self, row: int, first: int, last: int) -> bool:
        """Whether a row has far more volume than is usual around the rows ``first`` to ``last`` - 1.

        A block that is long enough to have a volume of its own, as another company's, may be what is usual too.
        """
        if self.volume is None:
            return False
        inside = self.volume[first + 1 : last]
        usual = [median_around(self.volume, first, last)]
        usual += [float(np.median(inside))] if len(inside) >= OWN_VOLUME else []
        known = [volume for volume in usual if volume == volume]
        return bool(known) and bool(self.volume[row] > SURGE * max(known))


def _explained(rows: Rows, actions: Sequence[CorporateAction]) -> Floats:
    """For each return what actions of its days explain, as a log return."""
    log = np.zeros(max(len(rows.live) - 1, 0))
    if not actions:
        return log
    days = rows.local_day[rows.live]
    for action in actions:
        row = int(np.searchsorted(days, np.datetime64(action.ex_date, "us").astype(np.int64), side="left"))
        if 0 < row < len(days):
            before = rows.price[row - 1]
            if action.kind == "split" and action.value > 0.0:
                log[row - 1] -= math.log(action.value)
            elif action.kind != "split" and 0.0 < action.value < before:
                log[row - 1] += math.log1p(-action.value / before)
    return log
