"""Every indicator against a library, a textbook formula in numpy, or values by hand."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import talib
from statsmodels.regression.rolling import RollingOLS
from statsmodels.tsa.adfvalues import mackinnonp
from statsmodels.tsa.ar_model import AutoReg
from statsmodels.tsa.stattools import coint

import indicators as ind
from indicators.cointegration import mackinnon
from indicators.half_life import half_life

SPOTS = [0, 1, 500, 1_000, 2_222, -1]  # windows that are compared where the reference takes one at a time


@pytest.fixture(scope="module", params=["real", "random"])
def pair(request: Any, sp500: Any, nasdaq: Any, random_pair: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    return (nasdaq, sp500) if request.param == "real" else random_pair


def close_to(got: Any, expected: Any, tolerance: float = 1e-9) -> None:
    """Equal to the relative tolerance, or to that part of the line's usual size where the line crosses zero."""
    got, expected = np.asarray(got, dtype=float), np.asarray(expected, dtype=float)
    finite = np.abs(expected[np.isfinite(expected)])
    assert finite.size
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * float(np.median(finite)))


@pytest.mark.parametrize("period", [2, 5, 14, 30])
def test_rsi_atr_adx_are_those_of_talib(period: int, pair: Any, run: Any) -> None:
    high, low, close = (pair[0][name].to_numpy() for name in ("high", "low", "close"))
    params = {"period": period}
    close_to(run(ind.RSI, [pair[0]], params)["rsi"], talib.RSI(close, period))
    close_to(run(ind.ATR, [pair[0]], params)["atr"], talib.ATR(high, low, close, period))
    close_to(run(ind.ADX, [pair[0]], params)["adx"], talib.ADX(high, low, close, period))


def test_atr_of_one_bar_is_the_true_range(pair: Any, run: Any) -> None:
    high, low, close = (pair[0][name].to_numpy() for name in ("high", "low", "close"))
    close_to(run(ind.ATR, [pair[0]], {"period": 1})["atr"], talib.TRANGE(high, low, close))


@pytest.mark.parametrize(("period", "devs"), [(20, 2.0), (5, 1.5), (200, 3)])
def test_bollinger_is_that_of_talib(period: int, devs: float, pair: Any, run: Any) -> None:
    close = pair[0]["close"].to_numpy()
    got = run(ind.Bollinger, [pair[0]], {"period": period, "devs": devs})
    top, mid, bot = talib.BBANDS(close, period, devs, devs)
    for name, expected in (("top", top), ("mid", mid), ("bot", bot)):
        close_to(got[name], expected)
    rolling = pair[0]["close"].rolling(period)
    std = rolling.std(ddof=0)
    close_to(got["percent_b"], 0.5 + (close - rolling.mean()) / (2 * devs * std), 1e-7)  # pandas sums cumulatively
    close_to(got["bandwidth"], 2 * devs * std / rolling.mean(), 1e-7)


def test_keltner_is_ema_and_atr_of_talib(pair: Any, run: Any) -> None:
    high, low, close = (pair[0][name].to_numpy() for name in ("high", "low", "close"))
    got = run(ind.Keltner, [pair[0]], {"period": 15, "atr_period": 7, "mult": 1.5})
    mid, reach = talib.EMA(close, 15), 1.5 * talib.ATR(high, low, close, 7)
    close_to(got["mid"], mid)
    close_to(got["top"], mid + reach)
    close_to(got["bot"], mid - reach)
    close_to(got["position"], (close - mid + reach) / (2 * reach))


def windowed(values: Any, period: int, function: Any) -> np.ndarray[Any, Any]:
    """``function`` of each window, NaN before the first."""
    views = np.lib.stride_tricks.sliding_window_view(np.asarray(values, dtype=float), period)
    return np.concatenate([np.full(period - 1, np.nan), [function(view) for view in views]])


def test_zscore_is_that_of_numpy(pair: Any, run: Any) -> None:
    close = pair[0]["close"].iloc[:700]
    expected = windowed(close, 20, lambda w: (w[-1] - w.mean()) / w.std(ddof=1))
    close_to(run(ind.ZScore, [pair[0].iloc[:700]])["zscore"], expected)


def test_realised_vol_is_that_of_pandas(pair: Any, run: Any) -> None:
    returns = np.log(pair[0]["close"]).diff()
    close_to(run(ind.RealisedVol, [pair[0]])["vol"], returns.rolling(20).std() * math.sqrt(252), 1e-8)
    numpy = windowed(returns.iloc[1:700], 20, lambda w: w.std(ddof=1) * math.sqrt(365.25))
    got = run(ind.RealisedVol, [pair[0].iloc[:700]], {"bars_per_year": 365.25})["vol"]
    close_to(got[1:], numpy)


def test_half_life_is_from_the_autoregression_of_statsmodels(pair: Any, run: Any) -> None:
    got = run(ind.HalfLife, [pair[0]], {"period": 60})["half_life"].iloc[59:]
    close = pair[0]["close"].to_numpy()
    finite = 0
    for spot in [*range(0, 400, 9), -1]:
        window = close[spot : spot + 60] if spot >= 0 else close[-60:]
        coefficient = AutoReg(window, 1, trend="c").fit().params[1]  # of the lagged level: 1 + b
        expected = -math.log(2) / math.log(coefficient) if coefficient < 1 else math.inf
        finite += math.isfinite(expected)
        assert got.iloc[spot] == pytest.approx(expected, rel=1e-7)
    assert finite > 20


@pytest.mark.parametrize(
    ("slope", "bars"),
    [
        (-0.5, 1.0),  # half is left after one bar
        (-0.75, 0.5),
        (math.sqrt(0.5) - 1.0, 2.0),
        (-1.5, 1.0),  # -1/2 is left: half of its size
        (-1.0, 0.0),  # nothing is left
        (0.0, math.inf),
        (0.2, math.inf),
        (-2.0, math.inf),  # swings for ever
        (-2.5, math.inf),
    ],
)
def test_half_life_of_a_slope(slope: float, bars: float) -> None:
    assert half_life(np.array([slope]))[0] == pytest.approx(bars, rel=1e-12)


def test_half_life_of_a_slope_that_is_unknown_is_unknown() -> None:
    assert math.isnan(half_life(np.array([math.nan]))[0])


def test_hurst_is_half_the_slope_of_the_log_mean_square(pair: Any, run: Any) -> None:
    got = run(ind.Hurst, [pair[0]])["hurst"].iloc[99:]
    logs = np.log(pair[0]["close"].to_numpy())
    for spot in SPOTS[:4]:
        z = logs[spot : spot + 100]
        lags = np.arange(2, 21)
        square = [np.mean((z[lag:] - z[:-lag]) ** 2) for lag in lags]
        assert got.iloc[spot] == pytest.approx(np.polyfit(np.log(lags), np.log(square), 1)[0] / 2, rel=1e-9)


def test_hurst_of_a_straight_line_is_one(run: Any) -> None:
    line = pd.DataFrame({"close": np.exp(0.01 * np.arange(150))}, index=pd.bdate_range("2020-01-01", periods=150))
    for name in ("open", "high", "low"):
        line[name] = line["close"]
    assert run(ind.Hurst, [line])["hurst"].dropna().to_numpy() == pytest.approx(1.0, abs=1e-9)


def test_regime_by_hand(run: Any) -> None:
    # average of 2, its slope over 1 bar, band 10%
    close = [10.0, 10.0, 10.0, 14.0, 14.0, 14.0, 10.0, 10.0, 8.0, 10.0]
    #  average    -    10    10    12    14    14    12    10    9     9
    expected = [math.nan, math.nan, 0, 1, 0, 0, -1, 0, -1, 0]
    # bars 4, 5, 7: on the average; bar 6: 10 < 0.9 * 12, falling; bar 8: 8 < 8.1, falling; bar 9: 10 > 9.9, not rising
    frame = pd.DataFrame({name: close for name in ("open", "high", "low", "close")}, dtype=float)
    frame.index = pd.bdate_range("2020-01-01", periods=len(close))
    got = run(ind.Regime, [frame], {"period": 2, "slope": 1, "band": 0.1})
    np.testing.assert_array_equal(got["regime"], expected)
    np.testing.assert_array_equal(got["average"], [math.nan, math.nan, 10, 12, 14, 14, 12, 10, 9, 9])


def test_regime_agrees_with_pandas(sp500: Any, run: Any) -> None:
    close = sp500["close"]
    average = close.rolling(200).mean()
    slope = average - average.shift(20)
    expected = pd.Series(0.0, index=close.index).where(slope.notna())
    expected[(close > 1.02 * average) & (slope > 0)] = 1.0
    expected[(close < 0.98 * average) & (slope < 0)] = -1.0
    got = run(ind.Regime, [sp500])["regime"]
    np.testing.assert_array_equal(got, expected)
    assert set(got.dropna()) == {-1.0, 0.0, 1.0}


@pytest.mark.parametrize("log", [False, True])
def test_hedge_ols_is_that_of_statsmodels(log: bool, pair: Any, run: Any) -> None:
    y, x = (np.log(frame["close"]) if log else frame["close"] for frame in pair)
    y, x = y.iloc[:1_500], x.iloc[:1_500]
    # RollingOLS solves the normal equations: about the means it loses fewer digits
    fit = RollingOLS(y - y.mean(), sm.add_constant((x - x.mean()).rename("x")), window=60).fit()
    slope, intercept = fit.params["x"], fit.params["const"] + y.mean() - fit.params["x"] * x.mean()
    got = run(ind.HedgeOLS, list(pair), {"period": 60, "log": log}).iloc[:1_500]
    close_to(got["beta"], slope)
    close_to(got["alpha"], intercept)
    close_to(got["spread"], y - slope * x - intercept)
    for spot in SPOTS[:3]:
        window = slice(spot, spot + 60)
        one = sm.OLS(y.iloc[window].to_numpy(), sm.add_constant(x.iloc[window].to_numpy())).fit()
        row = got.iloc[spot + 59]
        expected = [one.params[1], one.params[0], one.resid[-1], math.sqrt(one.mse_resid)]
        assert row.to_list() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("log", [False, True])
def test_hedge_tls_is_along_the_first_singular_vector(log: bool, pair: Any, run: Any) -> None:
    y, x = (np.log(frame["close"].to_numpy()) if log else frame["close"].to_numpy() for frame in pair)
    got = run(ind.HedgeTLS, list(pair), {"period": 60, "log": log})
    for spot in SPOTS[:4]:
        xs, ys = x[spot : spot + 60], y[spot : spot + 60]
        _, _, axes = np.linalg.svd(np.column_stack([xs - xs.mean(), ys - ys.mean()]))
        beta = axes[0, 1] / axes[0, 0]
        spread = ys - beta * xs - (ys.mean() - beta * xs.mean())
        expected = [beta, ys.mean() - beta * xs.mean(), spread[-1], math.sqrt((spread**2).sum() / 58)]
        assert got.iloc[spot + 59].to_list() == pytest.approx(expected, rel=1e-9)


def test_hedge_tls_is_symmetric(pair: Any, run: Any) -> None:
    forth, back = run(ind.HedgeTLS, list(pair)), run(ind.HedgeTLS, list(pair[::-1]))
    close_to(forth["beta"], 1.0 / back["beta"])


def chan_kalman(y: Any, x: Any, delta: float, obs_var: float) -> np.ndarray[Any, Any]:
    """Chan, Algorithmic Trading, example 3.3, line by line: beta, e, sqrt(Q)."""
    x = np.column_stack([x, np.ones(len(x))])
    beta, p = np.zeros(2), np.zeros((2, 2))
    r = np.zeros((2, 2))
    vw, out = delta / (1 - delta) * np.eye(2), []
    for t in range(len(y)):
        if t > 0:
            r = p + vw
        yhat = x[t] @ beta
        q = x[t] @ r @ x[t] + obs_var
        e = y[t] - yhat
        k = r @ x[t] / q
        beta = beta + k * e
        p = r - np.outer(k, x[t]) @ r
        out.append((*beta, e, math.sqrt(q)))
    return np.array(out)


@pytest.mark.parametrize(
    ("delta", "obs_var", "log"), [(1e-4, 1e-3, False), (1e-4, 1e-3, True), (1e-2, 0.5, False), (1e-6, 1e-5, True)]
)
def test_hedge_kalman_is_that_of_chan(delta: float, obs_var: float, log: bool, pair: Any, run: Any) -> None:
    y, x = (np.log(frame["close"].to_numpy()) if log else frame["close"].to_numpy() for frame in pair)
    got = run(ind.HedgeKalman, list(pair), {"delta": delta, "obs_var": obs_var, "log": log})
    expected = chan_kalman(y, x, delta, obs_var)
    assert got.iloc[:2].isna().all(axis=None)
    for line, values in zip(got, expected.T, strict=True):
        close_to(got[line].iloc[2:], values[2:], 1e-8)  # the reference itself loses digits to large prices


def test_hedge_kalman_with_memory_is_a_filter_over_its_last_bars(pair: Any, run: Any) -> None:
    y, x = (frame["close"].to_numpy() for frame in pair)
    got = run(ind.HedgeKalman, list(pair), {"memory": 50})
    for spot in SPOTS[:4]:
        expected = chan_kalman(y[spot : spot + 50], x[spot : spot + 50], 1e-4, 1e-3)[-1]
        assert got.iloc[spot + 49].to_list() == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("period", "maxlag"), [(252, 1), (252, 0), (60, 3), (30, 1)])
@pytest.mark.parametrize("log", [False, True])
def test_cointegration_is_that_of_statsmodels(period: int, maxlag: int, log: bool, pair: Any, run: Any) -> None:
    y, x = (np.log(frame["close"].to_numpy()) if log else frame["close"].to_numpy() for frame in pair)
    got = run(ind.Cointegration, list(pair), {"period": period, "maxlag": maxlag, "log": log}).iloc[period - 1 :]
    for spot in [*range(0, 1_200, 61), -1]:
        window = slice(spot, spot + period) if spot >= 0 else slice(len(y) - period, None)
        expected = coint(y[window], x[window], trend="c", maxlag=maxlag, autolag=None, return_results=False)
        # statsmodels inverts by SVD, whose last digits depend on the processor
        assert got["t_stat"].iloc[spot] == pytest.approx(expected[0], rel=1e-8)
        assert got["p_value"].iloc[spot] == pytest.approx(expected[1], rel=1e-7)


def test_cointegration_of_the_same_series_is_certain(sp500: Any, run: Any) -> None:
    twice = sp500.copy()
    twice["close"] = 5.0 + 2.0 * sp500["close"]
    got = run(ind.Cointegration, [twice.iloc[:400], sp500.iloc[:400]]).dropna()
    assert (got["t_stat"] == -np.inf).all() and (got["p_value"] == 0.0).all() and len(got) == 149
    with warnings.catch_warnings(action="ignore"):
        expected = coint(
            twice["close"].iloc[:252], sp500["close"].iloc[:252], maxlag=1, autolag=None, return_results=False
        )
    assert expected[:2] == (-np.inf, 0.0)


def test_p_values_are_mackinnons() -> None:
    t_stats = [-30.0, -18.87, -18.86, -10.0, -4.0, -2.62, -2.61999, -1.0, 0.0, 0.9, 0.92, 0.93, 5.0]
    expected = [mackinnonp(t, regression="c", N=2) for t in t_stats]
    np.testing.assert_allclose(mackinnon(np.array(t_stats)), expected, rtol=1e-12)
    assert math.isnan(mackinnon(np.array([math.nan]))[0])


def test_correlation_is_that_of_numpy(pair: Any, run: Any) -> None:
    got = run(ind.Correlation, list(pair))["correlation"]
    returns = [np.log(frame["close"]).diff() for frame in pair]
    close_to(got, returns[0].rolling(60).corr(returns[1]), 1e-7)
    for spot in SPOTS[:4]:
        window = slice(spot + 1, spot + 61)
        expected = np.corrcoef(returns[0].iloc[window], returns[1].iloc[window])[0, 1]
        assert got.iloc[spot + 60] == pytest.approx(expected, rel=1e-9)


def test_correlation_with_itself_and_with_its_inverse(sp500: Any, run: Any) -> None:
    inverse = sp500.copy()
    inverse["close"] = 1e6 / sp500["close"]
    same = run(ind.Correlation, [sp500, sp500])["correlation"].dropna()
    assert same.to_numpy() == pytest.approx(1.0, abs=1e-12) and (same <= 1.0).all()
    assert run(ind.Correlation, [sp500, inverse])["correlation"].dropna().to_numpy() == pytest.approx(-1.0, abs=1e-9)
