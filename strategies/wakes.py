"""When a strategy acts, and what it has seen when it was not called: the common part of the leaping protocol.

A ``BookStrategy`` decides on bars that all its datas have at the same time. What it must know of earlier ones is a
function of the bars alone, so it can be worked out for all of them once the indicators are computed, and looked up.
See ``core.leaping``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from core.steps import Flags, Floats, Integers
from strategies.holding import Holding
from strategies.stretch import Stretch, before_each

Gate = tuple[str, float]  # what forbids an entry, and its value


class CommonBars:
    """The bars that all datas of a strategy have at the same time.

    ``at``: their positions in the first data. ``decided``: on which of them the strategy decides: those from
    ``trade_from`` on, after all datas have settled. ``is_plain``: no data has two bars of one time, so that positions
    say all.
    """

    def __init__(self, datas: list[Any], settled: int, first: float) -> None:
        times = [np.array(data.lines.datetime.array[: data.buflen()]) for data in datas]
        self.bars = len(times[0])
        self.is_plain = all(bool((np.diff(each) > 0.0).all()) for each in times)
        self.at: Integers = np.arange(self.bars)
        for other in times[1:]:
            self.at = self.at[np.isin(times[0][self.at], other, assume_unique=True)]
        common = times[0][self.at]
        self.decided: Flags = common >= first
        for each in times:
            self.decided &= np.searchsorted(each, common) + 1 >= settled

    def flags(self, wanted: Flags) -> Flags:
        """Flags of common bars, those decided on, as flags of the bars of the first data."""
        flags = np.zeros(self.bars, dtype=bool)
        flags[self.at[wanted & self.decided]] = True
        return flags


class Watched:
    """What ``observe`` gathers of the common bars: how far the price or spread is stretched on each of them."""

    def __init__(self, bars: CommonBars, values: Floats) -> None:
        self.bars = bars
        self.values = values[bars.at]
        self.before = before_each(self.values)

    def last(self, strategy: Any) -> int:
        """The number of the last common bar that calls on every bar would have observed before this call."""
        now, moved = len(strategy.data), strategy.data.datetime[0] == strategy.lines.datetime[0]
        return int(self.bars.at.searchsorted(now - 1 if moved else now)) - 1

    def restore(self, strategy: Any, stretch: Stretch) -> int:
        """Put ``stretch`` where it would be; return the number of that bar, -1 where there is none."""
        number = self.last(strategy)
        if number >= 0:
            stretch.now, stretch.before = float(self.values[number]), float(self.before[number])
            strategy._observed = int(self.bars.at[number]) + 1
        return number


class PassedOver:
    """Signals that a filter forbids: they wake nobody and are counted when their strategy is called again.

    ``gates``: numbers of the common bars that are one, ascending, and what forbids them.
    """

    def __init__(self, watched: Watched, gates: Mapping[int, str]) -> None:
        self._watched = watched
        self._numbers = list(gates)
        self._gates = list(gates.values())
        self.is_flat = True  # whether the strategy went to sleep with nothing held: else it looks for no entry

    def count(self, strategy: Any, is_turn: bool) -> None:
        """Count those slept through. ``is_turn``: the strategy is about to look at this bar by itself."""
        if not self.is_flat or not self._numbers or not len(strategy):  # stopped before its first bar
            return
        at = self._watched.bars.at
        if is_turn:
            last = self._watched.last(strategy)
        else:  # a run that was stopped may have moved its datas once more than its strategies
            had_turn = strategy.lines.datetime[0] >= strategy.data.datetime[0]
            last = int(at.searchsorted(len(strategy.data) - (not had_turn))) - 1
        first = int(at.searchsorted(strategy._observed))
        for place in range(bisect_left(self._numbers, first), bisect_left(self._numbers, last + 1)):
            strategy.tally.filter(self._gates[place])


def forbidden(strategy: Any, signals: Flags, gate_of: Callable[[int], Gate | None]) -> dict[int, str]:
    """Number -> gate of the common bars with a signal that a filter forbids. None where each is a line in the log."""
    if strategy.tells():
        return {}
    gates = {number: gate_of(number) for number in np.flatnonzero(signals).tolist()}
    return {number: gate[0] for number, gate in gates.items() if gate is not None}


def is_restless(holding: Holding) -> bool:
    """Whether ``mend`` may act on it before its orders are heard of again."""
    if holding.entry is not None:
        return False
    if holding.exit is not None:
        return not holding.size
    return (
        not holding.size
        or holding.sign * holding.size < 0
        or bool(holding.exit_reason)
        or (holding.stop is None and holding.stop_price is not None)
    )


def time_wakes(strategy: Any, holding: Holding) -> list[str | int]:
    """In how many bars of its data the time stop acts."""
    if not (strategy.p.time_stop and holding.entered):
        return []
    return [max(1, holding.time_limit - holding.bars)]
