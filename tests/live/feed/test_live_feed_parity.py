"""Live bars are those of a backtest, bit for bit: whole days, nights, early closes, clock changes, restarts."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest
from fed.playing import PAIR, expected, playing, real_days, same_bars, sample_of, settings_of

from live.status import Status

S = Status


def utc(text: str) -> dt.datetime:
    return pd.Timestamp(text, tz="UTC").to_pydatetime()


def test_a_whole_day_that_closes_early_for_two_datas_of_each_symbol() -> None:
    market = sample_of(dt.date(2024, 7, 3))
    with playing(market) as play:
        play.run(warm_up=20, twice=True)
        play.are_those_of(market)
        play.were_aligned()
        assert len(play.bars("XMPLA")) == 210  # 09:30 to 13:00 in New York
        same_bars(play.bars("XMPLA"), play.bars("XMPLA1"))
        live = [each for each in play.rounds if each.when > utc("2024-07-03 13:30")]
        assert all(each.clock == each.when and not any(each.blind.values()) for each in live)
        assert play.statuses("XMPLA") == play.statuses("XMPLB1") == [S.DELAYED, S.LIVE, S.DISCONNECTED]


@pytest.mark.parametrize(
    ("day", "start", "until"),
    [
        ("2024-06-12", "2024-06-12 19:30", "2024-06-13 14:00"),
        ("2024-07-03", "2024-07-03 16:40", "2024-07-05 14:00"),  # an early close, a holiday
        ("2024-03-08", "2024-03-08 20:40", "2024-03-11 14:00"),  # summer time began on the 10th
        ("2024-11-01", "2024-11-01 19:40", "2024-11-04 15:00"),  # and ended on the 3rd
    ],
)
@pytest.mark.parametrize("fault", ["nightly_restart", "midnight_silence"])
def test_a_night_between_two_sessions(day: str, start: str, until: str, fault: str) -> None:
    market = sample_of(dt.date.fromisoformat(day), 2)
    with playing(market, fault, start=utc(start)) as play:
        play.run(warm_up=5, until=utc(until) + dt.timedelta(seconds=4))
        play.are_those_of(market, until=utc(until))
        play.were_aligned()
        assert play.rounds[-1].when == utc(until) and not any(play.rounds[-1].blind.values())


def test_bars_of_an_hour_over_an_early_close() -> None:
    market = sample_of(dt.date(2024, 7, 3), 2)
    with playing(market, settings=settings_of(bar="1h"), start=utc("2024-07-03 14:30")) as play:
        play.run(warm_up=5, until=utc("2024-07-05 15:30"))
        play.are_those_of(market, "1h", utc("2024-07-05 15:30"))
        assert [f"{each:%d %H:%M}" for each in play.bars("XMPLB").index] == [
            "03 15:00", "03 16:00", "03 17:00", "05 14:00", "05 15:00",
        ]  # fmt: skip


def test_daily_bars_come_after_the_close() -> None:
    market = sample_of(dt.date(2024, 7, 2), 2)
    with playing(market, settings=settings_of(bar="1d"), start=utc("2024-07-02 19:50")) as play:
        play.run(warm_up=5)
        assert play.history is not None and [*play.history.frames["XMPLA"].index][-1] == utc("2024-07-01 20:00")
        play.are_those_of(market, "1d")
        assert [each.when for each in play.rounds[-2:]] == [utc("2024-07-02 20:00"), utc("2024-07-03 17:00")]
        assert not any(play.rounds[-1].blind.values()) and not play.steps[-1].is_late


def test_a_restart_within_the_session_goes_on_where_the_backfill_ends() -> None:
    market = sample_of(dt.date(2024, 6, 12))
    start = utc("2024-06-12 15:00:33")
    with playing(market, start=start) as play:
        play.run(warm_up=30, until=utc("2024-06-12 15:20"))
        assert play.history is not None and play.history.begin == utc("2024-06-12 15:01")
        for symbol in PAIR:
            whole = play.history.whole(symbol)
            today = whole[whole.index > utc("2024-06-12 13:00")]
            same_bars(today, expected(market, symbol, until=utc("2024-06-12 15:20")))
            assert play.history.frames[symbol].index[-1] == utc("2024-06-12 15:00")
        assert play.bars("XMPLA").index[0] == utc("2024-06-12 15:01")
        play.were_aligned()


def test_what_is_loaded_is_what_a_backtest_of_today_would_load() -> None:
    market = sample_of(dt.date(2024, 6, 12), minute_days=5)
    with playing(market) as play:
        play.run(warm_up=390, until=utc("2024-06-12 13:32"))
        assert play.history is not None
        frame = play.history.frames["XMPLA"]
        (minutes,) = [each[60] for instrument, each in market.frames.items() if instrument.symbol == "XMPLA"]
        same_bars(frame, minutes)
        assert play.history.hash == play.history.hash and len(play.history.hash) == 64
        assert play.rounds[0].when == frame.index[0] and len(play.rounds) == len(frame) + 2


def test_time_may_run_by_itself() -> None:
    """Not in lockstep: history is asked beside the thread that trades, and the clock waits for nobody."""
    market = sample_of(dt.date(2024, 6, 12))
    start, until = utc("2024-06-12 14:00:20"), utc("2024-06-12 14:06")
    faults = ("on realtimeBar every 9: drop", "on realtimeBar every 14: duplicate")
    with playing(market, *faults, start=start, speed=60.0, settings=settings_of(grace_seconds=4.0)) as play:
        play.run(warm_up=5, until=until + dt.timedelta(seconds=45))
        for symbol in PAIR:
            live = play.bars(symbol)
            begin = live.index[0].to_pydatetime()  # what ended while it logged in came as history
            assert begin < until - dt.timedelta(minutes=1)
            same_bars(live[live.index <= until], expected(market, symbol, begin=begin, until=until))


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("start", "until"),
    [
        ("2013-10-08 13:29", "2013-10-08 20:05"),
        ("2013-10-07 19:00", "2013-10-08 14:30"),
    ],
)
def test_days_of_bac_and_aig(shared_data: Path, start: str, until: str) -> None:
    market = real_days(shared_data)
    faults = ("nightly_restart", "on realtimeBar every 101: drop")
    with playing(market, *faults, settings=settings_of(("BAC", "AIG")), start=utc(start)) as play:
        play.run(warm_up=5, until=utc(until) + dt.timedelta(seconds=20))
        play.are_those_of(market, until=utc(until))
        play.were_aligned()
        assert len(play.bars("BAC")) >= 90
