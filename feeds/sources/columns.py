"""Which column is what, by the names that vendors give them; columns as numbers."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import FeedError
from feeds.bars import PRICES, QUOTE_SIZES

if TYPE_CHECKING:
    from feeds.sources.table import Table

_Prices = Literal["open", "high", "low", "close", "volume", "adj_close"]
Role = Literal["time", "clock", "symbol", _Prices, "bid", "ask", "bid_size", "ask_size"]

_DATES = ("date", "dtyyyymmdd")  # of a time of day in a column beside it
CSV_HEADER = "date,open,high,low,close,volume"
_NAMES: dict[Role, tuple[str, ...]] = {  # the first one that a header has is taken
    "time": ("datetime", "timestamp", "date", "dtyyyymmdd", "time", "gmt_time", "local_time", "window_start", "t"),
    "symbol": ("symbol", "ticker", "instrument"),
    "open": ("open", "open_price", "o"),
    "high": ("high", "high_price", "h"),
    "low": ("low", "low_price", "l"),
    "close": ("close", "close_last", "close_price", "last", "price", "c"),
    "volume": ("volume", "vol", "tickvol", "tick_volume", "v"),
    "adj_close": ("adj_close", "adjusted_close", "adjclose", "adj_close_price"),
    "bid": ("bid", "bid_price"),
    "ask": ("ask", "ask_price"),
    "bid_size": ("bid_size", "bidsize"),
    "ask_size": ("ask_size", "asksize"),
}
_COUNTS = ("volume", *QUOTE_SIZES)  # roles whose numbers are shares
_POWERS = {"K": "e3", "M": "e6", "B": "e9"}  # volumes like 1.25M
_GROUPED = re.compile(r"[-+]?\d{1,3}(,\d{3})+\.\d+|[-+]?\d{1,3}(,\d{3}){2,}")  # 1,234.50, 1,234,567, but not 1,234
_GROUPED_WHOLE = re.compile(r"\d{1,3}(,\d{3})+")
_PLAIN = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?")
_MARKS_EXCHANGED = str.maketrans(",.", ".,")


def role_of(name: object) -> Role | None:
    """What a column of that name is, None when it is nothing known."""
    key = _key(name)
    return next((role for role, names in _NAMES.items() if key in names), None)


def refuse_twice(names: Iterable[object], header: str) -> None:
    """Raise FeedError where two columns have one name that is known. ``header``: where they are."""
    keys = [_key(name) for name in names if role_of(name) is not None]
    twice = next((key for at, key in enumerate(keys) if key in keys[:at]), None)
    if twice is not None:
        raise FeedError(f"{header}: two columns are named {twice!r}; rename or remove one")


def find_columns(table: Table) -> dict[Role, str]:
    """Role -> name of the column in the file. Raises FeedError: two of one role, none of a role that must be."""
    refuse_twice(table.rows.columns, table.header)
    keys = {_key(name): name for name in table.rows.columns}
    found: dict[Role, str] = {}
    for role, names in _NAMES.items():
        there = [name for name in names if name in keys]
        if there:
            found[role] = keys[there[0]]
        if role == "time" and "time" in there and there[0] in _DATES:
            found["clock"] = keys["time"]
    quotes = "bid" in found and "ask" in found and not any(name in found for name in PRICES)
    missing = [] if quotes else [name for name in PRICES if name not in found]
    if "time" not in found:
        missing.insert(0, "date (or datetime, timestamp)")
    if missing:
        header = ",".join(map(str, table.rows.columns))
        raise FeedError(
            f"{table.header}: no column {', '.join(missing)} in {header[:100]!r}; rename the column that holds it, or "
            f"add one, as in {CSV_HEADER}"
        )
    return found


def values_of(table: Table, column: str, *, role: str, gaps: bool) -> npt.NDArray[np.float64]:
    """A column as float64; ``gaps``: an empty cell is NaN, else refused. Raises FeedError with the line."""
    series = table.rows[column]
    empty = series.isna().to_numpy(dtype=bool)
    if pd.api.types.is_bool_dtype(series) or series.dtype.kind in "mM":
        raise _refused(table, series, ~empty)
    if isinstance(series.dtype, np.dtype) and series.dtype in (np.float16, np.float32):
        numbers = shortest_decimals(series.to_numpy())
    elif pd.api.types.is_numeric_dtype(series):
        numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        numbers = _from_text(table, series, role)
    bad = (np.isnan(numbers) & ~empty) | np.isinf(numbers) | (empty if not gaps else False)
    if bad.any():
        raise _refused(table, series, bad)
    return numbers


def _from_text(table: Table, series: pd.Series[Any], role: str) -> npt.NDArray[np.float64]:
    """Cells that pandas took for text as numbers, NaN where they are none."""
    numbers = np.full(len(series), np.nan)
    if table.decimal == ".":  # pandas would take 1.234 for a decimal where the comma is the mark
        with contextlib.suppress(OverflowError):  # an integer of hundreds of digits is no number for pandas
            numbers = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    rest = np.isnan(numbers) & series.notna().to_numpy(dtype=bool)
    numbers[rest] = [_number(str(value), role, table.decimal) for value in series[rest]]
    return numbers


def shortest_decimals(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """For 32-bit floats the shortest decimals that round to them: 149.399994 is 149.4 as it was quoted."""
    distinct, position = np.unique(values.view(f"i{values.itemsize}"), return_inverse=True)  # 0.0 is not -0.0
    return distinct.view(values.dtype).astype(str).astype(np.float64)[position]


def _key(name: object) -> str:
    return re.sub(r"[\s/]+", "_", re.sub(r"[<>.*]", "", str(name).strip().lower()))


def _number(text: str, role: str, decimal: str) -> float:
    """A number as vendors write it: $12.30, 1,234.50, volumes 1.25M and 1,234; NaN where it is none."""
    plain = text.strip().removeprefix("$")
    if decimal == ",":
        plain = plain.translate(_MARKS_EXCHANGED)
    if role in _COUNTS and plain[-1:] in _POWERS:
        plain = plain[:-1] + _POWERS[plain[-1]]
    if _GROUPED.fullmatch(plain) or (role in _COUNTS and _GROUPED_WHOLE.fullmatch(plain)):
        plain = plain.replace(",", "")
    return float(plain) if _PLAIN.fullmatch(plain) else np.nan


def _refused(table: Table, series: pd.Series[Any], bad: npt.NDArray[np.bool_]) -> FeedError:
    mark = "point" if table.decimal == "." else "comma"
    cure = f"write plain numbers with a decimal {mark}, and drop {table.unit}s without a price"
    return table.refused(series, bad, "a number", cure)
