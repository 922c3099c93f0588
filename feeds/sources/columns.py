"""Which column is what, by the names that vendors give them; columns as numbers."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import FeedError
from feeds.bars import COLUMNS, PRICES

if TYPE_CHECKING:
    from feeds.sources.table import Table

Role = Literal["time", "clock", "symbol", "open", "high", "low", "close", "volume", "adj_close", "bid", "ask"]

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
}
_MULTIPLES = {"K": 1e3, "M": 1e6, "B": 1e9}  # volumes like 1.25M
_GROUPED = re.compile(r"\d{1,3}(,\d{3})+\.\d+|\d{1,3}(,\d{3}){2,}")  # 1,234.50 and 1,234,567, but not 1,234
_SWAPPED_FROM = 10  # rows that say something about the order of columns


def role_of(name: object) -> Role | None:
    """What a column of that name is, None when it is nothing known. A time of day beside a date is ``clock``."""
    key = _key(name)
    return next((role for role, names in _NAMES.items() if key in names), None)


def find_columns(table: Table) -> dict[Role, str]:
    """Role -> name of the column in the file. Raises FeedError: two of one role, none of a role that must be."""
    found: dict[Role, str] = {}
    keys: dict[str, str] = {}
    for name in map(str, table.rows.columns):
        key = _key(re.sub(r"\.\d+$", "", name))  # pandas numbers names that stand twice
        if key in keys and role_of(key) is not None:
            raise FeedError(f"{table.at(1)}: two columns are named {key!r}; rename or remove one")
        keys[key] = name
    for role, names in _NAMES.items():
        there = [name for name in names if name in keys]
        if there:
            found[role] = keys[there[0]]
        if role == "time" and "time" in there and there[0] == "date":
            found["clock"] = keys["time"]
    quotes = "bid" in found and "ask" in found and not any(name in found for name in PRICES)
    missing = [] if quotes else [name for name in PRICES if name not in found]
    if missing and "time" not in found:
        missing.insert(0, "date (or datetime, timestamp)")
    elif "time" not in found:
        missing = ["date (or datetime, timestamp)"]
    if missing:
        header = ",".join(map(str, table.rows.columns))
        raise FeedError(
            f"{table.at(1)}: no column {', '.join(missing)} in {header[:100]!r}; add it to the header and rows"
        )
    return found


def values_of(table: Table, column: str, *, role: str, gaps: bool) -> npt.NDArray[np.float64]:
    """A column as float64; ``gaps``: an empty cell is NaN, else refused. Raises FeedError with the line."""
    series = table.rows[column]
    if pd.api.types.is_bool_dtype(series):
        raise _refused(table, series, np.ones(len(series), dtype=bool))
    if series.dtype == np.float32:
        return shortest_decimals(series.to_numpy())
    numbers = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    text = np.isnan(numbers) & series.notna().to_numpy()
    if text.any() and not pd.api.types.is_numeric_dtype(series):
        numbers[text] = [_number(str(value), role, table.decimal) for value in series[text]]
        text = np.isnan(numbers) & series.notna().to_numpy()
    bad = text | np.isinf(numbers) | (np.isnan(numbers) if not gaps else False)
    if bad.any():
        raise _refused(table, series, bad)
    return numbers


def shortest_decimals(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """For 32-bit floats the shortest decimals that round to them: 149.399994 is 149.4 as it was quoted."""
    distinct, position = np.unique(values, return_inverse=True)
    return distinct.astype(str).astype(np.float64)[position]


def refuse_swapped(table: Table, prices: dict[str, npt.NDArray[np.float64]]) -> None:
    """Refuse columns that stand under each other's names: prices outside the range of low to high in most rows."""
    whole = np.asarray(~np.isnan(np.column_stack([prices[name] for name in COLUMNS])).any(axis=1))
    if whole.sum() < _SWAPPED_FROM or _fits(prices, whole) >= 0.5:
        return
    probable = ""
    for one, other in itertools.combinations(COLUMNS, 2):
        if _fits(prices | {one: prices[other], other: prices[one]}, whole) > 0.95:
            probable = f"; {one} and {other} look exchanged"
            break
    raise FeedError(
        f"{table.where}: in {1 - _fits(prices, whole):.0%} of the rows a price lies outside low to high{probable}: the "
        "names in the header do not fit the columns; correct the header"
    )


def _fits(prices: dict[str, npt.NDArray[np.float64]], rows: npt.NDArray[np.bool_]) -> float:
    opens, highs, lows, closes = (prices[name][rows] for name in PRICES)
    inside = (lows <= opens) & (opens <= highs) & (lows <= closes) & (closes <= highs)
    return float(inside.mean())


def _key(name: object) -> str:
    return re.sub(r"[\s/]+", "_", re.sub(r"[<>.*]", "", str(name).strip().lower()))


def _number(text: str, role: str, decimal: str) -> float:
    """A number as vendors write it: $12.30, 1,234.50, volumes 1.25M and 1,234; NaN where it is none."""
    plain = text.strip().removeprefix("$")
    factor = 1.0
    if role == "volume" and plain and plain[-1] in _MULTIPLES:
        plain, factor = plain[:-1], _MULTIPLES[plain[-1]]
    if decimal == ",":
        plain = plain.replace(".", "").replace(",", ".")
    elif _GROUPED.fullmatch(plain) or (role == "volume" and re.fullmatch(r"\d{1,3}(,\d{3})+", plain)):
        plain = plain.replace(",", "")
    return float(plain) * factor if re.fullmatch(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?", plain) else np.nan


def _refused(table: Table, series: pd.Series[Any], bad: npt.NDArray[np.bool_]) -> FeedError:
    position, count = int(np.argmax(bad)), int(np.count_nonzero(bad))
    value = series.iloc[position]
    what = "no value" if pd.isna(value) else f"{str(value)!r} is not a number"
    more = f" ({count} {table.unit}s in all)" if count > 1 else ""
    return FeedError(
        f"{table.at(int(series.index[position]))}, column {series.name}: {what}{more}; "
        f"write plain numbers with a decimal point, and drop {table.unit}s without a price"
    )
