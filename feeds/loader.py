"""From settings to checked bars."""

from __future__ import annotations

import pandas as pd

from core.calendar import ExchangeCalendar
from core.errors import FeedEmptyError, FeedSourceError, UnknownNameError, did_you_mean
from core.settings import Settings
from feeds.caveats import caveats
from feeds.csv_file import CsvSource
from feeds.history import History, Source, within
from feeds.quality import check_bars, require_overlap, utc_index
from feeds.sample import SampleSource

SOURCES: dict[str, Source] = {
    "sample": SampleSource(),
    "csv": CsvSource(),
}


def load(settings: Settings) -> History:
    """Bars of all traded symbols and of the reference symbols that the risk throttle and the regimes name.

    A volatility index without bars in the range is left out, with a note: the throttle then uses realised volatility.
    Raises UnknownNameError (source, symbol), FeedSourceError, FeedError, FeedEmptyError, FeedOverlapError (pairs).
    """
    source = get_source(settings.data.source)
    symbols = wanted_symbols(settings)
    known = source.symbols(settings)
    for symbol in symbols:
        if known and symbol not in known:
            raise UnknownNameError(
                f"source {settings.data.source!r} has no symbol {symbol!r}{did_you_mean(symbol, known)}"
            )
    loaded = source.load(settings, symbols)
    frames: dict[str, pd.DataFrame] = {}
    notes = list(loaded.notes)
    last: pd.Timestamp | None = None  # a reference series that goes on would add days without a market to the equity
    for symbol in symbols:  # the traded ones come first
        if symbol not in loaded.frames:
            raise FeedSourceError(
                f"source {settings.data.source!r} gave no bars of {symbol}; ask another source for it"
            )
        raw = loaded.frames[symbol].set_axis(utc_index(symbol, loaded.frames[symbol].index), axis=0)
        calendar = ExchangeCalendar(settings.instruments[symbol].exchange)
        frame = within(raw, calendar, settings.data.start, settings.data.end)
        if symbol in settings.traded_symbols:
            last = frame.index.max() if last is None else max(last, frame.index.max())
        else:
            frame = frame[frame.index <= last]
        if frame.empty and symbol == settings.risk.throttle.series and symbol not in settings.traded_symbols:
            notes.append(f"{symbol} has no bars in the range, so the volatility throttle uses realised volatility.")
            continue
        if frame.empty:
            raise FeedEmptyError(
                f"{symbol}: no bars from {settings.data.start or 'the beginning'} to {settings.data.end or 'the end'};"
                " widen data.start and data.end or leave the symbol out"
            )
        frames[symbol] = check_bars(symbol, frame)
    for _, unit in settings.units.values():
        require_overlap(unit, frames)
    return History(frames, caveats(settings, frames) + notes)


def get_source(name: str) -> Source:
    """The source of that name. Raises UnknownNameError with a did-you-mean."""
    if name not in SOURCES:
        raise UnknownNameError(f"data.source = {name!r} does not exist{did_you_mean(name, SOURCES)}")
    return SOURCES[name]


def wanted_symbols(settings: Settings) -> tuple[str, ...]:
    """Traded symbols, then the throttle's series and the regimes' benchmark."""
    references = (settings.risk.throttle.series, settings.regimes.benchmark)
    return tuple(dict.fromkeys((*settings.traded_symbols, *(symbol for symbol in references if symbol))))
