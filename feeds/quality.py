"""Checks of bars before anything is computed from them. Every refusal names the rule, the first bars and the cure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.errors import FeedEmptyError, FeedError, FeedOverlapError, FeedTooShortError

COLUMNS = ("open", "high", "low", "close", "volume")
_PRICES = ("open", "high", "low", "close")
_SHOWN = 3  # bars named in an error
FLOAT_NOISE = 1e-9  # relative: prices that were multiplied by a factor are not exact


def check_bars(symbol: str, frame: pd.DataFrame, *, allow_nonpositive: bool = False, cure: str = "") -> pd.DataFrame:
    """Return bars as the engine wants them, or raise FeedError (FeedEmptyError without bars).

    Takes a frame with a DatetimeIndex (naive = UTC) and columns open, high, low, close, volume; returns a frame
    with the index in UTC and these columns alone as float64. Nothing is repaired.
    ``allow_nonpositive`` is for spreads and rates; prices of what is traded are above 0. ``cure``: what to do about
    bars that are refused, where the caller knows it better.
    """
    if frame.empty and not len(frame.index):
        raise FeedEmptyError(f"{symbol}: no bars; check the source and the range data.start to data.end")
    bars = _columns(symbol, frame)
    index = _index(symbol, frame.index, cure)
    bars.index = index
    opens, highs, lows, closes, volumes = (bars[name].to_numpy() for name in COLUMNS)
    finite = np.isfinite(opens) & np.isfinite(highs) & np.isfinite(lows) & np.isfinite(closes) & np.isfinite(volumes)
    _refuse(symbol, index, ~finite, "NaN or infinite", cure or "fill them at the source or drop them")
    if not allow_nonpositive:
        bad = (opens <= 0.0) | (highs <= 0.0) | (lows <= 0.0) | (closes <= 0.0)
        _refuse(symbol, index, bad, "a price at or below 0", cure or "correct them at the source")
    _refuse(symbol, index, volumes < 0.0, "negative volume", cure or "correct it at the source")
    largest = np.maximum(np.maximum(np.abs(opens), np.abs(highs)), np.maximum(np.abs(lows), np.abs(closes)))
    noise = FLOAT_NOISE * largest
    highest, lowest = highs + noise, lows - noise
    _refuse(symbol, index, highs < lowest, "high below low", cure or "correct them at the source")
    for name, prices in (("open", opens), ("close", closes)):
        outside = (prices > highest) | (prices < lowest)
        _refuse(symbol, index, outside, f"{name} outside [low, high]", cure or "correct them at the source")
    return bars


def require_overlap(symbols: Sequence[str], frames: Mapping[str, pd.DataFrame]) -> int:
    """Return the number of bars that all symbols share; raise FeedOverlapError when there is none."""
    shared = frames[symbols[0]].index
    for symbol in symbols[1:]:
        shared = shared.intersection(frames[symbol].index)
    if not len(shared):
        spans = ", ".join(f"{s} {frames[s].index[0]:%Y-%m-%d %H:%M} to {frames[s].index[-1]:%Y-%m-%d %H:%M} UTC"
                          for s in symbols)  # fmt: skip
        raise FeedOverlapError(
            f"{'-'.join(symbols)}: not one bar in common ({spans}); use data of the same days and bar size"
        )
    return len(shared)


def require_bars(name: str, symbols: Sequence[str], frames: Mapping[str, pd.DataFrame], needed: int) -> None:
    """Raise FeedTooShortError when the symbols share fewer than ``needed`` bars."""
    shared = require_overlap(symbols, frames)
    if shared < needed:
        owner = f"of {symbols[0]}" if len(symbols) == 1 else f"that {' and '.join(symbols)} share"
        raise FeedTooShortError(
            f"{name}: {shared} bars {owner}, but the indicators need {needed} to settle; "
            "use more history (data.start, data.end) or shorter periods"
        )


def _columns(symbol: str, frame: pd.DataFrame) -> pd.DataFrame:
    lower = [str(name).lower() for name in frame.columns]
    missing = [name for name in COLUMNS if name not in lower]
    if missing:
        raise FeedError(f"{symbol}: no column {', '.join(missing)} (there are: {', '.join(lower) or 'none'}); add it")
    columns: dict[str, Any] = {}
    for name in COLUMNS:
        if lower.count(name) > 1:
            raise FeedError(f"{symbol}: two columns named {name}; drop one")
        series = frame.iloc[:, lower.index(name)]
        if not pd.api.types.is_numeric_dtype(series) or pd.api.types.is_bool_dtype(series):
            example = next((repr(value) for value in series if not isinstance(value, int | float)), "")
            raise FeedError(
                f"{symbol}: column {name} is of type {series.dtype}, not numbers{f' ({example})' if example else ''}; "
                "convert it with pd.to_numeric"
            )
        columns[name] = series.to_numpy(dtype=np.float64, na_value=np.nan)
    return pd.DataFrame(columns, copy=True)


def utc_index(symbol: str, index: pd.Index[Any]) -> pd.DatetimeIndex:
    """The times of bars in UTC (naive = UTC). Raises FeedError when they are no times."""
    if not isinstance(index, pd.DatetimeIndex):
        raise FeedError(
            f"{symbol}: the index is a {type(index).__name__}, not a DatetimeIndex; "
            "set it: frame.set_index(pd.to_datetime(frame['date']))"
        )
    if index.hasnans:
        count = int(np.count_nonzero(index.isna()))
        raise FeedError(f"{symbol}: {count} {'bar' if count == 1 else 'bars'} without a time (NaT); drop them")
    return index.tz_localize("UTC") if index.tz is None else index.tz_convert("UTC")


def _index(symbol: str, index: pd.Index[Any], cure: str) -> pd.DatetimeIndex:
    """The times in UTC, each later than the one before it."""
    utc = utc_index(symbol, index)
    steps = np.diff(utc.asi8)
    _refuse(symbol, utc[1:], steps < 0, "earlier than the bar before it", cure or "sort by time: frame.sort_index()")
    again = "drop duplicates: keep one bar a time"
    _refuse(symbol, utc[1:], steps == 0, "the same time as the bar before it", cure or again)
    return utc


def _refuse(symbol: str, index: pd.DatetimeIndex, bad: Any, rule: str, cure: str) -> None:
    """``bad``: bool, shape (n,). Raise FeedError when any bar is bad: how many, the rule, the first ones, the cure."""
    count = int(np.count_nonzero(bad))
    if count:
        stamps = [f"{stamp:%Y-%m-%d %H:%M:%S}" for stamp in index[bad][:_SHOWN]]
        more = ", ..." if count > _SHOWN else ""
        noun = "1 bar" if count == 1 else f"{count} bars"
        raise FeedError(f"{symbol}: {noun} with {rule}: {', '.join(stamps)}{more} UTC; {cure}")
