"""Steps of time for the graph: all bars of one stamp together, and never a fresh leg beside a stale one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from feeds.aggregate import BuiltBar
from live.line import Line

ASKED_MOST = 30.0  # seconds for which an answer of history is waited for where other units could go on
_SECOND = dt.timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Step:
    """The bars of one stamp, by symbol. ``is_late``: it comes when nobody should enter on it any more; ``is_warm``: it
    is of the time before trading began."""

    when: dt.datetime
    bars: dict[str, BuiltBar]
    is_late: bool = False
    is_warm: bool = False


class Group:
    """Instruments that share a unit: their bars of one stamp are released together, in order, and none is left out."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = tuple(lines)

    @property
    def undecided(self) -> dt.datetime:
        """The first stamp that some member does not know yet."""
        return min(line.next for line in self.lines)

    @property
    def next(self) -> dt.datetime | None:
        """The stamp of the next bars that can be released; None: there are none."""
        ends = [line.ready[0].end for line in self.lines if line.ready]
        first = min(ends, default=None)
        return first if first is not None and first < self.undecided else None

    def take(self, when: dt.datetime) -> dict[str, BuiltBar]:
        """The bars of a stamp, which are gone then."""
        lines = [line for line in self.lines if line.ready and line.ready[0].end == when]
        return {line.symbol: line.ready.popleft() for line in lines}


class Aligner:
    """Releases steps. All groups wait for each other, too, so that a step holds the bars of one stamp of all units, as
    in a backtest; but only up to ``patience`` seconds after the stamp, and then the late ones follow by themselves.

    ``late_after``: seconds after its stamp from which a step is late.
    """

    def __init__(self, groups: Iterable[Sequence[Line]], *, patience: float, late_after: float) -> None:
        self.groups = [Group(lines) for lines in groups]
        self.patience = patience * _SECOND
        self._late_after = late_after * _SECOND
        self.waits_until: dt.datetime | None = None  # when a release may be possible that is not now

    def release(self, now: dt.datetime) -> list[Step]:
        """The steps that can be released at ``now``, in order."""
        steps: list[Step] = []
        self.waits_until = None
        while True:
            stamps = [(stamp, group) for group in self.groups if (stamp := group.next) is not None]
            if not stamps:
                return steps
            when = min(stamp for stamp, _ in stamps)
            lines = [line for group in self.groups for line in group.lines if not line.is_left_out]
            waits = [self._waits(line, when) for line in lines if line.next <= when]
            until = max((each for each in waits if each is not None), default=now)
            if until > now:
                self.waits_until = until
                return steps
            bars: dict[str, BuiltBar] = {}
            for stamp, group in stamps:
                if stamp == when:
                    bars |= group.take(when)
            steps.append(Step(when, bars, is_late=now - when > self._late_after))

    def _waits(self, line: Line, when: dt.datetime) -> dt.datetime | None:
        """Until when the bars of ``when`` wait for a line that does not know yet; None: not at all.

        After an outage all ask at about one time, long after the stamp: these answers are waited for, so that steps are
        whole. A line whose answer has been due since before is not.
        """
        fresh, asked = when + self.patience, line.asked
        if asked is None:
            return None if line.failing else fresh
        answer = asked + ASKED_MOST * _SECOND
        return min(fresh, answer) if asked <= fresh else answer


def groups_of(units: Iterable[Sequence[str]], others: Iterable[str]) -> list[tuple[str, ...]]:
    """Symbols that hang together through units; the others each by itself."""
    groups: list[set[str]] = []
    for symbols in [*units, *([symbol] for symbol in others)]:
        joined = set(symbols)
        apart = []
        for group in groups:
            if group & joined:
                joined |= group
            else:
                apart.append(group)
        groups = [*apart, joined]
    return [tuple(sorted(group)) for group in groups]
