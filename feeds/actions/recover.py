"""Corporate actions out of the adjusted close that a file has beside the close.

Two forms are in use:

- cumulative (Yahoo): a row's adj_close carries every later action, so adj_close / close is a staircase that ends at 1;
- spot (pystock): adj_close differs from close only in the last row before an action, and carries that action alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import FeedError
from feeds.actions.classify import Doubtful, Shift, action_of, undone
from feeds.bars import CorporateAction

Floats = npt.NDArray[np.float64]
Form = Literal["none", "spot", "cumulative"]

FLOAT32 = 2.0**-24  # relative rounding of single precision, in which many files were once kept
DOUBLE = 1e-15
EQUAL = 1e-6  # relative: adj_close that does not differ from close; the smallest dividends are 100 times larger
_LONG_GAP = dt.timedelta(days=7)


@dataclass(frozen=True)
class Recovered:
    """What adj_close says. ``doubtful``: steps in it that are not taken for actions."""

    form: Form
    actions: tuple[CorporateAction, ...]
    doubtful: tuple[Doubtful, ...]
    notes: tuple[str, ...]


def recover_actions(frame: pd.DataFrame) -> tuple[tuple[CorporateAction, ...], tuple[str, ...]]:
    """Actions, and notes on what adj_close says beyond them: see ``read_adj_close``."""
    found = read_adj_close(frame)
    return found.actions, found.notes


def read_adj_close(frame: pd.DataFrame) -> Recovered:
    """Read the actions out of raw daily bars with ``close`` and ``adj_close`` (see feeds.bars).

    An action's ex-date is the next row's day. Payments are for one share of the frame's own closes. Rows may be
    unsorted and repeated; those without both prices are passed over. Raises FeedError where there is no adj_close or
    the bars are not daily.
    """
    rows, notes = _rows(frame)
    close, adjusted = rows["close"].to_numpy(), rows["adj_close"].to_numpy()
    form = form_of(close, adjusted)
    shifts = list(_spot(rows) if form == "spot" else _cumulative(rows) if form == "cumulative" else ())
    if len(rows) and abs(adjusted[-1] - close[-1]) > EQUAL * close[-1]:
        notes.append(
            f"{rows.index[-1]:%Y-%m-%d}: adj_close of the last row differs from its close by actions after it, "
            "which the bars cannot date; they are left out."
        )
    taken_back = undone(shifts)
    actions, doubtful = list[CorporateAction](), list[Doubtful]()
    for at, shift in enumerate(shifts):
        said = Doubtful(shift.ex_date, shift.factor, taken_back[at]) if at in taken_back else action_of(shift)
        if isinstance(said, Doubtful):
            doubtful.append(said)
            notes.append(f"{said.ex_date}: no action is taken from adj_close: {said.reason}.")
            continue
        actions.append(said)
        if shift.ex_date - shift.before > _LONG_GAP:
            notes.append(f"{shift.ex_date} {said.kind} {said.value:g}: it may be any day after {shift.before}.")
    return Recovered(form, tuple(actions), tuple(doubtful), tuple(notes))


def form_of(close: Floats, adjusted: Floats) -> Form:
    """The form of adj_close in rows by time: spot where rows that differ stand alone among rows that do not."""
    differs = np.abs(adjusted - close) > EQUAL * close
    if not differs.any():
        return "none"
    follows = differs & ~np.append(False, differs[:-1])  # first of a run
    after_equal = bool((follows[1:] & ~differs[:-1]).any())
    return "spot" if after_equal and 2 * np.count_nonzero(follows) >= np.count_nonzero(differs) else "cumulative"


def _rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Close, adj_close and open by day, one row a day, and what was passed over."""
    index = pd.DatetimeIndex(frame.index)
    if "adj_close" not in frame:
        raise FeedError("the bars have no adj_close to recover actions from; take them from a source or a file")
    if index.tz is not None or (index != index.normalize()).any():
        raise FeedError("actions are recovered from daily bars; load the daily bars of the symbol")
    names = [name for name in ("close", "adj_close", "open") if name in frame]
    rows = frame[names].astype(np.float64).sort_index(kind="stable")
    prices = rows[["close", "adj_close"]].to_numpy()
    rows = rows[(np.isfinite(prices) & (prices > 0.0)).all(axis=1)]
    twice = rows.index.duplicated()
    notes = []
    if twice.any():
        notes.append(f"{np.count_nonzero(twice)} rows repeat a day; the first of each is read.")
    return rows[~twice], notes


def _spot(rows: pd.DataFrame) -> Iterator[Shift]:
    close, adjusted = rows["close"].to_numpy(), rows["adj_close"].to_numpy()
    kept = _kept(rows)
    differs = np.flatnonzero(np.abs(adjusted - close) > EQUAL * close)
    for at in differs[differs < len(rows) - 1].tolist():
        coarse = 0.5 * 10.0 ** -decimals(adjusted[at : at + 1])[0] + FLOAT32 * adjusted[at]
        cash_error = kept * (close[at] + adjusted[at])
        yield _shift(rows, at, adjusted[at] / close[at], coarse / adjusted[at], cash_error)


def _cumulative(rows: pd.DataFrame) -> Iterator[Shift]:
    """Steps of the staircase: each stair is as long as one ratio fits into the rounding of all its rows."""
    close, adjusted = rows["close"].to_numpy(), rows["adj_close"].to_numpy()
    rounding = 0.5 * 10.0 ** -float(np.quantile(decimals(adjusted), 0.9, method="higher"))
    least = (adjusted - rounding - FLOAT32 * adjusted) / (close * (1.0 + FLOAT32))
    most = (adjusted + rounding + FLOAT32 * adjusted) / (close * (1.0 - FLOAT32))
    stairs: list[tuple[int, float, float]] = []  # first row, ratio, its error
    start = 0
    while start < len(rows):
        low, high = np.maximum.accumulate(least[start:]), np.minimum.accumulate(most[start:])
        ends = np.flatnonzero(low > high)
        length = int(ends[0]) if len(ends) else len(rows) - start
        ratio = 0.5 * (low[length - 1] + high[length - 1])
        stairs.append((start, ratio, 0.5 * (high[length - 1] - low[length - 1])))
        start += length
    for (_, ratio, error), (first, following, other) in zip(stairs, stairs[1:], strict=False):
        relative = error / ratio + other / following
        yield _shift(rows, first - 1, ratio / following, relative, relative * close[first - 1])


def _shift(rows: pd.DataFrame, at: int, factor: float, split_error: float, cash_error: float) -> Shift:
    opened = float(rows["open"].iloc[at + 1]) if "open" in rows else float("nan")
    if not opened > 0.0:
        opened = float(rows["close"].iloc[at + 1])
    return Shift(
        before=rows.index[at].date(),
        ex_date=rows.index[at + 1].date(),
        close=float(rows["close"].iloc[at]),
        factor=float(factor),
        split_error=float(split_error),
        cash_error=float(cash_error),
        opened=opened,
    )


def _kept(rows: pd.DataFrame) -> float:
    """Relative precision of the prices: single where some have more digits than prices are written with."""
    prices = rows[["close", "adj_close"]].to_numpy()
    return DOUBLE if (np.abs(np.round(prices, 5) - prices) <= DOUBLE * prices).all() else FLOAT32


def decimals(values: Floats) -> npt.NDArray[np.int64]:
    """Decimals that numbers were written with, 2 to 6, single precision allowed for."""
    digits = np.full(len(values), 6, dtype=np.int64)
    for count in (5, 4, 3, 2):
        digits[np.abs(np.round(values, count) - values) <= 2.0 * FLOAT32 * np.abs(values)] = count
    return digits
