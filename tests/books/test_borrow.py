"""Borrow fee against IBKR's example and examples worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from books.borrow import borrow_fee, collateral_mark
from core.errors import CostError


@pytest.mark.parametrize(
    ("shares", "close", "rate", "days", "fee"),
    [
        pytest.param(100_000, 0.25, 0.50, 1, 138.89, id="IBKR: 100000 x 1 x 50% / 360 = 138.89"),
        pytest.param(1000, 0.10, 0.36, 1, 1.00, id="USD 0.10 counts as 1: 1000 x 1 x 36% / 360 = 1.00"),
        pytest.param(100, 50.0, 0.036, 1, 0.51, id="102% of 50 is 51 exactly: 5100 x 3.6% / 360 = 0.51"),
        pytest.param(100, 150.0, 0.036, 1, 1.53, id="102% of 150 is 153 exactly: 15300 x 3.6% / 360 = 1.53"),
        pytest.param(100, 50.01, 0.036, 1, 0.52, id="102% of 50.01 is 51.0102, up to 52: 0.52"),
        pytest.param(-200, 25.0, 0.005, 3, 0.2167, id="25.50 up to 26: 5200 x 0.5% x 3 / 360 = 0.2167 over a weekend"),
        pytest.param(100, 42.8, 0.0029, 1, 0.0354, id="43.656 up to 44: 4400 x 0.29% / 360 = 0.0354"),
        pytest.param(100, 25.0, 0.005, 0, 0.0, id="no night, no fee"),
        pytest.param(100, 25.0, 0.0, 5, 0.0, id="nothing to pay where the rate is zero"),
    ],
)
def test_borrow_fee(shares: float, close: float, rate: float, days: int, fee: float) -> None:
    assert borrow_fee(shares, close, rate, days) == pytest.approx(fee, abs=5e-3 if fee > 100 else 5e-5)


def test_collateral_outside_north_america_is_105_percent_to_the_cent() -> None:
    assert collateral_mark(20.0, "EUR") == pytest.approx(21.00)  # 1.05 x 20
    assert collateral_mark(10.33, "GBP") == pytest.approx(10.85)  # 10.8465 up
    # 100 x 21.00 x 3.6% / 360 = 0.21
    assert borrow_fee(100, 20.0, 0.036, 1, "EUR") == pytest.approx(0.21)


@pytest.mark.parametrize(
    ("close", "currency", "mark"),
    [
        pytest.param(2.20, "EUR", 2.31, id="1.05 x 2.20 is 2.3100000000000005 in floating point"),
        pytest.param(50.00000000000044, "USD", 51.0, id="500 x 0.1 added up"),
    ],
)
def test_floating_point_does_not_round_up_a_whole_collateral(close: float, currency: str, mark: float) -> None:
    assert collateral_mark(close, currency) == pytest.approx(mark, rel=1e-12)


@given(cents=st.integers(1, 10_000_000))
def test_collateral_is_the_next_whole_dollar_or_cent(cents: int) -> None:
    assert collateral_mark(cents / 100) == -(-cents * 102 // 10_000)  # in integers, exact
    assert round(collateral_mark(cents / 100, "EUR") * 100) == -(-cents * 105 // 100)


@pytest.mark.parametrize(
    ("shares", "close", "rate", "days"), [(100, -1.0, 0.1, 1), (100, 10.0, -0.1, 1), (100, 10.0, 0.1, -1)]
)
def test_impossible_borrow_is_refused(shares: float, close: float, rate: float, days: int) -> None:
    with pytest.raises(CostError, match="previous close"):
        borrow_fee(shares, close, rate, days)
    with pytest.raises(CostError):
        borrow_fee(float("nan"), 10.0, 0.1, 1)
