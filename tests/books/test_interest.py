"""Interest and conversion costs against IBKR's examples and examples worked by hand."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from books.conversion import AutoConversion, SpotConversion, conversion
from books.interest import Interest, credit_interest, debit_interest
from books.rates import Rates
from core.errors import RateError
from core.settings import FxSettings

MONDAY = dt.datetime(2024, 3, 4, 15, 0, tzinfo=dt.UTC)
CENT = 0.005


@pytest.mark.parametrize(
    ("currency", "debit", "benchmark", "a_day"),
    [
        pytest.param("USD", 600_000, 0.0532, 106.72, id="IBKR: 100000 x 6.82% / 360 + 500000 x 6.32% / 360"),
        pytest.param("GBP", 160_000, 0.0491, 27.00, id="IBKR: 80000 x 6.41% / 365 + 80000 x 5.91% / 365"),
        pytest.param("USD", 36_000, 0.0350, 5.00, id="36000 x 5% / 360"),
        pytest.param("EUR", 36_000, 0.0200, 3.50, id="36000 x 3.5% / 360"),
        pytest.param("EUR", 180_000, 0.0200, 16.25, id="90000 x 3.5% / 360 + 90000 x 3% / 360 = 8.75 + 7.50"),
        pytest.param("USD", 36_000, -0.0040, 1.50, id="negative benchmark counts as 0: 36000 x 1.5% / 360"),
        pytest.param("USD", 2_000_000, 0.0, 50.0, id="(1500 + 9000 + 7500) / 360: 100000, 900000 and a million"),
        pytest.param("AUD", 36_500, 0.0350, 5.00, id="365 days: 36500 x (3.5% + 1.5%) / 365"),
        pytest.param("USD", 0, 0.05, 0.0, id="nothing owed"),
    ],
)
def test_debit_interest_of_a_day(currency: str, debit: float, benchmark: float, a_day: float) -> None:
    assert debit_interest(currency, debit, benchmark) == pytest.approx(a_day, abs=CENT)


def test_credit_interest_is_off_unless_switched_on() -> None:
    benchmarks = Rates(constants={"EUR": 0.041})
    assert Interest(benchmarks).of_day("EUR", 1_000_000.0, MONDAY) == 0.0
    # (46000 - 10000) x (4.1% - 0.5%) / 360 = 3.60
    assert Interest(benchmarks, credit=True).of_day("EUR", 46_000.0, MONDAY) == pytest.approx(3.60)
    assert Interest(benchmarks, credit=True).of_day("EUR", 10_000.0, MONDAY) == 0.0


def test_credit_interest_is_never_negative() -> None:
    assert credit_interest("EUR", 100_000, -0.005, 0.005) == 0.0
    assert credit_interest("EUR", 100_000, 0.003, 0.005) == 0.0


def test_a_debit_without_benchmark_names_the_setting() -> None:
    with pytest.raises(RateError, match=r"costs\.interest\.benchmarks\.GBP"):
        Interest(Rates(constants={"USD": 0.05}, setting="costs.interest")).of_day("GBP", -1.0, MONDAY)


@given(debit=st.floats(1, 1e8), more=st.floats(0, 1e8), benchmark=st.floats(-0.02, 0.2))
def test_a_greater_debit_costs_more_at_a_falling_average_rate(debit: float, more: float, benchmark: float) -> None:
    small, great = debit_interest("USD", debit, benchmark), debit_interest("USD", debit + more, benchmark)
    assert great >= small
    assert great / (debit + more) <= small / debit * (1 + 1e-12)


FX = Rates("EUR", {"USD": 0.8, "GBP": 1.2})


@pytest.mark.parametrize(
    ("currency", "amount", "cost"),
    [
        pytest.param("USD", 50_000, 1.60, id="IBKR: USD 50000 = minimum USD 2.00 = EUR 1.60"),
        pytest.param("USD", -50_000, 1.60, id="a debit costs as much"),
        pytest.param("USD", 100_000, 1.60, id="IBKR: 100000 x 0.2 bp = USD 2.00"),
        pytest.param("USD", 200_000, 3.20, id="200000 x 0.2 bp = USD 4.00"),
        pytest.param("USD", 1_250_000_000, 19_000.0, id="IBKR: 20000 + 3750 = USD 23750"),
        pytest.param("GBP", 200_000, 4.80, id="GBP 200000 = USD 300000: x 0.2 bp = USD 6.00"),
    ],
)
def test_spot_conversion(currency: str, amount: float, cost: float) -> None:
    assert SpotConversion().cost(currency, amount, FX, MONDAY) == pytest.approx(cost, rel=1e-12)


@pytest.mark.parametrize(
    ("before", "minimum"), [(0.0, 2.00), (1.5e9, 1.50), (3e9, 1.25), (6e9, 1.00)], ids=["I", "II", "III", "IV"]
)
def test_spot_minimum_falls_with_the_month(before: float, minimum: float) -> None:
    spot = SpotConversion()
    spot.book("USD", before, FX, MONDAY)
    assert spot.cost("USD", 100.0, FX, MONDAY) == pytest.approx(minimum * 0.8)
    assert spot.cost("USD", 100.0, FX, MONDAY + dt.timedelta(days=31)) == pytest.approx(2.00 * 0.8)


def test_automatic_conversion_is_a_markup_without_minimum() -> None:
    # USD 10,000 at 0.8 = EUR 8,000 x 0.03% = 2.40
    assert AutoConversion(0.0003).cost("USD", 10_000, FX, MONDAY) == pytest.approx(2.40)
    assert AutoConversion(0.0003).cost("USD", -10, FX, MONDAY) == pytest.approx(0.0024)


def test_spot_conversion_needs_a_rate_of_the_dollar() -> None:
    with pytest.raises(RateError, match="USD"):
        SpotConversion().cost("GBP", 1000.0, Rates("EUR", {"GBP": 1.2}), MONDAY)


def test_settings_choose_the_conversion() -> None:
    assert isinstance(conversion(FxSettings()), SpotConversion)
    assert conversion(FxSettings(conversion="auto", auto_markup=0.001)) == AutoConversion(0.001)
