"""The fee for borrowing stock that is sold short."""

from __future__ import annotations

import math

from core.errors import CostError

YEAR_DAYS = 360

COLLATERAL: dict[str, tuple[float, float]] = {  # currency -> (share of the close that is deposited, rounded up to)
    "USD": (1.02, 1.0),
    "CAD": (1.02, 1.0),
}
OTHER_COLLATERAL = (1.05, 0.01)  # EUR, GBP, CHF, HKD and others


def collateral_mark(previous_close: float, currency: str = "USD") -> float:
    """Return the collateral for one share in its currency; for USD 102% of the close, up to the next whole dollar."""
    share, unit = COLLATERAL.get(currency, OTHER_COLLATERAL)
    # 1.05 * 2.20 is 2.3100000000000005, and adjusted closes end like that too: no reason to charge a step more
    return math.ceil(round(share * previous_close / unit, 6)) * unit


def borrow_fee(shares: float, previous_close: float, annual_rate: float, days: int, currency: str = "USD") -> float:
    """Return the fee on a short for ``days`` calendar days, >= 0, in the instrument's ``currency``.

    shares x collateral mark x annual rate / 360 x days: a stock at USD 0.10 is charged as USD 1. ``shares`` may carry
    the sign of the short. Raises CostError where a number is negative or not finite. Source: docs/costs.md.
    """
    numbers = (previous_close, annual_rate, days)
    if not (math.isfinite(shares) and all(math.isfinite(x) and x >= 0 for x in numbers)):
        raise CostError(
            f"no borrow fee for {shares!r} shares at {previous_close!r}, rate {annual_rate!r}, {days!r} days: close, "
            f"rate and days must be finite and not negative; check the previous close and instruments.*.borrow_rate"
        )
    return abs(shares) * collateral_mark(previous_close, currency) * annual_rate * days / YEAR_DAYS
