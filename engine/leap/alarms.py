"""The timers of a leaping run: on which step the next one goes off.

Why it is exact: a timer's answer depends on the time of the step and on the bar of its data, never on what strategies
do; one with an ``allow`` of the user's, which may look at anything, keeps the run stepping (``run``). So a copy of each
is asked ahead, step by step and in order, with the datas standing on each. Where the first one goes off, it and those
before it take over their copies' state; those after it are asked on that step, each when those before it were told of,
as ``Cerebro._check_timers`` does. They are asked in Python on every step, which costs as much as in a run that steps;
the bars between are left out all the same.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable
from typing import Any

from engine.lean.touch import NEVER
from engine.leap.sleeper import Sleeper


def _state(timer: Any) -> dict[str, Any]:
    return {name: deque(value) if isinstance(value, deque) else value for name, value in vars(timer).items()}


class Alarms:
    """``at``: the step on which timers go off next, ``NEVER`` for none. ``move`` puts the datas on a step."""

    def __init__(self, timers: list[Any], stamps: Any, move: Callable[[int], None]) -> None:
        self._timers = timers
        self._ahead = [copy.copy(timer) for timer in timers]
        for timer in self._ahead:
            vars(timer).update(_state(timer))
        self._stamps = stamps
        self._move = move
        self._known = -1  # the last step that the timers themselves were asked on, or need not be
        self._first = -1  # place of the first timer that goes off; copies of those after it were not asked yet
        self.at = self._search(-1)

    def _search(self, step: int) -> int:
        """The first step after ``step`` on which one goes off; the datas stay where they are."""
        if not self._timers:
            return NEVER
        try:
            for later in range(step + 1, len(self._stamps)):
                self._move(later)
                stamp = float(self._stamps[later])
                for place, ahead in enumerate(self._ahead):
                    if ahead.check(stamp):
                        self._first = place
                        return later
        finally:
            self._move(step)
        return NEVER

    def ring(self, step: int, strategies: list[Any], sleepers: list[Sleeper]) -> None:
        """Tell of those that go off on a step, and wake whom they tell."""
        if step != self.at:
            return
        self._known = step
        for timer, ahead in zip(self._timers, self._ahead, strict=True):
            vars(timer).update(_state(ahead))
        stamp = float(self._stamps[step])
        for place, timer in enumerate(self._timers):
            if place == self._first or place > self._first and timer.check(stamp):
                told = [timer.p.owner, *(strategies if timer.p.strats else [])]
                for sleeper in sleepers:
                    if any(each is sleeper.strategy for each in told):
                        sleeper.wake = min(sleeper.wake, step)
                for each in told:
                    each.notify_timer(timer, timer.lastwhen, *timer.args, **timer.kwargs)

    def go_on(self, step: int) -> None:
        """All that a step brings is over: look for the next one."""
        if step == self.at:
            for timer, ahead in zip(self._timers, self._ahead, strict=True):
                vars(ahead).update(_state(timer))
            self.at = self._search(step)

    def give_back(self, step: int) -> None:
        """From here on stock asks the timers: they are as if asked on each step so far."""
        if step == self.at and self._known < step:
            step -= 1  # they go off on this step, which is still to come
        for later in range(self._known + 1, step + 1):
            self._move(later)
            for timer in self._timers:
                timer.check(float(self._stamps[later]))
        self._known = max(self._known, step)
