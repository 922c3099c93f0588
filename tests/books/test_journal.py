"""The journal keeps every event that ``append`` returned for, whatever happens to the process."""

from __future__ import annotations

import datetime as dt
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from books.journal import EventKind, Journal
from core.errors import LedgerError, UnknownNameError

NOON = dt.datetime(2024, 3, 4, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def journal() -> Iterator[Journal]:
    with Journal("journal.sqlite") as opened:
        yield opened


def test_events_come_back_in_order_and_by_kind(journal: Journal) -> None:
    new_york = dt.timezone(dt.timedelta(hours=-5))
    journal.append("order", NOON, {"ref": 1, "size": 100.0, "limit": None})
    journal.append(EventKind.FILL, NOON.replace(tzinfo=None), {"ref": 1, "price": 25.5})
    journal.append("order", dt.datetime(2024, 3, 4, 7, 0, tzinfo=new_york), {"ref": 2})
    events = journal.read()
    assert [e.id for e in events] == [1, 2, 3]
    assert {e.when for e in events} == {NOON}
    assert events[0].payload == {"ref": 1, "size": 100.0, "limit": None}
    assert [e.payload["ref"] for e in journal.read("order")] == [1, 2]
    assert [e.id for e in journal.read(after=2)] == [3]
    assert events[1].kind is EventKind.FILL


def test_several_events_are_written_together_or_not_at_all(journal: Journal) -> None:
    assert journal.extend([("order", NOON, {}), ("refusal", NOON, {"why": "killed"})]) == [1, 2]
    with pytest.raises(LedgerError, match="not JSON"):
        journal.extend([("order", NOON, {}), ("order", NOON, {"price": float("nan")})])
    assert len(journal.read()) == 2


def test_unknown_kind_is_corrected(journal: Journal) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'order'"):
        journal.append("ordr", NOON, {})
    with pytest.raises(UnknownNameError):
        journal.read("fils")


def test_reopened_journal_goes_on() -> None:
    for ref in range(3):
        with Journal("state/desk/journal.sqlite") as journal:
            journal.append("order", NOON, {"ref": ref})
    with Journal("state/desk/journal.sqlite") as journal:
        assert [e.payload["ref"] for e in journal.read()] == [0, 1, 2]


@pytest.mark.parametrize("statement", ["DELETE FROM events", "UPDATE events SET kind = 'note'"])
def test_what_is_written_cannot_be_changed(journal: Journal, statement: str) -> None:
    journal.append("order", NOON, {})
    other = sqlite3.connect("journal.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other.execute(statement)
    other.close()
    assert len(journal.read()) == 1


WRITER = """
import datetime as dt, sys
from books.journal import Journal
journal = Journal(sys.argv[1])
n = 0
while True:
    n += 1
    journal.append("fill", dt.datetime(2024, 3, 4, tzinfo=dt.UTC), {"n": n, "filler": "x" * 500})
    sys.stdout.write(f"{n}\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("acknowledged", [1, 25, 60])
def test_kill_9_loses_no_event_that_was_acknowledged(acknowledged: int, repository: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    command = [sys.executable, "-c", WRITER, "journal.sqlite"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
        assert writer.stdout is not None
        seen = 0
        while seen < acknowledged:
            seen = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = [int(line) for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    acknowledged = rest[-1] if rest else seen
    with Journal("journal.sqlite") as journal:
        kept = [e.payload["n"] for e in journal.read("fill")]
        assert kept == list(range(1, len(kept) + 1))  # no gap, nothing torn
        assert acknowledged <= len(kept) <= acknowledged + 1  # at most the one whose answer was under way
        assert journal.append("note", NOON, {}) == len(kept) + 1


def test_a_newer_schema_is_refused() -> None:
    Journal("journal.sqlite").close()
    raw = sqlite3.connect("journal.sqlite")
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(LedgerError, match="schema version 99, this halflife knows 1; update halflife"):
        Journal("journal.sqlite")


def test_a_foreign_sqlite_file_is_left_alone() -> None:
    raw = sqlite3.connect("journal.sqlite")
    raw.execute("CREATE TABLE mine (x)")
    raw.close()
    with pytest.raises(LedgerError, match="is not a journal but another SQLite file"):
        Journal("journal.sqlite")
    raw = sqlite3.connect("journal.sqlite")
    assert raw.execute("SELECT name FROM sqlite_master").fetchall() == [("mine",)]
    raw.close()


def test_something_else_than_sqlite_is_named() -> None:
    Path("journal.sqlite").write_text("not a database " * 100)
    with pytest.raises(LedgerError, match="is not a SQLite file .*; move it away"):
        Journal("journal.sqlite")


def test_a_folder_in_place_of_the_file_is_named() -> None:
    Path("journal.sqlite").mkdir()
    with pytest.raises(LedgerError, match="cannot be opened.*set paths.state"):
        Journal("journal.sqlite")


def test_a_file_in_place_of_the_folder_is_named() -> None:
    Path("state").write_text("")
    with pytest.raises(LedgerError, match="its folder cannot be made .*; set paths.state"):
        Journal("state/journal.sqlite")


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root writes to read-only folders")
def test_a_read_only_folder_is_named() -> None:
    Path("state").mkdir(mode=0o500)
    with pytest.raises(LedgerError, match="set paths.state"):
        Journal("state/journal.sqlite")


def test_a_read_only_file_is_named(journal: Journal) -> None:
    journal._database.connection.execute("PRAGMA query_only = ON")  # SQLite's own refusal, whoever runs the test
    with pytest.raises(LedgerError, match="it is read-only .*write permission"):
        journal.append("order", NOON, {})


def test_a_full_disk_keeps_what_was_written(journal: Journal) -> None:
    journal.append("order", NOON, {"ref": 1})
    pages = journal._database.connection.execute("PRAGMA page_count").fetchone()[0]
    journal._database.connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite then reports a full disk
    with pytest.raises(LedgerError, match="the disk is full .*free space"):
        journal.append("order", NOON, {"filler": "x" * 100_000})
    assert [e.payload["ref"] for e in journal.read()] == [1]
    assert journal.append("order", NOON, {"ref": 2}) == 2


def test_a_locked_journal_is_named(journal: Journal) -> None:
    journal._database.connection.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect("journal.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match="another process holds it .*; end that process"):
        journal.append("order", NOON, {})
    other.execute("ROLLBACK")
    other.close()
    assert journal.append("order", NOON, {}) == 1


def test_an_error_in_between_rolls_back(journal: Journal) -> None:
    with pytest.raises(KeyboardInterrupt), journal._database.transaction() as connection:
        connection.execute("INSERT INTO events (at, kind, payload) VALUES ('x', 'note', '{}')")
        raise KeyboardInterrupt
    assert journal.read() == []
