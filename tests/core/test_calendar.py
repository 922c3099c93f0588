"""Sessions of exchanges: by hand from the exchanges' own published hours and holidays."""

from __future__ import annotations

import datetime as dt
import pickle

import exchange_calendars as xc
import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import given

from core.calendar import ExchangeCalendar, exchange_code, same_exchange
from core.errors import CalendarError

NYSE = ExchangeCalendar("XNYS")


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.mark.parametrize(
    ("code", "session", "close"),
    [
        ("XNYS", "2018-12-31", "2018-12-31 21:00"),  # winter
        ("XNYS", "2018-07-02", "2018-07-02 20:00"),  # summer
        ("XNYS", "2018-12-24", "2018-12-24 18:00"),  # 13:00 before Christmas
        ("XNYS", "1999-01-04", "1999-01-04 21:00"),  # older than the library's own 20 years
        ("XLON", "2018-07-02", "2018-07-02 15:30"),
        ("XETR", "2018-12-27", "2018-12-27 16:30"),
        ("XETR", "2018-12-28", "2018-12-28 13:00"),  # 14:00 on the last day of the year
        ("XTKS", "2018-07-02", "2018-07-02 06:00"),
    ],
)
def test_close_of_a_session(code: str, session: str, close: str) -> None:
    assert ExchangeCalendar(code).close_of(day(session)) == utc(close)
    assert ExchangeCalendar(code).close_of(day(session)).tzinfo is dt.UTC


@pytest.mark.parametrize(
    ("when", "session"),
    [
        ("2018-12-24 14:30", "2018-12-24"),
        ("2018-12-24 18:00", "2018-12-24"),  # the close is still the session
        ("2018-12-24 18:00:01", "2018-12-26"),  # after it the next one, over Christmas
        ("2018-12-21 21:00:01", "2018-12-24"),  # Friday evening
        ("2018-12-23 12:00", "2018-12-24"),  # Sunday
    ],
)
def test_session_of_a_moment(when: str, session: str) -> None:
    assert NYSE.session_of(utc(when)) == day(session)
    assert NYSE.session_of(utc(when).replace(tzinfo=None)) == day(session)  # naive is UTC
    eastern = utc(when).astimezone(dt.timezone(dt.timedelta(hours=-5)))
    assert NYSE.session_of(eastern) == day(session)


def test_week_is_of_the_session() -> None:
    assert NYSE.week_of(utc("2018-12-28 21:00")) == (2018, 52)
    assert NYSE.week_of(utc("2018-12-28 21:01")) == (2019, 1)  # Friday evening is Monday's, 31 December, ISO week 1
    assert NYSE.week_of(utc("2018-12-31 21:00")) == (2019, 1)


def test_sessions_skip_weekends_and_holidays() -> None:
    expected = ["2018-12-21", "2018-12-24", "2018-12-26", "2018-12-27", "2018-12-28", "2018-12-31", "2019-01-02"]
    assert NYSE.sessions(day("2018-12-21"), day("2019-01-02")) == tuple(map(day, expected))
    assert NYSE.sessions(day("2018-12-22"), day("2018-12-23")) == ()
    assert len(NYSE.sessions(day("1999-01-01"), day("2018-12-31"))) == 5031  # bars of the S&P 500 in arch
    assert NYSE.is_session(day("2018-12-24")) and not NYSE.is_session(day("2018-12-25"))


def test_sessions_between_counts_steps() -> None:
    assert NYSE.sessions_between(day("2018-12-24"), day("2018-12-24")) == 0
    assert NYSE.sessions_between(day("2018-12-24"), day("2018-12-25")) == 0
    assert NYSE.sessions_between(day("2018-12-24"), day("2018-12-26")) == 1
    assert NYSE.sessions_between(day("2018-12-21"), day("2018-12-31")) == 5
    assert NYSE.sessions_between(day("2018-12-31"), day("2018-12-21")) == -5


@given(st.datetimes(dt.datetime(1990, 1, 3), dt.datetime(2026, 1, 1)))  # noqa: DTZ001 - naive is UTC
def test_a_moment_is_after_the_close_before_and_not_after_its_own(when: dt.datetime) -> None:
    session = NYSE.session_of(when)
    before = NYSE.sessions(day("1990-01-02"), session)[-2]
    assert NYSE.close_of(before) < when.replace(tzinfo=dt.UTC) <= NYSE.close_of(session)


def test_sessions_of_many_moments_are_those_of_each() -> None:
    times = pd.date_range("2018-12-20", "2019-01-05", freq="37min")
    assert NYSE.sessions_of(times) == tuple(sorted({NYSE.session_of(when.to_pydatetime()) for when in times}))
    assert NYSE.sessions_of(times[:0]) == ()
    assert NYSE.sessions_of(times.tz_localize("Asia/Tokyo"))[0] == day("2018-12-19")


MOMENTS = st.datetimes(dt.datetime.fromisoformat("2018-11-20"), dt.datetime.fromisoformat("2019-01-10"))


@given(moments=st.lists(MOMENTS, max_size=30), unit=st.sampled_from(["s", "us", "ns"]))
def test_numbers_of_many_moments_are_those_of_each_in_any_order(moments: list[dt.datetime], unit: str) -> None:
    """Moments in order go another way than others: both are the sessions that each has by itself."""
    dates = NYSE.sessions(NYSE.first, NYSE.last)
    for chosen in (sorted(moments), moments):
        times = pd.DatetimeIndex(chosen, dtype=f"datetime64[{unit}, UTC]")
        single = [NYSE.session_of(stamp.to_pydatetime(warn=False)) for stamp in times]
        assert [dates[number] for number in NYSE.session_numbers(times)] == single


def test_closes_of_days_leave_out_those_without_a_session() -> None:
    """Christmas Eve closes at 13:00 in New York, Christmas and the weekend not at all."""
    days = pd.DatetimeIndex(["2018-12-26", "2018-12-24", "2018-12-25", "2018-12-24", "2018-12-29"])
    closes, there = NYSE.closes_of(days)
    assert there.tolist() == [True, True, False, True, False]
    assert list(closes) == [pd.Timestamp(f"2018-12-{text}Z") for text in ("26 21:00", "24 18:00", "24 18:00")]
    assert [len(part) for part in NYSE.closes_of(days[:0])] == [0, 0]
    with pytest.raises(CalendarError, match="1985-01-02 is outside the calendar of XNYS"):
        NYSE.closes_of(pd.DatetimeIndex(["2018-12-24", "1985-01-02"]))


def test_the_span_of_sessions_begins_after_the_close_before_them() -> None:
    christmas = utc("2018-12-21 21:00"), utc("2018-12-24 18:00")
    assert NYSE.span(day("2018-12-24"), day("2018-12-24")) == christmas
    assert NYSE.span(day("2018-12-22"), day("2018-12-25")) == christmas  # a weekend and a holiday at its ends
    assert NYSE.span(None, None) == (None, None)
    assert NYSE.span(day("1980-01-01"), day("2100-01-01")) == (None, None)
    assert NYSE.span(None, day("1980-01-01")) is None


@pytest.mark.parametrize(
    ("name", "code"),
    [("NYSE", "XNYS"), ("XNYS", "XNYS"), ("XNAS", "XNYS"), ("LSE", "XLON"), ("CME", "CMES"), ("24/7", "24/7")],
)
def test_an_exchange_is_known_by_the_code_of_its_calendar(name: str, code: str) -> None:
    """Aliases as exchange_calendars lists them in its README."""
    assert exchange_code(name) == code
    assert ExchangeCalendar(name).code == code
    assert ExchangeCalendar(name)._table is ExchangeCalendar(code)._table
    assert pickle.loads(pickle.dumps(ExchangeCalendar(name))).code == code


@pytest.mark.parametrize(("name", "words"), [("XETRA", "did you mean 'XETR'"), ("nyse", "such as XNYS")])
def test_an_exchange_that_does_not_exist_has_no_code(name: str, words: str) -> None:
    with pytest.raises(CalendarError, match=f"unknown exchange '{name}'; .*{words}"):
        exchange_code(name)


def test_an_exchange_has_several_names() -> None:
    assert same_exchange("NYSE", "XNYS") and same_exchange("XNYS", "XNYS")
    assert not same_exchange("XNYS", "XLON") and not same_exchange("XNYS", None)


@pytest.mark.filterwarnings("ignore:Series.values returning:DeprecationWarning")
def test_the_library_agrees() -> None:
    library = xc.get_calendar("XNYS", start="1990-01-01")
    for session in library.sessions[::97]:
        assert NYSE.close_of(session.date()) == library.session_close(session).to_pydatetime()


def test_the_table_reaches_from_1990_to_the_future() -> None:
    assert NYSE.first == day("1990-01-02")
    assert NYSE.last > pd.Timestamp.now("UTC").date()


def test_instances_share_one_table_and_survive_pickling() -> None:
    assert ExchangeCalendar("XNYS")._table is NYSE._table
    assert pickle.loads(pickle.dumps(NYSE))._table is NYSE._table


def test_calendars_with_narrower_bounds_are_cut_to_them() -> None:
    assert ExchangeCalendar("XTKS").first == day("1997-01-06")
    assert ExchangeCalendar("XSHG").first.year == 1990


@pytest.mark.parametrize(
    ("code", "words"), [("XETRA", "did you mean 'XETR'"), ("nyse", "unknown exchange"), ("", "such as XNYS")]
)
def test_an_unknown_exchange_is_refused(code: str, words: str) -> None:
    with pytest.raises(CalendarError, match=words):
        ExchangeCalendar(code)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: NYSE.close_of(day("1985-01-02")),
        lambda: NYSE.close_of(day("2200-01-02")),
        lambda: NYSE.session_of(utc("1985-01-02 21:00")),
        lambda: NYSE.session_of(utc("2200-01-02 21:00")),
        lambda: NYSE.sessions(day("1985-01-02"), day("2018-01-02")),
        lambda: NYSE.sessions(day("2018-01-02"), day("2200-01-02")),
        lambda: NYSE.sessions_of(pd.DatetimeIndex(["1985-01-02", "2018-01-02"])),
    ],
)
def test_dates_outside_the_calendar_are_refused(ask) -> None:
    with pytest.raises(CalendarError, match="is outside the calendar of XNYS, which is known from 1990-01-02 to"):
        ask()


def test_a_day_without_a_session_names_the_next_one() -> None:
    with pytest.raises(CalendarError, match="XNYS has no session on 2018-12-25; the next one is 2018-12-26"):
        NYSE.close_of(day("2018-12-25"))
