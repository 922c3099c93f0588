"""Quotes: a bid above the ask, and series that are nothing but quotes. Expected values by hand."""

from __future__ import annotations

import datetime as dt

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from core.calendar import ExchangeCalendar
from feeds.checks import check_series, propose_repairs

CALENDAR = ExchangeCalendar("XNYS")
PRICES = ["open", "high", "low", "close"]


def quoted() -> pd.DataFrame:
    """A hundred calm days: closes of 100, 101, 100, 99 and again, quoted a cent below and above."""
    days = CALENDAR.sessions(dt.date(2021, 3, 1), dt.date(2021, 12, 31))[:100]
    index = pd.DatetimeIndex(np.array(days, dtype="datetime64[us]"), name="time")
    close = 100.0 + np.tile([0.0, 1.0, 0.0, -1.0], 25)
    columns = {"open": close + 0.1, "high": close + 1.0, "low": close - 1.0, "close": close}
    return pd.DataFrame({**columns, "bid": close - 0.01, "ask": close + 0.01}, index=index)


def made_of_quotes() -> pd.DataFrame:
    """As a file of quotes alone is read: open, high, low and close are the middle of bid and ask."""
    frame = quoted().assign(volume=0.0)
    for name in PRICES:
        frame[name] = (frame["bid"] + frame["ask"]) / 2.0
    return frame


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


def test_their_sizes_are_swapped_with_them() -> None:
    frame = quoted().assign(bid_size=300.0, ask_size=500.0)
    frame.loc[frame.index[52], ["bid", "ask"]] = [100.01, 99.99]
    (repair,) = propose_repairs("ABC", "1d", frame, CALENDAR)
    assert repair.after == {"bid": 99.99, "ask": 100.01, "bid_size": 500.0, "ask_size": 300.0}


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


def test_quotes_that_are_no_spread_make_no_price() -> None:
    """In bars made of quotes the close of such a row is the middle of 130 and 100.01: the row goes."""
    frame = made_of_quotes()
    frame.loc[frame.index[52], "bid"] = 130.0
    frame.loc[frame.index[52], PRICES] = (130.0 + 100.01) / 2.0
    (repair,) = propose_repairs("ABC", "1d", frame, CALENDAR)
    assert (repair.rule, repair.action, repair.time) == ("crossed_quotes", "drop", frame.index[52])
    frame.loc[frame.index[52], "bid"] = 100.03  # by two cents, as every spread is: the middle stays as it was
    frame.loc[frame.index[52], PRICES] = (100.03 + 100.01) / 2.0
    (repair,) = propose_repairs("ABC", "1d", frame, CALENDAR)
    assert (repair.action, repair.after) == ("set", {"bid": 100.01, "ask": 100.03})


# Bids and asks that are none


NO_QUOTES = [0.0, -1.0, -0.0, np.inf, -np.inf]


@pytest.mark.parametrize("value", NO_QUOTES)
@pytest.mark.parametrize("names", [["bid"], ["ask"], ["bid", "ask"]])
def test_a_bid_or_ask_that_is_none_is_left_out_and_its_bar_stays(names: list[str], value: float) -> None:
    frame = quoted()
    frame.loc[frame.index[52], names] = value
    (repair,) = propose_repairs("ABC", "1d", frame, CALENDAR)
    rule = "missing_price" if np.isinf(value) else "nonpositive_price"
    assert (repair.rule, repair.action, repair.time) == (rule, "set", frame.index[52])
    assert repair.before == dict.fromkeys(names, value)
    np.testing.assert_equal(dict(repair.after), dict.fromkeys(names, np.nan))
    what = "infinite" if np.isinf(value) else "at or below 0"
    assert repair.reason == f"{' and '.join(names)} {what}: no quote; left out, and the prices are kept"
    (finding,) = check_series("ABC", "1d", frame, CALENDAR)
    assert (finding.rule, finding.severity, finding.rows, finding.repair) == (rule, "error", 1, "set")
    frame.loc[frame.index[52], names] = np.nan
    assert check_series("ABC", "1d", frame, CALENDAR) == []


def test_a_series_may_have_bids_alone_beside_its_prices() -> None:
    frame = quoted().drop(columns="ask")
    frame.loc[frame.index[52], "bid"] = 0.0
    (repair,) = propose_repairs("ABC", "1d", frame, CALENDAR)
    assert (repair.rule, repair.action, repair.before) == ("nonpositive_price", "set", {"bid": 0.0})


def test_a_bar_whose_close_alone_is_the_middle_of_its_quotes_stays() -> None:
    frame = quoted()
    frame.loc[frame.index[52], ["bid", "ask"]] = [110.0, 90.0]  # the close is 100, the open 100.1
    (repair,) = propose_repairs("ABC", "1d", frame, CALENDAR)
    assert (repair.rule, repair.action) == ("crossed_quotes", "set")


def test_a_source_that_writes_0_for_every_bid_loses_no_bar() -> None:
    frame = quoted().assign(bid=0.0)
    (finding,) = check_series("ABC", "1d", frame, CALENDAR)
    assert (finding.rule, finding.rows, finding.repair) == ("nonpositive_price", 100, "set")
    assert check_series("ABC", "1d", frame.assign(bid=np.nan), CALENDAR) == []


@pytest.mark.parametrize("value", NO_QUOTES)
def test_a_row_that_is_made_of_quotes_goes_with_a_quote_that_is_none(value: float) -> None:
    frame = made_of_quotes()
    frame.loc[frame.index[52], "bid"] = value
    frame.loc[frame.index[52], PRICES] = (value + 100.01) / 2.0  # 50.005, which is the price of nothing
    for alone in (frame, frame[["bid", "ask"]]):
        (repair,) = propose_repairs("ABC", "1d", alone, CALENDAR)
        rule = "missing_price" if np.isinf(value) else "nonpositive_price"  # and not the spike that it is, too
        assert (repair.rule, repair.action, repair.time) == (rule, "drop", frame.index[52])


def test_a_bar_without_a_right_price_goes_whatever_its_quotes_are() -> None:
    frame = quoted()
    frame.loc[frame.index[20], ["low", "bid"]] = [-1.0, 0.0]
    frame.loc[frame.index[40], ["close", "ask"]] = [np.nan, np.inf]
    repairs = propose_repairs("ABC", "1d", frame, CALENDAR)
    assert [(repair.rule, repair.action, repair.time) for repair in repairs] == [
        ("nonpositive_price", "drop", frame.index[20]), ("missing_price", "drop", frame.index[40]),
    ]  # fmt: skip


def test_a_series_whose_price_is_the_middle_of_its_quotes_needs_both() -> None:
    """It has an open, and no column close."""
    frame = quoted()[["open", "bid", "ask"]]
    frame.loc[frame.index[20], "bid"] = np.nan
    frame.loc[frame.index[40], "ask"] = 0.0
    repairs = propose_repairs("ABC", "1d", frame, CALENDAR)
    assert [(repair.action, repair.time) for repair in repairs] == [
        ("drop", frame.index[20]), ("drop", frame.index[40]),
    ]  # fmt: skip


cells = st.tuples(
    st.integers(0, 99),
    st.sampled_from(["bid", "ask"]),
    st.sampled_from([*NO_QUOTES, np.nan, 1e-12, 99.98, 100.02, 130.0, 1e9]),
)


@given(
    spoilt=st.lists(cells, max_size=30),
    column=st.sampled_from([None, "bid", "ask"]),
    again=st.lists(st.integers(0, 99), max_size=3),
)
def test_whatever_the_quotes_are_no_bar_with_prices_is_lost_and_no_second_repair_needed(
    spoilt: list[tuple[int, str, float]], column: str | None, again: list[int]
) -> None:
    frame = quoted()
    if column:
        frame[column] = 0.0
    for row, name, value in spoilt:
        frame.iloc[row, frame.columns.get_loc(name)] = value
    whole = pd.concat([frame, frame.iloc[again]]).sort_index(kind="stable")
    repairs = propose_repairs("ABC", "1d", whole, CALENDAR)
    assert sum(repair.action == "drop" for repair in repairs) == len(again)  # of the rows that come twice
    mended = whole.copy()
    keep = np.ones(len(whole), dtype=bool)
    for repair in repairs:
        at = int(whole.index.searchsorted(repair.time)) + repair.row
        keep[at] = repair.action == "set"
        for name, after in repair.after.items():
            assert name in ("bid", "ask")
            mended.iloc[at, mended.columns.get_loc(name)] = after
    mended = mended[keep]
    pd.testing.assert_frame_equal(mended[PRICES], frame[PRICES])
    assert check_series("ABC", "1d", mended, CALENDAR) == []
    bid, ask = mended["bid"], mended["ask"]
    assert not ((bid <= 0.0) | (ask <= 0.0) | np.isinf(bid) | np.isinf(ask) | (bid > ask)).any()
    fine = (frame["bid"] > 0.0) & (frame["ask"] < np.inf) & (frame["bid"] <= frame["ask"])
    pd.testing.assert_frame_equal(mended[fine], frame[fine])  # what can be is left alone
