"""Bars and quotes as sorted arrays: what tape and history are made of. Moments are microseconds since 1970, UTC."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import FeedError
from gateway.hours import SECOND, Moments

Floats = npt.NDArray[np.float64]
PRICES = ("open", "high", "low", "close")
QUOTES = ("bid", "ask", "bid_size", "ask_size")
SHARES_PER_TRADE = 100  # count of a bar that does not come with one


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """``end`` is strictly rising; all arrays have one length."""

    end: Moments

    def __len__(self) -> int:
        return len(self.end)

    def rows(self, first: int, last: int) -> Self:
        """Rows ``first`` to ``last``, the latter not included."""
        arrays = {
            field.name: getattr(self, field.name)[first:last]
            for field in fields(self)
            if isinstance(getattr(self, field.name), np.ndarray)
        }
        return replace(self, **arrays)

    def within(self, after: int, until: int) -> Self:
        """Rows with ``after < end <= until``."""
        return self.rows(*(int(at) for at in np.searchsorted(self.end, (after, until), side="right")))

    def last_at(self, moment: int) -> int:
        """Index of the last row that has ended at a moment; -1: none has."""
        return int(np.searchsorted(self.end, moment, side="right")) - 1


@dataclass(frozen=True, slots=True, eq=False)
class BarColumns(_Columns):
    """Bars of one size, ``seconds``, stamped with their end; ``wap``: the average price of the bar's trades."""

    seconds: int
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    wap: Floats
    count: Moments

    @property
    def start(self) -> Moments:
        return self.end - self.seconds * SECOND

    def split(self, ratio: float, tick: float) -> BarColumns:
        """Of one share have become ``ratio``: prices to the tick."""
        return replace(
            self,
            open=_to_tick(self.open / ratio, tick),
            high=_to_tick(self.high / ratio, tick),
            low=_to_tick(self.low / ratio, tick),
            close=_to_tick(self.close / ratio, tick),
            volume=self.volume * ratio,
            wap=self.wap / ratio,
        )


@dataclass(frozen=True, slots=True, eq=False)
class QuoteColumns(_Columns):
    """Best bid and ask from the moment ``end`` on; NaN: there is none."""

    bid: Floats
    ask: Floats
    bid_size: Floats
    ask_size: Floats

    def split(self, ratio: float, tick: float) -> QuoteColumns:
        """Of one share have become ``ratio``: prices to the tick."""
        return replace(
            self,
            bid=_to_tick(self.bid / ratio, tick),
            ask=_to_tick(self.ask / ratio, tick),
            bid_size=self.bid_size * ratio,
            ask_size=self.ask_size * ratio,
        )


def bar_columns(frame: pd.DataFrame, name: str, seconds: int | None = None) -> BarColumns:
    """Arrays of a frame open, high, low, close, volume (and wap, count), indexed by the bars' ends, UTC.

    ``seconds``: size of the bars; None: the smallest distance of two. Without wap it is the mean of high, low and
    close, and a count is made of 100 shares each. Raises FeedError for bars that cannot be replayed.
    """
    end = _moments(frame, name, (*PRICES, "volume"))
    prices = {column: _numbers(frame, name, column) for column in PRICES}
    high, low = prices["high"], prices["low"]
    bad = (high < np.maximum(prices["open"], prices["close"])) | (low > np.minimum(prices["open"], prices["close"]))
    if bad.any():
        raise FeedError(
            f"{name}: the bar that ends {frame.index[int(np.argmax(bad))]} has a high below or a low above its open or"
            " close; mend it (`halflife data check` names all)"
        )
    if seconds is None:
        if len(end) < 2:
            raise FeedError(f"{name}: the size of a single bar cannot be seen; give bar_seconds")
        seconds = max(1, int(np.diff(end).min()) // SECOND)
    elif len(end) > 1 and np.diff(end).min() < seconds * SECOND:
        raise FeedError(f"{name}: bars of {seconds} s overlap; give the size that they have as bar_seconds")
    volume = _numbers(frame, name, "volume")
    if (volume < 0).any():
        raise FeedError(f"{name}: the bar that ends {frame.index[int(np.argmax(volume < 0))]} has a negative volume")
    wap = _numbers(frame, name, "wap") if "wap" in frame else (high + low + prices["close"]) / 3.0
    if "count" in frame:
        count = np.asarray(frame["count"], dtype=np.int64)
    else:
        count = np.where(volume > 0, np.maximum(1, volume // SHARES_PER_TRADE), 0).astype(np.int64)
    return BarColumns(end, seconds, **prices, volume=volume, wap=wap, count=count)


def quote_columns(frame: pd.DataFrame, name: str) -> QuoteColumns:
    """Arrays of a frame bid, ask, bid_size, ask_size, indexed by the moment, UTC, from which they hold."""
    end = _moments(frame, name, QUOTES)
    return QuoteColumns(end, *(np.asarray(frame[column], dtype=np.float64) for column in QUOTES))


def index_of(moments: Moments) -> pd.DatetimeIndex:
    """Moments as an index in UTC."""
    return pd.DatetimeIndex(moments.view("M8[us]")).tz_localize("UTC")


def _to_tick(prices: Floats, tick: float) -> Floats:
    """Prices on the grid, without the dust of the multiplication."""
    on_grid: Floats = np.round(np.round(prices / tick) * tick, 8)
    return on_grid


def _moments(frame: pd.DataFrame, name: str, wanted: tuple[str, ...]) -> Moments:
    missing = [column for column in wanted if column not in frame]
    if missing:
        raise FeedError(f"{name}: no column {', '.join(missing)}; the gateway replays {', '.join(wanted)}")
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex):
        raise FeedError(f"{name}: the index is no DatetimeIndex; index the frame by the bars' ends, UTC")
    utc = index.tz_localize("UTC") if index.tz is None else index.tz_convert("UTC")
    moments: Moments = utc.as_unit("us").asi8.copy()
    if len(moments) > 1:
        steps = np.diff(moments)
        if (steps <= 0).any():
            raise FeedError(
                f"{name}: {index[int(np.argmax(steps <= 0)) + 1]} does not come after the row before it; "
                "sort the rows and keep one for each time"
            )
    return moments


def _numbers(frame: pd.DataFrame, name: str, column: str) -> Floats:
    values = np.asarray(frame[column], dtype=np.float64)
    bad = ~np.isfinite(values)
    if bad.any():
        raise FeedError(f"{name}: {column} at {frame.index[int(np.argmax(bad))]} is no number; leave that row out")
    return values
