"""From settings to checked bars."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack

import pandas as pd

from core.calendar import ExchangeCalendar, same_exchange
from core.errors import FeedEmptyError, SettingsError, UnknownNameError, did_you_mean
from core.overrides import dotted
from core.settings import Settings
from feeds.bars import BarSize, RawBars, Request, Source
from feeds.catalog_source import catalog_source, complete
from feeds.caveats import caveats
from feeds.finer import quotes_in
from feeds.history import History, session_notes, stamped_with_close, within
from feeds.hours import bars_in_session, by_hours, check_spacing
from feeds.quality import check_bars, require_overlap, utc_index
from feeds.sample import SampleSource
from feeds.sources.files import CsvSource


def sample_source(settings: Settings) -> SampleSource:
    """The sample, whose notes speak of the fills and the symbols of these settings."""
    return SampleSource(settings.execution, settings.wanted_symbols)


def csv_source(settings: Settings) -> CsvSource:
    """The files of ``data.folder``, and those that instruments name. Where orders are matched on finer bars, the files
    hold those."""
    stored = settings.data.matching_bar if settings.matching == "ibkr" else None
    files = {symbol: one.file for symbol, one in settings.instruments.items() if one.file}
    return CsvSource(settings.data.folder, files, stored)


SOURCES: dict[str, Callable[[Settings], Source]] = {
    "sample": sample_source,
    "csv": csv_source,
    "catalog": catalog_source,
}  # data.source -> what makes it; a source that holds something open is a context manager


def load(settings: Settings, *, warm_up: int = 0) -> History:
    """Bars of all traded symbols and of the reference symbols that the risk throttle and the regimes name.

    ``warm_up``: bars of each symbol before ``data.start`` that are wanted too, as far as the source reaches, so that
    indicators have settled when the range begins; a few more may come. ``History.begin`` then parts the two.
    With ``matching = "ibkr"`` the bars of ``data.matching_bar`` and quotes of the traded symbols come with them.
    A volatility index without bars in the range is left out, with a note: the throttle then uses realised volatility.
    Raises UnknownNameError (source, symbol), FeedSourceError, CatalogError, FeedError, FeedEmptyError,
    FeedOverlapError (pairs), SettingsError (a currency or exchange that the source contradicts).
    """
    settings = complete(settings)
    traded, data = settings.traded_symbols, settings.data
    start = earlier_start(settings, warm_up)
    first: dict[str, dt.datetime] = {}  # symbol -> its first bar from data.start on
    frames: dict[str, pd.DataFrame] = {}
    notes: list[str] = []
    last: pd.Timestamp | None = None  # a reference series that goes on would add days without a market to the equity
    with ExitStack() as opened:
        source = get_source(settings)
        if isinstance(source, AbstractContextManager):
            opened.enter_context(source)
        for symbol in settings.wanted_symbols:  # the traded ones come first
            frame, said = read_bars(source, settings, symbol, settings.data.bar, start)
            if symbol in traded and len(frame):
                last = frame.index.max() if last is None else max(last, frame.index.max())
            elif last is not None:
                frame = frame[frame.index <= last]
            calendar = ExchangeCalendar(settings.instruments[symbol].exchange)
            used = within(frame, calendar, data.start, data.end)
            notes += said
            if used.empty and symbol == settings.risk.throttle.series and symbol not in traded:
                notes.append(f"{symbol} has no bars in the range, so the volatility throttle uses realised volatility.")
                continue
            if used.empty:
                raise FeedEmptyError(
                    f"{symbol}: no bars from {data.start or 'the beginning'} to {data.end or 'the end'};"
                    " widen data.start and data.end or leave the symbol out"
                )
            first[symbol] = used.index.min().to_pydatetime(warn=False)
            frames[symbol] = check_bars(symbol, frame)
        fine, fine_quotes = _matched_on(source, settings, notes) if settings.matching == "ibkr" else ({}, {})
    for _, unit in settings.units.values():
        require_overlap(unit, frames)
    begin = min(first[symbol] for symbol in traded)
    warm = any(frame.index[0] < begin for frame in frames.values())
    said = caveats(settings, frames) + merged(notes, settings.wanted_symbols)
    return History(frames, said, begin if warm else None, fine, fine_quotes)


Frames = dict[str, pd.DataFrame]  # by symbol
_OUTSIDE = "outside regular hours"


def _matched_on(source: Source, settings: Settings, notes: list[str]) -> tuple[Frames, Frames]:
    """The finer bars and the quotes on which orders are filled, from ``data.start`` on. Raises FeedEmptyError."""
    bars, quotes, bar = Frames(), Frames(), settings.data.matching_bar
    for symbol in settings.traded_symbols:
        frame, said = read_bars(source, settings, symbol, bar, settings.data.start)
        notes += [note for note in said if _OUTSIDE not in note]  # that is said of the strategies' bars
        told = quotes_in(frame)
        if told is not None:
            quotes[symbol] = told
        if "volume" in frame and (told is None or frame["volume"].any()):  # bars of quotes are no trades
            bars[symbol] = check_bars(symbol, frame)
        if symbol not in bars and symbol not in quotes:
            raise FeedEmptyError(
                f"{symbol}: no bars of {bar} to match orders on from {settings.data.start or 'the beginning'} to "
                f'{settings.data.end or "the end"}; load them, set data.matching_bar, or matching = "bar"'
            )
    return bars, quotes


def read_bars(
    source: Source, settings: Settings, symbol: str, bar: BarSize, start: dt.date | None
) -> tuple[pd.DataFrame, list[str]]:
    """Bars of one symbol from ``start`` to ``data.end``, stamped with their close in UTC, and what to say of them."""
    data, instrument = settings.data, settings.instruments[symbol]
    calendar = ExchangeCalendar(instrument.exchange)
    raw = source.fetch(Request(symbol, bar, start, data.end, instrument.exchange))
    _refuse_contradictions(settings, raw)
    if not len(raw.frame):
        return pd.DataFrame(index=pd.DatetimeIndex([], tz="UTC")), list(raw.notes)
    times, left_out = utc_index(symbol, raw.frame.index), list[dt.date]()
    if bar == "1d":
        labelled = raw.frame.set_axis(times.tz_localize(None), axis=0)
        frame, left_out = stamped_with_close(labelled, calendar, start, data.end)
    else:
        frame = within(raw.frame.set_axis(times, axis=0), calendar, start, data.end)
    notes = [*raw.notes, *session_notes(symbol, frame, calendar, left_out)]
    if bar != "1d" and len(frame):
        check_spacing(symbol, frame, bar, calendar)
        frame, said = by_hours(symbol, frame, calendar, data.hours)
        notes += said
    return frame, notes


def _refuse_contradictions(settings: Settings, raw: RawBars) -> None:
    """Raise SettingsError where the settings say another currency or exchange than the source."""
    instrument = settings.instruments[raw.symbol]
    key = dotted(("instruments", raw.symbol))
    for name, here, there, same in (
        ("currency", instrument.currency, raw.currency, instrument.currency == raw.currency),
        ("exchange", instrument.exchange, raw.exchange, same_exchange(instrument.exchange, raw.exchange)),
    ):
        if there is not None and not same:
            raise SettingsError(
                f'{key}.{name} = "{here}", but source {settings.data.source!r} has {raw.symbol} with "{there}"; '
                f"delete the line, or correct the source"
            )


def merged(notes: Iterable[str], symbols: Iterable[str]) -> list[str]:
    """The notes, each once: those that say the same of several symbols as one that names them all."""
    owners, known = dict[tuple[bool, str], list[str]](), set(symbols)
    for note in notes:
        symbol, _, text = note.partition(": ")
        named = symbol in known
        owners.setdefault((named, text if named else note), []).append(symbol)
    return [f"{', '.join(dict.fromkeys(names))}: {text}" if named else text for (named, text), names in owners.items()]


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


def get_source(settings: Settings) -> Source:
    """The source that ``data.source`` names. Raises UnknownNameError with a did-you-mean."""
    name = settings.data.source
    if name not in SOURCES:
        raise UnknownNameError(f"data.source = {name!r} does not exist{did_you_mean(name, SOURCES)}")
    return SOURCES[name](settings)
