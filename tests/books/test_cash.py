"""The cash book: by hand where money is small, and an identity that no order of calls may break."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from books.cash import CashBook
from books.conversion import AutoConversion, SpotConversion
from books.interest import Interest
from books.rates import Rates
from core.errors import EngineError, RateError
from core.settings import CostSettings, FxSettings, InterestSettings

FRIDAY = dt.datetime(2024, 3, 1, 21, 0, tzinfo=dt.UTC)
MONDAY = FRIDAY + dt.timedelta(days=3)


def series(*rates: tuple[str, float]) -> Rates:
    """Euros for a dollar from a file; a pound is always 1.20."""
    Path("usd.csv").write_text("date,rate\n" + "".join(f"{day},{rate}\n" for day, rate in rates))
    return Rates("EUR", {"GBP": 1.20}, {"USD": "usd.csv"})


def constant(usd: float = 0.9) -> Rates:
    return Rates("EUR", {"USD": usd, "GBP": 1.20})


def test_a_purchase_in_dollars_leaves_a_debit_that_changes_with_the_rate() -> None:
    book = CashBook("EUR", "borrow", series(("2024-03-01", 0.90), ("2024-03-04", 0.92)))
    book.post("EUR", 10_000.0, FRIDAY)
    book.post("USD", -5_000.0, FRIDAY)
    assert book.balances == {"EUR": 10_000.0, "USD": -5_000.0}
    assert book.value(FRIDAY) == pytest.approx(5_500.0)  # 10000 - 5000 x 0.90
    assert book.sweep("USD", FRIDAY) == 0.0
    assert book.revalue(MONDAY) == pytest.approx(-100.0)  # -5000 x 0.02
    assert book.cash_fx_eur == pytest.approx(-100.0)
    assert book.value(MONDAY) == pytest.approx(5_400.0)
    assert book.revalue(MONDAY) == 0.0


def test_principal_of_a_position_cancels_the_debit_that_financed_it() -> None:
    book = CashBook("EUR", "borrow", series(("2024-03-01", 0.90), ("2024-03-04", 0.92)))
    book.post("USD", -5_000.0, FRIDAY)
    assert book.revalue(MONDAY, {"USD": 4_900.0, "EUR": 1e6}) == pytest.approx(-2.0)  # (-5000 + 4900) x 0.02
    assert book.revalue(MONDAY + dt.timedelta(days=1)) == 0.0


def test_a_posting_is_not_revalued_for_the_time_before_it() -> None:
    rates = series(("2024-03-01", 0.90), ("2024-03-04", 0.92), ("2024-03-05", 0.95))
    book = CashBook("EUR", "borrow", rates)
    book.post("USD", 1_000.0, FRIDAY)
    book.post("USD", 500.0, MONDAY)  # the 1000 gained 20 before
    assert book.cash_fx_eur == pytest.approx(20.0)
    assert book.revalue(MONDAY + dt.timedelta(days=1)) == pytest.approx(45.0)  # 1500 x 0.03
    assert book.cash_fx_eur == pytest.approx(65.0)


def test_a_weekend_pays_three_days_of_interest() -> None:
    book = CashBook("EUR", "borrow", constant(), interest=Interest(Rates(constants={"USD": 0.035})))
    book.post("USD", -36_000.0, FRIDAY)
    assert book.accrue(FRIDAY) == 0.0
    # a day: 36000 x 5% / 360 = 5.00; the debit grows: 5.000000 + 5.000694 + 5.001389 = 15.002083 dollars
    assert book.accrue(MONDAY) == pytest.approx(-15.002083 * 0.9, abs=1e-5)
    assert book.balances["USD"] == pytest.approx(-36_015.002083, abs=1e-5)
    assert book.interest_eur == pytest.approx(-13.501875, abs=1e-5)
    assert book.accrue(MONDAY + dt.timedelta(hours=2)) == 0.0  # once a day


def test_interest_is_at_the_rates_of_each_day() -> None:
    Path("benchmark.csv").write_text("date,rate\n2024-01-01,0.035\n2024-03-03,0.085\n")
    benchmarks = Rates(files={"USD": "benchmark.csv"}, setting="costs.interest")
    fx = series(("2024-03-01", 0.90), ("2024-03-04", 0.80))
    book = CashBook("EUR", "borrow", fx, interest=Interest(benchmarks))
    book.post("USD", -36_000.0, FRIDAY)
    # Saturday 5% at 0.90: 5.00 dollars; Sunday 10%: 10.0014; Monday 10% at 0.80: 10.0042
    assert book.accrue(MONDAY) == pytest.approx(-(5.0 * 0.9 + 10.001389 * 0.9 + 10.004167 * 0.8), abs=1e-5)


def test_ibkr_examples_through_the_book() -> None:
    benchmarks = Rates(constants={"USD": 0.0532, "GBP": 0.0491})
    book = CashBook("EUR", "borrow", constant(), interest=Interest(benchmarks))
    book.post("USD", -600_000.0, FRIDAY)
    book.post("GBP", -160_000.0, FRIDAY)
    book.accrue(FRIDAY + dt.timedelta(days=1))
    assert book.balances["USD"] == pytest.approx(-600_106.72, abs=0.005)
    assert book.balances["GBP"] == pytest.approx(-160_027.00, abs=0.005)
    assert book.interest_eur == pytest.approx(-(106.72 * 0.9 + 27.00 * 1.2), abs=0.01)


def test_proceeds_of_shorts_are_collateral_and_bear_no_interest() -> None:
    interest = Interest(Rates(constants={"USD": 0.04}), credit=True, credit_spread=0.004)
    book = CashBook("EUR", "borrow", constant(), interest=interest)
    book.post("USD", 60_000.0, FRIDAY)
    # 60000 - 40000 held = 20000; above the first 10000: 10000 x 3.6% / 360 = 1.00 dollar
    assert book.accrue(FRIDAY + dt.timedelta(days=1), {"USD": 40_000.0}) == pytest.approx(0.90)
    # more collateral than cash is a debit: 61000 - 60001 = 999 dollars x 5.5% / 360
    assert book.accrue(FRIDAY + dt.timedelta(days=2), {"USD": 61_000.0}) == pytest.approx(-999 * 0.055 / 360 * 0.9)


def test_the_base_currency_pays_interest_too() -> None:
    book = CashBook("EUR", "borrow", constant(), interest=Interest(Rates(constants={"EUR": 0.035})))
    book.post("EUR", -36_000.0, FRIDAY)
    assert book.accrue(FRIDAY + dt.timedelta(days=1)) == pytest.approx(-5.0)
    assert book.balances == {"EUR": pytest.approx(-36_005.0)}


def test_sweep_by_spot_order_costs_two_dollars_at_least() -> None:
    book = CashBook("EUR", "sweep", constant(0.9), converter=SpotConversion())
    book.post("EUR", 20_000.0, FRIDAY)
    book.post("USD", -10_000.0, FRIDAY)
    assert book.sweep("USD", FRIDAY) == pytest.approx(1.80)
    assert book.balances == {"EUR": pytest.approx(20_000 - 9_000 - 1.80), "USD": 0.0}
    assert book.conversion_eur == pytest.approx(1.80)
    assert book.cash_fx_eur == 0.0
    assert book.sweep("USD", FRIDAY) == 0.0  # nothing left to convert


def test_sweep_at_the_automatic_markup() -> None:
    book = CashBook("EUR", "sweep", constant(0.9), converter=AutoConversion(0.0003))
    book.post("USD", 10_000.0, FRIDAY)
    assert book.sweep("USD", FRIDAY) == pytest.approx(2.70)  # 9000 x 0.03%
    assert book.balances["EUR"] == pytest.approx(8_997.30)


def test_sweep_leaves_what_is_not_worth_its_cost_until_it_has_grown() -> None:
    book = CashBook("EUR", "sweep", constant(0.9), converter=SpotConversion())
    book.post("USD", -19.0, FRIDAY)
    assert book.sweep("USD", FRIDAY) == 0.0  # USD 2.00 is more than a tenth of 19
    book.post("USD", -1.0, MONDAY)
    assert book.sweep("USD", MONDAY) == pytest.approx(1.80)


def test_conversions_of_a_month_reach_the_next_tier() -> None:
    book = CashBook("EUR", "sweep", constant(1.0), converter=SpotConversion())
    costs = []
    for _ in range(2):
        book.post("USD", 1_000_000_000.0, FRIDAY)
        costs.append(book.sweep("USD", FRIDAY))
    assert costs == pytest.approx([20_000.0, 15_000.0])


def test_costs_switched_off_are_free() -> None:
    book = CashBook.from_settings("EUR", CostSettings(enabled=False, fx=FxSettings(policy="sweep", rates={"USD": 0.9})))
    book.post("USD", -10_000.0, FRIDAY)
    assert book.accrue(MONDAY) == 0.0
    assert book.sweep("USD", MONDAY) == 0.0
    assert book.balances == {"USD": 0.0, "EUR": pytest.approx(-9_000.0)}


def test_book_from_settings() -> None:
    costs = CostSettings(interest=InterestSettings(benchmarks={"EUR": 0.02, "USD": 0.035}))
    book = CashBook.from_settings("EUR", costs)
    book.post("USD", -36_000.0, FRIDAY)
    assert book.policy == "borrow"
    assert book.accrue(FRIDAY + dt.timedelta(days=1)) == pytest.approx(-4.5)  # 36000 x 5% / 360 x 0.90


def test_errors_say_what_is_missing() -> None:
    book = CashBook("EUR", "borrow", constant())
    with pytest.raises(RateError, match="no rate of CHF"):
        book.post("CHF", 1.0, FRIDAY)
    with pytest.raises(EngineError, match="not finite"):
        book.post("EUR", float("nan"), FRIDAY)
    with pytest.raises(EngineError, match="use one base"):
        CashBook("USD", "borrow", constant())
    assert book.balances == {}


rate = st.floats(0.5, 2.0)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("post"), st.sampled_from(["EUR", "USD", "GBP"]), st.floats(-1e6, 1e6)),
        st.tuples(st.just("sweep"), st.sampled_from(["USD", "GBP"]), st.just(0.0)),
        st.tuples(st.just("accrue"), st.just(""), st.floats(0, 1e5)),
        st.tuples(st.just("revalue"), st.just(""), st.floats(-1e6, 1e6)),
        st.tuples(st.just("day"), st.just(""), st.integers(0, 4)),
    ),
    max_size=25,
)


@given(steps=steps, usd=st.lists(rate, min_size=20, max_size=20), policy=st.sampled_from(["borrow", "sweep"]))
def test_value_equals_flows_less_costs_plus_interest_plus_revaluation(
    steps: list[tuple[str, str, float]], usd: list[float], policy: str
) -> None:
    fx = series(*((f"2024-03-{day:02d}", value) for day, value in enumerate(usd, 1)))
    interest = Interest(Rates(constants={"EUR": 0.02, "USD": 0.05, "GBP": 0.04}), credit=True)
    book = CashBook("EUR", policy, fx, converter=SpotConversion(), interest=interest)  # type: ignore[arg-type]
    flows, when, received = 0.0, FRIDAY, 0.0
    for kind, currency, amount in steps:
        if kind == "post":
            book.post(currency, amount, when)
            flows += amount * fx.rate(currency, when)
        elif kind == "sweep":
            book.sweep(currency, when)
        elif kind == "accrue":
            received += book.accrue(when, {"USD": amount})
        elif kind == "revalue":
            book.revalue(when)
        else:
            when += dt.timedelta(days=int(amount))
    book.revalue(when)
    expected = flows - book.conversion_eur + book.interest_eur + book.cash_fx_eur
    assert book.value(when) == pytest.approx(expected, rel=1e-9, abs=1e-4)
    assert received + book.accrue(when) == pytest.approx(book.interest_eur, rel=1e-9, abs=1e-6)


@given(
    trades=st.lists(st.tuples(st.floats(-1e5, 1e5), st.floats(-100, 100)), min_size=1, max_size=15),
    usd=st.lists(rate, min_size=20, max_size=20),
)
def test_balances_plus_principal_add_up_when_positions_come_and_go(
    trades: list[tuple[float, float]], usd: list[float]
) -> None:
    # One trade a day: principal moves by `size`, cash by minus that plus a fee, both at the day's rate.
    fx = series(*((f"2024-03-{day:02d}", value) for day, value in enumerate(usd, 1)))
    book = CashBook("EUR", "borrow", fx)
    principal = flows = 0.0
    when = FRIDAY
    for size, fee in trades:
        book.revalue(when, {"USD": principal})
        book.post("USD", -size + fee, when)
        principal += size
        flows += fee * fx.rate("USD", when)
        when += dt.timedelta(days=1)
    book.revalue(when, {"USD": principal})
    total = book.value(when) + principal * fx.rate("USD", when)
    assert total == pytest.approx(flows + book.cash_fx_eur, rel=1e-9, abs=1e-4)
