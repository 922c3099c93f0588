"""Files of bars, good and bad: one reader for what is imported and for what a run reads."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from core.calendar import ExchangeCalendar
from core.errors import FeedError, FeedSourceError, UnknownNameError, did_you_mean
from feeds.bars import COLUMNS, EXTRAS, PRICES, QUOTE_SIZES, Adjustment, BarSize, RawBars, Request
from feeds.datenum import Floats
from feeds.finer import made_of
from feeds.sources.columns import Role, find_columns, values_of
from feeds.sources.exchanged import refuse_exchanged, refuse_open_for_close
from feeds.sources.local_times import localised, refuse_unknown
from feeds.sources.stamps import DAY_US, SIZES, closes_of_bars, refuse_other_size, size_of_bars
from feeds.sources.table import Table, read_table
from feeds.sources.times import DateOrder, read_times

EXCHANGE = "XNYS"  # where neither the user nor the catalog knows one
_SUFFIXES = (".gz", ".csv", ".tsv", ".txt", ".parquet")
_SHOWN = 5  # symbols in an error
_VALUE_ROLES: tuple[Role, ...] = (
    "open", "high", "low", "close", "volume", "adj_close", "bid", "ask", "bid_size", "ask_size",
)  # fmt: skip
Known = Callable[[str, BarSize], str | None]  # the exchange of a symbol's bars; None: unknown


@dataclass(frozen=True)
class FileFormat:
    """What is known of a file beforehand. None: the file says so itself, or it is found out."""

    symbol: str | None = None  # of a file without a column of symbols; else the one to take from it
    bar: BarSize | None = None
    timezone: str | None = None  # IANA name, of intraday times without an offset
    stamp: Literal["open", "close"] = "close"  # which end of an intraday bar its time is
    exchange: str | None = None  # by whose sessions and timezone times are read; see read_file
    currency: str | None = None
    adjusted: Adjustment = "raw"  # what the prices are adjusted for
    adjusted_until: dt.date | None = None  # last day whose actions are in adjusted prices; None = that of the last bar
    date_order: DateOrder | None = None  # of dates like 1/2/2018
    stored_as: str | None = None  # the symbol that the one symbol of the file is to have


def read_file(file: Path | str, form: FileFormat | None = None, known: Known | None = None) -> list[RawBars]:
    """Bars of every symbol of a CSV file (also with tabs, semicolons or bars, also gzipped) or a Parquet file.

    Without ``form.exchange`` the times of each symbol are read by the exchange that ``known`` has for it, in a file of
    many symbols each by its own, and those of a symbol that it does not know by XNYS; the bars then say no exchange.
    Rows are handed over as they stand, with gaps as NaN. A file is read whole or not at all.
    Raises FeedSourceError, FeedEmptyError, FeedError (with the line), UnknownNameError, CalendarError.
    """
    file, form = Path(file), form or FileFormat()
    return [one.bars for one in _read(file, form, where=str(file), gaps=True, known=known)]


@dataclass(frozen=True)
class _Series:
    """Bars of one symbol, and where they were read."""

    table: Table
    lines: pd.Index[Any]  # number of each bar's line or row
    bars: RawBars
    naive: bool  # whether its times of day say no timezone


class CsvSource:
    """A file for each symbol: ``folder/SYMBOL.csv``, or what ``files`` names. What no run can use is refused.

    ``stored``: size of the bars in the files where it is finer than what is asked for; coarser bars are made of them.
    """

    name = "csv"

    def __init__(self, folder: str, files: Mapping[str, str], stored: BarSize | None = None) -> None:
        self._folder, self._files, self._stored = folder, files, stored
        self._kept: dict[str, RawBars] = {}  # symbol -> finer bars, which are asked for twice

    def symbols(self) -> Sequence[str]:
        return ()  # a file may be anywhere: fetch() says what is missing

    def fetch(self, request: Request) -> RawBars:
        """All bars of the file; intraday times without an offset are UTC."""
        if self._stored is None:
            return self._read(request)
        if request.symbol not in self._kept:
            self._kept[request.symbol] = self._read(dataclasses.replace(request, bar=self._stored))
        kept = self._kept[request.symbol]
        return kept if request.bar == self._stored else made_of(kept, request.bar, request.exchange)

    def _read(self, request: Request) -> RawBars:
        file = self._file(request.symbol)
        form = FileFormat(request.symbol, request.bar, timezone="UTC", exchange=request.exchange)
        one, *_ = _read(file, form, where=f"{request.symbol}: {file}", gaps=False)
        _refuse_disorder(one.table, one.lines, one.bars.frame)
        notes = [*one.bars.notes, *_adjusted_note(one.bars)]
        if one.naive:
            notes.append(f"{request.symbol}: times in the file say no timezone and were read as UTC.")
        return dataclasses.replace(one.bars, notes=tuple(notes))

    def _file(self, symbol: str) -> Path:
        if self._files.get(symbol):
            return Path(self._files[symbol])
        if not self._folder:
            raise FeedSourceError(f"{symbol}: no file to read; set data.folder or instruments.{symbol}.file")
        file = Path(self._folder) / f"{symbol}.csv"
        if not file.exists():
            there = [path.stem for path in file.parent.glob("*.csv")]
            hint = did_you_mean(symbol, there) or "; the folder has no CSV file"
            raise FeedSourceError(f"{symbol}: {file} does not exist{hint}")
        return file


def _read(file: Path, form: FileFormat, *, where: str, gaps: bool, known: Known | None = None) -> list[_Series]:
    """The bars of each symbol of a file."""
    ExchangeCalendar(form.exchange or EXCHANGE)  # an unknown one is refused before a large file is read
    refuse_unknown(form.timezone)
    table = read_table(file, where)
    columns = find_columns(table)
    times, zone = read_times(table, columns["time"], columns.get("clock"), form.date_order)
    form = dataclasses.replace(form, timezone=zone or form.timezone)
    values, notes = _values(table, columns, gaps=gaps)
    read = []
    for symbol, rows in _renamed(_symbols(table, columns, form, file), form, where):
        lines = table.rows.index[rows]
        what = f"{where}: {symbol}" if "symbol" in columns else where
        bar = form.bar or _size(what, times[rows], times)
        exchange = form.exchange or (known and known(symbol, bar)) or EXCHANGE
        index = _index(table, lines, times[rows], bar, form, ExchangeCalendar(exchange))
        refuse_other_size(what, index, bar)
        frame = pd.DataFrame({name: column[rows] for name, column in values.items()}, index=index)
        bars = RawBars(
            symbol, bar, frame, source=f"{table.kind}:{file.name}", adjusted=form.adjusted, currency=form.currency,
            adjusted_until=form.adjusted_until, content="trades" if "close" in columns else "quotes",
            exchange=form.exchange, notes=tuple(f"{symbol}: {note}" for note in notes),
        )  # fmt: skip
        read.append(_Series(table, lines, bars, naive=bar != "1d" and times.tz is None and zone is None))
    refuse_open_for_close(table, [one.bars.frame for one in read])
    return read


def _values(table: Table, columns: dict[Role, str], *, gaps: bool) -> tuple[dict[str, Floats], list[str]]:
    """Columns of bars, and what is worth knowing about them."""
    optional = EXTRAS if "close" in columns else QUOTE_SIZES
    read: dict[str, Floats] = {
        role: values_of(table, columns[role], role=role, gaps=gaps or role in optional)
        for role in _VALUE_ROLES
        if role in columns
    }
    notes = []
    if "close" not in read:
        middle = (read["bid"] + read["ask"]) / 2.0
        read |= dict.fromkeys(PRICES, middle)
        notes.append("the file holds quotes: open, high, low and close are the middle of bid and ask.")
    if "volume" not in read:
        read["volume"] = np.zeros(len(table.rows))
        notes.append("the file has no volume, so it is 0 and volume-share slippage would fill nothing.")
    if any(table.rows[name].dtype == np.float32 for name in columns.values()):
        notes.append("32-bit prices were read as the shortest decimals that give the same 32 bits.")
    refuse_exchanged(table, read)
    return {name: read[name] for name in (*COLUMNS, *EXTRAS) if name in read}, notes


def _symbols(table: Table, columns: dict[Role, str], form: FileFormat, file: Path) -> list[tuple[str, Any]]:
    """Each symbol with its rows."""
    if "symbol" not in columns:
        name = file.name
        while Path(name).suffix.lower() in _SUFFIXES:
            name = Path(name).stem
        return [(form.symbol or name, np.arange(len(table.rows)))]
    column = table.rows[columns["symbol"]]
    stripped = column.astype("string").str.strip().fillna("")
    empty = (stripped == "").to_numpy(dtype=bool)
    if empty.any():
        raise table.refused(column, empty, "a symbol", "fill it in, or take the row out")
    codes, names = pd.factorize(stripped)
    symbols = [str(name) for name in names]
    if form.symbol is not None and form.symbol not in symbols:
        hint = did_you_mean(form.symbol, symbols)
        if not hint.startswith("; did"):
            hint = f"; it has {', '.join(symbols[:_SHOWN])}{', ...' if len(symbols) > _SHOWN else ''}"
        raise UnknownNameError(f"{table.where}: no rows of {form.symbol!r}{hint}")
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(symbols) + 1))
    return [
        (symbol, order[bounds[at] : bounds[at + 1]])
        for at, symbol in enumerate(symbols)
        if form.symbol in (None, symbol)
    ]


def _renamed(symbols: list[tuple[str, Any]], form: FileFormat, where: str) -> list[tuple[str, Any]]:
    if form.stored_as is None:
        return symbols
    if len(symbols) > 1:
        raise FeedError(f"{where} has {len(symbols)} symbols to be stored as {form.stored_as}; name one with --symbol")
    return [(form.stored_as, rows) for _, rows in symbols]


def _size(what: str, own: pd.DatetimeIndex, of_all: pd.DatetimeIndex) -> BarSize:
    """The size that a symbol's times show, or those of the whole file where there are too few of its own."""
    try:
        return size_of_bars(what, own)
    except FeedError:
        if len(own) == len(of_all):
            raise
        return size_of_bars(what, of_all)


def _index(
    table: Table, lines: pd.Index[Any], times: pd.DatetimeIndex, bar: BarSize, form: FileFormat,
    calendar: ExchangeCalendar,
) -> pd.DatetimeIndex:  # fmt: skip
    """Times as ``feeds.bars`` has them."""
    midnight = not (times.asi8 % DAY_US).any()
    if bar == "1d":
        if times.tz is not None:  # dates as midnights of UTC are the dates themselves
            times = times.tz_localize(None) if midnight else times.tz_convert(calendar.tz).tz_localize(None)
        days = times.normalize()
        first = pd.Series(times).groupby(days).transform("first")
        again = (first != pd.Series(times)).to_numpy()
        if again.any():
            at = int(np.argmax(again))
            raise FeedError(
                f"{table.at(int(lines[at]))}: one more bar of {days[at]:%Y-%m-%d}, but bars are to be daily; "
                "set data.bar (--bar) to the size of the bars, or keep one bar a day"
            )
        return pd.DatetimeIndex(days, name="time").as_unit("us")
    if midnight and len(times) > 1:
        raise FeedError(
            f"{table.where} holds dates without a time of day, but the bars are to be {bar}; "
            "set data.bar (--bar) to 1d, or give each bar its time"
        )
    if times.tz is None:
        if form.timezone is None:
            raise FeedError(
                f"{table.at(int(lines[0]))}: {times[0]:%Y-%m-%d %H:%M:%S} says no timezone; "
                f"say --tz {getattr(calendar.tz, 'key', None) or calendar.tz} if that is it, or --tz UTC"
            )
        times = localised(table, lines, times, form.timezone, hourly=bar == "1h")
    index = times.rename("time").as_unit("us")
    return closes_of_bars(index, SIZES[bar], calendar) if form.stamp == "open" else index


def _refuse_disorder(table: Table, lines: pd.Index[Any], frame: pd.DataFrame) -> None:
    """Refuse times that are not each later than the one in the line before."""
    steps, unit = np.diff(pd.DatetimeIndex(frame.index).asi8), table.unit
    if len(steps) and (steps < 0).all():
        raise FeedError(f"{table.where}: the newest bar comes first; sort the {unit}s by time, the oldest first")
    for bad, what, cure in (
        (steps < 0, f"is earlier than the {unit} before", f"sort the {unit}s by time, the oldest first"),
        (steps == 0, f"is the time of the {unit} before, too", f"keep one {unit} of each time"),
    ):
        if bad.any():
            at, count = int(np.argmax(bad)) + 1, int(np.count_nonzero(bad))
            value = table.rows[find_columns(table)["time"]].loc[lines[at]]
            more = f" ({count} {unit}s in all)" if count > 1 else ""
            raise FeedError(f"{table.at(int(lines[at]))}: {str(value)!r} {what}{more}; {cure}")


def _adjusted_note(bars: RawBars) -> list[str]:
    frame = bars.frame
    if "adj_close" not in frame:
        return []
    differs = (frame["adj_close"] - frame["close"]).abs() > 1e-6 * frame["close"].abs()
    if not differs.any():
        return []
    return [
        f"{bars.symbol}: prices are not adjusted (the adjusted close differs on {differs.mean():.0%} of bars): "
        "splits and dividends look like losses."
    ]
