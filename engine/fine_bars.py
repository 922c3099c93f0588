"""The fine bars of a backtest, of which only those are matched that may change anything.

A bar changes nothing where no order lives that its range reaches: then it is enough that its close is the last price.
What is told here is on the safe side: a bar that is matched in vain does no harm.
"""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import numpy.typing as npt

from gateway.data.columns import BarColumns
from gateway.data.tape import Step, Tape
from gateway.hours import moment_to_datetime
from gateway.market import Market
from gateway.market.terms import STOPS
from gateway.market.ticket import Ticket
from gateway.model import Bar

NEVER = 2**62  # microseconds
_BLOCK = 4_096  # bars that are looked at in one go


class FineBars:
    """Bars of a tape without quotes. Moments are microseconds since 1970."""

    def __init__(self, tape: Tape) -> None:
        self._bars = tape.bars
        self._touched: dict[tuple[int, float | None, float | None], int] = {}  # order, prices -> bar that reaches them

    def next_touch(self, market: Market, after: int, until: int) -> int:
        """When a bar after a moment next may change something; NEVER: not up to ``until``."""
        when = NEVER
        prices = market.accounts.prices
        books = market.life.exchange.books
        unpriced = {
            ticket.order.instrument.con_id
            for ticket in market.life.tickets.values()
            if ticket.order.instrument.con_id not in prices
        }
        for instrument, bars in self._bars.items():
            book = books.get(instrument.con_id)
            tickets = book.tickets if book is not None else ()
            if not tickets and instrument.con_id not in unpriced:
                continue
            first = int(np.searchsorted(bars.end, after, side="right"))
            if first == len(bars) or bars.end[first] > min(until, when):
                continue
            if instrument.con_id in unpriced:
                when = int(bars.end[first])
            for ticket in tickets:
                at = self._touch(bars, ticket, first)
                if at < len(bars):
                    when = min(when, int(bars.end[at]))
        return when if when <= until else NEVER

    def step(self, moment: int) -> Step:
        """The bars that end at a moment."""
        when = moment_to_datetime(moment)
        step = Step(when)
        for instrument, bars in self._bars.items():
            at = bars.last_at(moment)
            if at >= 0 and bars.end[at] == moment:
                step.bars[instrument] = _bar(bars, at, when)
        return step

    def closes(self, moment: int) -> dict[int, float]:
        """con_id -> close of the last bar that has ended by a moment."""
        found = {}
        for instrument, bars in self._bars.items():
            at = bars.last_at(moment)
            if at >= 0:
                found[instrument.con_id] = float(bars.close[at])
        return found

    def _touch(self, bars: BarColumns, ticket: Ticket, first: int) -> int:
        """Index of the first bar from ``first`` on that may change an order."""
        if not ticket.has_rested:
            return first
        low, high = _reach(ticket)
        if low is None and high is None:
            return first
        key = (ticket.seq, low, high)
        known = self._touched.get(key, -1)
        if known < first:
            known = self._touched[key] = _first(bars, first, low, high)
        return known


def _reach(ticket: Ticket) -> tuple[float | None, float | None]:
    """The price that a bar's low, or its high, must reach to change an order; neither: any bar may."""
    terms = ticket.terms
    if terms.kind == "LMT" or (terms.kind == "STP LMT" and ticket.is_triggered):
        return (terms.limit, None) if terms.sign > 0 else (None, terms.limit)
    if terms.kind in STOPS and not ticket.is_triggered and not ticket.trails():
        return (None, ticket.stop) if terms.sign > 0 else (ticket.stop, None)
    return None, None


def _first(bars: BarColumns, first: int, low: float | None, high: float | None) -> int:
    """The first bar from ``first`` on whose range reaches ``low`` from above or ``high`` from below."""
    for begin in range(first, len(bars), _BLOCK):
        end = begin + _BLOCK
        reached: npt.NDArray[np.bool_] = (
            bars.low[begin:end] <= low if low is not None else bars.high[begin:end] >= (high or math.inf)
        )
        at = int(np.argmax(reached))
        if reached[at]:
            return begin + at
    return len(bars)


def _bar(bars: BarColumns, at: int, end: dt.datetime) -> Bar:
    start = end - dt.timedelta(seconds=bars.seconds)
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume, bars.wap)
    open_, high, low, close, volume, wap = (float(column[at]) for column in columns)
    return Bar(start, end, open_, high, low, close, volume, wap, int(bars.count[at]))
