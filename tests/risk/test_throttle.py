"""The volatility throttle: scale, lag, age, fallback to realised volatility, events."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.calendar import ExchangeCalendar
from core.errors import RiskError
from core.orders import AccountView, OrderView, Refusal
from core.settings import RiskSettings, ThrottleSettings
from risk import OrderGate, RiskEventKind
from risk.throttle import SessionVolatility, scale_of

NYSE = ExchangeCalendar("XNYS")
SESSIONS = NYSE.sessions(dt.date(2024, 1, 2), dt.date(2024, 12, 31))
CLOSES = [NYSE.close_of(session) for session in SESSIONS]


def make_gate(**throttle):
    limits = {"max_trade_risk": None, "max_daily_loss": None, "max_weekly_loss": None}
    return OrderGate(RiskSettings(**limits, throttle=throttle), NYSE, 100_000.0)


def throttle_events(gate):
    return [(e.kind, e.detail) for e in gate.events]


# ---------------------------------------------------------------- scale


@pytest.mark.parametrize(
    ("volatility", "scale"),
    [(0.0, 1.0), (0.25, 1.0), (0.30, 0.8125), (0.35, 0.625), (0.40, 0.4375), (0.4499999, 0.25), (0.45, 0.0), (3, 0.0)],
)
def test_scale_falls_in_a_line_then_to_nothing(volatility, scale):
    assert scale_of(volatility, ThrottleSettings()) == pytest.approx(scale, abs=1e-6)


def test_index_is_read_one_session_late():
    gate = make_gate(series="VIX")
    gate.on_volatility_index(CLOSES[0], 35.0)
    gate.on_bar(CLOSES[0], 1e5, {"SPX": 100.0})
    assert gate.scale("SPX") == 1.0  # of this session: not known in time
    gate.on_volatility_index(CLOSES[1], 60.0)
    gate.on_bar(CLOSES[1], 1e5, {"SPX": 100.0})
    assert gate.scale("SPX") == pytest.approx(0.625)
    assert gate.scale("IXIC") == pytest.approx(0.625)
    gate.on_bar(CLOSES[2], 1e5, {"SPX": 100.0})
    assert gate.scale("SPX") == 0.0


@pytest.mark.parametrize(("lag", "expected"), [(0, 0.30), (1, 0.29), (2, 0.28), (5, 0.25)])
def test_lag_in_sessions(lag, expected):
    gate = make_gate(series="VIX", lag=lag)
    for at in range(11):
        gate.on_volatility_index(CLOSES[at], 20.0 + at)
        gate.on_bar(CLOSES[at], 1e5, {"SPX": 100.0})
    assert gate.scale("SPX") == pytest.approx(scale_of(expected, ThrottleSettings()))


def test_index_older_than_max_age_falls_back_to_realised():
    gate = make_gate(series="VIX", max_age_sessions=3)
    gate.on_volatility_index(CLOSES[0], 60.0)
    for at in range(4):
        gate.on_bar(CLOSES[at], 1e5, {"SPX": 100.0})
    assert gate.scale("SPX") == 0.0  # three sessions old
    gate.on_bar(CLOSES[4], 1e5, {"SPX": 100.0})
    assert gate.scale("SPX") == 1.0
    details = [detail for kind, detail in throttle_events(gate) if kind is RiskEventKind.THROTTLE_SOURCE]
    assert details == [
        "the throttle uses realised volatility: VIX has no value of the last 3 sessions",
        "the throttle uses VIX",
        "the throttle uses realised volatility: VIX has no value of the last 3 sessions",
    ]


def test_value_counts_for_the_session_of_its_own_stamp():
    gate = make_gate(series="VIX", max_age_sessions=2)
    for at in range(6):
        gate.on_volatility_index(CLOSES[0], 60.0)  # the same old value, told on each bar
        gate.on_bar(CLOSES[at], 1e5, {"SPX": 100.0})
    assert gate.scale("SPX") == 1.0


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, -5.0])
def test_values_that_are_none_are_left_out(value):
    gate = make_gate(series="VIX")
    gate.on_volatility_index(CLOSES[0], 60.0)
    gate.on_volatility_index(CLOSES[1], value)
    gate.on_bar(CLOSES[2], 1e5, {"SPX": value})
    assert gate.scale("SPX") == 0.0


def test_last_value_of_a_session_counts():
    gate = make_gate(series="VIX")
    gate.on_volatility_index(CLOSES[0] - dt.timedelta(hours=2), 60.0)
    gate.on_volatility_index(CLOSES[0], 10.0)
    gate.on_bar(CLOSES[1], 1e5, {"SPX": 100.0})
    assert gate.scale("SPX") == 1.0


def test_lag_beyond_the_greatest_age_cannot_be_enforced():
    with pytest.raises(RiskError, match="risk.throttle.lag = 6"):
        make_gate(series="VIX", lag=6)
    make_gate(lag=6)  # without a series there is nothing to lag


# ---------------------------------------------------------------- realised volatility


def test_realised_volatility_by_hand():
    volatility = SessionVolatility(2)
    day = dt.date(2024, 1, 2)
    for at, close in enumerate((100.0, 110.0)):
        volatility.add(day + dt.timedelta(days=at), close)
        assert volatility.value() is None
    volatility.add(day + dt.timedelta(days=2), 100.0)
    # returns +r and -r with r = log(1.1): mean 0, variance 2 r^2 / (2 - 1)
    assert volatility.value() == pytest.approx(math.log(1.1) * math.sqrt(2.0 * 252.0), rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1.0, 1e4), min_size=1, max_size=40), st.integers(2, 12))
def test_realised_volatility_equals_pandas(closes, window):
    volatility = SessionVolatility(window)
    for at, close in enumerate(closes):
        volatility.add(dt.date(2024, 1, 1) + dt.timedelta(days=at), close / 2)  # an earlier bar of the session
        volatility.add(dt.date(2024, 1, 1) + dt.timedelta(days=at), close)
    returns = np.log(pd.Series(closes)).diff().iloc[1:]
    expected = returns.rolling(window).std(ddof=1).iloc[-1] * math.sqrt(252) if len(returns) else math.nan
    value = volatility.value()
    assert (value is None) == math.isnan(expected)
    if value is not None:
        assert value == pytest.approx(expected, rel=1e-7, abs=1e-7)


def test_scale_by_realised_volatility_of_the_instrument():
    gate = make_gate(realised_sessions=2)
    for at, close in enumerate((100.0, 100.0, 102.0)):
        gate.on_bar(CLOSES[at], 1e5, {"SPX": close, "IXIC": 50.0})
    # returns 0 and log(1.02): std = log(1.02) / sqrt(2)
    expected = math.log(1.02) / math.sqrt(2.0) * math.sqrt(252.0)
    assert 0.2 < expected < 0.25
    assert gate.scale("SPX") == 1.0
    gate.on_bar(CLOSES[3], 1e5, {"SPX": 102.0 * 1.05, "IXIC": 50.0})
    # returns log(1.02) and log(1.05)
    expected = (math.log(1.05) - math.log(1.02)) / math.sqrt(2.0) * math.sqrt(252.0)
    assert 0.25 < expected < 0.45
    assert gate.scale("SPX") == pytest.approx(1.0 - (expected - 0.25) / 0.2 * 0.75)
    assert gate.scale("IXIC") == 1.0
    assert gate.scale("DAX") == 1.0  # never seen


def test_intraday_bars_count_with_the_last_close_of_each_session():
    daily, intraday = make_gate(realised_sessions=3), make_gate(realised_sessions=3)
    for at, close in enumerate((100.0, 103.0, 99.0, 104.0, 101.0)):
        for hours, factor in ((5, 0.9), (3, 1.2), (0, 1.0)):
            intraday.on_bar(CLOSES[at] - dt.timedelta(hours=hours), 1e5, {"SPX": close * factor})
        daily.on_bar(CLOSES[at], 1e5, {"SPX": close})
    assert intraday._throttle.volatility("SPX") == daily._throttle.volatility("SPX")


def test_later_bars_never_change_the_scale():
    rng = np.random.default_rng(3)
    closes = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, 120)))
    index = rng.uniform(10.0, 50.0, 120)

    def scales(until):
        gate, found = make_gate(series="VIX", max_age_sessions=2), []
        for at in range(until):
            if at % 11 < 6:
                gate.on_volatility_index(CLOSES[at], index[at])
            gate.on_bar(CLOSES[at], 1e5, {"SPX": closes[at]})
            found.append(gate.scale("SPX"))
        return found

    whole = scales(120)
    assert len(set(whole)) > 20
    for until in (1, 37, 80):
        assert scales(until) == whole[:until]


# ---------------------------------------------------------------- in the gate


def test_throttle_scales_the_limits_of_a_trade_and_stops_entries():
    gate = OrderGate(RiskSettings(throttle={"series": "VIX"}), NYSE, 100_000.0)
    gate.on_volatility_index(CLOSES[0], 35.0)  # scale 0.625
    gate.on_bar(CLOSES[1], 1e5, {"SPX": 100.0})

    def judged(size, stop=95.0):
        order = OrderView(1, "u/SPX", "u", "SPX", 1, size, 100.0, 1.0, stop_price=stop)
        return gate.review([order], AccountView(CLOSES[-1], 1e5, (), ()))

    assert judged(250.0) is None  # EUR 1,250 of risk
    assert judged(251.0)[0] is Refusal.TRADE_RISK
    assert "risk.max_trade_risk = 0.02 at throttle scale 0.625 (EUR 1,250.00)" in judged(251.0)[1]
    assert judged(312.0, stop=99.0) is None  # EUR 31,250 of notional
    assert judged(313.0, stop=99.0)[0] is Refusal.TRADE_NOTIONAL
    gate.on_volatility_index(CLOSES[1], 45.0)
    gate.on_bar(CLOSES[2], 1e5, {"SPX": 100.0})
    assert judged(1.0) == (
        Refusal.VOLATILITY,
        "VIX 45.0% stops entries at or above risk.throttle.stop_above = 0.45",
    )


def test_pair_takes_the_smaller_scale():
    gate = make_gate(realised_sessions=2)
    for at, close in enumerate((100.0, 130.0, 90.0)):
        gate.on_bar(CLOSES[at], 1e5, {"CALM": 100.0, "WILD": close})
    legs = [OrderView(i, f"p/{s}", "p", s, 1, 1.0, 100.0, 1.0) for i, s in enumerate(("CALM", "WILD"))]
    account = AccountView(CLOSES[2], 1e5, (), ())
    assert gate.review(legs, account)[0] is Refusal.VOLATILITY
    assert " of WILD stops entries" in gate.review(legs, account)[1]
    assert gate.review(legs[:1], account) is None


def test_events_tell_changes_of_state_with_their_dates():
    gate = make_gate(series="VIX")
    for at, value in enumerate((20.0, 30.0, 31.0, 50.0, 20.0, 20.0)):
        gate.on_volatility_index(CLOSES[at], value)
        gate.on_bar(CLOSES[at], 1e5, {"SPX": 100.0, "IXIC": 50.0})
    assert [(SESSIONS.index(e.when.date()), e.detail) for e in gate.events] == [
        (0, "the throttle uses realised volatility: VIX has no value of the last 5 sessions"),
        (1, "the throttle uses VIX"),
        (2, "entries: reduced to 0.812 (VIX 30.0%)"),
        (4, "entries: stopped (VIX 50.0%)"),
        (5, "entries: full size (VIX 20.0%)"),
    ]


def test_events_of_realised_volatility_name_the_instrument():
    gate = make_gate(realised_sessions=2)
    for at, close in enumerate((100.0, 130.0, 90.0, 90.0, 90.0)):
        gate.on_bar(CLOSES[at], 1e5, {"CALM": 100.0, "WILD": close})
    assert [kind for kind, _ in throttle_events(gate)] == [
        RiskEventKind.THROTTLE_SOURCE,
        RiskEventKind.THROTTLE,
        RiskEventKind.THROTTLE,
    ]
    assert throttle_events(gate)[1][1].startswith("entries in WILD: stopped (realised volatility ")
    assert throttle_events(gate)[2][1] == "entries in WILD: full size (realised volatility 0.0% of WILD)"
