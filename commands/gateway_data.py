"""What the gateway serves: the generated sample, or days of the catalog with what came before them as history."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.calendar import ExchangeCalendar
from core.errors import FeedEmptyError, SettingsError
from core.settings import FxSettings

if TYPE_CHECKING:
    import pandas as pd

    from commands.gateway_series import Chosen
    from feeds.bars import BarSize
    from feeds.catalog import Catalog
    from gateway.data.contracts import ContractBook
    from gateway.data.history import History
    from gateway.data.tape import Tape
    from gateway.hours import Session
    from gateway.model import Instrument

SAMPLE_DAYS = 30  # sessions of the sample at most: each is some 70,000 rows
LEAD_UP = 60  # sessions of the sample's history
EARLIER_QUOTES = 10  # sessions before the first one whose quotes are history
EUR = "EUR"  # base currency of the accounts
BEFORE_OPEN = dt.timedelta(minutes=1)
LATE = dt.timedelta(minutes=5)  # after the open: data that begin later still are waited for no longer


@dataclass(frozen=True)
class Served:
    """What a gateway is made of, and a line for each part of it that a person should know.

    ``day``: the first session; ``start``: a minute before it opens, UTC, or before its data where
    they begin later by ``LATE``.
    """

    tape: Tape
    book: ContractBook
    history: History
    lines: tuple[str, ...]
    day: dt.date
    start: dt.datetime


def sample(day: dt.date | None, days: int, seed: int) -> Served:
    """The generated pair. Raises CalendarError for a day on which its exchange is closed, and SettingsError."""
    from commands.gateway_series import take
    from gateway.data.sample import XMPLA, make_sample
    from gateway.gateway import SAMPLE_DAY, before_open
    from gateway.hours import hours_of

    first = day or SAMPLE_DAY
    if days > SAMPLE_DAYS:
        raise SettingsError(f"--days {days} is too much of the sample; it has {SAMPLE_DAYS} sessions at most")
    ExchangeCalendar(XMPLA.calendar).close_of(first)  # raises
    hours = hours_of(XMPLA)
    number = hours.between(first, first).start
    if number < LEAD_UP:
        raise SettingsError(
            f"--date {first} leaves no room for the {LEAD_UP} sessions before it; the sample begins on "
            f"{hours.days[LEAD_UP]}"
        )
    take(hours, number, days)  # raises
    made = make_sample(first, seed, sessions=days, daily_days=LEAD_UP)
    tape, book, truth = made.tape(), made.book(), made.truth
    line = (
        f"XMPLA and XMPLB, generated (seed {seed}): XMPLA = {truth.intercept:g} + {truth.hedge_ratio:g} XMPLB "
        f"+ a spread with a half-life of {truth.half_life / 60:g} minutes; bars and quotes of 1 second"
    )
    lines = (line, "EURUSD, quotes of 5 seconds")
    return Served(tape, book, made.history(tape, book), lines, first, before_open(tape))


def catalog(
    folder: Path,
    symbols: Sequence[str],
    day: dt.date | None,
    days: int,
    bar: BarSize | None,
    quotes: Mapping[str, str] | None = None,
) -> Served:
    """Sessions of the catalog from ``day`` on (default: the last one of all symbols), extended hours included.

    ``bar``: size of the trades (default: the finest); ``quotes``: symbol -> the series that has its quotes. Raises
    CatalogError, UnknownNameError, SettingsError, CalendarError, FeedEmptyError (nothing on that day).
    """
    from commands.gateway_series import SECONDS, choose, earlier, last_day, sessions_of
    from feeds.catalog_source import open_catalog
    from gateway.data.contracts import ContractBook
    from gateway.data.history import History
    from gateway.data.sample import EURUSD
    from gateway.data.tape import Tape
    from gateway.hours import moment_to_datetime

    with open_catalog(folder) as opened:
        chosen = [choose(opened, symbol, bar, (quotes or {}).get(symbol)) for symbol in dict.fromkeys(symbols)]
        first = day or min(last_day(each) for each in chosen)
        sessions = {each.symbol: sessions_of(each, first, days) for each in chosen}
        played = _Played({}, {}, [])
        frames: dict[Instrument, dict[int, pd.DataFrame]] = {}
        for each in chosen:
            played.add(opened, each, sessions[each.symbol])
            frames[each.instrument] = earlier(opened, each, moment_to_datetime(sessions[each.symbol][0].start))
    stocks = [each for each in chosen if each.instrument is not EURUSD] or chosen
    opens = min(moment_to_datetime(sessions[each.symbol][0].open) for each in stocks)
    tape = Tape(
        played.bars, played.quotes, {each.instrument: SECONDS[each.trades.bar] for each in chosen if each.trades}
    )
    book = ContractBook(each.instrument for each in chosen)
    if EURUSD not in book.instruments:
        played.lines.append(
            "no EURUSD, as it is not among the symbols: nothing can be exchanged, and rates are constant"
        )
    known = {EUR, *FxSettings().rates}
    played.lines += [
        f"no exchange rate of {currency}: orders of {', '.join(names)} are rejected"
        for currency, names in _by_currency(chosen).items()
        if currency not in known
    ]
    begin = min(played.begins)
    start = (begin if begin > opens + LATE else opens) - BEFORE_OPEN
    return Served(tape, book, History(tape, book, frames), tuple(played.lines), first, start)


def _by_currency(chosen: Sequence[Chosen]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in chosen:
        found.setdefault(each.instrument.currency, []).append(each.symbol)
    return found


@dataclass
class _Played:
    """What is put on the tape."""

    bars: dict[Instrument, pd.DataFrame]
    quotes: dict[Instrument, pd.DataFrame]
    lines: list[str]

    def __post_init__(self) -> None:
        self.begins: list[dt.datetime] = []  # of what is played of each series, UTC

    def add(self, opened: Catalog, chosen: Chosen, sessions: Sequence[Session]) -> None:
        """Rows of the sessions; of quotes those of the days before, too, which are history. Raises FeedEmptyError."""
        from commands.gateway_series import SECONDS, SIZE, quotes_in, rows_within

        instrument, said = chosen.instrument, []
        if chosen.trades is not None:
            trades = rows_within(opened, chosen.trades, sessions)
            if len(trades):
                self.bars[instrument] = trades
                size = dt.timedelta(seconds=SECONDS[chosen.trades.bar])
                self.begins.append(trades.index[0].to_pydatetime() - size)
                said.append(f"{len(trades):,} bars of {chosen.trades.bar}")
        source = chosen.quotes or chosen.trades
        assert source is not None
        rows = rows_within(opened, source, sessions)
        quotes, unsized = quotes_in(rows)
        if len(quotes):
            self.begins.append(quotes.index[0].to_pydatetime())
            said.append(
                f"{len(quotes):,} quotes of {source.bar}"
                + (f", {unsized:,} of them without sizes: {SIZE:,.0f} shares are taken" if unsized else "")
            )
            self.quotes[instrument] = _with_earlier(opened, chosen, sessions[0].day, quotes)
        if not said:
            names = " and ".join(f"{each.content} of {each.bar}" for each in chosen.played)
            have = "; ".join(f"{each.first:%Y-%m-%d} to {each.last:%Y-%m-%d}" for each in chosen.played)
            raise FeedEmptyError(
                f"{chosen.symbol}: no {names} on {sessions[0].day}; the catalog has {have}: choose another --date"
            )
        self.lines.append(f"{chosen.symbol}, {instrument.currency}, {instrument.calendar}: {' and '.join(said)}")


def _with_earlier(opened: Catalog, chosen: Chosen, day: dt.date, quotes: pd.DataFrame) -> pd.DataFrame:
    """Quotes, and before them those of the sessions before a day."""
    import pandas as pd

    from commands.gateway_series import quotes_in, rows_within
    from gateway.hours import hours_of

    hours = hours_of(chosen.instrument)
    number = hours.between(day, day).start
    sessions = [hours.session(each) for each in range(max(0, number - EARLIER_QUOTES), number)]
    if chosen.quotes is None or not sessions:
        return quotes
    before, _ = quotes_in(rows_within(opened, chosen.quotes, sessions))
    return pd.concat([before, quotes]) if len(before) else quotes
