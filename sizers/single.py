"""Sizers for one instrument."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from sizers.base import CappedSizer, Share, SizerParameters
from sizers.plan import EntryPlan


class FixedRiskParameters(SizerParameters):
    risk: Share = 0.01  # of capital, lost when the stop is hit


class FixedRisk(CappedSizer):
    """The distance to the stop decides: ``risk * capital`` is lost when the stop is hit (Van Tharp's percent risk)."""

    model = FixedRiskParameters

    def wanted(self, data: Any, plan: EntryPlan) -> float:
        return self.p.risk * plan.capital_eur / plan.unit_risk


class VolatilityTargetParameters(SizerParameters):
    target_vol: Annotated[float, Field(gt=0.0, le=2.0)] = 0.10  # annual volatility of the position, of capital
    period: Annotated[int, Field(ge=2)] = 20  # bars, where the plan has no volatility
    bars_per_year: Annotated[float, Field(gt=0.0)] = 252.0


class VolatilityTarget(CappedSizer):
    """The position's value times the instrument's volatility is ``target_vol`` of capital a year."""

    model = VolatilityTargetParameters

    def wanted(self, data: Any, plan: EntryPlan) -> float:
        vol = plan.vol_annual if math.isfinite(plan.vol_annual) else self._realised(data)
        return self.p.target_vol * plan.capital_eur / (vol * plan.unit_value) if vol > 0 else math.nan

    def _realised(self, data: Any) -> float:
        closes = np.array(data.close.get(size=self.p.period + 1))
        if len(closes) <= self.p.period or not (closes > 0).all():
            return math.nan
        return float(np.diff(np.log(closes)).std(ddof=1) * math.sqrt(self.p.bars_per_year))


class ATRSizerParameters(SizerParameters):
    risk: Share = 0.01  # of capital, lost when the price moves atr_mult average true ranges
    atr_mult: Annotated[float, Field(gt=0.0)] = 2.0
    period: Annotated[int, Field(ge=1)] = 14  # bars, where the plan has no ATR


class ATRSizer(CappedSizer):
    """A move of ``atr_mult`` average true ranges is ``risk`` of capital, wherever the stop is."""

    model = ATRSizerParameters

    def wanted(self, data: Any, plan: EntryPlan) -> float:
        atr = plan.atr if math.isfinite(plan.atr) else self._mean_range(data)
        return self.p.risk * plan.capital_eur / (self.p.atr_mult * atr * plan.rate) if atr > 0 else math.nan

    def _mean_range(self, data: Any) -> float:
        """Plain mean of the true range: Wilder's smoothing would need all bars since the first."""
        period = self.p.period
        closes = np.array(data.close.get(size=period + 1))
        if len(closes) <= period:
            return math.nan
        high, low = np.array(data.high.get(size=period)), np.array(data.low.get(size=period))
        return float((np.maximum(high, closes[:-1]) - np.minimum(low, closes[:-1])).mean())
