"""The frames behind tables and pictures, against hand-worked numbers and other libraries."""

from __future__ import annotations

import datetime as dt
import enum
import json
import math
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import empyrical
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analyzers.sessions import session_pnl
from engine.report import jsontext
from engine.report.thin import histogram, histogram_edges, thin
from engine.report.view import (
    buy_and_hold,
    drawdown,
    exit_reasons,
    gross_equity,
    idle_losses,
    in_market,
    monthly_returns,
    rebased,
    refusals,
    round_trips,
    sessions,
    trade_frame,
    yearly_eur,
)

Vary = Callable[..., Any]
DAYS = pd.date_range("2020-01-30 21:00", periods=4, freq="D", tz="UTC")  # 30 and 31 January, 1 and 2 February


def test_sessions_add_up_to_the_change_of_equity(sample: Any) -> None:
    pnl = sessions(sample)
    assert len(pnl) == len(sample.equity)
    assert pnl.sum() == pytest.approx(sample.equity["equity_eur"].iloc[-1] - 100_000, abs=1e-6)


def test_monthly_returns_equal_empyrical(sample: Any, vary: Vary) -> None:
    # 17:00 UTC is before the close of every day in New York, so that the session is the date
    sample = vary(equity=sample.equity.set_axis(sample.equity.index - pd.Timedelta(hours=4)))
    equity = sample.equity["equity_eur"]
    returns = equity / equity.shift(1, fill_value=100_000.0) - 1
    returns.index = returns.index.tz_localize(None).normalize()
    expected = empyrical.aggregate_returns(returns, "monthly")
    frame = monthly_returns(sample)
    assert list(frame.columns) == [*range(1, 13), "year"]
    for (year, month), value in expected.items():
        assert frame.loc[year, month] == pytest.approx(value, abs=1e-12)
    np.testing.assert_allclose(frame["year"], empyrical.aggregate_returns(returns, "yearly"), atol=1e-12)


def test_monthly_returns_by_hand(vary: Vary) -> None:
    equity = pd.DataFrame({"equity_eur": [101_000.0, 102_000.0, 102_000.0, 96_900.0]}, index=DAYS)
    frame = monthly_returns(vary(equity=equity))
    assert frame.loc[2020, 1] == pytest.approx(0.02)
    assert frame.loc[2020, 2] == pytest.approx(-0.05)
    assert frame.loc[2020, "year"] == pytest.approx(-0.031)
    assert frame.loc[2020, list(range(3, 13))].isna().all()


def test_drawdown_by_hand_counts_the_capital_before_the_first_bar() -> None:
    equity = pd.Series([90.0, 120.0, 60.0, 120.0])
    assert drawdown(equity, 100.0).tolist() == pytest.approx([-0.1, 0.0, -0.5, 0.0])
    assert drawdown(equity).tolist() == pytest.approx([0.0, 0.0, -0.5, 0.0])


def test_gross_equity_adds_costs_back_from_the_exit_on() -> None:
    net = pd.Series([100.0, 99.0, 98.0, 97.0], index=DAYS)
    trades = pd.DataFrame(
        {
            "exit_time": [DAYS[1], DAYS[3], pd.NaT],
            "commission_eur": [1.0, 2.0, 50.0],
            "borrow_eur": [0.5, 0.0, 0.0],
            "slippage_eur": [0.25, 0.0, 0.0],
            "fx_eur": [-0.25, 3.0, 0.0],  # a currency gain is no cost
        }
    )
    assert gross_equity(net, trades).tolist() == [100.0, 101.0, 100.0, 98.0]
    assert gross_equity(net, trades.iloc[:0]).equals(net)


def test_session_with_an_overnight_or_closed_position_was_in_the_market(vary: Vary) -> None:
    index = pd.to_datetime(["2020-01-02 15:00", "2020-01-02 21:00", "2020-01-03 21:00", "2020-01-06 21:00",
                            "2020-01-07 21:00"], utc=True)  # fmt: skip
    held = pd.DataFrame({"equity_eur": 1.0, "gross_exposure_eur": [5.0, 0.0, 5.0, 0.0, 0.0]}, index=index)
    assert in_market(vary(equity=held)).tolist() == [True, True, True, False]


def test_position_of_a_single_bar_is_seen_by_its_exit(sample: Any, vary: Vary) -> None:
    index = pd.to_datetime(["2020-01-02 21:00", "2020-01-03 21:00", "2020-01-06 21:00"], utc=True)
    flat = pd.DataFrame({"equity_eur": [99_999.0, 99_990.0, 99_989.0], "gross_exposure_eur": 0.0}, index=index)
    trades = sample.trades.head(1).assign(entry_time=index[1], exit_time=index[1])
    assert in_market(vary(equity=flat, trades=trades)).tolist() == [False, True, False]
    assert idle_losses(vary(equity=flat, trades=trades)) == 2  # -1 and -1; the -9 between was a trade
    assert idle_losses(vary(equity=flat.iloc[:0])) == 0


# Tokyo closes at 15:00 local time, 06:00 UTC; its evening is New York's morning
TOKYO = pd.to_datetime(["2020-01-06 03:00", "2020-01-06 06:00", "2020-01-06 23:59", "2020-01-07 06:00"], utc=True)


def test_sessions_are_those_of_the_exchange(sample: Any, vary: Vary) -> None:
    """The night's bar before 00:00 UTC belongs to the Tokyo session of the next date, where it is 09:00 already."""
    values = sample.settings.model_dump(mode="json")
    values["instruments"]["SPX"]["exchange"] = "XTKS"
    equity = pd.DataFrame({"equity_eur": [100_010.0, 100_020.0, 100_050.0, 100_100.0]}, index=TOKYO)
    tokyo = vary(settings=type(sample.settings).model_validate(values), equity=equity)
    assert sessions(tokyo).tolist() == [20.0, 80.0]
    assert sessions(tokyo).index.strftime("%m-%d").tolist() == ["01-06", "01-07"]
    assert yearly_eur(tokyo).to_dict() == {2020: 100.0}
    assert session_pnl(equity["equity_eur"], 100_000.0).tolist() == [50.0, 50.0]  # by the UTC date


@pytest.mark.parametrize("first", ["1975-03-03", "2190-03-01"])
def test_bars_outside_the_calendar_count_by_their_date(vary: Vary, sample: Any, first: str) -> None:
    index = pd.date_range(f"{first} 21:00", periods=3, freq="D", tz="UTC")
    equity = pd.DataFrame({"equity_eur": [100_010.0, 100_030.0, 100_000.0], "gross_exposure_eur": 0.0}, index=index)
    result = vary(equity=equity)
    assert sessions(result).tolist() == [10.0, 20.0, -30.0]
    assert in_market(result).tolist() == [False] * 3
    assert len(monthly_returns(result)) == 1


def test_buy_and_hold_is_the_benchmark_scaled_to_the_capital(vary: Vary) -> None:
    equity = pd.DataFrame({"equity_eur": 1.0}, index=DAYS)
    closes = pd.DataFrame({"close": [50.0, 60.0, 45.0]}, index=DAYS[[0, 1, 3]])  # no bar on the third day
    held = buy_and_hold(vary(equity=equity, bars={"SPX": closes}))
    assert held is not None and held.tolist() == [100_000.0, 120_000.0, 120_000.0, 90_000.0]
    assert buy_and_hold(vary(equity=equity, bars={})) is None
    assert buy_and_hold(vary(equity=equity.iloc[:0], bars={"SPX": closes})) is None


def test_rebased_strategy_starts_from_the_capital(sample: Any) -> None:
    curve = sample.strategy_equity["pairs"]
    assert (rebased(sample, "pairs") - 100_000).to_numpy() == pytest.approx((curve - 50_000).to_numpy())


def test_legs_of_a_pair_are_one_trade(sample: Any) -> None:
    trades = trade_frame(sample)
    trips = round_trips(trades)
    assert len(trips) == len(trades) - (trades["name"] == "pairs").sum() / 2
    assert trips["net_eur"].sum() == pytest.approx(trades["net_eur"].sum())
    assert trips["exit_time"].is_monotonic_increasing
    pair = trips[trips["name"] == "pairs"].iloc[0]
    legs = trades[trades["trade_id"] == pair["trade_id"]]
    assert set(pair["label"].split(" / ")) == {"SPX", "IXIC"} == set(legs["instrument"])
    assert pair["net_eur"] == pytest.approx(legs["net_eur"].sum())


def test_exit_reasons_by_hand() -> None:
    trips = pd.DataFrame({"exit_reason": ["mean", "stop", "mean", "mean"], "net_eur": [10.0, -5.0, -1.0, 3.0]})
    frame = exit_reasons(trips)
    assert list(frame.index) == ["mean", "stop"]
    assert frame.loc["mean"].tolist() == pytest.approx([3, 0.75, 12.0, 4.0, 2 / 3])


def test_refusals_count_only_refused_orders() -> None:
    orders = pd.DataFrame({"refusal": ["", None, "killed", "cooldown", "killed", np.nan]})
    assert refusals(orders).to_dict() == {"killed": 2, "cooldown": 1}
    assert refusals(pd.DataFrame()).empty


# --- thinning and bins

VALUES = arrays(float, st.integers(0, 400), elements=st.floats(-1e6, 1e6) | st.just(math.nan))


@given(VALUES, st.integers(1, 120))
def test_thinned_line_keeps_its_ends_and_extremes(values: np.ndarray, points: int) -> None:
    series = pd.Series(values)
    drawn = thin(series, points)
    assert len(drawn) <= max(points, 4, len(series) if len(series) <= points else 0)
    assert drawn.index.is_monotonic_increasing and drawn.index.is_unique
    pd.testing.assert_series_equal(drawn, series.loc[drawn.index])
    if len(series):
        assert drawn.index[0] == 0 and drawn.index[-1] == len(series) - 1
    if series.notna().any():
        assert (drawn.min(), drawn.max()) == (series.min(), series.max())


@given(arrays(float, st.integers(0, 300), elements=st.floats(-1e9, 1e9)))
def test_histogram_counts_every_value_and_never_mixes_signs(values: np.ndarray) -> None:
    edges = histogram_edges(values)
    counts = histogram(values, edges)
    assert counts.sum() == len(values)
    assert 0.0 in edges and (np.diff(edges) > 0).all()
    assert len(counts) <= 70
    assert counts[edges[1:] <= 0].sum() == (values < 0).sum()


# --- JSON

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
TREES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(TREES)
def test_any_tree_becomes_strict_json(tree: Any) -> None:
    def refuse(name: str) -> None:
        raise ValueError(name)

    back = json.loads(jsontext.dumps(tree), parse_constant=refuse)
    assert back == jsontext.plain(tree)


class Kind(enum.StrEnum):
    KILL = "kill"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float64(1.5), 1.5),
        (np.float32("nan"), None),
        (math.inf, None),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (pd.NaT, None),
        (pd.NA, None),
        (pd.Timestamp("2020-01-02 21:00", tz="UTC"), "2020-01-02T21:00:00+00:00"),
        (np.datetime64("2020-01-02"), "2020-01-02T00:00:00"),
        (np.datetime64("NaT", "ns"), None),
        (dt.date(2020, 1, 2), "2020-01-02"),
        (dt.timedelta(minutes=1), 60.0),
        (Kind.KILL, "kill"),
        (PurePosixPath("a/b"), "a/b"),
        ((1, {2: 3}), [1, {"2": 3}]),
        ({"b", "a"}, ["a", "b"]),
        (np.array([1.0, np.nan]), [1.0, None]),
        (pd.Series([1.0], index=["x"]), {"x": 1.0}),
    ],
)
def test_values_of_other_libraries(value: Any, expected: Any) -> None:
    assert jsontext.plain(value) == expected
    assert type(jsontext.plain(value)) is type(expected)


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        jsontext.plain(object())


def test_order_of_keys_is_kept() -> None:
    assert jsontext.dumps({"b": 1, "a": 0.1}, indent=None) == '{"b": 1, "a": 0.1}\n'
