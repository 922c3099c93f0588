"""The index: what the catalog holds. A change to it is what makes a write count."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from books.database import Database, append_only
from core.clock import SystemClock
from core.errors import CatalogError
from feeds.bars import BarSize, CorporateAction
from feeds.catalog.records import Act, Repair, Series

FILE = "catalog.sqlite"
SETTING = "paths.catalog"
VERSION = 1
APPLICATION_ID = 0x484C4341  # "HLCA"

_SCRIPT = ";;".join([
    """CREATE TABLE series (
        id INTEGER PRIMARY KEY, symbol TEXT NOT NULL, bar TEXT NOT NULL, source TEXT NOT NULL, currency TEXT NOT NULL,
        exchange TEXT NOT NULL, adjusted TEXT NOT NULL, updated TEXT NOT NULL, UNIQUE (symbol, bar))""",
    """CREATE TABLE segments (
        series INTEGER NOT NULL REFERENCES series ON DELETE CASCADE, part TEXT NOT NULL, file TEXT NOT NULL UNIQUE,
        rows INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (series, part))""",
    """CREATE TABLE repairs (
        series INTEGER NOT NULL REFERENCES series ON DELETE CASCADE, time INTEGER NOT NULL, row INTEGER NOT NULL,
        rule TEXT NOT NULL, action TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (series, time, row)) WITHOUT ROWID""",
    """CREATE TABLE actions (
        symbol TEXT NOT NULL, source TEXT NOT NULL, ex_date TEXT NOT NULL, kind TEXT NOT NULL, value REAL NOT NULL)""",
    "CREATE INDEX actions_of_symbol ON actions (symbol, ex_date)",
    """CREATE TABLE acts (
        id INTEGER PRIMARY KEY, at TEXT NOT NULL, act TEXT NOT NULL, symbol TEXT NOT NULL, bar TEXT,
        detail TEXT NOT NULL)""",
    append_only("acts"),
])  # fmt: skip

_LISTING = """
    SELECT s.*, total(g.rows) AS rows, min(g.first) AS first, max(g.last) AS last,
        (SELECT count(*) FROM repairs r WHERE r.series = s.id) AS repairs,
        (SELECT count(*) FROM actions a WHERE a.symbol = s.symbol) AS actions
    FROM series s JOIN segments g ON g.series = s.id {where} GROUP BY s.id ORDER BY s.symbol, s.bar"""


def open_index(folder: Path, *, create: bool) -> Database:
    """Open the index of a catalog. Raises CatalogError: none there, something else there, newer, damaged."""
    file = folder / FILE
    if not file.exists():
        if folder.exists() and not folder.is_dir():
            raise CatalogError(f"{folder} is a file, not the folder of a catalog; set {SETTING} or --catalog")
        if not create:
            raise CatalogError(
                f"there is no catalog in {folder}; `halflife data import` or `halflife data pull` makes one, and "
                f"{SETTING} (--catalog) names another folder"
            )
        try:
            others = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
        except OSError as error:
            raise CatalogError(f"{folder} cannot be read ({error.strerror}); correct its rights") from error
        if others:
            raise CatalogError(
                f"{folder} holds other files ({', '.join(others[:3])}{', ...' if len(others) > 3 else ''}) and no "
                f"catalog; set {SETTING} or --catalog to a folder of its own"
            )
    return Database(
        file, "catalog", APPLICATION_ID, VERSION, _SCRIPT, error=CatalogError, setting=SETTING, spare_read_only=True
    )


def moment(us: int, bar: BarSize) -> pd.Timestamp:
    """A stored time as it is shown: the date of a session, or a moment in UTC."""
    stamp = pd.Timestamp(us, unit="us").as_unit("us")
    return stamp if bar == "1d" else stamp.tz_localize("UTC")


def microseconds(when: pd.Timestamp) -> int:
    """A time as it is stored."""
    utc = when if when.tz is None else when.tz_convert("UTC").tz_localize(None)
    return int(utc.as_unit("us").asm8.astype("int64"))  # Timestamp.value counts nanoseconds whatever the unit


def listed(database: Database, where: str = "", values: tuple[object, ...] = ()) -> tuple[Series, ...]:
    """Series with their coverage, from the index alone."""
    return tuple(
        Series(
            symbol=row["symbol"], bar=row["bar"], source=row["source"], currency=row["currency"],
            exchange=row["exchange"], adjusted=row["adjusted"], rows=int(row["rows"]),
            first=moment(row["first"], row["bar"]), last=moment(row["last"], row["bar"]),
            updated=dt.datetime.fromisoformat(row["updated"]), repairs=row["repairs"], actions=row["actions"],
        )
        for row in database.rows(_LISTING.format(where=where), values)
    )  # fmt: skip


def segments(database: Database, series: int, first: int | None = None, last: int | None = None) -> list[sqlite3.Row]:
    """Segments (part, file, rows, first, last) that reach into the range, in order of time."""
    return database.rows(
        "SELECT * FROM segments WHERE series = ? AND last >= ? AND first <= ? ORDER BY first",
        (series, -(2**62) if first is None else first, 2**62 if last is None else last),
    )


def repairs_of(
    database: Database, series: int, bar: BarSize, first: int | None = None, last: int | None = None
) -> tuple[Repair, ...]:
    """Repairs in order of time."""
    return tuple(
        Repair(
            time=moment(row["time"], bar), row=row["row"], rule=row["rule"], action=row["action"],
            before=_values(row["before"]), after=_values(row["after"]), reason=row["reason"],
        )
        for row in database.rows(
            "SELECT * FROM repairs WHERE series = ? AND time BETWEEN ? AND ? ORDER BY time, row",
            (series, -(2**62) if first is None else first, 2**62 if last is None else last),
        )
    )  # fmt: skip


def insert_repairs(connection: sqlite3.Connection, series: int, repairs: Iterable[Repair]) -> int:
    """Store repairs of rows that have none yet; return how many were new."""
    new = 0
    for repair in repairs:
        new += connection.execute(
            "INSERT OR IGNORE INTO repairs VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (series, microseconds(repair.time), repair.row, repair.rule, repair.action, _json(repair.before),
             _json(repair.after), repair.reason),
        ).rowcount  # fmt: skip
    return new


def actions_of(database: Database, symbol: str) -> tuple[CorporateAction, ...]:
    """Corporate actions of a symbol from all sources, in order of date."""
    rows = database.rows("SELECT * FROM actions WHERE symbol = ? ORDER BY ex_date, kind, source", (symbol,))
    return tuple(
        CorporateAction(dt.date.fromisoformat(row["ex_date"]), row["kind"], row["value"], row["source"]) for row in rows
    )


def replace_actions(
    connection: sqlite3.Connection, symbol: str, actions: Iterable[CorporateAction], *, source: str | None = None
) -> int:
    """Store actions in place of those that their source had for their dates and kinds (two dividends of one day are
    two actions); with ``source`` in place of all of that source. Returns how many were not there before."""
    new = list(actions)
    key = "symbol = ? AND source = ? AND ex_date = ? AND kind = ?"
    days: set[tuple[str, ...]] = {(symbol, action.source, action.ex_date.isoformat(), action.kind) for action in new}
    select, values = key, sorted(days)
    if source is not None:
        select, values = "symbol = ? AND source = ?", [(symbol, source)]
    before: Counter[tuple[str, str, float]] = Counter()
    for chosen in values:
        before.update(connection.execute(f"SELECT ex_date, kind, value FROM actions WHERE {select}", chosen))
        connection.execute(f"DELETE FROM actions WHERE {select}", chosen)
    rows = [(action.ex_date.isoformat(), str(action.kind), action.value) for action in new]
    connection.executemany(
        "INSERT INTO actions VALUES (?, ?, ?, ?, ?)",
        [(symbol, action.source, *row) for action, row in zip(new, rows, strict=True)],
    )
    return (Counter(rows) - before).total()


def insert_act(connection: sqlite3.Connection, act: str, symbol: str, bar: BarSize | None, detail: str) -> None:
    """Write one entry into the record of the catalog."""
    connection.execute(
        "INSERT INTO acts (at, act, symbol, bar, detail) VALUES (?, ?, ?, ?, ?)",
        (SystemClock().now().isoformat(), act, symbol, bar, detail),
    )


def acts_of(database: Database, symbol: str | None, limit: int | None) -> tuple[Act, ...]:
    """The latest entries of the record, oldest first."""
    where, values = ("WHERE symbol = ?", [symbol]) if symbol is not None else ("", list[object]())
    rows: Sequence[sqlite3.Row] = database.rows(
        f"SELECT * FROM acts {where} ORDER BY id DESC LIMIT ?", (*values, -1 if limit is None else limit)
    )
    return tuple(
        Act(dt.datetime.fromisoformat(row["at"]), row["act"], row["symbol"], row["bar"], row["detail"])
        for row in reversed(rows)
    )


def _json(values: Mapping[str, float]) -> str:
    return json.dumps({key: float(value) for key, value in values.items()})  # NaN stays NaN: only we read it


def _values(text: str) -> dict[str, float]:
    values: dict[str, float] = json.loads(text)
    return values
