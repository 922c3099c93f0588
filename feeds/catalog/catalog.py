"""The catalog: append, read, repair. Raw bars stay as they came; what readers see is raw bars and repairs."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace as changed
from pathlib import Path
from types import TracebackType

import pandas as pd

from core.errors import CatalogError, UnknownNameError
from feeds.bars import BarSize, CorporateAction, RawBars
from feeds.catalog import index
from feeds.catalog.actions import actions_of, replace_actions, sources_of
from feeds.catalog.files import SegmentFiles
from feeds.catalog.frames import framed, joined
from feeds.catalog.incoming import description, rows_of, time_range
from feeds.catalog.index import Segment
from feeds.catalog.merge import Merged, merge
from feeds.catalog.records import Act, Appended, Repair, Series
from feeds.catalog.repairs import (
    Difference,
    check_repairs,
    difference,
    forget_repairs,
    insert_repairs,
    repaired,
    repairs_of,
    rules_of,
)
from feeds.catalog.scales import check_scale
from feeds.catalog.segments import delete_files, parts_of

_TRIES = 20  # a reader may meet a file that a writer has just replaced

When = dt.date | dt.datetime | None


class Catalog:
    """Bars by symbol and bar size in a folder. Several processes may use it at once.

    A write counts when its transaction in the index has been committed; until then, and after a kill at any moment,
    the catalog is as it was. Writers wait for one another, readers for nobody. ``create=False``: a catalog must be
    there. Raises CatalogError.
    """

    def __init__(self, folder: Path | str, *, create: bool = True) -> None:
        self.folder = Path(folder)
        self._files = SegmentFiles(self.folder)
        self._database = index.open_index(self.folder, create=create)

    def __enter__(self) -> Catalog:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the index; what was written stays."""
        self._database.close()

    # --- what there is

    def series(self, bar: BarSize | None = None) -> tuple[Series, ...]:
        """All series in order of symbol, from the index alone."""
        return index.listed(self._database, "WHERE s.bar = ?", (bar,)) if bar else index.listed(self._database)

    def get(self, symbol: str, bar: BarSize) -> Series:
        """One series. Raises UnknownNameError."""
        found = index.listed(self._database, "WHERE s.symbol = ? AND s.bar = ?", (symbol, bar))
        if not found:
            raise self._unknown(symbol, bar)
        return found[0]

    def acts(self, symbol: str | None = None, limit: int | None = 100) -> tuple[Act, ...]:
        """The latest entries of the record of what was done, oldest first."""
        return index.acts_of(self._database, symbol, limit)

    # --- bars

    def append(
        self, bars: RawBars, *, replace: bool = False, currency: str = "USD", exchange: str = "XNYS"
    ) -> Appended:
        """Store bars that are not there yet, and the corporate actions that come with them.

        Times that are stored already stay as they are, and are counted where they differ; ``replace`` puts the new
        rows in their place and keeps the old ones in a file beside (see ``acts``). A newer adj_close is taken, for it
        changes whenever a share pays. Rows that share a time within ``bars`` are all stored. ``currency`` and
        ``exchange`` are those of a source that does not say.
        Raises CatalogError (symbol, metadata that contradicts what is stored, adjusted prices of another scale than
        the stored ones, disk), CalendarError, FeedError.
        """
        symbol, bar = bars.symbol, bars.bar
        about, frame = description(bars, currency, exchange), rows_of(bars)
        stale: list[Path] = []
        with self._write() as connection, self._files.writing() as written:
            merged = self._merge(connection, about, bar, frame, replace, written) if len(frame) else []
            appended = _counted(symbol, bar, merged, replace)
            number = index.number_of(self._database, symbol, bar)
            if number is not None and merged:
                if check_scale(about, merged, bars.adjusted_until, index.adjusted_until(connection, number), replace):
                    index.forget_scale(connection, number)
            if number is not None and written:
                index.mark_updated(connection, number, bars.source, bars.adjusted_until)
                self._record(connection, number, about, bar, appended, merged, written)
                stale = self._files.stale(symbol, bar, {one.file for one in index.segments_of(self._database, number)})
            known = bars.actions if number is not None else ()  # actions are of a symbol that has bars
            actions = [changed(one, source=one.source or bars.source) for one in known]
            new, gone = replace_actions(connection, symbol, actions)
            if new or gone:
                index.insert_act(connection, "actions", symbol, None, f"{bars.source}: {new} new, {gone} gone")
        delete_files(stale)
        return appended

    def raw(self, symbol: str, bar: BarSize, start: When = None, end: When = None) -> pd.DataFrame:
        """Every stored row from ``start`` to ``end`` (inclusive; a date is the whole day, UTC), in order of time.

        Index and columns as in ``feeds.bars.RawBars``. Raises UnknownNameError, CatalogError.
        """
        return framed(bar, self._read(symbol, bar, *time_range(start, end))[0])

    def bars(self, symbol: str, bar: BarSize, start: When = None, end: When = None) -> pd.DataFrame:
        """As ``raw``, with the repairs that were made. Nothing is adjusted."""
        return framed(bar, repaired(*self._read(symbol, bar, *time_range(start, end))))

    def remove(self, symbol: str, bar: BarSize) -> None:
        """Delete one series with its repairs; the corporate actions go with the last series of a symbol."""
        with self._write() as connection:
            connection.execute("DELETE FROM series WHERE id = ?", (self._number(symbol, bar),))
            if not connection.execute("SELECT 1 FROM series WHERE symbol = ?", (symbol,)).fetchone():
                connection.execute("DELETE FROM actions WHERE symbol = ?", (symbol,))
            index.insert_act(connection, "remove", symbol, bar, "the series was removed")
            stale = self._files.stale(symbol, bar, set())
        delete_files(stale)

    # --- repairs and corporate actions

    def repairs(self, symbol: str, bar: BarSize) -> tuple[Repair, ...]:
        """Repairs in force, in order of time."""
        with self._database.snapshot():
            return repairs_of(self._database, self._number(symbol, bar), bar)

    def add_repairs(self, symbol: str, bar: BarSize, repairs: Sequence[Repair]) -> int:
        """Put repairs in force; rows that have one keep it. Returns how many were new.

        Raises CatalogError, and changes nothing, where a row is not what its repair says it was before.
        """
        with self._write() as connection:
            number = self._number(symbol, bar)
            self._check_repairs(number, symbol, bar, repairs)
            new = insert_repairs(connection, number, repairs)
            if new:
                index.mark_checked(connection, number, None)
                index.insert_act(connection, "repair", symbol, bar, f"{new} rows: {rules_of(repairs)}")
        return new

    def set_repairs(self, symbol: str, bar: BarSize, repairs: Sequence[Repair]) -> Difference:
        """Put repairs in force in place of all that the series has. Returns what became new and what was withdrawn.

        Raises CatalogError as ``add_repairs`` does, and then the earlier ones stay in force.
        """
        with self._write() as connection:
            number = self._number(symbol, bar)
            self._check_repairs(number, symbol, bar, repairs)
            change = difference(repairs_of(self._database, number, bar), repairs)
            index.mark_checked(connection, number, None)
            connection.execute("DELETE FROM repairs WHERE series = ?", (number,))
            insert_repairs(connection, number, repairs)
            told = [f"{len(change.new)} rows: {rules_of(change.new)}"] if change.new else []
            if change.withdrawn:
                told.append(f"{len(change.withdrawn)} repairs withdrawn: {rules_of(change.withdrawn)}")
            if told:
                index.insert_act(connection, "repair", symbol, bar, "; ".join(told))
        return change

    def undo_repairs(self, symbol: str, bar: BarSize) -> int:
        """Take all repairs of a series back; returns how many there were."""
        with self._write() as connection:
            number = self._number(symbol, bar)
            undone = connection.execute("DELETE FROM repairs WHERE series = ?", (number,)).rowcount
            if undone:
                index.mark_checked(connection, number, None)
                index.insert_act(connection, "undo", symbol, bar, f"{undone} repairs were taken back")
        return undone

    def checked(self, one: Series, errors: int) -> None:
        """Note how many errors a check found in the bars of ``one`` as readers see them.

        Nothing is noted where the bars or their repairs have changed since ``one`` was listed, or the catalog cannot
        be written: the next check will.
        """
        if self._database.read_only or one.errors == errors:
            return
        with self._write() as connection:
            now = index.listed(self._database, "WHERE s.symbol = ? AND s.bar = ?", (one.symbol, one.bar))
            if now and (now[0].updated, now[0].repairs) == (one.updated, one.repairs):
                index.mark_checked(connection, self._number(one.symbol, one.bar), errors)

    def actions(self, symbol: str) -> tuple[CorporateAction, ...]:
        """Corporate actions from all sources, in order of date. Raises UnknownNameError."""
        with self._database.snapshot():
            self._require(symbol)
            return actions_of(self._database, symbol)

    def action_sources(self, symbol: str) -> tuple[str, ...]:
        """Sources of the actions of a symbol in the order in which they were told, the newest last."""
        return sources_of(self._database, symbol)

    def put_actions(self, symbol: str, actions: Sequence[CorporateAction], *, source: str) -> int:
        """Store actions in place of all that ``source`` gave before; returns how many are new."""
        with self._write() as connection:
            self._require(symbol)
            sourced = [changed(one, source=source) for one in actions]
            new, gone = replace_actions(connection, symbol, sourced, source=source)
            if new or gone:
                index.insert_act(connection, "actions", symbol, None, f"{source}: {new} new, {gone} gone")
        return new

    # --- inside

    def _check_repairs(self, number: int, symbol: str, bar: BarSize, repairs: Sequence[Repair]) -> None:
        if not repairs:
            return
        times = [index.microseconds(repair.time) for repair in repairs]
        first, last = min(times), max(times)
        segments = index.segments_of(self._database, number, first, last)
        rows = joined([self._files.read(symbol, bar, segment, first, last) for segment in segments])
        check_repairs(f"{symbol} {bar}", rows, repairs)

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        if self._database.read_only:
            raise CatalogError(
                f"the catalog {self.folder} cannot be written, only read; correct the rights of its files and folder, "
                f"or set {index.SETTING} (--catalog) to another one"
            )
        with self._database.transaction() as connection:
            yield connection

    def _merge(
        self, connection: sqlite3.Connection, about: dict[str, str], bar: BarSize, frame: pd.DataFrame, replace: bool,
        written: list[Path],
    ) -> list[Merged]:  # fmt: skip
        """Bring rows together with the stored ones, part by part; changed parts get a new file."""
        symbol, merged = about["symbol"], list[Merged]()
        number = index.declare(connection, about)
        stored = {segment.part: segment for segment in index.segments_of(self._database, number)}
        for part, rows in parts_of(bar, frame["time"].to_numpy()):
            known = stored.pop(part, None)
            old = self._files.read(symbol, bar, known, None, None) if known else frame.iloc[:0]
            merged.append(merge(old, frame.iloc[rows], replace=replace))
            new = merged[-1].frame
            if new is not None:
                written.append(self._files.write(symbol, bar, part, new, about))
                first, last = int(new["time"].iloc[0]), int(new["time"].iloc[-1])
                index.put_segment(connection, number, Segment(part, written[-1].name, len(new), first, last))
        return [*merged, Merged(None, left=sum(segment.rows for segment in stored.values()))]

    def _record(
        self, connection: sqlite3.Connection, number: int, about: dict[str, str], bar: BarSize, appended: Appended,
        merged: list[Merged], written: list[Path],
    ) -> None:  # fmt: skip
        """Write down what an append did, keep the rows that gave way, and forget repairs of them."""
        symbol, detail = about["symbol"], f"{about['source']}: {appended.added} rows added"
        old = [one.replaced for one in merged if one.replaced is not None]
        if old:
            rows = joined(old)
            written.append(self._files.keep(symbol, bar, rows, about))
            undone = forget_repairs(connection, number, rows["time"].unique().tolist())
            newer = f" and {appended.readjusted} with a newer adj_close" if appended.readjusted else ""
            detail += (
                f", {appended.replaced} times replaced{newer} (old rows: {self._files.within(written[-1])}), "
                f"{undone} repairs of them gone"
            )
        index.insert_act(connection, "replace" if old else "append", symbol, bar, detail)

    def _read(
        self, symbol: str, bar: BarSize, first: int | None, last: int | None
    ) -> tuple[pd.DataFrame, tuple[Repair, ...]]:
        """Stored rows of a range and their repairs, all of one moment even while others write."""
        tries = 0
        while True:
            with self._database.snapshot():
                number = self._number(symbol, bar)
                segments = index.segments_of(self._database, number, first, last)
                repairs = repairs_of(self._database, number, bar, first, last)
            try:
                return joined([self._files.read(symbol, bar, one, first, last) for one in segments]), repairs
            except CatalogError as error:
                tries += 1
                vanished = isinstance(error.__cause__, FileNotFoundError)
                if not vanished or tries == _TRIES or segments == self._segments_now(symbol, bar, first, last):
                    raise

    def _segments_now(self, symbol: str, bar: BarSize, first: int | None, last: int | None) -> list[Segment]:
        number = index.number_of(self._database, symbol, bar)
        return [] if number is None else index.segments_of(self._database, number, first, last)

    def _number(self, symbol: str, bar: BarSize) -> int:
        number = index.number_of(self._database, symbol, bar)
        if number is None:
            raise self._unknown(symbol, bar)
        return number

    def _require(self, symbol: str) -> None:
        if not self._database.rows("SELECT 1 FROM series WHERE symbol = ?", (symbol,)):
            raise self._unknown(symbol, None)

    def _unknown(self, symbol: str, bar: BarSize | None) -> UnknownNameError:
        return index.unknown(self._database, self.folder, symbol, bar)


def _counted(symbol: str, bar: BarSize, merged: list[Merged], replace: bool) -> Appended:
    differing = sum(one.differing for one in merged)
    readjusted = sum(one.readjusted for one in merged)
    return Appended(
        symbol, bar, added=sum(one.added for one in merged), unchanged=sum(one.unchanged for one in merged),
        differing=differing, replaced=differing if replace else 0,
        readjusted=readjusted, older=sum(one.left for one in merged) if readjusted else 0,
    )  # fmt: skip
