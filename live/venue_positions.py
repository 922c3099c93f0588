"""What the broker has of an instrument, though its messages of positions come behind the fills, or before them.

IBKR tells a position after each fill, on its own way: the execution may be known seconds before. So what the broker has
is the position that it told last and the fills of ours since then. Which fills a message knows is told by its size: the
owner's units and ours as they stood once. A size that fits no such moment is either the work of the owner or knows a
fill that its execution has yet to tell; after a while the owner is taken to have traded.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from dataclasses import dataclass

from books.intents_order import within
from books.intents_records import EPSILON

LAG = dt.timedelta(seconds=30)  # within which a fill is in the position that the broker tells


@dataclass(frozen=True, slots=True)
class Ours:
    """What units of ours hold together from a moment on."""

    since: dt.datetime
    size: float  # signed, netted
    is_flat: bool  # no unit holds anything


class ToldPosition:
    """Position of one instrument in signed units. ``ours``: at the start; ``beside``: of the owner's, by the journal.

    ``own``: the owner's units as far as they are known. ``beside``: those among them that he has held since a time when
    we held nothing; they are left alone, even where they are against ours.
    """

    def __init__(self, ours: Ours, beside: float) -> None:
        self.told = 0.0  # by the last message
        self.own = 0.0
        self.beside = beside
        self.is_known = False  # compared with the journal, or told once all was compared
        self.is_odd = False  # the last message fits no fill of ours
        self._ours = deque([ours])  # the first: what the last message knew; the others came since

    def move(self, ours: Ours) -> None:
        """Units of ours after an execution, a correction or a decision; no news where they are as before."""
        last = self._ours[-1]
        if abs(ours.size - last.size) <= EPSILON and ours.is_flat == last.is_flat:
            return
        self._ours.append(ours)
        if self.is_odd and self._fits(ours):
            self._begin(ours)  # the message came before its execution
        if ours.is_flat and not self.is_odd:
            self.beside = self.own

    def hear(self, position: float, now: dt.datetime) -> None:
        """A message of the broker. ``is_odd`` afterwards: it is to be judged by ``settle`` in a while."""
        self._forget(now)
        self.told = position
        if not self.is_known or not any(map(self._fits, self._ours)):
            self._begin(self._ours[-1])
            self.is_odd = self.is_known
            return
        self._skip()
        self.is_odd = False

    def settle(self) -> None:
        """Nothing has explained the last message: what does not fit is the owner's."""
        if self.is_odd or not self.is_known:
            self._take(self._ours[0])

    def agree(self, beside: float) -> None:
        """Position and journal were compared and are the same, executions of the owner's included; ``beside``: by the
        journal."""
        last = self._ours[-1]
        if self.is_odd or not self.is_known or not self._fits(last):
            self._begin(last)
            self._take(last)
        self.beside = beside

    def found(self, now: dt.datetime) -> float:
        """What the broker has, as far as is known."""
        self._forget(now)
        return self.told + self._ours[-1].size - self._ours[0].size

    def is_behind(self, now: dt.datetime) -> bool:
        """Whether fills of ours are not in the position yet that was told last."""
        self._forget(now)
        return len(self._ours) > 1

    def _take(self, known: Ours) -> None:
        self.own = self.told - known.size
        if known.is_flat or self._ours[-1].is_flat:
            self.beside = self.own
        else:
            self.beside = within(self.beside, self.own)
        self.is_odd, self.is_known = False, True

    def _fits(self, ours: Ours) -> bool:
        return abs(self.told - self.own - ours.size) <= EPSILON

    def _begin(self, ours: Ours) -> None:
        self._ours = deque([ours])
        self.is_odd = False

    def _skip(self) -> None:
        """Up to the first moment that the last message fits, if there is one: later ones may be under way."""
        known = next((place for place, ours in enumerate(self._ours) if self._fits(ours)), 0)
        for _ in range(known):
            self._ours.popleft()

    def _forget(self, now: dt.datetime) -> None:
        """What the broker has had time to tell is in what it told."""
        is_late = False
        while len(self._ours) > 1 and self._ours[1].since <= now - LAG:
            self._ours.popleft()
            is_late = True
        if is_late:
            self._skip()
