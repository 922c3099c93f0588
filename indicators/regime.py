"""Bull, bear or sideways."""

from __future__ import annotations

from typing import Any

import numpy as np

from indicators.base import Array, WindowIndicator
from indicators.windows import mean, undefined_where, windows


class Regime(WindowIndicator):
    """Bull, bear or sideways by the moving average and its slope, the rule of ``core.settings.RegimeSettings``.

    Formula, average = mean(c, period):
      - +1 (bull): c > average * (1 + band) and average > average[-slope]
      - -1 (bear): c < average * (1 - band) and average < average[-slope]
      - 0 (sideways): all else

    Lines: ``regime`` in {-1, 0, 1}; ``average`` in the unit of the input.
    """

    lines = ("regime", "average")
    params = (
        ("period", 200),  # bars of the average, >= 2
        ("slope", 20),  # bars over which the average's direction is taken, >= 1
        ("band", 0.02),  # fraction of the average within which the market is sideways
    )
    bounds = {"period": (int, 2), "slope": (int, 1), "band": (float, 0.0)}

    @classmethod
    def window(cls, p: Any) -> int:
        return int(p.period) + int(p.slope)

    @classmethod
    def kernel(cls, p: Any, *columns: Array) -> tuple[Array, ...]:
        close = columns[0]
        averages = mean(windows(close, p.period))
        average, before = averages[p.slope :], averages[: -p.slope]
        last = close[p.period + p.slope - 1 :]
        bull = (last > average * (1 + p.band)) & (average > before)
        bear = (last < average * (1 - p.band)) & (average < before)
        regime = np.where(bull, 1.0, np.where(bear, -1.0, 0.0))
        return undefined_where(np.isnan(average + before), regime), average
