"""What rolling hedge ratios share: a line through each window of two instruments."""

from __future__ import annotations

from typing import Any

import numpy as np

from indicators.base import Array, WindowIndicator
from indicators.windows import mean, total, windows


class HedgeLine(WindowIndicator):
    """Base of hedge ratios y = alpha + beta * x over the last bars that both have; a subclass gives ``slope``."""

    _mindatas = 2
    lines = ("beta", "alpha", "spread", "spread_std")
    params = (
        ("period", 60),  # bars in the window, >= 3
        ("log", False),  # True: on log prices
    )
    bounds = {"period": (int, 3)}
    inputs = ((0, ""), (1, ""))

    @staticmethod
    def slope(yy: Array, xx: Array, xy: Array) -> Array:
        """Slope of each line from the sums of squares and products about the means."""
        raise NotImplementedError

    @classmethod
    def kernel(cls, p: Any, *columns: Array) -> tuple[Array, ...]:
        ys, xs = (windows(column, p.period) for column in columns)
        y_mean, x_mean = mean(ys), mean(xs)
        ys, xs = ys - y_mean, xs - x_mean
        beta = cls.slope(total(ys * ys), total(xs * xs), total(ys * xs))
        residual = ys - beta * xs
        return beta, y_mean - beta * x_mean, residual[-1], np.sqrt(total(residual * residual) / (p.period - 2))
