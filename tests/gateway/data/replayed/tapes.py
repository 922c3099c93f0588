"""Random tapes of trades and quotes, for hypothesis."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from replayed.world import new_york

OPENING = new_york("2024-03-08 09:30:00")


@st.composite
def trades(draw: st.DrawFn, seconds: int = 1, most: int = 60) -> pd.DataFrame:
    """Bars of ``seconds`` with gaps, on the cent, stamped with their ends."""
    gaps = draw(st.lists(st.sampled_from([1, 1, 1, 2, 3, 7, 29]), min_size=1, max_size=most))
    ends = [OPENING + dt.timedelta(seconds=int(at) * seconds) for at in np.cumsum(gaps)]
    rows = []
    for _ in gaps:
        cents = draw(st.lists(st.integers(990, 1010), min_size=4, max_size=4))
        rows.append((cents[0], max(cents), min(cents), cents[3]))
    frame = pd.DataFrame(rows, columns=["open", "high", "low", "close"], index=pd.DatetimeIndex(ends)) / 100.0
    volumes = draw(st.lists(st.integers(1, 5_000), min_size=len(rows), max_size=len(rows)))
    return frame.assign(volume=np.array(volumes, dtype=float))


@st.composite
def quotes(draw: st.DrawFn, most: int = 60) -> pd.DataFrame:
    """Quotes with gaps, on the cent; now and then one side is missing."""
    gaps = draw(st.lists(st.sampled_from([1, 1, 2, 3, 8]), min_size=1, max_size=most))
    times = [OPENING + dt.timedelta(seconds=int(at)) for at in np.cumsum(gaps)]
    rows = []
    for _ in gaps:
        bid, spread = draw(st.integers(990, 1010)), draw(st.integers(1, 5))
        sizes = draw(st.integers(1, 9)), draw(st.integers(1, 9))
        side = draw(st.sampled_from(["both", "both", "both", "bid", "ask"]))
        rows.append(
            (
                bid / 100 if side != "ask" else float("nan"),
                (bid + spread) / 100 if side != "bid" else float("nan"),
                100.0 * sizes[0],
                100.0 * sizes[1],
            )
        )
    return pd.DataFrame(rows, columns=["bid", "ask", "bid_size", "ask_size"], index=pd.DatetimeIndex(times))
