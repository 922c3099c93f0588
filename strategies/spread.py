"""The spread of a pair, and how far it is stretched from its mean: its indicators, by the hedge that is chosen."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from core.steps import Floats
from indicators import HalfLife, HedgeKalman, HedgeOLS, HedgeTLS, ZScore

HEDGES = {"ols": HedgeOLS, "tls": HedgeTLS, "kalman": HedgeKalman}


class Spread:
    """y - beta * x - alpha of two datas. ``p``: parameters of ``PairsTrading``; ``half_life``: that of the spread."""

    def __init__(self, y: Any, x: Any, p: Any) -> None:
        self.hedge: Any = HEDGES[p.hedge](y, x, **_hedge_settings(p))
        self._zscore: Any = None
        if p.hedge == "kalman":  # a filter's forecast errors are nearly white: their half-life tells nothing
            fit: Any = HedgeOLS(y, x, period=p.hedge_period, log=p.log_prices)
            self.half_life: Any = HalfLife(fit.lines.spread, period=p.half_life_period)
        else:
            spread = self.hedge.lines.spread
            self._zscore = ZScore(spread, period=p.zscore_period)
            self.half_life = HalfLife(spread, period=p.half_life_period)

    @staticmethod
    def settle_bars(p: Any) -> int:
        """Bars until all of its indicators have settled."""
        hedge = HEDGES[p.hedge].settle_bars(_hedge_settings(p))
        needed = [hedge, max(p.hedge_period, hedge) + HalfLife.settle_bars({"period": p.half_life_period})]
        if p.hedge != "kalman":
            needed.append(hedge + ZScore.settle_bars({"period": p.zscore_period}))
        return max(needed)

    def z(self) -> float:
        """The z-score of the spread on this bar; with a filter its forecast error over its standard deviation."""
        if self._zscore is not None:
            return float(self._zscore[0])
        std = float(self.hedge.lines.spread_std[0])
        return float(self.hedge.lines.spread[0]) / std if std > 0 else math.nan

    def z_values(self) -> Floats:
        """The same on every bar of y, once the indicators are computed."""
        if self._zscore is not None:
            return np.array(self._zscore.lines[0].array)
        spread, std = (np.array(line.array) for line in (self.hedge.lines.spread, self.hedge.lines.spread_std))
        with np.errstate(all="ignore"):
            return np.where(std > 0, spread / std, np.nan)


def _hedge_settings(p: Any) -> dict[str, Any]:
    if p.hedge == "kalman":
        noises = {"delta": p.kalman_delta, "obs_var": p.kalman_obs_var}
        return {**noises, "log": p.log_prices, "memory": p.kalman_memory}
    return {"period": p.hedge_period, "log": p.log_prices}
