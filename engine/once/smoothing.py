"""Exponential smoothing, and the last difference that was not zero.

Why it is exact: ``lfilter`` computes ``alpha * x + previous * (1 - alpha)`` step by step, the two products and the sum
that stock computes; so does the loop in Python, for lines so short that loading ``scipy.signal`` would take longer. The
seed is stock's, an average of the first period.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from backtrader.indicators import basicops
from backtrader.indicators.crossover import NonZeroDifference

from engine.once.arrays import Floats, target, view
from engine.once.registry import calculates

_WORTH_LOADING = 1_000_000  # bars from which ``scipy.signal`` saves more time than its import takes


@calculates(basicops.ExponentialSmoothing)
def smoothing(indicator: Any, start: int, end: int) -> bool:
    values, written = view(indicator.data), target(indicator.line, start, end, indicator.data)
    alpha, rest = indicator.alpha, indicator.alpha1
    if values is None or written is None or len(values) < end or type(alpha) is not float or type(rest) is not float:
        return False
    if not np.isfinite(values[start:end]).all():
        return False
    del written
    indicator.oncestart(start, start + 1)
    written = target(indicator.line, start, end)
    assert written is not None
    seed = written[0]
    if end - start > 1:
        written[1:] = _smoothed(values[start + 1 : end], alpha, rest, float(seed))
    return True


def _smoothed(values: Floats, alpha: float, rest: float, seed: float) -> Any:
    if len(values) >= _WORTH_LOADING or "scipy.signal" in sys.modules:
        from scipy.signal import lfilter

        return lfilter([alpha, 0.0], [1.0, -rest], values, zi=[seed * rest])[0]
    smoothed = []
    for term in (values * alpha).tolist():
        seed = seed * rest + term
        smoothed.append(seed)
    return smoothed


@calculates(basicops.ExponentialSmoothingDynamic)
def dynamic_smoothing(indicator: Any, start: int, end: int) -> bool:
    values, written = view(indicator.data), target(indicator.line, start, end, indicator.data)
    if not hasattr(indicator.alpha, "array") or not hasattr(indicator.alpha1, "array"):
        return False
    alphas, rests = view(indicator.alpha), view(indicator.alpha1)
    if values is None or written is None or alphas is None or rests is None:
        return False
    if min(len(values), len(alphas), len(rests)) < end:
        return False
    indicator.oncestart(start, start + 1)
    previous = float(written[0])
    added = (values[start + 1 : end] * alphas[start + 1 : end]).tolist()
    smoothed = []
    for rest, term in zip(rests[start + 1 : end].tolist(), added, strict=True):
        previous = previous * rest + term
        smoothed.append(previous)
    written[1:] = smoothed
    return True


@calculates(NonZeroDifference)
def last_difference(indicator: Any, start: int, end: int) -> bool:
    left, right = view(indicator.data0), view(indicator.data1)
    written = target(indicator.line, start, end, indicator.data0, indicator.data1)
    if left is None or right is None or written is None or min(len(left), len(right)) < end:
        return False
    with np.errstate(all="ignore"):
        differences = left[start:end] - right[start:end]
    places = np.where(differences != 0.0, np.arange(end - start), 0)
    written[:] = differences[np.maximum.accumulate(places)]
    return True
