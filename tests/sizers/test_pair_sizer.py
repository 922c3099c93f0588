"""The pair sizer: amounts by hand, then what must hold for any pair."""

from __future__ import annotations

import math

import backtrader as bt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sizers import EntryPlan, PairPlan, PairSize, PairSizer

Y, X = bt.feeds.GenericCSVData(dataname="y"), bt.feeds.GenericCSVData(dataname="x")  # never opened
Y._name, X._name = "Y", "X"


def sizer(commission: float = 0.0, **params: float) -> PairSizer:
    made = PairSizer(**params)
    broker = bt.brokers.BackBroker()
    broker.init()
    broker.setcommission(commission=commission)
    made.set(None, broker)
    return made


def pair(
    y_price: float = 60.0,
    x_price: float = 25.0,
    hedge_ratio: float = 1.5,
    neutrality: str = "beta",
    disaster: float = 0.10,
    **shared: float,
) -> PairPlan:
    shared = {"capital_eur": 100_000.0, "rate": 1.0, **shared}
    return PairPlan(
        EntryPlan(1, y_price, y_price * (1 - disaster), **shared),  # type: ignore[arg-type]
        EntryPlan(-1, x_price, x_price * (1 + disaster), **shared),  # type: ignore[arg-type]
        hedge_ratio,
        neutrality,  # type: ignore[arg-type]
    )


def test_beta_neutral_sizes() -> None:
    # a unit of y with its 1.5 x is worth 97.5 and loses 9.75 at the disaster stops; 2% of 100,000 = 2,000: 205.1;
    # gross 40% would allow 410.3. y rounds down to 205, x follows with 307.5, whose nearest half up is 308,
    # but 205 * 6 + 308 * 2.5 = 2,000 is just the risk there is
    size = sizer().pair_size(Y, X, pair())
    assert (size.y, size.x) == (205.0, 308.0)
    assert size.residual_eur == pytest.approx((205 * 1.5 - 308) * 25)  # -12.50
    assert size.residual_fraction == pytest.approx(12.5 / (205 * 60 + 308 * 25))


def test_dollar_neutral_sizes() -> None:
    # equal values: x per y = 60 / 25 = 2.4; a unit loses 12; 2,000 / 12 = 166.67: 166 y, 398.4 x -> 398
    size = sizer().pair_size(Y, X, pair(neutrality="dollar"))
    assert (size.y, size.x) == (166.0, 398.0)
    assert size.residual_eur == pytest.approx(166 * 60 - 398 * 25)  # 10.00


def test_gross_binds_where_the_disaster_stops_are_near() -> None:
    # 2% risk at 1% stops allows 200,000 gross; 40% is 40,000 / 97.5 = 410.26
    size = sizer().pair_size(Y, X, pair(disaster=0.01))
    assert (size.y, size.x) == (410.0, 615.0)
    assert size.residual_eur == 0.0


def test_notional_cap_is_for_each_leg() -> None:
    # 10% of 100,000 = 10,000 on leg y: 166.67
    size = sizer(max_notional=0.10).pair_size(Y, X, pair(disaster=0.01))
    assert (size.y, size.x) == (166.0, 249.0)


def test_rates_and_throttle() -> None:
    # at 0.5 EUR a unit of currency twice as many fit, at scale 0.5 half as many
    size = sizer().pair_size(Y, X, pair(disaster=0.01, rate=0.5, scale=0.5))
    assert (size.y, size.x) == (410.0, 615.0)


def test_the_coarser_leg_rounds_down_and_the_other_follows() -> None:
    # x is worth more: 40,000 / (60 + 0.02 * 5,000) = 250 y -> 5 x, and 250 y
    size = sizer().pair_size(Y, X, pair(x_price=5_000.0, hedge_ratio=0.02, disaster=0.01))
    assert (size.y, size.x) == (250.0, 5.0)


def test_a_residual_that_makes_no_pair_of_it() -> None:
    # 40% of 10,000 buys 4,000 / (1,400 + 2,600 / 1.9) = 1.44 y with 0.76 x: x, the dearer unit, rounds down to nothing
    assert sizer().pair_size(Y, X, pair(1_400.0, 2_600.0, 1 / 1.9, disaster=0.01, capital_eur=10_000.0)) == PairSize(
        0, 0
    )
    # one y of 3,900 against 4 x of 1,000 at a ratio of 3.5: half an x too many, 500 of 7,900 = 6.3%
    plan = pair(3_900.0, 1_000.0, 3.5, disaster=0.01, capital_eur=20_000.0)
    assert sizer().pair_size(Y, X, plan).residual_fraction == pytest.approx(500 / 7_900)
    assert sizer(max_residual=0.06).pair_size(Y, X, plan) == PairSize(0, 0)


def test_cost_of_all_four_orders_counts_against_the_gross_value(caplog: pytest.LogCaptureFixture) -> None:
    # 0.1% an order: 20 bps of each leg's value, so 20 bps of the gross
    assert sizer(commission=0.001, max_cost_bps=20.1).pair_size(Y, X, pair()).y == 205.0
    with caplog.at_level("INFO", logger="sizers"):
        assert sizer(commission=0.001, max_cost_bps=19.9).pair_size(Y, X, pair()) == PairSize(0, 0)
    assert "max_cost_bps" in caplog.text


@pytest.mark.parametrize("hedge_ratio", [0.0, -0.5, math.nan, math.inf])
def test_no_pair_without_a_positive_hedge_ratio(hedge_ratio: float) -> None:
    assert sizer().pair_size(Y, X, pair(hedge_ratio=hedge_ratio)) == PairSize(0, 0)


@pytest.mark.parametrize("flaw", [{"y_price": math.nan}, {"x_price": 0.0}, {"capital_eur": 0.0}, {"rate": math.inf}])
def test_a_flawed_leg_is_no_pair(flaw: dict[str, float]) -> None:
    assert sizer().pair_size(Y, X, pair(**flaw)) == PairSize(0, 0)  # type: ignore[arg-type]


pairs = st.builds(
    pair,
    st.floats(0.5, 5_000.0),
    st.floats(0.5, 5_000.0),
    st.floats(1e-3, 100.0),
    st.sampled_from(["beta", "dollar"]),
    st.floats(0.005, 0.5),
    capital_eur=st.floats(0.0, 1e6),
    rate=st.floats(0.01, 2.0),
    scale=st.floats(0.0, 1.0),
)


@given(pairs, st.floats(0.005, 0.1), st.floats(0.05, 1.0), st.sampled_from([1, 10]))
def test_both_legs_or_none_in_whole_lots_within_the_caps(plan: PairPlan, risk: float, most: float, lot: int) -> None:
    size = sizer(max_risk=risk, max_notional=most, lot=lot, max_residual=1.0).pair_size(Y, X, plan)
    assert (size.y > 0) == (size.x > 0)
    assert size.y % lot == size.x % lot == 0
    budget = plan.y.capital_eur * plan.y.scale * (1 + 1e-9)
    assert size.y * plan.y.unit_risk + size.x * plan.x.unit_risk <= risk * budget
    assert max(size.y * plan.y.unit_value, size.x * plan.x.unit_value) <= most * budget


@given(pairs)
def test_residual_is_at_most_half_a_lot_of_the_finer_leg_where_no_cap_cuts(plan: PairPlan) -> None:
    size = sizer(max_risk=1.0, max_notional=10.0, max_residual=1.0).pair_size(Y, X, plan)
    if size.y:
        per = plan.hedge_ratio if plan.neutrality == "beta" else plan.y.unit_value / plan.x.unit_value
        finer_is_x = plan.y.unit_value >= plan.x.unit_value
        half = (0.5 if finer_is_x else 0.5 * per) * plan.x.unit_value
        assert abs(size.residual_eur) <= half * (1 + 1e-6) + 1e-6
