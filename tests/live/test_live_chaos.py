"""The gateway's failures while both strategies trade: nothing is doubled, no fill is lost, what is unresolved halts.

`pytest -m slow tests/live/test_live_chaos.py` runs every case with each strategy; a sample of them runs always.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest
from lived import desks, runs
from lived.audit import audit, in_doubt, is_halted, naked_spans, outages
from lived.chaos import CASES, Case

from books.intents import IntentJournal
from gateway import Gateway
from gateway.data.sample import EURUSD, XMPLA, XMPLB
from gateway.data.tape import Tape

PACE = 120.0
RECOVERY = dt.timedelta(seconds=30)  # of the gateway's time, once it can be reached
NAKED = dt.timedelta(seconds=30 + 15)  # risk.legs.timeout_seconds; news come with the bars of 5 seconds, fills later
END = dt.datetime(2024, 6, 12, 14, 5, 3, tzinfo=dt.UTC)
SAMPLE = {
    "drop_middle-message=execDetails,n=3", "order_dropped-n=1",
    "connectivity_restored-after=640,seconds=60", "rejected_short-n=3", "execution_busted-n=1,seconds=2",
    "partial_fill_then_reject-n=3,fraction=0.5,seconds=1", "fill_after_cancel-n=1,seconds=2",
}  # fmt: skip


def test_there_are_enough_and_each_names_the_thread_that_tells_of_it() -> None:
    assert len({case.scenario for case in CASES}) >= 25
    assert all(re.match(r"https://\S+", case.reference) for case in CASES)
    assert {str(case) for case in CASES} >= SAMPLE


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=str(case), marks=() if str(case) in SAMPLE else pytest.mark.slow) for case in CASES]
)
@pytest.mark.parametrize("which", list(desks.OFTEN))
def test_nothing_is_doubled_or_lost(case: Case, which: str, tmp_path: Path) -> None:
    made = desks.sample()
    rates = {EURUSD: made.quotes[EURUSD]}  # sizes follow what IBKR says of the dollar, the default
    tape, book = Tape({each: made.bars[each] for each in (XMPLA, XMPLB)}, rates, bar_seconds=1), made.book()
    settings = desks.settings({which: desks.OFTEN[which]})
    speed = PACE if case.is_paced else "max"
    gateway = Gateway(tape, book, made.history(tape, book), speed=speed, faults=case.faults, seed=1)
    witness = runs.attended(gateway)
    with gateway:
        lived = runs.live(settings, gateway, END, tmp_path)
        cash = witness.cash(gateway)
    assert witness.executions, "nothing was traded, so nothing was tried"
    with IntentJournal(lived.session.places.intents, "DU1234567") as journal:
        left = journal.snapshot()
    assert not audit(witness, left)
    given = dt.timedelta(seconds=case.outage)
    assert all(length <= given + RECOVERY for _, length in outages(lived.events)), outages(lived.events)
    if which == "pair":
        naked = naked_spans(witness, XMPLA.con_id, XMPLB.con_id)
        assert all(length <= given + NAKED for _, length in naked), naked
    halted = [halt.why for halt in left.halts.values()]
    assert case.may_halt or not halted, halted
    for con_id in {left.orders[ref].intent.con_id for ref in in_doubt(left)}:
        assert is_halted(left, con_id)
    if not halted and case.scenario != "commission_never":
        assert lived.summary.cash == pytest.approx(cash, abs=0.005)  # the book is the gateway's account, to the cent
