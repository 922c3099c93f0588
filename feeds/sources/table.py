"""Files as tables: text with any of the usual separators, gzip, Parquet. Every row knows its line.

Nothing is interpreted here but what reading cannot do without: encoding, separator, header, decimal mark.
"""

from __future__ import annotations

import gzip
import io
import re
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from core.errors import FeedEmptyError, FeedError, FeedSourceError, did_you_mean
from feeds.sources.columns import CSV_HEADER, role_of

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_VALUE = re.compile(r"\s*[\"']?[-+$]?\d[\d.,:/ TZ+-]*[\"']?\s*")
_EXACT: dict[str, Any] = (
    {} if pd.__version__ >= "3" else {"float_precision": "round_trip"}
)  # pandas 3 is exact by itself
_SHOWN = 100  # characters of a header in an error


@dataclass(frozen=True)
class Table:
    """``rows`` has the header's names; its index is the number of the line (text) or of the row (Parquet)."""

    rows: pd.DataFrame
    where: str  # "AAPL: bars/AAPL.csv", the beginning of errors
    unit: str  # "line" or "row"
    decimal: str = "."

    def at(self, number: int) -> str:
        """Where a row is, for errors."""
        return f"{self.where}, {self.unit} {number}"


def read_table(file: Path, where: str) -> Table:
    """Read a file. ``where`` begins every error.

    Raises FeedSourceError (not there, not readable, no text), FeedEmptyError, FeedError (separator, header, rows).
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        there = [path.name for path in file.parent.iterdir()] if file.parent.is_dir() else []
        hint = did_you_mean(file.name, there)
        hint = hint if hint.startswith("; did") else "; correct the path"
        raise FeedSourceError(f"{where} does not exist{hint}") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise FeedSourceError(f"{where}: cannot be read ({reason}); correct the path or its rights") from error
    if content[:4] == _PARQUET:
        return Table(_parquet(file, where), where, "row")
    if content[:2] == _GZIP:
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise FeedSourceError(f"{where}: the gzip file is damaged ({error}); get it again") from error
    return _text_table(_decoded(content, where), where)


def _decoded(content: bytes, where: str) -> str:
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if content.startswith(mark)), "utf-8")
    if encoding != "utf-16" and b"\0" in content[:65_536]:
        raise FeedSourceError(f"{where} is a binary file, not text; export it as CSV in UTF-8, or as Parquet")
    if not content.strip():
        raise FeedEmptyError(f"{where} is empty; fill it or leave it out")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FeedSourceError(
            f"{where}, line {line}: not {encoding.removesuffix('-sig').upper()} text ({error.reason}); "
            "save the file as UTF-8"
        ) from error


def _text_table(text: str, where: str) -> Table:
    first, header = next(((number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()), (1, ""))
    if not header:
        raise FeedEmptyError(f"{where} is empty; fill it or leave it out")
    separator = _separator(header, where, first)
    decimal = _decimal(text, separator)
    options: dict[str, Any] = {"sep": separator, "skiprows": first - 1, "skip_blank_lines": False, "index_col": False}
    try:
        names = pd.read_csv(io.StringIO(text), nrows=0, **options).columns
        as_text = {name: "string" for name in names if role_of(name) in ("time", "symbol", "clock")}
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            rows = pd.read_csv(
                io.StringIO(text), dtype=as_text, decimal=decimal, low_memory=False,
                na_values=["-"], **_EXACT, **options,
            )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        reason = re.sub(r"^Error tokenizing data\. C error: ", "", str(error)).strip()
        raise FeedError(f"{where}: {reason}; give every line as many values as the header") from error
    rows.index = pd.RangeIndex(first + 1, first + 1 + len(rows))
    rows = rows.dropna(how="all")
    if rows.empty:
        raise FeedEmptyError(f"{where} has a header and no bars; fill it or leave it out")
    _refuse_short_rows(text, separator, rows, where)
    return Table(rows, where, "line", decimal)


def _separator(header: str, where: str, line: int) -> str:
    """The separator by which the header has most names that are known."""
    known = {mark: sum(role_of(name) is not None for name in header.split(mark)) for mark in SEPARATORS}
    best = max(known, key=lambda mark: (known[mark], len(header.split(mark))))
    names = header.split(best)
    if all(_VALUE.fullmatch(name) for name in names):
        raise FeedError(
            f"{where}, line {line}: values where the names of the columns should be ({header[:_SHOWN]!r}); put a "
            f"header before them: {CSV_HEADER}"
        )
    if len(names) == 1:
        raise FeedError(
            f"{where}, line {line}: {header[:_SHOWN]!r} is not separated by {', '.join(SEPARATORS.values())}; "
            "separate the columns by commas"
        )
    return best


def _decimal(text: str, separator: str) -> str:
    """The decimal mark: a comma where numbers like 10,5 stand between separators that are not commas."""
    if separator == ",":
        return "."
    sample = text[:20_000]
    edge = re.escape(separator)
    commas = len(re.findall(rf"(?:^|{edge})\s*-?\d+,\d+\s*(?={edge}|$)", sample, re.MULTILINE))
    points = len(re.findall(rf"(?:^|{edge})\s*-?\d+\.\d+\s*(?={edge}|$)", sample, re.MULTILINE))
    return "," if commas > points else "."


def _refuse_short_rows(text: str, separator: str, rows: pd.DataFrame, where: str) -> None:
    """pandas fills short rows with NaN, which would pass for a gap in the data."""
    last = rows.columns[-1]
    ends_empty = rows.index[rows[last].isna()]
    if not len(ends_empty):
        return
    lines = text.splitlines()
    for number in ends_empty:
        there = lines[number - 1].count(separator) + 1
        if there < len(rows.columns) and '"' not in lines[number - 1]:
            raise FeedError(
                f"{where}, line {number}: {there} values, but the header has {len(rows.columns)}; give every line as "
                "many values as the header"
            )


def _parquet(file: Path, where: str) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        frame = pq.read_table(file).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise FeedSourceError(f"{where}: the Parquet file is damaged ({str(error)[:_SHOWN]}); get it again") from error
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    if frame.empty:
        raise FeedEmptyError(f"{where} has columns and no bars; fill it or leave it out")
    return frame.set_axis(pd.RangeIndex(1, len(frame) + 1), axis=0)
