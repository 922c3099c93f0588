"""Half-life of mean reversion."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from indicators.base import Array, WindowIndicator
from indicators.windows import mean, ratio, total, undefined_where, windows


class HalfLife(WindowIndicator):
    """Bars in which half of a deviation from the mean dies away, from an AR(1) regression.

    Formula:
      - c - c[-1] = a + b * c[-1] + error, ordinary least squares over period - 1 differences
      - half_life = -ln 2 / ln|1 + b|

    Lines: ``half_life``, bars. Infinite where the series does not revert (b >= 0, or b <= -2: it overshoots by more
    than it was off); 0 at b = -1; for -2 < b < -1 the deviation changes sign on each bar and the figure is that of
    its size. NaN where all values but the last are equal.
    See Chan, *Algorithmic Trading*, ch. 2; he has -ln 2 / b, the limit for small b.
    """

    lines = ("half_life",)
    params = (("period", 60),)  # levels in the window, >= 4
    bounds = {"period": (int, 4)}

    @classmethod
    def kernel(cls, p: Any, *columns: Array) -> tuple[Array, ...]:
        levels = columns[0]
        lagged, change = windows(levels[:-1], p.period - 1), windows(np.diff(levels), p.period - 1)
        off = lagged - mean(lagged)
        slope = ratio(total(off * (change - mean(change))), total(off * off))
        return (half_life(slope),)


def half_life(slope: Array) -> Array:
    """Half-life in bars of an AR(1) with ``slope`` b of the change on the lagged level."""
    decay = np.abs(1.0 + slope)
    bars = -math.log(2.0) / np.log(np.where((decay > 0) & (decay < 1), decay, 0.5))
    bars = np.where(decay == 0, 0.0, np.where(decay >= 1, np.inf, bars))
    return undefined_where(np.isnan(slope), bars)
