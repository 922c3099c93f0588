"""Files of corporate actions, comma separated, with a header. Two layouts are read.

Ours, one action a line (written by ``write_actions``)::

    symbol,ex_date,kind,value
    AAPL,2014-06-09,split,7
    AAPL,2014-08-07,dividend,0.47

``kind`` is split, spin_off or dividend; a split may be written 7:1, 7/1 or 7-for-1. Payments are as paid on their day.

Yahoo's (yfinance: ``Ticker.actions.to_csv``), one day a line, 0 where there was nothing. Its payments are for one
share of today and are turned into payments of their day by the splits of the same file::

    Date,Dividends,Stock Splits
    2014-06-09 00:00:00-04:00,0.0,7.0
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from core.errors import FeedEmptyError, FeedError, FeedSourceError, did_you_mean
from core.reading import bytes_of
from feeds.actions.reconcile import as_paid
from feeds.bars import ActionKind, CorporateAction

HEADER = ("symbol", "ex_date", "kind", "value")
_ALIASES = {
    "symbol": ("symbol", "ticker"),
    "ex_date": ("ex_date", "exdate", "ex_dividend_date", "date"),
    "kind": ("kind", "type", "action"),
    "value": ("value", "amount", "ratio"),
    "dividends": ("dividends", "dividend"),
    "splits": ("stock_splits", "stock_split", "splits"),
}
_KINDS: dict[str, ActionKind] = {name: name for name in get_args(ActionKind)} | {"spinoff": "spin_off"}
_RATIO = re.compile(r"\s*([\d.]+)\s*(?::|/|-?\s*for\s*-?)\s*([\d.]+)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class _Line:
    file: Path
    number: int
    values: dict[str, str]

    def error(self, what: str, cure: str) -> FeedError:
        return FeedError(f"{self.file}, line {self.number}: {what}; {cure}")


def read_actions(file: Path | str, symbol: str | None = None) -> dict[str, tuple[CorporateAction, ...]]:
    """Actions by symbol, by ex-date; ``symbol`` names them where the file does not.

    Raises FeedSourceError (cannot be read, no text), FeedEmptyError, FeedError with the line.
    """
    file = Path(file)
    lines = list(_lines(file))
    found: dict[str, list[CorporateAction]] = {}
    yahoo = "kind" not in lines[0].values
    for line in lines:
        name = line.values.get("symbol", symbol or "").strip()
        if not name:
            raise line.error("no symbol", "add a column symbol, or name the symbol of the file")
        found.setdefault(name, []).extend(_of_day(line) if yahoo else [_action(line)])
    return {name: as_paid(actions) if yahoo else tuple(sorted(actions)) for name, actions in found.items() if actions}


def write_actions(file: Path | str, actions: Mapping[str, Sequence[CorporateAction]]) -> None:
    """Write actions by symbol in our layout. Raises FeedSourceError where the file cannot be written."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for symbol in sorted(actions):
        writer.writerows((symbol, row.ex_date, row.kind, _plain(row.value)) for row in sorted(actions[symbol]))
    try:
        Path(file).write_text(text.getvalue(), encoding="utf-8")
    except OSError as error:
        raise FeedSourceError(f"cannot write {file} ({error.strerror or error}); choose another place") from error


def _plain(value: float) -> str:
    return repr(int(value)) if value == int(value) else repr(float(value))


def _lines(file: Path) -> Iterator[_Line]:
    names: list[str] = []
    count = 0
    for number, cells in _cells(file):
        if not names:
            names = _columns(file, number, cells)
            continue
        line = _Line(file, number, dict(zip(names, cells, strict=False)))
        if len(cells) != len(names):
            raise line.error(
                f"{len(cells)} values under {len(names)} columns", "give every line as many values as the header"
            )
        count += 1
        yield line
    if not count:
        raise FeedEmptyError(f"{file} has no action in it; write lines of {','.join(HEADER)}, or leave the file out")


def _cells(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and values of each line that has any."""
    reader = csv.reader(io.StringIO(_text(file), newline=""))
    try:
        yield from ((reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells))
    except csv.Error as error:
        raise FeedError(f"{file}, line {reader.line_num}: {error}; close the quotes, one action a line") from error


def _text(file: Path) -> str:
    try:
        raw = bytes_of(file)
    except OSError as error:
        raise FeedSourceError(
            f"cannot read {file} ({error.strerror or error}); correct the path or its rights"
        ) from error
    if b"\0" in raw:
        raise FeedSourceError(f"{file} is a binary file, not text; export it as CSV in UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FeedSourceError(f"{file} is not UTF-8 text ({error.reason}); export it as CSV in UTF-8") from error


def _columns(file: Path, number: int, cells: list[str]) -> list[str]:
    """The columns of the header by our names; those that we do not read keep theirs."""
    known = {alias: name for name, aliases in _ALIASES.items() for alias in aliases}
    plain = [re.sub(r"[\s-]+", "_", cell.strip().lower()) for cell in cells]
    names = [known.get(name, name) for name in plain]
    line = _Line(file, number, {})
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise line.error(f"two columns are {twice!r}", "keep one")
    if {"ex_date", "kind", "value"} <= set(names) or {"ex_date", "dividends", "splits"} <= set(names):
        return names
    header = ",".join(cells)[:100]
    if {"ex_date", "dividends"} <= set(names):
        raise line.error(
            f"dividends without splits in {header!r}, so it is not known what one share of their day was paid",
            f"add the column Stock Splits (0 for none), or write {','.join(HEADER)} with payments as paid",
        )
    if len(cells) == 1 and re.search(r"[;\t|]", header):
        raise line.error(f"{header!r} is not separated by commas", "separate the columns by commas")
    raise line.error(f"the header {header!r} is not that of a file of actions", f"write {','.join(HEADER)}")


def _action(line: _Line) -> CorporateAction:
    text = re.sub(r"[\s-]+", "_", line.values["kind"].strip().lower())
    if text not in _KINDS:
        raise line.error(f"unknown kind {line.values['kind']!r}{did_you_mean(text, _KINDS)}", "write one of these")
    kind = _KINDS[text]
    value = _ratio(line, "value") if kind == "split" else _number(line, "value", line.values["value"])
    if not value > 0.0:
        raise line.error(f"{kind} of {line.values['value']!r}", "write a number above 0, or leave the line out")
    return CorporateAction(_day(line), kind, value, line.file.name)


def _of_day(line: _Line) -> list[CorporateAction]:
    """The payment and the split of one line in Yahoo's layout; 0 and nothing are none."""
    day = _day(line)
    paid = _number(line, "dividends", line.values["dividends"]) if line.values["dividends"].strip() else 0.0
    ratio = _ratio(line, "splits") if line.values["splits"].strip() else 0.0
    if paid < 0.0 or ratio < 0.0:
        raise line.error("a number below 0", "payments and ratios are above 0; write 0 for none")
    both: list[tuple[ActionKind, float]] = [("split", ratio), ("dividend", paid)]
    return [CorporateAction(day, kind, value, line.file.name) for kind, value in both if value]


def _day(line: _Line) -> dt.date:
    text = line.values["ex_date"].strip()
    try:
        return dt.datetime.fromisoformat(text).date()
    except ValueError:
        raise line.error(f"{text!r} is not a date", "write ISO 8601: 2014-06-09") from None


def _ratio(line: _Line, column: str) -> float:
    """A ratio as 7, 7:1, 7/1 or 7-for-1: shares after for shares before."""
    parts = _RATIO.fullmatch(line.values[column])
    if parts is None:
        return _number(line, column, line.values[column])
    after, before = (_number(line, column, part) for part in parts.groups())
    if not before > 0.0:
        raise line.error(f"the ratio {line.values[column]!r} has 0 shares before it", "write it as 7:1")
    return after / before


def _number(line: _Line, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        shown = repr(text.strip()) if text.strip() else "nothing"
        raise line.error(f"{shown} under {column} is not a number", "write a plain number with a decimal point")
    return value
