"""Every trade of a desk on real prices, told again from its bars by TA-Lib, statsmodels and the written rules."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import talib
from statsmodels.regression.rolling import RollingOLS
from statsmodels.tsa.stattools import coint

import engine
from core.config import load_settings
from feeds import load
from strategies import MeanReversion, PairsTrading

Numbers = np.ndarray[Any, np.dtype[np.float64]]

DESK = """
name = "told-again"
execution = "{execution}"
[account]
capital = 1_000_000
[data]
source = "sample"
start = 2006-01-03
end = 2011-12-31
[instruments.SPX]
[instruments.IXIC]
[costs]
enabled = false
[risk]
enabled = false
"""


class Trade(NamedTuple):
    sign: int
    entry: int  # bar of the fill
    entry_price: float
    exit: int
    exit_price: float
    reason: str


def traded(
    tmp_path: Any, execution: str, strategies: str
) -> tuple[dict[str, pd.DataFrame], Callable[..., list[Trade]]]:
    """Bars by symbol, and a function that gives the closed trades of a unit in one instrument."""
    file = tmp_path / "desk.toml"
    file.write_text(DESK.format(execution=execution) + strategies)
    settings = load_settings(file)
    bars = load(settings)  # without bars before data.start: the rules below begin there
    result = engine.run(engine.build(settings, bars, engine.SimBroker(settings=settings)))

    def trades(unit: str, symbol: str) -> list[Trade]:
        bar = result.bars[symbol].index.get_loc
        rows = result.trades[(result.trades["unit"] == unit) & (result.trades["instrument"] == symbol)]
        return sorted(
            (
                Trade(
                    1 if row.side == "long" else -1, bar(row.entry_time), row.entry_price, bar(row.exit_time),
                    row.exit_price, row.exit_reason,
                )
                for row in rows.itertuples()
            ),
            key=lambda trade: trade.entry,
        )  # fmt: skip

    return result.bars, trades


def as_toml(name: str, strategy: str, traded: str, parameters: dict[str, Any]) -> str:
    values = "\n".join(f"{key} = {json.dumps(value)}" for key, value in parameters.items())
    return (
        f'[strategies.{name}]\nstrategy = "{strategy}"\n{traded}\nallotment = 0.1\nsizing.max_cost_bps = 0.0\n'
        f"[strategies.{name}.parameters]\n{values}\n"
    )


def half_life(levels: Numbers) -> float:
    """Slope of the change on the level by polyfit; -ln 2 / ln|1 + b|."""
    decay = abs(1.0 + np.polyfit(levels[:-1], np.diff(levels), 1)[0])
    return -math.log(2.0) / math.log(decay) if decay < 1 else math.inf


def on_grid(price: float) -> float:
    return round(price, 2)


# -- mean reversion -------------------------------------------------------------------------------------------------

MEAN_REVERSION: dict[str, dict[str, Any]] = {
    "bollinger": {},
    "zscore": {"entry": "zscore", "vol_min": 0.10, "vol_max": 0.25, "long_regimes": "bull,sideways"},
    "rsi": {"entry": "rsi", "stop": "fraction", "stop_fraction": 0.02, "target": "fraction", "target_fraction": 0.01},
    "keltner": {"entry": "keltner", "side": "long", "target": "atr", "target_atr": 1.0, "adx_max": 0.0},
    "short": {"entry": "rsi", "side": "short", "short_regimes": "bear", "time_stop": 0.5, "rsi_exit": 90.0},
}


def stretch_of(entry: str, high: Numbers, low: Numbers, close: Numbers) -> tuple[Numbers, float, float]:
    """Distance from the mean in the family's unit, where it enters and where it is back; the families' defaults."""
    if entry == "bollinger":
        upper, _, lower = talib.BBANDS(close, 20, 2.0, 2.0)
        return (close - lower) / (upper - lower) - 0.5, 0.5, 0.0
    if entry == "zscore":
        window = pd.Series(close).rolling(20)
        return ((close - window.mean()) / window.std()).to_numpy(), 2.0, 0.5
    if entry == "rsi":
        return talib.RSI(close, 2) - 50.0, 40.0, 0.0
    return (close - talib.EMA(close, 20)) / talib.ATR(high, low, close, 10), 2.0, 0.0


def regimes(close: Numbers) -> Numbers:
    average = pd.Series(close).rolling(200).mean()
    rising, falling = average > average.shift(20), average < average.shift(20)
    bull, bear = (close > 1.02 * average) & rising, (close < 0.98 * average) & falling
    return np.where(bull, "bull", np.where(bear, "bear", "sideways"))


def mean_reversion(bars: pd.DataFrame, p: dict[str, Any], at_close: bool) -> list[Trade]:
    opens, high, low, close = (bars[name].to_numpy() for name in ("open", "high", "low", "close"))
    stretch, enter, back = stretch_of(p.get("entry", "bollinger"), high, low, close)
    back = 50.0 - p["rsi_exit"] if "rsi_exit" in p else back
    atr, adx = talib.ATR(high, low, close, 14), talib.ADX(high, low, close, 14)
    vol = pd.Series(np.log(close)).diff().rolling(20).std().to_numpy() * math.sqrt(252)
    off = (pd.Series(close) - pd.Series(close).rolling(20).mean()).to_numpy()
    regime, side = regimes(close), p.get("side", "both")
    trades: list[Trade] = []
    held: dict[str, Any] = {}
    for t in range(MeanReversion.bars_needed(p) - 1, len(close)):
        # 1. the broker: an exit at market, else what rests there, on the bars after the entry (or on its own, from
        #    an entry at the open); an exit at the close comes after what rests
        if held:
            sign, market = held["sign"], (close if at_close else opens)[t]
            if t == held["entry"]:
                held["price"] = market
            out: tuple[float, str] | None = None
            hit = (low if sign > 0 else high)[t]
            reached = (high if sign > 0 else low)[t]
            if held["leaving"] and not at_close:
                out = market, held["leaving"]
            elif t == held["entry"] and at_close:
                pass
            elif sign * hit <= sign * held["stop"]:
                out = sign * min(sign * opens[t], sign * held["stop"]), "stop"
            elif sign * reached >= sign * held["target"]:
                out = sign * max(sign * opens[t], sign * held["target"]), "target"
            elif held["leaving"]:
                out = market, held["leaving"]
            if out:
                trades.append(Trade(sign, held["entry"], held["price"], t, *out))
                held = {}
            elif not held["leaving"]:
                if -sign * stretch[t] <= back:
                    held["leaving"] = "mean"
                elif t - held["entry"] >= held["limit"]:
                    held["leaving"] = "time"
        # 2. a new signal: the level is reached on this bar
        if not held:
            sign = (stretch[t - 1] > -enter >= stretch[t]) * 1 - (stretch[t - 1] < enter <= stretch[t]) * 1
            if not sign or side == ("short" if sign > 0 else "long"):
                continue
            allowed = p.get("long_regimes" if sign > 0 else "short_regimes", "bull,bear,sideways")
            if (p.get("adx_max", 30.0) and adx[t] > p.get("adx_max", 30.0)) or regime[t] not in allowed.split(","):
                continue
            if not p.get("vol_min", 0.0) <= vol[t] <= p.get("vol_max", math.inf):
                continue
            risk = p["stop_fraction"] * close[t] if "stop" in p else 3.0 * atr[t]
            gain = {"atr": p.get("target_atr", 0.0) * atr[t], "fraction": p.get("target_fraction", 0.0) * close[t]}
            far = sign * gain[p["target"]] if "target" in p else sign * math.inf
            bars_allowed = p.get("time_stop", 3.0) * min(max(half_life(off[t - 59 : t + 1]), 2.0), 20.0)
            held = {
                "sign": sign, "entry": t + 1, "stop": on_grid(close[t] - sign * risk), "leaving": "",
                "target": on_grid(close[t] + far) if math.isfinite(far) else far, "limit": math.ceil(bars_allowed),
            }  # fmt: skip
    return trades


@pytest.mark.parametrize("execution", ["next_open", "next_close"])
def test_mean_reversion_trades_are_those_of_the_rules(tmp_path: Any, execution: str) -> None:
    units = {
        name: as_toml(name, "MeanReversion", 'instruments = ["SPX"]', p) for name, p in MEAN_REVERSION.items()
    }  # fmt: skip
    bars, trades = traded(tmp_path, execution, "".join(units.values()))
    reasons: set[str] = set()
    for name, parameters in MEAN_REVERSION.items():
        expected = mean_reversion(bars["SPX"], parameters, execution == "next_close")
        found = trades(name, "SPX")
        assert len(found) >= 10 and [t[:2] + (t.exit, t.reason) for t in found] == [
            t[:2] + (t.exit, t.reason) for t in expected
        ]  # fmt: skip
        for a, b in zip(found, expected, strict=True):
            assert (a.entry_price, a.exit_price) == pytest.approx((b.entry_price, b.exit_price), rel=1e-12)
        reasons |= {trade.reason for trade in found}
    assert reasons == {"mean", "stop", "target", "time"}


# -- pairs ----------------------------------------------------------------------------------------------------------

PAIRS: dict[str, dict[str, Any]] = {
    "ols": {"coint_max": 0.3},
    "leaving": {"coint_max": 0.6, "coint_exit": 0.7, "disaster_stop": 0.03},
    "tls": {"hedge": "tls", "coint_max": 0.6, "log_prices": False, "time_stop": 0.5},
    "kalman": {"hedge": "kalman", "coint_max": 0.5, "kalman_memory": 60, "stop_z": 2.5},
}


def hedged(y: Numbers, x: Numbers, hedge: str) -> tuple[Numbers, Numbers, Numbers]:
    """beta, z, and the least-squares (or total least-squares) spread whose half-life counts."""
    fits = RollingOLS(y, sm.add_constant(x), window=60).fit().params
    beta, spread, z = fits[:, 1].copy(), y - fits[:, 0] - fits[:, 1] * x, np.full(len(y), np.nan)
    for t in range(59, len(y)):
        ys, xs = y[t - 59 : t + 1], x[t - 59 : t + 1]
        if hedge == "tls":
            axis = np.linalg.eigh(np.cov(xs, ys))[1][:, 1]
            beta[t] = axis[1] / axis[0]
            spread[t] = y[t] - ys.mean() - beta[t] * (x[t] - xs.mean())
        if hedge == "kalman":  # Chan's equations, over the last 60 bars
            state, uncertainty = np.zeros(2), np.zeros((2, 2))
            for now, h in zip(ys, np.column_stack((xs, np.ones(60))), strict=True):
                variance = h @ uncertainty @ h + 1e-5
                error = now - h @ state
                gain = uncertainty @ h / variance
                state = state + gain * error
                uncertainty = uncertainty - np.outer(gain, h @ uncertainty) + 1e-7 / (1 - 1e-7) * np.eye(2)
            beta[t], z[t] = state[0], error / math.sqrt(variance)
    if hedge != "kalman":
        window = pd.Series(spread).rolling(60)
        z = ((spread - window.mean()) / window.std()).to_numpy()
    return beta, z, spread


def pairs(bars: dict[str, pd.DataFrame], p: dict[str, Any]) -> list[tuple[Trade, Trade]]:
    legs = [bars["SPX"], bars["IXIC"]]
    closes = [leg["close"].to_numpy() for leg in legs]
    y, x = (np.log(close) if p.get("log_prices", True) else close for close in closes)
    beta, z, spread = hedged(y, x, p.get("hedge", "ols"))
    returns = [pd.Series(np.log(close)).diff() for close in closes]
    correlation = returns[0].rolling(60).corr(returns[1]).to_numpy()

    def p_value(t: int) -> float:
        return float(coint(y[t - 251 : t + 1], x[t - 251 : t + 1], trend="c", maxlag=1, autolag=None)[1])

    trades: list[tuple[Trade, Trade]] = []
    held: dict[str, Any] = {}
    stopped, stop_z = False, p.get("stop_z", 4.0)
    for t in range(60, len(y)):
        stopped = not abs(z[t]) <= 0.5 and (stopped or abs(z[t]) >= stop_z)
        if t < PairsTrading.bars_needed(p) - 1:
            continue
        # 1. the broker: the wide stop of each leg, then exits at the close
        if held and t > held["entry"]:
            for i, (leg, sign) in enumerate(zip(legs, (held["sign"], -held["sign"]), strict=True)):
                touched = sign * leg["low" if sign > 0 else "high"].iloc[t] <= sign * held["stops"][i]
                if held["out"][i] is None and touched:
                    price = sign * min(sign * leg["open"].iloc[t], sign * held["stops"][i])
                    held["out"][i] = t, price, "disaster_stop"
                elif held["out"][i] is None and held["leaving"]:
                    held["out"][i] = t, closes[i][t], held["leaving"]
            if None not in held["out"]:
                (a, b), sign, entry = held["out"], held["sign"], held["entry"]
                trades.append((Trade(sign, entry, closes[0][entry], *a), Trade(-sign, entry, closes[1][entry], *b)))
                held = {}
        # 2. the strategy at the close
        if held and not held["leaving"] and t >= held["entry"]:
            away = held["sign"] * z[t]
            if held["out"] != [None, None]:
                held["leaving"] = "other_leg"
            elif away >= -0.5:
                held["leaving"] = "mean"
            elif away <= -stop_z:
                held["leaving"] = "spread_stop"
            elif "coint_exit" in p and p_value(t) > p["coint_exit"]:
                held["leaving"] = "cointegration"
            elif t - held["entry"] >= held["limit"]:
                held["leaving"] = "time"
        elif not held and abs(z[t]) >= 2.0 and not (abs(z[t - 1]) >= 2.0 and z[t - 1] * z[t] > 0):
            life = half_life(spread[t - 59 : t + 1])
            if stopped or not (beta[t] > 0 and 1.0 <= life <= 30.0 and correlation[t] >= 0.5):
                continue
            if p_value(t) <= p["coint_max"]:
                sign = 1 if z[t] < 0 else -1
                wide = p.get("disaster_stop", 0.10)
                held = {
                    "sign": sign, "entry": t + 1, "out": [None, None], "leaving": "",
                    "stops": [on_grid(closes[0][t] * (1 - sign * wide)), on_grid(closes[1][t] * (1 + sign * wide))],
                    "limit": math.ceil(p.get("time_stop", 3.0) * life),
                }  # fmt: skip
    return trades


def test_pairs_trades_are_those_of_the_rules(tmp_path: Any) -> None:
    units = [as_toml(name, "PairsTrading", 'pairs = [["SPX", "IXIC"]]', p) for name, p in PAIRS.items()]
    bars, trades = traded(tmp_path, "next_close", "".join(units))
    assert bars["SPX"].index.equals(bars["IXIC"].index)
    reasons: set[str] = set()
    for name, parameters in PAIRS.items():
        expected = pairs(bars, parameters)
        assert len(expected) >= 4
        for i, symbol in enumerate(("SPX", "IXIC")):
            found = trades(name, symbol)
            assert [t[:2] + (t.exit, t.reason) for t in found] == [
                t[i][:2] + (t[i].exit, t[i].reason) for t in expected
            ]  # fmt: skip
            for a, b in zip(found, expected, strict=True):
                assert (a.entry_price, a.exit_price) == pytest.approx((b[i].entry_price, b[i].exit_price), rel=1e-12)
            reasons |= {trade.reason for trade in found}
    assert reasons == {"mean", "spread_stop", "cointegration", "time", "disaster_stop", "other_leg"}
