"""Times of files: orders of day and month, timezones and their changes of clocks, starts of bars, sizes of bars."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import FeedError, UnknownNameError
from feeds.bars import RawBars
from feeds.sources.files import FileFormat, read_file

HEADER = "time,open,high,low,close,volume\n"


def read(folder: Path, times: list[str], **known) -> RawBars:
    file = folder / "X.csv"
    file.write_text(HEADER + "".join(f'"{time}",10,11,9,10,5\n' for time in times))
    (bars,) = read_file(file, FileFormat(**known))
    return bars


def utc(*times: str) -> list[pd.Timestamp]:
    return [pd.Timestamp(time, tz="UTC") for time in times]


def minutes(start: str, count: int, step: str = "min") -> list[str]:
    return [str(time) for time in pd.date_range(start, periods=count, freq=step)]


# Order of day and month


@pytest.mark.parametrize(
    ("times", "order", "expected"),
    [
        (["13/02/2018", "1/3/2018"], None, ["2018-02-13", "2018-03-01"]),
        (["1/3/2018", "13/02/2018"], None, ["2018-03-01", "2018-02-13"]),
        (["02-13-2018", "3-1-2018"], None, ["2018-02-13", "2018-03-01"]),
        (["1.2.2018", "2.2.2018"], "dmy", ["2018-02-01", "2018-02-02"]),
        (["1/2/2018", "2/2/2018"], "mdy", ["2018-01-02", "2018-02-02"]),
        (["2018/12/24", "2018/12/26"], None, ["2018-12-24", "2018-12-26"]),
        (["2018.1.2", "2018.1.3"], None, ["2018-01-02", "2018-01-03"]),
        (["20181224", "2018-12-26"], None, ["2018-12-24", "2018-12-26"]),  # either is ISO 8601
        (["Dec 24, 2018", "Dec. 26 2018"], None, ["2018-12-24", "2018-12-26"]),
    ],
)
def test_dates_of_many_kinds(tmp_path: Path, times: list[str], order: str | None, expected: list[str]) -> None:
    assert [str(day.date()) for day in read(tmp_path, times, date_order=order).frame.index] == expected


@pytest.mark.parametrize(
    ("times", "order", "words"),
    [
        (["1/2/2018", "2/2/2018"], None, "line 2, column time: '1/2/2018' may be .*say --date-order dmy or mdy"),
        (
            ["1/2/2018", "13/2/2018", "2/14/2018"],
            None,
            "line 4, column time: '2/14/2018' is not a date as those before",
        ),
        (
            ["1/2/2018", "2/14/2018", "13/2/2018"],
            None,
            "line 4, column time: '13/2/2018' is not a date as those before",
        ),
        (["13/13/2018"], None, "line 2, column time: '13/13/2018' is not a date; write ISO 8601"),
        (["1/2/2018", "13/2/2018"], "mdy", "line 3, column time: '13/2/2018' is not a date"),
        (["2018-12-24", "12/26/2018"], None, "line 3, column time: '12/26/2018' is not a date"),
        (["12/24/2018", "2018-12-26"], None, "line 3, column time: '2018-12-26' is not a date as those before it"),
        (["Dec 24, 2018", "2018-12-26"], None, "line 3, column time: '2018-12-26' is not a date"),
        (["2018-12-24", "2018-12"], None, "line 3, column time: '2018-12' is not a date"),
        (["2018", "2019"], None, r"line 2, column time: '2018' is not a date \(2 lines in all\)"),
        (["1/2/18", "1/3/18"], None, "line 2, column time: '1/2/18' is not a date"),
        (["30/2/2018", "31/2/2018"], None, r"line 2, column time: '30/2/2018' is not a date \(2 lines in all\)"),
        (["2018-12-24 25:00"], None, "line 2, column time: '2018-12-24 25:00' is not a date"),
        (["12/24/2018 2:30 PM"], None, "line 2, column time: '12/24/2018 2:30 PM' is not a date"),
        (["2018-12-24 14:30 EST"], None, "line 2, column time: '2018-12-24 14:30 EST' is not a date"),
        (["now"], None, "line 2, column time: 'now' is not a date"),
        (["0018-12-24"], None, "line 2, column time: '0018-12-24' is not a time between 1800 and 2200"),
        (["2018-12-24", "20181-12-24"], None, "line 3, column time: '20181-12-24' is not a date"),
        (["9999-12-31"], None, "line 2, column time: '9999-12-31' is not a"),
        (["-5", "-6"], None, "line 2, column time: '-5' is not a date"),
        (["-1545661800"], None, "line 2, column time: '-1545661800' is not a date"),
        (["1545661800", "1545661860000"], None, "line 3, column time: '1545661860000' is not a date"),
        (["1545661800", "15456618600"], None, "line 3, column time: '15456618600' is not a date"),
        (["1545661800", "1545661860.5"], None, "line 3, column time: '1545661860.5' is not a date"),
        (["9" * 30], None, "line 2, column time: '9{30}' is not a date"),
        (["9223372036854775808"], None, "line 2, column time: '9223372036854775808' is not a"),
        (["12345"], None, "line 2, column time: '12345' is not a date"),
        (["20181224143000", "20181324143000"], None, "line 3, column time: '20181324143000' is not a date"),
        (["201812241430", "2018122414300"], None, "line 3, column time: '2018122414300' is not a date"),
    ],
)
def test_what_is_no_date_or_two_is_refused(tmp_path: Path, times: list[str], order: str | None, words: str) -> None:
    with pytest.raises(FeedError, match=words):
        read(tmp_path, times, date_order=order, timezone="UTC", bar="1m" if ":" in times[0] else None)


def test_compact_times(tmp_path: Path) -> None:
    expected = utc("2018-12-24 14:30", "2018-12-24 14:31")
    assert list(read(tmp_path, ["20181224143000", "20181224143100"], timezone="UTC").frame.index) == expected
    assert list(read(tmp_path, ["201812241430", "201812241431"], timezone="UTC").frame.index) == expected
    assert list(read(tmp_path, ["20181224T143000Z", "20181224T143100Z"]).frame.index) == expected


@pytest.mark.parametrize(
    "times",
    [
        ["20181028T023000+0200", "20181028T023000+0100"],  # without marks, over a change of clocks
        ["2018-10-28T02:30+02", "2018-10-28T02:30+01"],
        ["2018-10-28 02:30:00 +2", "2018-10-28 02:30:00 +1"],
    ],
)
def test_offsets_of_many_kinds(tmp_path: Path, times: list[str]) -> None:
    assert list(read(tmp_path, times).frame.index) == utc("2018-10-28 00:30", "2018-10-28 01:30")


def test_hours_alone_with_an_offset(tmp_path: Path) -> None:
    assert list(read(tmp_path, ["2018-12-24T15+01", "2018-12-24T16+01"]).frame.index) == utc(
        "2018-12-24 14:00", "2018-12-24 15:00"
    )


# A time of day in its own column


@pytest.mark.parametrize(
    ("clocks", "expected"),
    [
        (["09:30", "9:31"], ["09:30", "09:31"]),
        (["093000", "093100"], ["09:30", "09:31"]),
        (["93000", "103000"], ["09:30", "10:30"]),
        (["0930", "0931"], ["09:30", "09:31"]),
        (["09:30:15.5", "09:30:16"], ["09:30:15.5", "09:30:16"]),
    ],
)
def test_times_of_day_beside_the_date(tmp_path: Path, clocks: list[str], expected: list[str]) -> None:
    file = tmp_path / "X.csv"
    file.write_text("date," + HEADER + "".join(f"2018-12-24,{clock},10,11,9,10,5\n" for clock in clocks))
    (bars,) = read_file(file, FileFormat(timezone="UTC", bar="1s"))
    assert list(bars.frame.index) == utc(*(f"2018-12-24 {clock}" for clock in expected))


@pytest.mark.parametrize(
    ("clocks", "words"),
    [
        (["930", "1030"], r"line 2, column time: '930' is not a clear time of day .*write times of day as 09:30"),
        (["093000", "0931"], "line 3, column time: '0931' is not a clear time of day"),
        (["09:30", "half past nine"], "line 3, column time: 'half past nine' is not a time of day"),
        (["09:30", ""], "line 3, column time: no value"),
        (["09:30", "25:00"], "line 3, column date: '2018-12-24' is not a date"),
        (["02:30 PM", "02:31 PM"], "line 2, column date: '2018-12-24' is not a date"),
    ],
)
def test_times_of_day_that_are_none(tmp_path: Path, clocks: list[str], words: str) -> None:
    file = tmp_path / "X.csv"
    file.write_text("date," + HEADER + "".join(f"2018-12-24,{clock},10,11,9,10,5\n" for clock in clocks))
    with pytest.raises(FeedError, match=words):
        read_file(file, FileFormat(timezone="UTC", bar="1s"))


# Timezones


def test_intraday_times_without_a_timezone_are_refused(tmp_path: Path) -> None:
    words = r"X.csv, line 2: 2018-12-24 09:31:00 says no timezone; say --tz Europe/Berlin if that is it, or --tz UTC"
    with pytest.raises(FeedError, match=words):
        read(tmp_path, minutes("2018-12-24 09:31", 3), exchange="XETR")


def test_an_unknown_timezone_is_refused_before_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"'America/NewYork'; did you mean 'America/New_York'\?"):
        read_file(tmp_path / "none.csv", FileFormat(timezone="America/NewYork"))
    for name in ("", "Ostzone", "../etc/passwd", "/etc/localtime"):
        with pytest.raises(UnknownNameError, match="unknown timezone"):
            read(tmp_path, ["2018-12-24"], timezone=name)


def test_local_times_follow_summer_time(tmp_path: Path) -> None:
    times = [*minutes("2018-07-02 09:31", 2), *minutes("2018-12-24 09:31", 2)]
    assert list(read(tmp_path, times, timezone="America/New_York").frame.index) == utc(
        "2018-07-02 13:31", "2018-07-02 13:32", "2018-12-24 14:31", "2018-12-24 14:32"
    )


def test_offsets_are_believed_rather_than_the_timezone(tmp_path: Path) -> None:
    times = ["2018-07-02 09:31:00-04:00", "2018-12-24 09:31:00-05:00", "2018-12-24 15:32:00+01:00"]
    assert list(read(tmp_path, times, timezone="Asia/Tokyo", bar="1m").frame.index) == utc(
        "2018-07-02 13:31", "2018-12-24 14:31", "2018-12-24 14:32"
    )


def test_times_with_and_without_an_offset_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="line 3: '2018-12-24 09:32' has no offset from UTC, unlike the lines before"):
        read(tmp_path, ["2018-12-24 09:31Z", "2018-12-24 09:32"])


def test_a_time_that_clocks_leap_over_is_refused(tmp_path: Path) -> None:
    times = minutes("2018-03-11 01:58", 4)  # 02:00 and 02:01 do not exist
    words = r"line 4: 2018-03-11 02:00:00 does not exist in America/New_York, .* \(2 lines in all\)"
    with pytest.raises(FeedError, match=words):
        read(tmp_path, times, timezone="America/New_York")


AUTUMN = ["00:59", "01:00", "01:01", "01:00", "01:01", "02:00"]  # of 2018-11-04 in New York: 01:00 to 02:00 twice
AUTUMN_UTC = ["04:59", "05:00", "05:01", "06:00", "06:01", "07:00"]


@pytest.mark.parametrize("newest_first", [False, True])
def test_the_hour_that_comes_twice_is_told_apart_by_the_order(tmp_path: Path, newest_first: bool) -> None:
    step = -1 if newest_first else 1
    times = [f"2018-11-04 {clock}" for clock in AUTUMN][::step]
    found = read(tmp_path, times, timezone="America/New_York", bar="1m").frame.index
    assert list(found) == utc(*(f"2018-11-04 {clock}" for clock in AUTUMN_UTC))[::step]


@pytest.mark.parametrize("newest_first", [False, True])
def test_two_bars_of_one_hour_are_the_hour_that_comes_twice(tmp_path: Path, newest_first: bool) -> None:
    step = -1 if newest_first else 1
    times = [f"2018-11-04 {hour}:00" for hour in ("00", "01", "01", "02", "03")][::step]
    found = read(tmp_path, times, timezone="America/New_York").frame.index
    assert list(found) == utc(*(f"2018-11-04 {hour}:00" for hour in ("04", "05", "06", "07", "08")))[::step]


@pytest.mark.parametrize(
    "clocks",
    [
        ["00:59", "01:00", "01:01", "02:00"],  # once: summer or winter
        ["00:59", "01:00", "01:00", "02:00"],  # a minute twice may be a duplicate
        ["00:59", "01:00", "01:01", "01:01", "01:02"],
        ["01:00", "01:01", "01:00", "01:01", "01:00"],  # three times
    ],
)
def test_the_hour_that_comes_twice_is_refused_where_the_order_does_not_tell(tmp_path: Path, clocks: list[str]) -> None:
    times = [f"2018-11-04 {clock}" for clock in clocks]
    line = 2 + clocks.index("01:00")
    words = f"line {line}: 2018-11-04 01:00:00 comes twice in America/New_York, .* write times in UTC or with"
    with pytest.raises(FeedError, match=words):
        read(tmp_path, times, timezone="America/New_York", bar="1m")


@given(
    zone=st.sampled_from(["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"]),
    change=st.integers(0, 3), newest_first=st.booleans(),
)  # fmt: skip
def test_every_minute_around_a_change_of_clocks_comes_back(
    tmp_path_factory: pytest.TempPathFactory, zone: str, change: int, newest_first: bool
) -> None:
    """On Lord Howe clocks change by half an hour."""
    hours = pd.date_range("2018", "2020", freq="h", tz="UTC")
    offsets = [hour.utcoffset() for hour in hours.tz_convert(zone)]
    changes = [hour for hour, before, after in zip(hours[1:], offsets, offsets[1:], strict=False) if before != after]
    times = pd.date_range(changes[change] - pd.Timedelta("2h"), periods=240, freq="min")[:: -1 if newest_first else 1]
    local = [str(time) for time in times.tz_convert(zone).tz_localize(None)]
    found = read(tmp_path_factory.mktemp("change"), local, timezone=zone)
    assert found.bar == "1m" and list(found.frame.index) == list(times)


# Dates


@pytest.mark.parametrize(
    ("time", "exchange", "day"),
    [
        ("2018-12-24T00:00:00Z", "XNYS", "2018-12-24"),
        ("2018-12-24 00:00:00-05:00", "XNYS", "2018-12-24"),
        ("2018-12-24 00:00:00+09:00", "XNYS", "2018-12-24"),  # of Tokyo: the exchange was forgotten, the day is clear
        ("2018-12-24 00:00:00+09:00", "XTKS", "2018-12-24"),
        ("2018-12-25T02:00:00Z", "XNYS", "2018-12-24"),
        ("2018-12-24 16:00", "XNYS", "2018-12-24"),
        ("1545661800", "XNYS", "2018-12-24"),  # 14:30 UTC
        ("1545627600000", "XNYS", "2018-12-24"),  # midnight of New York, as services have it
        ("1545577200", "XTKS", "2018-12-24"),  # midnight of Tokyo
    ],
)
def test_daily_bars_are_of_the_day_that_is_written_or_of_the_exchange(
    tmp_path: Path, time: str, exchange: str, day: str
) -> None:
    assert list(read(tmp_path, [time], bar="1d", exchange=exchange).frame.index) == [pd.Timestamp(day)]


def test_times_of_day_are_no_daily_bars(tmp_path: Path) -> None:
    words = r"X.csv, line 3: one more bar of 2018-12-24, but bars are to be daily; set data.bar \(--bar\) to the size"
    with pytest.raises(FeedError, match=words):
        read(tmp_path, ["2018-12-24 10:00", "2018-12-24 11:00"], bar="1d")


def test_a_day_that_comes_twice_at_one_time_is_a_duplicate_and_kept(tmp_path: Path) -> None:
    assert len(read(tmp_path, ["2018-12-24 16:00", "2018-12-24 16:00"], bar="1d").frame) == 2


def test_dates_are_no_intraday_bars(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"holds dates without a time of day, but the bars are to be 1m; set data.bar"):
        read(tmp_path, ["2018-12-24", "2018-12-26"], bar="1m", timezone="UTC")


# Starts of bars


@pytest.mark.parametrize(
    ("start", "bar", "close"),
    [
        ("2018-12-20 15:30", "1h", "2018-12-20 21:00Z"),  # half an hour is left of a regular session
        ("2018-12-20 14:30", "1h", "2018-12-20 20:30Z"),
        ("2018-12-24 12:30", "1h", "2018-12-24 18:00Z"),  # an early close
        ("2018-12-24 12:59", "1m", "2018-12-24 18:00Z"),
        ("2018-12-24 13:00", "1m", "2018-12-24 18:01Z"),  # after it
        ("2018-12-24 09:00", "1h", "2018-12-24 15:00Z"),  # from before the open
        ("2018-12-24 12:59:59", "1s", "2018-12-24 18:00Z"),
        ("2018-12-22 12:00", "1h", "2018-12-22 18:00Z"),  # a Saturday
    ],
)
def test_bars_named_by_their_start_end_with_their_session(tmp_path: Path, start: str, bar: str, close: str) -> None:
    bars = read(tmp_path, [start], bar=bar, stamp="open", timezone="America/New_York")
    assert list(bars.frame.index) == [pd.Timestamp(close)]


# Sizes


@pytest.mark.parametrize(
    ("times", "bar"),
    [
        (["2018-12-24"], "1d"),
        (["2018-12-24", "2018-12-26"], "1d"),
        (minutes("2018-12-03", 5, "D"), "1d"),
        ([f"2018-12-{day} 16:00" for day in (20, 21, 24)], "1d"),
        (minutes("2018-12-03 09:31", 30), "1m"),
        (minutes("2018-12-03 09:31", 30, "s"), "1s"),
        (["2018-12-03 09:31:07", "2018-12-03 09:31:12", "2018-12-03 09:31:20", "2018-12-03 09:31:21"], "1s"),
        (["2018-12-03 10:30", "2018-12-03 11:30", "2018-12-03 12:30", "2018-12-03 13:00"], "1h"),
        (["2018-12-03 10:32", "2018-12-03 10:31", "2018-12-03 10:31", "2018-12-03 10:30"], "1m"),  # in any order
    ],
)
def test_the_spacing_of_times_is_the_size_of_bars(tmp_path: Path, times: list[str], bar: str) -> None:
    assert read(tmp_path, times, timezone="UTC").bar == bar


@pytest.mark.parametrize(
    ("times", "apart"),
    [
        (minutes("2018-12-03", 6, "5D"), "5 days, 0:00:00"),  # of weeks and months see test_arrivals.py
        (minutes("2018-12-03 09:31", 30, "5s"), "0:00:05"),
        (minutes("2018-12-03 09:31", 30, "30s"), "0:00:30"),
        (minutes("2018-12-03 09:31", 30, "90s"), "0:01:30"),
        (minutes("2018-12-03 09:31", 30, "2min"), "0:02:00"),
        (minutes("2018-12-03 09:31", 30, "5min"), "0:05:00"),
        (minutes("2018-12-03 09:31", 30, "45min"), "0:45:00"),
        (minutes("2018-12-03 08:00", 30, "4h"), "4:00:00"),
    ],
)
def test_bars_of_no_known_size_are_refused(tmp_path: Path, times: list[str], apart: str) -> None:
    words = rf"X.csv: the bars are {apart} apart \(median\), .* \(1d, 1h, 1m, 1s\); say --bar"
    with pytest.raises(FeedError, match=words):
        read(tmp_path, times, timezone="UTC")


def test_one_intraday_bar_does_not_show_its_size(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"one time does not show the size of its bar; say --bar 1d\|1h\|1m\|1s"):
        read(tmp_path, ["2018-12-24 10:00"], timezone="UTC")
    assert read(tmp_path, ["2018-12-24 10:00"], timezone="UTC", bar="1h").bar == "1h"


@pytest.mark.parametrize(
    ("times", "bar", "apart"),
    [
        (minutes("2018-12-03 09:31", 30), "1h", "0:01:00"),
        (minutes("2018-12-03 09:31", 30), "1s", "0:01:00"),
        (minutes("2018-12-03 09:30", 30, "h"), "1m", "1:00:00"),
        (minutes("2018-12-03 09:30", 30, "5min"), "1m", "0:05:00"),
    ],
)
def test_another_size_than_the_one_that_is_said_is_refused(
    tmp_path: Path, times: list[str], bar: str, apart: str
) -> None:
    with pytest.raises(FeedError, match=f"X.csv: the bars are {apart} or a multiple apart, but they are to be {bar}"):
        read(tmp_path, times, timezone="UTC", bar=bar)


def test_minutes_without_a_trade_are_said_to_be_minutes(tmp_path: Path) -> None:
    times = [f"2018-12-03 10:{minute:02}" for minute in range(60) if minute % 7 in (0, 3)]
    assert read(tmp_path, times, timezone="UTC", bar="1m").bar == "1m"


def test_a_symbol_with_few_bars_has_the_size_of_the_others(tmp_path: Path) -> None:
    file = tmp_path / "X.csv"
    rows = [("A", time) for time in minutes("2018-12-03 09:31", 30)] + [("B", "2018-12-03 09:44:00")]
    file.write_text("symbol," + HEADER + "".join(f"{symbol},{time}Z,10,11,9,10,5\n" for symbol, time in rows))
    assert [(bars.symbol, bars.bar) for bars in read_file(file)] == [("A", "1m"), ("B", "1m")]


def test_the_short_last_bars_of_sessions_do_not_make_another_size(tmp_path: Path) -> None:
    times = ["2018-12-20 15:30", "2018-12-20 16:00", "2018-12-21 15:30", "2018-12-21 16:00"]
    assert read(tmp_path, times, timezone="America/New_York", bar="1h").bar == "1h"
