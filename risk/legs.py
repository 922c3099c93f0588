"""A pair is one position: what to do when one leg has what the other has not.

The fraction of a leg is what its trade holds over what was ordered to enter. *Naked* is the value of what one leg
holds beyond the other's fraction. Nothing here knows of orders or of a venue: ``engine.legs`` brings the numbers and
does what is decided.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from core.settings import LegSettings

EPSILON = 1e-9


class Phase(StrEnum):
    """What becomes of a pair."""

    WATCHED = "watched"  # nothing to do
    HEDGED = "hedged"  # the leg that is late is ordered once more
    UNWOUND = "unwound"  # both legs go, until both are flat


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One leg at a moment. Sizes are in the direction of its entry, so that below 0 is an opposite position."""

    ordered: float  # units, of its first entry; 0 = it was never ordered
    held: float
    coming: float = 0.0  # what its entries may still add, >= 0
    unit_eur: float  # value of a unit, account currency
    is_leaving: bool = False  # something closes it, has closed it, or its entry was called off
    is_closing: bool = False  # an order that closes it works: it is on its way out
    can_retry: bool = True  # its entry has filled nothing, so that another one may take its place

    @property
    def fraction(self) -> float:
        """What it holds of what was ordered; an opposite position counts as nothing."""
        return max(self.held, 0.0) / self.ordered if self.ordered > 0.0 else 0.0

    @property
    def reach(self) -> float:
        """The fraction that it may still come to."""
        return (max(self.held, 0.0) + self.coming) / self.ordered if self.ordered > 0.0 else 0.0


def naked_eur(one: Leg, other: Leg) -> float:
    """Value of what a leg holds beyond the other's fraction, and of positions opposite to the entries."""
    wrong = sum(max(-leg.held, 0.0) * leg.unit_eur for leg in (one, other))
    return _beyond(one, one.fraction, other.fraction) + _beyond(other, other.fraction, one.fraction) + wrong


def hopeless_eur(one: Leg, other: Leg) -> float:
    """Value of what a leg holds or is about to hold beyond what the other can ever come to.

    A leg that closes is not meant: two exits of a pair need not fill in the same second.
    """
    ways = ((one, other), (other, one))
    return sum(_beyond(leg, leg.reach, than.reach) for leg, than in ways if not leg.is_closing)


def _beyond(leg: Leg, fraction: float, other: float) -> float:
    return max(fraction - other, 0.0) * leg.ordered * leg.unit_eur


def late_leg(one: Leg, other: Leg) -> int:
    """0 or 1: the leg that has to catch up."""
    if abs(one.reach - other.reach) > EPSILON:
        return 0 if one.reach < other.reach else 1
    return 0 if one.fraction < other.fraction else 1


class PairWatch:
    """Decides for one pair, at any moment that it is shown, what is to be done.

    - Up to ``max_naked_eur`` nothing is.
    - Beyond it ``timeout_seconds`` run, from the moment at which it was first exceeded; then the pair is unwound.
    - It is unwound at once where waiting is of no use: a leg has ended with less than the other has or will have, or
      is opposite to its entry.
    - ``action = "hedge"``: an entry that filled nothing is ordered once more, when it has ended or at half of the
      time. Where that one is refused, or not filled when the time is over, the pair is unwound all the same.

    A pair that is unwound stays so: what a late fill or a correction brings later goes as well.
    """

    __slots__ = ("_cap", "_is_hedge", "_seen", "_timeout", "has_retried", "phase", "since")

    def __init__(self, settings: LegSettings) -> None:
        self._cap = settings.max_naked_eur
        self._timeout = dt.timedelta(seconds=settings.timeout_seconds)
        self._is_hedge = settings.action == "hedge"
        self.phase = Phase.WATCHED
        self.since: dt.datetime | None = None  # naked beyond the cap from this moment on
        self._seen: dt.datetime | None = None  # the last moment that was looked at
        self.has_retried = False  # the second entry has been sent

    def look(self, when: dt.datetime, one: Leg, other: Leg) -> Phase:
        """The phase at this moment; ``when`` never goes back."""
        cap, self._seen = self._cap + EPSILON, when
        self.since = (self.since or when) if naked_eur(one, other) > cap else None
        if self.phase is Phase.UNWOUND:
            return self.phase
        is_hopeless = hopeless_eur(one, other) > cap
        is_wrong = any(leg.held * leg.unit_eur < -cap for leg in (one, other))
        is_over = self.since is not None and when >= self.since + self._timeout
        is_leaving = one.is_leaving or other.is_leaving
        if is_wrong or is_over or (self.phase is Phase.HEDGED and is_leaving):
            self.phase = Phase.UNWOUND
        elif self.phase is Phase.HEDGED:
            if self.has_retried and is_hopeless:
                self.phase = Phase.UNWOUND
        elif self._may_hedge(one, other, is_leaving) and (is_hopeless or self._is_half(when)):
            self.phase = Phase.HEDGED
        elif is_hopeless:
            self.phase = Phase.UNWOUND
        return self.phase

    def due(self) -> dt.datetime | None:
        """When to look again even if nothing is reported."""
        if self.since is None or self.phase is Phase.UNWOUND:
            return None
        half = self.since + self._timeout / 2
        is_before_half = self._is_hedge and self.phase is Phase.WATCHED and (self._seen is None or self._seen < half)
        return half if is_before_half else self.since + self._timeout

    def _is_half(self, when: dt.datetime) -> bool:
        return self.since is not None and when >= self.since + self._timeout / 2

    def _may_hedge(self, one: Leg, other: Leg, is_leaving: bool) -> bool:
        late = (one, other)[late_leg(one, other)]
        return self._is_hedge and not is_leaving and late.can_retry and late.ordered > 0.0
