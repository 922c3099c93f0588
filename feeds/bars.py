"""What all of the data room speaks of: bar sizes, corporate actions, a request to a source and its answer.

Times of bars, everywhere in the data room:

- daily bars are labelled by the **date of their session**: a naive index of midnights;
- intraday bars carry the time of their **close**, in UTC: an aware index.

``feeds.loader`` stamps daily bars with the close of their session when a run asks for them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import pandas as pd

BarSize = Literal["1d", "1h", "1m", "1s"]
Adjustment = Literal["raw", "split", "total"]
ActionKind = Literal["split", "spin_off", "dividend"]
Content = Literal["trades", "quotes"]

BAR_SIZES: tuple[BarSize, ...] = ("1d", "1h", "1m", "1s")
ADJUSTMENTS: tuple[Adjustment, ...] = ("raw", "split", "total")
PRICES = ("open", "high", "low", "close")
COLUMNS = (*PRICES, "volume")
QUOTE_SIZES = ("bid_size", "ask_size")  # shares at bid and ask
EXTRAS = ("adj_close", "bid", "ask", *QUOTE_SIZES)  # kept where a source has them; NaN where a row has none


@dataclass(frozen=True, order=True)
class CorporateAction:
    """A split, a spin-off or a cash dividend, as it was on its day.

    ``value``: split: shares after it for one share before it (7.0 = 7:1, 0.125 = 1:8). Dividend: cash for one share
    of that day (unadjusted), instrument's currency. Spin-off: worth of what is handed out for one share, as a dividend.
    """

    ex_date: dt.date  # first session without the right to it
    kind: ActionKind
    value: float
    source: str = field(default="", compare=False)  # "yahoo", "polygon", the name of a file, "adj_close"


@dataclass(frozen=True)
class Request:
    """One symbol, one bar size, a range of sessions (inclusive; None leaves a side open)."""

    symbol: str
    bar: BarSize = "1d"
    start: dt.date | None = None
    end: dt.date | None = None
    exchange: str = "XNYS"  # calendar by which sessions are counted, where the source does not know better


@dataclass(frozen=True)
class RawBars:
    """Bars as a source has them: nothing is repaired or adjusted, rows may be duplicated, unsorted or impossible.

    ``frame``: float64 columns open, high, low, close, volume and any of EXTRAS; index named "time", see the module.
    Prices that a row does not have are NaN.
    """

    symbol: str
    bar: BarSize
    frame: pd.DataFrame
    source: str  # "csv:prices.csv", "parquet:prices.parquet", "yahoo", "polygon", "sample"
    adjusted: Adjustment = "raw"  # what the prices are adjusted for already
    adjusted_until: dt.date | None = None  # last day whose actions are in adjusted prices; None = of the last bar
    content: Content = "trades"  # what the prices are of; "quotes" = the middle of bid and ask
    currency: str | None = None  # ISO 4217; None = the source does not say
    exchange: str | None = None  # code of exchange_calendars; None = the source does not say
    actions: tuple[CorporateAction, ...] = ()
    notes: tuple[str, ...] = ()  # what is worth knowing about these bars, plain sentences


class Source(Protocol):
    """A place where bars come from. Files, HTTP services, the sample and the catalog are all of this kind."""

    name: str

    def symbols(self) -> Sequence[str]:
        """Symbols it has; empty where it cannot say before it is asked for one."""

    def fetch(self, request: Request) -> RawBars:
        """Bars of one symbol. Raises FeedSourceError, SourceAnswerError, FeedEmptyError, FeedError."""
