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

Floats = npt.NDArray[np.float64]


def scale_at(returns: Floats, first: int, last: int) -> float:
    """Robust deviation of returns around rows ``first`` to ``last``; ``returns[i]`` leads from row i to row i + 1.

    1.4826 times the median size, of the wide and of the near neighbours, whichever is larger: the median absolute
    deviation about 0, where returns are centred. About their own median it vanishes for a price that goes to and fro.
    Returns into, within and out of these rows do not count. Infinite where there are too few others.
    """
    widths = [around(returns, first - 1, last, width) for width in (NEIGHBOURS, NEAR)]
    if len(widths[0]) < FEWEST:
        return np.inf
    return max(MAD_TO_DEVIATION * float(np.median(np.abs(part))) for part in widths if len(part) >= FEWEST)


def around(values: Floats, first: int, last: int, width: int) -> Floats:
    """Values before ``first`` and from ``last`` on, ``width`` on each side; what is not finite is left out."""
    part = np.concatenate((values[max(first - width, 0) : max(first, 0)], values[last : last + width]))
    return part[np.isfinite(part)]


def median_around(values: Floats, first: int, last: int, width: int = NEIGHBOURS) -> float:
    """Median of the neighbours; NaN where there are too few."""
    part = around(values, first, last, width)
    return float(np.median(part)) if len(part) >= FEWEST else np.nan
