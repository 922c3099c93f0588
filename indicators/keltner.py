"""Keltner channel."""

from __future__ import annotations

import math
from typing import Any

from indicators.atr import ATR
from indicators.base import RecursiveIndicator, Row
from indicators.smoothing import ema_settle, wilder_settle

NAN = math.nan


class Keltner(RecursiveIndicator):
    """Channel of ``mult`` average true ranges about the exponential moving average.

    Formula:
      - mid = mid[-1] + 2 / (period + 1) * (c - mid[-1]), the first being the mean of period closes
      - top, bot = mid +/- mult * atr(atr_period); position = (c - bot) / (top - bot)

    Lines: ``mid``, ``top``, ``bot`` in the unit of the price; ``position``, 0 at bot and 1 at top, NaN where the
    channel has no width.
    As TA-Lib EMA and ATR. See Raschke's version of Keltner, *How to Make Money in Commodities*, 1960.
    """

    lines = ("mid", "top", "bot", "position")
    params = (
        ("period", 20),  # bars of the exponential average, >= 1
        ("atr_period", 10),  # true ranges in the smoothing, >= 1
        ("mult", 2.0),  # average true ranges from mid to a band
    )
    plotinfo = {"subplot": False}
    plotlines = {"position": {"_plotskip": True}}  # of another scale
    bounds = {"period": (int, 1), "atr_period": (int, 1), "mult": (float, 0.0)}
    inputs = ((0, "high"), (0, "low"), (0, "close"))

    @classmethod
    def window(cls, p: Any) -> int:
        return max(int(p.period), int(p.atr_period) + 1)

    @classmethod
    def settle(cls, p: Any) -> int:
        return cls.window(p) + max(ema_settle(p.period), wilder_settle(p.atr_period))

    @classmethod
    def initial(cls, p: Any) -> tuple[Any, ...]:
        return (0, 0.0, ATR.initial(p))  # closes seen, average (sum at first), state of the range

    @classmethod
    def recurse(cls, p: Any, state: tuple[Any, ...], *columns: list[float]) -> tuple[list[Row], tuple[Any, ...]]:
        count, mid, ranges = state
        period, weight = p.period, 2.0 / (p.period + 1.0)
        spans, ranges = ATR.recurse(_AtrPeriod(p.atr_period), ranges, *columns)
        rows: list[Row] = []
        for close, (span,) in zip(columns[2], spans, strict=True):
            if count >= period:
                mid = (close - mid) * weight + mid
            else:
                count += 1
                mid += close
                if count < period:
                    rows.append((NAN, NAN, NAN, NAN))
                    continue
                mid /= period
            reach = p.mult * span
            top, bot = mid + reach, mid - reach
            width = top - bot
            rows.append((mid, top, bot, (close - bot) / width if width > 0 else NAN))
        return rows, (count, mid, ranges)


class _AtrPeriod:
    """Parameters of the channel's range."""

    def __init__(self, period: int) -> None:
        self.period = period
