"""A leg goes wrong live, through the paper gateway, and in a backtest alike: both send the same orders.

The sample's pair is entered at 13:33 (98 XMPLA bought, 126 XMPLB sold) and left at 13:36, if nothing happens.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from legged.faulty_market import in_market
from legged.scene import Fault, Witness
from lived import desks, runs
from lived.audit import audit

from books.intents import IntentJournal
from books.journal import Journal
from commands.live_console import in_words
from core.events import LegsEvent, Level
from core.settings import Settings
from engine.build import build, resolve
from gateway import Gateway
from gateway.data.sample import XMPLA, XMPLB
from gateway.data.tape import Tape

ENTRY = dt.datetime(2024, 6, 12, 13, 33, tzinfo=dt.UTC)
END = ENTRY + dt.timedelta(minutes=5)
ENTRY_OF_B = "on placeOrder where symbol=XMPLB new=yes order.orderType=MKT order.action=SELL 1"
EXIT_OF_B = "on placeOrder where symbol=XMPLB new=yes order.orderType=MKT order.action=BUY 1"


def at(seconds: float) -> dt.datetime:
    return ENTRY + dt.timedelta(seconds=seconds)


@dataclass(frozen=True, eq=False)
class Case:
    """The same fault in the words of the gateway and of the market of a backtest.

    ``acts``: action -> exits for the reason ``other_leg``, entries of XMPLB; none and one where it is not named.
    """

    name: str
    script: str
    faults: tuple[Fault, ...]
    acts: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


CASES = [
    Case(
        "refused", f'{ENTRY_OF_B}: hold; pass; wait 7; refuse 201 "Order rejected - reason:Test"',
        (Fault(at(0), "freeze", "XMPLB"), Fault(at(7), "reject", "XMPLB")), {"unwind": (1, 1), "hedge": (0, 2)},
    ),
    Case(
        "late", f"{ENTRY_OF_B}: hold; pass",
        (Fault(at(0), "freeze", "XMPLB"),), {"unwind": (1, 1), "hedge": (0, 2)},
    ),
    Case(
        "no shares for a while", f"{ENTRY_OF_B}: hold; pass; error 404; wait 7; release",
        (Fault(at(0), "freeze", "XMPLB"), Fault(at(7), "thaw", "XMPLB")),
    ),
    Case(
        "taken back", "on execDetails where symbol=XMPLB 1: pass; wait 20; bust",
        (Fault(at(21), "bust", "XMPLB"),), {"unwind": (1, 1), "hedge": (1, 1)},
    ),
    Case(
        "exit stuck", f"{EXIT_OF_B}: hold; pass; wait 40; release",
        (Fault(at(180), "freeze", "XMPLB", role="exit"), Fault(at(220), "thaw", "XMPLB", role="exit")),
    ),
    Case(
        "exit refused", f'{EXIT_OF_B}: pass; refuse 201 "Order rejected - reason:Test"',
        (Fault(at(120), "refuse", "XMPLB", role="exit"),), {"unwind": (1, 1), "hedge": (1, 1)},
    ),
]  # fmt: skip


def settings(action: str) -> Settings:
    legs = {"timeout_seconds": 40.0, "action": action}  # in lockstep a session hears of things every five seconds
    risk: dict[str, Any] = {"max_daily_loss": "off", "throttle": {"enabled": False}, "legs": legs}
    return desks.settings({"pair": desks.PAIR}, live={"fx": "settings"}, risk=risk)


def in_backtest(chosen: Settings, faults: tuple[Fault, ...]) -> tuple[runs.Heard, Witness]:
    chosen, heard, witness = resolve(chosen), runs.Heard(), Witness()
    history = desks.history(until=END)
    broker = in_market(chosen, history, faults)
    broker.listeners += [heard, witness]
    build(chosen, history, broker).run()
    return heard, witness


def sample_gateway(*faults: str) -> Gateway:
    made = desks.sample()
    tape, book = Tape({each: made.bars[each] for each in (XMPLA, XMPLB)}, None, bar_seconds=1), made.book()
    return Gateway(tape, book, made.history(tape, book), speed="max", faults=faults)


QUICK = {
    ("refused", "hedge"),
    ("late", "unwind"),
    ("late", "hedge"),
    ("taken back", "unwind"),
    ("exit stuck", "unwind"),
}
EVERY = [
    pytest.param(case, action, id=f"{case}-{action}", marks=() if (case.name, action) in QUICK else pytest.mark.slow)
    for case in CASES
    for action in ("unwind", "hedge")
]


@pytest.mark.parametrize(("case", "action"), EVERY)
def test_a_leg_that_goes_wrong_makes_the_same_orders(case: Case, action: str, tmp_path: Path) -> None:
    chosen = settings(action)
    expected, witness = in_backtest(chosen, case.faults)
    gateway = sample_gateway(case.script)
    truth = runs.attended(gateway)
    with gateway:
        lived = runs.live(chosen, gateway, END + dt.timedelta(seconds=3), tmp_path)
    assert lived.heard.decisions == expected.decisions
    assert not witness.doubled
    acts = sum(order.reason == "other_leg" for order in expected.orders)
    entries = sum((order.symbol, order.role) == ("XMPLB", "entry") for order in expected.orders)
    assert (acts, entries) == case.acts.get(action, (0, 1))
    with Journal(lived.session.places.events) as written:
        told = [LegsEvent(at=event.when, **event.payload) for event in written.read("legs")]
    assert bool(told) is bool(case.acts.get(action)) and len(told) <= 2
    for event in told:
        assert event.level is Level.WARNING and event.naked_eur > 0.0
        assert in_words(event).startswith(f"pair: the pair is {event.phase}: XMPLA ")
    with IntentJournal(lived.session.places.intents, "DU1234567") as journal:
        assert not audit(truth, journal.snapshot())
