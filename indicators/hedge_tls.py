"""Hedge ratio by rolling total least squares."""

from __future__ import annotations

import numpy as np

from indicators.base import Array
from indicators.hedge_line import HedgeLine
from indicators.windows import undefined_where


class HedgeTLS(HedgeLine):
    """Hedge ratio of y = data0 on x = data1 by total least squares, over bars that both have.

    Formula:
      - (1, beta) is along the eigenvector of the larger eigenvalue of cov(x, y) over the last period bars
      - alpha = mean(y) - beta * mean(x); spread = y - beta * x - alpha on the last bar
      - spread_std = sqrt(sum of squared spreads of the window / (period - 2))

    Symmetric: exchanging y and x gives 1 / beta. It weighs errors of both alike, so it depends on their units:
    for prices of different size take ``log``. Deming regression with variance ratio 1.

    Lines: ``beta``, ``alpha``, ``spread``, ``spread_std`` as in HedgeOLS. NaN where neither varied, or where the
    line is vertical.
    See Golub and Van Loan 1980; Teetor, *Better Hedge Ratios for Spread Trading*, 2011.
    """

    @staticmethod
    def slope(yy: Array, xx: Array, xy: Array) -> Array:
        excess = yy - xx
        reach = np.hypot(excess, 2.0 * xy)
        steep = (excess + reach) / (2.0 * xy)  # the form without cancellation where y varies more ...
        slope = np.where(excess > 0, steep, 2.0 * xy / (reach - excess))  # ... and where x does
        return undefined_where(~np.isfinite(slope), slope)
