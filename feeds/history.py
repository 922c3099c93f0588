"""Checked bars of a run, and what brings the bars of a source there: ranges, stamps, what is missing."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from core.calendar import ExchangeCalendar
from core.errors import UnknownNameError, did_you_mean
from core.steps import Steps, SymbolBars
from feeds.columnar import BarArrays, ColumnarData, epoch_microseconds


@dataclass(frozen=True)
class History:
    """Checked bars of every symbol of a run."""

    frames: dict[str, pd.DataFrame]  # symbol -> float64 open, high, low, close, volume; index UTC, bar closes
    notes: list[str] = field(default_factory=list)  # for every report
    begin: dt.datetime | None = None  # first bar that counts, UTC; those before settle indicators. None = all count
    # matching = "ibkr": what orders are filled on, by symbol
    fine: dict[str, pd.DataFrame] = field(default_factory=dict)  # bars of data.matching_bar, as in ``frames``
    fine_quotes: dict[str, pd.DataFrame] = field(default_factory=dict)  # bid, ask, bid_size, ask_size; from then on

    def counted(self, symbol: str) -> pd.DataFrame:
        """The bars of ``symbol`` that count: those from ``begin`` on."""
        frame = self.frames[symbol]
        return frame if self.begin is None else frame[frame.index >= self.begin]

    def data(self, symbol: str, **params: Any) -> ColumnarData:
        """A new feed over the shared arrays of ``symbol``; ``params`` go to ColumnarData."""
        if symbol not in self.frames:
            raise UnknownNameError(f"no bars of {symbol!r} were loaded{did_you_mean(symbol, self.frames)}")
        params.setdefault("name", symbol)
        return ColumnarData(dataname=self._arrays(symbol), **params)  # type: ignore[call-arg]  # bt's metaclass

    @functools.cached_property
    def hash(self) -> str:
        """SHA-256 over symbols, times and values of all bars, those that orders are filled on included."""
        digest = hashlib.sha256()
        for kind, frames in (("", self.frames), ("fine\0", self.fine), ("quotes\0", self.fine_quotes)):
            for symbol in sorted(frames):
                frame = frames[symbol]
                assert isinstance(frame.index, pd.DatetimeIndex)  # by check_bars
                digest.update(f"{kind}{symbol}\0{len(frame)}\0{','.join(frame.columns)}\0".encode())
                digest.update(epoch_microseconds(frame.index).astype("<i8").tobytes())
                digest.update(np.ascontiguousarray(frame.to_numpy(), dtype="<f8").tobytes())
        return digest.hexdigest()

    def steps(self, symbols: Iterable[str]) -> Steps | None:
        """The moments at which any of ``symbols`` has a bar, with their bars along them; made once.

        None where a symbol has two bars of one time, which are no two moments.
        """
        key = tuple(sorted(set(symbols)))
        if key not in self._steps:
            columns = {symbol: self._arrays(symbol) for symbol in key}
            plain = all(bool((np.diff(each.datetime) > 0.0).all()) for each in columns.values())
            self._steps[key] = _steps(columns) if plain else None
        return self._steps[key]

    def _arrays(self, symbol: str) -> BarArrays:
        if symbol not in self._cache:
            self._cache[symbol] = BarArrays(self.frames[symbol], keep=True)
        return self._cache[symbol]

    @functools.cached_property
    def _steps(self) -> dict[tuple[str, ...], Steps | None]:
        return {}

    @functools.cached_property
    def _cache(self) -> dict[str, BarArrays]:
        return {}


def _steps(columns: dict[str, BarArrays]) -> Steps:
    times = [each.datetime for each in columns.values()]
    shared = all(np.array_equal(times[0], each) for each in times[1:])
    numbers = times[0] if shared else np.unique(np.concatenate(times))
    bars = {}
    for symbol, each in columns.items():
        prices = [each.column(name) for name in ("high", "low", "close")]
        high, low, close = (price for price in prices if price is not None)  # each is there: see BarArrays.column
        rows = np.arange(len(numbers)) if shared else np.searchsorted(each.datetime, numbers, side="right") - 1
        bars[symbol] = SymbolBars(rows, high, low, close)
    return Steps(numbers, bars)


def within(frame: pd.DataFrame, calendar: ExchangeCalendar, start: dt.date | None, end: dt.date | None) -> pd.DataFrame:
    """Bars of the sessions from ``start`` to ``end``, inclusive; None leaves a side open. The index is UTC."""
    span = calendar.span(start, end)
    if span is None:
        return frame.iloc[:0]
    after, until = span
    keep = np.ones(len(frame), dtype=bool)
    if after is not None:
        keep &= frame.index > after
    if until is not None:
        keep &= frame.index <= until
    return frame if keep.all() else frame[keep]


def of_days(frame: pd.DataFrame, start: dt.date | None, end: dt.date | None) -> pd.DataFrame:
    """Daily bars from ``start`` to ``end``, inclusive; None leaves a side open. The index is of naive midnights."""
    keep = np.ones(len(frame), dtype=bool)
    if start is not None:
        keep &= frame.index >= pd.Timestamp(start)
    if end is not None:
        keep &= frame.index <= pd.Timestamp(end)
    return frame if keep.all() else frame[keep]


def stamped_with_close(
    frame: pd.DataFrame, calendar: ExchangeCalendar, start: dt.date | None, end: dt.date | None
) -> tuple[pd.DataFrame, list[dt.date]]:
    """Daily bars indexed by date, cut to ``start`` to ``end`` and stamped with the close of their session in UTC.

    Returns them with the dates left out because the exchange had no session on them. Raises CalendarError where the
    calendar does not reach.
    """
    frame = of_days(frame.set_axis(pd.DatetimeIndex(frame.index).normalize(), axis=0), start, end)
    days = pd.DatetimeIndex(frame.index)
    closes, there = calendar.closes_of(days)
    left_out = [stamp.date() for stamp in days[~there].unique()]
    return frame[there].set_axis(closes, axis=0), left_out


def session_notes(
    symbol: str, bars: pd.DataFrame, calendar: ExchangeCalendar, left_out: Sequence[dt.date]
) -> list[str]:
    """Sentences on rows without a session and on sessions without a bar, from the first bar to the last."""
    notes = []
    if left_out:
        days = "1 day" if len(left_out) == 1 else f"{len(left_out)} days"
        notes.append(f"{symbol}: bars of {days} without a session were left out{_some(left_out)}.")
    seen = calendar.sessions_of(pd.DatetimeIndex(bars.index))
    if seen:
        missing = sorted(set(calendar.sessions(seen[0], seen[-1])).difference(seen))
        if missing:
            sessions = "1 session has" if len(missing) == 1 else f"{len(missing)} sessions have"
            notes.append(f"{symbol}: {sessions} no bar{_some(missing)}.")
    return notes


def _some(days: Sequence[dt.date]) -> str:
    return f" ({', '.join(map(str, days[:3]))}{', ...' if len(days) > 3 else ''})"
