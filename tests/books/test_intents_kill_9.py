"""kill -9 at any moment: what a call returned for is there; the call under way is there whole or not at all."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from books.intents import IntentJournal
from books.intents_states import OrderState

# Every line is written after the call that it tells of has returned
WRITER = """
import datetime as dt, sys
from books.intents import IntentJournal
from books.intents_records import BrokerOrder, Commission, Draft, Execution, Terms
from core.orders import Role

def tell(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\\n")
    sys.stdout.flush()

journal = IntentJournal(sys.argv[1], "DU1", client_id=7)
journal.settle()
tell("open")
when = dt.datetime(2024, 6, 12, 14, tzinfo=dt.UTC)
while True:
    number = journal.book.last_number
    con_id = 1 + number  # an instrument of its own: nothing in doubt stands in the way
    entry = Draft("unit", f"t{number}", "entry", Role.ENTRY, con_id, "BAC", "BUY", 100.0)
    terms = Terms("STP", aux_price=9.0)
    stop = Draft("unit", f"t{number}", "stop", Role.STOP, con_id, "BAC", "SELL", 100.0, terms, parent=0)
    pair = journal.intend([entry, stop])
    tell("intent", *(intent.ref for intent in pair), *(intent.order_id for intent in pair))
    journal.sent([intent.ref for intent in pair])
    tell("sent", *(intent.ref for intent in pair))
    for intent in pair:
        journal.reported(BrokerOrder(intent.ref, 1000 + intent.number, "Submitted"))
        tell("working", intent.ref)
    exec_id = f"x.{pair[0].number}.01"
    perm_id, ref = 1000 + pair[0].number, pair[0].ref
    journal.execution(Execution(exec_id, "DU1", con_id, "BAC", "BUY", 60.0, 10.0, when, perm_id, ref))
    tell("execution", exec_id)
    journal.commission(Commission(exec_id, 1.0, "USD"))
    tell("commission", exec_id)
"""


def _kill_at_random(journal: Path, repository: Path, chance: random.Random) -> list[list[str]]:
    """Run the writer, kill it, and return what it told: after some lines, or some time after its start."""
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    command = [sys.executable, "-c", WRITER, str(journal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
        assert writer.stdout is not None
        told = []
        if chance.random() < 0.75:
            for _ in range(1 + chance.randrange(60)):
                told.append(writer.stdout.readline())
            time.sleep(chance.random() * 0.01)
        else:
            time.sleep(chance.random() * 0.8)  # while it starts: tables that are being made, a file that is opened
        writer.send_signal(signal.SIGKILL)
        told += writer.stdout.read().splitlines(keepends=True)
    return [line.split() for line in told if line.endswith("\n")]


def _check(journal: IntentJournal, told: list[list[str]], unresolved_before: int) -> None:
    book = journal.book
    by_trade = defaultdict(list)
    for order in book.orders.values():
        by_trade[order.intent.trade].append(order)
    assert all(len(orders) == 2 for orders in by_trade.values())  # both orders of a bracket or none
    ids = [order.intent.order_id for order in book.orders.values()]
    assert ids == list(range(1, len(ids) + 1)) and book.order_id_mark == len(ids)
    known = set()
    for kind, *names in told:
        if kind == "intent":
            known |= set(names[:2])
            assert [book.orders[ref].intent.order_id for ref in names[:2]] == [int(name) for name in names[2:]]
        elif kind == "working":
            assert book.orders[names[0]].perm_id
        elif kind == "execution":
            assert names[0] in book.exec_ids
        elif kind == "commission":
            assert any(cost.exec_id == names[0] for cost in book.commissions.values())
    assert known <= set(book.orders)  # a committed intent is never lost
    states = {order.state for order in book.orders.values()}
    assert states <= {OrderState.WORKING, OrderState.UNKNOWN}  # a restart knows that it does not know
    assert len(book.orders) - len(known) <= 2 + unresolved_before


def _survives(seed: int, repository: Path, rounds: int) -> None:
    chance = random.Random(seed)
    file = Path("state/intents.sqlite")
    for _ in range(rounds):  # the same journal again: what a restart finds was killed before
        before = 0
        if file.is_file():
            with IntentJournal(file, "DU1") as journal:
                before = len(journal.book.orders)
        told = _kill_at_random(file, repository, chance)
        with IntentJournal(file, "DU1") as journal:  # the lock went with the process
            _check(journal, told, before)
            lines = [line for line in told if line[0] == "intent"]
            assert len(journal.book.orders) - before in (2 * len(lines), 2 * len(lines) + 2)
            (integrity,) = journal._file._database.rows("PRAGMA integrity_check")
            assert integrity[0] == "ok"


@pytest.mark.parametrize("seed", range(4))
def test_kill_9_at_a_random_moment(seed: int, repository: Path) -> None:
    _survives(seed, repository, 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 160))
def test_kill_9_again_and_again(seed: int, repository: Path) -> None:
    _survives(seed, repository, 3)
