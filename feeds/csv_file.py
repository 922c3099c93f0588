"""Bars from plain CSV files: one file for each symbol, comma separated, with a header.

Columns (in any order and case): date, datetime, timestamp or time; open, high, low, close; volume if there is one.
Times are ISO 8601. Daily bars: the exchange's own date; they are stamped with the close of that session. Other
bars: the close of the bar, with an offset, or without one in UTC. Prices are used as they are, not adjusted.
"""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.calendar import ExchangeCalendar
from core.errors import FeedEmptyError, FeedError, FeedSourceError, did_you_mean
from core.settings import Settings
from feeds.datenum import Floats
from feeds.history import SourceBars, session_notes, stamped_with_close, within

TIME_COLUMNS = ("datetime", "timestamp", "date", "time")
PRICES = ("open", "high", "low", "close")
_OFFSET = r"[Zz]$|\d{2}:\d{2}.*[+-]\d{2}(?::?\d{2})?$"  # Z, or +hh:mm behind a time


class CsvSource:
    """``data.folder/SYMBOL.csv``, or the file that ``instruments.SYMBOL.file`` names."""

    def symbols(self, settings: Settings) -> Sequence[str]:
        return ()  # a file may be anywhere: load() says what is missing

    def load(self, settings: Settings, symbols: Sequence[str]) -> SourceBars:
        """See ``feeds.history.Source``. Errors name the file and the line."""
        frames: dict[str, pd.DataFrame] = {}
        notes: list[str] = []
        for symbol in symbols:
            calendar = ExchangeCalendar(settings.instruments[symbol].exchange)
            frame, said = read_csv(symbol, self._file(settings, symbol))
            notes += said
            start, end, left_out = settings.data.start, settings.data.end, list[dt.date]()
            if settings.data.bar == "1d":
                frame = _by_exchange_date(symbol, self._file(settings, symbol), frame, calendar)
                frame, left_out = stamped_with_close(frame, calendar, start, end)
            else:
                frame = frame.tz_localize("UTC") if pd.DatetimeIndex(frame.index).tz is None else frame
                frame = within(frame, calendar, start, end)
            frames[symbol] = frame
            notes += session_notes(symbol, frame, calendar, left_out)
        return SourceBars(frames, notes)

    def _file(self, settings: Settings, symbol: str) -> Path:
        if settings.instruments[symbol].file:
            return Path(settings.instruments[symbol].file)
        if not settings.data.folder:
            raise FeedSourceError(f"{symbol}: no file to read; set data.folder or instruments.{symbol}.file")
        file = Path(settings.data.folder) / f"{symbol}.csv"
        if not file.exists():
            there = [path.stem for path in file.parent.glob("*.csv")]
            hint = did_you_mean(symbol, there) or "; the folder has no CSV file"
            raise FeedSourceError(f"{symbol}: {file} does not exist{hint}")
        return file


def read_csv(symbol: str, file: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read one file: bars indexed by its times as they stand (naive or aware), and notes on what it lacks.

    Raises FeedSourceError (cannot be read, no text), FeedEmptyError, FeedError (columns, prices, dates).
    """
    table = _table(symbol, file)
    names = {_key(name): name for name in table.columns}
    time_name = next((name for name in TIME_COLUMNS if name in names), None)
    missing = [name for name in PRICES if name not in names]
    if time_name is None or missing:
        wanted = (["date (or datetime, timestamp)"] if time_name is None else []) + missing
        header = ",".join(map(str, table.columns))
        lacks = f"{symbol}: {file}, line 1: no column {', '.join(wanted)} in {header[:100]!r}"
        raise FeedError(f"{lacks}; add it to the header and rows")
    if table.empty:
        raise FeedEmptyError(f"{symbol}: {file} has a header and no bars; fill it or leave the symbol out")
    notes = []
    columns = {name: _numbers(symbol, file, table[names[name]]) for name in PRICES}
    if "volume" in names:
        columns["volume"] = _numbers(symbol, file, table[names["volume"]])
    else:
        columns["volume"] = np.zeros(len(table))
        notes.append(f"{symbol}: the file has no volume, so it is 0 and volume-share slippage would fill nothing.")
    adjusted = names.get("adj_close", names.get("adjusted_close"))
    if adjusted is not None:
        gap = np.abs(_numbers(symbol, file, table[adjusted]) - columns["close"])
        differs = gap > 1e-6 * np.abs(columns["close"])
        if differs.any():
            notes.append(
                f"{symbol}: prices are not adjusted (the adjusted close differs on {differs.mean():.0%} of bars): "
                "splits and dividends look like losses."
            )
    index = _times(symbol, file, table[names[time_name]])
    _check_order(symbol, file, table[names[time_name]], index)
    return pd.DataFrame(columns, index=index), notes


def _table(symbol: str, file: Path) -> pd.DataFrame:
    """The rows of the file; the index is the line number. Blank lines are left out."""
    try:
        with file.open("rb") as stream:
            head = stream.read(4096)
        if b"\0" in head:
            raise FeedSourceError(f"{symbol}: {file} is a binary file, not text; export it as CSV in UTF-8")
        if not head.strip():
            raise FeedEmptyError(f"{symbol}: {file} is empty; fill it or leave the symbol out")
        header = pd.read_csv(file, encoding="utf-8-sig", skip_blank_lines=False, nrows=0).columns
        for separator, word in ((";", "semicolons"), ("\t", "tabs")):
            if len(header) == 1 and separator in str(header[0]):
                raise FeedError(
                    f"{symbol}: {file}, line 1: the columns are separated by {word}; separate the columns by commas "
                    "and write numbers with a decimal point (a spreadsheet does so with an English number format)"
                )
        times = {name: "string" for name in header if _key(name) in TIME_COLUMNS}
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            table = pd.read_csv(file, encoding="utf-8-sig", index_col=False, skip_blank_lines=False, dtype=times)
    except FeedSourceError:
        raise
    except UnicodeDecodeError as error:
        raise FeedSourceError(f"{symbol}: {file} is not UTF-8 text ({error.reason}); export it as CSV") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise FeedError(f"{symbol}: {file}: {reason}; give every line as many values as the header") from error
    except pd.errors.EmptyDataError as error:
        raise FeedEmptyError(f"{symbol}: {file}, line 1: no header; name the columns in the first line") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise FeedSourceError(f"{symbol}: cannot read {file} ({reason}); correct the path or its rights") from error
    table.index = pd.RangeIndex(2, len(table) + 2)
    return table.dropna(how="all")


def _key(name: object) -> str:
    return str(name).strip().lower().replace(" ", "_")


def _numbers(symbol: str, file: Path, column: pd.Series[Any]) -> Floats:
    """A column as float64. Text and gaps are refused with the line."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.ones(len(column), dtype=bool) if pd.api.types.is_bool_dtype(column) else np.isnan(numbers)
    if bad.any():
        line, value, more = _first(column, bad)
        what = "no value" if pd.isna(value) else f"{value!r} is not a number"
        raise FeedError(
            f"{symbol}: {file}, line {line}, column {column.name}: {what}{more}; "
            "write plain numbers with a decimal point, and drop lines without a price"
        )
    return numbers


def _times(symbol: str, file: Path, column: pd.Series[Any]) -> pd.DatetimeIndex:
    """The times of the bars: naive when no line has an offset, else UTC."""
    text = column.str.strip()
    aware = text.str.contains(_OFFSET, regex=True).fillna(False).to_numpy(dtype=bool)
    if aware.any() and not aware.all():
        line, value, _ = _first(column, aware != aware[0])
        raise FeedError(
            f"{symbol}: {file}, line {line}: {value!r} has {'no' if aware[0] else 'an'} offset from UTC, "
            "unlike the lines before it; write all times in one way"
        )
    times = pd.DatetimeIndex(pd.to_datetime(text, format="ISO8601", errors="coerce", utc=bool(aware.any())))
    if times.hasnans:
        line, value, more = _first(column, np.asarray(times.isna()))
        raise FeedError(
            f"{symbol}: {file}, line {line}, column {column.name}: "
            f"{'no value' if pd.isna(value) else f'{value!r} is not a date'}{more}; "
            "write ISO 8601: 2018-12-31 or 2018-12-31T14:30:00Z"
        )
    return times


def _check_order(symbol: str, file: Path, column: pd.Series[Any], times: pd.DatetimeIndex) -> None:
    """Refuse times that are not each later than the one in the line before."""
    steps = np.diff(times.asi8)
    if len(steps) and (steps < 0).all():
        raise FeedError(f"{symbol}: {file}: the newest bar comes first; sort the lines by time, the oldest first")
    for bad, what, cure in (
        (steps < 0, "is earlier than the line before", "sort the lines by time, the oldest first"),
        (steps == 0, "is the time of the line before, too", "keep one line of each time"),
    ):
        if bad.any():
            line, value, more = _first(column.iloc[1:], bad)
            raise FeedError(f"{symbol}: {file}, line {line}: {value!r} {what}{more}; {cure}")


def _first(column: pd.Series[Any], bad: npt.NDArray[np.bool_]) -> tuple[int, Any, str]:
    """Line and value of the first bad row, and how many there are."""
    position, count = int(np.argmax(bad)), int(np.count_nonzero(bad))
    return int(column.index[position]), column.iloc[position], f" ({count} lines in all)" if count > 1 else ""


def _by_exchange_date(symbol: str, file: Path, frame: pd.DataFrame, calendar: ExchangeCalendar) -> pd.DataFrame:
    """Index daily bars by the exchange's own date. Raises FeedError where a date has several bars."""
    index = pd.DatetimeIndex(frame.index)
    if index.tz is not None:
        index = index.tz_convert(calendar.tz).tz_localize(None)
    days = index.normalize()
    twice = days.duplicated()
    if twice.any():
        day = days[twice][0]
        raise FeedError(
            f"{symbol}: {file} has {int((days == day).sum())} bars of {day:%Y-%m-%d}, but data.bar is 1d; "
            "set data.bar to the size of the bars, or keep one bar a day"
        )
    return frame.set_axis(days, axis=0)
