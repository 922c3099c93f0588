"""Fewer points for the same picture: the extremes of each stretch of a line."""

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
