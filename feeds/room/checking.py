"""Checks and repairs of what the catalog holds, series by series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from core.calendar import ExchangeCalendar
from core.progress import Progress
from core.signals import uninterrupted
from feeds.bars import BarSize
from feeds.catalog import Catalog, Repair, Series
from feeds.catalog.repairs import difference
from feeds.checks import Finding, check_series, examine_series
from feeds.room.results import RoomResult, counted, listed, number
from feeds.room.series import each, grouped, known_actions, stamp

SEVERITIES = ("error", "warning", "note")  # the worst first
NAMED = 3  # symbols named in a line about many


@dataclass(frozen=True, repr=False, kw_only=True)
class Checked(RoomResult):
    """What is wrong with the series that were looked at."""

    series: tuple[Series, ...] = ()  # those that were looked at
    findings: tuple[Finding, ...] = ()
    bars: int = 0  # that were looked at
    raw: bool = False  # looked at as they came, not as repaired

    columns: ClassVar[tuple[str, ...]] = (
        "symbol", "bar", "rule", "severity", "first", "last", "rows", "repair", "detail",
    )  # fmt: skip

    def rows(self) -> list[tuple[Any, ...]]:
        return [
            (f.symbol, f.bar, f.rule, f.severity, f.first, f.last, f.rows, f.repair or "", f.detail)
            for f in self.findings
        ]

    def count(self, severity: str) -> int:
        """Findings of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def sentence(self) -> str:
        looked = (
            f"{counted(len(self.series), 'series', 'series')}, {counted(self.bars, 'bar')}"
            f"{' as they came' if self.raw else ''}"
        )
        if self.failures:
            looked += f", {len(self.failures):,} failed"
        if not self.findings:
            return f"{looked}: nothing found."
        found = ", ".join(counted(self.count(s), s) for s in SEVERITIES if self.count(s))
        return f"{looked}: {found} in {counted(len({f.symbol for f in self.findings}), 'symbol')}."

    def by_rule(self) -> pd.DataFrame:
        """A row for each rule and severity, the worst first, with the symbols that have most of it."""
        rows = []
        for (severity, rule), found in grouped(self.findings, lambda f: (f.severity, f.rule)).items():
            symbols = grouped(found, lambda f: f.symbol)
            most = sorted(symbols, key=lambda symbol: -sum(f.rows for f in symbols[symbol]))
            mended = sum(f.repair is not None for f in found)
            rows.append(
                (severity, rule, len(symbols), len(found), sum(f.rows for f in found), mended, listed(most, NAMED))
            )
        names = ["severity", "rule", "symbols", "findings", "rows", "repairable", "most in"]
        rows.sort(key=lambda row: (SEVERITIES.index(row[0]), row[1]))
        return pd.DataFrame(rows, columns=names)

    def by_symbol(self) -> pd.DataFrame:
        """A row for each symbol with findings: how many of each severity, and the rules."""
        rows = []
        for (symbol, bar), found in grouped(self.findings, lambda f: (f.symbol, f.bar)).items():
            rules = grouped(found, lambda f: f.rule)
            counts = [sum(f.severity == severity for f in found) for severity in SEVERITIES]
            rows.append((symbol, bar, *counts, ", ".join(f"{rule} {len(rules[rule])}" for rule in sorted(rules))))
        return pd.DataFrame(rows, columns=["symbol", "bar", "errors", "warnings", "notes", "rules"])


@dataclass(frozen=True)
class Change:
    """One repair of one series."""

    symbol: str
    bar: BarSize
    repair: Repair

    @property
    def before(self) -> str:
        return _values(self.repair.before)

    @property
    def after(self) -> str:
        return "dropped" if self.repair.action == "drop" else _values(self.repair.after)


@dataclass(frozen=True, repr=False, kw_only=True)
class Repaired(RoomResult):
    """What was changed, or would be. The raw bars stay as they came; ``undo`` takes the changes back."""

    series: tuple[Series, ...] = ()  # those that were looked at
    changes: tuple[Change, ...] = ()
    new: int = 0  # changes that were not there before
    withdrawn: int = 0  # earlier changes that nothing asks for any more
    dry_run: bool = False

    columns: ClassVar[tuple[str, ...]] = (
        "symbol", "bar", "rule", "action", "time", "row", "before", "after", "reason",
    )  # fmt: skip

    def rows(self) -> list[tuple[Any, ...]]:
        return [
            (c.symbol, c.bar, c.repair.rule, c.repair.action, c.repair.time, c.repair.row, c.before, c.after,
             c.repair.reason)
            for c in self.changes
        ]  # fmt: skip

    def sentence(self) -> str:
        dropped = sum(change.repair.action == "drop" for change in self.changes)
        what = f"{counted(dropped, 'row')} dropped and {counted(len(self.changes) - dropped, 'row')} corrected"
        where = f"in {len({c.symbol for c in self.changes}):,} of {counted(len(self.series), 'series', 'series')}"
        gone = f"{counted(self.withdrawn, 'earlier repair')} withdrawn" if self.withdrawn else ""
        if not self.changes:
            ending = f"{gone}{' if this were no dry run' if self.dry_run else ''}" if gone else ""
            return (
                f"{counted(len(self.series), 'series', 'series')}: nothing to repair{', ' if ending else ''}{ending}."
            )
        gone = f", {gone}" if gone else ""
        if self.dry_run:
            return f"{what} {where}{gone} if this were no dry run; nothing was changed."
        again = len(self.changes) - self.new
        earlier = f" ({again:,} of them earlier)" if again else ""
        return f"{what} {where}{earlier}{gone}; the raw bars are kept."

    def by_rule(self) -> pd.DataFrame:
        """A row for each rule and kind of change, with an example."""
        rows = []
        for (rule, action), found in grouped(self.changes, lambda c: (c.repair.rule, c.repair.action)).items():
            one = found[0]
            example = f"{one.symbol} {stamp(one.repair.time)}: {one.before} -> {one.after}"
            rows.append((rule, action, len({c.symbol for c in found}), len(found), example))
        return pd.DataFrame(sorted(rows), columns=["rule", "action", "symbols", "rows", "example"])

    def by_symbol(self) -> pd.DataFrame:
        """A row for each symbol, rule and kind of change, with an example."""
        rows = []
        groups = grouped(self.changes, lambda c: (c.symbol, c.bar, c.repair.rule, c.repair.action))
        for (symbol, bar, rule, action), found in groups.items():
            one = found[0]
            rows.append((symbol, bar, rule, action, len(found), stamp(one.repair.time), one.before, one.after))
        return pd.DataFrame(rows, columns=["symbol", "bar", "rule", "action", "rows", "first", "before", "after"])


@dataclass(frozen=True, repr=False, kw_only=True)
class Undone(RoomResult):
    """Repairs that were taken back."""

    undone: tuple[tuple[str, BarSize, int], ...] = ()

    columns: ClassVar[tuple[str, ...]] = ("symbol", "bar", "repairs")

    def rows(self) -> list[tuple[Any, ...]]:
        return [row for row in self.undone if row[2]]

    def sentence(self) -> str:
        total = sum(number for _, _, number in self.undone)
        if not total:
            return "There was no repair to take back."
        return f"{counted(total, 'repair')} of {counted(len(self.rows()), 'series', 'series')} taken back."


def check(catalog: Catalog, chosen: Sequence[Series], *, raw: bool, progress: Progress) -> Checked:
    findings: list[Finding] = []
    bars = 0

    def look(one: Series) -> None:
        nonlocal bars
        frame = (catalog.raw if raw else catalog.bars)(one.symbol, one.bar)
        bars += len(frame)
        found = check_series(one.symbol, one.bar, frame, ExchangeCalendar(one.exchange), known_actions(catalog, one))
        findings.extend(found)
        if not raw:
            with uninterrupted():
                catalog.checked(one, errors_of(found))

    done, failures, partial = each(chosen, progress, look)
    return Checked(series=done, findings=tuple(findings), bars=bars, raw=raw, failures=failures, partial=partial)


def repair(catalog: Catalog, chosen: Sequence[Series], *, dry_run: bool, progress: Progress) -> Repaired:
    changes: list[Change] = []
    new = withdrawn = 0

    def mend(one: Series) -> None:
        nonlocal new, withdrawn
        frame = catalog.raw(one.symbol, one.bar)
        calendar = ExchangeCalendar(one.exchange)
        examined = examine_series(one.symbol, one.bar, frame, calendar, known_actions(catalog, one))
        with uninterrupted():
            if dry_run:
                change = difference(catalog.repairs(one.symbol, one.bar), examined.repairs)
            else:
                change = catalog.set_repairs(one.symbol, one.bar, examined.repairs)
                left = [finding for finding in examined.findings if finding.repair is None]
                catalog.checked(catalog.get(one.symbol, one.bar), errors_of(left))
                new += len(change.new)
            withdrawn += len(change.withdrawn)
            changes.extend(Change(one.symbol, one.bar, repair) for repair in examined.repairs)

    done, failures, partial = each(chosen, progress, mend)
    return Repaired(
        series=done, changes=tuple(changes), new=new, withdrawn=withdrawn, dry_run=dry_run, failures=failures,
        partial=partial,
    )  # fmt: skip


def undo(catalog: Catalog, chosen: Sequence[Series], *, progress: Progress) -> Undone:
    undone: list[tuple[str, BarSize, int]] = []

    def take_back(one: Series) -> None:
        with uninterrupted():
            undone.append((one.symbol, one.bar, catalog.undo_repairs(one.symbol, one.bar)))

    _, failures, partial = each(chosen, progress, take_back)
    return Undone(undone=tuple(undone), failures=failures, partial=partial)


def errors_of(findings: Iterable[Finding]) -> int:
    """How many of the findings make a backtest wrong."""
    return sum(finding.severity == "error" for finding in findings)


def _values(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {number(value)}" for name, value in values.items())
