"""The file of the intent journal: records as rows of SQLite, appended and never changed."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from books.database import Database, append_only
from books.intents_records import RECORDS, ExecutionSeen, Intended, Record
from books.journal import utc_text
from core.errors import LedgerError

APPLICATION_ID = 0x484C4F31  # "HLO1"
VERSION = 1
KIND = "intent journal"
_ANEW = "; a new one would not know which orders and positions are halflife's, and would take them for your own"
LONG_LOG = 100  # commits, of five to nine pages each: SQLite shortens the log by itself at 1000 pages

_SCRIPT = ";;".join(
    (
        "CREATE TABLE journal (id TEXT NOT NULL, account TEXT NOT NULL, at TEXT NOT NULL)",
        "CREATE TABLE records (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, kind TEXT NOT NULL, "
        "ref TEXT NOT NULL, once TEXT UNIQUE, order_id INTEGER UNIQUE, payload TEXT NOT NULL)",
        "CREATE INDEX records_by_ref ON records (ref, id)",
        append_only("journal"),
        append_only("records"),
    )
)
_ADAPTERS: dict[str, TypeAdapter[Record]] = {kind: TypeAdapter(record) for kind, record in RECORDS.items()}


class IntentFile:
    """Rows of one journal. ``account``: whose it is, and of whom a new one becomes; None takes what it finds."""

    def __init__(self, path: Path, account: str | None, new_id: str, when: dt.datetime) -> None:
        if account is None and not path.is_file():
            raise LedgerError(f"there is no {KIND} {path}; start a live session first, or correct paths.state")
        self._database = Database(
            path, KIND, APPLICATION_ID, VERSION, _SCRIPT, spare_read_only=account is None,
            has_log_ahead=account is not None, anew=_ANEW,
        )  # fmt: skip
        self._commits = 0  # since the log was shortened
        try:
            rows = self._database.rows("SELECT id, account FROM journal")
            if not rows and account is not None:
                with self._database.transaction() as connection:
                    connection.execute("INSERT INTO journal VALUES (?, ?, ?)", (new_id, account, utc_text(when)))
                rows = self._database.rows("SELECT id, account FROM journal")
            if not rows:
                raise LedgerError(f"{KIND} {path} is empty; start a live session first")
            self.id, self.account = str(rows[0]["id"]), str(rows[0]["account"])
            if account not in (None, self.account):
                raise LedgerError(
                    f"{KIND} {path} belongs to account {self.account}, not to {account}; log in to {self.account}, or "
                    f"set paths.state to the folder of {account}"
                )
        except BaseException:
            self._database.close()
            raise

    def records(self, after: int = 0) -> Iterator[tuple[int, Record]]:
        """Yield (id, record) from the oldest to the newest."""
        for row in self._database.rows("SELECT id, kind, payload FROM records WHERE id > ? ORDER BY id", (after,)):
            adapter = _ADAPTERS.get(row["kind"])
            try:
                if adapter is None:
                    raise ValueError(f"no kind {row['kind']!r}")
                yield row["id"], adapter.validate_json(row["payload"])
            except (ValidationError, ValueError) as error:
                raise LedgerError(
                    f"{KIND} {self._database.path}: record {row['id']} cannot be read ({_short(error)}); update "
                    f"halflife, or restore a copy of the file"
                ) from error

    def transaction(self, *, can_wait: bool = False) -> Transaction:
        """Several records, all or none, on the disk when the block ends; with ``can_wait`` when the next one does."""
        self._commits += 1
        return Transaction(self._database, can_wait)

    def tidy(self) -> None:
        """Shorten the log where it has become long; takes as long as some commits."""
        if self._commits >= LONG_LOG:
            self._commits = 0
            self._database.shorten_log()

    def close(self) -> None:
        self._database.close()


class Transaction:
    """Adds records within one transaction."""

    def __init__(self, database: Database, can_wait: bool) -> None:
        self._context = database.transaction(can_wait=can_wait)
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Transaction:
        self._connection = self._context.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._context.__exit__(*error)  # type: ignore[arg-type]

    def add(self, record: Record) -> None:
        if self._connection is None:
            raise LedgerError(f"{KIND}: a record outside a transaction; add it within `with file.transaction()`")
        once, order_id = None, None
        if isinstance(record, Intended):
            once, order_id = f"intent {record.ref}", record.intent.order_id
        elif isinstance(record, ExecutionSeen):
            once = f"execution {record.execution.exec_id}"
        payload = _ADAPTERS[record.kind].dump_json(record).decode("utf-8")
        self._connection.execute(
            "INSERT INTO records (at, kind, ref, once, order_id, payload) VALUES (?, ?, ?, ?, ?, ?)",
            (utc_text(record.at), record.kind, record.ref, once, order_id, payload),
        )


def _short(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'payload'}: {first['msg']}"
    return str(error)
