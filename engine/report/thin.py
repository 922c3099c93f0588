"""Fewer points for the same picture: the extremes of each stretch of a line, and the bins of a histogram."""

from __future__ import annotations

import numpy as np
import pandas as pd

MIN_POINTS = 400


def thin(series: pd.Series, points: int) -> pd.Series:
    """At most about ``points`` values: first, last, lowest and highest of each of ``points // 4`` equal stretches.

    A line drawn from them has the shape of the whole at a width of ``points // 4`` pixels (M4: Jugel, Jerzak,
    Hackenbroich and Markl 2014). A series that is short enough comes back as it is, NaN included.
    """
    size = len(series)
    if size <= max(points, 4):
        return series
    values = series.to_numpy(dtype=float)
    edges = np.linspace(0, size, max(points // 4, 1) + 1).astype(np.int64)
    starts, stops = edges[:-1], edges[1:]
    kept = [starts, stops - 1]
    low = np.where(np.isnan(values), np.inf, values)
    high = np.where(np.isnan(values), -np.inf, values)
    for start, stop in zip(starts, stops, strict=True):
        kept.append(np.array([start + low[start:stop].argmin(), start + high[start:stop].argmax()]))
    return series.iloc[np.unique(np.concatenate(kept))]


def histogram_edges(values: np.ndarray) -> np.ndarray:
    """Bin edges: about the Freedman-Diaconis width, 8 to 60 bins, 0 always an edge, so no bin mixes signs.

    The range is cut at the 0.5% and 99.5% quantiles, else a single crash would squeeze all else into one bar.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.array([-1.0, 0.0, 1.0])
    low, high = np.quantile(finite, [0.005, 0.995]) if len(finite) >= 200 else (finite.min(), finite.max())
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    reach = max(high - low, 1e-9)
    q1, q3 = np.quantile(finite, [0.25, 0.75])
    width = float(2 * (q3 - q1) / len(finite) ** (1 / 3))
    width = min(max(width, reach / 60), reach / 8)
    first, last = int(np.floor(low / width)), int(np.ceil(high / width))
    return np.arange(min(first, -1), max(last, 1) + 1) * width


def histogram(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Counts in the bins; what lies beyond counts in the outermost ones."""
    inside = np.clip(values, edges[0], np.nextafter(edges[-1], -np.inf))
    return np.histogram(inside, edges)[0]
