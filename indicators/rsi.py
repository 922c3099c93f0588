"""Relative strength index."""

from __future__ import annotations

import math
from typing import Any

from indicators.base import RecursiveIndicator, Row
from indicators.smoothing import wilder_settle

NAN = math.nan


class RSI(RecursiveIndicator):
    """Wilder's relative strength index.

    Formula:
      - up, down = positive and negative part of c - c[-1], smoothed: s = (s[-1] * (period - 1) + new) / period,
        the first s being the mean of period changes
      - rsi = 100 * up / (up + down)

    Lines: ``rsi`` in [0, 100]; NaN while the price has never moved, where TA-Lib says 0, which reads as oversold.
    As TA-Lib RSI. See Wilder, *New Concepts in Technical Trading Systems*.
    """

    lines = ("rsi",)
    params = (("period", 14),)  # changes in the smoothing, >= 2

    @classmethod
    def window(cls, p: Any) -> int:
        return int(p.period) + 1  # n changes need n + 1 closes

    @classmethod
    def settle(cls, p: Any) -> int:
        return cls.window(p) + wilder_settle(p.period)

    @classmethod
    def initial(cls, p: Any) -> tuple[Any, ...]:
        return (-1, NAN, 0.0, 0.0)  # changes seen, previous close, smoothed up and down (sums at first)

    @classmethod
    def recurse(cls, p: Any, state: tuple[Any, ...], *columns: list[float]) -> tuple[list[Row], tuple[Any, ...]]:
        count, previous, up, down = state
        period, keep = p.period, p.period - 1
        rows: list[Row] = []
        for close in columns[0]:
            change = close - previous
            previous = close
            if count >= period:
                up = (up * keep + change if change > 0 else up * keep) / period
                down = (down * keep - change if change < 0 else down * keep) / period
            else:
                count += 1
                if change > 0:
                    up += change
                elif change < 0:
                    down -= change
                if count < period:
                    rows.append((NAN,))
                    continue
                up /= period
                down /= period
            both = up + down
            rows.append((100.0 * (up / both) if both > 0 else NAN,))
        return rows, (count, previous, up, down)
