"""Corporate actions in the index of a catalog."""

from __future__ import annotations

import datetime as dt
import math
import sqlite3
from collections import Counter
from collections.abc import Sequence

from books.database import Database
from core.errors import CatalogError
from feeds.bars import CorporateAction


def actions_of(database: Database, symbol: str) -> tuple[CorporateAction, ...]:
    """Corporate actions of a symbol from all sources, in order of date."""
    rows = database.rows("SELECT * FROM actions WHERE symbol = ? ORDER BY ex_date, kind, source, rowid", (symbol,))
    return tuple(
        CorporateAction(dt.date.fromisoformat(row["ex_date"]), row["kind"], row["value"], row["source"]) for row in rows
    )


def replace_actions(
    connection: sqlite3.Connection, symbol: str, actions: Sequence[CorporateAction], *, source: str | None = None
) -> tuple[int, int]:
    """Store actions in place of those that their source had for their dates and kinds (two dividends of one day are
    two actions); with ``source`` in place of all of that source. Returns how many are new and how many are gone."""
    for action in actions:
        if not math.isfinite(action.value):
            raise CatalogError(f"{symbol}: the {action.kind} of {action.ex_date} has no value; correct or leave it out")
    select = "symbol = ? AND source = ?"
    values: list[tuple[str, ...]] = [(symbol, source)] if source is not None else []
    if source is None:
        select += " AND ex_date = ? AND kind = ?"
        values = sorted({(symbol, action.source, action.ex_date.isoformat(), action.kind) for action in actions})
    had: Counter[tuple[str, str, str, float]] = Counter()
    for chosen in values:
        had.update(connection.execute(f"SELECT source, ex_date, kind, value FROM actions WHERE {select}", chosen))
        connection.execute(f"DELETE FROM actions WHERE {select}", chosen)
    rows = [(one.source, one.ex_date.isoformat(), str(one.kind), float(one.value)) for one in actions]
    connection.executemany("INSERT INTO actions VALUES (?, ?, ?, ?, ?)", [(symbol, *row) for row in rows])
    have = Counter(rows)
    return (have - had).total(), (had - have).total()


def sources_of(database: Database, symbol: str) -> tuple[str, ...]:
    """Who told of corporate actions of a symbol, the newest last."""
    query = "SELECT source FROM actions WHERE symbol = ? GROUP BY source ORDER BY max(rowid)"
    return tuple(row["source"] for row in database.rows(query, (symbol,)))
