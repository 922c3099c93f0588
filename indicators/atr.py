"""Average true range."""

from __future__ import annotations

import math
from typing import Any

from indicators.base import RecursiveIndicator, Row
from indicators.smoothing import wilder_settle

NAN = math.nan


class ATR(RecursiveIndicator):
    """Wilder's average true range.

    Formula:
      - tr = max(high - low, |high - close[-1]|, |low - close[-1]|)
      - atr = (atr[-1] * (period - 1) + tr) / period, the first being the mean of period true ranges

    Lines: ``atr`` in the unit of the price, >= 0.
    As TA-Lib ATR. See Wilder, *New Concepts in Technical Trading Systems*.
    """

    lines = ("atr",)
    params = (("period", 14),)  # true ranges in the smoothing, >= 1
    bounds = {"period": (int, 1)}
    inputs = ((0, "high"), (0, "low"), (0, "close"))

    @classmethod
    def window(cls, p: Any) -> int:
        return int(p.period) + 1  # the first true range needs the close before it

    @classmethod
    def settle(cls, p: Any) -> int:
        return cls.window(p) + wilder_settle(p.period)

    @classmethod
    def initial(cls, p: Any) -> tuple[Any, ...]:
        return (-1, NAN, 0.0)  # true ranges seen, previous close, smoothed range (sum at first)

    @classmethod
    def recurse(cls, p: Any, state: tuple[Any, ...], *columns: list[float]) -> tuple[list[Row], tuple[Any, ...]]:
        count, previous, average = state
        period, keep = p.period, p.period - 1
        rows: list[Row] = []
        for high, low, close in zip(*columns, strict=True):
            top = previous if previous > high else high
            span = top - (previous if previous < low else low)
            previous = close
            if count >= period:
                average = (average * keep + span) / period
                rows.append((average,))
                continue
            count += 1
            if count:
                average += span
            if count == period:
                average /= period
                rows.append((average,))
            else:
                rows.append((NAN,))
        return rows, (count, previous, average)
