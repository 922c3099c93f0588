"""Bars that IBKR keeps up to date (``live.stream = "update"``) are those of a backtest, too."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pandas as pd
import pytest
from fed.playing import playing, sample_of, settings_of
from fed.telling import OPEN, instrument, piece

from core.calendar import ExchangeCalendar
from live.grid import Grid
from live.line import Line
from stores.events import BarArrived


def utc(text: str) -> dt.datetime:
    return pd.Timestamp(text, tz="UTC").to_pydatetime()


@pytest.mark.parametrize("bar", ["1m", "1h"])
@pytest.mark.parametrize("fault", ["nightly_restart", "clock_skew:seconds=0"])
def test_they_are_those_of_a_backtest_over_an_early_close(bar: str, fault: str) -> None:
    market = sample_of(dt.date(2024, 7, 3), 2)
    until = utc("2024-07-05 15:00")
    with playing(market, fault, settings=settings_of(bar=bar, stream="update"), start=utc("2024-07-03 13:29")) as play:
        play.run(warm_up=5, until=until + dt.timedelta(seconds=10))
        play.are_those_of(market, bar, until)
        play.were_aligned()
        assert {each.source for each in play.pieces} == {"update"}
        assert not [step.when for step in play.steps if step.is_late and not step.is_warm]
        waits = {
            (each.clock - each.when).total_seconds() for each in play.rounds if each.when > utc("2024-07-03 13:30")
        }
        assert waits == {0.0, 5.0}  # 0 at the close, where no other bar begins
        if bar == "1h":
            assert [f"{each:%d %H:%M}" for each in play.bars("XMPLA").index] == [
                "03 14:00", "03 15:00", "03 16:00", "03 17:00", "05 14:00", "05 15:00",
            ]  # fmt: skip


@pytest.mark.parametrize("bar", ["1m", "1h"])
@pytest.mark.parametrize(
    "fault",
    [
        "connectivity_restored:after=700,seconds=150",  # within a bar, and the subscriptions go on
        "connectivity_restored_data_lost:after=725,seconds=80",
        "market_farm_broken:after=725,seconds=20",
        "updates_dead:n=30",
        "on historicalDataUpdate 200: drop; mute historicalDataUpdate 90",
        "on historicalDataUpdate every 7: drop",
    ],
)
def test_a_bar_that_lacks_a_part_is_left_to_history(bar: str, fault: str) -> None:
    market = sample_of(dt.date(2024, 7, 3), 2)
    until = utc("2024-07-03 14:10")
    with playing(market, fault, settings=settings_of(bar=bar, stream="update"), start=utc("2024-07-03 13:29")) as play:
        play.run(warm_up=5, until=until + dt.timedelta(seconds=10))
        play.are_those_of(market, bar, until)
        play.were_aligned()


def line_of(bar: str, exchange: str, known: str) -> Line:
    line = Line("XMPLA", instrument(1, "XMPLA"), Grid(bar, ExchangeCalendar(exchange)), outlier=0.2, is_index=False)
    line.begin(utc(known), 10.0)
    return line


def hour(start: dt.datetime, *, grown: dt.datetime | None = None) -> BarArrived:
    return replace(piece(1, start, 10.0), seconds=3600, source="update", grown=grown)


@pytest.mark.parametrize(
    ("exchange", "known", "start", "stamp"),
    [
        ("XNYS", "2024-07-02 20:00", "2024-07-03 13:30", "2024-07-03 14:00"),
        ("XNYS", "2024-07-03 16:00", "2024-07-03 16:00", "2024-07-03 17:00"),  # an early close
        ("XLON", "2024-01-10 16:00", "2024-01-10 16:00", "2024-01-10 16:30"),
    ],
)
def test_an_hour_ends_with_its_slot_or_its_session(exchange: str, known: str, start: str, stamp: str) -> None:
    line = line_of("1h", exchange, known)
    assert line.heard(hour(utc(start), grown=utc(stamp)))
    assert list(line.ready) == [(utc(stamp), 10.0, 10.0, 10.0, 10.0, 10.0)] and not line.stray
    assert line.traded == line.known == utc(stamp)


@pytest.mark.parametrize(("seconds", "counts"), [(0.0, True), (2.0, True), (3.0, False), (600.0, False)])
def test_what_was_not_told_at_its_end_does_not_count(seconds: float, counts: bool) -> None:
    line = line_of("1h", "XNYS", "2024-07-02 20:00")
    end = OPEN + dt.timedelta(minutes=30)
    assert line.heard(hour(OPEN, grown=end - dt.timedelta(seconds=seconds))) is counts
    assert len(line.ready) == counts and line.stray == (not counts)


def test_what_begins_before_the_session_is_none_of_its_bars() -> None:
    line = line_of("1h", "XNYS", "2024-07-02 20:00")
    early = OPEN - dt.timedelta(minutes=30)
    assert not line.heard(hour(early, grown=OPEN)) and line.stray == 1 and not line.ready
