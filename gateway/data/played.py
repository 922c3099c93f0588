"""The tape as it was really played: rows that were changed on their way to the market, or held back from it."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import numpy as np

from gateway.data.columns import PRICES, QUOTES, BarColumns, QuoteColumns
from gateway.data.tape import Step, Tape
from gateway.hours import moment_of
from gateway.model import Bar, Instrument, Quote

C = TypeVar("C", BarColumns, QuoteColumns)
_OF_BARS = (*PRICES, "volume", "wap", "count")


class PlayedTape:
    """Writes into a tape what was played in place of what is recorded there. The arrays written to are its own."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self._bars: dict[Instrument, BarColumns] = {}  # those that are copies already
        self._quotes: dict[Instrument, QuoteColumns] = {}

    def write(self, recorded: Step, played: Step) -> None:
        """One step: rows that are others now, and rows that are not there any more."""
        for instrument, bar in recorded.bars.items():
            if (now := played.bars.get(instrument)) is not bar:
                before = self.tape.bars[instrument]
                is_own = self._bars.get(instrument) is before
                after = _written(before, is_own, moment_of(bar.end), now, _OF_BARS)
                self.tape.bars[instrument] = self._bars[instrument] = after
        for instrument, quote in recorded.quotes.items():
            if (told := played.quotes.get(instrument)) is not quote:
                known = self.tape.quotes[instrument]
                is_own = self._quotes.get(instrument) is known
                changed = _written(known, is_own, moment_of(quote.when), told, QUOTES)
                self.tape.quotes[instrument] = self._quotes[instrument] = changed


def _written(columns: C, is_own: bool, end: int, row: Bar | Quote | None, names: tuple[str, ...]) -> C:
    """Columns with another row at ``end``, or without it."""
    at = columns.last_at(end)
    if at < 0 or columns.end[at] != end:
        return columns
    if row is None:
        left: dict[str, Any] = {name: np.delete(getattr(columns, name), at) for name in ("end", *names)}
        return dataclasses.replace(columns, **left)
    if not is_own:
        columns = dataclasses.replace(columns, **{name: getattr(columns, name).copy() for name in names})
    for name in names:
        getattr(columns, name)[at] = getattr(row, name)
    return columns
