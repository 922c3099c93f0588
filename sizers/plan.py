"""What a strategy tells its sizer about the entry under way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Neutrality = Literal["beta", "dollar"]


@dataclass(slots=True)
class EntryPlan:
    """One entry on one instrument. NaN = not known."""

    sign: int  # +1 long, -1 short
    price: float  # price at the signal, instrument currency
    stop_price: float | None = None  # protective stop, instrument currency; None = without
    vol_annual: float = math.nan  # fraction per year
    atr: float = math.nan  # average true range of one bar, instrument currency
    rate: float = 1.0  # account currency for one unit of the instrument's currency
    capital_eur: float = 0.0  # capital that this strategy may put at work, account currency
    scale: float = 1.0  # of the volatility throttle, in [0, 1]

    @property
    def unit_value(self) -> float:
        """Value of one unit in the account currency."""
        return self.price * self.rate

    @property
    def unit_risk(self) -> float:
        """Loss of one unit from the entry to its stop, account currency; without a stop the whole value."""
        distance = self.price if self.stop_price is None else self.sign * (self.price - self.stop_price)
        return distance * self.rate

    @property
    def flaw(self) -> str:
        """Why nothing can be sized on this plan; empty when it is sound."""
        for name in ("price", "rate", "capital_eur"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                return f"{name} is {value}"
        if not (math.isfinite(self.unit_risk) and self.unit_risk > 0):
            return f"stop {self.stop_price} is not beyond the price {self.price}"
        if not 0 < self.scale <= 1:
            return f"scale is {self.scale}"
        return ""


@dataclass(slots=True)
class PairPlan:
    """One entry on a pair: ``y`` and ``x`` have opposite signs and one capital."""

    y: EntryPlan
    x: EntryPlan
    hedge_ratio: float  # units of x for one unit of y, > 0
    neutrality: Neutrality = "beta"


@dataclass(slots=True)
class PairSize:
    """Whole units of both legs, >= 0, and the exposure that rounding leaves unhedged."""

    y: float
    x: float
    residual_eur: float = 0.0  # signed: > 0 when leg y outweighs what leg x hedges
    residual_fraction: float = 0.0  # |residual_eur| / gross value of both legs
