"""Prices as they were traded, from prices that a source keeps on today's scale of shares.

Yahoo divides all earlier prices and dividends by each split, and multiplies volumes, on the day of the split; so
bars stored before it and bars asked for after it agree only when that is undone: a price is multiplied by the ratios
of all splits after its day.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

Days = npt.NDArray[np.datetime64]  # unit D
Floats = npt.NDArray[np.float64]

_LARGE = math.log(1.4)  # a smaller ratio cannot be told from a day's move
_NOISE = 4 * 2.0**-24  # Yahoo's prices are single precision; four halves of its last bit, relative
_DIVIDEND_DIGITS = 1e-6  # Yahoo writes dividends with six decimals
_FEW = 20  # shares for so many: splits such as 3:2, 1:20 or the 21:20 of a stock dividend
_STOCK_DIVIDEND = 1.25


@dataclass(frozen=True)
class Ratio:
    """What a source divided all prices before ``ex_date`` by."""

    ex_date: dt.date
    value: float  # 4.0 = 4:1


def later_product(days: Days, ratios: Sequence[Ratio]) -> Floats:
    """For each day the product of the ratios of later days (a bar of the ex-date itself is after the split)."""
    ordered = sorted(ratios, key=lambda ratio: ratio.ex_date)
    dates = np.array([ratio.ex_date for ratio in ordered], dtype="datetime64[D]")
    products = np.append(np.cumprod([ratio.value for ratio in ordered][::-1])[::-1], 1.0)
    return products[np.searchsorted(dates, days, side="right")]


def applied(days: Days, closes: Floats, ratios: Sequence[Ratio]) -> tuple[list[Ratio], list[Ratio]]:
    """Ratios that the closes are adjusted for, and those that the source lists but has not applied yet.

    On the day of a split Yahoo is late at times: closes that fall by the very ratio are not adjusted for it.
    """
    known = np.isfinite(closes) & (closes > 0)
    days, closes = days[known], closes[known]
    done, missing = [], []
    for ratio in ratios:
        at = int(np.searchsorted(days, np.datetime64(ratio.ex_date, "D"), side="left"))
        size = abs(math.log(ratio.value))
        if size >= _LARGE and 0 < at < len(days):
            gap = math.log(closes[at] / closes[at - 1])
            if abs(gap + math.log(ratio.value)) < size / 4:
                missing.append(ratio)
                continue
        done.append(ratio)
    return done, missing


def tidy(prices: Floats) -> Floats:
    """Prices to as many decimals as single precision can hold: 94.19999695 is 94.2, today and after any split."""
    with np.errstate(divide="ignore", invalid="ignore"):
        decimals = np.clip(np.floor(-np.log10(np.abs(prices) * _NOISE)), 0, 12)
    scale = np.power(10.0, np.where(np.isfinite(decimals), decimals, 0.0))
    return np.round(prices * scale) / scale


def dividend_as_paid(amount: float, factor: float) -> float:
    """A dividend for one share of its day, from one for today's shares (2.65 from 0.094643 and 28)."""
    if factor == 1.0:
        return amount
    return round(amount * factor, max(0, math.floor(-math.log10(2 * _DIVIDEND_DIGITS * factor))))


def is_split(value: float) -> bool:
    """Whether a ratio is one of shares; else it is how a spin-off is written (GE 2023: 1281:1000).

    Shares are split 3:2 or 1:8, and handed out as stock dividends in whole percents (103:100). A spin-off lowers the
    price by what the part is worth, so its ratio lies between 1 and 2 and is odd.
    """
    if not 1.0 < value < 2.0:
        return True
    simple = math.isclose(float(Fraction(value).limit_denominator(_FEW)), value, rel_tol=1e-9)
    percents = value <= _STOCK_DIVIDEND and math.isclose(value * 100, round(value * 100), rel_tol=1e-9)
    return simple or percents
