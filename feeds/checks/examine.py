"""A series against all rules: what is wrong with it, and what a repair would do about it.

Checks look at bars before and after a bar on purpose. They clean history; they never trade on it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from core.calendar import ExchangeCalendar
from feeds.bars import CorporateAction
from feeds.catalog import Repair
from feeds.checks.finding import Finding, Mend
from feeds.checks.rows import Rows
from feeds.checks.rule import Hit, Rule, Values
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
) -> Examination:
    """Ask every rule about raw bars. ``frame``: index and columns of ``RawBars.frame``, in any order of rows.

    A row that a repair takes out may hide another one, so the rules that repair are asked again until they find
    nothing more: bars that are repaired need no second repair. Raises FeedError for a frame without times or prices.
    """
    rows = Rows(symbol, bar, frame, calendar, actions)
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
            for hit in list(rule.find(rows)):
                if not hit.mends:
                    doubts.append((rule, hit))
                    continue
                more = True
                mended.append((rule, hit))
                rows.drop(hit.drop)
                rows.change(hit.change)
    found += mended + doubts
    found += [(rule, hit) for rule in RULES.values() if not rule.as_it_came and rule.repair is None
              for hit in rule.find(rows)]  # fmt: skip
    found.sort(key=lambda pair: (pair[1].first, pair[1].last))
    return Examination(tuple(_finding(rows, rule, hit) for rule, hit in found), tuple(_repairs(rows, mended)))


def check_series(
    symbol: str,
    bar: str,
    frame: pd.DataFrame,
    calendar: ExchangeCalendar,
    actions: Sequence[CorporateAction] = (),
) -> list[Finding]:
    """What is wrong with raw bars, see ``examine_series``."""
    return list(examine_series(symbol, bar, frame, calendar, actions).findings)


def propose_repairs(
    symbol: str,
    bar: str,
    frame: pd.DataFrame,
    calendar: ExchangeCalendar,
    actions: Sequence[CorporateAction] = (),
) -> list[Repair]:
    """What a repair would do to raw bars, at most one act for each row, see ``examine_series``."""
    return list(examine_series(symbol, bar, frame, calendar, actions).repairs)


def _finding(rows: Rows, rule: Rule, hit: Hit) -> Finding:
    mend: Mend = "drop" if hit.drop else "set"
    return Finding(
        rows.symbol, rows.bar, rule.name, rows.stamp(hit.first), rows.stamp(hit.last), hit.rows, hit.detail,
        hit.severity or rule.severity, mend if hit.mends else None,
    )  # fmt: skip


def _repairs(rows: Rows, mended: Sequence[tuple[Rule, Hit]]) -> list[Repair]:
    """One repair for each row: dropped by one rule, or set by one or more of them."""
    dropped = {position: (rule.name, hit.detail) for rule, hit in mended for position in hit.drop}
    changed: dict[int, list[tuple[str, str]]] = {}  # position -> rule and reason of each change
    columns: dict[int, set[str]] = {}  # position -> what is written
    for rule, hit in mended:
        for position, values in hit.change.items():
            changed.setdefault(position, []).append((rule.name, hit.detail))
            columns.setdefault(position, set()).update(values)
    repairs = []
    for position in sorted({*dropped, *changed}):
        time, row = rows.stamp(int(rows.us[position])), rows.occurrence(position)
        if position in dropped:
            name, reason = dropped[position]
            repairs.append(Repair(time, row, name, "drop", _values(rows.came, rows.came, position), {}, reason))
            continue
        reason = "; ".join(detail for _, detail in changed[position])
        before = _values(rows.came, columns[position], position)
        after = {column: float(rows.now[column][position]) for column in rows.now if column in columns[position]}
        repairs.append(Repair(time, row, changed[position][0][0], "set", before, after, reason))
    return repairs


def _values(table: Mapping[str, Values], columns: Collection[str], position: int) -> dict[str, float]:
    """Values of one row in these columns, without those that it does not have."""
    row = {column: float(values[position]) for column, values in table.items() if column in columns}
    return {column: value for column, value in row.items() if not math.isnan(value)}
