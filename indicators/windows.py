"""Sums over all windows of a series, with the same order of additions for one window and for many.

A window matrix has a column for each bar and a row for each place in the window, the oldest first. Means are
taken about the oldest value, so a constant window has exactly its value as mean and exactly zero deviation;
cumulative sums are not used, since they lose up to nine digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Array = np.ndarray[Any, np.dtype[np.float64]]


def windows(values: Array, size: int) -> Array:
    """View of shape (size, len(values) - size + 1)."""
    if len(values) == size:  # one bar at a time: numpy's function takes longer than what is reckoned with its result
        return values.reshape(size, 1)
    return sliding_window_view(values, size).T


def total(matrix: Array) -> Array:
    """Sum of each column, added from the oldest row to the newest."""
    if matrix.shape[1] == 1:  # numpy would add a single column pairwise
        return np.add.accumulate(matrix[:, 0])[-1:]
    return np.add.reduce(np.ascontiguousarray(matrix), axis=0)


def mean(matrix: Array) -> Array:
    """Mean of each column; exact for constant columns."""
    return matrix[0] + total(matrix - matrix[0]) / matrix.shape[0]


def mean_std(matrix: Array, ddof: int) -> tuple[Array, Array]:
    """Mean and standard deviation of each column."""
    centre = mean(matrix)
    off = matrix - centre
    return centre, np.sqrt(total(off * off) / (matrix.shape[0] - ddof))


def undefined_where(condition: Any, values: Array) -> Array:
    """``values`` with NaN where the condition holds."""
    return np.where(condition, np.nan, values)


def ratio(numerator: Array, denominator: Array) -> Array:
    """Quotient, NaN where the denominator is zero or not a number."""
    return np.divide(numerator, denominator, out=np.full(np.shape(denominator), np.nan), where=denominator != 0)
