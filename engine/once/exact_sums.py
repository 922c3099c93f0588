"""Sums over windows that are rounded once, as ``math.fsum`` gives them.

Why it is exact: the numbers are written as integers on one grid, without losing a bit (checked). Sums of integers have
no rounding: those of windows are differences of running sums, whose overflow cancels. Making a float of such a sum is
the only rounding, and it is to the nearest float, as with ``fsum``. Numbers that reach too far apart for one integer
each are cut in two: a window's sum is then ``high * 2**k + low`` with both parts exact as floats, and their one
addition is the only rounding. Where they reach too far apart for two, the answer is None.

Each stretch of windows has a grid of its own.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.once.arrays import Floats, stretches

Integers = np.ndarray[Any, np.dtype[np.int64]]
_HIGH_BITS = 53  # what a float holds exactly
_WINDOWS = 8  # a stretch is at least so many of them long, for it needs the numbers of one beyond its own
_REACH = 900  # exponents beyond it meet the smallest or largest floats


class Grid:
    """Integers on which sums of ``count`` numbers up to ``largest`` are exact."""

    def __init__(self, largest: float, count: int) -> None:
        self.low_bits = min(62 - count.bit_length(), 52)
        exponent = math.frexp(largest * count)[1] + 1 if largest else 0
        self.shift = self.low_bits + _HIGH_BITS - exponent
        self.is_possible = self.low_bits > 8 and abs(exponent) < _REACH and abs(self.shift) < _REACH

    def split(self, values: Floats) -> tuple[Integers, Integers] | None:
        """High and low parts; None if the grid is too coarse."""
        whole = np.ldexp(values, self.shift)
        if not (whole == np.floor(whole)).all():
            return None
        high = np.floor(np.ldexp(whole, -self.low_bits))
        low = whole - np.ldexp(high, self.low_bits)
        return high.astype(np.int64), low.astype(np.int64)

    def join(self, high: Integers, low: Integers) -> Floats:
        """The floats nearest to the sums."""
        high = high + (low >> self.low_bits)
        low = low & ((1 << self.low_bits) - 1)
        whole = np.ldexp(high.astype(np.float64), self.low_bits) + low.astype(np.float64)
        joined: Floats = np.ldexp(whole, -self.shift)
        return joined


def window_sums(values: Floats, period: int, out: Floats | None = None) -> Floats | None:
    """``fsum(values[i : i + period])`` for every i, in ``out`` if given; None where it takes another way."""
    sums = np.empty(len(values) - period + 1) if out is None else out
    for stretch in stretches(len(sums), _WINDOWS * period):
        found = _sums(values[stretch.start : stretch.stop + period - 1], period)
        if found is None:
            return None
        sums[stretch] = found
    return sums


def _sums(values: Floats, period: int) -> Floats | None:
    largest = max(float(values.max()), -float(values.min()))
    if not math.isfinite(largest):
        return None
    found = _sums_in_one(values, period, largest)
    if found is not None:
        return found
    grid = Grid(largest, period)
    parts = grid.split(values) if grid.is_possible else None
    if parts is None:
        return None
    return grid.join(*(_differences(part, period) for part in parts))


def _sums_in_one(values: Floats, period: int, largest: float) -> Floats | None:
    """With an integer for each number; sums stay below 2**62."""
    shift = 62 - math.frexp(largest * period)[1]
    if not 0 <= shift <= _REACH:
        return None
    scaled = values * math.ldexp(1.0, shift)
    whole = scaled.astype(np.int64)
    if not (whole == scaled).all():
        return None
    sums = _differences(whole, period).astype(np.float64)
    sums *= math.ldexp(1.0, -shift)
    return sums


def _differences(part: Integers, period: int) -> Integers:
    running = np.cumsum(part)
    sums = running[period - 1 :].copy()
    sums[1:] -= running[:-period]
    return sums


def weighted_window_sums(values: Floats, weights: list[float]) -> Floats | None:
    """``fsum(map(mul, values[i : i + period], weights))`` for every i: each product is rounded, their sum once."""
    period = len(weights)
    largest = float(np.abs(values).max()) * max(abs(weight) for weight in weights)
    if not math.isfinite(largest):
        return None
    grid = Grid(largest, period)
    if not grid.is_possible:
        return None
    count = len(values) - period + 1
    high, low = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    for place, weight in enumerate(weights):
        parts = grid.split(values[place : place + count] * weight)
        if parts is None:
            return None
        high += parts[0]
        low += parts[1]
    return grid.join(high, low)
