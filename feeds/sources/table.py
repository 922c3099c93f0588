"""Files as tables: text with any of the usual separators, gzip, Parquet. Every row knows its line.

Nothing is interpreted here but what reading cannot do without: encoding, separator, header, decimal mark.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import FeedEmptyError, FeedError, FeedSourceError, did_you_mean
from core.reading import bytes_of
from feeds.sources.columns import CSV_HEADER, refuse_twice, role_of
from feeds.sources.parquet import read_parquet

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
GAPS = ("", "-", "--", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NAN", "null", "NULL", "None")  # cells without a value
_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_GZIP, _PARQUET, _ZIP = b"\x1f\x8b", b"PAR1", b"PK\x03\x04"
_PAGE = re.compile(rb"\s*<(?:[!?]|html|head|body)", re.IGNORECASE)  # and not <TICKER>, which some headers have
_VALUE = re.compile(r"\s*[\"']?[-+$]?\d[\d.,:/ TZ+-]*[\"']?\s*")
_EXACT: dict[str, Any] = (
    {} if pd.__version__ >= "3" else {"float_precision": "round_trip"}
)  # pandas 3 is exact by itself
_SHOWN, _CELL = 100, 80  # characters of a header and of a cell in an error
_SAMPLE = 20_000  # bytes that tell the decimal mark
_CURE = "give every line as many values as the header"


@dataclass(frozen=True)
class Table:
    """``rows`` has the header's names; its index is the number of the line (text) or of the row (Parquet)."""

    rows: pd.DataFrame
    where: str  # "AAPL: bars/AAPL.csv", the beginning of errors
    unit: str  # "line" or "row"
    header: str  # where the names of the columns are, for errors
    decimal: str = "."
    kind: str = "csv"  # or "parquet"

    def at(self, number: int) -> str:
        """Where a row is, for errors."""
        return f"{self.where}, {self.unit} {number}"

    def refused(self, series: pd.Series[Any], bad: npt.NDArray[np.bool_], kind: str, cure: str) -> FeedError:
        """The error for cells of a column that are not of a ``kind`` ("a number"); the first one is named."""
        position = int(np.argmax(bad))
        value = str(series.iloc[position])
        value = value if len(value) <= _CELL else f"{value[:_CELL]}..."
        what = "no value" if series.isna().iloc[position] else f"{value!r} is not {kind}"
        there = self.at(int(series.index[position]))
        return FeedError(f"{there}, column {series.name}: {what}{self.in_all(bad)}; {cure}")

    def in_all(self, bad: npt.NDArray[np.bool_]) -> str:
        """How many rows an error is about, where it names one of several."""
        count = int(np.count_nonzero(bad))
        return f" ({count} {self.unit}s in all)" if count > 1 else ""


def read_table(file: Path, where: str) -> Table:
    """Read a file. ``where`` begins every error.

    Raises FeedSourceError (not there, not readable, no text), FeedEmptyError, FeedError (separator, header, rows).
    """
    try:
        content = bytes_of(file)
    except FileNotFoundError as error:
        there = [path.name for path in file.parent.iterdir()] if file.parent.is_dir() else []
        hint = did_you_mean(file.name, there)
        hint = hint if hint.startswith("; did") else "; correct the path"
        raise FeedSourceError(f"{where} does not exist{hint}") from error
    except IsADirectoryError as error:
        raise FeedSourceError(f"{where} is a folder; name the files in it: {file / '*.csv'}") from error
    except (OSError, ValueError) as error:  # ValueError: a name that cannot be one
        reason = getattr(error, "strerror", None) or str(error)
        raise FeedSourceError(f"{where}: cannot be read ({reason}); correct the path or its rights") from error
    if content.startswith(_GZIP):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise FeedSourceError(f"{where}: the gzip file is damaged ({error}); get it again") from error
    if content.startswith(_PARQUET):
        return Table(read_parquet(content, where), where, "row", where, kind="parquet")
    text = _utf8(content, where)
    if _PAGE.match(text):
        raise FeedSourceError(f"{where} is a web page or XML, not a table; open it to see what it says, and get CSV")
    return _text_table(text, where)


def _utf8(content: bytes, where: str) -> bytes:
    """Text in UTF-8 with ``\\n`` between its lines."""
    if content.startswith(_ZIP):
        raise FeedSourceError(f"{where} is a zip archive or an Excel workbook; unpack it, or save the sheet as CSV")
    mark = next((mark for mark in _BYTE_ORDER_MARKS if content.startswith(mark)), b"")
    encoding = _BYTE_ORDER_MARKS.get(mark, "utf-8")
    content = content.removeprefix(mark) if encoding == "utf-8" else content
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding == "utf-8" and b"\0" in content:
            raise _binary(where) from error
        line = content.count(b"\n", 0, error.start) + 1
        raise FeedSourceError(
            f"{where}, line {line}: not {encoding.upper()} text ({error.reason}); save the file as UTF-8"
        ) from error
    content = content if encoding == "utf-8" else text.encode()
    if b"\0" in content:
        raise _binary(where)
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not content.strip():
        raise FeedEmptyError(f"{where} is empty; fill it or leave it out")
    return content


def _binary(where: str) -> FeedSourceError:
    return FeedSourceError(f"{where} is a binary file, not text; export it as CSV in UTF-8, or as Parquet")


def _text_table(content: bytes, where: str) -> Table:
    begin = re.match(rb"(?:[^\S\n]*\n)*", content)
    before = begin.end() if begin else 0
    line = content.count(b"\n", 0, before) + 1
    header, _, body = content[before:].partition(b"\n")
    if not body.strip():
        body = b""
    separator = _separator(header.decode(), where, line)
    names = next(csv.reader([header.decode()], delimiter=separator))
    refuse_twice(names, f"{where}, line {line}")
    names = [name if name not in names[:at] else f"{name} ({at + 1})" for at, name in enumerate(names)]
    if not body:
        raise _no_bars(where)
    body = _even(body, separator, len(names), line, where)
    decimal = _decimal(body[:_SAMPLE].decode(errors="ignore"), separator)
    roles = {name: role_of(name) for name in names}
    try:
        rows = pd.read_csv(
            io.BytesIO(body), sep=separator, header=None, names=names, index_col=False, skip_blank_lines=False,
            dtype={name: "string" for name, role in roles.items() if role in ("time", "clock", "symbol")},
            na_values={name: [""] if role == "symbol" else GAPS for name, role in roles.items()},  # NA is a symbol
            keep_default_na=False, decimal=decimal, low_memory=False, **_EXACT,
        )  # fmt: skip
    except pd.errors.ParserError as error:
        raise FeedError(f"{where}: {error}; {_CURE}") from error
    rows.index = pd.RangeIndex(line + 1, line + 1 + len(rows))
    rows = rows.dropna(how="all")
    if rows.empty:
        raise _no_bars(where)
    return Table(rows, where, "line", f"{where}, line {line}", decimal)


def _separator(header: str, where: str, line: int) -> str:
    """The separator by which the header has most names that are known."""
    split = {mark: next(csv.reader([header], delimiter=mark)) for mark in SEPARATORS}
    known = {mark: sum(role_of(name) is not None for name in names) for mark, names in split.items()}
    best = max(split, key=lambda mark: (known[mark], len(split[mark])))
    if all(_VALUE.fullmatch(name) for name in split[best]):
        raise FeedError(
            f"{where}, line {line}: values where the names of the columns should be ({header[:_SHOWN]!r}); put a "
            f"header before them: {CSV_HEADER}"
        )
    if len(split[best]) == 1:
        raise FeedError(
            f"{where}, line {line}: {header[:_SHOWN]!r} is not separated by {', '.join(SEPARATORS.values())}; "
            "separate the columns by commas"
        )
    return best


def _decimal(sample: str, separator: str) -> str:
    """The decimal mark, by numbers that only one of them allows: 10,5 and 1.234,50, but not 1,234."""
    if separator == ",":
        return "."
    edge, sample = re.escape(separator), sample.replace('"', "")
    commas, points = (
        len(re.findall(rf"(?:^|{edge})[-+\s]*(?!{grouped}\s*(?:{edge}|$)){number}\s*(?={edge}|$)", sample, re.M))
        for grouped, number in (
            (r"[1-9]\d{0,2}(?:,\d{3})+", r"(?:\d+|\d{1,3}(?:\.\d{3})+),\d+"),
            (r"[1-9]\d{0,2}(?:\.\d{3})+", r"(?:\d+|\d{1,3}(?:,\d{3})+)\.\d+"),
        )
    )
    return "," if commas > points else "."


def _even(body: bytes, separator: str, width: int, before: int, where: str) -> bytes:
    """The lines after line ``before``: each has ``width`` values, and those of blanks are empty.

    pandas fills short lines with NaN, which would pass for a gap in the data. Raises FeedError.
    """
    if b'"' in body:
        return _even_quoted(body, separator, width, before, where)
    text = np.frombuffer(body if body.endswith(b"\n") else body + b"\n", dtype=np.uint8)
    ends = np.flatnonzero(text == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1])
    marks = np.flatnonzero(text == ord(separator))
    counts = np.diff(np.searchsorted(marks, ends), prepend=0)
    uneven = np.flatnonzero((counts != width - 1) & (starts < ends))
    for at in uneven:
        if body[starts[at] : ends[at]].strip():
            raise _uneven(where, before + 1 + int(at), int(counts[at]) + 1, width)
    return body if not len(uneven) else b"\n".join(line if line.strip() else b"" for line in body.split(b"\n"))


def _even_quoted(body: bytes, separator: str, width: int, before: int, where: str) -> bytes:
    lines = csv.reader(io.StringIO(body.decode(), newline="\n"), delimiter=separator)
    seen = 0
    try:
        for values in lines:
            if lines.line_num != seen + 1:
                raise FeedError(
                    f"{where}, line {before + 1 + seen}: a quoted value goes on in the next line; close the quotes, or "
                    "take the line break out"
                )
            seen += 1
            if len(values) != width and values:
                raise _uneven(where, before + seen, len(values), width)
    except csv.Error as error:
        raise FeedError(f"{where}, line {before + 1 + seen}: {error}; close the quotes") from error
    return body


def _uneven(where: str, line: int, there: int, width: int) -> FeedError:
    return FeedError(f"{where}, line {line}: {there} values, but the header has {width}; {_CURE}")


def _no_bars(where: str) -> FeedEmptyError:
    return FeedEmptyError(f"{where} has a header and no bars; fill it or leave it out")
