"""From settings to checked bars."""

from __future__ import annotations

import datetime as dt
import math

import pandas as pd

from core.calendar import ExchangeCalendar
from core.errors import FeedEmptyError, FeedSourceError, UnknownNameError, did_you_mean
from core.settings import Settings
from feeds.caveats import caveats
from feeds.csv_file import CsvSource
from feeds.history import History, Source, within
from feeds.hours import bars_in_session, by_hours, check_spacing
from feeds.quality import check_bars, require_overlap, utc_index
from feeds.sample import SampleSource

SOURCES: dict[str, Source] = {
    "sample": SampleSource(),
    "csv": CsvSource(),
}


def load(settings: Settings, *, warm_up: int = 0) -> History:
    """Bars of all traded symbols and of the reference symbols that the risk throttle and the regimes name.

    ``warm_up``: bars of each symbol before ``data.start`` that are wanted too, as far as the source reaches, so that
    indicators have settled when the range begins; a few more may come. ``History.begin`` then parts the two.
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
    start = earlier_start(settings, warm_up)
    data = settings.data.model_copy(update={"start": start})
    loaded = source.load(settings.model_copy(update={"data": data}), symbols)
    first: dict[str, dt.datetime] = {}  # symbol -> its first bar from data.start on
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
        frame = within(raw, calendar, start, settings.data.end)
        if settings.data.bar != "1d" and len(frame):
            check_spacing(symbol, frame, settings.data.bar, calendar)
            frame, said = by_hours(symbol, frame, calendar, settings.data.hours)
            notes += said
        if symbol in settings.traded_symbols:
            last = frame.index.max() if last is None else max(last, frame.index.max())
        else:
            frame = frame[frame.index <= last]
        used = within(frame, calendar, settings.data.start, settings.data.end) if len(frame) else frame
        if used.empty and symbol == settings.risk.throttle.series and symbol not in settings.traded_symbols:
            notes.append(f"{symbol} has no bars in the range, so the volatility throttle uses realised volatility.")
            continue
        if used.empty:
            raise FeedEmptyError(
                f"{symbol}: no bars from {settings.data.start or 'the beginning'} to {settings.data.end or 'the end'};"
                " widen data.start and data.end or leave the symbol out"
            )
        first[symbol] = used.index.min().to_pydatetime(warn=False)
        frames[symbol] = check_bars(symbol, frame)
    for _, unit in settings.units.values():
        require_overlap(unit, frames)
    begin = min(first[symbol] for symbol in settings.traded_symbols)
    warm = any(frame.index[0] < begin for frame in frames.values())
    return History(frames, caveats(settings, frames) + notes, begin if warm else None)


def earlier_start(settings: Settings, warm_up: int) -> dt.date | None:
    """The session at which to begin so that ``warm_up`` bars lie before ``data.start``, a few gaps allowed for."""
    start = settings.data.start
    if start is None or not warm_up:
        return start
    starts = [start]
    for code in {settings.instruments[symbol].exchange for symbol in settings.traded_symbols}:
        calendar = ExchangeCalendar(code)
        if calendar.first < start <= calendar.last:
            before = calendar.sessions(calendar.first, start - dt.timedelta(days=1))
            sessions = math.ceil(1.05 * warm_up / bars_in_session(settings.data.bar, calendar)) + 5
            starts.append(before[max(0, len(before) - sessions)])
    return min(starts)


def get_source(name: str) -> Source:
    """The source of that name. Raises UnknownNameError with a did-you-mean."""
    if name not in SOURCES:
        raise UnknownNameError(f"data.source = {name!r} does not exist{did_you_mean(name, SOURCES)}")
    return SOURCES[name]


def wanted_symbols(settings: Settings) -> tuple[str, ...]:
    """Traded symbols, then the throttle's series and the regimes' benchmark."""
    references = (settings.risk.throttle.series, settings.regimes.benchmark)
    return tuple(dict.fromkeys((*settings.traded_symbols, *(symbol for symbol in references if symbol))))
