"""Squares and square roots as C's ``pow`` gives them: it is not always the nearest float.

Why it is exact: ``x * x`` and ``sqrt`` are the floats nearest to the power. By its source (``sysdeps/ieee754/dbl-64/
e_pow.c``) ``pow`` of glibc is off by at most 0.511 units in the last place, plus 1.5 * 2**-15 for each unit of the
power's logarithm: 0.516 for powers from 1e-40 to 1e40. So the two can differ only where the power lies within 0.016 of
the middle between two floats. How near it lies is read off its exact digits, integers modulo 2**64; what is within
``_NEAR``, or out of that range, is computed by ``pow`` itself. Elsewhere than on glibc all are.
"""

from __future__ import annotations

import math
import platform
from itertools import repeat
from typing import Any

import numpy as np

from engine.once.arrays import Floats

Words = np.ndarray[Any, np.dtype[np.uint64]]
_KNOWS_POW = platform.libc_ver()[0] == "glibc"
_SAFE = (1e-40, 1e40)
_NEAR = 0.022  # units in the last place

_DIGITS, _LEADING = np.uint64((1 << 52) - 1), np.uint64(1 << 52)  # of a float: the digits kept, and the one that is not
_ONE = np.uint64(1)
_WIDE = np.uint64(math.isqrt((1 << 105) - 1) + 1)  # digits from which a square has 106 bits, not 105
_FROM, _WIDTH = np.uint64(int((0.5 - _NEAR) * 2.0**64)), np.uint64(int(2.0 * _NEAR * 2.0**64))


def power(values: Floats, exponent: float) -> Floats | None:
    """``pow(x, exponent)`` for every x; None where Python would raise or give a complex number."""
    if not np.isfinite(values).all():
        return None
    try:
        if _KNOWS_POW and exponent == 2.0:
            return _square(values)
        if _KNOWS_POW and exponent == 0.5:
            return _root(values)
        if exponent != int(exponent) and (values < 0.0).any():
            return None
        return np.array(_pow(values, exponent))
    except (OverflowError, ZeroDivisionError):
        return None


def _pow(values: Floats, exponent: float) -> list[float]:
    return list(map(pow, values.tolist(), repeat(exponent)))


def _digits(values: Floats) -> Words:
    """The 53 digits of each float, as an integer."""
    return (values.view(np.uint64) & _DIGITS) | _LEADING


def _square(values: Floats) -> Floats:
    with np.errstate(all="ignore"):
        squares: Floats = values * values
    digits = _digits(values)
    cut_off = (digits * digits) << (np.uint64(11) + (digits < _WIDE))  # of 2**64: what rounding cut off
    near = (cut_off - _FROM) < _WIDTH
    if squares.min() < _SAFE[0] or squares.max() > _SAFE[1]:
        near |= ((squares < _SAFE[0]) | (squares > _SAFE[1])) & (values != 0.0)
    places = np.flatnonzero(near)
    squares[places] = _pow(values[places], 2.0)
    return squares


def _root(values: Floats) -> Floats | None:
    if np.signbit(values).any():
        return None
    roots: Floats = np.sqrt(values)
    digits = _digits(roots)
    is_even = ~(values.view(np.uint64) >> np.uint64(52)) & _ONE  # the exponent as it is kept
    missing = (_digits(values) << (np.uint64(52) + is_even)) - digits * digits  # x - root**2; its middle is at 2 * root
    size = np.abs(missing.view(np.int64)).view(np.uint64)
    near = size > digits - (digits >> np.uint64(5)) - (digits >> np.uint64(6))  # 0.0234 units from the middle
    if values.min() < _SAFE[0] or values.max() > _SAFE[1]:
        near |= ((values < _SAFE[0]) | (values > _SAFE[1])) & (values != 0.0)
    places = np.flatnonzero(near)
    roots[places] = _pow(values[places], 0.5)
    return roots
