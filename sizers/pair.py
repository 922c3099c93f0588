"""Both legs of a pair in whole units."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import Field

from sizers.base import CappedSizer, Share, SizerParameters
from sizers.plan import EntryPlan, PairPlan, PairSize

NO_PAIR = PairSize(0.0, 0.0)


class PairSizerParameters(SizerParameters):
    gross: Annotated[float, Field(gt=0.0, le=10.0)] = 0.40  # value of both legs together, of capital
    max_residual: Share = 0.25  # most unhedged value after rounding, of the gross value


class PairSizer(CappedSizer):
    """Beta- or dollar-neutral sizes of the two legs, whole lots, with the residual that rounding leaves.

    ``max_risk`` bounds the sum of what both legs lose at their own (disaster) stops, ``max_notional`` each leg, and
    ``max_cost_bps`` the commission of all four orders against the gross value. The leg whose lot is worth more is
    rounded down; the other follows it to the nearest lot within the caps.
    """

    model = PairSizerParameters

    def _getsizing(self, comminfo: Any, cash: float, data: Any, isbuy: bool) -> float:
        plan = getattr(self.strategy, "plan", None)
        if not isinstance(plan, PairPlan):
            return self._none(data, "plan", "PairSizer needs a strategy with a PairPlan, such as PairsTrading")
        y, x = self.strategy.datas[:2]
        size = self.pair_size(y, x, plan)
        return size.y if data is y else size.x

    def pair_size(self, data_y: Any, data_x: Any, plan: PairPlan) -> PairSize:
        """Sizes of both legs; both are 0 when either cannot be traded."""
        for data, leg in ((data_y, plan.y), (data_x, plan.x)):
            if not leg.scale:
                self._none(data, "throttle", "the volatility throttle stops entries")
                return NO_PAIR
            if leg.flaw:
                self._none(data, "flaw", leg.flaw)
                return NO_PAIR
        if not (math.isfinite(plan.hedge_ratio) and plan.hedge_ratio > 0):
            self._none(data_y, "hedge_ratio", f"hedge ratio is {plan.hedge_ratio}")
            return NO_PAIR
        y, x = self._whole_legs(plan, self._x_per_y(plan))
        if not (self.worthwhile_leg(data_y, y) and self.worthwhile_leg(data_x, x)):
            return NO_PAIR
        gross = y * plan.y.unit_value + x * plan.x.unit_value
        residual = (y * self._x_per_y(plan) - x) * plan.x.unit_value
        size = PairSize(y, x, residual, abs(residual) / gross)
        if size.residual_fraction > self.p.max_residual:
            self._none(data_y, "max_residual", f"{y:g} against {x:g} leaves {size.residual_fraction:.0%} unhedged")
            return NO_PAIR
        cost = (
            self.cost_bps(data_y, y, plan.y.price) * y * plan.y.unit_value
            + self.cost_bps(data_x, x, plan.x.price) * x * plan.x.unit_value
        ) / gross
        if self.p.max_cost_bps and cost > self.p.max_cost_bps:
            self._none(data_y, "max_cost_bps", f"{y:g} and {x:g} cost {cost:.1f} bps, limit {self.p.max_cost_bps}")
            return NO_PAIR
        return size

    def worthwhile_leg(self, data: Any, size: float) -> bool:
        """Whether a leg reaches ``min_size``; its cost is judged with the other leg's."""
        if size > 0 and size >= self.p.min_size:
            return True
        self._none(data, "min_size", f"{size:g} is below {max(self.p.min_size, self.p.lot)}")
        return False

    def _x_per_y(self, plan: PairPlan) -> float:
        return plan.hedge_ratio if plan.neutrality == "beta" else plan.y.unit_value / plan.x.unit_value

    def _whole_legs(self, plan: PairPlan, x_per_y: float) -> tuple[float, float]:
        # 1. units of y that exhaust the gross value or the first of the caps
        capital, scale = min(plan.y.capital_eur, plan.x.capital_eur), min(plan.y.scale, plan.x.scale)
        value = plan.y.unit_value + x_per_y * plan.x.unit_value
        risk = plan.y.unit_risk + x_per_y * plan.x.unit_risk
        most = self.p.max_notional * capital
        units = scale * min(
            self.p.gross * capital / value,
            self.p.max_risk * capital / risk,
            most / plan.y.unit_value,
            most / (x_per_y * plan.x.unit_value),
        )
        # 2. the coarser leg rounds down, the finer one follows
        if plan.y.unit_value >= plan.x.unit_value:
            y = self.whole(units)
            return y, self._follow(y * x_per_y, plan, plan.x, spent=y * plan.y.unit_risk, capital=capital, scale=scale)
        x = self.whole(units * x_per_y)
        return self._follow(x / x_per_y, plan, plan.y, spent=x * plan.x.unit_risk, capital=capital, scale=scale), x

    def _follow(
        self, units: float, plan: PairPlan, leg: EntryPlan, *, spent: float, capital: float, scale: float
    ) -> float:
        """Nearest whole lots to ``units`` within the risk and notional that are left."""
        lot = self.p.lot
        nearest = math.floor(units / lot + 0.5) * lot
        left = max(0.0, scale * self.p.max_risk * capital - spent) / leg.unit_risk
        cap = min(left, scale * self.p.max_notional * capital / leg.unit_value)
        return min(float(nearest), self.whole(cap))
