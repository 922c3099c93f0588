"""The caps that every sizer obeys."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import backtrader as bt
from backtrader.metabase import MetaParams
from pydantic import Field

from core.logs import log_event
from core.parameters import Parameters, check, declared
from sizers.plan import EntryPlan

logger = logging.getLogger(__name__)

Share = Annotated[float, Field(gt=0.0, le=1.0)]


class SizerParameters(Parameters):
    """Caps, all fractions of the plan's capital."""

    max_risk: Share = 0.02  # most that may be lost between entry and stop; without a stop the notional counts
    max_notional: Annotated[float, Field(gt=0.0, le=10.0)] = 0.45  # most value of one entry
    lot: Annotated[int, Field(ge=1)] = 1  # sizes are multiples of it
    min_size: Annotated[int, Field(ge=0)] = 1  # a smaller size is no trade
    max_cost_bps: Annotated[float, Field(ge=0.0)] = 30.0  # commission of entry and exit, bps of value; 0 = off


class _CheckedSizer(MetaParams):
    def __new__(meta, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        return super().__new__(meta, name, bases, declared(name, body))

    def donew(cls, *args: Any, **kwargs: Any) -> Any:
        checked = cls.check(kwargs)
        return super().donew(*args, **checked.model_dump())


class CappedSizer(bt.Sizer, metaclass=_CheckedSizer):
    """Base: a subclass says how many units it wants (``wanted``), the caps, lots and costs do the rest.

    Works in any Cerebro: where the strategy has no ``plan`` one is made of the broker's value and the last close.
    Sizes are whole numbers of lots as floats, >= 0. Whatever cannot be sized (no price, no volatility, a stop on the
    wrong side) is 0 and a log line, never an exception.
    """

    model: ClassVar[type[SizerParameters]] = SizerParameters
    refused_by: str = ""  # the rule that made the last size 0

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> SizerParameters:
        """Return the completed parameters. Raises UnknownNameError or StrategyError."""
        return check(cls.model, values, f"sizer {cls.__name__}")

    def wanted(self, data: Any, plan: EntryPlan) -> float:
        """Units before caps, of a plan without flaw; NaN or 0 when they cannot be told."""
        raise NotImplementedError

    def _getsizing(self, comminfo: Any, cash: float, data: Any, isbuy: bool) -> float:
        plan = getattr(self.strategy, "plan", None)
        if not isinstance(plan, EntryPlan):
            plan = self.plain_plan(data, 1 if isbuy else -1)
        return self.size(data, plan)

    def size(self, data: Any, plan: EntryPlan) -> float:
        """Whole lots to trade on ``plan``, as a float >= 0."""
        if not plan.scale:
            return self._none(data, "throttle", "the volatility throttle stops entries")
        if plan.flaw:
            return self._none(data, "flaw", plan.flaw)
        wanted = self.wanted(data, plan)
        if not (math.isfinite(wanted) and wanted > 0):
            return self._none(data, "unknown", f"wanted size is {wanted}")
        size = self.whole(min(wanted, self.ceiling(plan)) * plan.scale)
        return self.worthwhile(data, size, plan)

    def ceiling(self, plan: EntryPlan, share: float = 1.0) -> float:
        """Most units that the caps allow, when the plan may use ``share`` of them."""
        budget = plan.capital_eur * share
        return min(self.p.max_risk * budget / plan.unit_risk, self.p.max_notional * budget / plan.unit_value)

    def whole(self, units: float) -> float:
        """``units`` rounded down to whole lots; the last digits of a division do not cost a lot."""
        return float(math.floor(units / self.p.lot * (1 + 1e-12)) * self.p.lot)

    def worthwhile(self, data: Any, size: float, plan: EntryPlan) -> float:
        """``size``, or 0 where it is below ``min_size`` or its commission would eat the edge."""
        if size <= 0 or size < self.p.min_size:
            return self._none(data, "min_size", f"{size:g} is below {max(self.p.min_size, self.p.lot)}")
        cost = self.cost_bps(data, size, plan.price)
        if self.p.max_cost_bps and cost > self.p.max_cost_bps:
            return self._none(data, "max_cost_bps", f"{size:g} units cost {cost:.1f} bps, limit {self.p.max_cost_bps}")
        return size

    def cost_bps(self, data: Any, size: float, price: float) -> float:
        """Commission of entry and exit in basis points of the entry's value."""
        estimate = getattr(self.broker, "estimate_commission", None)
        if estimate is None:
            round_trip = 2.0 * self.broker.getcommissioninfo(data).getcommission(size, price)
        else:
            round_trip = estimate(data, size, price) + estimate(data, -size, price)  # sales pay more
        return float(round_trip) / (size * price) * 1e4

    def plain_plan(self, data: Any, sign: int) -> EntryPlan:
        """The plan of a strategy that has none: last close, no stop, the broker's value as capital."""
        rate = getattr(self.broker, "fx_rate", None)
        return EntryPlan(
            sign=sign,
            price=float(data.close[0]),
            rate=float(rate(data)) if rate else 1.0,
            capital_eur=float(self.broker.getvalue()),
        )

    def _none(self, data: Any, rule: str, detail: str) -> float:
        self.refused_by = rule
        log_event(logger, "no_size", data=data._name, sizer=type(self).__name__, rule=rule, detail=detail)
        return 0.0
