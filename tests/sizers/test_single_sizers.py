"""Sizers for one instrument: amounts by hand, then what must hold for any plan."""

from __future__ import annotations

import math

import backtrader as bt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import StrategyError, UnknownNameError
from core.settings import InstrumentSettings, Settings, StrategySettings
from engine import SimBroker
from sizers import SIZERS, ATRSizer, CappedSizer, EntryPlan, FixedRisk, PairSizer, VolatilityTarget

BARS = pd.DataFrame(
    {
        "open": [100.0, 102.0, 101.0, 104.0],
        "high": [103.0, 104.0, 105.0, 106.0],
        "low": [99.0, 101.0, 100.0, 103.0],
        "close": [102.0, 101.0, 104.0, 105.0],
        "volume": 1000.0,
        "openinterest": 0.0,
    },
    index=pd.date_range("2024-01-02", periods=4, freq="D"),
)


_ANY = StrategySettings(strategy="MeanReversion", instruments=("SPY",))


class Holder(bt.Strategy):
    """Asks its sizer on the last bar, with a plan or without."""

    params = (("given", None),)
    plan: EntryPlan | None = None

    def next(self) -> None:
        self.plan = self.p.given
        self.long, self.short = self.getsizing(self.data, isbuy=True), self.getsizing(self.data, isbuy=False)


def asked(sizer: type, plan: EntryPlan | None = None, commission: float = 0.0, **params: float) -> Holder:
    """The strategy after a run in a plain Cerebro with 10,000 in cash."""
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(bt.feeds.PandasData(dataname=BARS), name="X")
    cerebro.broker.setcash(10_000.0)
    cerebro.broker.setcommission(commission=commission)
    cerebro.addsizer(sizer, **params)
    cerebro.addstrategy(Holder, given=plan)
    return cerebro.run()[0]


def plan(**changes: float) -> EntryPlan:
    values = {"sign": 1, "price": 50.0, "stop_price": 48.0, "rate": 0.9, "capital_eur": 100_000.0}
    return EntryPlan(**{**values, **changes})  # type: ignore[arg-type]


def test_fixed_risk_loses_the_fraction_at_the_stop() -> None:
    # 1% of 100,000 = 1,000 EUR; a unit loses 2 USD = 1.80 EUR at its stop: 555.56 units
    assert asked(FixedRisk, plan(), max_notional=1.0).long == 555.0


def test_fixed_risk_of_a_short_measures_upwards() -> None:
    assert asked(FixedRisk, plan(sign=-1, stop_price=52.0), max_notional=1.0).short == 555.0


def test_notional_cap_binds_where_the_stop_is_near() -> None:
    # 45% of 100,000 = 45,000 EUR at 45 EUR a unit: 1,000 units; the risk alone would allow 5,555
    assert asked(FixedRisk, plan(stop_price=49.8)).long == 1000.0


def test_risk_cap_binds_where_the_sizer_wants_more() -> None:
    # wanted: 5% of 100,000 / 1.80 = 2,777; cap: 2% = 2,000 EUR / 1.80 EUR = 1,111.1
    assert asked(FixedRisk, plan(), risk=0.05, max_notional=1.0).long == 1111.0


def test_throttle_scales_wish_and_caps_alike() -> None:
    # 45,000 EUR / 45 EUR = 1,000 units, of which a quarter
    assert asked(FixedRisk, plan(stop_price=49.8, scale=0.25)).long == 250.0


def test_without_a_stop_the_notional_is_the_risk() -> None:
    # 1% of 100,000 = 1,000 EUR; a unit may lose all of its 45 EUR
    assert asked(FixedRisk, plan(stop_price=None)).long == 22.0


def test_volatility_target_of_the_plan() -> None:
    # 10% of 100,000 = 10,000 EUR a year; a unit of 45 EUR at 40% moves 18 EUR: 555.56; risk cap 1,111
    assert asked(VolatilityTarget, plan(vol_annual=0.40), max_notional=1.0).long == 555.0


def test_atr_sizer_of_the_plan() -> None:
    # 1,000 EUR / (2 * 1.5 USD * 0.9) = 370.37
    assert asked(ATRSizer, plan(atr=1.5)).long == 370.0


def test_atr_sizer_in_a_strategy_without_a_plan() -> None:
    # true ranges of the last two bars: 105-100 = 5, 106-103 = 3, mean 4; 1% of 10,000 = 100; 100 / (2 * 4) = 12.5.
    # Without a stop the caps are 2% of 10,000 = 200 at 105 a unit: 1
    holder = asked(ATRSizer, None, period=2)
    assert (holder.long, holder.short) == (1.0, 1.0)
    assert asked(ATRSizer, None, period=2, max_risk=1.0, max_notional=1.0, max_cost_bps=0.0).long == 12.0


def test_volatility_target_in_a_strategy_without_a_plan() -> None:
    # log returns of the last two bars: ln(104/101) = 0.029270, ln(105/104) = 0.009569; sd 0.013931 * sqrt(252)
    # = 0.22115; 0.10 * 10,000 / (0.22115 * 105) = 43.06
    assert asked(VolatilityTarget, None, period=2, max_risk=1.0, max_notional=1.0).long == 43.0


def test_whole_lots() -> None:
    assert asked(FixedRisk, plan(), max_notional=1.0, lot=100).long == 500.0


def test_below_the_least_size_is_no_trade() -> None:
    assert asked(FixedRisk, plan(), max_notional=1.0, min_size=555).long == 555.0
    assert asked(FixedRisk, plan(), max_notional=1.0, min_size=556).long == 0.0


def test_commission_that_would_eat_the_edge_is_no_trade(caplog: pytest.LogCaptureFixture) -> None:
    # 0.1% a side = 20 bps both ways
    assert asked(FixedRisk, plan(), commission=0.001, max_cost_bps=20.1).long == 555.0
    with caplog.at_level("INFO", logger="sizers"):
        assert asked(FixedRisk, plan(), commission=0.001, max_cost_bps=19.9).long == 0.0
    assert "max_cost_bps" in caplog.text and "20.0 bps" in caplog.text
    assert asked(FixedRisk, plan(), commission=0.001, max_cost_bps=0.0).long == 555.0


def test_the_minimum_commission_of_the_desk_decides_the_least_trade() -> None:
    # IBKR fixed: USD 1 an order, so USD 2 both ways, and on the sale of 14 at 50: SEC 700 * 0.0000278 = 0.019, TAF and
    # CAT under 0.01. 2.02 to 2.03 of 700 are 28.9 to 29.0 bps; of 13 shares, 650, they are over 31
    settings = Settings(instruments={"SPY": InstrumentSettings()}, strategies={"x": _ANY})
    data = bt.feeds.PandasData(dataname=BARS)
    data._name, data.instrument = "x/SPY", settings.instruments["SPY"]

    def size(capital: float, limit: float) -> float:
        sizer = FixedRisk(max_cost_bps=limit)
        sizer.set(None, SimBroker(settings=settings))
        return sizer.size(data, plan(capital_eur=capital))  # 1% of it over 1.80 EUR a unit

    assert size(2_530.0, 30.0) == size(2_530.0, 29.0) == 14.0
    assert size(2_530.0, 28.9) == 0.0
    assert size(2_400.0, 31.0) == 0.0 and size(2_400.0, 31.2) == 13.0


@pytest.mark.parametrize(
    "flaw",
    [
        {"price": math.nan},
        {"price": 0.0},
        {"rate": math.nan},
        {"capital_eur": 0.0},
        {"capital_eur": -5.0},
        {"stop_price": 50.0},
        {"stop_price": 51.0},
        {"stop_price": math.nan},
        {"sign": -1},
        {"scale": 0.0},
        {"scale": math.nan},
    ],
)
def test_a_flawed_plan_is_no_trade_and_a_log_line(flaw: dict[str, float], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="sizers"):
        assert asked(FixedRisk, plan(**flaw)).long == 0.0
    assert "no_size" in caplog.text


@pytest.mark.parametrize("sizer", [VolatilityTarget, ATRSizer])
@pytest.mark.parametrize("value", [0.0, -1.0, math.inf])
def test_zero_or_absurd_volatility_is_no_trade(sizer: type[CappedSizer], value: float) -> None:
    assert asked(sizer, plan(vol_annual=value, atr=value)).long == 0.0


def test_too_few_bars_are_no_trade() -> None:
    assert asked(VolatilityTarget, None, period=4).long == 0.0
    assert asked(ATRSizer, None, period=4).long == 0.0


def test_a_pair_sizer_on_a_plain_strategy_is_no_trade() -> None:
    assert asked(PairSizer, plan()).long == 0.0


def test_misspelt_and_impossible_parameters() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'max_risk'"):
        FixedRisk(max_rsk=0.01)
    with pytest.raises(StrategyError, match="parameter 'risk' is 1.5: input should be less than or equal to 1"):
        FixedRisk(risk=1.5)
    with pytest.raises(StrategyError, match="lot"):
        FixedRisk.check({"lot": 1.5})
    assert FixedRisk.check({"risk": 1}).risk == 1.0  # TOML writes 1 for 1.0


def test_registry_names_every_sizer() -> None:
    assert set(SIZERS) == {"FixedRisk", "VolatilityTarget", "ATRSizer", "PairSizer"}


# -- any plan ---------------------------------------------------------------------------------------------------------

DATA = bt.feeds.PandasData(dataname=BARS)
DATA._name = "X"

prices = st.floats(0.01, 50_000.0)
plans = st.builds(
    lambda sign, price, away, vol, atr, rate, capital, scale: EntryPlan(
        sign, price, price * (1 - sign * away), vol, atr * price, rate, capital, scale
    ),
    st.sampled_from([1, -1]),
    prices,
    st.floats(1e-4, 0.9),
    st.floats(0.0, 3.0),
    st.floats(0.0, 0.2),
    st.floats(0.005, 2.0),
    st.floats(0.0, 1e7),
    st.floats(0.0, 1.0),
)
sizers = st.builds(
    lambda cls, risk, notional, lot: _ready(cls(max_risk=risk, max_notional=notional, lot=lot)),
    st.sampled_from([FixedRisk, VolatilityTarget, ATRSizer]),
    st.floats(0.001, 0.1),
    st.floats(0.01, 2.0),
    st.sampled_from([1, 10, 100]),
)


def _ready(sizer: CappedSizer) -> CappedSizer:
    broker = bt.brokers.BackBroker()
    broker.init()
    sizer.set(None, broker)
    return sizer


@given(sizers, plans)
def test_sizes_are_whole_lots_within_both_caps(sizer: CappedSizer, plan: EntryPlan) -> None:
    size = sizer.size(DATA, plan)
    assert isinstance(size, float) and math.isfinite(size) and size >= 0
    assert size % sizer.p.lot == 0
    tolerance = 1 + 1e-9
    assert size * plan.unit_risk <= sizer.p.max_risk * plan.capital_eur * plan.scale * tolerance
    assert size * plan.unit_value <= sizer.p.max_notional * plan.capital_eur * plan.scale * tolerance


@given(sizers, plans, st.floats(1.0, 10.0))
def test_more_capital_is_never_a_smaller_size(sizer: CappedSizer, plan: EntryPlan, factor: float) -> None:
    richer = EntryPlan(
        plan.sign,
        plan.price,
        plan.stop_price,
        plan.vol_annual,
        plan.atr,
        plan.rate,
        plan.capital_eur * factor,
        plan.scale,
    )
    assert sizer.size(DATA, richer) >= sizer.size(DATA, plan)
