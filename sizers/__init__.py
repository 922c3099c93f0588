"""How many units to trade: risk, volatility or the two legs of a pair decide, caps bind, whole lots come out."""

from __future__ import annotations

from sizers.base import CappedSizer
from sizers.pair import PairSizer
from sizers.plan import EntryPlan, PairPlan, PairSize
from sizers.single import ATRSizer, FixedRisk, VolatilityTarget

SIZERS: dict[str, type[CappedSizer]] = {
    sizer.__name__: sizer for sizer in (FixedRisk, VolatilityTarget, ATRSizer, PairSizer)
}

__all__ = [
    "SIZERS",
    "ATRSizer",
    "CappedSizer",
    "EntryPlan",
    "FixedRisk",
    "PairPlan",
    "PairSize",
    "PairSizer",
    "VolatilityTarget",
]
