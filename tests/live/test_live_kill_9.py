"""kill -9 of the live process at every point of the protocol: nothing is doubled, no fill is lost.

The gateway lives on in this process, trades on for some seconds while nobody is there, and a new process takes over.
`pytest -m slow tests/live/test_live_kill_9.py` runs every point with 50 seeds and both strategies; `KILLS` sets another
number of seeds. A sample runs always.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lived import desks, runs
from lived.audit import audit, in_doubt, is_halted
from lived.clock import share
from lived.points import POINTS, RARE
from lived.witness import Witness

from books.intents import IntentJournal
from core.orders import Role
from gateway import Gateway
from gateway.data.sample import EURUSD, XMPLA, XMPLB
from gateway.data.tape import Tape
from gateway.tws import Tws
from live.places import Places
from live.record_files import read_record, records_of
from live.replay import replay

SEEDS = int(os.environ.get("KILLS", "50"))
BEGIN = dt.datetime(2024, 6, 12, 13, 29, tzinfo=dt.UTC)
MOST = dt.timedelta(minutes=15)  # within which the first process comes to its point, or the seed tries nothing
AFTER = dt.timedelta(minutes=3)  # for which the second one trades
ZYGOTE = Path(__file__).resolve().parent / "lived" / "zygote.py"
HELD = "on placeOrder where new=yes order.orderType=MKT every 2: hold"  # a leg that the guard of pairs cancels
SAMPLE = ("written, not sent", "one order of a bracket or pair sent", "filled, not booked", "reconciled, not written")


class Zygote:
    """The process that forks live sessions."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self.errors = folder / "errors.txt"
        with self.errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, str(ZYGOTE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                cwd=folder, env={**os.environ, "PYTHONPATH": str(repository)},
            )  # fmt: skip

    def live(self, **order: object) -> str:
        """Run one life; return how it ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order, default=str) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def zygote(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    made = Zygote(repository, tmp_path_factory.mktemp("zygote"))
    yield made
    made.close()


def go_on(tws: Tws, gateway: Gateway, seconds: float) -> None:
    """Time passes with nobody there."""
    clock, walk = tws.clock, gateway._walk
    until = clock.now() + dt.timedelta(seconds=seconds)
    while (when := walk.next_time) is not None and when <= until:
        clock.set(max(when, clock.now()))  # type: ignore[attr-defined]
        walk.take()


def kill(zygote: Zygote, folder: Path, point: str, which: str, seed: int) -> tuple[str, Witness, Path]:
    """Kill a session at a point, let the next one take over; how the first ended, and what is true."""
    chance = random.Random(f"{point} {which} {seed}")
    made = desks.sample(1 + seed % 5, minute_days=1)
    rates = {EURUSD: made.quotes[EURUSD]}
    tape, book = Tape({each: made.bars[each] for each in (XMPLA, XMPLB)}, rates, bar_seconds=1), made.book()
    faults = [HELD] if point in RARE else []
    gateway = Gateway(tape, book, made.history(tape, book), speed="max", seed=seed, faults=faults)
    witness = runs.attended(gateway)
    state, clock = folder / f"{seed}", folder / f"clock-{seed}"
    state.mkdir()
    share(gateway, clock)
    about = {"clock": clock, "state": state, "which": which}
    is_first = point in RARE or point in ("connected, nothing asked", "venue opened after a restart")
    count = 1 if is_first else chance.randint(1, 5)
    with gateway:
        ended = zygote.live(port=gateway.port, until=BEGIN + MOST, point=point, count=count, **about)
        gateway.call(lambda tws: go_on(tws, gateway, chance.choice((0.0, 0.0, 3.0, 45.0, 100.0))))
        until = gateway.now() + AFTER
        taken_over = zygote.live(port=gateway.port, until=until, **about)
        assert taken_over == "ended", zygote.errors.read_text()[-3000:]
    assert ended in ("killed", "ended"), zygote.errors.read_text()[-3000:]
    return ended, witness, Places.of(str(state), "DU1234567").intents


def check(witness: Witness, intents: Path) -> None:
    with IntentJournal(intents, "DU1234567") as journal:
        left = journal.snapshot()
    assert not audit(witness, left)
    assert all(is_halted(left, left.orders[ref].intent.con_id) for ref in in_doubt(left))
    assert not left.halts, [halt.why for halt in left.halts.values()]
    for con_id, units in witness.held.items():  # what is held is protected at the broker, or on its way out
        working = [o for o in witness.orders.values() if o.is_working and o.instrument.con_id == con_id]
        roles = {left.orders[str(o.terms["orderRef"])].intent.role for o in working}
        assert not units or roles & {Role.STOP, Role.EXIT}, f"{units:g} of {con_id} without protection"


@pytest.mark.parametrize("which", ["reversion", "pair"])
@pytest.mark.parametrize("point", SAMPLE)
def test_a_process_that_is_killed_is_taken_over(zygote: Zygote, point: str, which: str, tmp_path: Path) -> None:
    ended, witness, intents = kill(zygote, tmp_path, point, which, 0)
    assert ended == "killed"
    check(witness, intents)
    *killed, after = records_of(Places(intents.parent).days, "2024-06-12")  # one killed before it traded has none
    assert len(killed) <= 1 and bool(killed) == (point != "reconciled, not written" or which == "reversion")
    assert read_record(after).is_whole and not any(read_record(record).is_whole for record in killed)
    for record in (*killed, after):
        result = replay(record)
        assert result.is_same and not result.failure, result


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "which"),
    [(p, w) for p in POINTS for w in ("reversion", "pair") if w == "pair" or p not in RARE],
)
def test_every_point_with_every_seed(zygote: Zygote, point: str, which: str, tmp_path: Path) -> None:
    killed = 0
    for seed in range(SEEDS):
        ended, witness, intents = kill(zygote, tmp_path, point, which, seed)
        killed += ended == "killed"
        check(witness, intents)
    assert killed >= min(0.9 * SEEDS, SEEDS - 1), f"only {killed} of {SEEDS} came to {point}"
