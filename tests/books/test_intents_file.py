"""What stands between a journal and a second life of its orders: each refusal one sentence with the cure."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from books.intents import IntentJournal, read_book
from books.intents_file import LONG_LOG
from books.intents_lock import ProcessLock
from books.intents_records import Draft
from books.journal import Journal
from core.errors import IntentError, LedgerError
from core.orders import Role

FILE = Path("state/intents.sqlite")
DRAFT = Draft("unit", "t1", "entry", Role.ENTRY, 7, "BAC", "BUY", 100.0)


@pytest.fixture
def journal() -> Iterator[IntentJournal]:
    with IntentJournal(FILE, "DU1") as opened:
        opened.settle()
        yield opened


def _python(code: str, repository: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    return subprocess.Popen(
        [sys.executable, "-c", code, str(FILE)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True,
        env=environment,
    )  # fmt: skip


HOLDER = """
import sys
from books.intents import IntentJournal
journal = IntentJournal(sys.argv[1], "DU1")
print("open", flush=True)
sys.stdin.readline()
"""


WRITER = """
import sys
from books.intents import IntentJournal
from books.intents_records import Draft
from core.orders import Role
journal = IntentJournal(sys.argv[1], "DU1")
journal.settle()
journal.intend([Draft("unit", "t1", "entry", Role.ENTRY, 7, "BAC", "BUY", 100.0)])
print("written", flush=True)
"""


def test_a_second_process_is_refused_and_told_which_one_holds_it(repository: Path) -> None:
    with _python(HOLDER, repository) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "open\n"
        with pytest.raises(LedgerError, match=f"held by process {holder.pid}: .*end that process, or set paths.state"):
            IntentJournal(FILE, "DU1")
        assert read_book(FILE).account == "DU1"  # reading is for everybody
        holder.communicate("\n")
    IntentJournal(FILE, "DU1").close()


def test_the_same_process_cannot_open_it_twice(journal: IntentJournal) -> None:
    with pytest.raises(LedgerError, match="is held by process"):
        IntentJournal(FILE, "DU1")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_does_not_keep_the_lock(repository: Path) -> None:
    forks = """
import os, sys
from books.intents import IntentJournal
journal = IntentJournal(sys.argv[1], "DU1")
if os.fork() == 0:
    print("open", flush=True)
    sys.stdin.readline()
    os._exit(0)
os._exit(0)
"""
    with _python(forks, repository) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == "open\n"
        parent.wait()
        IntentJournal(FILE, "DU1").close()
        parent.communicate("\n")


def test_another_account_is_refused_and_left_alone(journal: IntentJournal) -> None:
    journal.close()
    with pytest.raises(LedgerError, match="belongs to account DU1, not to U2; log in to DU1, or set paths.state"):
        IntentJournal(FILE, "U2")
    with IntentJournal(FILE, "DU1") as again:  # the refusal has let go of the lock
        assert again.account == "DU1"


def test_a_newer_version_is_refused(journal: IntentJournal) -> None:
    journal.close()
    raw = sqlite3.connect(FILE)
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(LedgerError, match="schema version 99, this halflife knows 1; update halflife"):
        IntentJournal(FILE, "DU1")


def test_a_record_of_a_kind_that_is_not_known_is_refused(journal: IntentJournal) -> None:
    journal.close()
    raw = sqlite3.connect(FILE, isolation_level=None)
    raw.execute("INSERT INTO records (at, kind, ref, payload) VALUES ('x', 'teleported', '', '{}')")
    raw.close()
    with pytest.raises(LedgerError, match="record 1 cannot be read .*'teleported'.*; update halflife, or restore"):
        IntentJournal(FILE, "DU1")
    with pytest.raises(LedgerError, match="record 1 cannot be read"):
        IntentJournal(FILE, "DU1")  # and not "held by another process"


def test_a_damaged_record_is_named(journal: IntentJournal) -> None:
    journal.close()
    raw = sqlite3.connect(FILE, isolation_level=None)
    raw.execute("INSERT INTO records (at, kind, ref, payload) VALUES ('x', 'killed', '', '{\"at\": 1}')")
    raw.close()
    with pytest.raises(LedgerError, match="record 1 cannot be read .why: Field required"):
        IntentJournal(FILE, "DU1")


def test_another_kind_of_journal_is_refused() -> None:
    FILE.parent.mkdir()
    Journal(FILE).close()
    with pytest.raises(LedgerError, match="intent journal but another SQLite file; move it away"):
        IntentJournal(FILE, "DU1")


@pytest.mark.parametrize("statement", ["DELETE FROM records", "UPDATE records SET kind = 'x'", "DELETE FROM journal"])
def test_what_is_written_cannot_be_changed(journal: IntentJournal, statement: str) -> None:
    journal.intend([DRAFT])
    other = sqlite3.connect(FILE)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other.execute(statement)
    other.close()


def test_a_full_disk_refuses_the_order_and_keeps_what_was_written(journal: IntentJournal) -> None:
    (first,) = journal.intend([DRAFT])
    run = journal._file._database.connection.execute
    run(f"PRAGMA max_page_count = {run('PRAGMA page_count').fetchone()[0]}")  # SQLite then reports a full disk
    with pytest.raises(LedgerError, match="the disk is full .*free space"):
        journal.kill("x" * 100_000)
    assert list(journal.book.orders) == [first.ref] and journal.killed == ""  # nothing that the disk does not have
    run("PRAGMA max_page_count = 1000000")
    (second,) = journal.intend([DRAFT])
    assert second.order_id == first.order_id + 1
    journal.close()
    assert list(read_book(FILE).orders) == [first.ref, second.ref]


def test_a_read_only_file_refuses_the_order(journal: IntentJournal) -> None:
    journal._file._database.connection.execute("PRAGMA query_only = ON")  # SQLite's own refusal, whoever runs the test
    with pytest.raises(LedgerError, match="it is read-only .*write permission"):
        journal.intend([DRAFT])
    assert not journal.book.orders


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root writes to read-only folders")
def test_a_read_only_folder_is_named() -> None:
    FILE.parent.mkdir(mode=0o500)
    with pytest.raises(LedgerError, match="set paths.state"):
        IntentJournal(FILE, "DU1")


def test_a_file_in_place_of_the_folder_is_named() -> None:
    FILE.parent.write_text("")
    with pytest.raises(LedgerError, match="cannot be written .*; set paths.state to a folder that may be written"):
        IntentJournal(FILE, "DU1")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is full")
def test_a_disk_without_room_for_the_lock_is_named() -> None:
    with pytest.raises(LedgerError, match="the disk is full.; free space on the disk"):
        ProcessLock(Path("/dev/full"), "intent journal")


def test_reading_makes_no_journal() -> None:
    with pytest.raises(LedgerError, match="there is no intent journal .*start a live session first"):
        read_book(FILE)
    assert not FILE.exists()


def test_a_closed_journal_refuses(journal: IntentJournal) -> None:
    journal.close()
    journal.close()
    with pytest.raises(IntentError, match="its file is closed"):
        journal.intend([DRAFT])


def test_an_interruption_while_writing_leaves_memory_and_disk_alike(
    journal: IntentJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = journal.intend([DRAFT])

    def interrupted(*_: object) -> list[object]:
        raise KeyboardInterrupt

    monkeypatch.setattr("books.intents.alarms", interrupted)
    with pytest.raises(KeyboardInterrupt):
        journal.sent([first.ref])
    assert journal.book.orders[first.ref].state == "intended"
    assert read_book(FILE).orders[first.ref].state == "intended"


def test_the_log_has_its_length_from_the_start_and_reads_back_after_a_kill(repository: Path) -> None:
    log = FILE.with_name(FILE.name + "-wal")
    with _python(f"{WRITER}\nimport os, signal; os.kill(os.getpid(), signal.SIGKILL)", repository) as writer:
        assert writer.stdout is not None and writer.stdout.read() == "written\n"
    length = log.stat().st_size
    assert length >= 1000 * 4120  # bytes of the frames after which SQLite begins the log anew
    assert [order.intent.trade for order in read_book(FILE).orders.values()] == ["t1"]  # zeros behind it say nothing
    with IntentJournal(FILE, "DU1") as journal:
        assert log.stat().st_size == length  # what was committed is not overwritten with zeros
        journal.settle()
        assert len(journal.book.orders) == 1
    assert not log.exists() and len(read_book(FILE).orders) == 1  # SQLite takes it in at the end


def test_a_log_that_cannot_be_lengthened_costs_time_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with IntentJournal(FILE, "DU1") as journal:
        journal.settle()
        journal.intend([DRAFT])
    assert "intents.sqlite-wal keeps its length" in caplog.text and len(read_book(FILE).orders) == 1


def test_that_an_order_was_sent_waits_for_no_disk_and_what_follows_does(journal: IntentJournal) -> None:
    said: list[str] = []
    connection = journal._file._database.connection
    connection.set_trace_callback(said.append)
    ref = journal.intend([DRAFT])[0].ref
    assert not [each for each in said if "PRAGMA" in each]
    journal.sent([ref])
    assert [each for each in said if "PRAGMA" in each] == ["PRAGMA synchronous = NORMAL", "PRAGMA synchronous = FULL"]
    assert said[-1] == "PRAGMA synchronous = FULL" and connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert read_book(FILE).orders[ref].state == "sent"  # for other processes, and after a kill


def test_the_log_is_shortened_where_nobody_waits(journal: IntentJournal) -> None:
    said: list[str] = []
    connection = journal._file._database.connection
    connection.set_trace_callback(said.append)
    journal.tidy()
    assert not said  # there is nothing to be done yet
    for number in range(LONG_LOG):
        journal.halt(number + 1, "BAC", "looked at")
    journal.tidy()
    assert said[-1] == "PRAGMA wal_checkpoint(PASSIVE)"
    _, length, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    assert length == moved < 1000  # pages: SQLite has not had to do it within a commit
    assert len(read_book(FILE).halts) == LONG_LOG
