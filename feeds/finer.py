"""Bars made of finer ones, and the finer bars and quotes on which ``matching = "ibkr"`` fills orders."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import pandas as pd

from core.calendar import ExchangeCalendar
from feeds.aggregate import aggregate
from feeds.bars import BAR_SIZES, BarSize, RawBars

QUOTES = ("bid", "ask", "bid_size", "ask_size")
SHOWN = 1_000.0  # shares at bid and ask where the quotes have no sizes


def finer_than(bar: BarSize, there: Collection[BarSize]) -> BarSize | None:
    """The next finer size of those that are there; None: there is none."""
    finer = BAR_SIZES[BAR_SIZES.index(bar) + 1 :]
    return next((size for size in finer if size in there), None)


def made_of(finer: RawBars, bar: BarSize, exchange: str) -> RawBars:
    """Bars of size ``bar`` made of finer ones, by the sessions of ``exchange``; a note says so."""
    calendar = ExchangeCalendar(finer.exchange or exchange)
    frame = finer.frame
    if len(frame):
        frame = aggregate(frame, bar, calendar)
        if bar == "1d":  # labelled by session
            days = [calendar.session_of(stamp) for stamp in pd.DatetimeIndex(frame.index).to_pydatetime()]
            frame = frame.set_axis(pd.DatetimeIndex(days, name="time"), axis=0)
    note = f"{finer.symbol}: the bars of {bar} are made of those of {finer.bar}."
    return dataclasses.replace(finer, bar=bar, frame=frame, notes=(*finer.notes, note))


def quotes_in(frame: pd.DataFrame) -> pd.DataFrame | None:
    """Bids and asks of rows that have both, from the time of each row on; None where there are none."""
    if "bid" not in frame or "ask" not in frame:
        return None
    quotes = frame.reindex(columns=list(QUOTES)).astype("float64")
    quotes = quotes[quotes["bid"].notna() & quotes["ask"].notna()]
    return quotes.fillna({"bid_size": SHOWN, "ask_size": SHOWN}) if len(quotes) else None
