"""A damaged file says what to do, and what a new one in its place would mean: it differs from file to file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from books.intents import IntentJournal, read_book
from books.journal import Journal
from books.ledger import TrialLedger
from core.errors import LedgerError

FILE = Path("file.sqlite")
BACK = "move it away with its -wal and -shm and put the newest copy from a backup back"


@pytest.mark.parametrize("content", [b"not a database " * 100, os.urandom(20_000)], ids=["text", "random"])
@pytest.mark.parametrize(
    ("opened", "meaning"),
    [
        (lambda: IntentJournal(FILE, "DU1"), "would not know which orders and positions are halflife's"),
        (lambda: read_book(FILE), "would take them for your own"),
        (lambda: Journal(FILE), "orders need none of it, so a new one will do, which lacks what was told before"),
        (lambda: TrialLedger(FILE), "a new one counts no trial of before"),
    ],
    ids=["intents", "intents, read", "events", "trials"],
)
def test_garbage_wants_a_copy_and_says_what_a_new_file_means(
    content: bytes, opened: Callable[[], object], meaning: str
) -> None:
    FILE.write_bytes(content)
    with pytest.raises(LedgerError) as caught:
        opened()
    said = str(caught.value)
    assert said.count("[HL602]") == 1 and "it is not a SQLite file" in said
    assert BACK in said and meaning in said and "a new one is made" not in said
    assert FILE.read_bytes() == content


def test_an_intent_journal_with_torn_pages_wants_a_copy_too() -> None:
    IntentJournal(FILE, "DU1").close()
    whole = FILE.read_bytes()
    FILE.write_bytes(whole[:100] + os.urandom(len(whole) - 100))  # the header is left
    with pytest.raises(LedgerError) as caught:
        IntentJournal(FILE, "DU1")
    said = str(caught.value)
    assert "it is damaged" in said and BACK in said and "would take them for your own" in said


def test_a_copy_that_is_put_back_as_it_says_opens() -> None:
    with IntentJournal(FILE, "DU1", journal_id="kept") as journal:
        journal.settle()
    copy = FILE.read_bytes()
    FILE.write_bytes(b"garbage" * 1000)
    for each in Path().glob("file.sqlite*"):
        each.rename(f"away.{each.name}")
    FILE.write_bytes(copy)
    with IntentJournal(FILE, "DU1") as journal:
        assert journal.book.journal_id == "kept"
