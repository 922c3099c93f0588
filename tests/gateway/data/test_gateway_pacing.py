"""Pacing: sequences by hand, on a clock that stands."""

from __future__ import annotations

import datetime as dt

import pytest
from replayed.world import asked

from core.clock import VirtualClock
from gateway.data.clock import AcceleratedClock
from gateway.data.pacing import Pacing
from gateway.data.sample import XMPLB
from gateway.refused import Refused

START = dt.datetime(2024, 3, 8, 14, 30, tzinfo=dt.UTC)
VIOLATION = "162 Historical Market Data Service error message:Historical data request pacing violation"


def real() -> tuple[VirtualClock, Pacing]:
    """Pacing of a gateway in real time, which the test moves on."""
    base = VirtualClock(START)
    return base, Pacing(AcceleratedClock(START, 60.0, base))


def small(**changes: object) -> dict:
    return asked(**{"barSizeSetting": "1 secs", "durationStr": "60 S"} | changes)


def test_fifty_messages_a_second() -> None:
    clock, pacing = real()
    assert [pacing.message("me") for _ in range(50)] == [None] * 50
    assert pacing.message("me") == (100, "Max rate of messages per second has been exceeded:max=50 rec=51 (1)")
    assert pacing.message("you") is None  # each client by itself
    assert [pacing.message("me") for _ in range(9)] == [None] * 9  # one complaint for a second
    clock.sleep(1.0)
    assert pacing.message("me") is None and not pacing.is_over("me")


def test_the_window_slides() -> None:
    clock, pacing = real()
    for _ in range(25):
        assert pacing.message("me") is None
    clock.sleep(0.6)
    for _ in range(25):
        assert pacing.message("me") is None
    clock.sleep(0.4)  # the first 25 are a second old
    for _ in range(25):
        assert pacing.message("me") is None
    assert pacing.message("me") is not None


def test_the_third_violation_ends_the_connection() -> None:
    clock, pacing = real()
    for violation in range(1, 4):
        told = [pacing.message("me") for _ in range(60)]
        assert [text for text in told if text] == [
            (100, f"Max rate of messages per second has been exceeded:max=50 rec=51 ({violation})")
        ]
        assert pacing.is_over("me") == (violation == 3)
        clock.sleep(1.5)
    pacing.drop("me")
    assert not pacing.is_over("me") and not pacing.is_over("nobody")


def test_virtual_time_counts_no_messages_until_it_is_told_to() -> None:
    clock = VirtualClock(START)
    pacing = Pacing(clock)
    assert [pacing.message("me") for _ in range(500)] == [None] * 500
    pacing.limit("messages", 2, 10.0)
    assert [pacing.message("me") is None for _ in range(3)] == [True, True, False]
    clock.sleep(10.0)
    assert pacing.message("me") is None


def test_identical_requests_must_wait_fifteen_seconds() -> None:
    clock, pacing = real()
    pacing.historical("me", small())
    clock.sleep(14.9)
    with pytest.raises(Refused) as refused:
        pacing.historical("you", small(reqId=8))  # a new reqId and another client change nothing
    assert str(refused.value) == VIOLATION
    clock.sleep(14.9)
    with pytest.raises(Refused):  # what was refused counts
        pacing.historical("me", small())
    clock.sleep(15.0)
    pacing.historical("me", small())
    pacing.historical("me", small(durationStr="61 S"))
    pacing.historical("me", small(contract={"conId": XMPLB.con_id}))


def test_six_of_one_contract_in_two_seconds() -> None:
    clock, pacing = real()
    for number in range(5):
        pacing.historical("me", small(durationStr=f"{number + 1} S"))
    pacing.historical("me", small(whatToShow="BID"))  # another kind of price
    pacing.historical("me", small(contract={"conId": XMPLB.con_id}))
    with pytest.raises(Refused, match="pacing violation"):
        pacing.historical("me", small(durationStr="6 S"))
    clock.sleep(2.0)
    pacing.historical("me", small(durationStr="7 S"))


def test_bid_ask_counts_twice() -> None:
    _, pacing = real()
    for number in range(2):
        pacing.historical("me", small(whatToShow="BID_ASK", durationStr=f"{number + 1} S"))
    with pytest.raises(Refused):
        pacing.historical("me", small(whatToShow="BID_ASK", durationStr="3 S"))


def test_sixty_in_ten_minutes() -> None:
    clock, pacing = real()
    for number in range(60):
        pacing.historical("me", small(durationStr=f"{number + 1} S"))
        clock.sleep(9.9)
    with pytest.raises(Refused):  # the first was 594 seconds ago
        pacing.historical("me", small(durationStr="61 S"))
    clock.sleep(16.0)  # now the first two are too old: 58, the refused one and this
    pacing.historical("me", small(durationStr="62 S"))


def test_larger_bars_and_heads_are_not_limited() -> None:
    _, pacing = real()
    for _ in range(100):
        pacing.historical("me", asked(barSizeSetting="1 min"))
        pacing.historical("me", {"reqId": 1, "contract": {"conId": 1}, "whatToShow": "TRADES", "useRTH": True})
    with pytest.raises(Refused, match="321"):
        pacing.historical("me", asked(barSizeSetting="1 sek"))


def test_ticks_and_real_time_bars_are_limited() -> None:
    clock, pacing = real()
    ticks = {"reqId": 1, "contract": {"conId": 1}, "numberOfTicks": 10, "whatToShow": "TRADES", "startDateTime": "a"}
    pacing.historical("me", ticks)
    with pytest.raises(Refused):
        pacing.historical("me", ticks)
    bars = {"reqId": 1, "contract": {"conId": 2}, "barSize": 5, "whatToShow": "TRADES"}
    for _ in range(5):
        pacing.historical("me", bars)
    with pytest.raises(Refused):
        pacing.historical("me", bars)
    clock.sleep(2.0)
    for number in range(52):
        pacing.historical("me", bars | {"contract": {"conId": 10 + number}})
    with pytest.raises(Refused):
        pacing.historical("me", bars | {"contract": {"conId": 3}})


def test_a_tighter_limit() -> None:
    clock, pacing = real()
    pacing.limit("historical", 1, 60.0)
    pacing.historical("me", small())
    with pytest.raises(Refused):
        pacing.historical("me", small(durationStr="61 S"))
    clock.sleep(60.0)
    pacing.historical("me", small(durationStr="62 S"))


def test_requests_that_are_remembered_are_not_more_and_more() -> None:
    pacing = Pacing(VirtualClock(START))  # its time stands still
    for number in range(3_000):
        try:
            pacing.historical("me", small(contract={"symbol": f"S{number}", "secType": "STK", "exchange": "SMART"}))
        except Refused:
            assert number >= 60
        else:
            assert number < 60
    assert max(len(pacing._bursts), len(pacing._same), len(pacing._run)) <= 240
