"""The event journal: what happened, in the order in which it happened, on the disk before the call returns."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from books.database import Database, append_only
from core.errors import LedgerError, UnknownNameError, did_you_mean

APPLICATION_ID = 0x484C4A31  # "HLJ1"
VERSION = 1

_SCRIPT = ";;".join(
    (
        "CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, kind TEXT NOT NULL, "
        "payload TEXT NOT NULL)",
        "CREATE INDEX events_by_kind ON events (kind, id)",
        append_only("events"),
    )
)
_ANEW = "; orders need none of it, so a new one will do, which lacks what was told before"


class EventKind(StrEnum):
    """What a journal may hold. A new kind is one more line here."""

    RUN = "run"  # a run began or ended
    ORDER = "order"  # an order was made or changed its status
    FILL = "fill"
    TRADE = "trade"  # a trade was closed
    REFUSAL = "refusal"  # the gate refused an order
    RISK = "risk"  # kill switch, re-arm, throttle, daily and weekly stops
    CASH = "cash"  # deposit, interest, borrow fee, conversion
    CONNECTION = "connection"  # the way to the broker changed
    HALT = "halt"  # new orders halted, or allowed again
    DRAWDOWN = "drawdown"
    LEGS = "legs"  # a pair of which one leg lacks is hedged or unwound
    PROTECTION = "protection"  # a position is held without a stop, or is protected again
    DRIFT = "drift"  # the broker's numbers have moved away from the book's
    EXCEPTION = "exception"  # something failed that should not
    NOTE = "note"  # anything a person should know


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the journal."""

    id: int  # ascending in the order of appending
    kind: EventKind
    when: dt.datetime  # UTC
    payload: dict[str, Any]


class Journal:
    """An append-only SQLite file of events; several processes may append at once.

    An event is durable when ``append`` returns; with ``is_durable`` off a loss of power may cost the last ones. Raises
    LedgerError, with the cure, where the file cannot be opened or written; an unknown kind is an UnknownNameError.
    """

    def __init__(self, path: str | Path, *, is_durable: bool = True) -> None:
        self._database = Database(
            path, "journal", APPLICATION_ID, VERSION, _SCRIPT, is_durable=is_durable, anew=_ANEW
        )  # fmt: skip

    def append(self, kind: str, when: dt.datetime, payload: Mapping[str, Any]) -> int:
        """Write one event (``when`` naive = UTC, ``payload`` JSON without NaN) and return its id."""
        return self.extend([(kind, when, payload)])[0]

    def extend(self, events: Iterable[tuple[str, dt.datetime, Mapping[str, Any]]]) -> list[int]:
        """Write several events, all or none, and return their ids: one wait for the disk instead of many."""
        rows = [(utc_text(when), _kind(kind), _json(kind, payload)) for kind, when, payload in events]
        with self._database.transaction() as connection:
            insert = "INSERT INTO events (at, kind, payload) VALUES (?, ?, ?)"
            return [int(connection.execute(insert, row).lastrowid or 0) for row in rows]

    def read(self, kind: str | None = None, after: int = 0) -> list[Event]:
        """Return the events with an id above ``after``, oldest first; ``kind`` None = of all kinds."""
        query = "SELECT * FROM events WHERE id > ?" + ("" if kind is None else " AND kind = ?") + " ORDER BY id"
        values = (after,) if kind is None else (after, _kind(kind))
        return [
            Event(row["id"], EventKind(row["kind"]), dt.datetime.fromisoformat(row["at"]), json.loads(row["payload"]))
            for row in self._database.rows(query, values)
        ]

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def utc_text(when: dt.datetime) -> str:
    """Return ``when`` (naive = UTC) as an ISO text in UTC."""
    return (when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when.astimezone(dt.UTC)).isoformat()


def _kind(kind: str) -> str:
    try:
        return EventKind(kind).value
    except ValueError as error:
        raise UnknownNameError(f"no event kind '{kind}'{did_you_mean(kind, list(EventKind))}") from error


def _json(kind: str, payload: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(payload), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise LedgerError(f"{kind} event {payload!r} is not JSON ({error}); give numbers, texts and None") from error
