"""Hedge ratio by rolling ordinary least squares."""

from __future__ import annotations

from indicators.base import Array
from indicators.hedge_line import HedgeLine
from indicators.windows import ratio


class HedgeOLS(HedgeLine):
    """Hedge ratio of y = data0 on x = data1 by ordinary least squares with intercept, over bars that both have.

    Formula:
      - y = alpha + beta * x + error over the last period bars (natural logarithms of both where ``log``)
      - spread = y - beta * x - alpha on the last bar; spread_std = sqrt(RSS / (period - 2))

    Lines: ``beta``, y units for one x unit (shares of x against one of y; with ``log`` the elasticity: currency of
    x against one of y); ``alpha``, ``spread`` and ``spread_std`` in the unit of y. NaN where x did not vary.
    See Chan, *Algorithmic Trading*, ch. 3; as statsmodels RollingOLS with a constant.
    """

    @staticmethod
    def slope(yy: Array, xx: Array, xy: Array) -> Array:
        return ratio(xy, xx)
