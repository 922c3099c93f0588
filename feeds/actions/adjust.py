"""Backward adjustment of bars for splits, spin-offs and dividends, anchored at the last bar.

Prices before an ex-date are multiplied by what a share of the last close before it is worth without the right:

- split: 1 / value;
- spin-off and dividend: 1 - value / close, the close being that of the last session before the ex-date and for the
  shares of the ex-date. This is the CRSP rule; it supposes that a payment buys shares at the close less the payment.

Only actions after the first bar and up to the last count, so bars that come later change what was adjusted before by
one common factor and nothing else: no return of the past ever moves.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import AdjustmentError
from feeds.actions.reconcile import reconcile
from feeds.actions.steps import Step, after, steps
from feeds.bars import ADJUSTMENTS, PRICES, QUOTE_SIZES, ActionKind, Adjustment, CorporateAction

Floats = npt.NDArray[np.float64]

COUNTED: dict[Adjustment, frozenset[ActionKind]] = {  # what each mode adjusts for
    "raw": frozenset(),
    "split": frozenset({"split", "spin_off"}),
    "total": frozenset({"split", "spin_off", "dividend"}),
}


def factors(
    frame: pd.DataFrame, actions: Sequence[CorporateAction], *, want: Adjustment, exchange: str = "XNYS"
) -> pd.DataFrame:
    """What raw prices and volumes are to be multiplied by: columns ``price`` and ``volume``, the frame's index.

    ``frame``: raw bars, times rising (see feeds.bars); only ``close`` is read. ``exchange``: whose midnight and close
    part intraday bars; daily bars need none. Raises AdjustmentError, CalendarError.
    """
    parts = steps(frame, _counted(actions, want), exchange)
    closes = _closes(frame, parts)
    price = [_worth(step, close) / close for step, close in zip(parts, closes, strict=True)]
    return pd.DataFrame(
        {"price": _spread(frame, parts, price), "volume": _spread(frame, parts, [_shares(step) for step in parts])},
        index=frame.index,
    )


def adjust(
    frame: pd.DataFrame,
    actions: Sequence[CorporateAction],
    *,
    have: Adjustment,
    want: Adjustment,
    exchange: str = "XNYS",
    until: dt.date | None = None,
) -> pd.DataFrame:
    """Bars adjusted as ``want`` out of bars adjusted as ``have``: prices, bid and ask; volume and
    the sizes of quotes by splits alone.

    ``until``: with ``have="split"``, the day up to which the source has adjusted, where that is after the last bar
    (Yahoo: the day of the download). ``adj_close`` is left out of what changes: it fits raw prices only. Several
    sources are settled as ``reconcile`` says. Raises AdjustmentError, CalendarError.
    """
    for name in (have, want):
        if name not in ADJUSTMENTS:
            raise AdjustmentError(f"unknown adjustment {name!r}; choose one of {', '.join(ADJUSTMENTS)}")
    if have == want and (have != "split" or until is None):
        return frame.copy()
    if have == "total":
        raise AdjustmentError(
            f"these prices are adjusted for dividends already and cannot be turned into {want} prices exactly; "
            "import or pull raw prices, or adjust to total"
        )
    actions = reconcile(actions)[0]
    raw = frame if have == "raw" else _undone(frame, actions, exchange, until)
    if want == "raw":
        return raw
    multiply = factors(raw, actions, want=want, exchange=exchange)
    return _times(raw, multiply["price"].to_numpy(), multiply["volume"].to_numpy())


def _undone(
    frame: pd.DataFrame, actions: Sequence[CorporateAction], exchange: str, until: dt.date | None
) -> pd.DataFrame:
    """Raw bars out of split-adjusted ones: from the newest step, which has only the anchor after it, to the oldest."""
    counted = _counted(actions, "split")
    price, volume = 1.0, 1.0  # of the last bar
    for action in after(frame, counted, exchange, until) if until else ():
        if action.kind != "split":
            raise AdjustmentError(
                f"the spin-off of {action.ex_date} is after the last bar, so its share of the price cannot be undone; "
                "take bars up to its day, or bars that are not adjusted"
            )
        price, volume = price / action.value, volume * action.value
    parts = steps(frame, counted, exchange)
    later = price
    by_step: list[float] = []
    for step, adjusted in zip(reversed(parts), reversed(_closes(frame, parts)), strict=True):
        worth = adjusted / later
        close = worth
        for action in reversed(step.actions):
            close = close * action.value if action.kind == "split" else close + action.value
        by_step.insert(0, worth / close)
        later *= worth / close
    shares = _spread(frame, parts, [_shares(step) for step in parts]) * volume
    return _times(frame, 1.0 / (_spread(frame, parts, by_step) * price), 1.0 / shares)


def _counted(actions: Sequence[CorporateAction], mode: Adjustment) -> list[CorporateAction]:
    return [action for action in actions if action.kind in COUNTED[mode]]


def _closes(frame: pd.DataFrame, parts: Sequence[Step]) -> list[float]:
    """For each step the last close before it that is a price."""
    close = frame["close"].to_numpy(dtype=np.float64)
    rows = np.where(np.isfinite(close) & (close > 0.0), np.arange(len(close)), -1)
    usable = np.maximum.accumulate(rows) if len(rows) else rows
    for step in parts:
        if usable[step.reference] < 0:
            raise AdjustmentError(
                f"no close above 0 before the {step.actions[0].kind} of {step.actions[0].ex_date}; "
                "repair the bars, or begin after that day"
            )
    return [float(close[usable[step.reference]]) for step in parts]


def _worth(step: Step, close: float) -> float:
    """What is left of one share of the close before a step, as one share after it."""
    worth = close
    for action in step.actions:
        before = worth
        worth = worth / action.value if action.kind == "split" else worth - action.value
        if worth <= 0.0:
            raise AdjustmentError(
                f"{action.kind} of {action.value:g} on {action.ex_date}: the share was worth {before:g} before it; "
                "correct the amount (as paid for one share of that day), or the bars"
            )
    return worth


def _shares(step: Step) -> float:
    return math.prod(action.value for action in step.actions if action.kind == "split")


def _spread(frame: pd.DataFrame, parts: Sequence[Step], by_step: Sequence[float]) -> Floats:
    """For each row the product of the numbers of all steps after it."""
    products = np.append(np.cumprod(np.asarray(by_step, dtype=np.float64)[::-1])[::-1], 1.0)
    edges = [0, *(step.first for step in parts), len(frame)]
    return np.repeat(products, np.diff(edges))


def _times(frame: pd.DataFrame, price: Floats, volume: Floats) -> pd.DataFrame:
    columns = {
        name: frame[name].to_numpy(dtype=np.float64)
        * (volume if name in ("volume", *QUOTE_SIZES) else price if name in (*PRICES, "bid", "ask") else 1.0)
        for name in frame.columns
        if name != "adj_close"
    }
    return pd.DataFrame(columns, index=frame.index)
