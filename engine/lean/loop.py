"""The run: stock's ``_runonce`` with cursors in the place of moving lines.

Steps are bars of the merged calendar (``timeline``). On each: datas, cheating timers, ``next_open``, broker and its
notifications, timers, strategies in their order; a stop that was asked for counts where stock looks for it.

Why it is exact: what is called, and in which order, is stock's; what is left out are calls that change nothing
(``hooks``) and passes of a broker that has nothing to do (``desk``).
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable

import backtrader as bt

from engine.lean import desk
from engine.lean.analyzers import Deferral
from engine.lean.broker import LeanBroker
from engine.lean.cursor import Cursor
from engine.lean.curve import Curve
from engine.lean.endings import do_all
from engine.lean.equity import stays_finite
from engine.lean.notices import deliver
from engine.lean.seat import Seat
from engine.lean.thrift import fewer_collections
from engine.lean.ties import Ties
from engine.lean.timeline import Timeline
from engine.leap.house import HouseBroker
from engine.leap.run import LeapingBroker, go_leaping, sleepers_of
from engine.once.compute import compute

BROKEN = object()  # what ``_event_stop`` holds after somebody moved a line by hand


def run_lean(
    cerebro: bt.Cerebro, strategies: list[bt.Strategy], may_leap: bool, begin: Callable[[LeanRun], None]
) -> None:
    """Go through all bars. ``begin`` is told of the run before its first bar."""
    for strategy in strategies:
        compute(strategy)
        strategy.reset()
    run = LeanRun(cerebro, strategies)
    run.may_leap = may_leap
    completed = False
    try:
        run.open()
        begin(run)
        with fewer_collections():
            run.go()
        completed = True
    finally:
        run.close(completed)


class LeanRun:
    """State of one run.

    ``book``: of a lean broker; None where the broker has a pass on every bar. ``clock`` stands on the step.
    """

    def __init__(self, cerebro: bt.Cerebro, strategies: list[bt.Strategy]) -> None:
        self.cerebro = cerebro
        self.strategies = strategies
        self.reasons: list[str] = []
        self.may_leap = True
        self.is_leaping = False
        self.stepping: list[str] = []  # why it does not leap
        self.is_serving = False  # the broker's pass is under way, or the run ended in it
        self.landed = 0  # steps of a leaping run that were not left out
        self.datas = sorted(cerebro.datas, key=lambda data: (data._timeframe, data._compression))
        self.timeline = Timeline(self.datas)
        self.ties = Ties(self._on_break)
        self.clock = Cursor(self.ties)
        self.is_timed = bool(cerebro._timers or cerebro._timerscheat)
        self.book: desk.Book | None = None
        self.house: HouseBroker | None = None
        self.is_simple = False
        self.cursors: list[Cursor] = []
        self.seats: list[Seat] = []
        self.curve: Curve | None = None  # while cash and value of all bars follow from the fills alone
        self.acting: Seat | None = None  # whose turn it is, or was last
        self.settle_sleepers: Callable[[], None] = lambda: None  # who slept through his turn on this step had it

    def open(self) -> None:
        """Make the objects of the run lean. ``close`` gives them back, also where this comes to an error."""
        cerebro, strategies = self.cerebro, self.strategies
        self._open_book()
        self.house = HouseBroker.of(cerebro, self.timeline, self.datas)
        # Nobody can look between the move of the datas and the turn of the only strategy: all stand on one bar
        self.is_simple = (
            self.book is not None and len(strategies) == 1 and not self.is_timed and not cerebro.p.quicknotify
        )
        self.cursors = [
            self.clock if self.is_simple and self.timeline.shared else Cursor(self.ties) for _ in self.datas
        ]
        by_data = {id(data): cursor for data, cursor in zip(self.datas, self.cursors, strict=True)}
        for data, cursor in zip(self.datas, self.cursors, strict=True):
            self.ties.tie_data(data, cursor)
        self.seats = [Seat(each, self.ties, by_data, own_cursors=not self.is_simple) for each in strategies]
        self.acting = self.seats[0]
        if self.book is not None and self.timeline.is_growing:
            self.curve = Curve(self.book, self.datas, self.book.broker.cash)
            self.book.on_change.append(self._on_change)
        if self.curve is not None and not cerebro.p.quicknotify:
            for seat in self.seats:
                seat.deferral = Deferral(seat, self.curve, self.timeline.stamps, self._is_acting)
                seat.listen()

    @property
    def leaping_broker(self) -> LeapingBroker | None:
        """The broker's word on which steps it needs; None where it needs all of them."""
        return self.book or self.house

    def _open_book(self) -> None:
        broker, cerebro = self.cerebro.broker, self.cerebro
        reason = desk.can_take(broker)
        if not reason and (cerebro._timerscheat or cerebro.p.cheat_on_open):
            reason = "strategies may act before the broker (cheat_on_open, cheating timers)"
        if not reason and not all(len(data.lines.close.array) for data in self.datas):
            reason = "a data has no bars, and a position in it no price, which stock trips over on each bar"
        if not reason and not all(map(stays_finite, self.datas)):
            reason = "a close is no number"
        if reason:
            self.reasons.append(f"the broker has a pass on every bar: {reason}")
            return
        self.book = desk.Book(broker, self.clock, self.timeline, self.datas)
        self.book.open(LeanBroker)

    def _is_acting(self, seat: Seat) -> bool:
        self.settle_sleepers()
        return seat is self.acting and seat.cursor.idx == self.clock.idx >= 0

    def _feed_analyzers(self, is_over: bool = False) -> None:
        """Give deferred analyzers their state. ``is_over``: not in the midst of a strategy's turn."""
        deferrals = [seat.deferral for seat in self.seats if seat.deferral is not None]
        do_all(functools.partial(deferral.flush, is_over) for deferral in deferrals)

    def _on_change(self) -> None:
        self._feed_analyzers()
        self.curve = None

    def _on_break(self) -> None:
        self.reasons.append("a line was moved, written or replaced by hand in mid-run")
        self.cerebro._event_stop = self.cerebro._event_stop or BROKEN
        try:
            self._feed_analyzers()
        finally:
            self.curve = None
            self._close_book()

    def _close_book(self) -> None:
        (book, self.book), house = (self.book, None), self.house
        do_all(each.close for each in (book, house) if each is not None)

    def close(self, completed: bool) -> None:
        """Leave every object as stock would. ``completed``: no error ended the run."""
        feed = functools.partial(self._feed_analyzers, is_over=completed)
        do_all([feed, self._close_book, self._lag, self.ties.untie, self._forget_break])

    def _lag(self) -> None:
        if self.is_serving and self.is_simple and self.ties.tied:
            for seat in self.seats:
                seat.lag(self._stood)

    def _forget_break(self) -> None:
        if self.cerebro._event_stop is BROKEN:
            self.cerebro._event_stop = False

    def _stood(self, cursor: Cursor) -> int:
        """Where the cursor of a data stood on the step before this one."""
        step = self.clock.idx - 1
        return step if cursor is self.clock else self.timeline.row(self.cursors.index(cursor), step)

    def is_stopped(self) -> bool:
        """Whether a stop was asked for; a break is none."""
        self._forget_break()
        return bool(self.cerebro._event_stop)

    def is_ending(self) -> bool:
        """Whether this is the last bar that goes this way: a stop was asked for, a line moved by hand, or an error."""
        return bool(self.cerebro._event_stop) or not self.ties.tied or sys.exc_info()[0] is not None

    # -- any run --------------------------------------------------------------------------------------------------

    def go(self) -> None:
        sleepers, self.stepping = sleepers_of(self) if self.may_leap else ([], ["the parameter leap is off"])
        if sleepers:
            self.is_leaping = True
            if self.house is not None:
                self.house.open(self.seats)
            if not go_leaping(self, sleepers):
                self._go_as_stock()
            return
        if self.is_simple:
            if not self._go_simply():
                self._go_as_stock()
            return
        cerebro, strategies = self.cerebro, self.strategies
        for step, stamp in enumerate(self.timeline.stamps.tolist()):
            self.move(step)
            if self.is_timed:
                cerebro._check_timers(strategies, stamp, cheat=True)
            if cerebro.p.cheat_on_open:
                for strategy in strategies:
                    strategy._oncepost_open()
                    if self.is_stopped():
                        return
            self.serve(step)
            if self.is_stopped():
                return
            if self.is_timed:
                cerebro._check_timers(strategies, stamp, cheat=False)
            for seat in self.seats:
                self.acting = seat
                if self.ties.tied:
                    seat.step(stamp)
                else:
                    seat.strategy._oncepost(stamp)
                if self.is_stopped():
                    return
                cerebro._next_writers(strategies)
            if not self.ties.tied:
                self._go_as_stock()
                return

    def move(self, step: int) -> None:
        self.clock.idx = step
        if self.timeline.shared:
            for cursor in self.cursors:
                cursor.idx = step
        else:
            for cursor, row in zip(self.cursors, self.timeline.rows, strict=True):
                cursor.idx = row[step]

    def serve(self, step: int) -> None:
        """The broker's pass and its notifications."""
        if self.house is not None:
            self.house.stand(step)
        if self.house is not None and self.is_leaping:
            self.house.serve()
        elif self.book is None:
            self.cerebro._brokernotify()
        elif step >= self.book.wake:
            self.is_serving, broker = True, self.cerebro.broker
            broker.next()
            deliver(self.cerebro, broker)
            self.is_serving = bool(self.cerebro._event_stop)

    # -- one strategy, a lean broker, no timers -------------------------------------------------------------------

    def _go_simply(self) -> bool:
        """Whether the run is over; stock has to go on where it is not."""
        cerebro, timeline, seat, book = self.cerebro, self.timeline, self.seats[0], self.book
        assert book is not None
        broker, clock = cerebro.broker, self.clock
        pairs: list[tuple[Cursor, list[int]]] = []
        if not timeline.shared:
            pairs = list(zip(self.cursors, timeline.rows, strict=True))
        has_writers = bool(cerebro.runwriters)
        turn = seat.turn
        for step, stamp in enumerate(timeline.stamps.tolist()):
            clock.idx = step
            for cursor, row in pairs:
                cursor.idx = row[step]
            if step >= book.wake:
                self.is_serving = True
                broker.next()
                if broker.notifs:
                    deliver(cerebro, broker)
                if cerebro._event_stop and self.is_stopped():
                    return True
                self.is_serving = False
            turn(stamp)
            if cerebro._event_stop and self.is_stopped():
                return True
            if has_writers:
                cerebro._next_writers(self.strategies)
            if not self.ties.tied:
                return False
        return True

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
