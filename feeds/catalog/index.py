"""The index: what the catalog holds. A change to it is what makes a write count."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from books.database import Database, append_only
from core.calendar import same_exchange
from core.clock import SystemClock
from core.errors import CatalogError, UnknownNameError, did_you_mean
from feeds.bars import BAR_SIZES, BarSize
from feeds.catalog.records import Act, Series

FILE = "catalog.sqlite"
SETTING = "paths.catalog"
VERSION = 1
APPLICATION_ID = 0x484C4341  # "HLCA"

NEVER, ALWAYS = -(2**62), 2**62  # microseconds before and after all times
METADATA = ("currency", "exchange", "adjusted", "content")  # columns in which all bars of a series agree

_SCRIPT = ";;".join([
    """CREATE TABLE series (
        id INTEGER PRIMARY KEY, symbol TEXT NOT NULL, bar TEXT NOT NULL, source TEXT NOT NULL, currency TEXT NOT NULL,
        exchange TEXT NOT NULL, adjusted TEXT NOT NULL, content TEXT NOT NULL, adjusted_until TEXT,
        updated TEXT NOT NULL, errors INTEGER, UNIQUE (symbol, bar))""",
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


_CURES = {
    sqlite3.SQLITE_NOTADB: (
        "it is not a SQLite file",
        "move it away and put a copy of it back; without one move the whole folder away and bring the bars in again",
    )
}


def open_index(folder: Path, *, create: bool) -> Database:
    """Open the index of a catalog. Raises CatalogError: none there, something else there, newer, damaged."""
    file = folder / FILE
    try:  # in this order: a catalog that another process is making has its index before it has bars
        bars, size = (folder / "bars").is_dir(), file.stat().st_size if file.exists() else None
    except OSError as error:
        raise CatalogError(f"{folder} cannot be read ({error.strerror}); correct its rights") from error
    if bars and not size:
        raise CatalogError(
            f"{folder} holds bars, but its index {FILE} is gone or empty; put a copy of it back, or move the folder "
            f"away and bring the bars in again: nothing is written over them"
        )
    if size is None:
        if folder.exists() and not folder.is_dir():
            raise CatalogError(f"{folder} is a file, not the folder of a catalog; set {SETTING} or --catalog")
        if not create:
            raise CatalogError(
                f"there is no catalog in {folder}; `halflife data import` or `halflife data pull` makes one, and "
                f"{SETTING} (--catalog) names another folder"
            )
        try:
            others = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
            others = [] if any(name.startswith(FILE) for name in others) else others  # another process makes it now
            others = [name for name in others if not name.startswith(".")]  # what desktops leave in every folder
        except OSError as error:
            raise CatalogError(f"{folder} cannot be read ({error.strerror}); correct its rights") from error
        if others:
            raise CatalogError(
                f"{folder} holds other files ({', '.join(others[:3])}{', ...' if len(others) > 3 else ''}) and no "
                f"catalog; set {SETTING} or --catalog to a folder of its own"
            )
    return Database(
        file, "catalog", APPLICATION_ID, VERSION, _SCRIPT, error=CatalogError, setting=SETTING, cures=_CURES,
        spare_read_only=True,
    )  # fmt: skip


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
            exchange=row["exchange"], adjusted=row["adjusted"], content=row["content"],
            adjusted_until=row["adjusted_until"] and dt.date.fromisoformat(row["adjusted_until"]),
            rows=int(row["rows"]),
            first=moment(row["first"], row["bar"]), last=moment(row["last"], row["bar"]),
            updated=dt.datetime.fromisoformat(row["updated"]), repairs=row["repairs"], actions=row["actions"],
            errors=row["errors"],
        )
        for row in database.rows(_LISTING.format(where=where), values)
    )  # fmt: skip


@dataclass(frozen=True)
class Segment:
    """A file of a series as the index knows it. Times in microseconds."""

    part: str
    file: str
    rows: int
    first: int
    last: int


def segments_of(database: Database, series: int, first: int | None = None, last: int | None = None) -> list[Segment]:
    """Segments that reach into the range, in order of time."""
    return [
        Segment(*row)
        for row in database.rows(
            "SELECT part, file, rows, first, last FROM segments WHERE series = ? AND last >= ? AND first <= ? "
            "ORDER BY first",
            (series, NEVER if first is None else first, ALWAYS if last is None else last),
        )
    ]


def put_segment(connection: sqlite3.Connection, series: int, new: Segment) -> None:
    """Point a series at the file of one of its parts, in place of the file before."""
    connection.execute(
        "INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?, ?, ?)",
        (series, new.part, new.file, new.rows, new.first, new.last),
    )


def number_of(database: Database, symbol: str, bar: BarSize) -> int | None:
    """The number of a series; None where there is none."""
    rows = database.rows("SELECT id FROM series WHERE symbol = ? AND bar = ?", (symbol, bar))
    return int(rows[0]["id"]) if rows else None


def declare(connection: sqlite3.Connection, about: Mapping[str, str]) -> int:
    """The number of a series, made where there is none. Raises CatalogError where its metadata is another."""
    symbol, bar = about["symbol"], about["bar"]
    found = connection.execute(
        f"SELECT id, {', '.join(METADATA)} FROM series WHERE symbol = ? AND bar = ?", (symbol, bar)
    ).fetchone()
    if found is None:
        made = connection.execute(
            f"INSERT INTO series (symbol, bar, source, {', '.join(METADATA)}, updated) "
            f"VALUES (?, ?, ?, {', '.join('?' * len(METADATA))}, '')",
            (symbol, bar, about["source"], *(about[name] for name in METADATA)),
        )
        return int(made.lastrowid or 0)
    check_agreement(about, dict(zip(METADATA, found[1:], strict=True)))
    return int(found[0])


def check_agreement(about: Mapping[str, str], stored: Mapping[str, str]) -> None:
    """Raise CatalogError where what is said about bars contradicts the metadata of their series."""
    for name in METADATA:
        brought, have = about[name], stored[name]
        if brought == have or (name == "exchange" and same_exchange(have, brought)):
            continue
        cure = f"say --{name} {have} if that is what it is, or use another catalog or symbol"
        if name == "content":
            cure = "give them a symbol of their own (--as) or another catalog"
        raise CatalogError(
            f"{about['symbol']} {about['bar']}: the catalog has it with {name} {have}, {about['source']} brings "
            f"{brought}; {cure}"
        )


def mark_updated(
    connection: sqlite3.Connection, series: int, source: str, adjusted_until: dt.date | None = None
) -> None:
    """Note that bars of a series changed, and where they came from. ``adjusted_until`` only ever moves forward."""
    connection.execute(
        "UPDATE series SET updated = :now, source = :source, errors = NULL, "
        "adjusted_until = coalesce(max(adjusted_until, :until), adjusted_until, :until) WHERE id = :series",
        {
            "now": SystemClock().now().isoformat(), "source": source, "series": series,
            "until": adjusted_until and adjusted_until.isoformat(),
        },
    )  # fmt: skip


def adjusted_until(connection: sqlite3.Connection, series: int) -> dt.date | None:
    """Last day whose actions are in the prices of a series; None = the last bar's."""
    text = connection.execute("SELECT adjusted_until FROM series WHERE id = ?", (series,)).fetchone()[0]
    return text and dt.date.fromisoformat(text)


def forget_scale(connection: sqlite3.Connection, series: int) -> None:
    """Note that all prices of a series are of another scale than before."""
    connection.execute("UPDATE series SET adjusted_until = NULL WHERE id = ?", (series,))


def mark_checked(connection: sqlite3.Connection, series: int, errors: int | None) -> None:
    """Note how many errors a check found; None: what it found counts no more."""
    connection.execute("UPDATE series SET errors = ? WHERE id = ?", (errors, series))


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


def unknown(database: Database, folder: Path, symbol: str, bar: BarSize | None) -> UnknownNameError:
    """The error for a series that is not there."""
    rows = database.rows("SELECT DISTINCT symbol, bar FROM series")
    sizes = sorted({row["bar"] for row in rows if row["symbol"] == symbol}, key=BAR_SIZES.index)
    if sizes:
        return UnknownNameError(
            f"the catalog {folder} has {symbol} with bars of {', '.join(sizes)}, not of {bar}; name one of these with "
            "--bar (data.bar), or bring the others in"
        )
    known = {row["symbol"] for row in rows}
    hint = did_you_mean(symbol, known)
    if len(known) > 12 and not hint.startswith("; did"):  # a list of all symbols helps nobody
        hint = f" among its {len(known)} symbols"
    return UnknownNameError(
        f"the catalog {folder} has no symbol {symbol!r}{hint}; `halflife data import` or `halflife data pull` brings "
        "bars in"
    )
