"""Five days at full speed, with nights in between and things that go wrong by chance: nothing grows, nothing is lost.

`pytest -m slow tests/live/test_live_soak.py`; ``SOAK_DAYS`` sets another number of sessions.
"""

from __future__ import annotations

import datetime as dt
import gc
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from lived import desks, runs
from lived.audit import audit, in_doubt

from books.cash import CashBook
from books.intents import IntentJournal
from core.calendar import ExchangeCalendar
from core.settings import CostSettings
from gateway import Gateway
from gateway.data.sample import EURUSD, XMPLA, XMPLB
from gateway.data.tape import Tape
from gateway.market import Accounts

DAYS = int(os.environ.get("SOAK_DAYS", "5"))
BY_CHANCE = """seed 7
every day at 23:45 exchange: refuse_logins 3m; close
on orderStatus with probability 0.05: duplicate
on execDetails with probability 0.1: duplicate
on commissionReport with probability 0.2: delay 20
on placeOrder where new=yes every 29: close after
on orderStatus where status=Filled every 31: close middle
on realtimeBar with probability 0.002: drop
on placeOrder where new=yes with probability 0.02: hold; pass; wait 20; release
"""


def resident() -> int:
    """Memory of this process, KiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def handles() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.slow
def test_days_and_nights(tmp_path: Path) -> None:
    made = desks.sample(3, sessions=DAYS)
    rates = {EURUSD: made.quotes[EURUSD]}
    tape, book = Tape({each: made.bars[each] for each in (XMPLA, XMPLB)}, rates, bar_seconds=1), made.book()
    settings = desks.settings(instruments={symbol: {"borrow_rate": 0.0} for symbol in desks.SYMBOLS})
    accounts = Accounts(interest=CashBook.from_settings("EUR", CostSettings()).interest)  # as the book has it
    script = tmp_path / "by_chance.fault"
    script.write_text(BY_CHANCE, encoding="utf-8")
    gateway = Gateway(tape, book, made.history(tape, book), speed="max", faults=[str(script)], accounts=accounts)
    witness = runs.attended(gateway)
    end = ExchangeCalendar("XNYS").close_of(made.days[-1]) + dt.timedelta(seconds=30)
    days: dict[dt.date, tuple[int, int, int]] = {}  # after each: KiB, threads, handles

    def look(when: dt.datetime, broker: Any) -> None:
        if when.date() not in days:
            gc.collect()
            days[when.date()] = resident(), threading.active_count(), handles()

    with gateway:
        lived = runs.live(settings, gateway, end, tmp_path, each_bar=look)
        cash = witness.cash(gateway)
    with IntentJournal(lived.session.places.intents, "DU1234567") as journal:
        left = journal.snapshot()
    assert not audit(witness, left)
    assert not left.halts and not in_doubt(left)
    assert len(days) == DAYS and len(witness.executions) > 40 * DAYS
    assert lived.summary.cash == pytest.approx(cash, abs=0.005)  # P&L is the gateway's, to the cent
    memory, threads, files = zip(*days.values(), strict=True)
    assert memory[-1] <= 1.10 * memory[1], memory  # the journal's state and the bars kept are what there is to grow
    assert len(set(threads[1:])) == 1, threads
    assert max(files[1:]) <= files[1] + 1, files
