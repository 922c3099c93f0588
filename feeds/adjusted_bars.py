"""Bars of the catalog as a run, a screen, a picture or a file wants them: one range, repaired, adjusted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from core.calendar import ExchangeCalendar
from feeds.bars import Adjustment, BarSize, CorporateAction

if TYPE_CHECKING:  # Parquet and SQLite are loaded when a run asks for the catalog, not with ``feeds``
    from feeds.catalog import Catalog, Series


@dataclass(frozen=True)
class AdjustedBars:
    """``actions``: those between the first bar and the last. ``doubts``: what looks wrong with all of the symbol's."""

    frame: pd.DataFrame
    actions: tuple[CorporateAction, ...]
    doubts: tuple[str, ...]


def adjusted_bars(
    catalog: Catalog,
    one: Series,
    want: Adjustment | None,
    *,
    start: dt.date | None = None,
    end: dt.date | None = None,
    repaired: bool = True,
) -> AdjustedBars:
    """The bars of the sessions from ``start`` to ``end``, inclusive, adjusted backward from the last of them.

    ``want`` None: as they are stored, whatever the actions are. Prices that are stored adjusted for splits are turned
    into those of their day first, with every stored bar up to the day that they are adjusted to. Raises CatalogError,
    AdjustmentError, CalendarError.
    """
    from feeds.actions import adjust
    from feeds.actions.adjust import COUNTED
    from feeds.actions.steps import after, steps

    have, exchange = one.adjusted, one.exchange
    frame = _read(catalog, one, start, end, repaired)
    if want is None:
        return AdjustedBars(frame, (), ())
    known, doubts = settled_actions(catalog, one.symbol)
    if len(frame):
        until = _until(one)
        later = [action for action in after(frame, known, exchange, until) if action.kind in COUNTED["split"]]
        if have == "split" and (want != "split" or later):
            whole = _read(catalog, one, None, None, repaired)
            raw = adjust(whole, known, have="split", want="raw", exchange=exchange, until=until)
            frame, have = raw[(raw.index >= frame.index[0]) & (raw.index <= frame.index[-1])], "raw"
        frame = adjust(frame, known, have=have, want=want, exchange=exchange)
    inside: Sequence[CorporateAction] = ()
    if len(frame):
        inside = [action for step in steps(frame, known, exchange) for action in step.actions]
    return AdjustedBars(frame, tuple(inside), doubts)


def settled_actions(catalog: Catalog, symbol: str) -> tuple[tuple[CorporateAction, ...], tuple[str, ...]]:
    """The corporate actions of a symbol by which prices are adjusted, and notes; see ``feeds.actions.reconcile``."""
    from feeds.actions import reconcile

    return reconcile(catalog.actions(symbol), catalog.action_sources(symbol))


def _until(one: Series) -> dt.date:
    """The last day whose actions are in prices that came adjusted."""
    return max(one.adjusted_until or one.last.date(), one.last.date())


def _read(catalog: Catalog, one: Series, start: dt.date | None, end: dt.date | None, repaired: bool) -> pd.DataFrame:
    """The stored bars of these sessions and of no other: the last one anchors the adjustment."""
    read = catalog.bars if repaired else catalog.raw
    bar: BarSize = one.bar
    first: dt.date | dt.datetime | None = start
    last: dt.date | dt.datetime | None = end
    if bar != "1d" and (start is not None or end is not None):
        span = ExchangeCalendar(one.exchange).span(start, end)
        if span is None:
            return read(one.symbol, bar).iloc[:0]
        first, last = span[0] and span[0] + dt.timedelta(microseconds=1), span[1]
    return read(one.symbol, bar, first, last)
