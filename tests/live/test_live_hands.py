"""What a person, a crash or a full disk does to positions and latches of ours: nothing is left without protection."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lived import desks, runs
from lived.scene import at, by_hand, held, sample, working

from books.intents import IntentJournal, read_book
from books.intents_states import HaltCause
from core.errors import LedgerError
from core.events import HaltEvent, RefusalEvent
from gateway import Gateway
from gateway.data.sample import XMPLA
from live.hands import may_close


def first_holding(run: Callable[[dt.datetime], Any], gateway: Gateway) -> int:
    """Run minute by minute until something is held; the minute."""
    for minutes in range(1, 20):
        run(at(minutes))
        if held(gateway):
            return minutes
    raise AssertionError("nothing was traded")


def test_a_stop_that_went_while_nobody_was_there_is_put_back(tmp_path: Path) -> None:
    settings = desks.settings({"reversion": desks.OFTEN["reversion"]}, live={"fx": "settings"})
    with sample() as gateway:
        minutes = first_holding(lambda end: runs.live(settings, gateway, end, tmp_path), gateway)
        units, (stop,) = held(gateway), working(gateway)
        price = stop.terms["auxPrice"]
        gateway.call(lambda tws: tws.market.cancel(stop))
        assert not working(gateway)
        seen: list[tuple[float, list[tuple[str, float, float]]]] = []

        def look(when: dt.datetime, broker: Any) -> None:
            orders = [(o.terms["orderType"], o.quantity, o.terms["auxPrice"]) for o in working(gateway)]
            seen.append((held(gateway), orders))

        runs.live(settings, gateway, at(minutes + 2), tmp_path, each_bar=look)
    assert (units, [("STP", abs(units), price)]) in seen[1:]


def test_a_position_that_its_owner_has_closed_is_not_closed_again(tmp_path: Path) -> None:
    settings = desks.settings({"reversion": desks.OFTEN["reversion"]}, live={"fx": "settings"})
    with sample() as gateway:
        minutes = first_holding(lambda end: runs.live(settings, gateway, end, tmp_path), gateway)
        units = held(gateway)
        gateway.call(lambda tws: by_hand(tws, -units))
        lived = runs.live(settings, gateway, at(minutes + 15), tmp_path)
        assert held(gateway) == 0.0 and not working(gateway)  # its stop would have opened a position
    book = read_book(lived.session.places.intents)
    (halt,) = book.halts.values()
    assert halt.cause is HaltCause.PERSON and f"--quantity {-units:.12g}" in halt.why
    assert any(isinstance(event, HaltEvent) and event.text == halt.why for event in lived.events)
    assert any(isinstance(event, RefusalEvent) and "would not close but open" in event.text for event in lived.events)


def test_an_exit_passes_a_halt_that_keeps_entries_out(tmp_path: Path) -> None:
    settings = desks.settings({"reversion": desks.OFTEN["reversion"]}, live={"fx": "settings"})
    with sample() as gateway:
        minutes = first_holding(lambda end: runs.live(settings, gateway, end, tmp_path), gateway)
        lived = runs.live(settings, gateway, at(minutes), tmp_path)
        with IntentJournal(lived.session.places.intents, "DU1234567", client_id=1) as journal:
            journal.halt(XMPLA.con_id, "XMPLA", "somebody wants to look")
        before = len(gateway.call(lambda tws: list(tws.market.orders)))
        runs.live(settings, gateway, at(minutes + 15), tmp_path)
        assert held(gateway) == 0.0
        after = gateway.call(lambda tws: list(tws.market.orders.values()))[before:]
    assert [order.terms["orderType"] for order in after] == ["MKT"]  # the exit, and nothing else


def test_a_kill_that_the_journal_could_not_hold_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    risk = {"kill_switch": {"max_drawdown": 0.0001}}
    settings = desks.settings({"reversion": desks.OFTEN["reversion"]}, live={"fx": "settings"}, risk=risk)

    def full(journal: IntentJournal, why: str) -> None:
        raise LedgerError("the disk is full")

    with sample() as gateway:
        with monkeypatch.context() as patched:
            patched.setattr(IntentJournal, "kill", full)
            lived = runs.live(settings, gateway, at(30), tmp_path)
        places = lived.session.places
        assert lived.session.broker.gate.killed and read_book(places.intents).killed is None
        orders = len(gateway.call(lambda tws: list(tws.market.orders)))
        again = runs.live(settings, gateway, at(45), tmp_path)
        assert len(gateway.call(lambda tws: list(tws.market.orders))) == orders
        assert again.session.broker.gate.killed and read_book(places.intents).killed
        with IntentJournal(places.intents, "DU1234567", client_id=1) as journal:
            journal.rearm("looked at")
        assert not runs.live(settings, gateway, at(46), tmp_path).session.broker.gate.killed


@given(
    st.sampled_from((-1, 1)), st.integers(1, 500), st.integers(-500, 500), st.integers(-500, 500)
)  # fmt: skip
def test_an_order_that_may_close_never_takes_the_account_beyond_ours(
    sign: int, quantity: int, ours: int, found: int
) -> None:
    if may_close(sign, quantity, ours, found):
        after, wanted = found + sign * quantity, ours + sign * quantity
        assert sign * after <= max(0, sign * wanted)
    if found == ours:
        assert may_close(sign, quantity, ours, found)  # where both agree it is for the gate to say


@pytest.mark.parametrize(
    ("sign", "quantity", "ours", "found", "may"),
    [
        (-1, 100, 100, 100, True),
        (-1, 100, 100, 0, False),  # it has been sold by hand
        (-1, 100, 100, 50, False),
        (-1, 100, 100, 600, True),  # the owner has 500 of his own
        (-1, 100, 0, 0, True),  # one unit is long 100, another short
        (1, 100, -100, -100, True),
        (1, 100, -100, 0, False),
        (1, 100, -100, -300, True),
    ],
)
def test_by_hand(sign: int, quantity: int, ours: int, found: int, may: bool) -> None:
    assert may_close(sign, quantity, ours, found) is may
