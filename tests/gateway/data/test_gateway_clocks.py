"""Clocks: accelerated ones, and which one a speed means."""

from __future__ import annotations

import datetime as dt

import pytest

from core.clock import VirtualClock
from core.errors import SettingsError
from gateway.data.clock import AcceleratedClock, make_clock

START = dt.datetime(2024, 3, 8, 14, 30, tzinfo=dt.UTC)
BASE = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


def test_it_runs_so_many_times_as_fast() -> None:
    base = VirtualClock(BASE)
    clock = AcceleratedClock(START, 60.0, base)
    assert clock.now() == START
    base.sleep(2.5)
    assert clock.now() == START + dt.timedelta(seconds=150)
    clock.sleep(30.0)
    assert base.now() == BASE + dt.timedelta(seconds=3) and clock.now() == START + dt.timedelta(minutes=3)
    assert clock.wait_for(START + dt.timedelta(minutes=4)) == 1.0 and clock.wait_for(START) == 0.0


def test_it_goes_on_at_another_pace_from_where_it_stands() -> None:
    base = VirtualClock(BASE)
    clock = AcceleratedClock(START, 60.0, base)
    clock.run_at(1.0)
    base.sleep(5)
    assert clock.now() == START + dt.timedelta(seconds=5) and clock.factor == 60.0
    assert clock.wait_for(START + dt.timedelta(seconds=11)) == 6.0
    clock.sleep(2.0)
    assert base.now() == BASE + dt.timedelta(seconds=7)
    clock.run_at(clock.factor)
    assert clock.now() == START + dt.timedelta(seconds=7)
    base.sleep(1)
    assert clock.now() == START + dt.timedelta(seconds=67)
    assert clock.wait_for(START + dt.timedelta(seconds=127)) == 1.0


def test_it_begins_once_more() -> None:
    base = VirtualClock(BASE)
    clock = AcceleratedClock(START, 60.0, base)
    base.sleep(5)
    clock.begin()
    assert clock.now() == START
    base.sleep(1)
    assert clock.now() == START + dt.timedelta(seconds=60)


def test_a_speed_is_a_clock() -> None:
    assert isinstance(make_clock("max", START), VirtualClock) and make_clock("max", START).now() == START
    clock = make_clock("60", START, VirtualClock(BASE))
    assert isinstance(clock, AcceleratedClock) and clock.factor == 60.0
    for speed in ("fast", 0, -1, "inf"):
        with pytest.raises(SettingsError, match="give a number"):
            make_clock(speed, START)
    with pytest.raises(ValueError, match="give 0 or more"):
        clock.sleep(-1)
