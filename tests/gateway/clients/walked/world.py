"""The market that the walks meet: prices simple enough to say by hand what each client must be told.

From 10:00 New York time XMPLA is quoted 50.00 at 50.02, XMPLB 40.00 at 40.02, 300 shares on each side, and trades once
a second, 200 shares in two trades. XMPLA rises to 51.00 at 51.02 at 10:05 and falls to 49.00 at 49.02 at 10:06.
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from gateway.data.contracts import ContractBook
from gateway.data.history import History
from gateway.data.sample import EURUSD, XMPLA, XMPLB, XMPLD, XMPLX
from gateway.data.tape import Tape
from gateway.gateway import Gateway

START = dt.datetime(2024, 6, 12, 14, 0, tzinfo=dt.UTC)  # New York 10:00
RISE, FALL = dt.timedelta(minutes=5), dt.timedelta(minutes=6)
LENGTH = 900  # seconds
SIZE = 300.0  # of bid and ask, shares


def _quotes(ends: pd.DatetimeIndex, bid: Any, ask: Any, size: float) -> pd.DataFrame:
    return pd.DataFrame({"bid": bid, "ask": ask, "bid_size": size, "ask_size": size}, index=ends, dtype=float)


def _trades(ends: pd.DatetimeIndex, bid: Any) -> pd.DataFrame:
    """Each second one trade at the bid and one at the ask, 100 shares each."""
    bid = np.asarray(bid, dtype=float)
    ask = np.round(bid + 0.02, 2)
    middle = np.round(bid + 0.01, 2)
    return pd.DataFrame(
        {"open": bid, "high": ask, "low": bid, "close": ask, "volume": 200.0, "wap": middle, "count": 2}, index=ends
    )


@cache
def _tape() -> Tape:
    """From 9:59 on, so that there is a past of a minute."""
    begin = START - dt.timedelta(seconds=59)
    ends = pd.date_range(begin, periods=LENGTH, freq="s")
    bids = np.where(ends > START + FALL, 49.0, np.where(ends > START + RISE, 51.0, 50.0))
    fives = ends[::5]
    return Tape(
        {XMPLA: _trades(ends, bids), XMPLB: _trades(ends, np.full(LENGTH, 40.0))},
        {
            XMPLA: _quotes(ends, bids, np.round(bids + 0.02, 2), SIZE),
            XMPLB: _quotes(ends, 40.0, 40.02, SIZE),
            EURUSD: _quotes(fives, 1.1, 1.10005, 1e6),
        },
        bar_seconds=1,
    )


def _past() -> dict[Any, dict[int, pd.DataFrame]]:
    """Daily bars of the week before: 45 to 49."""
    days = pd.DatetimeIndex(pd.to_datetime(["2024-06-05", "2024-06-06", "2024-06-07", "2024-06-10", "2024-06-11"]))
    closes = np.array([45.0, 46.0, 47.0, 48.0, 49.0])
    frame = pd.DataFrame(
        {"open": closes - 0.5, "high": closes + 1.0, "low": closes - 1.0, "close": closes, "volume": 1e6,
         "wap": closes, "count": 10_000},
        index=days.tz_localize("UTC"),
    )  # fmt: skip
    return {XMPLA: {86_400: frame}, XMPLB: {86_400: frame}}


def make_gateway(**options: Any) -> Gateway:
    """A gateway at 10:00 whose time moves by ``advance`` alone; of XMPLB there are delayed data only."""
    book = ContractBook((XMPLA, XMPLB, EURUSD, XMPLX, *XMPLD))
    tape = _tape()
    history = History(tape, book, _past())
    gateway = Gateway(tape, book, history, speed="still", start=START, standing=True, **options)
    gateway.tws.streams.unsubscribed.add(XMPLB)
    return gateway
