"""What the gateway serves: the generated sample, or days of the catalog with what came before them as history."""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.calendar import ExchangeCalendar
from core.errors import CatalogError, FeedEmptyError

if TYPE_CHECKING:
    import pandas as pd

    from feeds.bars import BarSize
    from feeds.catalog import Catalog, Series
    from gateway.data.contracts import ContractBook
    from gateway.data.history import History
    from gateway.data.tape import Tape
    from gateway.model import Instrument

SECONDS: dict[BarSize, int] = {"1s": 1, "1m": 60, "1h": 3_600, "1d": 86_400}  # the finest first
_PRIMARY = {"XNYS": "NYSE", "XNAS": "NASDAQ", "XASE": "AMEX", "ARCX": "ARCA", "XLON": "LSE", "XETR": "IBIS"}
_SCHEDULES = {"USD": "ibkr_us_fixed", "EUR": "ibkr_eu_fixed", "GBP": "ibkr_uk_tiered", "CHF": "ibkr_ch_tiered"}
_ZONES = {"America/New_York": "US/Eastern"}  # as IBKR calls it
_US_CENTS, _EUROPE = 26, 9002  # market rules
_SIZE = 1_000.0  # shares at bid and ask where the quotes have no sizes


@dataclass(frozen=True)
class Served:
    """What a gateway is made of, and a line for each part of it that a person should know."""

    tape: Tape
    book: ContractBook
    history: History
    lines: tuple[str, ...]


def sample(day: dt.date | None, days: int, seed: int) -> Served:
    """The generated pair. Raises CalendarError for a day on which its exchange is closed."""
    from gateway.data.sample import make_sample
    from gateway.gateway import SAMPLE_DAY

    made = make_sample(day or SAMPLE_DAY, seed, sessions=days)
    tape, book, truth = made.tape(), made.book(), made.truth
    line = (
        f"XMPLA and XMPLB, generated (seed {seed}): XMPLA = {truth.intercept:g} + {truth.hedge_ratio:g} XMPLB "
        f"+ a spread with a half-life of {truth.half_life / 60:g} minutes; bars and quotes of 1 second"
    )
    return Served(tape, book, made.history(tape, book), (line, "EURUSD, quotes of 1 second"))


def catalog(folder: Path, symbols: Sequence[str], day: dt.date | None, days: int, bar: BarSize | None) -> Served:
    """Sessions of the catalog from ``day`` on (default: the last one of all symbols), in their finest bars or ``bar``.

    Raises CatalogError, UnknownNameError, FeedEmptyError (no bars on that day).
    """
    from feeds.catalog_source import open_catalog
    from gateway.data.contracts import ContractBook
    from gateway.data.history import History
    from gateway.data.sample import EURUSD
    from gateway.data.tape import Tape

    with open_catalog(folder) as opened:
        chosen = {symbol: _finest(opened, symbol, bar) for symbol in symbols}
        first = day or min(series.last.date() for series in chosen.values())
        bars: dict[Instrument, pd.DataFrame] = {}
        quotes: dict[Instrument, pd.DataFrame] = {}
        frames: dict[Instrument, dict[int, pd.DataFrame]] = {}
        lines = []
        for symbol, series in chosen.items():
            instrument = _instrument(series)
            sessions = _sessions(series, first, days)
            played = opened.bars(symbol, series.bar, sessions[0], sessions[-1])
            if not len(played):
                raise FeedEmptyError(
                    f"{symbol}: no bars of {series.bar} on {first}; the catalog has {series.first:%Y-%m-%d} to "
                    f"{series.last:%Y-%m-%d}: choose another --date"
                )
            ended = _ended(played, instrument.calendar)
            bars[instrument] = ended
            if {"bid", "ask"} <= set(ended.columns):
                quotes[instrument] = ended.reindex(columns=["bid", "ask", "bid_size", "ask_size"]).fillna(
                    {"bid_size": _SIZE, "ask_size": _SIZE}
                )
            frames[instrument] = _earlier(opened, symbol, instrument, sessions[0])
            lines.append(f"{symbol}, {series.currency}, {instrument.calendar}: {len(played):,} bars of {series.bar}")
    tape = Tape(bars, quotes, {instrument: SECONDS[chosen[instrument.symbol].bar] for instrument in bars})
    book = ContractBook((*bars, EURUSD))
    return Served(tape, book, History(tape, book, frames), tuple(lines))


def _finest(opened: Catalog, symbol: str, bar: BarSize | None) -> Series:
    if bar is not None:
        return opened.get(symbol, bar)
    there = {series.bar for series in opened.series() if series.symbol == symbol}
    for size in SECONDS:
        if size in there:
            return opened.get(symbol, size)
    return opened.get(symbol, "1d")  # raises, with what there is


def _sessions(series: Series, first: dt.date, days: int) -> tuple[dt.date, ...]:
    exchange = ExchangeCalendar(series.exchange)
    exchange.close_of(first)  # raises where it is closed
    return exchange.sessions(first, min(first + dt.timedelta(days=10 + 2 * days), exchange.last))[:days]


def _ended(frame: pd.DataFrame, calendar: str) -> pd.DataFrame:
    """Bars stamped with the moment at which they end, UTC; a daily bar ends with its session."""
    if frame.index.tz is not None:  # type: ignore[attr-defined]
        return frame
    closes, there = ExchangeCalendar(calendar).closes_of(frame.index)  # type: ignore[arg-type]
    return frame[there].set_axis(closes)


def _earlier(opened: Catalog, symbol: str, instrument: Instrument, before: dt.date) -> dict[int, pd.DataFrame]:
    """All that the catalog has of the time before, by the bars' size in seconds."""
    found = {}
    for series in opened.series():
        if series.symbol == symbol and series.first.date() < before:
            frame = opened.bars(symbol, series.bar, None, before - dt.timedelta(days=1))
            if len(frame):
                found[SECONDS[series.bar]] = _ended(frame, instrument.calendar)
    return found


def _instrument(series: Series) -> Instrument:
    from gateway.model import Instrument

    if series.currency not in _SCHEDULES:
        raise CatalogError(
            f"{series.symbol} is in {series.currency}; the gateway trades {', '.join(_SCHEDULES)}: choose other symbols"
        )
    exchange = ExchangeCalendar(series.exchange)
    zone = str(exchange.tz)
    return Instrument(
        con_id=800_000_000 + zlib.crc32(f"{series.symbol}/{series.currency}".encode()) % 90_000_000,
        symbol=series.symbol,
        currency=series.currency,
        primary_exchange=_PRIMARY.get(exchange.code, exchange.code),
        market_rule=_US_CENTS if series.currency == "USD" else _EUROPE,
        calendar=exchange.code,
        time_zone=_ZONES.get(zone, zone),
        schedule=_SCHEDULES[series.currency],
    )
