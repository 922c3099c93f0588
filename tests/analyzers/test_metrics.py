"""Metrics against hand-worked series, empyrical, pyfolio's definition and stock backtrader's analyzers."""

from __future__ import annotations

import math
from typing import Any

import backtrader as bt
import empyrical
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from analyzers import Equity, Trades, metrics
from analyzers.sessions import session_pnl, session_returns
from analyzers.trades import COLUMNS


def series(*returns: float) -> pd.Series:
    return pd.Series(returns, index=pd.bdate_range("2024-01-02", periods=len(returns)), dtype=float)


def trades(*nets: float, ids: list[str] | None = None) -> pd.DataFrame:
    frame = pd.DataFrame({"trade_id": ids or [str(i) for i in range(len(nets))], "net_eur": nets})
    frame["strategy"] = "s"
    frame["entry_time"] = pd.date_range("2024-01-02 21:00", periods=len(nets), freq="D", tz="UTC")
    frame["exit_time"] = frame["entry_time"] + pd.Timedelta(days=1)
    return frame.reindex(columns=list(COLUMNS))


# ------------------------------------------------------------------ worked by hand


def test_cagr_of_two_sessions() -> None:
    # 1.10 * 1.10 = 1.21 in two of 252 sessions
    assert metrics.cagr(series(0.10, 0.10)) == pytest.approx(1.21**126 - 1)


def test_cagr_of_a_year() -> None:
    assert metrics.cagr(series(*[0.0] * 251, 0.07)) == pytest.approx(0.07)


def test_volatility() -> None:
    # deviations +-0.01 about 0.01: variance 2 * 0.0001 / (2 - 1)
    assert metrics.volatility(series(0.0, 0.02)) == pytest.approx(math.sqrt(0.0002 * 252))


def test_sharpe() -> None:
    # mean 0.01, deviation 0.02 (three returns: -0.01, 0.01, 0.03)
    assert metrics.sharpe(series(-0.01, 0.01, 0.03)) == pytest.approx(0.01 / 0.02 * math.sqrt(252))


def test_sharpe_subtracts_the_compound_risk_free_rate() -> None:
    rate = 1.05 ** (1 / 252) - 1
    expected = (0.01 - rate) / 0.02 * math.sqrt(252)
    assert metrics.sharpe(series(-0.01, 0.01, 0.03), 0.05) == pytest.approx(expected)


def test_sortino_takes_the_downside_over_all_sessions() -> None:
    # mean 0.01, downside sqrt((0.02 ** 2 + 0 + 0 + 0) / 4) = 0.01
    assert metrics.sortino(series(-0.02, 0.02, 0.03, 0.01)) == pytest.approx(math.sqrt(252))


def test_drawdown_and_its_length_to_recovery() -> None:
    # wealth 1.1, 0.88, 0.99, 1.10 (recovered), 1.21: 20% below the peak of 1.1, three sessions after it
    returns = series(0.10, -0.20, 0.125, 1 / 9 + 1e-12, 0.10)
    assert metrics.max_drawdown(returns) == pytest.approx(0.20)
    assert metrics.max_drawdown_sessions(returns) == 3


def test_drawdown_open_at_the_end_counts_to_the_last_session() -> None:
    assert metrics.max_drawdown_sessions(series(0.1, -0.5, 0.1, 0.1)) == 3


def test_drawdown_from_the_starting_capital() -> None:
    returns = series(-0.25, 0.10)
    assert metrics.max_drawdown(returns) == pytest.approx(0.25)
    assert metrics.max_drawdown_sessions(returns) == 2


def test_drawdown_length_is_that_of_the_deepest_not_of_the_longest() -> None:
    returns = series(-0.01, 0.0, 0.0, 0.0, 0.02, -0.10, 0.20)
    assert metrics.max_drawdown_sessions(returns) == 2


def test_calmar() -> None:
    returns = series(0.10, -0.20, *[0.0] * 250)
    assert metrics.calmar(returns) == pytest.approx((1.1 * 0.8 - 1) / 0.20)


def test_trade_metrics() -> None:
    results = metrics.trade_results(trades(100.0, -50.0, 30.0, 0.0))
    assert metrics.profit_factor(results) == pytest.approx(130 / 50)
    assert metrics.win_rate(results) == 0.5
    assert metrics.expectancy(results) == pytest.approx(20.0)
    result = metrics.summary(series(0.0), trades(100.0, -50.0, 30.0, 0.0))
    assert (result["avg_trade_eur"], result["median_trade_eur"], result["trades"]) == (20.0, 15.0, 4)


def test_legs_of_a_pair_are_one_trade() -> None:
    results = metrics.trade_results(trades(-40.0, 100.0, -10.0, ids=["p1", "p1", "p2"]))
    assert sorted(results) == [-10.0, 60.0]
    assert metrics.win_rate(results) == 0.5


def test_profit_factor_without_a_loss_is_infinite() -> None:
    assert metrics.profit_factor(pd.Series([1.0])) == math.inf
    assert math.isnan(metrics.profit_factor(pd.Series([0.0])))


def test_exposure_and_mean_gross() -> None:
    gross = pd.Series([0.0, 50.0, 100.0, 0.0])
    assert metrics.exposure(gross) == 0.5
    assert metrics.mean_gross(gross, pd.Series([100.0, 100.0, 100.0, 0.0])) == pytest.approx(0.5)


def test_held_bars_from_entry_to_the_bar_before_the_exit() -> None:
    index = pd.date_range("2024-01-02 21:00", periods=5, freq="D", tz="UTC")
    rows = trades(1.0, 1.0)
    rows["entry_time"] = [index[1], index[1]]
    rows["exit_time"] = [index[3], index[2]]
    assert metrics.held_bars(rows, index).tolist() == [False, True, True, False, False]
    rows["exit_time"] = [index[1], pd.NaT]  # one within a bar, one still open
    assert metrics.held_bars(rows, index).tolist() == [False, True, True, True, True]


def test_turnover_of_a_round_trip_in_a_year_is_two() -> None:
    assert metrics.turnover(2_000.0, pd.Series([1_000.0] * 252), 252) == pytest.approx(2.0)


# ------------------------------------------------------------------ performance


def curve(*values: float) -> pd.Series:
    return pd.Series(values, index=pd.bdate_range("2024-01-02", periods=len(values), tz="UTC") + pd.Timedelta("21h"))


def test_performance_has_the_fixed_names_in_order() -> None:
    result = metrics.performance(curve(101.0, 99.0), trades(1.0), None, 100.0)
    assert tuple(result) == metrics.METRICS


def test_performance_of_a_small_run() -> None:
    equity = curve(110.0, 99.0, 99.0, 120.0)
    gross = pd.Series([50.0, 50.0, 0.0, 0.0], index=equity.index)
    result = metrics.performance(equity, trades(10.0, -11.0), gross, 100.0, traded_eur=214.0)
    assert result["max_drawdown"] == pytest.approx(0.10)  # 99 after 110
    assert result["max_drawdown_sessions"] == 3
    assert result["cagr"] == pytest.approx(1.2**63 - 1)
    assert result["exposure"] == 0.5
    assert result["turnover"] == pytest.approx(214 / 107 * 252 / 4)
    assert result["final_equity_eur"] == 120.0


def test_performance_without_gross_takes_the_bars_held_by_trades() -> None:
    equity = curve(100.0, 100.0, 100.0, 100.0)
    rows = trades(1.0)
    rows["entry_time"], rows["exit_time"] = equity.index[1], equity.index[2]
    assert metrics.performance(equity, rows, None, 100.0)["exposure"] == 0.25
    still_open = rows.assign(entry_time=equity.index[3], exit_time=pd.NaT)
    assert metrics.performance(equity, rows, None, 100.0, open_trades=still_open)["exposure"] == 0.5


# ------------------------------------------------------------------ edges: defined, and without a warning


def assert_all_defined(result: dict[str, Any]) -> None:
    assert tuple(result) == metrics.METRICS
    assert all(isinstance(value, float | int) for value in result.values())


@pytest.mark.parametrize(
    "values",
    [(), (100.0,), (110.0,), (100.0, 100.0, 100.0), (101.0, 102.01, 103.0301), (50.0, 0.0, 0.0), (50.0, -20.0, 30.0)],
    ids=["empty", "one flat", "one", "flat", "steady", "total loss", "negative equity"],
)
def test_edges_are_defined(values: tuple[float, ...]) -> None:
    assert_all_defined(metrics.performance(curve(*values), trades(), None, 100.0))


def test_no_session() -> None:
    result = metrics.performance(curve(), trades(), None, 100.0)
    assert math.isnan(result["cagr"]) and math.isnan(result["max_drawdown"])
    assert (result["trades"], result["max_drawdown_sessions"], result["final_equity_eur"]) == (0, 0, 100.0)


def test_zero_volatility_has_no_ratio() -> None:
    for returns in (series(0.0, 0.0, 0.0), series(0.01, 0.01, 0.01)):
        assert math.isnan(metrics.sharpe(returns))
        assert math.isnan(metrics.sortino(returns))
        assert math.isnan(metrics.calmar(returns))


def test_total_loss() -> None:
    result = metrics.performance(curve(50.0, 0.0, 0.0), trades(), None, 100.0)
    assert (result["cagr"], result["max_drawdown"]) == (-1.0, 1.0)
    assert result["max_drawdown_sessions"] == 2  # nothing compounds after ruin


def test_negative_equity_is_more_than_a_total_loss() -> None:
    result = metrics.performance(curve(50.0, -20.0, 30.0), trades(), None, 100.0)
    assert result["cagr"] == -1.0
    assert result["max_drawdown"] == pytest.approx(1.2)
    assert session_returns(curve(50.0, -20.0, 30.0), 100.0).isna().tolist() == [False, False, True]


# ------------------------------------------------------------------ other libraries


@pytest.fixture(scope="module")
def random_returns() -> pd.Series:
    values = np.random.default_rng(3).normal(0.0004, 0.012, 1_500)
    return pd.Series(values, index=pd.bdate_range("2015-01-02", periods=1_500))


def test_against_empyrical(random_returns: pd.Series) -> None:
    assert metrics.cagr(random_returns) == pytest.approx(empyrical.cagr(random_returns), rel=1e-12)
    assert metrics.max_drawdown(random_returns) == pytest.approx(-empyrical.max_drawdown(random_returns), rel=1e-12)
    assert metrics.calmar(random_returns) == pytest.approx(empyrical.calmar_ratio(random_returns), rel=1e-12)
    assert metrics.sharpe(random_returns) == pytest.approx(empyrical.sharpe_ratio(random_returns), rel=1e-12)
    assert metrics.sortino(random_returns) == pytest.approx(empyrical.sortino_ratio(random_returns), rel=1e-12)


def test_against_plain_numpy(random_returns: pd.Series) -> None:
    r = random_returns.to_numpy()
    wealth = np.cumprod(np.r_[1.0, 1 + r])
    drawdown = 1 - wealth / np.maximum.accumulate(wealth)
    assert metrics.max_drawdown(random_returns) == pytest.approx(drawdown.max(), rel=1e-12)
    assert metrics.sharpe(random_returns) == pytest.approx(r.mean() / r.std(ddof=1) * 252**0.5, rel=1e-12)
    downside = np.sqrt(np.mean(np.minimum(r, 0) ** 2))
    assert metrics.sortino(random_returns) == pytest.approx(r.mean() / downside * 252**0.5, rel=1e-12)
    assert metrics.cagr(random_returns) == pytest.approx(wealth[-1] ** (252 / len(r)) - 1, rel=1e-12)


def test_drawdown_length_against_pyfolio(random_returns: pd.Series) -> None:
    timeseries = pytest.importorskip("pyfolio.timeseries")
    peak, _, recovery = timeseries.get_max_drawdown(random_returns)
    end = random_returns.index[-1] if pd.isna(recovery) else recovery
    between = random_returns.index.get_loc(end) - random_returns.index.get_loc(peak)
    assert metrics.max_drawdown_sessions(random_returns) == between


class _Churn(bt.Strategy):
    """Turns the position over every seven bars."""

    def next(self) -> None:
        if len(self) % 7 == 0:
            if self.position:
                self.close()
            elif len(self) % 2:
                self.buy(size=40)
            else:
                self.sell(size=40)


def test_against_stock_backtrader_analyzers() -> None:
    close = 100 * np.cumprod(1 + np.random.default_rng(5).normal(0, 0.01, 300))
    bars = pd.DataFrame({"open": close, "high": close, "low": close, "close": close, "volume": 0.0})
    bars.index = pd.bdate_range("2020-01-02", periods=300)
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(bt.feeds.PandasData(dataname=bars))
    cerebro.addstrategy(_Churn)
    cerebro.broker.setcash(10_000)
    for kind in (bt.analyzers.DrawDown, bt.analyzers.TradeAnalyzer, bt.analyzers.TimeReturn):
        cerebro.addanalyzer(kind, _name=kind.__name__)
    cerebro.addanalyzer(bt.analyzers.SharpeRatio_A, _name="sharpe", timeframe=bt.TimeFrame.Days, riskfreerate=0.0,
                        stddev_sample=True)  # fmt: skip
    cerebro.addanalyzer(Equity, _name="equity")
    cerebro.addanalyzer(Trades, _name="trades")
    found = cerebro.run()[0].analyzers
    equity, rows = found.equity.frame(), found.trades.frame()
    result = metrics.performance(equity["equity_eur"], rows, equity["gross_exposure_eur"], 10_000.0)
    stock = found.TradeAnalyzer.get_analysis()
    assert result["max_drawdown"] * 100 == pytest.approx(found.DrawDown.get_analysis().max.drawdown)
    assert result["sharpe"] == pytest.approx(found.sharpe.get_analysis()["sharperatio"])
    assert result["trades"] == stock.total.closed
    assert result["win_rate"] == pytest.approx(stock.won.total / stock.total.closed)
    assert result["avg_trade_eur"] == pytest.approx(stock.pnl.net.average)
    assert result["profit_factor"] == pytest.approx(stock.won.pnl.total / -stock.lost.pnl.total)
    returns = list(found.TimeReturn.get_analysis().values())
    assert session_returns(equity["equity_eur"], 10_000.0).to_numpy() == pytest.approx(np.array(returns))


# ------------------------------------------------------------------ invariants

returns_lists = st.lists(st.floats(-0.5, 0.5, allow_nan=False), min_size=2, max_size=40)


@given(returns_lists, st.floats(0.1, 10.0))
def test_sharpe_does_not_change_with_the_size(values: list[float], scale: float) -> None:
    returns = series(*values)
    if np.ptp(values) < 1e-6:
        return
    assert metrics.sharpe(returns * scale) == pytest.approx(metrics.sharpe(returns), rel=1e-6, abs=1e-9)


@given(st.lists(st.floats(1.0, 1e6), min_size=1, max_size=40))
def test_drawdown_of_positive_equity_is_a_fraction(values: list[float]) -> None:
    returns = session_returns(curve(*values), 1_000.0)
    assert 0.0 <= metrics.max_drawdown(returns) <= 1.0
    assert 0 <= metrics.max_drawdown_sessions(returns) <= len(values)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_daily_results_sum_to_the_change_in_equity(values: list[float]) -> None:
    assert session_pnl(curve(*values), 1_000.0).sum() == pytest.approx(values[-1] - 1_000.0, abs=1e-3)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=12))
@example([2.0**1023, 2.0**1023])  # their sum is beyond all floats
def test_no_curve_breaks_the_metrics(values: list[float]) -> None:
    assert_all_defined(metrics.performance(curve(*values), trades(), None, 100.0))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_expectancy_is_the_average_trade(nets: list[float]) -> None:
    results = metrics.trade_results(trades(*nets))
    assert metrics.expectancy(results) == pytest.approx(sum(nets) / len(nets), abs=1e-6)
