"""Realised volatility."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from indicators.base import Array, WindowIndicator
from indicators.windows import mean_std, windows


class RealisedVol(WindowIndicator):
    """Annualised standard deviation of log returns.

    Formula:
      - vol = std(log(c / c[-1]), period, ddof=1) * sqrt(bars_per_year)

    Lines: ``vol``, fraction per year (0.20 = 20%), >= 0.
    See Hull, *Options, Futures, and Other Derivatives*, historical volatility.
    """

    lines = ("vol",)
    params = (
        ("period", 20),  # returns in the window, >= 2
        ("bars_per_year", 252),
    )
    positive = True
    bounds = {"period": (int, 2), "bars_per_year": (float, 1.0)}

    @classmethod
    def window(cls, p: Any) -> int:
        return int(p.period) + 1  # n returns need n + 1 closes

    @classmethod
    def kernel(cls, p: Any, *columns: Array) -> tuple[Array, ...]:
        returns = log_returns(columns[0])
        return (mean_std(windows(returns, p.period), ddof=1)[1] * math.sqrt(p.bars_per_year),)


def log_returns(prices: Array) -> Array:
    """Log returns, one fewer than prices, which are positive."""
    return np.log(prices[1:] / prices[:-1])
