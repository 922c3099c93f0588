"""Seeded random walks of one-minute bars."""

from __future__ import annotations

import numpy as np
import pandas as pd


def minute_bars(count: int, seed: int = 7) -> pd.DataFrame:
    """A random walk: naive UTC DatetimeIndex, float64 open, high, low, close, volume; opens gap from the close."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 2e-4, count)))
    opens = np.concatenate(([100.0], close[:-1])) * np.exp(rng.normal(0.0, 2e-5, count))
    wick = np.abs(rng.normal(0.0, 1e-4, (2, count)))
    return pd.DataFrame(
        {
            "open": opens,
            "high": np.maximum(opens, close) * (1.0 + wick[0]),
            "low": np.minimum(opens, close) * (1.0 - wick[1]),
            "close": close,
            "volume": rng.integers(1, 10_000, count).astype("float64"),
        },
        index=pd.date_range("2010-01-04 14:31", periods=count, freq="1min"),
    )


def minute_pair(count: int, seed: int = 11) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two walks that share most of their moves, on one calendar."""
    first, second = minute_bars(count, seed), minute_bars(count, seed + 1)
    drift = (first["close"] / 100.0) ** 0.8
    shrunk = (second / 100.0) ** 0.2 * 50.0
    for name in ("open", "high", "low", "close"):
        second[name] = shrunk[name] * drift.shift(1 if name == "open" else 0).fillna(1.0)
    second["high"] = second[["open", "high", "low", "close"]].max(axis=1)
    second["low"] = second[["open", "high", "low", "close"]].min(axis=1)
    return first, second
