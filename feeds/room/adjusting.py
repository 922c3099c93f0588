"""Corporate actions into the catalog: from a file, or out of the adjusted close that the bars came with."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from core.calendar import ExchangeCalendar
from core.errors import AdjustmentError, FeedSourceError, UnknownNameError, did_you_mean
from core.progress import Progress
from core.signals import uninterrupted
from feeds.actions import adjust, read_actions, read_adj_close, reconcile
from feeds.actions.classify import SOURCE as ADJ_CLOSE
from feeds.actions.recover import form_of
from feeds.adjusted_bars import adjusted_bars, settled_actions
from feeds.bars import CorporateAction, Request, Source
from feeds.catalog import Catalog, Series
from feeds.checks import Finding, check_series
from feeds.room.checking import errors_of
from feeds.room.results import RoomResult, counted, listed
from feeds.room.series import each, not_counted, unasked
from feeds.sources.http import ClosedError

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
    forgotten: int = 0  # actions whose source was to be forgotten
    not_asked: tuple[str, ...] = ()  # symbols left out because the service answers nobody

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
        gone = f"; {self.forgotten:,} forgotten" if self.forgotten else ""
        gone += f"; {len(self.not_asked):,} not asked" if self.not_asked else ""
        cure = ""
        if suspicious:
            cure = (
                " Suspicious moves look like splits that nobody told of: a backtest takes them for gains and losses "
                "until an events file (--events) or a service (--source) names them."
            )
        return (
            f"{found}{where} of {looked}{gone}; {len(self.doubts):,} doubtful, "
            f"{counted(len(self.jumps), 'large move')} that none explains, {suspicious:,} of them suspicious.{cure}"
        )


@dataclass(frozen=True)
class Told:
    """What one origin says of a symbol: its actions, which take the place of all that it said before, and notes."""

    origin: str
    actions: Sequence[CorporateAction]
    notes: Sequence[str] = ()


_NOT_READ = (
    "its adj_close is not read, for the prices came adjusted for splits, and payments are to be those for a share of "
    "their day; give the splits and dividends as a file (--events), or pull the symbol from its source."
)
Origin = Callable[[Series, pd.DataFrame], Told | None]  # None: it says nothing of that series


def adjust_by(catalog: Catalog, chosen: Sequence[Series], origin: Origin, *, progress: Progress) -> Adjusted:
    """Record what the origin tells of each series, and judge the prices by all actions that are then known."""
    actions: dict[str, tuple[CorporateAction, ...]] = {}
    doubts: list[Doubt] = []
    jumps: list[Finding] = []
    looked: list[str] = []
    recorded = forgotten = 0

    def judge(one: Series) -> None:
        looked.append(one.symbol)
        bars = catalog.bars(one.symbol, one.bar)
        told = origin(one, bars)
        known, notes = settled_actions(catalog, one.symbol) if told is None else record(one, bars, told)
        first, last = one.first.date(), one.last.date()
        inside = tuple(action for action in known if first < action.ex_date <= last)
        found = check_series(one.symbol, one.bar, bars, ExchangeCalendar(one.exchange), not_counted(one, inside))
        with uninterrupted():
            catalog.checked(one, errors_of(found))
        jumps.extend(finding for finding in found if finding.rule == JUMP)
        doubts.extend(Doubt(one.symbol, note) for note in (*(told.notes if told else ()), *notes, *unusable(one)))
        actions[one.symbol] = inside

    def record(one: Series, bars: pd.DataFrame, told: Told) -> tuple[tuple[CorporateAction, ...], tuple[str, ...]]:
        """Store what is told, if it can be true of the bars and beside what is stored."""
        nonlocal recorded, forgotten
        stored = catalog.actions(one.symbol)
        others = [action for action in stored if action.source != told.origin]
        sourced = [dataclasses.replace(action, source=told.origin) for action in told.actions]
        settled, notes = reconcile([*others, *sourced], [*catalog.action_sources(one.symbol), told.origin])
        if sourced and one.adjusted == "raw":
            adjust(bars, settled, have="raw", want="total", exchange=one.exchange)
        with uninterrupted():
            recorded += catalog.put_actions(one.symbol, sourced, source=told.origin)
        forgotten += len(stored) - len(others) if not sourced else 0
        return settled, (*notes, *_outside(one, sourced))

    def unusable(one: Series) -> list[str]:
        try:
            adjusted_bars(catalog, one, "total")
        except AdjustmentError as error:
            return [f"prices cannot be adjusted: {error}."]
        return []

    done, failures, partial = each(chosen, progress, judge)
    closed = any(isinstance(one.error, ClosedError) for one in failures)
    return Adjusted(
        series=done, actions=tuple((symbol, action) for symbol, found in actions.items() for action in found),
        doubts=tuple(dict.fromkeys(doubts)), jumps=tuple(jumps), recorded=recorded, forgotten=forgotten,
        not_asked=unasked(chosen, looked[-1]) if closed else (),
        failures=failures, partial=partial,
    )  # fmt: skip


def _outside(one: Series, actions: Sequence[CorporateAction]) -> list[str]:
    """A note on actions of days that the bars do not reach."""
    first, last = one.first.date(), one.last.date()
    outside = [action for action in actions if not first < action.ex_date <= last]
    if not outside:
        return []
    what = f"{counted(len(outside), 'action')} of {outside[0].source}"
    return [f"{what} ({outside[0].ex_date} ...) outside of the bars, {first} to {last}: nothing is adjusted by it now."]


def from_adj_close(one: Series, bars: pd.DataFrame) -> Told | None:
    """Of raw daily bars that came with an adjusted close."""
    if one.bar != "1d" or "adj_close" not in bars or bars.empty:
        return None
    if one.adjusted != "raw":
        if one.adjusted == "total" or form_of(bars["close"].to_numpy(), bars["adj_close"].to_numpy()) == "none":
            return None
        return Told(ADJ_CLOSE, (), [_NOT_READ])
    found = read_adj_close(bars)
    return Told(ADJ_CLOSE, found.actions, found.notes)


def from_file(catalog: Catalog, file: Path) -> tuple[Origin, tuple[Doubt, ...]]:
    """Of a file, and the symbols in it that the catalog does not have.

    Raises what reading the file raises, and FeedSourceError when the catalog has none of its symbols.
    """
    given = read_actions(file)
    known = {one.symbol for one in catalog.series()}
    strange = sorted(given.keys() - known)
    if len(strange) == len(given):
        raise FeedSourceError(
            f"{file} names {listed(strange) or 'no symbol'}, and the catalog {catalog.folder} has none of them; import "
            "their bars first"
        )

    def origin(one: Series, bars: pd.DataFrame) -> Told | None:
        return Told(file.name, given[one.symbol]) if one.symbol in given else None

    return origin, tuple(Doubt(symbol, f"{file.name} names it, the catalog does not have it.") for symbol in strange)


def to_forget(catalog: Catalog, chosen: Sequence[Series], name: str) -> Origin:
    """Of a source that is to say nothing any more. Raises UnknownNameError when it has said nothing."""
    symbols = {one.symbol for one in chosen}
    told = {action.source for symbol in symbols for action in catalog.actions(symbol)}
    if name not in told:
        raise UnknownNameError(
            f"no corporate action comes from {name}{did_you_mean(name, told) if told else '; there is none at all'}"
        )

    def origin(one: Series, bars: pd.DataFrame) -> Told | None:
        return Told(name, ())

    return origin


def from_service(catalog: Catalog, source: Source) -> Origin:
    """Of a service, which is asked once for each symbol; the bars that come along are not taken."""
    first: dict[str, dt.date] = {}
    for one in catalog.series():
        first[one.symbol] = min(one.first.date(), first.get(one.symbol, one.first.date()))
    told: dict[str, Told] = {}

    def origin(one: Series, bars: pd.DataFrame) -> Told | None:
        if one.symbol not in told:
            answer = source.fetch(Request(one.symbol, "1d", first[one.symbol], None, one.exchange))
            told[one.symbol] = Told(source.name, answer.actions)
        return told[one.symbol]

    return origin
