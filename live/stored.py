"""Bars of the local catalog in the place of history that IBKR need not be asked for.

They are the bars that a backtest has, adjusted as the settings say. They are taken where they reach back to the first
bar that is wanted, no session is missing between, and IBKR tells the last of them at the same price: an adjustment
that one side has and the other has not would put a step between the two.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack

import pandas as pd

from core.calendar import ExchangeCalendar
from core.errors import HalflifeError
from core.logs import log_event
from core.settings import CATALOG, Settings
from feeds import get_source
from feeds.loader import read_bars
from feeds.quality import COLUMNS, check_bars

logger = logging.getLogger(__name__)
SAME_PRICE = 0.005  # fraction by which the last stored close may differ from IBKR's
OVERLAP = 2  # newest stored bars that IBKR is asked for, too: of a bar that has just ended its history may not know
Range = tuple[dt.datetime, dt.datetime]  # after which, and up to which bars are wanted, UTC


def stored_bars(settings: Settings, wanted: Mapping[str, Range]) -> dict[str, pd.DataFrame]:
    """Symbol -> the stored bars of its range, more than ``OVERLAP``; symbols whose bars cannot be used are not in it.

    Empty where ``data.source`` is not the catalog. What keeps a symbol out is logged.
    """
    found: dict[str, pd.DataFrame] = {}
    if settings.data.source != CATALOG:
        return found
    with ExitStack() as opened:
        try:
            source = get_source(settings)
            if isinstance(source, AbstractContextManager):
                opened.enter_context(source)
        except HalflifeError as error:
            log_event(logger, "catalog_not_used", level=logging.WARNING, why=str(error.args[0]))
            return found
        for symbol, (after, until) in wanted.items():
            calendar = ExchangeCalendar(settings.instruments[symbol].exchange)
            first, last = calendar.session_of(after + dt.timedelta(seconds=1)), calendar.session_of(until)
            data = settings.data.model_copy(update={"start": None, "end": last})
            try:
                bars, _ = read_bars(
                    source, settings.model_copy(update={"data": data}), symbol, settings.data.bar, first
                )
                frame = check_bars(symbol, bars[(bars.index > after) & (bars.index <= until)]) if len(bars) else bars
            except HalflifeError as error:
                log_event(logger, "catalog_not_used", symbol=symbol, why=str(error.args[0]))
                continue
            why = _lacks(frame, calendar, first)
            if why:
                log_event(logger, "catalog_not_used", symbol=symbol, why=why)
            else:
                found[symbol] = frame[list(COLUMNS)].set_axis(pd.DatetimeIndex(frame.index).as_unit("us"), axis=0)
    return found


def _lacks(frame: pd.DataFrame, calendar: ExchangeCalendar, first: dt.date) -> str:
    """Why bars do not do; "" = they do."""
    if len(frame) <= OVERLAP:
        return "it has no bars of the range"
    seen = calendar.sessions_of(pd.DatetimeIndex(frame.index))
    if seen[0] != first:
        return f"it begins on {seen[0]}, wanted is {first}"
    missing = sorted(set(calendar.sessions(seen[0], seen[-1])).difference(seen))
    return f"it has no bar of {missing[0]}" if missing else ""


def behind(stored: pd.DataFrame, wanted: Range) -> Range:
    """What IBKR is to tell beside stored bars: the newest ``OVERLAP`` of them and what follows."""
    return stored.index[-1 - OVERLAP].to_pydatetime(), wanted[1]


def misfit(stored: pd.DataFrame, told: pd.DataFrame) -> str:
    """Why the bars that IBKR told cannot follow the stored ones; "" = they can."""
    last = stored.index[-1]
    if last not in told.index:
        return f"IBKR does not have the last of them ({last:%Y-%m-%d %H:%M} UTC)"
    ours, theirs = float(stored["close"].iloc[-1]), float(told["close"][told.index == last].iloc[0])
    if abs(theirs / ours - 1.0) > SAME_PRICE:
        return f"IBKR has the last of them ({last:%Y-%m-%d %H:%M} UTC) at {theirs:g}, and they at {ours:g}"
    return ""


def joined(stored: pd.DataFrame, told: pd.DataFrame) -> pd.DataFrame:
    """The stored bars and, behind the last of them, those that IBKR told."""
    both: pd.DataFrame = pd.concat([stored, told[told.index > stored.index[-1]]])
    return both
