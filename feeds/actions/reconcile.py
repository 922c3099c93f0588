"""One list of corporate actions out of several sources."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import groupby, pairwise

from core.errors import AdjustmentError
from feeds.actions.events import SAME_EVENT, Day, same_events
from feeds.bars import CorporateAction

# What a user wrote down outranks a service, and a service what was worked out from prices
_RANKS = {"polygon": 1, "yahoo": 2, "adj_close": 3}

_FIRST_YEAR = 1900

_NAMES = {"split": "split", "spin_off": "spin-off", "dividend": "dividend"}


def reconcile(
    actions: Iterable[CorporateAction], told: Sequence[str] = ()
) -> tuple[tuple[CorporateAction, ...], tuple[str, ...]]:
    """The actions to adjust by, by ex-date, and notes on what was left out or looks wrong.

    Sources that agree to their last digit count once. Where they differ, a file comes before Polygon, Polygon before
    Yahoo, and what was recovered from adj_close comes last, also where they name one event as two kinds (a stock
    dividend as a split and as a dividend). ``told``: sources in the order in which they were told, the newest last: of
    two files that name an event the newer one counts. One source may name several payments of a day: they add up.
    Raises AdjustmentError for values that cannot be, and for two splits of one source on one day.
    """
    notes: list[str] = []
    newest = {source: -place for place, source in enumerate(told)}

    def place(action: CorporateAction) -> tuple[int, int, str]:
        return _rank(action), newest.get(action.source, 0), action.source

    rows = sorted(actions, key=lambda action: (*place(action), action.kind, action.ex_date))
    for action in rows:
        _check(action)
    kept: list[Day] = []
    for _, same in groupby(rows, key=place):
        days = [tuple(_distinct(list(day), notes)) for _, day in groupby(same, key=lambda row: (row.kind, row.ex_date))]
        named = same_events(days, kept, _agree_on)
        kept += [day for at, day in enumerate(days) if at not in named or not _left_out(day, named[at], notes)]
        notes += _repeated(days)
    return tuple(sorted(action for day in kept for action in day)), tuple(notes)


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
    if action.ex_date.year < _FIRST_YEAR:
        raise AdjustmentError(f"{_said(action)}: nothing was traded then; correct the date, or remove the line")
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


def _left_out(day: Day, better: Day, notes: list[str]) -> bool:
    """Whether a day of one source gives way to a better one's of the same event; notes say where they differ."""
    ours, theirs = better[0], day[0]
    value, other = (sum(row.value for row in rows) for rows in (better, day))
    if ours.kind != theirs.kind and _rank(ours) == _rank(theirs):
        notes.append(f"{_said(ours)} and {_said(theirs)} both count; remove one if they are the same event.")
        return False
    if ours.kind == theirs.kind and ours.ex_date == theirs.ex_date:
        if not _agree(value, other):
            notes.append(
                f"{ours.ex_date} {_NAMES[ours.kind]}: {ours.source or 'the list'} says {value:g}, "
                f"{theirs.source} says {other:g}; {value:g} is used."
            )
    elif ours.kind == theirs.kind and _agree_on(day, better):
        notes.append(f"{_said(ours)} is taken for the {theirs.value:g} that {theirs.source} dates {theirs.ex_date}.")
    else:
        notes.append(
            f"{_said(ours)} is taken for the {_NAMES[theirs.kind]} of {other:g} that {theirs.source} dates "
            f"{theirs.ex_date}; if both happened, name both in an events file."
        )
    return True


def _repeated(days: Sequence[Day]) -> list[str]:
    """Notes on what one source gives twice within a few days; ``days`` by kind and date."""
    return [
        f"{_said(one[0])} is there again on {two[0].ex_date}; remove one if it is the same event."
        for one, two in pairwise(days)
        if one[0].kind == two[0].kind and two[0].ex_date - one[0].ex_date <= SAME_EVENT and _agree_on(one, two)
    ]


def _agree_on(one: Day, two: Day) -> bool:
    return len(one) == len(two) and all(_agree(a.value, b.value) for a, b in zip(one, two, strict=True))


def _agree(one: float, two: float) -> bool:
    """Whether two numbers differ by no more than the rounding of the coarser one."""
    digits = min(-int(Decimal(repr(value)).normalize().as_tuple().exponent) for value in (one, two))
    return abs(one - two) <= 0.5 * 10.0 ** -max(digits, 2) + 1e-9 * abs(one)


def _said(action: CorporateAction) -> str:
    source = f" ({action.source})" if action.source else ""
    return f"{action.ex_date} {_NAMES[action.kind]} {action.value:g}{source}"
