"""Whether the opens of bars are their closes: told by what prices are like, since every one is a good number."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from feeds.datenum import Floats

FEWEST = 30  # steps from bar to bar, below which there is no saying
LEAST = 0.6  # share of the steps; 442 US stocks have 0.07 to 0.41, seconds of trades up to 0.48
DEVIATIONS = 4.0  # of a share that is 0.5 by chance


@dataclass(frozen=True)
class OpenClose:
    """Steps from bar to bar: a night moves a price less than the night and the days around it, so most are ``nearer``.

    ``farther``: the open is farther from the close before it than the close is from the open before it.
    """

    farther: int
    nearer: int

    @classmethod
    def of(cls, opens: Floats, closes: Floats) -> OpenClose:
        """Of bars in the order of time, shape (n,); what has no finite price is left out."""
        with np.errstate(invalid="ignore"):  # the difference of two infinite prices
            gaps, moves = np.abs(opens[1:] - closes[:-1]), np.abs(closes[1:] - opens[:-1])
        known = np.isfinite(gaps) & np.isfinite(moves)
        return cls(int(np.count_nonzero(known & (gaps > moves))), int(np.count_nonzero(known & (gaps < moves))))

    def __add__(self, other: OpenClose) -> OpenClose:
        return OpenClose(self.farther + other.farther, self.nearer + other.nearer)

    @property
    def share(self) -> float:
        """Of ``farther`` steps; NaN without any."""
        steps = self.farther + self.nearer
        return self.farther / steps if steps else math.nan

    @property
    def exchanged(self) -> bool:
        """Whether open and close stand under each other's names: a sign test."""
        steps = self.farther + self.nearer
        return steps >= FEWEST and self.share > max(LEAST, 0.5 + DEVIATIONS * 0.5 / math.sqrt(steps))
