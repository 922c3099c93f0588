"""A strategy that is called only on the steps on which it may act.

Why it is exact: on the steps between, a turn (``engine.lean.seat``) would do nothing but write the time of the bar into
the strategy's line, call ``next``, which by declaration does nothing, and call analyzers. The times are written at once
before the strategy or anybody else is called again; analyzers either listen to orders and trades alone, are fed at the
end (``engine.lean.analyzers``), or have said what they do for many steps at once (``core.leaping``). Where one of them
has not, the strategy does not sleep.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import backtrader as bt
from backtrader.lineiterator import LineIterator

from core.leaping import LeapingStrategy, can_leap, declares_wakes, leapt_of
from engine.lean.seat import Seat
from engine.lean.timeline import Timeline
from engine.leap.wakes import Wakes, start_steps


def obstacles(seat: Seat) -> list[str]:
    """Why a strategy must be called on every step; empty if it may sleep."""
    strategy = seat.strategy
    name = type(strategy).__name__
    if not declares_wakes(strategy):
        if isinstance(strategy, LeapingStrategy):
            return [f"{name} overrides what the wakes of its base class were declared for; it must bring its own"]
        return [f"{name} does not say when it acts"]
    found = []
    if seat.own_notify or seat.own_account:
        found.append(f"{name} wants to hear of cash and value on every bar")
    if seat.observers:
        found.append(f"{name} has observers")
    if seat.stragglers:
        found.append(f"an indicator of {name} follows no data")
    if seat.other_lines or not seat.is_stamp_plain:
        found.append(f"{name} has lines of its own")
    return found + _wakeful(seat)


def _wakeful(seat: Seat) -> list[str]:
    """Why its analyzers do not let a strategy sleep."""
    listening = {id(each): each for each in (*seat.on_next, *seat.on_account)}
    return [
        f"the analyzer {type(each).__name__} looks at every bar" for each in listening.values() if not can_leap(each)
    ]


class Sleeper:
    """One strategy of a leaping run.

    ``wake``: the step of its next call; ``done``: the steps that are behind it. ``why``: what woke it for good.
    """

    def __init__(self, seat: Seat, timeline: Timeline, places: list[int]) -> None:
        self.seat = seat
        self.strategy: Any = seat.strategy
        self.timeline = timeline
        self.why: list[str] = []
        self.done = 0
        self._wakes = Wakes(self.strategy, timeline, places[0])
        self._start, self._started = start_steps(self.strategy, timeline, places)
        self._listening = (seat.on_next, seat.on_account)
        self._told: list[Any] = []  # analyzers of which these are the methods
        self._tell: list[Callable[[int, int], None]] = []
        self.wake = min(self._wakes.next_step(-1), self._start)

    def catch_up(self, step: int) -> None:
        """Take the steps before ``step`` that were slept through."""
        first = self.done
        if first >= step:
            return
        seat = self.seat
        self.done = step
        seat.slept = True
        if not seat.ties.tied:
            self._forward(first, step)
            return
        seat.stamp.array.frombytes(self.timeline.stamps[first:step].data.cast("B"))
        seat.cursor.idx += step - first
        for cursor, clock in seat.follows:
            cursor.idx = clock.idx
        if self._told is not seat.on_next:
            self._told, self._tell = seat.on_next, [tell for each in seat.on_next for tell in leapt_of(each)]
        for tell in self._tell:
            tell(first, step)

    def _forward(self, first: int, step: int) -> None:
        """The same for lines that are stock's again, which happens on the last of the steps alone."""
        strategy = self.strategy
        for stamp in self.timeline.stamps[first:step].tolist():
            for indicator in strategy._lineiterators[LineIterator.IndType]:
                if len(indicator._clock) > len(indicator):
                    indicator.advance()
            strategy.forward()
            strategy.lines.datetime[0] = stamp
        for analyzer in self.seat.on_next:
            for tell in leapt_of(analyzer):
                tell(first, step)

    def turn(self, step: int) -> None:
        """The strategy's turn on a step, all before it being taken."""
        strategy = self.strategy
        if step < self.wake and not (strategy._orderspending or strategy._tradespending) and not self._is_disturbed():
            if self.seat.on_next:
                self.done = step + 1
                self.seat.look_on(self.timeline.stamp(step))
            return
        self.done = step + 1
        self.seat.step(self.timeline.stamp(step))
        self.sleep(step)

    def _is_disturbed(self) -> bool:
        """Whether an analyzer wants every bar by now: somebody looked at it, or the account left the plain way."""
        seat = self.seat
        if self._listening[0] is not seat.on_next or self._listening[1] is not seat.on_account:
            self._listening = (seat.on_next, seat.on_account)
            self.why = _wakeful(seat)
        return bool(self.why)

    def wakes_at(self, step: int) -> int:
        """The first step after ``step`` on which it must be called."""
        return step + 1 if self._is_disturbed() else self.wake

    def sleep(self, step: int) -> None:
        """Find out when to call again."""
        self.wake = step + 1 if self._is_disturbed() else self._wakes.next_step(step)
        if step + 1 < self._started:
            self.wake = min(self.wake, max(self._start, step + 1))


def all_datas(strategy: bt.Strategy, places: dict[int, int]) -> list[int]:
    """Places in the timeline of a strategy's datas."""
    return [places[id(data)] for data in strategy.datas]
