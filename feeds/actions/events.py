"""Which actions of two sources are one event, be it under another day or as another kind."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from feeds.bars import CorporateAction

SAME_EVENT = dt.timedelta(days=4)  # sources that take the record date for the ex-date are one or two sessions late

Day = tuple[CorporateAction, ...]  # what one source says of one kind and day, at least one


def same_events(days: Sequence[Day], better: Sequence[Day], agree: Callable[[Day, Day], bool]) -> dict[int, Day]:
    """For positions in ``days`` the one of ``better`` that is the same event; each of them is taken once.

    What is alike is paired first, so a source that names both a split and a dividend of a week is believed to mean
    two events: only what is left over can be an event that the other source has as another kind or amount.
    """
    by_date: dict[dt.date, list[int]] = {}
    for at, day in enumerate(better):
        by_date.setdefault(day[0].ex_date, []).append(at)
    pairs = sorted(
        (*_likeness(day, better[other], agree), at, other)
        for at, day in enumerate(days)
        for other in _near(day[0].ex_date, by_date)
    )
    found: dict[int, Day] = {}
    taken: set[int] = set()
    for *_, at, other in pairs:
        if at not in found and other not in taken:
            found[at] = better[other]
            taken.add(other)
    return found


def _near(date: dt.date, by_date: Mapping[dt.date, Sequence[int]]) -> list[int]:
    span = range(-SAME_EVENT.days, SAME_EVENT.days + 1)
    return [at for days in span for at in by_date.get(date + dt.timedelta(days=days), ())]


def _likeness(day: Day, other: Day, agree: Callable[[Day, Day], bool]) -> tuple[int, int, bool]:
    """The smaller, the likelier one event: how they differ, by how many days, and whether one of them is a dividend."""
    one, two = day[0], other[0]
    apart = abs((one.ex_date - two.ex_date).days)
    if one.kind == two.kind:
        differ = 0 if apart == 0 else 1 if agree(day, other) else 3
    else:
        differ = 2 if apart == 0 else 4
    return differ, apart, "dividend" in (one.kind, two.kind)
