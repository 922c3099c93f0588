"""Average directional movement index."""

from __future__ import annotations

import math
from typing import Any

from indicators.base import RecursiveIndicator, Row
from indicators.smoothing import TOLERANCE, decay_bars

NAN = math.nan


class ADX(RecursiveIndicator):
    """Wilder's average directional movement index: how strongly the market trends, whichever way.

    Formula, S(v) = S - S / period + v, a running sum that starts with period - 1 plain additions:
      - up = high - high[-1], down = low[-1] - low; plus = up if up > down and up > 0, minus the other way round
      - di+, di- = 100 * S(plus) / S(tr), 100 * S(minus) / S(tr); dx = 100 * |di+ - di-| / (di+ + di-)
      - adx = (adx[-1] * (period - 1) + dx) / period, the first being the mean of period dx

    Lines: ``adx`` in [0, 100]; a bar without directional movement at all leaves it as it was (0 at the start).
    As TA-Lib ADX. See Wilder, *New Concepts in Technical Trading Systems*.
    """

    lines = ("adx",)
    params = (("period", 14),)  # bars in the smoothing, >= 2
    inputs = ((0, "high"), (0, "low"), (0, "close"))

    @classmethod
    def window(cls, p: Any) -> int:
        return 2 * int(p.period)

    @classmethod
    def settle(cls, p: Any) -> int:
        # two smoothings in a row: the error is of the form (k / period) * decay^k
        return cls.window(p) + decay_bars(1.0 - 1.0 / p.period, TOLERANCE / 1e5)

    @classmethod
    def initial(cls, p: Any) -> tuple[Any, ...]:
        return (-1, NAN, NAN, NAN, 0.0, 0.0, 0.0, 0.0)  # bars seen; previous high, low, close; plus, minus, tr; adx

    @classmethod
    def recurse(cls, p: Any, state: tuple[Any, ...], *columns: list[float]) -> tuple[list[Row], tuple[Any, ...]]:
        count, before_high, before_low, before, plus, minus, span, adx = state
        period, keep = p.period, p.period - 1
        rows: list[Row] = []
        for high, low, close in zip(*columns, strict=True):
            # 1. directional movement and true range of this bar; all comparisons are false on the first bar
            up, down = high - before_high, before_low - low
            tr = (before if before > high else high) - (before if before < low else low)
            before_high, before_low, before = high, low, close
            if count < 0:
                count = 0
                rows.append((NAN,))
                continue
            # 2. running sums
            if count >= keep:
                plus -= plus / period
                minus -= minus / period
                span -= span / period
            if down > 0 and down > up:
                minus += down
            elif up > 0 and up > down:
                plus += up
            span += tr
            count += 1
            if count <= keep:
                rows.append((NAN,))
                continue
            # 3. directional index and its average
            dx = NAN
            if span > 0:
                di_plus, di_minus = 100.0 * (plus / span), 100.0 * (minus / span)
                both = di_plus + di_minus
                if both > 0:
                    dx = 100.0 * (abs(di_minus - di_plus) / both)
            if count >= 2 * period:
                if dx == dx:
                    adx = (adx * keep + dx) / period
                rows.append((adx,))
                continue
            if dx == dx:
                adx += dx
            if count == 2 * period - 1:
                adx /= period
                count += 1
                rows.append((adx,))
            else:
                rows.append((NAN,))
        return rows, (count, before_high, before_low, before, plus, minus, span, adx)
