"""What may be asked of the history, and IBKR's errors for the rest."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from replayed.world import NEW_YORK, asked, new_york

from gateway.data.history import History
from gateway.data.sample import EURUSD, XMPLA, XMPLD
from gateway.data.schedule import historical_schedule
from gateway.data.spans import BAR_SIZES, check_together, parse_bar_size, parse_duration
from gateway.hours import hours_of, moment_of, moment_to_datetime
from gateway.refused import Refused

NOW = new_york("2024-03-11 12:00:00")


@pytest.mark.parametrize(
    ("text", "reaches"),
    [
        ("60 S", "2024-03-11 11:59:00"),
        ("60", "2024-03-11 11:59:00"),
        ("9000 S", "2024-03-11 09:30:00"),
        ("9001 S", "2024-03-08 15:59:59"),
        ("32401 S", "2024-03-07 15:59:59"),  # two and a half hours of Monday, six and a half of Friday
        ("1 D", "2024-03-11 09:30:00"),
        ("2 d", "2024-03-08 09:30:00"),
        ("6 D", "2024-03-04 09:30:00"),
        ("1 W", "2024-03-05 09:30:00"),  # five sessions
        ("1 M", "2024-02-12 09:30:00"),
        ("2 M", "2024-01-12 09:30:00"),
        ("1 Y", "2023-03-13 09:30:00"),  # 12 March 2023 was a Sunday
        ("2 Y", "2022-03-14 09:30:00"),
    ],
)
def test_durations_reach_back(text: str, reaches: str) -> None:
    begin = parse_duration(text).begin(moment_of(NOW), hours_of(XMPLA), regular=True)
    assert begin is not None
    assert f"{moment_to_datetime(begin).astimezone(NEW_YORK):%Y-%m-%d %H:%M:%S}" == reaches


@pytest.mark.parametrize("text", ["101 Y", "999999 Y", "999999999999 S", "9" * 5_000 + " D"])
def test_durations_beyond_all_histories(history: History, text: str) -> None:
    with pytest.raises(Refused) as refused:
        history.bars(asked(durationStr=text, barSizeSetting="1 day"), NOW)
    assert refused.value.number == 321


def test_the_longest_duration_reaches_to_the_first_session(history: History) -> None:
    assert parse_duration("100 Y").begin(moment_of(NOW), hours_of(XMPLA), regular=True) is not None
    assert history.bars(asked(durationStr="100 Y", barSizeSetting="1 day"), NOW)["bars"]


def test_durations_of_extended_hours() -> None:
    begin = parse_duration("1 D").begin(moment_of(NOW), hours_of(XMPLA), regular=False)
    assert begin == moment_of(new_york("2024-03-11 04:00:00"))
    begin = parse_duration("1 D").begin(moment_of(NOW), hours_of(EURUSD), regular=True)
    assert begin == moment_of(new_york("2024-03-10 17:15:00"))
    begin = parse_duration("1 D").begin(moment_of(new_york("2024-03-11 09:00:00")), hours_of(XMPLA), regular=True)
    assert begin == moment_of(new_york("2024-03-08 09:30:00"))  # the session of the day has not begun


def test_bar_sizes_as_ibkr_spells_them() -> None:
    assert {parse_bar_size(name) for name in BAR_SIZES} == set(BAR_SIZES.values())
    assert parse_bar_size("1 week") == parse_bar_size("1W") and parse_bar_size("1 month") == parse_bar_size("1M")


@pytest.mark.parametrize(
    ("changes", "number", "text"),
    [
        ({"barSizeSetting": "7 mins"}, 321, "bar size setting is invalid. Legal ones are: 1 secs, 5 secs, 10 secs"),
        ({"durationStr": "1 X"}, 321, "duration"),
        ({"durationStr": "0 D"}, 321, "duration"),
        ({"durationStr": "-1 D"}, 321, "duration"),
        ({"durationStr": "86401 S"}, 321, "greater than 86400 seconds"),
        ({"durationStr": "366 D"}, 321, "durations longer than 365 days must be made in years."),
        ({"durationStr": "13 M"}, 321, "durations longer than 365 days must be made in years."),
        ({"whatToShow": "TRADE"}, 321, "what to show"),
        ({"endDateTime": "2024-03-11 10:00"}, 321, "end date/time string [2024-03-11 10:00] is invalid."),
        ({"endDateTime": "20240311 10:00:00 Mars/Base"}, 321, "is invalid."),
        ({"endDateTime": "20241311 10:00:00"}, 321, "is invalid."),
        ({"endDateTime": "20240311 10:00:00", "keepUpToDate": True}, 321, "keepUpToDate"),
        ({"endDateTime": "20240311 10:00:00", "whatToShow": "ADJUSTED_LAST"}, 321, "adjusted last"),
        ({"barSizeSetting": "1 secs", "durationStr": "60 S", "keepUpToDate": True}, 321, "5 secs"),
        ({"barSizeSetting": "1 secs"}, 162, "error message:invalid step: 1"),
        ({"barSizeSetting": "1 secs", "durationStr": "2001 S"}, 162, "error message:Time length exceed max."),
        ({"barSizeSetting": "30 secs", "durationStr": "2 D"}, 162, "error message:invalid step: 30"),
        ({"barSizeSetting": "1 min", "durationStr": "30 S"}, 162, "error message:invalid step: 30"),
        ({"whatToShow": "OPTION_IMPLIED_VOLATILITY"}, 162, "HMDS query returned no data: XMPLA@SMART"),
        ({"endDateTime": "20101201 10:00:00"}, 162, "HMDS query returned no data: XMPLA@SMART Trades"),
        ({"endDateTime": "19800101 10:00:00"}, 162, "HMDS query returned no data: XMPLA@SMART Trades"),
        ({"contract": {"conId": 1}}, 200, "No security definition has been found for the request"),
        ({"contract": {"symbol": "XMPLD", "secType": "STK"}}, 200, "for XMPLD is ambiguous."),
        ({"contract": {"symbol": "XMPLA"}}, 321, "Please enter a valid security type"),
        ({"contract": {"conId": XMPLD[1].con_id}}, 162, "XMPLD@SMART Trades"),
    ],
)
def test_errors_are_those_of_ibkr(history: History, changes: dict[str, Any], number: int, text: str) -> None:
    with pytest.raises(Refused) as refused:
        history.bars(asked(**changes), NOW)
    assert refused.value.number == number and text in refused.value.text
    start = "Error validating request.-" if number == 321 else "Historical Market Data Service error message:"
    assert number == 200 or refused.value.text.startswith(start)


def test_small_bars_may_fill_their_limit(history: History) -> None:
    for size, duration in (("1 secs", "2000 S"), ("5 secs", "1 D"), ("30 secs", "1 D"), ("1 min", "5 D")):
        check_together(parse_duration(duration), parse_bar_size(size))
    assert len(history.bars(asked(barSizeSetting="1 secs", durationStr="2000 S"), NOW)["bars"]) == 2_000


def test_schedule(history: History) -> None:
    request = asked(whatToShow="SCHEDULE", barSizeSetting="1 day", durationStr="3 D", endDateTime="20240705 12:00:00")
    answer = historical_schedule(history, request, NOW)
    assert answer["timeZone"] == "US/Eastern" and answer["startDateTime"] == "20240702-09:30:00"
    assert answer["sessions"] == [
        {"startDateTime": "20240702-09:30:00", "endDateTime": "20240702-16:00:00", "refDate": "20240702"},
        {"startDateTime": "20240703-09:30:00", "endDateTime": "20240703-13:00:00", "refDate": "20240703"},
        {"startDateTime": "20240705-09:30:00", "endDateTime": "20240705-16:00:00", "refDate": "20240705"},
    ]
    assert historical_schedule(history, request | {"useRTH": False}, NOW)["endDateTime"] == "20240705-20:00:00"
    with pytest.raises(Refused, match="321"):
        historical_schedule(history, request | {"barSizeSetting": "1 hour"}, NOW)


def test_previous_close(history: History) -> None:
    friday, monday = (moment_of(new_york(f"2024-03-{day} 12:00:00")) for day in ("08", "11"))
    daily = history.bars(asked(barSizeSetting="1 day", durationStr="3 D"), new_york("2024-03-08 17:00:00"))["bars"]
    assert [history.previous_close(XMPLA, moment) for moment in (friday, monday)] == [bar["close"] for bar in daily[1:]]
    assert history.previous_close(XMPLA, moment_of(dt.datetime(2020, 1, 2, tzinfo=dt.UTC))) is None
