"""One list of corporate actions out of several sources."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import groupby, pairwise

from core.errors import AdjustmentError
from feeds.bars import CorporateAction

# What a user wrote down outranks a service, and a service what was worked out from prices
_RANKS = {"polygon": 1, "yahoo": 2, "adj_close": 3}
_SAME_EVENT = dt.timedelta(days=4)  # sources that take the record date for the ex-date are one or two sessions late

_NAMES = {"split": "split", "spin_off": "spin-off", "dividend": "dividend"}


def reconcile(actions: Iterable[CorporateAction]) -> tuple[tuple[CorporateAction, ...], tuple[str, ...]]:
    """The actions to adjust by, by ex-date, and notes on what was left out or looks wrong.

    Sources that agree to their last digit count once. Where they differ, a file comes before Polygon, Polygon before
    Yahoo, and what was recovered from adj_close comes last. One source may name several payments of a day: they add up.
    Raises AdjustmentError for values that cannot be, and for two splits of one source on one day.
    """
    notes: list[str] = []
    kept: list[list[CorporateAction]] = []
    rows = sorted(actions, key=lambda action: (action.kind, action.ex_date, _rank(action), action.source))
    for action in rows:
        _check(action)
    for _, group in groupby(rows, key=lambda action: (action.kind, action.ex_date)):
        sources = [list(same) for _, same in groupby(group, key=lambda action: action.source)]
        kept.append(_preferred([_distinct(rows, notes) for rows in sources], notes))
    days = _one_of_each_event(kept, notes)
    return tuple(sorted(action for day in days for action in day)), tuple(notes)


def as_paid(actions: Iterable[CorporateAction]) -> tuple[CorporateAction, ...]:
    """Payments that a source gives for one share of today (Yahoo does), for one share of their day.

    They are multiplied by the splits after their day, which must be among the actions. The source's rounding stays.
    """
    rows = sorted(actions)
    splits = [action for action in rows if action.kind == "split"]
    return tuple(
        action
        if action.kind == "split"
        else replace(action, value=action.value * math.prod(s.value for s in splits if s.ex_date > action.ex_date))
        for action in rows
    )


def _rank(action: CorporateAction) -> int:
    return _RANKS.get(action.source, 0)


def _check(action: CorporateAction) -> None:
    if not (math.isfinite(action.value) and action.value > 0.0):
        needs = "the shares after it for one before it" if action.kind == "split" else "the amount for one share"
        raise AdjustmentError(
            f"{_said(action)}: the value cannot be {action.value:g}; write {needs}, above 0, or remove the line"
        )


def _distinct(rows: list[CorporateAction], notes: list[str]) -> list[CorporateAction]:
    """What one source says of one kind and day, without repetitions."""
    distinct = list(dict.fromkeys(rows))
    if len(distinct) < len(rows):
        notes.append(f"{_said(rows[0])} is given {len(rows)} times; it counts once.")
    if rows[0].kind == "split" and len(distinct) > 1:
        ratios = " and ".join(f"{row.value:g}" for row in distinct)
        where = f"{rows[0].ex_date}: {rows[0].source or 'the list'}"
        raise AdjustmentError(f"{where} has splits of {ratios} for one; keep the one that is true")
    return distinct


def _preferred(sources: list[list[CorporateAction]], notes: list[str]) -> list[CorporateAction]:
    first, *others = sources
    for other in others:
        ours, theirs = (sum(row.value for row in rows) for rows in (first, other))
        if not _agree(ours, theirs):
            notes.append(
                f"{first[0].ex_date} {_NAMES[first[0].kind]}: {first[0].source or 'the list'} says {ours:g}, "
                f"{other[0].source} says {theirs:g}; {ours:g} is used."
            )
    return first


def _one_of_each_event(days: Sequence[list[CorporateAction]], notes: list[str]) -> list[list[CorporateAction]]:
    """Days without those that another source gives for the same event a few days away."""
    dropped: set[int] = set()
    for (at, day), (following, later) in pairwise(enumerate(days)):
        one, two = day[0], later[0]
        if one.kind != two.kind or two.ex_date - one.ex_date > _SAME_EVENT or len(day) != len(later):
            continue
        if not all(_agree(a.value, b.value) for a, b in zip(day, later, strict=True)):
            continue
        if one.source == two.source:
            notes.append(f"{_said(one)} is there again on {two.ex_date}; remove one if it is the same event.")
            continue
        worse, better = (one, two) if _rank(one) > _rank(two) else (two, one)
        dropped.add(at if worse is one else following)
        notes.append(f"{_said(better)} is taken for the {worse.value:g} that {worse.source} dates {worse.ex_date}.")
    return [day for at, day in enumerate(days) if at not in dropped]


def _agree(one: float, two: float) -> bool:
    """Whether two numbers differ by no more than the rounding of the coarser one."""
    digits = min(-int(Decimal(repr(value)).normalize().as_tuple().exponent) for value in (one, two))
    return abs(one - two) <= 0.5 * 10.0 ** -max(digits, 2) + 1e-9 * abs(one)


def _said(action: CorporateAction) -> str:
    source = f" ({action.source})" if action.source else ""
    return f"{action.ex_date} {_NAMES[action.kind]} {action.value:g}{source}"
