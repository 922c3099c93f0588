"""Columns that stand under each other's names: told by what prices are like, since every cell is a good number."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from core.errors import FeedError
from feeds.bars import COLUMNS, PRICES
from feeds.datenum import Floats
from feeds.sources.table import Table

_ROWS = 10  # that say something about the order of columns
_STEPS = 30  # between bars, that say something about the order in time
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
    """Refuse opens that are closes: an open is near the close before it, and a close is farther from the open before.

    The median of the one over that of the other is 0.15 to 0.84 for 442 US stocks and 0.02 for hours. Raises FeedError.
    """
    ratios = []
    for frame in frames:
        prices = frame.sort_index(kind="stable")
        opens, closes = prices["open"].to_numpy(), prices["close"].to_numpy()
        gaps, moves = np.abs(opens[1:] - closes[:-1]), np.abs(closes[1:] - opens[:-1])
        known = ~np.isnan(gaps) & ~np.isnan(moves)
        if known.sum() >= _STEPS:
            gap, move = float(np.median(gaps[known])), float(np.median(moves[known]))
            ratios.append(gap / move if move else np.inf if gap else 1.0)
    if ratios and np.median(ratios) > 2.0:
        raise FeedError(
            f"{table.where}: opens are far from the closes before them, and closes near the opens before them; "
            f"open and close look exchanged: {_CURE}"
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
