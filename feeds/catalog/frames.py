"""Frames of stored rows (column ``time`` in microseconds, then values), and as readers get them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from feeds.bars import COLUMNS, EXTRAS, BarSize


def joined(pieces: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Rows of several segments, in the order given; a column that a piece lacks is NaN there."""
    if not pieces:
        return pd.DataFrame({"time": np.empty(0, dtype=np.int64), **{name: np.empty(0) for name in COLUMNS}})
    extras = [name for name in EXTRAS if any(name in piece for piece in pieces)]
    columns = {
        name: np.concatenate([piece[name].to_numpy() if name in piece else np.full(len(piece), np.nan)
                              for piece in pieces])
        for name in ("time", *COLUMNS, *extras)
    }  # fmt: skip
    return pd.DataFrame(columns, copy=False)


def framed(bar: BarSize, rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows with their times as ``feeds.bars.RawBars`` has them."""
    times = pd.DatetimeIndex(rows["time"].to_numpy().view("datetime64[us]"), name="time")
    columns = {name: rows[name].to_numpy() for name in rows.columns[1:]}
    return pd.DataFrame(columns, index=times if bar == "1d" else times.tz_localize("UTC"), copy=False)
