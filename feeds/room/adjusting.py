"""Corporate actions into the catalog: from a file, or out of the adjusted close that the bars came with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from core.calendar import ExchangeCalendar
from core.errors import FeedSourceError
from core.progress import Progress
from core.signals import uninterrupted
from feeds.actions import read_actions, read_adj_close, reconcile
from feeds.actions.classify import SOURCE as ADJ_CLOSE
from feeds.bars import CorporateAction
from feeds.catalog import Catalog, Series
from feeds.checks import Finding, check_series
from feeds.room.results import RoomResult, counted, listed
from feeds.room.series import each

JUMP = "jump"  # the rule that finds moves which no action explains


@dataclass(frozen=True)
class Doubt:
    """Something in the data that looks like an action and is not taken for one, or an action that is not certain."""

    symbol: str
    text: str


@dataclass(frozen=True, repr=False, kw_only=True)
class Adjusted(RoomResult):
    """The actions by which prices will be adjusted, what is doubtful, and the jumps that none of them explains."""

    series: tuple[Series, ...] = ()  # those that were looked at
    actions: tuple[tuple[str, CorporateAction], ...] = ()  # symbol and action
    doubts: tuple[Doubt, ...] = ()
    jumps: tuple[Finding, ...] = ()
    recorded: int = 0  # actions that were written now

    columns: ClassVar[tuple[str, ...]] = ("symbol", "ex-date", "kind", "value", "source")

    def rows(self) -> list[tuple[Any, ...]]:
        return [(symbol, a.ex_date, a.kind, a.value, a.source) for symbol, a in self.actions]

    def split_table(self) -> pd.DataFrame:
        """Splits and spin-offs, a row each."""
        table = self.table()
        return table[table["kind"] != "dividend"].reset_index(drop=True)

    def dividend_table(self) -> pd.DataFrame:
        """Dividends, a row for each symbol: how many, from when to when, and their sum."""
        paid = self.table()
        paid = paid[paid["kind"] == "dividend"]
        groups = paid.groupby("symbol", sort=False)
        table = pd.DataFrame(
            {
                "dividends": groups["value"].size(),
                "first": groups["ex-date"].min(),
                "last": groups["ex-date"].max(),
                "sum": groups["value"].sum(),
                "source": groups["source"].agg(lambda names: ", ".join(sorted(set(names)))),
            }
        )
        return table.reset_index()

    def doubt_table(self) -> pd.DataFrame:
        """What is doubtful, a row each."""
        return pd.DataFrame([(d.symbol, d.text) for d in self.doubts], columns=["symbol", "doubtful"])

    def jump_table(self) -> pd.DataFrame:
        """Moves that no action explains, a row each; a suspicious one is a warning, others may be news."""
        rows = [(f.symbol, f.first, f.severity, f.detail) for f in self.jumps]
        return pd.DataFrame(rows, columns=["symbol", "time", "severity", "what"])

    def sentence(self) -> str:
        kinds = {"split": "split", "spin_off": "spin-off", "dividend": "dividend"}
        counts = [
            counted(number, name)
            for kind, name in kinds.items()
            if (number := sum(action.kind == kind for _, action in self.actions))
        ]
        looked = counted(len({one.symbol for one in self.series}), "symbol")
        found = ", ".join(counts) if counts else "no corporate action"
        suspicious = sum(jump.severity == "warning" for jump in self.jumps)
        where = f" of {len({symbol for symbol, _ in self.actions}):,}" if counts else ""
        return (
            f"{found}{where} of {looked}; {len(self.doubts):,} doubtful, "
            f"{counted(len(self.jumps), 'large move')} that none explains, {suspicious:,} of them suspicious."
        )


def adjust_from(catalog: Catalog, chosen: Sequence[Series], events: Path | None, *, progress: Progress) -> Adjusted:
    """Record the actions of a file, or of the adjusted closes of daily bars, and judge the prices by all that is known.

    Raises what reading the file raises, before anything is recorded.
    """
    given = read_actions(events) if events is not None else {}
    if events is not None:
        chosen = _of_file(catalog, chosen, given, events)
    actions: dict[str, tuple[CorporateAction, ...]] = {}
    doubts: list[Doubt] = []
    jumps: list[Finding] = []
    recorded = 0

    def judge(one: Series) -> None:
        nonlocal recorded
        bars = catalog.bars(one.symbol, one.bar)
        new: tuple[CorporateAction, ...] | None = given.get(one.symbol)
        source = events.name if events is not None else ADJ_CLOSE
        said: list[Doubt] = []
        if events is None and one.bar == "1d" and one.adjusted == "raw" and "adj_close" in bars and len(bars):
            found = read_adj_close(bars)
            new = found.actions
            said = [Doubt(one.symbol, note) for note in found.notes]
        if new is not None:
            with uninterrupted():
                catalog.put_actions(one.symbol, new, source=source)
                recorded += len(new)
        known, notes = reconcile(catalog.actions(one.symbol))
        first, last = one.first.date(), one.last.date()
        inside = tuple(action for action in known if first < action.ex_date <= last)
        jumps.extend(
            finding
            for finding in check_series(one.symbol, one.bar, bars, ExchangeCalendar(one.exchange), inside)
            if finding.rule == JUMP
        )
        doubts.extend([*said, *(Doubt(one.symbol, note) for note in notes)])
        actions[one.symbol] = inside

    done, failures, partial = each(chosen, progress, judge)
    return Adjusted(
        series=done, actions=tuple((symbol, action) for symbol, found in actions.items() for action in found),
        doubts=tuple(doubts), jumps=tuple(jumps), recorded=recorded, failures=failures, partial=partial,
    )  # fmt: skip


def _of_file(
    catalog: Catalog, chosen: Sequence[Series], given: dict[str, tuple[CorporateAction, ...]], events: Path
) -> tuple[Series, ...]:
    """The chosen series that the file speaks of. Raises FeedSourceError when it speaks of none."""
    named = tuple(one for one in chosen if one.symbol in given)
    if not named:
        raise FeedSourceError(
            f"{events} names {listed(sorted(given)) or 'no symbol'}, and the catalog {catalog.folder} has none of them "
            "among the chosen ones; import their bars first"
        )
    return named
