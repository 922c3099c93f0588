"""Hedge ratio by rolling ordinary least squares."""

from __future__ import annotations

from typing import Any

import numpy as np

from indicators.base import Array, WindowIndicator
from indicators.windows import mean, ratio, total, windows


class HedgeOLS(WindowIndicator):
    """Hedge ratio of y = data0 on x = data1 by ordinary least squares with intercept, over bars that both have.

    Formula:
      - y = alpha + beta * x + error over the last period bars (natural logarithms of both where ``log``)
      - spread = y - beta * x - alpha on the last bar; spread_std = sqrt(RSS / (period - 2))

    Lines: ``beta``, y units for one x unit (shares of x against one of y; with ``log`` the elasticity: currency of
    x against one of y); ``alpha``, ``spread`` and ``spread_std`` in the unit of y. NaN where x did not vary.
    See Chan, *Algorithmic Trading*, ch. 3; as statsmodels RollingOLS with a constant.
    """

    _mindatas = 2
    lines = ("beta", "alpha", "spread", "spread_std")
    params = (
        ("period", 60),  # bars in the window, >= 3
        ("log", False),  # True: on log prices
    )
    bounds = {"period": (int, 3)}
    inputs = ((0, ""), (1, ""))

    @classmethod
    def kernel(cls, p: Any, *columns: Array) -> tuple[Array, ...]:
        y, x = columns
        return fit_lines(y, x, p.period, ols_slope)


def ols_slope(yy: Array, xx: Array, xy: Array) -> Array:
    """Slope of y on x from the sums of squares and products about the means."""
    return ratio(xy, xx)


def fit_lines(y: Array, x: Array, period: int, slope: Any) -> tuple[Array, Array, Array, Array]:
    """beta, alpha, spread and spread_std of the line through each window, its slope by ``slope(yy, xx, xy)``."""
    ys, xs = windows(y, period), windows(x, period)
    y_mean, x_mean = mean(ys), mean(xs)
    ys, xs = ys - y_mean, xs - x_mean
    beta = slope(total(ys * ys), total(xs * xs), total(ys * xs))
    residual = ys - beta * xs
    return beta, y_mean - beta * x_mean, residual[-1], np.sqrt(total(residual * residual) / (period - 2))
