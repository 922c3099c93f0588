"""The fee for borrowing stock that is sold short."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from core.errors import CostError

Floats = npt.NDArray[np.float64]

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


def collateral_marks(closes: Floats, currency: str = "USD") -> Floats:
    """``collateral_mark`` of many closes; NaN where ``borrow_fee`` would raise.

    Rounding to six decimals changes what is rounded up only beside a whole step, so only there it is done.
    """
    share, unit = COLLATERAL.get(currency, OTHER_COLLATERAL)
    sound = np.isfinite(closes) & (closes >= 0.0)
    units = share * np.where(sound, closes, 0.0) / unit
    marks = np.ceil(units)
    for at in np.flatnonzero((np.abs(units - np.rint(units)) < 1e-5) | (units > 1e9)):
        marks[at] = math.ceil(round(float(units[at]), 6))
    return np.where(sound, marks * unit, np.nan)
