"""The fee for borrowing stock that is sold short."""

from __future__ import annotations

import math

from core.errors import CostError

COLLATERAL = 1.02  # of the previous close, the industry's convention


def borrow_fee(shares: float, previous_close: float, annual_rate: float, days: int, year_days: int = 360) -> float:
    """Return the fee on a short for ``days`` calendar days, >= 0, in the instrument's currency.

    shares x (102% of the previous close, rounded up to the next whole currency unit) x rate / 360 x days: a
    stock at USD 0.10 is charged as USD 1. ``shares`` may carry the sign of the short; ``year_days`` is 360 for USD.
    Raises CostError where a number is negative or not finite. Source: docs/costs.md.
    """
    numbers = (previous_close, annual_rate, days)
    if not (math.isfinite(shares) and all(math.isfinite(x) and x >= 0 for x in numbers)):
        raise CostError(
            f"no borrow fee for {shares!r} shares at {previous_close!r}, rate {annual_rate!r}, {days!r} days: close, "
            f"rate and days must be finite and not negative; check the previous close and instruments.*.borrow_rate"
        )
    # 1.02 * 150 is 153.00000000000003 in some products: without the rounding it would be charged as 154
    mark = math.ceil(round(COLLATERAL * previous_close, 6))
    return abs(shares) * mark * annual_rate * days / year_days
