"""Quotes: a bid above the ask, and series that are nothing but quotes. Expected values by hand."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from core.calendar import ExchangeCalendar
from feeds.checks import check_series, propose_repairs

CALENDAR = ExchangeCalendar("XNYS")


def quoted() -> pd.DataFrame:
    """A hundred calm days: closes of 100, 101, 100, 99 and again, quoted a cent below and above."""
    days = CALENDAR.sessions(dt.date(2021, 3, 1), dt.date(2021, 12, 31))[:100]
    index = pd.DatetimeIndex(np.array(days, dtype="datetime64[us]"), name="time")
    close = 100.0 + np.tile([0.0, 1.0, 0.0, -1.0], 25)
    columns = {"open": close + 0.1, "high": close + 1.0, "low": close - 1.0, "close": close}
    return pd.DataFrame({**columns, "bid": close - 0.01, "ask": close + 0.01}, index=index)


def test_a_series_of_quotes_needs_no_close_and_no_volume() -> None:
    quotes = quoted()[["bid", "ask"]].assign(open=np.nan, high=np.nan, low=np.nan, close=np.nan, volume=np.nan)
    assert check_series("ABC", "1d", quotes, CALENDAR) == []
    quotes.iloc[40, quotes.columns.get_loc("ask")] = np.nan
    (finding,) = check_series("ABC", "1d", quotes, CALENDAR)
    assert (finding.rule, finding.severity, finding.first) == ("missing_price", "error", quotes.index[40])


def test_crossed_quotes_are_swapped_if_that_is_a_spread() -> None:
    frame = quoted()
    frame.loc[frame.index[52], ["bid", "ask"]] = [100.01, 99.99]
    (repair,) = propose_repairs("ABC", "1d", frame, CALENDAR)
    assert (repair.before, repair.after) == ({"bid": 100.01, "ask": 99.99}, {"bid": 99.99, "ask": 100.01})


def test_crossed_quotes_that_are_no_spread_become_unknown() -> None:
    frame = quoted()
    frame.loc[frame.index[52], "bid"] = 130.0
    (repair,) = propose_repairs("ABC", "1d", frame, CALENDAR)
    assert (repair.action, repair.before) == ("set", {"bid": 130.0, "ask": 100.01})
    assert sorted(repair.after) == ["ask", "bid"] and np.isnan(list(repair.after.values())).all()
    (gone,) = propose_repairs("ABC", "1d", frame[["bid", "ask"]], CALENDAR)
    assert (gone.action, gone.time) == ("drop", frame.index[52])


def test_quotes_whose_columns_are_swapped_are_all_swapped_back() -> None:
    frame = quoted().rename(columns={"bid": "ask", "ask": "bid"})
    (finding,) = check_series("ABC", "1d", frame, CALENDAR)
    assert (finding.rule, finding.rows) == ("crossed_quotes", 100)
