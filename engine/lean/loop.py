"""The run: stock's ``_runonce`` with cursors in the place of moving lines.

Steps are bars of the merged calendar (``timeline``). On each: datas, cheating timers, ``next_open``, broker and its
notifications, timers, strategies in their order; a stop that was asked for counts where stock looks for it.

Why it is exact: what is called, and in which order, is stock's; what is left out are calls that change nothing
(``hooks``) and passes of a broker that has nothing to do (``desk``).
"""

from __future__ import annotations

from typing import Any

import backtrader as bt

from engine.lean.cursor import Cursor, Ties
from engine.lean.seat import Seat
from engine.lean.timeline import Timeline
from engine.once.compute import compute

BROKEN = object()  # what ``_event_stop`` holds after somebody moved a line by hand


def run_lean(cerebro: bt.Cerebro, strategies: list[bt.Strategy]) -> list[str]:
    """Step through all bars. Returns what made parts of it go stock's way."""
    for strategy in strategies:
        compute(strategy)
        strategy.reset()
    run = LeanRun(cerebro, strategies)
    try:
        run.go()
    finally:
        run.close()
    return run.reasons


class LeanRun:
    """State of one run."""

    def __init__(self, cerebro: bt.Cerebro, strategies: list[bt.Strategy]) -> None:
        self.cerebro = cerebro
        self.strategies = strategies
        self.reasons: list[str] = []
        self.datas = sorted(cerebro.datas, key=lambda data: (data._timeframe, data._compression))
        self.timeline = Timeline(self.datas)
        self.ties = Ties(self._on_break)
        self.cursors = [Cursor(self.ties) for _ in self.datas]
        for data, cursor in zip(self.datas, self.cursors, strict=True):
            self.ties.tie_data(data, cursor)
        by_data = {id(data): cursor for data, cursor in zip(self.datas, self.cursors, strict=True)}
        self.seats = [Seat(strategy, self.ties, by_data, own_cursors=True) for strategy in strategies]

    def _on_break(self) -> None:
        self.reasons.append("a line was moved by hand in mid-run")
        self.cerebro._event_stop = self.cerebro._event_stop or BROKEN

    def close(self) -> None:
        """Leave every object as stock would."""
        self.ties.untie()
        if self.cerebro._event_stop is BROKEN:
            self.cerebro._event_stop = False

    def _stops(self) -> bool:
        """Whether a stop was asked for; a break is none."""
        if self.cerebro._event_stop is BROKEN:
            self.cerebro._event_stop = False
        return bool(self.cerebro._event_stop)

    def go(self) -> None:
        cerebro, strategies = self.cerebro, self.strategies
        for step, stamp in enumerate(self.timeline.stamps):
            self._move(step)
            cerebro._check_timers(strategies, stamp, cheat=True)
            if cerebro.p.cheat_on_open:
                for strategy in strategies:
                    strategy._oncepost_open()
                    if self._stops():
                        return
            cerebro._brokernotify()
            if self._stops():
                return
            cerebro._check_timers(strategies, stamp, cheat=False)
            for seat in self.seats:
                if self.ties.tied:
                    seat.step(stamp)
                else:
                    seat.strategy._oncepost(stamp)
                if self._stops():
                    return
                cerebro._next_writers(strategies)
            if not self.ties.tied:
                self._go_as_stock()
                return

    def _move(self, step: int) -> None:
        if self.timeline.shared:
            for cursor in self.cursors:
                cursor.idx = step
        else:
            for cursor, row in zip(self.cursors, self.timeline.rows, strict=True):
                cursor.idx = row[step]

    def _go_as_stock(self) -> None:
        """Stock's ``_runonce`` from a bar in the middle."""
        cerebro, strategies = self.cerebro, self.strategies
        while True:
            nexts = [data.advance_peek() for data in self.datas]
            stamp = min(nexts)
            if stamp == float("inf"):
                return
            for data, its in zip(self.datas, nexts, strict=True):
                if its <= stamp:
                    data.advance()
            cerebro._check_timers(strategies, stamp, cheat=True)
            if cerebro.p.cheat_on_open:
                for strategy in strategies:
                    strategy._oncepost_open()
                    if cerebro._event_stop:
                        return
            cerebro._brokernotify()
            if cerebro._event_stop:
                return
            cerebro._check_timers(strategies, stamp, cheat=False)
            for strategy in strategies:
                strategy._oncepost(stamp)
                if cerebro._event_stop:
                    return
                cerebro._next_writers(strategies)


