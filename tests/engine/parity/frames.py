"""Frames of bars from a Feed: a few dozen rows, made quickly and remembered."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
from parity.programme import Feed

START = np.datetime64("2021-12-29T15:30", "ns")  # a year, month and week end soon after it


@functools.lru_cache(maxsize=512)
def frame_of(feed: Feed) -> pd.DataFrame:
    """Open, high, low, close, volume, openinterest of the feed."""
    rng = np.random.default_rng(feed.seed)
    count = feed.bars
    steps = rng.normal(0.0, 1.0, count)
    if feed.shape == "flat":
        steps[rng.random(count) < 0.7] = 0.0
    elif feed.shape == "jumps":
        steps[rng.random(count) < 0.2] *= 9.0
    close = np.maximum(100.0 + np.cumsum(steps), 1.0)
    opens = np.concatenate(([100.0], close[:-1])) + rng.normal(0.0, 0.4, count) * (rng.random(count) < 0.6)
    opens = np.maximum(opens, 0.5)
    high = np.maximum(opens, close) + np.abs(rng.normal(0.0, 0.7, count)) * (rng.random(count) < 0.8)
    low = np.minimum(opens, close) - np.abs(rng.normal(0.0, 0.7, count)) * (rng.random(count) < 0.8)
    low = np.maximum(low, 0.25)
    if feed.shape == "ticks":
        opens, high, low, close = (np.round(column * 2.0) / 2.0 for column in (opens, high, low, close))
    elif feed.shape == "zero":
        whole = rng.random(count) < 0.5
        opens, high, low = (np.where(whole, close, column) for column in (opens, high, low))
    columns = {"open": opens, "high": high, "low": low, "close": close}
    if feed.shape == "nan":
        for name in columns:
            columns[name] = np.where(rng.random(count) < 0.06, np.nan, columns[name])
    columns["volume"] = rng.integers(0, 60, count).astype(float)
    columns["openinterest"] = rng.integers(0, 9, count).astype(float)
    places = feed.first + np.arange(count)
    index = pd.DatetimeIndex(START + places * np.timedelta64(feed.minutes, "m"))
    if feed.aware:
        index = index.tz_localize("UTC").tz_convert(feed.aware)
    frame = pd.DataFrame(columns, index=index)
    kept = rng.random(count) >= feed.missing
    kept[0] = True
    return frame[kept]
