"""Dates that cannot be right, and daily bars that are none. Expected values by hand."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from core.calendar import ExchangeCalendar
from core.clock import Clock, VirtualClock
from feeds.checks import Examination, check_series, examine_series, propose_repairs

NEW_YORK = ExchangeCalendar("XNYS")


def bars(times: pd.DatetimeIndex) -> pd.DataFrame:
    """Closes of 100, 101, 100, 99 and again, a range of 2 around, volumes that differ."""
    close = 100.0 + np.tile([0.0, 1.0, 0.0, -1.0], len(times))[: len(times)]
    columns = {"open": close + 0.1, "high": close + 1.0, "low": close - 1.0, "close": close}
    return pd.DataFrame({**columns, "volume": 1e6 + 1e3 * np.arange(len(times))}, index=times.as_unit("us"))


def sessions(first: str, last: str, calendar: ExchangeCalendar = NEW_YORK) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(calendar.sessions(dt.date.fromisoformat(first), dt.date.fromisoformat(last)))


def at(moment: str) -> VirtualClock:
    return VirtualClock(dt.datetime.fromisoformat(moment))


def told(examined: Examination) -> list[tuple[str, str, int, str, str]]:
    return [(f.rule, f.severity, f.rows, f"{f.first:%Y-%m-%d %H:%M}", f.detail) for f in examined.findings]


# The future


def test_daily_bars_of_the_future_are_a_warning_and_stay(clock: Clock) -> None:
    """It is 2024-06-20, an hour after the close. What lies before the last of them has not been missed."""
    days = sessions("2024-03-01", "2024-06-20")
    assert check_series("ABC", "1d", bars(days), NEW_YORK, clock=clock) == []
    later = days.append(pd.DatetimeIndex(["2024-06-21", "2024-09-03"]))
    examined = examine_series("ABC", "1d", bars(later), NEW_YORK, clock=clock)
    assert told(examined) == [
        (
            "odd_date", "warning", 2, "2024-06-21 00:00",
            "2 bars of the future (now it is 2024-06-20): were day and month exchanged, or the year read wrongly? If "
            "so, remove it and import it with the right dates",
        ),
    ]  # fmt: skip
    assert examined.repairs == ()
    assert propose_repairs("ABC", "1d", bars(later), NEW_YORK, clock=clock) == []


def test_sessions_that_were_missed_before_now_are_still_named() -> None:
    days = sessions("2024-03-01", "2024-06-20").delete(50)
    examined = examine_series("ABC", "1d", bars(days), NEW_YORK, clock=at("2024-05-31T22:00Z"))
    assert [(rule, rows) for rule, _, rows, *_ in told(examined)] == [("missing_session", 1), ("odd_date", 13)]


@pytest.mark.parametrize(
    ("exchange", "moment", "label", "future"),
    [
        ("XNYS", "2024-06-21T03:00Z", "2024-06-21", True),  # 23:00 of the day before in New York
        ("XNYS", "2024-06-21T05:00Z", "2024-06-21", False),  # the day has begun, and its session is yet to come
        ("XTKS", "2024-06-20T21:00Z", "2024-06-21", False),  # 6:00 in Tokyo
        ("XTKS", "2024-06-20T14:00Z", "2024-06-21", True),  # 23:00 of the day before in Tokyo
        ("CMES", "2024-06-20T21:30Z", "2024-06-21", True),  # 16:30 in Chicago
        ("CMES", "2024-06-20T22:30Z", "2024-06-21", False),  # 17:30: the session of the next day is under way
    ],
)
def test_a_day_begins_where_its_exchange_is(exchange: str, moment: str, label: str, future: bool) -> None:
    calendar = ExchangeCalendar(exchange)
    frame = bars(sessions("2024-06-03", label, calendar))
    found = [f.rows for f in check_series("ABC", "1d", frame, calendar, clock=at(moment)) if f.rule == "odd_date"]
    assert found == ([1] if future else [])


def test_an_intraday_bar_that_is_not_over_is_not_of_the_future() -> None:
    """Minutes of 9:31 to 16:00 in New York, at 11:00: those that end at 11:02 and later begin after now."""
    times = pd.date_range("2024-06-20 13:31", "2024-06-20 20:00", freq="min", tz="UTC")
    frame = bars(times).drop(times[[10, 200, 300]].as_unit("us"))  # 13:41, 16:51 and 18:31 are missing, or to come
    (missing, future) = told(examine_series("ABC", "1m", frame, NEW_YORK, clock=at("2024-06-20T15:00Z")))
    assert (missing[0], missing[2], missing[3]) == ("missing_bars", 1, "2024-06-20 13:41")
    assert future == (
        "odd_date", "warning", 299 - 2, "2024-06-20 15:02",
        "297 bars of the future (now it is 2024-06-20 15:00 UTC): were day and month exchanged, or the year read "
        "wrongly? If so, remove it and import it with the right dates",
    )  # fmt: skip


def test_a_series_that_is_all_of_the_future_lacks_nothing() -> None:
    times = pd.date_range("2024-06-20 13:31", "2024-06-20 20:00", freq="min", tz="UTC").delete(100)
    for bar, index in (("1m", times), ("1d", sessions("2024-06-03", "2024-06-20").delete(5))):
        findings = check_series("ABC", bar, bars(index), NEW_YORK, clock=at("2024-05-31T15:00Z"))
        assert [(f.rule, f.rows) for f in findings] == [("odd_date", len(index))]


def test_the_clock_of_the_machine_is_asked_where_no_other_is_given() -> None:
    days = sessions("2021-03-01", "2021-06-30").append(pd.DatetimeIndex(["2199-01-04"]))
    odd, unknown = check_series("ABC", "1d", bars(days), NEW_YORK)
    assert (odd.rule, odd.severity, odd.rows, odd.repair) == ("odd_date", "warning", 1, None)
    assert (unknown.rule, unknown.severity, unknown.rows, unknown.repair) == ("closed_session", "note", 1, None)


def test_a_clock_beyond_the_calendar_is_asked_too() -> None:
    """Before its first session, and after its last one: dates alone are compared."""
    frame = bars(sessions("2021-03-01", "2021-03-12"))
    (early,) = check_series("ABC", "1d", frame, NEW_YORK, clock=at("1985-01-02T12:00Z"))
    assert (early.rule, early.rows) == ("odd_date", 10)
    assert check_series("ABC", "1d", frame, NEW_YORK, clock=at("2199-01-02T12:00Z")) == []


# Long ago


def test_bars_before_1900_are_a_warning_and_bars_before_the_calendar_a_note() -> None:
    days = pd.DatetimeIndex(["1899-12-29", "1899-12-30", "1900-01-02", "1985-01-02"]).append(
        sessions("1990-01-02", "1990-03-30")
    )
    examined = examine_series("ABC", "1d", bars(days), NEW_YORK)
    odd, unknown = told(examined)
    assert odd == (
        "odd_date", "warning", 2, "1899-12-29 00:00",
        "2 bars before 1900: was the year read wrongly? If so, remove it and import it with the right dates",
    )  # fmt: skip
    assert unknown == (
        "closed_session", "note", 4, "1899-12-29 00:00",
        f"4 bars not judged: the calendar of XNYS reaches from 1990-01-02 to {NEW_YORK.last} alone",
    )  # fmt: skip
    assert examined.repairs == ()


# Weeks and months


def test_weekly_bars_are_one_warning_and_lose_none_that_is_labelled_by_a_holiday() -> None:
    """The Mondays of 2021; five of them are holidays: M. L. King, Presidents, Memorial, Independence and Labor Day."""
    examined = examine_series("ABC", "1d", bars(pd.date_range("2021-01-04", "2021-12-27", freq="W-MON")), NEW_YORK)
    weekly, closed = told(examined)
    assert weekly == (
        "not_daily", "warning", 52, "2021-01-04 00:00",
        "bars come once in 5 sessions of XNYS: weekly bars? A run takes each for a day; remove it and import daily "
        "ones, unless that is meant. Missing sessions are not counted",
    )  # fmt: skip
    assert closed == (
        "closed_session", "warning", 5, "2021-01-18 00:00",
        "5 of 52 bars on days without a session of XNYS, as the labels of weeks and months may be: nothing is dropped",
    )  # fmt: skip
    assert examined.repairs == ()


@pytest.mark.parametrize(
    ("exchange", "labels", "what"),
    [
        ("XNYS", pd.date_range("2021-01-01", periods=20, freq="W-SUN"), "once in 5 sessions of XNYS: weekly bars?"),
        ("24/7", pd.date_range("2021-01-01", periods=20, freq="W-SUN"), "once in 7 sessions of 24/7: weekly bars?"),
        # Sessions of 2021 by month, from February: 19, 23, 21, 20, 22, 21, 22, 21, 21, 21, 22
        ("XNYS", pd.date_range("2021-01-31", "2021-12-31", freq="BME"), "once in 21 sessions of XNYS: monthly bars?"),
        ("XNYS", pd.date_range("2000-01-01", "2009-12-31", freq="BQE"), "sessions of XNYS: quarterly bars?"),
        ("XNYS", pd.date_range("2000-01-01", "2019-12-31", freq="BYE"), "sessions of XNYS: yearly bars?"),
        ("XNYS", sessions("2021-01-04", "2021-12-31")[::10], "once in 10 sessions of XNYS: other bars?"),
    ],
)
def test_the_distance_of_bars_is_named(exchange: str, labels: pd.DatetimeIndex, what: str) -> None:
    findings = check_series("ABC", "1d", bars(labels), ExchangeCalendar(exchange))
    assert [f.detail for f in findings if what in f.detail and f.rule == "not_daily"], findings
    assert "missing_session" not in {f.rule for f in findings} and "error" not in {f.severity for f in findings}


@pytest.mark.parametrize(("count", "step"), [(5, 5), (5, 21), (50, 4)])
def test_few_bars_and_bars_nearer_than_weeks_are_daily_ones_with_gaps(count: int, step: int) -> None:
    findings = check_series("ABC", "1d", bars(sessions("2021-01-04", "2021-12-31")[::step][:count]), NEW_YORK)
    assert [(f.rule, f.rows) for f in findings] == [("missing_session", step - 1)] * (count - 1)


def test_a_bar_that_the_calendar_does_not_know_is_no_distance() -> None:
    days = pd.DatetimeIndex(["1985-01-02"]).append(sessions("2021-01-04", "2021-12-31")[::5][:5])
    assert "not_daily" not in {f.rule for f in check_series("ABC", "1d", bars(days), NEW_YORK)}


def test_six_bars_are_enough_to_call_them_weekly() -> None:
    (finding,) = check_series("ABC", "1d", bars(sessions("2021-01-04", "2021-12-31")[::5][:6]), NEW_YORK)
    assert (finding.rule, finding.rows) == ("not_daily", 6)


def test_rows_of_one_day_are_no_distance() -> None:
    days = sessions("2021-01-04", "2021-12-31")[::5]
    frame = bars(days)
    findings = check_series("ABC", "1d", pd.concat([frame, frame, frame]).sort_index(kind="stable"), NEW_YORK)
    assert {f.rule for f in findings} == {"not_daily", "duplicate"}
    assert ["weekly bars?" in f.detail for f in findings if f.rule == "not_daily"] == [True]


def test_a_few_long_gaps_make_no_weekly_bars() -> None:
    days = sessions("2021-01-04", "2021-12-31")
    keep = np.r_[0:100, 130:140, 170:180, 200:210]
    findings = check_series("ABC", "1d", bars(days[keep]), NEW_YORK)
    assert [(f.rule, f.rows) for f in findings] == [("missing_session", rows) for rows in (30, 30, 20)]


def test_one_bar_a_week_within_the_day_is_not_judged_by_this() -> None:
    times = pd.date_range("2021-01-04 16:00", periods=20, freq="7D", tz="America/New_York").tz_convert("UTC")
    assert "not_daily" not in {f.rule for f in check_series("ABC", "1h", bars(times), NEW_YORK)}
