"""Blended tiers: each part of an amount is charged at the rate of the tier that it falls into."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tier:
    """The rate up to a level; the level is cumulative and belongs to this tier."""

    up_to: float
    rate: float


Tiers = tuple[Tier, ...]


def tiers(*steps: tuple[float, float], above: float) -> Tiers:
    """Make tiers from ``(up_to, rate)`` steps in ascending order and the rate above the last one."""
    made = tuple(Tier(up_to, rate) for up_to, rate in steps) + (Tier(math.inf, above),)
    if any(low.up_to >= high.up_to for low, high in zip(made, made[1:], strict=False)):
        raise ValueError(f"tiers are not in ascending order: {[tier.up_to for tier in made]}")
    return made


def blended(schedule: Tiers, amount: float, start: float = 0.0) -> float:
    """Return the sum over tiers of rate x the part of ``(start, start + amount]`` in the tier.

    The integral of the marginal rate, so splitting an amount in two changes nothing.
    """
    if start == 0.0 and 0.0 < amount <= schedule[0].up_to:
        return amount * schedule[0].rate
    total = 0.0
    low, end = start, start + amount
    for tier in schedule:
        if low >= end:
            break
        high = min(end, tier.up_to)
        if high > low:
            total += (high - low) * tier.rate
            low = high
    return total


def tier_at(schedule: Tiers, level: float) -> int:
    """Return the index of the tier in which the next unit above ``level`` falls."""
    for index, tier in enumerate(schedule):
        if level < tier.up_to:
            return index
    return len(schedule) - 1
