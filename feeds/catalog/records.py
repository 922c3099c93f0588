"""What the catalog says of itself: its series, repairs, and the record of what was done to it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from typing import Literal

import pandas as pd

from feeds.bars import Adjustment, BarSize, Content


@dataclass(frozen=True)
class Series:
    """One symbol in one bar size, as the listing shows it. Times as in ``feeds.bars``."""

    symbol: str
    bar: BarSize
    source: str  # where the latest bars came from
    currency: str
    exchange: str
    adjusted: Adjustment  # what the stored prices are adjusted for
    adjusted_until: dt.date | None  # last day whose actions are in them; None = the last bar's
    content: Content  # what the prices are of
    rows: int  # raw rows, those that repairs leave out included
    first: pd.Timestamp
    last: pd.Timestamp
    updated: dt.datetime  # of the last change to the bars, UTC
    repairs: int
    actions: int
    errors: int | None  # that no repair mends, by the last check; None = changed since, or never checked


@dataclass(frozen=True)
class Repair:
    """One change that readers see instead of a raw row. The row itself stays in the catalog.

    NaN says that the row has no value there, and is equal to NaN.
    """

    time: pd.Timestamp
    row: int  # which of the rows of that time, from 0
    rule: str
    action: Literal["drop", "set"]
    before: Mapping[str, float]  # column -> value in the raw row
    after: Mapping[str, float]  # column -> value that readers see; empty for a drop
    reason: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Repair) and self._comparable() == other._comparable()

    def _comparable(self) -> tuple[object, ...]:
        values = [{name: None if isnan(value) else value for name, value in part.items()}
                  for part in (self.before, self.after)]  # fmt: skip
        return self.time, self.row, self.rule, self.action, *values, self.reason


@dataclass(frozen=True)
class Appended:
    """What an append did. ``differing`` counts times whose stored rows are not those that were brought."""

    symbol: str
    bar: BarSize
    added: int  # rows
    unchanged: int  # rows
    differing: int  # times, of which more differs than adj_close
    replaced: int  # times, of the differing ones
    readjusted: int = 0  # times of which adj_close alone differs: the newer one was taken
    older: int = 0  # where there are any of these, the stored rows that keep an earlier adj_close


@dataclass(frozen=True)
class Act:
    """One entry in the record of the catalog."""

    when: dt.datetime  # UTC
    act: str  # "append", "replace", "repair", "undo", "actions", "remove"
    symbol: str
    bar: BarSize | None
    detail: str
