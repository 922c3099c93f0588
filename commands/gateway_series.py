"""Series of the catalog as the gateway serves them: which ones, of what instrument, and their rows of some sessions."""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.calendar import ExchangeCalendar
from core.errors import CatalogError, SettingsError, UnknownNameError
from gateway.data.sample import EURUSD
from gateway.hours import Session, TradingHours, hours_of, moment_of, moment_to_datetime
from gateway.model import Instrument

if TYPE_CHECKING:
    from feeds.bars import BarSize
    from feeds.catalog import Catalog, Series

SECONDS: dict[BarSize, int] = {"1s": 1, "1m": 60, "1h": 3_600, "1d": 86_400}  # the finest first
SIZE = 1_000.0  # shares at bid and ask where the quotes have no sizes
QUOTES = ("bid", "ask", "bid_size", "ask_size")
_PRIMARY = {"XNYS": "NYSE", "XNAS": "NASDAQ", "XASE": "AMEX", "ARCX": "ARCA", "XLON": "LSE", "XETR": "IBIS"}
_SCHEDULES = {"USD": "ibkr_us_fixed", "EUR": "ibkr_eu_fixed", "GBP": "ibkr_uk_tiered", "CHF": "ibkr_ch_tiered"}
_ZONES = {"America/New_York": "US/Eastern"}  # as IBKR calls it
_US_CENTS, _EUROPE = 26, 9002  # market rules
_PAIR = "EURUSD"


@dataclass(frozen=True)
class Chosen:
    """What is played of one instrument: a series of trades, one of quotes, or both."""

    symbol: str
    instrument: Instrument
    trades: Series | None
    quotes: Series | None

    @property
    def played(self) -> list[Series]:
        return [series for series in (self.trades, self.quotes) if series is not None]


def choose(opened: Catalog, symbol: str, bar: BarSize | None, quotes: str | None) -> Chosen:
    """The finest series of a symbol's trades (or ``bar``) and the finest of its quotes, or of those of ``quotes``.

    Daily bars are not played beside quotes: they are history. Raises UnknownNameError, CatalogError, SettingsError.
    """
    own = _of_symbol(opened, symbol)
    trades = [series for series in own if series.content == "trades"]
    told = [series for series in own if series.content == "quotes"]
    if bar is not None:
        wanted = opened.get(symbol, bar)  # raises where there is none
        trades = [wanted] if wanted.content == "trades" else []
        told = [wanted] if wanted.content == "quotes" else told
    if quotes is not None:
        told = [series for series in _of_symbol(opened, quotes) if series.content == "quotes"]
        if not told:
            raise SettingsError(
                f"--quotes {symbol}={quotes}: {quotes} is a series of trades; name one that was imported with bids and "
                "asks alone"
            )
    bars, quoted = next(iter(trades), None), next(iter(told), None)
    if bars is not None and quoted is not None:
        for name in ("currency", "exchange"):
            if getattr(bars, name) != getattr(quoted, name):
                raise CatalogError(
                    f"{symbol}: trades and quotes are of two instruments ({name} {getattr(bars, name)} and "
                    f"{getattr(quoted, name)}); bring one of them in again with the other --{name}"
                )
        if bars.bar == "1d" and bar is None:
            bars = None
    first = bars or quoted
    assert first is not None  # the symbol has a series, and it is of one of the two
    if symbol != _PAIR:
        return Chosen(symbol, _instrument(symbol, first), bars, quoted)
    if quoted is None:
        raise CatalogError(
            f"{symbol} has no bids and asks; a pair is dealt on quotes: bring in a file with bid and ask"
        )
    return Chosen(symbol, EURUSD, None, quoted)


def last_day(chosen: Chosen) -> dt.date:
    """The session in which the last row of what is played lies."""
    days = []
    for series in chosen.played:
        if series.bar == "1d":
            days.append(series.last.date())
        else:
            hours = hours_of(chosen.instrument)
            days.append(hours.days[max(0, hours.begun_before(moment_of(series.last.to_pydatetime()), regular=False))])
    return max(days)


def sessions_of(chosen: Chosen, first: dt.date, days: int) -> list[Session]:
    """So many sessions from a day on. Raises CalendarError where the exchange is closed on it, and SettingsError."""
    hours = hours_of(chosen.instrument)
    number = hours.number_of(first)
    if number is None:
        ExchangeCalendar(chosen.instrument.calendar).close_of(first)  # raises, with the next session
        raise CatalogError(f"{chosen.symbol} is not dealt on {first}; choose another --date")
    return take(hours, number, days)


def take(hours: TradingHours, number: int, days: int) -> list[Session]:
    """So many sessions from the one with a number on. Raises SettingsError where the calendar ends before."""
    if number + days > len(hours):
        raise SettingsError(
            f"--days {days} reaches beyond {hours.days[-1]}, where the calendar ends; at most {len(hours) - number} "
            f"from {hours.days[number]} on"
        )
    return [hours.session(each) for each in range(number, number + days)]


def rows_within(opened: Catalog, series: Series, sessions: Sequence[Session]) -> pd.DataFrame:
    """Rows of a series within the extended hours of sessions that follow each other, stamped with their end, UTC."""
    if series.bar == "1d":
        frame = opened.bars(series.symbol, series.bar, sessions[0].day, sessions[-1].day)
        return ended(frame, series.exchange)
    start, end = moment_to_datetime(sessions[0].start), moment_to_datetime(sessions[-1].end)
    frame = opened.bars(series.symbol, series.bar, start, end)
    times = frame.index.as_unit("us").asi8  # type: ignore[attr-defined]
    number = np.searchsorted(np.array([each.start for each in sessions]), times, side="left") - 1
    inside = (number >= 0) & (times <= np.array([each.end for each in sessions])[number])
    return frame[inside]


def ended(frame: pd.DataFrame, calendar: str) -> pd.DataFrame:
    """Bars stamped with the moment at which they end, UTC; a daily bar ends with its session."""
    if frame.index.tz is not None:  # type: ignore[attr-defined]
        return frame
    closes, there = ExchangeCalendar(calendar).closes_of(frame.index)  # type: ignore[arg-type]
    return frame[there].set_axis(closes)


def quotes_in(frame: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The rows with a bid or an ask, and in how many of them ``SIZE`` stands for a size that is not known."""
    quotes = frame.reindex(columns=list(QUOTES))
    quotes = quotes[quotes[["bid", "ask"]].notna().any(axis=1)]
    unknown = quotes[["bid_size", "ask_size"]].isna() & quotes[["bid", "ask"]].notna().to_numpy()
    return quotes.fillna({"bid_size": SIZE, "ask_size": SIZE}), int(unknown.any(axis=1).sum())


def earlier(opened: Catalog, chosen: Chosen, before: dt.datetime) -> dict[int, pd.DataFrame]:
    """All that the catalog has of the time before, by the bars' size in seconds: trades, of a pair its middle."""
    found = {}
    for series in _of_symbol(opened, chosen.symbol):
        if series.content == "trades" or chosen.instrument.sec_type == "CASH":
            end = before.date() - dt.timedelta(days=1) if series.bar == "1d" else before
            frame = ended(opened.bars(series.symbol, series.bar, None, end), series.exchange)
            if len(frame):
                found[SECONDS[series.bar]] = frame
    return found


def _of_symbol(opened: Catalog, symbol: str) -> list[Series]:
    """The series of a symbol, the finest first. Raises UnknownNameError, with what there is."""
    found = {series.bar: series for series in opened.series() if series.symbol == symbol}
    if not found:
        opened.get(symbol, "1d")  # raises
        raise UnknownNameError(f"no series {symbol!r} in the catalog")
    return [found[size] for size in SECONDS if size in found]


def _instrument(symbol: str, series: Series) -> Instrument:
    if series.currency not in _SCHEDULES:
        raise CatalogError(
            f"{symbol} is in {series.currency}; the gateway trades {', '.join(_SCHEDULES)}: choose other symbols"
        )
    exchange = ExchangeCalendar(series.exchange)
    zone = str(exchange.tz)
    return Instrument(
        con_id=800_000_000 + zlib.crc32(f"{symbol}/{series.currency}".encode()) % 90_000_000,
        symbol=symbol,
        currency=series.currency,
        primary_exchange=_PRIMARY.get(exchange.code, exchange.code),
        market_rule=_US_CENTS if series.currency == "USD" else _EUROPE,
        calendar=exchange.code,
        time_zone=_ZONES.get(zone, zone),
        schedule=_SCHEDULES[series.currency],
    )
