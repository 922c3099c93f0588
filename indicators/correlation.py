"""Rolling correlation of two instruments."""

from __future__ import annotations

from typing import Any

import numpy as np

from indicators.base import Array, WindowIndicator
from indicators.realised_vol import log_returns
from indicators.windows import mean, ratio, total, windows


class Correlation(WindowIndicator):
    """Pearson correlation of the log returns of data0 and data1, over bars that both have.

    Formula:
      - correlation = cov(r_y, r_x) / sqrt(var(r_y) * var(r_x)) over the last period returns

    Lines: ``correlation`` in [-1, 1]; NaN where one of them did not vary.
    Returns are between consecutive common bars: where one has a hole, both returns span it.
    """

    _mindatas = 2
    lines = ("correlation",)
    params = (("period", 60),)  # returns in the window, >= 2
    positive = True
    inputs = ((0, ""), (1, ""))

    @classmethod
    def window(cls, p: Any) -> int:
        return int(p.period) + 1  # n returns need n + 1 closes

    @classmethod
    def kernel(cls, p: Any, *columns: Array) -> tuple[Array, ...]:
        y, x = (windows(log_returns(column), p.period) for column in columns)
        y, x = y - mean(y), x - mean(x)
        scale = np.sqrt(total(y * y)) * np.sqrt(total(x * x))
        return (np.clip(ratio(total(y * x), scale), -1.0, 1.0),)
