"""Hurst exponent."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.errors import SettingsError
from indicators.base import Array, WindowIndicator
from indicators.windows import total, undefined_where, windows


class Hurst(WindowIndicator):
    """Scaling of log price differences with their lag: below 0.5 reverting, 0.5 random walk, above trending.

    Formula:
      - msd(k) = mean(|z - z[-k]|^2) over the window, z = log c, for k = min_lag .. max_lag
      - hurst = half the least-squares slope of log msd(k) on log k

    Lines: ``hurst``, no unit; NaN where some lag shows no movement at all.
    The differences are not demeaned, so a drift counts as trend. On 100 bars the standard error is about 0.1.
    See Chan, *Algorithmic Trading*, ch. 2, eq. 2.4; Di Matteo et al. 2003 (generalised Hurst exponent, q = 2).
    """

    lines = ("hurst",)
    params = (
        ("period", 100),  # prices in the window, >= max_lag + 2
        ("min_lag", 2),
        ("max_lag", 20),
    )
    positive = True
    bounds = {"period": (int, 4), "min_lag": (int, 1), "max_lag": (int, 2)}

    @classmethod
    def check(cls, p: Any) -> None:
        if not p.min_lag < p.max_lag <= p.period - 2:
            raise SettingsError(
                f"Hurst: min_lag {p.min_lag} < max_lag {p.max_lag} <= period - 2 ({p.period - 2}) does not hold"
            )

    @classmethod
    def kernel(cls, p: Any, *columns: Array) -> tuple[Array, ...]:
        levels = np.log(columns[0])
        lags = np.arange(p.min_lag, p.max_lag + 1)
        weight = np.log(lags) - np.log(lags).mean()
        weight /= (weight * weight).sum()
        slope: Array = np.zeros(len(levels) - p.period + 1)
        for lag, share in zip(lags, weight, strict=True):
            moved = levels[lag:] - levels[:-lag]
            msd = total(windows(moved * moved, p.period - lag)) / (p.period - lag)
            slope = slope + share * np.log(undefined_where(msd <= 0, msd))
        return (slope / 2.0,)
