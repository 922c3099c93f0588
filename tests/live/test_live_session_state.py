"""What a session leaves for the next one: the state file, the account that goes on, the drawdowns it tells of."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from books.kept_account import KeptAccount
from core.config import load_settings
from core.errors import LedgerError, SessionError
from core.events import Bus, DrawdownEvent, MonitorEvent
from live.places import Places, find_account, refuse_second
from live.session_events import DrawdownWatch
from live.state import StateWriter, read_state, write_state

AT = dt.datetime(2024, 6, 12, 14, 0, tzinfo=dt.UTC)
STATE = {"format": 1, "at": AT.isoformat(), "settings_hash": "x", "gate": None, "account": None}


def test_a_state_reads_back_and_is_replaced_whole(tmp_path: Path) -> None:
    place = tmp_path / "new" / "state.json"
    assert read_state(place) is None
    for more in ("one", "two"):
        write_state(place, {**STATE, "settings_hash": more})
        assert read_state(place) == {**STATE, "settings_hash": more}
    assert [file.name for file in place.parent.iterdir()] == ["state.json"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "damaged"),
        ('{"format": 1, "at"', "damaged"),
        ("[]", "damaged"),
        ('{"format": 1}', "damaged"),
        ('{"format": 1, "at": "noon"}', "damaged"),
        ('{"format": 7, "at": "2024-06-12T14:00:00+00:00"}', "has format 7, this halflife reads 1; update halflife"),
    ],
)
def test_a_state_that_cannot_be_read_says_what_to_do(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "state.json").write_text(text, encoding="utf-8")
    with pytest.raises(SessionError) as caught:
        read_state(tmp_path / "state.json")
    assert words in str(caught.value) and "put a copy from a backup back" in str(caught.value)


def test_a_state_that_cannot_be_written_leaves_the_one_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "state.json"
    write_state(place, STATE)

    def full(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LedgerError, match="No space left on device"):
        write_state(place, {**STATE, "settings_hash": "later"})
    assert read_state(place) == STATE


def test_a_state_is_written_once_its_bar_is_dealt_with_and_is_never_older_than_one_bar(tmp_path: Path) -> None:
    place, soon, told = tmp_path / "state.json", list[Callable[[], object]](), list[str]()
    equity = [1.0]

    def take(when: dt.datetime) -> dict[str, object]:
        return {**STATE, "at": when.isoformat(), "account": equity[0]}

    def kept() -> tuple[str, float] | None:
        state = read_state(place)
        return (state["at"][11:16], state["account"]) if state else None

    writer = StateWriter(place, take, soon.append, told.append)
    writer.marked(AT)
    assert kept() == ("14:00", 1.0)  # the first bar
    writer.marked(AT + dt.timedelta(minutes=1))
    assert kept() == ("14:00", 1.0) and len(soon) == 1  # the strategies decide first
    equity[0] = 2.0  # what they did counts
    soon.pop()()
    assert kept() == ("14:01", 2.0)
    for minute in (2, 3, 4):  # three bars without a pause
        writer.marked(AT + dt.timedelta(minutes=minute))
        assert kept() in ((f"14:{minute - 1:02}", 2.0), (f"14:{minute:02}", 2.0))
    for each in soon:
        each()
    writer.marked(AT + dt.timedelta(minutes=5))
    writer.write()  # at the stop
    assert kept() == ("14:05", 2.0) and not told
    place.unlink()
    writer.write()  # nothing is due
    assert kept() is None


@pytest.mark.parametrize("what", ["day", "week", "switch"])
def test_a_limit_that_latches_is_on_the_disk_before_anything_is_decided(tmp_path: Path, what: str) -> None:
    losses = {"day": {"breached": False}, "week": {"breached": False}}
    gate = {"losses": losses, "kill_switch": {"killed_on": None}}
    writer = StateWriter(tmp_path / "state.json", lambda when: {**STATE, "gate": gate}, lambda what: None, pytest.fail)
    writer.marked(AT)
    if what == "switch":
        gate["kill_switch"] = {"killed_on": "2024-06-12"}
    else:
        losses[what] = {"breached": True}
    writer.marked(AT)
    state = read_state(tmp_path / "state.json")
    assert state is not None and state["gate"] == gate


def test_a_state_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told: list[str] = []
    writer = StateWriter(tmp_path / "file" / "state.json", lambda when: STATE, lambda what: what(), told.append)
    for minute in range(3):
        writer.marked(AT + dt.timedelta(minutes=minute))
    assert len(told) == 1 and "the state of the session cannot be written" in told[0]


def test_an_account_goes_on_with_its_interest_and_borrow_fees() -> None:
    settings = load_settings(None, ["costs.interest.credit=false"])

    def account() -> KeptAccount:
        made = KeptAccount.from_settings(settings)
        made.open_book("u", "SPX", "USD")
        return made

    before = account()
    before.fund(AT)
    before.cash.post("USD", -36_000.0, AT)  # as a purchase does
    before.accrue(AT + dt.timedelta(days=1))
    # IBKR: a debit pays benchmark + 1.5% on days / 360: 36,000 * (3% + 1.5%) / 360
    assert before.unfilled["USD"] == pytest.approx(-4.5)
    state = before.state()
    after = account()
    after.restore(state, AT + dt.timedelta(days=1))
    after.fund(AT + dt.timedelta(days=1))
    after.cash.post("USD", -36_000.0, AT + dt.timedelta(days=1))
    assert after.cash.balances == pytest.approx(before.cash.balances)
    assert after.interest_eur == pytest.approx(before.interest_eur) == pytest.approx(-4.5 * 0.9)
    for each in (before, after):
        each.accrue(AT + dt.timedelta(days=3))  # two more days
    assert after.cash.balances == pytest.approx(before.cash.balances)
    assert after.unfilled["USD"] == pytest.approx(-4.5 - 2 * 36_004.5 * 0.045 / 360, abs=0.01)


def test_drawdowns_are_told_at_each_step_once() -> None:
    told: list[MonitorEvent] = []
    bus = Bus()
    bus.subscribe(told.append)
    watch = DrawdownWatch(bus, 0.20)
    for equity in (100.0, 95.0, 89.0, 88.0, 84.0, 79.0, 89.0, 101.0, 90.0):
        watch.marked(AT, equity)
    events = [event for event in told if isinstance(event, DrawdownEvent)]
    assert [event.equity_eur for event in events] == [89.0, 84.0, 79.0, 90.0]  # 10%, 15%, 20%; then 10% of 101
    assert [str(event.level) for event in events] == ["warning", "warning", "critical", "warning"]


def test_accounts_are_found_by_name_or_because_there_is_one() -> None:
    with pytest.raises(SessionError, match="no account has traded live below state/live"):
        find_account("state")
    for account in ("DU1", "DU2"):
        place = Places.of("state", account)
        place.folder.mkdir(parents=True)
        place.intents.touch()
    assert find_account("state", "DU2").account == "DU2"
    with pytest.raises(SessionError, match="name one with --account: DU1, DU2"):
        find_account("state")
    refuse_second("state")  # nobody holds either
