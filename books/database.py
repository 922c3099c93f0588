"""Opening SQLite files in one way: write-ahead log, durable commits, versioned, append-only, errors with the cure."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from core.errors import HalflifeError, LedgerError

logger = logging.getLogger(__name__)
LOG_BYTES = 4_500_000  # SQLite begins its write-ahead log anew after 1000 pages of 4120 bytes
BUSY_SECONDS = 30.0  # how long a writer waits for another one

# A log that is left beside a copy would be taken for the copy's own
_BACK = "move it away with its -wal and -shm and put the newest copy from a backup back"
_CURES = {  # primary result code of SQLite -> (what is wrong, the cure, with the setting that names the folder)
    sqlite3.SQLITE_BUSY: ("another process holds it", "end that process or wait for it, then start again"),
    sqlite3.SQLITE_LOCKED: ("another connection holds it", "end the other run or wait for it, then start again"),
    sqlite3.SQLITE_READONLY: ("it is read-only", "give the file and its folder write permission or set {setting}"),
    sqlite3.SQLITE_PERM: ("access is denied", "give the file and its folder write permission or set {setting}"),
    sqlite3.SQLITE_CANTOPEN: (
        "there is no way to it",
        "check that the folder exists and may be written, or set {setting}",
    ),
    sqlite3.SQLITE_FULL: ("the disk is full", "free space on the disk or set {setting} to another one"),
    sqlite3.SQLITE_IOERR: ("the disk failed or is full", "check the disk and its free space, or set {setting}"),
    sqlite3.SQLITE_NOTADB: ("it is not a SQLite file", f"{_BACK}{{anew}}"),
    sqlite3.SQLITE_CORRUPT: (
        "it is damaged",
        f"{_BACK}, or rescue it with `sqlite3 FILE .recover`{{anew}}",
    ),
    sqlite3.SQLITE_CONSTRAINT: ("it is append-only or the row breaks its rules", "append a correcting row instead"),
}

_CANNOT_WRITE = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM})


class Database:
    """One SQLite file of a known kind and version, shared by the threads of a process and by processes.

    ``kind``: what it is in messages. ``application_id`` marks the file as ours. ``script`` makes the tables of
    ``version``. ``error``: what is raised where the file cannot be opened, is something else, or is newer than this
    program; its texts name ``setting``, by which the user chooses the folder. ``cures``: result code of SQLite -> what
    is wrong and the cure, where this kind of file needs another one. ``spare_read_only``: a file that cannot be written
    is opened for reading (``read_only`` is then true). ``has_log_ahead``: the write-ahead log gets its full length when
    it is opened, so that a commit overwrites blocks and does not wait for the file system to enter new ones.
    ``anew``: the end of a damaged file's cure, which says what a new one in its place would mean.
    ``is_durable``: a commit survives the loss of power; else that of the process alone, and it does not wait for the
    disk (what is lost is the end, never the middle).
    """

    def __init__(
        self, path: str | Path, kind: str, application_id: int, version: int, script: str, *,
        error: type[HalflifeError] = LedgerError, setting: str = "paths.state",
        cures: Mapping[int, tuple[str, str]] | None = None, spare_read_only: bool = False, has_log_ahead: bool = False,
        is_durable: bool = True, anew: str = "",
    ) -> None:  # fmt: skip
        self.path = Path(path)
        self.kind = kind
        self.error = error
        self.setting = setting
        self._anew = anew
        self._cures = {**_CURES, **(cures or {})}
        self.read_only = False
        self._synchronous = "FULL" if is_durable else "NORMAL"
        self._lock = RLock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as failure:
            raise error(
                f"{kind} {self.path}: its folder cannot be made ({failure.strerror}); set {setting} to a folder "
                f"that may be written"
            ) from failure
        try:
            self._open(f"{self.path.absolute().as_uri()}?mode=rwc", application_id, version, script)
        except error as failure:
            code = getattr(failure.__cause__, "sqlite_errorcode", 0) & 0xFF
            if not spare_read_only or code not in _CANNOT_WRITE or not self.path.is_file():
                raise
            self._refuse_unread_log()
            self.read_only = True  # nobody writes there, so the file is as it stands, whatever locks it lacks
            self._open(f"{self.path.absolute().as_uri()}?mode=ro&immutable=1", application_id, version, script)
        if has_log_ahead and not self.read_only:
            self._lengthen_log()

    def _open(self, uri: str, application_id: int, version: int, script: str) -> None:
        with self._translated("opened"):
            self.connection = sqlite3.connect(
                uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        try:
            with self._translated("opened"):
                self._prepare(application_id, version, script)
        except BaseException:
            self.connection.close()
            raise

    def _prepare(self, application_id: int, version: int, script: str) -> None:
        run = self.connection.execute
        run(f"PRAGMA synchronous = {self._synchronous}")
        run("PRAGMA foreign_keys = ON")
        with self._moment():  # another process may be making the tables
            found_id = run("PRAGMA application_id").fetchone()[0]
            found_version = run("PRAGMA user_version").fetchone()[0]
            tables = run("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if found_id != application_id and (found_id or tables):
            raise self.error(
                f"{self.path} is not a {self.kind} but another SQLite file; move it away and put its "
                f"own file back, or set {self.setting}"
            )
        if found_version > version:
            raise self.error(
                f"{self.kind} {self.path} has schema version {found_version}, this halflife knows {version}; "
                f"update halflife, or set {self.setting} to another folder"
            )
        if self.read_only:
            return
        self._write_ahead()
        if run("PRAGMA user_version").fetchone()[0] == version:
            return  # who only reads waits for no writer
        with self.transaction():
            if run("PRAGMA user_version").fetchone()[0] == 0:  # else another process has just made the tables
                for statement in script.split(";;"):
                    run(statement)
                run(f"PRAGMA application_id = {application_id}")
                run(f"PRAGMA user_version = {version}")

    def _lengthen_log(self) -> None:
        # SQLite reads its log up to the first frame without a valid checksum and salt, so zeros behind mean nothing;
        # its locks are on other files, so closing this one lifts none
        log = self.path.with_name(f"{self.path.name}-wal")
        try:
            with log.open("r+b") as file:
                missing = LOG_BYTES - file.seek(0, os.SEEK_END)
                if missing > 0:
                    file.write(bytes(missing))
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            logger.warning("%s keeps its length, so commits may take longer: %s", log, error.strerror or error)

    def _refuse_unread_log(self) -> None:
        # SQLite cannot read the log where it cannot write beside it, and the file alone lacks what was committed last
        log = self.path.with_name(f"{self.path.name}-wal")
        if log.is_file() and log.stat().st_size:
            raise self.error(
                f"{self.kind} {self.path} cannot be written, and what was written last is still in {log.name}; open it "
                f"once where it can be written, or copy the whole folder there and set {self.setting} to the copy"
            )

    def _write_ahead(self) -> None:
        # SQLite does not wait for other processes where it changes the journal mode, so this does
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                mode = self.connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        if mode != "wal":
            raise self.error(
                f"{self.kind} {self.path}: its file system does not allow SQLite's write-ahead log; set {self.setting} "
                f"to a folder on a local disk"
            )

    @contextmanager
    def transaction(self, *, can_wait: bool = False) -> Iterator[sqlite3.Connection]:
        """Write all or nothing; waits for other writers. On return the rows are on the disk.

        ``can_wait``: they come to the disk with the next transaction, and until then survive the end of the process.
        """
        with self._lock, self._translated("written"):
            if can_wait:
                with self._unsynchronised(), self.transaction() as connection:
                    yield connection
                return
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def shorten_log(self) -> None:
        """Move what the write-ahead log holds into the file. SQLite does so by itself within some commit, once the log
        has 1000 pages; who calls this now and then chooses the moment."""
        with self._lock, self._translated("written"):
            self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    @contextmanager
    def _unsynchronised(self) -> Iterator[None]:
        self.connection.execute("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            self.connection.execute(f"PRAGMA synchronous = {self._synchronous}")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read inside is of one moment, whatever others write meanwhile. Not within a transaction."""
        with self._lock, self._translated("read"), self._moment():
            yield

    @contextmanager
    def _moment(self) -> Iterator[None]:
        self.connection.execute("BEGIN")
        try:
            yield
        finally:
            if self.connection.in_transaction:  # some failures end it by themselves
                self.connection.execute("ROLLBACK")

    def rows(self, query: str, values: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        """Return the rows of a query."""
        with self._lock, self._translated("read"):
            cursor = self.connection.cursor()
            cursor.row_factory = sqlite3.Row
            return cursor.execute(query, values).fetchall()

    def close(self) -> None:
        """Close the file; what was written stays."""
        with self._lock:
            self.connection.close()

    @contextmanager
    def _translated(self, verb: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # extended codes keep the primary one below
            what, cure = self._cures.get(code, ("SQLite refused", "check the file and its folder"))
            cure = cure.format(setting=self.setting, anew=self._anew)
            raise self.error(f"{self.kind} {self.path} cannot be {verb}: {what} ({error}); {cure}") from error


def append_only(table: str) -> str:
    """Return the statements that forbid changing or deleting rows of ``table``, for a Database script."""
    return ";;".join(
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        for verb in ("UPDATE", "DELETE")
    )
