"""Squares and square roots as C's ``pow`` gives them: it is not always the nearest float.

Why it is exact: ``pow`` of glibc is within 0.54 units in the last place of the true power. ``x * x`` and ``sqrt`` are
within 0.5, so the two can differ only where the true power is near the middle between two floats. How near is known
from the part that rounding has cut off; the few near ones are computed by ``pow`` itself. Elsewhere than on glibc all
are.
"""

from __future__ import annotations

import platform
from itertools import repeat

import numpy as np

from engine.once.arrays import Floats

_IS_NEAR = 0.40  # units in the last place that rounding cut off, of at most 0.5
_KNOWS_POW = platform.libc_ver()[0] == "glibc"
_SPLITTER = 134_217_729.0  # 2**27 + 1, cuts a float in two halves (Dekker)
_SAFE = (1e-140, 1e140)  # where no half of a product over- or underflows


def power(values: Floats, exponent: float) -> Floats | None:
    """``pow(x, exponent)`` for every x; None where Python would raise or give a complex number."""
    if not np.isfinite(values).all():
        return None
    if _KNOWS_POW and exponent in (2.0, 0.5) and _are_safe(values):
        return _square(values) if exponent == 2.0 else _root(values)
    if exponent != int(exponent) and (values < 0.0).any():
        return None
    try:
        return np.array(list(map(pow, values.tolist(), repeat(exponent))))
    except (OverflowError, ZeroDivisionError):
        return None


def _are_safe(values: Floats) -> bool:
    sizes = np.abs(values)
    return bool(((sizes == 0.0) | ((sizes > _SAFE[0]) & (sizes < _SAFE[1]))).all())


def _cut_off(values: Floats, squares: Floats) -> Floats:
    """``x * x - squares``, exactly."""
    big = values * _SPLITTER
    high = big - (big - values)
    low = values - high
    return ((high * high - squares) + 2.0 * high * low) + low * low


def _square(values: Floats) -> Floats:
    squares: Floats = values * values
    near = np.flatnonzero(np.abs(_cut_off(values, squares)) > _IS_NEAR * np.spacing(squares))
    squares[near] = [pow(x, 2.0) for x in values[near].tolist()]
    return squares


def _root(values: Floats) -> Floats | None:
    if (values < 0.0).any() or np.signbit(values).any():
        return None
    roots: Floats = np.sqrt(values)
    squares = roots * roots
    missing = (values - squares) - _cut_off(roots, squares)  # x - root**2
    near = np.flatnonzero(np.abs(missing) > _IS_NEAR * 2.0 * roots * np.spacing(roots))
    roots[near] = [pow(x, 0.5) for x in values[near].tolist()]
    return roots
