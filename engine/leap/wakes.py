"""When a strategy wants to be called next, by its own word: the reading side of ``core.leaping``.

Why it is exact: it is as exact as the declaration. ``verify=True`` runs both ways and names the first difference.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from core.errors import EngineError, did_you_mean
from core.leaping import EVERY_STEP
from engine.lean.timeline import Timeline
from engine.lean.touch import NEVER


class WakesError(EngineError):
    """A declaration that cannot be read: nothing but the strategy's own text is at fault."""


class Wakes:
    """The declaration of one strategy. ``place``: of its first data in the timeline.

    Raises WakesError where a set is no array of bool with an item for each bar, or where a name is none of the sets.
    """

    def __init__(self, strategy: Any, timeline: Timeline, place: int) -> None:
        self._strategy = strategy
        self._timeline = timeline
        self._rows = None if timeline.shared else np.array(timeline.rows[place])
        self._place = place
        bars = strategy.data.buflen()
        with NoNewPositions(strategy.broker):
            sets = {name: np.asarray(flags) for name, flags in strategy.wake_sets().items()}
        for name, flags in sets.items():
            if flags.dtype != np.bool_ or flags.shape != (bars,):
                raise WakesError(
                    f"{type(strategy).__name__}.wake_sets()[{name!r}] is {flags.dtype} of shape {flags.shape}; give an "
                    f"array of bool with one item for each of the {bars} bars of the first data"
                )
        self._sets = {name: np.flatnonzero(flags) for name, flags in sets.items()}  # the bars of each

    def next_step(self, step: int) -> int:
        """The first step after ``step`` on which the strategy wants to be called, ``NEVER`` for none."""
        bar = self._timeline.row(self._place, step)
        found = NEVER
        with NoNewPositions(self._strategy.broker):
            wakes = list(self._strategy.wakes())
        for wake in wakes:
            if isinstance(wake, str):
                if wake == EVERY_STEP:
                    return step + 1
                found = min(found, self._next_in(wake, bar))
            else:
                found = min(found, bar + max(int(wake), 1))
        return found if found == NEVER else self._step_of(found)

    def _next_in(self, name: str, bar: int) -> int:
        bars = self._sets.get(name)
        if bars is None:
            raise WakesError(
                f"{type(self._strategy).__name__}.wakes() names {name!r}, which is none of its wake_sets()"
                f"{did_you_mean(name, self._sets)}"
            )
        at = bars.searchsorted(bar, side="right")
        return int(bars[at]) if at < len(bars) else NEVER

    def _step_of(self, bar: int) -> int:
        if self._rows is None:
            return bar
        step = int(self._rows.searchsorted(bar))
        return step if step < len(self._rows) else NEVER


class NoNewPositions:
    """Who is asked may look at positions. A look at one that never was makes it, and values add up in the order of
    their making; a run that steps does not ask, so what was made by asking is taken back."""

    def __init__(self, broker: Any) -> None:
        self._positions = getattr(broker, "positions", {})
        self._before = len(self._positions)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        if len(self._positions) > self._before:
            for data in list(self._positions)[self._before :]:
                del self._positions[data]


def start_steps(strategy: Any, timeline: Timeline, places: list[int]) -> tuple[int, int]:
    """The steps ``[first, end)`` on which stock calls ``nextstart``: the scarcest of the datas has exactly the bars
    that the strategy's indicators need. More than one where another data moves before it does."""
    firsts, ends = [], []
    for place, needed in zip(places, strategy._minperiods, strict=True):
        firsts.append(_arrival(timeline, place, needed - 1))
        ends.append(_arrival(timeline, place, needed))
    return max(firsts), max(ends)


def _arrival(timeline: Timeline, place: int, bar: int) -> int:
    """The step on which a data comes to a bar."""
    return bar if timeline.shared else int(np.searchsorted(timeline.rows[place], bar))
