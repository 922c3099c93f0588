"""The catalog: append, read, repair. Raw bars stay as they came; what readers see is raw bars and repairs."""

from __future__ import annotations

import datetime as dt
import errno
import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from core.calendar import calendar_names
from core.clock import SystemClock
from core.errors import CalendarError, CatalogError, UnknownNameError, did_you_mean
from feeds.bars import BAR_SIZES, COLUMNS, BarSize, CorporateAction, RawBars
from feeds.catalog import index
from feeds.catalog.incoming import rows_of, time_range
from feeds.catalog.merge import Merged, merge, row_numbers
from feeds.catalog.names import check_symbol, folder_name
from feeds.catalog.records import Act, Appended, Repair, Series
from feeds.catalog.segments import delete_files, joined, leftovers, parts_of, read_segment, write_segment

_LEFT_AFTER = 3_600.0  # seconds: a file of a write under way is younger
_TRIES = 20  # a reader may meet a file that a writer has just replaced
_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "a file may not grow so large",
}

When = dt.date | dt.datetime | None


class Catalog:
    """Bars by symbol and bar size in a folder. Several processes may use it at once.

    A write counts when its transaction in the index has been committed; until then, and after a kill at any moment,
    the catalog is as it was. ``create=False``: a catalog must be there. Raises CatalogError.
    """

    def __init__(self, folder: Path | str, *, create: bool = True) -> None:
        self.folder = Path(folder)
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
        rows in their place and keeps the old ones in a file beside (see ``acts``). Rows that share a time within
        ``bars`` are all stored. ``currency`` and ``exchange`` are those of a source that does not say.
        Raises CatalogError (symbol, metadata that contradicts what is stored, disk), CalendarError, FeedError.
        """
        symbol, bar = check_symbol(bars.symbol), bars.bar
        currency, exchange = bars.currency or currency, bars.exchange or exchange
        if exchange not in calendar_names():
            raise CalendarError(f"{symbol}: unknown exchange {exchange!r}{did_you_mean(exchange, calendar_names())}")
        frame = rows_of(bars)
        about = {"symbol": symbol, "bar": bar, "source": bars.source, "currency": currency, "exchange": exchange,
                 "adjusted": bars.adjusted}  # fmt: skip
        place, written, superseded = self._place(symbol, bar), list[str](), list[str]()
        merged: list[Merged] = []
        now = SystemClock().now().isoformat()
        try:
            with self._write() as connection:
                number = self._declare(connection, about, now) if len(frame) else self._number(symbol, bar)
                for part, rows in parts_of(bar, frame["time"].to_numpy()):
                    old = connection.execute(
                        "SELECT file FROM segments WHERE series = ? AND part = ?", (number, part)
                    ).fetchone()
                    stored = self._read(place, old[0], symbol, bar, None, None) if old else frame.iloc[:0]
                    merged.append(merge(stored, frame.iloc[rows], replace=replace))
                    if merged[-1].frame is None:
                        continue
                    written.append(self._written(place, part, merged[-1].frame, about))
                    superseded += [old[0]] if old else []
                    times = merged[-1].frame["time"]
                    connection.execute(
                        "INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?, ?, ?)",
                        (number, part, written[-1], len(times), int(times.iloc[0]), int(times.iloc[-1])),
                    )
                appended = _counted(symbol, bar, merged, replace)
                if number is not None and (appended.added or appended.replaced):
                    connection.execute(
                        "UPDATE series SET updated = ?, source = ? WHERE id = ?", (now, bars.source, number)
                    )
                    self._record(connection, number, bars, appended, merged)
                index.replace_actions(connection, symbol, bars.actions)
        except BaseException:
            delete_files(place, written)
            raise
        delete_files(place, superseded)
        self._collect(symbol, bar)
        return appended

    def raw(self, symbol: str, bar: BarSize, start: When = None, end: When = None) -> pd.DataFrame:
        """Every stored row from ``start`` to ``end`` (inclusive; a date is the whole day, UTC), in order of time.

        Index and columns as in ``feeds.bars.RawBars``. Raises UnknownNameError, CatalogError.
        """
        return self._framed(bar, self._rows(symbol, bar, *time_range(start, end))[0])

    def bars(self, symbol: str, bar: BarSize, start: When = None, end: When = None) -> pd.DataFrame:
        """As ``raw``, with the repairs that were made. Nothing is adjusted."""
        first, last = time_range(start, end)
        rows, number = self._rows(symbol, bar, first, last)
        return self._framed(bar, _repaired(rows, index.repairs_of(self._database, number, bar, first, last)))

    def remove(self, symbol: str, bar: BarSize) -> None:
        """Delete one series with its repairs; the corporate actions go with the last series of a symbol."""
        place = self._place(symbol, bar)
        with self._write() as connection:
            number = self._known_number(symbol, bar)
            files = [row["file"] for row in index.segments(self._database, number)]
            connection.execute("DELETE FROM series WHERE id = ?", (number,))
            if not connection.execute("SELECT 1 FROM series WHERE symbol = ?", (symbol,)).fetchone():
                connection.execute("DELETE FROM actions WHERE symbol = ?", (symbol,))
            index.insert_act(connection, "remove", symbol, bar, "the series was removed")
        delete_files(place, files)

    # --- repairs and corporate actions

    def repairs(self, symbol: str, bar: BarSize) -> tuple[Repair, ...]:
        """Repairs in force, in order of time."""
        return index.repairs_of(self._database, self._known_number(symbol, bar), bar)

    def add_repairs(self, symbol: str, bar: BarSize, repairs: Sequence[Repair]) -> int:
        """Put repairs in force; rows that have one keep it. Returns how many were new."""
        with self._write() as connection:
            new = index.insert_repairs(connection, self._known_number(symbol, bar), repairs)
            if new:
                rules = sorted({repair.rule for repair in repairs})
                index.insert_act(connection, "repair", symbol, bar, f"{new} rows: {', '.join(rules)}")
        return new

    def undo_repairs(self, symbol: str, bar: BarSize) -> int:
        """Take all repairs of a series back; returns how many there were."""
        with self._write() as connection:
            number = self._known_number(symbol, bar)
            undone = connection.execute("DELETE FROM repairs WHERE series = ?", (number,)).rowcount
            if undone:
                index.insert_act(connection, "undo", symbol, bar, f"{undone} repairs were taken back")
        return undone

    def actions(self, symbol: str) -> tuple[CorporateAction, ...]:
        """Corporate actions from all sources, in order of date. Raises UnknownNameError."""
        self._require(symbol)
        return index.actions_of(self._database, symbol)

    def put_actions(self, symbol: str, actions: Sequence[CorporateAction], *, source: str) -> int:
        """Store actions in place of all that ``source`` gave before; returns how many are new."""
        sourced = [CorporateAction(one.ex_date, one.kind, one.value, source) for one in actions]
        with self._write() as connection:
            self._require(symbol)
            had = len([one for one in index.actions_of(self._database, symbol) if one.source == source])
            new = index.replace_actions(connection, symbol, sourced, source=source)
            gone = had + new - len(sourced)
            if new or gone:
                index.insert_act(connection, "actions", symbol, None, f"{source}: {new} new, {gone} gone")
        return new

    # --- inside

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        if self._database.read_only:
            raise CatalogError(
                f"the catalog {self.folder} cannot be written, only read; correct the rights of its files and folder, "
                f"or set {index.SETTING} (--catalog) to another one"
            )
        with self._database.transaction() as connection:
            yield connection

    def _declare(self, connection: sqlite3.Connection, about: dict[str, str], now: str) -> int:
        """The number of a series, made where there is none. Raises CatalogError where its metadata is another."""
        symbol, bar = about["symbol"], about["bar"]
        names = ("currency", "exchange", "adjusted")
        found = connection.execute(
            "SELECT id, currency, exchange, adjusted FROM series WHERE symbol = ? AND bar = ?", (symbol, bar)
        ).fetchone()
        if found is None:
            made = connection.execute(
                "INSERT INTO series (symbol, bar, source, currency, exchange, adjusted, updated) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (symbol, bar, about["source"], *(about[name] for name in names), now),
            )
            return int(made.lastrowid or 0)
        for name, stored in zip(names, found[1:], strict=True):
            if about[name] != stored:
                raise CatalogError(
                    f"{symbol} {bar}: the catalog has it with {name} {stored}, {about['source']} brings {about[name]}; "
                    f"say --{name} {stored} if that is what it is, or use another catalog or symbol"
                )
        return int(found[0])

    def _record(
        self, connection: sqlite3.Connection, number: int, bars: RawBars, appended: Appended, merged: list[Merged]
    ) -> None:
        detail = f"{bars.source}: {appended.added} rows added"
        old = [one.replaced for one in merged if one.replaced is not None]
        if old:
            rows = joined(old)
            name = self._keep(bars.symbol, bars.bar, rows)
            times = {int(value) for value in rows["time"]}
            undone = sum(
                connection.execute("DELETE FROM repairs WHERE series = ? AND time = ?", (number, when)).rowcount
                for when in times
            )
            detail += f", {len(times)} times replaced (old rows: {name}), {undone} repairs of them gone"
        index.insert_act(connection, "replace" if old else "append", bars.symbol, bars.bar, detail)

    def _keep(self, symbol: str, bar: BarSize, rows: pd.DataFrame) -> str:
        """Write rows that give way into a file that is never deleted; its path within the catalog."""
        place = self.folder / "replaced" / bar / folder_name(symbol)
        stamp = SystemClock().now().strftime("%Y%m%dT%H%M%SZ")
        name = self._written(place, stamp, rows, {"symbol": symbol, "bar": bar, "replaced": uuid.uuid4().hex})
        return (place / name).relative_to(self.folder).as_posix()

    def _written(self, place: Path, part: str, frame: pd.DataFrame, about: dict[str, str]) -> str:
        try:
            return write_segment(place, part, frame, about)
        except OSError as error:
            reason = _FULL.get(error.errno or 0, error.strerror or str(error))
            raise CatalogError(
                f"{about['symbol']} {about['bar']}: cannot write to {place} ({reason}); nothing was changed: free "
                f"space or correct the rights and run it again, or set {index.SETTING} (--catalog) to another disk"
            ) from error

    def _rows(self, symbol: str, bar: BarSize, first: int | None, last: int | None) -> tuple[pd.DataFrame, int]:
        """Stored rows of a range and the number of the series, all of one moment even while others write."""
        for tries in range(_TRIES):
            number = self._known_number(symbol, bar)
            found = index.segments(self._database, number, first, last)
            place = self._place(symbol, bar)
            try:
                pieces = [self._read(place, row["file"], symbol, bar, first, last) for row in found]
            except CatalogError as error:
                if not isinstance(error.__cause__, FileNotFoundError) or tries == _TRIES - 1:
                    raise
                now = {row["file"] for row in index.segments(self._database, number, first, last)}
                if now == {row["file"] for row in found}:
                    raise
                continue
            return joined(pieces) if pieces else _no_rows(), number
        raise AssertionError  # the last try returns or raises

    def _read(
        self, place: Path, file: str, symbol: str, bar: BarSize, first: int | None, last: int | None
    ) -> pd.DataFrame:
        try:
            return read_segment(place / file, first, last)
        except FileNotFoundError as error:
            what, cure = "is missing", "put it back from a copy"
            cause: Exception = error
        except (OSError, pa.ArrowException) as error:  # pyarrow says OSError for damaged pages
            what, cure = f"cannot be read ({str(error)[:80]})", "put a copy back"
            cause = error
        raise CatalogError(
            f"{symbol} {bar}: the file {place / file} {what}; {cure}, or run `halflife data remove {symbol} --bar "
            f"{bar}` and bring the bars in again; other series are not touched by it"
        ) from cause

    def _framed(self, bar: BarSize, rows: pd.DataFrame) -> pd.DataFrame:
        times = pd.DatetimeIndex(rows["time"].to_numpy().view("datetime64[us]"), name="time")
        columns = {name: rows[name].to_numpy() for name in rows.columns[1:]}
        return pd.DataFrame(columns, index=times if bar == "1d" else times.tz_localize("UTC"), copy=False)

    def _place(self, symbol: str, bar: BarSize) -> Path:
        return self.folder / "bars" / bar / folder_name(symbol)

    def _number(self, symbol: str, bar: BarSize) -> int | None:
        rows = self._database.rows("SELECT id FROM series WHERE symbol = ? AND bar = ?", (symbol, bar))
        return int(rows[0]["id"]) if rows else None

    def _known_number(self, symbol: str, bar: BarSize) -> int:
        number = self._number(symbol, bar)
        if number is None:
            raise self._unknown(symbol, bar)
        return number

    def _require(self, symbol: str) -> None:
        if not self._database.rows("SELECT 1 FROM series WHERE symbol = ?", (symbol,)):
            raise self._unknown(symbol, None)

    def _unknown(self, symbol: str, bar: BarSize | None) -> UnknownNameError:
        rows = self._database.rows("SELECT DISTINCT symbol, bar FROM series")
        sizes = sorted({row["bar"] for row in rows if row["symbol"] == symbol}, key=BAR_SIZES.index)
        if sizes:
            return UnknownNameError(
                f"the catalog {self.folder} has {symbol} with bars of {', '.join(sizes)}, not of {bar}; name one of "
                "these with --bar (data.bar), or bring the others in"
            )
        known = {row["symbol"] for row in rows}
        hint = did_you_mean(symbol, known) if len(known) <= 12 else _close(symbol, known)
        return UnknownNameError(
            f"the catalog {self.folder} has no symbol {symbol!r}{hint}; `halflife data import` or `halflife data pull` "
            "brings bars in"
        )

    def _collect(self, symbol: str, bar: BarSize) -> None:
        """Delete what a killed process left in the folder of a series."""
        place = self._place(symbol, bar)
        number = self._number(symbol, bar)
        known = set() if number is None else {row["file"] for row in index.segments(self._database, number)}
        delete_files(place, leftovers(place, known, time.time() - _LEFT_AFTER))


def _close(symbol: str, known: set[str]) -> str:
    hint = did_you_mean(symbol, known)
    return hint if hint.startswith("; did") else f" among its {len(known)} symbols"


def _counted(symbol: str, bar: BarSize, merged: list[Merged], replace: bool) -> Appended:
    differing = sum(one.differing for one in merged)
    return Appended(
        symbol, bar, added=sum(one.added for one in merged), unchanged=sum(one.unchanged for one in merged),
        differing=differing, replaced=differing if replace else 0,
    )  # fmt: skip


def _repaired(rows: pd.DataFrame, repairs: tuple[Repair, ...]) -> pd.DataFrame:
    if not repairs:
        return rows
    times = rows["time"].to_numpy()
    numbers = row_numbers(times)
    first_of = {int(when): int(at) for at, when in enumerate(times) if numbers[at] == 0}
    keep = np.ones(len(rows), dtype=bool)
    columns: dict[str, Any] = {name: rows[name].to_numpy().copy() for name in rows.columns}
    for repair in repairs:
        at = first_of[index.microseconds(repair.time)] + repair.row
        if repair.action == "drop":
            keep[at] = False
        else:
            for name, value in repair.after.items():
                columns[name][at] = value
    return pd.DataFrame({name: values[keep] for name, values in columns.items()}, copy=False)


def _no_rows() -> pd.DataFrame:
    return pd.DataFrame({"time": np.empty(0, dtype=np.int64), **{name: np.empty(0) for name in COLUMNS}})
