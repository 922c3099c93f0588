"""A series against all rules: what is wrong with it, and what a repair would do about it.

Checks look at bars before and after a bar on purpose. They clean history; they never trade on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.calendar import ExchangeCalendar
from core.clock import Clock
from feeds.bars import CorporateAction
from feeds.catalog import Repair
from feeds.checks.finding import Finding, Mend
from feeds.checks.rows import Rows
from feeds.checks.rule import Hit, Rule
from feeds.checks.rules import RULES


@dataclass(frozen=True)
class Examination:
    """Findings in the order of time, and the repairs that were proposed for those that are errors."""

    findings: tuple[Finding, ...]
    repairs: tuple[Repair, ...]


def examine_series(
    symbol: str,
    bar: str,
    frame: pd.DataFrame,
    calendar: ExchangeCalendar,
    actions: Sequence[CorporateAction] = (),
    clock: Clock | None = None,
) -> Examination:
    """Ask every rule about raw bars. ``frame``: index and columns of ``RawBars.frame``, in any order of rows.

    A row that a repair takes out may hide another one, so the rules that repair are asked again until they find
    nothing more: bars that are repaired need no second repair. ``clock`` (None: the machine's) tells which bars are of
    the future. Raises FeedError for a frame without times or prices.
    """
    rows = Rows(symbol, bar, frame, calendar, actions, clock)
    if not len(rows.us):
        return Examination((), ())
    found = [(rule, hit) for rule in RULES.values() if rule.as_it_came for hit in rule.find(rows)]
    mended: list[tuple[Rule, Hit]] = []
    more = True
    while more:
        more, doubts = False, []
        for rule in RULES.values():
            if rule.repair is None:
                continue
            hits = list(rule.find(rows))
            doubts += [(rule, hit) for hit in hits if not hit.mends]
            if mends := [hit for hit in hits if hit.mends]:
                more = True
                mended += [(rule, hit) for hit in mends]
                rows.drop(position for hit in mends for position in hit.drop)
                rows.change(change for hit in mends for change in hit.change.items())
    found += mended + doubts
    found += [(rule, hit) for rule in RULES.values() if not rule.as_it_came and rule.repair is None
              for hit in rule.find(rows)]  # fmt: skip
    found.sort(key=lambda pair: (pair[1].first, pair[1].last))
    return Examination(tuple(_findings(rows, found)), tuple(_repairs(rows, mended)))


def check_series(
    symbol: str,
    bar: str,
    frame: pd.DataFrame,
    calendar: ExchangeCalendar,
    actions: Sequence[CorporateAction] = (),
    clock: Clock | None = None,
) -> list[Finding]:
    """What is wrong with raw bars, see ``examine_series``."""
    return list(examine_series(symbol, bar, frame, calendar, actions, clock).findings)


def propose_repairs(
    symbol: str,
    bar: str,
    frame: pd.DataFrame,
    calendar: ExchangeCalendar,
    actions: Sequence[CorporateAction] = (),
    clock: Clock | None = None,
) -> list[Repair]:
    """What a repair would do to raw bars, at most one act for each row, see ``examine_series``."""
    return list(examine_series(symbol, bar, frame, calendar, actions, clock).repairs)


def _findings(rows: Rows, found: Sequence[tuple[Rule, Hit]]) -> Iterator[Finding]:
    stamps = rows.stamps([hit.first for _, hit in found] + [hit.last for _, hit in found])
    for (rule, hit), first, last in zip(found, stamps, stamps[len(found) :], strict=False):
        mend: Mend = "drop" if hit.drop else "set"
        yield Finding(
            rows.symbol, rows.bar, rule.name, first, last, hit.rows, hit.detail, hit.severity or rule.severity,
            mend if hit.mends else None,
        )  # fmt: skip


def _repairs(rows: Rows, mended: Sequence[tuple[Rule, Hit]]) -> Iterator[Repair]:
    """One repair for each row: dropped by one rule, or set by one or more of them."""
    dropped = {position: (rule.name, hit.detail) for rule, hit in mended for position in hit.drop}
    changed: dict[int, list[tuple[str, str]]] = {}  # position -> rule and reason of each change
    columns: dict[int, set[str]] = {}  # position -> what is written
    for rule, hit in mended:
        for position, values in hit.change.items():
            changed.setdefault(position, []).append((rule.name, hit.detail))
            columns.setdefault(position, set()).update(values)
    at = np.array(sorted({*dropped, *changed}), dtype=np.intp)
    came = zip(*(column[at].tolist() for column in rows.came.values()), strict=True)
    for position, time, row, values_of_row in zip(
        at.tolist(), rows.stamps(rows.us[at]), rows.occurrences(at), came, strict=True
    ):
        before = dict(zip(rows.came, values_of_row, strict=True))
        if position in dropped:
            name, reason = dropped[position]
            yield Repair(time, row, name, "drop", before, {}, reason)
            continue
        names = [name for name in before if name in columns[position]]
        reason = "; ".join(detail for _, detail in changed[position])
        yield Repair(
            time, row, changed[position][0][0], "set", {name: before[name] for name in names},
            {name: float(rows.now[name][position]) for name in names}, reason,
        )  # fmt: skip
