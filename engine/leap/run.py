"""The loop of a leaping run: the next step is the first on which a strategy wakes or the broker has something to do.

Why it is exact: on a step that is landed on everything happens that stock does, in its order (``engine.lean.loop``). A
step that is left out is one on which no strategy acts (``sleeper``) and on which the broker's pass would change nothing
but what it is told of many steps at once (``LeapingBroker``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from engine.leap.alarms import Alarms
from engine.leap.sleeper import Sleeper, all_datas, obstacles

if TYPE_CHECKING:
    from engine.lean.loop import LeanRun


class LeapingBroker(Protocol):
    """What a broker says so that steps can be left out."""

    def wakes_at(self, step: int) -> int:
        """The first step after ``step`` on which it has something to do."""

    def leap(self, first: int, end: int) -> int:
        """Take the steps ``[first, end)`` at once, as far as possible; returns the first one that is left."""


def sleepers_of(run: LeanRun) -> tuple[list[Sleeper], list[str]]:
    """The strategies of a run that may leap, or none and why the run steps."""
    cerebro = run.cerebro
    reasons = [reason for seat in run.seats for reason in obstacles(seat)]
    if run.leaping_broker is None:
        reasons.append("the broker has a pass on every bar")
    if cerebro._timerscheat:
        reasons.append("a timer that cheats goes off before the broker")
    if any(timer.p.allow is not None for timer in cerebro._timers):
        reasons.append("a timer asks a callback (allow) whether it may go off, which may look at anything")
    if cerebro.p.cheat_on_open or cerebro.p.quicknotify:
        reasons.append("strategies are called before the broker (cheat_on_open) or in the midst of it (quicknotify)")
    if cerebro.runwriters:
        reasons.append("a writer writes every bar")
    if cerebro.stores:
        reasons.append("a store may tell of anything on every bar")
    if not run.timeline.is_growing:
        reasons.append("times of a data do not grow")
    if reasons:
        return [], list(dict.fromkeys(reasons))
    places = {id(data): place for place, data in enumerate(run.datas)}
    return [Sleeper(seat, run.timeline, all_datas(seat.strategy, places)) for seat in run.seats], []


def go_leaping(run: LeanRun, sleepers: list[Sleeper]) -> bool:
    """Whether the run is over; stock has to go on from the bar on which it is where it is not."""
    broker, steps = run.leaping_broker, len(run.timeline.stamps)
    assert broker is not None
    alarms = Alarms(run.cerebro._timers, run.timeline.stamps, run.move)
    step, turn = _next(broker, sleepers, alarms, -1, steps), 0
    run.settle_sleepers = lambda: _catch_up(sleepers[:turn], step + 1)

    def before_break() -> None:
        run.settle_sleepers()
        alarms.give_back(step)
        run.move(step)

    run.ties.before_break = before_break
    while step < steps:
        turn = 0
        _arrive(run, sleepers, step)
        run.move(step)
        run.landed += 1
        run.serve(step)
        if run.is_stopped():
            return True
        alarms.ring(step, run.strategies, sleepers)
        for turn, sleeper in enumerate(sleepers):
            run.acting = sleeper.seat
            try:
                if run.ties.tied:
                    sleeper.turn(step)
                else:
                    sleeper.done = step + 1
                    sleeper.strategy._oncepost(run.timeline.stamp(step))
            finally:
                if run.is_ending():
                    _catch_up(sleepers[: turn + 1], step + 1)
            if run.is_stopped():
                return True
        if not run.ties.tied:
            return False
        alarms.go_on(step)
        step = _next(broker, sleepers, alarms, step, steps)
    _arrive(run, sleepers, steps)
    return True


def _arrive(run: LeanRun, sleepers: list[Sleeper], step: int) -> None:
    """All stand on the step before ``step``; they do where nobody slept since the last one."""
    if any([sleeper.done < step for sleeper in sleepers]):
        run.move(step - 1)
        _catch_up(sleepers, step)


def _catch_up(sleepers: list[Sleeper], step: int) -> None:
    for sleeper in sleepers:
        sleeper.catch_up(step)


def _next(broker: LeapingBroker, sleepers: list[Sleeper], alarms: Alarms, step: int, steps: int) -> int:
    """The next step to land on; the broker has taken those before it."""
    wake = min(broker.wakes_at(step), alarms.at, steps)
    for sleeper in sleepers:
        wake = min(wake, sleeper.wakes_at(step))
    return wake if wake <= step + 1 else broker.leap(step + 1, wake)
