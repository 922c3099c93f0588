"""Fee schedules against IBKR's own worked examples and examples worked by hand (the arithmetic is in each id)."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from books.fees import SCHEDULES, Charge, FeeSchedule, Levy, MonthlyVolume, OrderFees, get_schedule
from books.tiers import blended, tiers
from core.errors import CostError, UnknownNameError
from core.settings import FeeSettings, InstrumentSettings

MONDAY = dt.datetime(2024, 3, 4, 15, 0, tzinfo=dt.UTC)


def one_fill(name: str, shares: float, price: float, *, sale: bool = False, adds: bool = False) -> Charge:
    return get_schedule(name).charge(OrderFees(), shares, price, sale, adds, MONDAY)


@pytest.mark.parametrize(
    ("name", "shares", "price", "commission"),
    [
        pytest.param("ibkr_us_fixed", 100, 25.0, 1.00, id="IBKR: 100 at 25 = minimum 1.00"),
        pytest.param("ibkr_us_fixed", 1000, 25.0, 5.00, id="IBKR: 1000 at 25 = 5.00"),
        pytest.param("ibkr_us_fixed", 1000, 0.25, 2.50, id="IBKR: 1000 at 0.25 = maximum 1% of 250 = 2.50"),
        pytest.param("ibkr_eu_tiered", 1000, 20.0, 10.00, id="IBKR IBIS: 0.05% of 20000 = 10.00"),
        pytest.param("ibkr_us_fixed", 200, 25.0, 1.00, id="200 x 0.005 = 1.00, the minimum itself"),
        pytest.param("ibkr_us_fixed", 201, 25.0, 1.005, id="201 x 0.005 = 1.005, not rounded"),
        pytest.param("ibkr_us_fixed", 1, 25.0, 0.25, id="maximum 0.25 is below minimum 1.00: the maximum"),
        pytest.param("ibkr_us_fixed", 10, 5.0, 0.50, id="maximum 1% of 50 = 0.50 is below minimum 1.00: the maximum"),
        pytest.param("ibkr_us_tiered", 50, 100.0, 0.35, id="50 x 0.0035 = 0.175, minimum 0.35"),
        pytest.param("ibkr_us_tiered", 1000, 25.0, 3.50, id="1000 x 0.0035 = 3.50"),
        pytest.param("ibkr_us_tiered", 1000, 0.25, 2.50, id="1000 x 0.0035 = 3.50, maximum 1% of 250 = 2.50"),
        pytest.param("ibkr_us_tiered", 2, 10.0, 0.20, id="maximum 1% of 20 = 0.20 is below minimum 0.35: the maximum"),
        pytest.param("ibkr_us_tiered", 400_000, 30.0, 1250.0, id="300000 x 0.0035 + 100000 x 0.0020 = 1050 + 200"),
        pytest.param("ibkr_eu_fixed", 100, 40.0, 3.00, id="0.05% of 4000 = 2.00, minimum 3.00"),
        pytest.param("ibkr_eu_fixed", 1000, 20.0, 10.00, id="0.05% of 20000 = 10.00"),
        pytest.param("ibkr_eu_fixed", 100_000, 20.0, 1000.0, id="0.05% of 2 million = 1000, no maximum"),
        pytest.param("ibkr_eu_fixed_direct", 100, 40.0, 4.00, id="IBKR: 0.10% of 4000 = 4.00"),
        pytest.param("ibkr_eu_fixed_direct", 10, 40.0, 4.00, id="0.10% of 400 = 0.40, minimum 4.00"),
        pytest.param("ibkr_eu_fixed_direct", 1000, 20.0, 20.00, id="0.10% of 20000 = 20.00"),
        pytest.param("ibkr_eu_tiered", 10, 20.0, 1.25, id="0.05% of 200 = 0.10, minimum 1.25"),
        pytest.param("ibkr_eu_tiered", 5000, 20.0, 29.00, id="0.05% of 100000 = 50, maximum 29"),
        pytest.param("ibkr_uk_tiered", 100, 10.0, 1.00, id="0.05% of 1000 = 0.50, minimum GBP 1.00"),
        pytest.param("ibkr_uk_tiered", 1000, 10.0, 5.00, id="0.05% of 10000 = 5.00"),
        pytest.param("ibkr_ch_tiered", 10, 100.0, 1.50, id="0.05% of 1000 = 0.50, minimum CHF 1.50"),
        pytest.param("ibkr_ch_tiered", 200, 100.0, 10.00, id="0.05% of 20000 = 10.00"),
        pytest.param("none", 1000, 25.0, 0.0, id="none"),
    ],
)
def test_commission_of_an_order_in_one_fill(name: str, shares: float, price: float, commission: float) -> None:
    assert one_fill(name, shares, price).commission == pytest.approx(commission, rel=1e-12)


def test_european_tiered_example_with_all_third_parties() -> None:
    # IBKR, IBIS: commission 10.00 + exchange 0.96 + clearing 0.18 + regulatory 0.01 = 11.15
    charge = one_fill("ibkr_eu_tiered", 1000, 20.0)
    assert charge == Charge(pytest.approx(10.00), pytest.approx(0.96), pytest.approx(0.18), pytest.approx(0.01))
    assert charge.total == pytest.approx(11.15, abs=1e-9)


def test_fixed_sale_pays_sec_taf_and_cat() -> None:
    # 1000 at 25: SEC 25000 x 0.0000278 = 0.695; TAF 1000 x 0.000166 = 0.166; CAT 1000 x 0.000072 = 0.072
    charge = one_fill("ibkr_us_fixed", 1000, 25.0, sale=True)
    assert charge.regulatory == pytest.approx(0.933, abs=1e-12)
    assert charge.total == pytest.approx(5.933, abs=1e-12)


def test_fixed_purchase_pays_cat_alone() -> None:
    assert one_fill("ibkr_us_fixed", 1000, 25.0).regulatory == pytest.approx(0.072, abs=1e-12)


def test_tiered_sale_that_takes_liquidity() -> None:
    # 1000 at 25: commission 3.50; exchange 1000 x 0.0030 + 3.50 x 0.000175 = 3.0006125; clearing 1000 x 0.0002 = 0.20;
    # regulatory 0.933 (as above) + FINRA pass-through 3.50 x 0.000565 = 0.9349775; in all 7.63559
    charge = one_fill("ibkr_us_tiered", 1000, 25.0, sale=True)
    assert charge.exchange == pytest.approx(3.0006125, abs=1e-12)
    assert charge.clearing == pytest.approx(0.20, abs=1e-12)
    assert charge.regulatory == pytest.approx(0.9349775, abs=1e-12)
    assert charge.total == pytest.approx(7.63559, abs=1e-12)


def test_tiered_purchase_that_adds_liquidity_earns_the_rebate() -> None:
    # 1000 at 25: commission 3.50; exchange -1000 x 0.0020 + 3.50 x 0.000175 = -1.9993875; clearing 0.20;
    # regulatory CAT 0.072 + 3.50 x 0.000565 = 0.0739775; in all 1.77459
    charge = one_fill("ibkr_us_tiered", 1000, 25.0, adds=True)
    assert charge.exchange == pytest.approx(-1.9993875, abs=1e-12)
    assert charge.total == pytest.approx(1.77459, abs=1e-12)


@pytest.mark.parametrize(
    ("fills", "commissions"),
    [
        # 40, 160 and 200 shares: so far 0.20 -> minimum 1.00; 200 x 0.005 = 1.00; 400 x 0.005 = 2.00
        pytest.param([(40, 25.0), (160, 25.0), (200, 25.0)], [1.00, 0.00, 1.00], id="minimum once, then the rate"),
        # 1 at 25: maximum 0.25; 2 at 25: maximum 0.50; 100 at 25: minimum 1.00
        pytest.param([(1, 25.0), (1, 25.0), (98, 25.0)], [0.25, 0.25, 0.50], id="maximum of 1% until the minimum fits"),
        # 1000 at 0.25: 1% of 250 = 2.50; 2000 for 251 + ... second fill at 1.00: 1% of 1250 = 12.50, 2000 x 0.005 = 10
        pytest.param([(1000, 0.25), (1000, 1.00)], [2.50, 7.50], id="maximum on the value of the whole order"),
    ],
)
def test_partial_fills_share_one_minimum_and_maximum(
    fills: list[tuple[float, float]], commissions: list[float]
) -> None:
    schedule, order = get_schedule("ibkr_us_fixed"), OrderFees()
    charged = [schedule.charge(order, shares, price, False, False, MONDAY).commission for shares, price in fills]
    assert charged == pytest.approx(commissions, abs=1e-12)
    assert order.charged.commission == pytest.approx(sum(commissions), abs=1e-12)


def test_european_maximum_is_reached_once_over_partial_fills() -> None:
    # 40000 x 0.05% = 20; 80000 x 0.05% = 40 -> maximum 29, so the second fill owes 9; the third nothing
    schedule, order = get_schedule("ibkr_eu_tiered"), OrderFees()
    charges = [schedule.charge(order, 2000, 20.0, False, False, MONDAY) for _ in range(3)]
    assert [c.commission for c in charges] == pytest.approx([20.0, 9.0, 0.0], abs=1e-12)
    assert [c.clearing for c in charges] == [0.18, 0.0, 0.0]  # once an order


def test_reversal_is_one_order_with_one_minimum() -> None:
    # From +50 to -50: 100 shares sold at 30. Two orders would cost 1.00 each; one costs 1.00, and regulatory
    # 3000 x 0.0000278 + 100 x (0.000166 + 0.000072) = 0.0834 + 0.0238 = 0.1072
    schedule, order = get_schedule("ibkr_us_fixed"), OrderFees()
    closing = schedule.charge(order, 50, 30.0, True, False, MONDAY)
    opening = schedule.charge(order, 50, 30.0, True, False, MONDAY)
    assert (closing.commission, opening.commission) == (1.00, 0.00)
    assert (closing + opening).regulatory == pytest.approx(0.1072, abs=1e-12)
    assert order.charged.total == pytest.approx(1.1072, abs=1e-12)


def test_fills_of_another_day_owe_the_minimum_anew() -> None:
    # IBKR: orders that persist overnight count as new orders for the minimum
    order = OrderFees()
    schedule = get_schedule("ibkr_us_fixed")
    for day in range(3):
        assert schedule.charge(order, 50, 25.0, False, False, MONDAY + dt.timedelta(days=day)).commission == 1.00
    assert order.charged.commission == 3.00


def test_minimum_over_all_days_where_the_settings_say_so() -> None:
    schedule, order = get_schedule("ibkr_us_fixed", FeeSettings(overnight_new_order=False)), OrderFees()
    charged = [
        schedule.charge(order, 150, 25.0, False, False, MONDAY + dt.timedelta(days=day)).commission for day in range(2)
    ]
    assert charged == [1.00, 0.50]  # 150 x 0.005 = 0.75 -> 1.00; 300 x 0.005 = 1.50


def test_month_counter_moves_orders_into_the_next_tier_and_restarts() -> None:
    schedule, month = get_schedule("ibkr_us_tiered"), MonthlyVolume()

    def buy(shares: float, when: dt.datetime) -> float:
        return schedule.charge(OrderFees(month), shares, 30.0, False, False, when).commission

    assert buy(299_000, MONDAY) == pytest.approx(299_000 * 0.0035)
    assert buy(2_000, MONDAY) == pytest.approx(1_000 * 0.0035 + 1_000 * 0.0020)  # 3.50 + 2.00 crosses 300,000
    assert buy(1_000, MONDAY) == pytest.approx(2.00)
    assert buy(1_000, MONDAY + dt.timedelta(days=28)) == pytest.approx(3.50)  # 1 April


@pytest.mark.parametrize(
    ("name", "before", "value", "commission"),
    [
        # EUR: 0.05% to 50M, 0.03% to 100M, 0.02% to 500M, 0.015% above; the maximum of 29 hides it from 58,000 on
        pytest.param("ibkr_eu_tiered", 49_990_000, 20_000, 8.00, id="10000 x 0.05% + 10000 x 0.03% = 5 + 3"),
        pytest.param("ibkr_eu_tiered", 60_000_000, 20_000, 6.00, id="IBKR IBIS tier 2: 20000 x 0.03% = 6.00"),
        pytest.param("ibkr_eu_tiered", 200_000_000, 20_000, 4.00, id="20000 x 0.02% = 4.00"),
        pytest.param("ibkr_eu_tiered", 600_000_000, 20_000, 3.00, id="20000 x 0.015% = 3.00"),
        pytest.param("ibkr_uk_tiered", 50_000_000, 20_000, 6.00, id="GBP from 40M: 20000 x 0.03% = 6.00"),
    ],
)
def test_value_tiers_within_the_month(name: str, before: float, value: float, commission: float) -> None:
    month = MonthlyVolume()
    month.add(name, MONDAY, before)
    charge = get_schedule(name).charge(OrderFees(month), value / 20.0, 20.0, False, False, MONDAY)
    assert charge.commission == pytest.approx(commission, rel=1e-9)


fill_lists = st.lists(st.tuples(st.integers(1, 50_000), st.floats(0.01, 500.0), st.booleans()), min_size=1, max_size=8)


@given(fills=fill_lists, name=st.sampled_from(sorted(SCHEDULES)), sale=st.booleans(), month=st.floats(0, 4e8))
def test_commission_never_falls_and_adds_up_to_the_whole_order(
    fills: list[tuple[int, float, bool]], name: str, sale: bool, month: float
) -> None:
    schedule = get_schedule(name)
    volume = MonthlyVolume()
    volume.add(name, MONDAY, month)
    order, charges = OrderFees(volume), []
    for shares, price, adds in fills:
        charges.append(schedule.charge(order, shares, price, sale, adds, MONDAY))
    shares = sum(f[0] for f in fills)
    value = sum(f[0] * f[1] for f in fills)
    raw = blended(schedule.tiers, shares if schedule.basis == "share" else value, month)
    whole = min(max(raw, schedule.minimum), schedule.maximum, schedule.maximum_fraction * value)
    assert sum(c.commission for c in charges) == pytest.approx(whole, rel=1e-9, abs=1e-9)
    assert all(c.commission >= -1e-9 * max(1.0, whole) for c in charges)
    assert all(c.clearing >= 0 and c.regulatory >= 0 for c in charges)
    assert order.charged.total == pytest.approx(sum(c.total for c in charges), rel=1e-9, abs=1e-9)


@given(shares=st.integers(2, 100_000), split=st.floats(0.01, 0.99), price=st.floats(0.05, 500.0), sale=st.booleans())
def test_two_fills_at_one_price_cost_what_one_fill_costs(shares: int, split: float, price: float, sale: bool) -> None:
    first = max(1, min(shares - 1, int(shares * split)))
    for name in SCHEDULES:
        schedule, order = get_schedule(name), OrderFees()
        for part in (first, shares - first):
            schedule.charge(order, part, price, sale, False, MONDAY)
        whole = one_fill(name, shares, price, sale=sale)
        for kind in ("commission", "exchange", "clearing", "regulatory", "total"):
            assert getattr(order.charged, kind) == pytest.approx(getattr(whole, kind), rel=1e-9, abs=1e-12)


def test_fees_of_another_date_are_settings() -> None:
    # 2026: SEC 0, TAF 0.000195: 1000 x (0.000195 + 0.000072) = 0.267
    fees = FeeSettings(as_of=dt.date(2026, 1, 1), sec_per_value=0.0, finra_taf_per_share=0.000195)
    charge = get_schedule("ibkr_us_fixed", fees).charge(OrderFees(), 1000, 25.0, True, False, MONDAY)
    assert charge.regulatory == pytest.approx(0.267, abs=1e-12)


def test_a_new_schedule_is_a_declaration() -> None:
    flat = FeeSchedule(
        "flat",
        "SEK",
        "value",
        tiers(above=0.001),
        minimum=9.0,
        levies=(Levy("clearing", "clearing_per_share", "share"),),
    )
    # 0.1% of 100,000 = 100; clearing 1000 x 0.0002 = 0.20
    assert flat.quote(1000, 100.0).total == pytest.approx(100.20)


def test_quote_leaves_no_trace() -> None:
    schedule = get_schedule("ibkr_us_tiered")
    assert schedule.quote(1000, 25.0) == schedule.quote(1000, 25.0)


@pytest.mark.parametrize(
    ("shares", "price"), [(0, 25.0), (-100, 25.0), (100, 0.0), (100, -1.0), (float("nan"), 25.0), (1, float("inf"))]
)
def test_impossible_fill_is_refused_and_leaves_the_order_unchanged(shares: float, price: float) -> None:
    order = OrderFees()
    with pytest.raises(CostError, match="positive and finite"):
        get_schedule("ibkr_us_fixed").charge(order, shares, price, False, False, MONDAY)
    assert order == OrderFees()


def test_misspelt_schedule_is_corrected() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'ibkr_us_fixed'"):
        get_schedule("ibkr_us_fix")


def test_schedule_in_another_currency_than_the_instrument() -> None:
    with pytest.raises(CostError, match="charges in USD, the instrument trades in EUR; .*ibkr_eu_fixed"):
        get_schedule("ibkr_us_fixed", currency="EUR")
    assert get_schedule("none", currency="EUR").name == "none"


def test_default_schedule_of_the_settings_exists() -> None:
    assert InstrumentSettings().schedule in SCHEDULES


def test_every_levy_names_a_setting() -> None:
    for schedule in SCHEDULES.values():
        for levy in schedule.levies:
            assert levy.setting in FeeSettings.model_fields


def test_tiers_must_ascend() -> None:
    with pytest.raises(ValueError, match="ascending"):
        tiers((100, 0.1), (50, 0.2), above=0.3)
