"""What is ordinary around a bar: medians of its neighbours, before and after it, without the bar itself.

Later bars are used on purpose: this cleans history, it does not trade on it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

NEIGHBOURS = 63  # on each side: a quarter of daily bars, long enough for a median, short enough for a regime
NEAR = 15  # on each side, so that a cluster of volatility is judged by itself
FEWEST = 10  # below which there is no saying what is ordinary
MAD_TO_DEVIATION = 1.4826  # of a normal distribution, 1 / the 75% quantile

_AT_ONCE = 4_096  # places whose neighbours are held in memory together: 4 MB
_STEPS, _BEFORE = np.repeat(np.arange(NEIGHBOURS), 2), np.tile([True, False], NEIGHBOURS)  # from the nearest outward

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.intp]


def scales_at(returns: Floats, first: Numbers, last: Numbers) -> Floats:
    """Robust deviations of returns around many rows ``first`` to ``last``; ``returns[i]`` leads from row i to i + 1.

    1.4826 times the median size, of the wide and of the near neighbours, whichever is larger: the median absolute
    deviation about 0, where returns are centred. About their own median it vanishes for a price that goes to and fro.
    Returns into, within and out of these rows do not count. Infinite where there are too few others.
    """
    scales = np.full(len(first), np.inf)
    if not len(returns):
        return scales
    for start in range(0, len(first), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        at = np.where(_BEFORE, first[part, None] - 2 - _STEPS, last[part, None] + _STEPS)
        sizes = np.abs(returns[np.clip(at, 0, len(returns) - 1)])
        sizes[(at < 0) | (at >= len(returns)) | ~np.isfinite(sizes)] = np.nan
        wide, near = _medians(sizes), _medians(sizes[:, : 2 * NEAR])
        scales[part] = np.where(np.isnan(wide), np.inf, MAD_TO_DEVIATION * np.fmax(wide, near))
    return scales


def scale_at(returns: Floats, first: int, last: int) -> float:
    """As ``scales_at``, for one place."""
    return float(scales_at(returns, np.array([first]), np.array([last]))[0])


def around(values: Floats, first: int, last: int, width: int) -> Floats:
    """Values before ``first`` and from ``last`` on, ``width`` on each side; what is not finite is left out."""
    part = np.concatenate((values[max(first - width, 0) : max(first, 0)], values[last : last + width]))
    return part[np.isfinite(part)]


def median_around(values: Floats, first: int, last: int, width: int = NEIGHBOURS) -> float:
    """Median of the neighbours; NaN where there are too few."""
    part = around(values, first, last, width)
    return float(np.median(part)) if len(part) >= FEWEST else np.nan


def _medians(sizes: Floats) -> Floats:
    """Median of each row without its NaN; NaN where fewer than ``FEWEST`` are left."""
    ordered = np.sort(sizes, axis=1)  # NaN last
    count = (ordered == ordered).sum(axis=1)
    rows = np.arange(len(ordered))
    middle = (ordered[rows, (count - 1) // 2] + ordered[rows, count // 2]) / 2.0
    return np.where(count >= FEWEST, middle, np.nan)
