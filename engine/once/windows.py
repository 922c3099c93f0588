"""Indicators over the last ``period`` values: averages, sums, extremes and where they were.

Why it is exact: sums are rounded once, as ``fsum`` (``exact_sums``); extremes are one of the values. Where Python's
``max`` and ``min`` depend on the order (NaN, zeros of both signs), stock's own ``once`` runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from backtrader.indicators import basicops

from engine.once.arrays import Floats, has_negative_zero, target, view
from engine.once.exact_sums import weighted_window_sums, window_sums
from engine.once.registry import calculates


def _window_input(indicator: Any, start: int, end: int) -> tuple[Floats, Floats, int] | None:
    """Values from the first window on, where to write, and the period."""
    period, source = indicator.p.period, indicator.data
    if type(period) is not int or period < 1 or start - period + 1 < 0:
        return None
    values, written = view(source), target(indicator.line, start, end, source)
    if values is None or written is None or len(values) < end:
        return None
    return values[start - period + 1 : end], written, period


@calculates(basicops.Average, basicops.SumN)
def sums(indicator: Any, start: int, end: int) -> bool:
    found = _window_input(indicator, start, end)
    if found is None:
        return False
    values, written, period = found
    if window_sums(values, period, out=written) is None:
        return False
    if type(indicator) is basicops.Average:
        written /= period
    return True


@calculates(basicops.WeightedAverage)
def weighted_average(indicator: Any, start: int, end: int) -> bool:
    found = _window_input(indicator, start, end)
    if found is None:
        return False
    values, written, period = found
    weights = [float(weight) for weight in indicator.p.weights]
    if len(weights) != period:
        return False
    totals = weighted_window_sums(values, weights)
    if totals is None:
        return False
    written[:] = indicator.p.coef * totals
    return True


@calculates(basicops.Highest, basicops.Lowest)
def extremes(indicator: Any, start: int, end: int) -> bool:
    found = _window_input(indicator, start, end)
    if found is None:
        return False
    values, written, period = found
    if np.isnan(values).any() or has_negative_zero(values):
        return False
    written[:] = running_extreme(values, period, np.maximum if type(indicator) is basicops.Highest else np.minimum)
    return True


def running_extreme(values: Floats, period: int, better: np.ufunc) -> Floats:
    """Extreme of each window, by van Herk's way: from the extremes of blocks to the left and to the right."""
    count = len(values) - period + 1
    blocks = -(-len(values) // period)
    padded = np.full(blocks * period, values[-1])
    padded[: len(values)] = values
    table = padded.reshape(blocks, period)
    forth = better.accumulate(table, axis=1).ravel()
    back = better.accumulate(table[:, ::-1], axis=1)[:, ::-1].ravel()
    extreme: Floats = better(back[:count], forth[period - 1 : period - 1 + count])
    return extreme


@calculates(
    basicops.FindFirstIndexHighest, basicops.FindFirstIndexLowest, basicops.FindLastIndexHighest,
    basicops.FindLastIndexLowest,
)  # fmt: skip
def extreme_places(indicator: Any, start: int, end: int) -> bool:
    found = _window_input(indicator, start, end)
    if found is None or indicator.p._evalfunc not in (max, min):
        return False
    values, written, period = found
    if np.isnan(values).any():
        return False
    windows = np.lib.stride_tricks.sliding_window_view(values, period)
    find = np.argmax if indicator.p._evalfunc is max else np.argmin
    if isinstance(indicator, basicops.FindFirstIndex):
        written[:] = find(windows[:, ::-1], axis=1)
    else:
        written[:] = period - find(windows, axis=1) - 1
    return True


@calculates(basicops.AnyN, basicops.AllN)
def truths(indicator: Any, start: int, end: int) -> bool:
    found = _window_input(indicator, start, end)
    if found is None:
        return False
    values, written, period = found
    running = np.concatenate([[0], np.cumsum(values != 0.0)])
    true = running[period:] - running[:-period]
    written[:] = true > 0 if type(indicator) is basicops.AnyN else true == period
    return True


@calculates(basicops.Accum)
def running_sum(indicator: Any, start: int, end: int) -> bool:
    values, written = view(indicator.data), target(indicator.line, start, end, indicator.data)
    if values is None or written is None or len(values) < end or type(indicator.p.seed) not in (int, float):
        return False
    terms = values[start:end].copy()
    terms[0] = indicator.p.seed + terms[0]
    written[:] = np.add.accumulate(terms)
    return True
