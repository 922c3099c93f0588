from __future__ import annotations

import datetime as dt

import pytest

from core.clock import Clock, SteadyClock, SystemClock, VirtualClock, as_utc

START = dt.datetime(2018, 12, 24, 18, 0, tzinfo=dt.UTC)


def test_the_system_clock_tells_utc_and_goes_on() -> None:
    clock: Clock = SystemClock()
    first = clock.now()
    clock.sleep(0.0)
    assert first.tzinfo is dt.UTC
    assert clock.now() >= first


def test_a_virtual_clock_moves_only_when_told() -> None:
    clock: Clock = VirtualClock(START)
    assert clock.now() == clock.now() == START
    clock.sleep(90.5)
    assert clock.now() == START + dt.timedelta(seconds=90.5)


def test_a_virtual_clock_can_be_set_forward_but_not_back() -> None:
    clock = VirtualClock(START.replace(tzinfo=None))  # naive is UTC
    clock.set(START + dt.timedelta(days=1))
    with pytest.raises(ValueError, match="cannot set the clock back"):
        clock.set(START)
    with pytest.raises(ValueError, match="cannot sleep for -1"):
        clock.sleep(-1)


def test_as_utc_keeps_the_moment() -> None:
    eastern = dt.datetime(2018, 12, 24, 13, 0, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
    assert as_utc(eastern) == START
    assert as_utc(eastern).tzinfo is dt.UTC
    assert as_utc(START.replace(tzinfo=None)) == START


def test_a_steady_clock_does_not_follow_a_clock_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SteadyClock()
    before = clock.now()

    class SetBack(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            return dt.datetime(1999, 1, 1, tzinfo=tz)

    monkeypatch.setattr("core.clock.dt.datetime", SetBack)
    assert SystemClock().now().year == 1999
    after = clock.now()
    assert before <= after < before + dt.timedelta(hours=1)
    clock.sleep(0.01)
    assert clock.now() >= after + dt.timedelta(seconds=0.01)
