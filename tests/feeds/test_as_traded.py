"""Undoing splits: published prices and ratios, and what holds for all of them."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.sources.as_traded import Ratio, applied, dividend_as_paid, is_split, later_product, tidy

APPLE = [  # its splits, as published by the company
    Ratio(dt.date(2020, 8, 31), 4.0),
    Ratio(dt.date(2014, 6, 9), 7.0),
    Ratio(dt.date(2005, 2, 28), 2.0),
    Ratio(dt.date(2000, 6, 21), 2.0),
    Ratio(dt.date(1987, 6, 16), 2.0),
]
ratios = st.sampled_from([2.0, 3.0, 4.0, 7.0, 10.0, 20.0, 1.5, 1.25, 1.046, 1.281, 0.5, 0.125, 0.1, 1 / 15])


def days(*dates: str) -> np.ndarray:
    return np.array(dates, dtype="datetime64[D]")


def test_a_day_counts_the_splits_after_it_and_not_that_of_the_day() -> None:
    asked = days("1987-06-15", "1987-06-16", "2000-06-20", "2005-02-28", "2014-06-06", "2014-06-09", "2020-08-31")
    assert later_product(asked, APPLE).tolist() == [224.0, 112.0, 112.0, 28.0, 28.0, 4.0, 1.0]
    assert later_product(asked[:2], []).tolist() == [1.0, 1.0]


@given(st.integers(1, 4_000_000), st.lists(ratios, max_size=4), st.lists(ratios, max_size=3))
def test_a_price_in_cents_comes_back_whatever_splits_follow(
    cents: int, before: list[float], after: list[float]
) -> None:
    """Yahoo keeps price / ratios in single precision: the answer of last year and that of today are one price."""
    price = cents / 100
    for factor in (1.0, math.prod(before), math.prod(before) * math.prod(after)):
        kept = np.array([np.float32(price / factor)], dtype="float64")
        assert tidy(kept * factor).tolist() == [price]


def test_tidy_leaves_what_is_no_number_and_what_needs_its_digits() -> None:
    assert tidy(np.array([94.19999694824219, 0.0, -1.25, 0.00012345])).tolist() == [94.2, 0.0, -1.25, 0.00012345]
    assert np.isnan(tidy(np.array([np.nan]))).all()


def test_dividends_come_back_as_they_were_paid() -> None:
    # Apple paid 2.65 in 2012, 3.29 in June 2014 before 7:1 and 0.82 in August 2020 before 4:1
    assert dividend_as_paid(0.094643, 28.0) == 2.65
    assert dividend_as_paid(0.1175, 28.0) == 3.29
    assert dividend_as_paid(0.205, 4.0) == 0.82
    assert dividend_as_paid(0.0012345, 1.0) == 0.0012345


@pytest.mark.parametrize("value", [2.0, 1.5, 1.25, 4 / 3, 21 / 20, 1.03, 7.0, 0.125, 1 / 49.426, 2.002, 1.0])
def test_splits_and_stock_dividends_are_splits(value: float) -> None:
    assert is_split(value)


@pytest.mark.parametrize("value", [1.046, 1.281, 1.253, 1.0027455, 1.3239])
def test_odd_ratios_above_one_are_spin_offs(value: float) -> None:
    assert not is_split(value)


def test_a_fall_by_the_very_ratio_is_a_split_not_applied_yet() -> None:
    split = [Ratio(dt.date(2024, 6, 10), 10.0)]
    around = days("2024-06-06", "2024-06-07", "2024-06-10", "2024-06-11")
    assert applied(around, np.array([1210.0, 1209.0, 121.8, 120.9]), split) == ([], split)
    assert applied(around, np.array([121.0, 120.9, 121.8, 120.9]), split) == (split, [])
    assert applied(around, np.array([121.0, np.nan, 60.0, 61.0]), split) == (split, [])  # a crash by half is none
    assert applied(around[:2], np.array([1210.0, 1209.0]), split) == (split, [])  # nothing after it to compare
    two = [Ratio(dt.date(2024, 6, 10), 2.0)]
    assert applied(around, np.array([100.0, 100.0, 70.0, 69.0]), two) == (two, [])  # nor is one by a third
    small = [Ratio(dt.date(2024, 6, 10), 1.05)]
    assert applied(around, np.array([105.0, 105.0, 100.0, 100.0]), small) == (small, [])


@given(st.lists(st.floats(-0.15, 0.15), min_size=2, max_size=30), st.data())
def test_days_of_up_to_fifteen_percent_are_never_taken_for_a_split(moves: list[float], data: st.DataObject) -> None:
    closes = 100 * np.cumprod(1 + np.array(moves))
    sessions = np.datetime64("2024-01-01") + np.arange(len(moves))
    day = data.draw(st.integers(0, len(moves)))
    value = data.draw(st.sampled_from([1.5, 2.0, 3.0, 10.0, 0.5, 0.1]))
    split = [Ratio((np.datetime64("2024-01-01") + day).astype(object), value)]
    assert applied(sessions, closes, split) == (split, [])
