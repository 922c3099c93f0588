"""Distance from the moving average in standard deviations."""

from __future__ import annotations

from typing import Any

from indicators.base import Array, WindowIndicator
from indicators.windows import mean_std, ratio, windows


class ZScore(WindowIndicator):
    """Distance of the value from its moving average in standard deviations.

    Formula:
      - zscore = (c - mean(c, period)) / std(c, period, ddof=1)

    Lines: ``zscore``, standard deviations; NaN where all values of the window are equal.
    See Chan, *Algorithmic Trading*, ch. 2.
    """

    lines = ("zscore",)
    params = (("period", 20),)  # values in the window, >= 2

    @classmethod
    def kernel(cls, p: Any, *columns: Array) -> tuple[Array, ...]:
        (close,) = columns
        centre, std = mean_std(windows(close, p.period), ddof=1)
        return (ratio(close[p.period - 1 :] - centre, std),)
