"""When a strategy wants to be called next, by its own word: the reading side of ``core.leaping``.

Why it is exact: it is as exact as the declaration. ``verify=True`` runs both ways and names the first difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from typing import Any, cast

import backtrader as bt
import numpy as np

from core.errors import EngineError, did_you_mean
from core.leaping import EVERY_STEP
from core.steps import Flags
from engine.lean.timeline import Timeline
from engine.lean.touch import NEVER


class WakesError(EngineError):
    """A declaration that cannot be read: nothing but the strategy's own text is at fault."""


class Wakes:
    """The declaration of one strategy. ``place``: of its first data in the timeline.

    Raises WakesError where it is none: a set that is no array of bool with an item for each bar, a name that is none of
    the sets, a number that is not whole, an error in one of its methods.
    """

    def __init__(self, strategy: Any, timeline: Timeline, place: int) -> None:
        self._strategy = strategy
        self._timeline = timeline
        self._rows = None if timeline.shared else np.array(timeline.rows[place])
        self._place = place
        sets = self._ask("wake_sets", strategy.wake_sets, -1)
        if not isinstance(sets, Mapping):
            raise WakesError(f"{self._said('wake_sets', -1)} gives {sets!r}; give a dictionary: name -> array of bool")
        self._sets = {  # the bars of each
            name: np.flatnonzero(self._flags(name, flags)) for name, flags in sets.items()
        }

    def _flags(self, name: Any, given: Any) -> Flags:
        if not isinstance(name, str) or name == EVERY_STEP:
            raise WakesError(
                f"{self._said('wake_sets', -1)} gives a set named {name!r}; a name is a text other than '*'"
            )
        flags = self._ask("wake_sets", lambda: np.asarray(given), -1)
        bars = self._strategy.data.buflen()
        if flags.dtype != np.bool_ or flags.shape != (bars,):
            raise WakesError(
                f"{type(self._strategy).__name__}.wake_sets()[{name!r}] is {flags.dtype} of shape {flags.shape}; give "
                f"an array of bool with one item for each of the {bars} bars of the first data"
            )
        return cast(Flags, flags)

    def next_step(self, step: int) -> int:
        """The first step after ``step`` on which the strategy wants to be called, ``NEVER`` for none."""
        bar = self._timeline.row(self._place, step)
        found = NEVER
        for wake in self._ask("wakes", lambda: self._read(step), step):
            if wake == EVERY_STEP:
                return step + 1
            found = min(found, self._next_in(wake, bar, step) if isinstance(wake, str) else bar + max(wake, 1))
        return found if found == NEVER else self._step_of(found)

    def _read(self, step: int) -> list[str | int]:
        given = self._strategy.wakes()
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise WakesError(
                f"{self._said('wakes', step)} gives {given!r}; give a list of names of sets and whole numbers"
            )
        return [wake if isinstance(wake, str) or type(wake) is int else self._whole(wake, step) for wake in given]

    def _whole(self, wake: Any, step: int) -> int:
        if isinstance(wake, bool) or not isinstance(wake, Integral | float) or wake != wake // 1:
            raise WakesError(
                f"{self._said('wakes', step)} gives {wake!r} among others; give names of sets, whole numbers n for "
                "'in n bars', or '*'"
            )
        return min(int(wake), NEVER)

    def _ask(self, name: str, method: Callable[[], Any], step: int) -> Any:
        """What a method of the declaration gives; its errors name it."""
        try:
            with NoNewPositions(self._strategy.broker):
                return method()
        except WakesError:
            raise
        except Exception as error:
            raise WakesError(f"{self._said(name, step)} raises {type(error).__name__}: {error}") from error

    def _said(self, name: str, step: int) -> str:
        data = self._strategy.data
        when = "before the first bar"
        if step >= 0:
            bar, stamp = self._timeline.row(self._place, step), bt.num2date(self._timeline.stamp(step))
            when = f"on bar {bar} of {data._name or 'the first data'}, {stamp}"
        return f"{type(self._strategy).__name__}.{name}(), {when},"

    def _next_in(self, name: str, bar: int, step: int) -> int:
        bars = self._sets.get(name)
        if bars is None:
            raise WakesError(
                f"{self._said('wakes', step)} names {name!r}, which is none of its wake_sets()"
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
