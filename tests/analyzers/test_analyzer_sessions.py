"""Bars to sessions, with a real exchange calendar."""

from __future__ import annotations

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.sessions import session_equity, session_pnl, session_returns, sessions_of
from analyzers.wiring import utc_index
from core.calendar import ExchangeCalendar


@pytest.fixture(scope="module")
def nyse() -> ExchangeCalendar:
    return ExchangeCalendar("XNYS")


def stamps(*texts: str) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(texts, tz="UTC")


def test_the_last_bar_of_a_session_counts() -> None:
    equity = pd.Series([1.0, 2.0, 3.0], index=stamps("2024-01-02 15:00", "2024-01-02 21:00", "2024-01-03 21:00"))
    assert session_equity(equity).to_dict() == {pd.Timestamp("2024-01-02"): 2.0, pd.Timestamp("2024-01-03"): 3.0}


def test_first_return_is_from_the_capital() -> None:
    equity = pd.Series([110.0, 99.0], index=stamps("2024-01-02 21:00", "2024-01-03 21:00"))
    assert session_returns(equity, 100.0).tolist() == pytest.approx([0.10, -0.10])
    assert session_pnl(equity, 100.0).tolist() == [10.0, -11.0]


def test_a_bar_after_the_close_belongs_to_the_next_session(nyse: ExchangeCalendar) -> None:
    found = sessions_of(stamps("2024-01-05 21:00", "2024-01-05 21:01", "2024-01-12 21:30"), nyse)
    # Friday's close; Friday evening is Monday; the Friday before Martin Luther King's day is Tuesday
    assert [str(day.date()) for day in found] == ["2024-01-05", "2024-01-08", "2024-01-16"]


def test_sessions_agree_with_the_calendar(nyse: ExchangeCalendar) -> None:
    index = pd.date_range("2024-06-28 12:00", "2024-07-10", freq="37min", tz="UTC")
    expected = [nyse.session_of(stamp) for stamp in index]
    assert [day.date() for day in sessions_of(index, nyse)] == expected


def test_a_session_without_a_bar_keeps_its_equity(nyse: ExchangeCalendar) -> None:
    equity = pd.Series([100.0, 130.0], index=stamps("2024-01-02 21:00", "2024-01-05 21:00"))
    ends = session_equity(equity, nyse)
    assert ends.tolist() == [100.0, 100.0, 100.0, 130.0]
    assert session_returns(equity, 100.0, nyse).tolist() == pytest.approx([0.0, 0.0, 0.0, 0.3])
    assert len(session_equity(equity)) == 2


def test_naive_stamps_are_utc() -> None:
    assert sessions_of(pd.DatetimeIndex(["2024-01-02 23:59"]))[0] == pd.Timestamp("2024-01-02")


def test_no_bar(nyse: ExchangeCalendar) -> None:
    empty = pd.Series(dtype=float, index=stamps())
    assert session_returns(empty, 100.0).empty
    assert session_returns(empty, 100.0, nyse).empty


@given(st.integers(0, 70 * 365 * 86_400_000).map(lambda ms: pd.Timestamp("1990-01-01") + pd.Timedelta(ms, "ms")))
def test_day_numbers_become_the_stamps_they_were(when: pd.Timestamp) -> None:
    assert utc_index([bt.date2num(when.to_pydatetime())])[0] == when.tz_localize("UTC")


def test_many_day_numbers_at_once() -> None:
    expected = pd.date_range("1999-01-04 21:00", periods=1_000, freq="1min", tz="UTC")
    numbers = np.array([bt.date2num(stamp.to_pydatetime().replace(tzinfo=None)) for stamp in expected])
    assert (utc_index(numbers) == expected).all()
