"""What one step of an adjusted close stands for: a split, a spin-off, a dividend, or nothing that can be true."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from feeds.bars import CorporateAction

SOURCE = "adj_close"
LEAST_SPLIT = 1.2  # 6:5; a smaller stock dividend moves prices as a cash dividend does
MOST_CASH = 0.25  # of the close: the largest special dividends are below, spin-offs are rarely
LEAST_SPIN_OFF = 0.05  # of the close, where neither the amount nor the ratio tells
LEAST_TESTED = 0.04  # log: a smaller step hides in the move of one night
CANCELS = 0.4  # two steps whose sum is less than this share of the smaller one undo each other
_CASH_DIGITS = 4  # dividends are declared in hundredths of a cent at most


@dataclass(frozen=True)
class Shift:
    """One step of adj_close over close between two rows that follow each other.

    ``factor``: what prices up to ``before`` are multiplied by, known to ``split_error`` (relative, the rounding of
    adj_close included) and, times ``close``, to ``cash_error``. ``opened``: first price of ``ex_date``, NaN for none.
    """

    before: dt.date
    ex_date: dt.date
    close: float
    factor: float
    split_error: float
    cash_error: float
    opened: float

    @property
    def amount(self) -> float:
        """The payment, if it is one."""
        return self.close * (1.0 - self.factor)

    @property
    def size(self) -> float:
        """Log of the price before over the price after; a payment and a split are above 0."""
        return -math.log(self.factor)


@dataclass(frozen=True)
class Doubtful:
    """A step that is not taken for an action, and why."""

    ex_date: dt.date
    factor: float
    reason: str


def action_of(shift: Shift) -> CorporateAction | Doubtful:
    """The action that explains a step, or the doubt about it."""
    split = _split(shift)
    if split is None and shift.factor > 1.0:
        above = shift.factor - 1.0
        return _doubt(shift, f"adj_close lies {above:.1%} above the close: no payment and no ratio of a reverse split")
    if abs(shift.size) >= LEAST_TESTED and math.isfinite(shift.opened):
        explained = math.log(shift.opened / (shift.close * shift.factor))
        unexplained = math.log(shift.opened / shift.close)
        if abs(unexplained) < abs(explained):
            return _doubt(
                shift,
                f"adj_close says that the close of {shift.close:g} is worth {shift.close * shift.factor:.4g} without "
                f"the right, but the next price is {shift.opened:g}",
            )
    if split is not None:
        return CorporateAction(shift.ex_date, "split", float(split), SOURCE)
    amount, digits = _rounded(shift.amount, shift.cash_error)
    share = 1.0 - shift.factor
    cash = share <= MOST_CASH and (digits <= _CASH_DIGITS or share < LEAST_SPIN_OFF)
    return CorporateAction(shift.ex_date, "dividend" if cash else "spin_off", amount, SOURCE)


def undone(shifts: list[Shift]) -> dict[int, str]:
    """Steps that take another one back, by position: the rows between belong to another instrument."""
    reasons: dict[int, str] = {}
    wrong = [at for at, shift in enumerate(shifts) if shift.factor > 1.0 and _split(shift) is None]
    for at in wrong:
        for other in (at - 1, at + 1):
            if not 0 <= other < len(shifts) or other in wrong:
                continue
            sizes = abs(shifts[at].size), abs(shifts[other].size)
            if abs(shifts[at].size + shifts[other].size) < CANCELS * min(sizes):
                reasons[other] = (
                    f"it takes back the step of {shifts[at].ex_date}; the rows between look like another instrument's"
                )
    return reasons


def _doubt(shift: Shift, reason: str) -> Doubtful:
    return Doubtful(shift.ex_date, shift.factor, reason)


def _split(shift: Shift) -> Fraction | None:
    """The ratio of a split within the rounding, the simplest of them."""
    ratio = 1.0 / shift.factor
    if max(ratio, shift.factor) < LEAST_SPLIT * (1.0 - shift.split_error):
        return None
    size = max(ratio, shift.factor)
    most = 5 if size < 2.5 else 2 if size < 5.5 else 1  # shares before it: 9:5 is a split, 21:5 is an accident
    for before in range(1, most + 1):
        after = round(size * before)
        if abs(size * before / after - 1.0) <= shift.split_error:
            return Fraction(after, before) if ratio > 1.0 else Fraction(before, after)
    return None


def _rounded(amount: float, error: float) -> tuple[float, int]:
    """The amount with the fewest decimals that its error allows, and how many they are; 2 to 6."""
    for digits in range(2, 7):
        if abs(amount - round(amount, digits)) <= error:
            return round(amount, digits), digits
    return float(np.round(amount, 6)), 7
