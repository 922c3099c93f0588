"""The tape: bars and quotes of some instruments that are replayed step by step."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from core.errors import FeedEmptyError
from gateway.data.columns import BarColumns, QuoteColumns, bar_columns, index_of, quote_columns
from gateway.hours import Moments, moment_of, moment_to_datetime
from gateway.model import Bar, Instrument, Quote

_CHUNK = 4_096  # moments of which the objects are made at once


@dataclass(slots=True)
class Step:
    """All that becomes known at ``when``, UTC: bars that end and quotes that begin to hold."""

    when: dt.datetime
    bars: dict[Instrument, Bar] = field(default_factory=dict)
    quotes: dict[Instrument, Quote] = field(default_factory=dict)


class Tape:
    """Bars (stamped with their end) and quotes, each instrument with one size of bars; sizes may differ between them.

    ``bars``: frames open, high, low, close, volume and, where known, wap and count; ``quotes``: frames bid, ask,
    bid_size, ask_size. ``bar_seconds``: the bars' size, one for all or by instrument; None: the smallest distance of
    two. Raises FeedError for rows that cannot be replayed and FeedEmptyError where there are none.
    """

    def __init__(
        self,
        bars: Mapping[Instrument, pd.DataFrame] | None = None,
        quotes: Mapping[Instrument, pd.DataFrame] | None = None,
        bar_seconds: int | Mapping[Instrument, int] | None = None,
    ) -> None:
        sizes = bar_seconds if isinstance(bar_seconds, Mapping) else dict.fromkeys(bars or {}, bar_seconds)
        self.bars: dict[Instrument, BarColumns] = {
            instrument: bar_columns(frame, instrument.symbol, sizes.get(instrument))
            for instrument, frame in (bars or {}).items()
        }
        self.quotes: dict[Instrument, QuoteColumns] = {
            instrument: quote_columns(frame, f"quotes of {instrument.symbol}")
            for instrument, frame in (quotes or {}).items()
        }
        self.instruments = tuple(dict.fromkeys((*self.bars, *self.quotes)))
        columns: list[BarColumns | QuoteColumns] = [*self.bars.values(), *self.quotes.values()]
        ends = [each.end for each in columns if len(each)]
        if not ends:
            raise FeedEmptyError("the tape holds no bar and no quote; give data for the day, or another day")
        self._moments: Moments = np.unique(np.concatenate(ends))

    def copy(self) -> Tape:
        """A tape of its own over the same arrays."""
        twin = copy.copy(self)
        twin.bars, twin.quotes = dict(self.bars), dict(self.quotes)
        return twin

    def split(self, instrument: Instrument, ratio: float) -> None:
        """One share becomes ``ratio``: prices are divided, to the tick, and sizes multiplied."""
        if instrument in self.bars:
            self.bars[instrument] = self.bars[instrument].split(ratio, instrument.min_tick)
        if instrument in self.quotes:
            self.quotes[instrument] = self.quotes[instrument].split(ratio, instrument.min_tick)

    def __len__(self) -> int:
        """How many steps there are."""
        return len(self._moments)

    @property
    def first(self) -> dt.datetime:
        """Moment of the first step."""
        return moment_to_datetime(int(self._moments[0]))

    @property
    def last(self) -> dt.datetime:
        """Moment of the last step."""
        return moment_to_datetime(int(self._moments[-1]))

    @property
    def begin(self) -> dt.datetime:
        """Start of the first bar, or the first quote: where a clock is set before a replay."""
        firsts = [int(columns.start[0]) for columns in self.bars.values() if len(columns)]
        return moment_to_datetime(min([*firsts, int(self._moments[0])]))

    def steps(self, start: dt.datetime | None = None, end: dt.datetime | None = None) -> Iterator[Step]:
        """Steps after ``start`` up to and including ``end``, one for each moment at which anything happens."""
        after = int(self._moments[0]) - 1 if start is None else moment_of(start)
        until = int(self._moments[-1]) if end is None else moment_of(end)
        low, high = (int(at) for at in np.searchsorted(self._moments, (after, until), side="right"))
        for first in range(low, high, _CHUNK):
            yield from self._chunk(self._moments[first : min(first + _CHUNK, high)])

    def last_bar(self, instrument: Instrument, now: dt.datetime) -> Bar | None:
        """The last bar that has ended by ``now``."""
        columns = self.bars.get(instrument)
        at = -1 if columns is None else columns.last_at(moment_of(now))
        return None if columns is None or at < 0 else next(_bars(columns.rows(at, at + 1)))

    def last_quote(self, instrument: Instrument, now: dt.datetime) -> Quote | None:
        """The quote that holds at ``now``."""
        columns = self.quotes.get(instrument)
        at = -1 if columns is None else columns.last_at(moment_of(now))
        return None if columns is None or at < 0 else next(_quotes(columns.rows(at, at + 1)))

    def rows_of(
        self, instrument: Instrument, after: dt.datetime, until: dt.datetime
    ) -> Iterator[tuple[Bar | None, Quote | None]]:
        """Bars and quotes of one instrument after a moment up to and including another, in order."""
        span = moment_of(after), moment_of(until)
        found: list[tuple[dt.datetime, Bar | None, Quote | None]] = []
        if instrument in self.bars:
            found += [(bar.end, bar, None) for bar in _bars(self.bars[instrument].within(*span))]
        if instrument in self.quotes:
            found += [(quote.when, None, quote) for quote in _quotes(self.quotes[instrument].within(*span))]
        found.sort(key=lambda row: row[0])
        return ((bar, quote) for _, bar, quote in found)

    def _chunk(self, moments: Moments) -> Iterator[Step]:
        steps = [Step(when) for when in index_of(moments).to_pydatetime()]
        after, until = int(moments[0]) - 1, int(moments[-1])
        for instrument, bars in self.bars.items():
            rows = bars.within(after, until)
            for at, bar in zip(np.searchsorted(moments, rows.end).tolist(), _bars(rows), strict=True):
                steps[at].bars[instrument] = bar
        for instrument, quotes in self.quotes.items():
            told = quotes.within(after, until)
            for at, quote in zip(np.searchsorted(moments, told.end).tolist(), _quotes(told), strict=True):
                steps[at].quotes[instrument] = quote
        return iter(steps)


def _bars(rows: BarColumns) -> Iterator[Bar]:
    starts, ends = (index_of(moments).to_pydatetime() for moments in (rows.start, rows.end))
    prices = (column.tolist() for column in (rows.open, rows.high, rows.low, rows.close, rows.volume, rows.wap))
    return map(Bar, starts, ends, *prices, rows.count.tolist())


def _quotes(rows: QuoteColumns) -> Iterator[Quote]:
    numbers = (column.tolist() for column in (rows.bid, rows.ask, rows.bid_size, rows.ask_size))
    return map(Quote, index_of(rows.end).to_pydatetime(), *numbers)
