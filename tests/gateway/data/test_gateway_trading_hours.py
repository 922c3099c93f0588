"""Trading hours: IBKR's text, early closes, holidays, change of the clocks, nights, pairs."""

from __future__ import annotations

import datetime as dt

import pytest
from replayed.world import new_york

from gateway.data.sample import EURUSD, XMPLA, XMPLD, XMPLX
from gateway.hours import hours_of, moment_of, moment_to_datetime


def test_text_over_an_early_close_and_a_holiday() -> None:
    hours = hours_of(XMPLA)
    now = new_york("2024-07-02 12:00:00")
    assert hours.text(now, regular=True) == (
        "20240702:0930-20240702:1600;20240703:0930-20240703:1300;20240704:CLOSED;20240705:0930-20240705:1600;"
        "20240706:CLOSED;20240707:CLOSED;20240708:0930-20240708:1600"
    )
    assert hours.text(now, regular=False) == (
        "20240702:0400-20240702:2000;20240703:0400-20240703:1700;20240704:CLOSED;20240705:0400-20240705:2000;"
        "20240706:CLOSED;20240707:CLOSED;20240708:0400-20240708:2000"
    )


def test_text_begins_on_the_day_of_the_exchange() -> None:
    late = dt.datetime(2024, 7, 3, 1, 0, tzinfo=dt.UTC)  # still 2 July in New York
    assert hours_of(XMPLA).text(late, regular=True).startswith("20240702:0930-20240702:1600;")


def test_text_of_a_pair_begins_the_day_before() -> None:
    text = hours_of(EURUSD).text(new_york("2024-12-24 12:00:00"), regular=False).split(";")
    assert text == [
        "20241223:1715-20241224:1700",
        "20241225:CLOSED",
        "20241225:1715-20241226:1700",
        "20241226:1715-20241227:1700",
        "20241228:CLOSED",
        "20241229:CLOSED",
        "20241229:1715-20241230:1700",
    ]
    assert hours_of(EURUSD).text(new_york("2024-12-24 12:00:00"), regular=True).split(";") == text


def test_text_of_other_exchanges_is_in_their_own_time() -> None:
    now = new_york("2024-07-04 08:00:00")
    assert hours_of(XMPLD[1]).text(now, True).startswith("20240704:0800-20240704:1630;20240705:0800-20240705:1630;2024")
    assert hours_of(XMPLD[2]).text(now, False).startswith("20240704:0900-20240704:1730;")


@pytest.mark.parametrize(
    ("text", "regular", "extended"),
    [
        ("2024-03-08 03:59:59", False, False),
        ("2024-03-08 04:00:00", False, True),
        ("2024-03-08 09:29:59", False, True),
        ("2024-03-08 09:30:00", True, True),
        ("2024-03-08 15:59:59", True, True),
        ("2024-03-08 16:00:00", False, True),
        ("2024-03-08 20:00:00", False, False),
        ("2024-03-09 12:00:00", False, False),
        ("2024-03-11 09:30:00", True, True),  # the clocks have changed
        ("2024-11-04 09:30:00", True, True),
        ("2024-11-29 13:00:00", False, True),  # the day after Thanksgiving
        ("2024-11-29 17:00:00", False, False),
    ],
)
def test_sessions_hold_moments(text: str, regular: bool, extended: bool) -> None:
    hours, moment = hours_of(XMPLA), moment_of(new_york(text))
    assert (hours.number_at(moment, True) is not None, hours.number_at(moment, False) is not None) == (
        regular,
        extended,
    )


def test_an_index_has_regular_hours_only() -> None:
    hours = hours_of(XMPLX)
    number = hours.number_of(dt.date(2024, 3, 8))
    assert number is not None
    session = hours.session(number)
    assert session.window(regular=False) == session.window(regular=True)
    assert moment_to_datetime(session.open) == new_york("2024-03-08 09:30:00")


def test_pairs_trade_over_the_night_but_for_a_quarter_of_an_hour() -> None:
    hours = hours_of(EURUSD)
    for text, there in (
        ("16:59:59", True),
        ("17:00:00", False),
        ("17:14:59", False),
        ("17:15:00", True),
        ("23:00:00", True),
    ):
        assert (hours.number_at(moment_of(new_york(f"2024-03-12 {text}")), False) is not None) == there
    assert hours.number_at(moment_of(new_york("2024-03-08 18:00:00")), False) is None  # Friday evening
    assert hours.number_at(moment_of(new_york("2024-03-10 18:00:00")), False) is not None  # Sunday evening
