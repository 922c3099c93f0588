"""Columns that stand under each other's names: told by what prices are like, since every cell is a good number."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from core.errors import FeedError
from feeds.bars import COLUMNS, PRICES
from feeds.datenum import Floats
from feeds.open_close import OpenClose
from feeds.sources.table import Table

_ROWS = 10  # that say something about the order of columns
_CURE = "the names in the header do not fit the columns; correct the header"


def refuse_exchanged(table: Table, values: Mapping[str, Floats]) -> None:
    """Refuse prices outside the range of low to high in most rows, and bids above asks. Raises FeedError."""
    _refuse_outside(table, values)
    if "bid" in values and "ask" in values:
        quoted = ~np.isnan(values["bid"]) & ~np.isnan(values["ask"])
        crossed = float((values["bid"] > values["ask"])[quoted].mean()) if quoted.any() else 0.0
        if quoted.sum() >= _ROWS and crossed > 0.5:
            raise FeedError(
                f"{table.where}: in {crossed:.0%} of the rows bid is above ask; bid and ask look exchanged: {_CURE}"
            )


def refuse_open_for_close(table: Table, frames: Sequence[pd.DataFrame]) -> None:
    """Refuse opens that are closes, by all series of a file together. Raises FeedError."""
    steps = OpenClose(0, 0)
    for frame in frames:
        prices = frame.sort_index(kind="stable")
        steps += OpenClose.of(prices["open"].to_numpy(), prices["close"].to_numpy())
    if steps.exchanged:
        raise FeedError(
            f"{table.where}: in {steps.share:.0%} of the {table.unit}s the open is farther from the close before it "
            f"than the close is from the open before it; open and close look exchanged: {_CURE}"
        )


def _refuse_outside(table: Table, values: Mapping[str, Floats]) -> None:
    whole = ~np.isnan(np.column_stack([values[name] for name in COLUMNS])).any(axis=1)
    prices = {name: values[name][whole] for name in COLUMNS}
    fits = _fits(prices)
    if whole.sum() < _ROWS or fits >= 0.5:
        return
    exchanged = {
        (one, other): prices | {one: prices[other], other: prices[one]}
        for one, other in itertools.combinations(COLUMNS, 2)
    }
    fitting = {pair: made for pair, made in exchanged.items() if _fits(made) > 0.95}
    # A volume among the prices would fit as a high, too: the narrower range is the likelier
    best = min(fitting, key=lambda pair: _width(fitting[pair]), default=None)
    probable = f"; {best[0]} and {best[1]} look exchanged" if best else ""
    raise FeedError(f"{table.where}: in {1 - fits:.0%} of the rows a price lies outside low to high{probable}: {_CURE}")


def _fits(prices: Mapping[str, Floats]) -> float:
    opens, highs, lows, closes = (prices[name] for name in PRICES)
    inside = (lows <= opens) & (opens <= highs) & (lows <= closes) & (closes <= highs)
    return float(inside.mean()) if len(inside) else 1.0


def _width(prices: Mapping[str, Floats]) -> float:
    return float(np.median(prices["high"] - prices["low"]))
