"""Results on real prices for the tests of the report: trades by a plain z-score rule, worked out with numpy alone."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import arch.data.nasdaq
import arch.data.sp500
import numpy as np
import pandas as pd
import pytest

from core.config import load_settings
from core.settings import Settings
from engine.report import write_results
from engine.report.view import EQUITY_COLUMNS, ORDER_COLUMNS, TRADE_COLUMNS

USD = 0.90  # EUR for one dollar
FEE = 1.0  # EUR for each order
SLIP = 0.0001  # of the price


@dataclass(frozen=True)
class PlainResult:
    """The attributes that the report reads of a run."""

    settings: Settings
    equity: pd.DataFrame
    strategy_equity: dict[str, pd.Series]
    trades: pd.DataFrame
    open_trades: pd.DataFrame
    orders: pd.DataFrame
    bars: dict[str, pd.DataFrame]
    summary: dict[str, Any]
    notes: list[str]
    events: list[Any]
    partial: bool = False
    seconds: float = 1.5


@dataclass(frozen=True)
class Event:
    when: dt.datetime
    kind: str
    detail: str


def no_trades() -> pd.DataFrame:
    return pd.DataFrame(columns=list(TRADE_COLUMNS))


def sample_bars() -> dict[str, pd.DataFrame]:
    """SPX and IXIC, stamped at 21:00 UTC."""
    bars = {}
    for symbol, source in (("SPX", arch.data.sp500), ("IXIC", arch.data.nasdaq)):
        frame = source.load().rename(columns=str.lower)[["open", "high", "low", "close", "volume"]].astype(float)
        frame.index = pd.DatetimeIndex(frame.index).tz_localize("UTC") + pd.Timedelta(hours=21)
        bars[symbol] = frame
    return bars


def positions(signal: pd.Series, period: int, entry: float) -> np.ndarray:
    """-1, 0 or +1 after each bar: against the z-score beyond ``entry`` until it is back at zero."""
    z = ((signal - signal.rolling(period).mean()) / signal.rolling(period).std()).to_numpy()
    held, path = 0, np.zeros(len(z), dtype=int)
    for i, value in enumerate(z):
        if held == 0 and abs(value) > entry:
            held = -int(np.sign(value))
        elif held and held * value >= 0:
            held = 0
        path[i] = held
    return path


def leg_rows(unit: str, symbol: str, close: pd.Series, path: np.ndarray, notional: float, sign: int) -> list[dict]:
    """Rows of trades.csv of one leg, traded at the closes."""
    rows: list[dict] = []
    changes = np.flatnonzero(np.diff(np.concatenate(([0], path))))
    for number, (start, stop) in enumerate(zip(changes[::2], changes[1::2], strict=False), start=1):
        side, prices = int(path[start]) * sign, close.iloc[start : stop + 1]
        size = float(np.floor(notional / (prices.iloc[0] * USD)))
        moves = (prices - prices.iloc[0]) * side * size * USD
        slip = SLIP * (prices.iloc[0] + prices.iloc[-1]) * size * USD
        gross, commission = float(moves.iloc[-1]), 2 * FEE
        rows.append(
            {
                "trade_id": f"{unit}#{number}", "strategy": unit, "instrument": symbol,
                "side": "long" if side > 0 else "short", "size": size,
                "entry_time": prices.index[0], "entry_price": prices.iloc[0] * (1 + side * SLIP),
                "exit_time": prices.index[-1], "exit_price": prices.iloc[-1] * (1 - side * SLIP),
                "gross_eur": gross, "commission_eur": commission, "borrow_eur": 0.0, "slippage_eur": slip,
                "fx_eur": 0.0, "net_eur": gross - commission - slip, "mae_eur": min(0.0, float(moves.min())),
                "mfe_eur": max(0.0, float(moves.max())), "bars": int(stop - start),
                "exit_reason": "mean" if number % 5 else "stop",
            }
        )  # fmt: skip
    return rows


def curve(rows: list[dict], bars: dict[str, pd.DataFrame], index: pd.DatetimeIndex) -> pd.Series:
    """Net result on each bar, positions marked at the closes, costs paid at the exit."""
    total = np.zeros(len(index))
    for row in rows:
        close = bars[row["instrument"]]["close"].reindex(index).ffill().to_numpy()
        start, stop = index.get_indexer([row["entry_time"], row["exit_time"]])
        side = 1 if row["side"] == "long" else -1
        total[start:stop] += (close[start:stop] - close[start]) * side * row["size"] * USD
        total[stop:] += row["net_eur"]
    return pd.Series(total, index=index)


def order_rows(rows: list[dict]) -> pd.DataFrame:
    """Two filled orders for each trade row, and every twentieth entry once refused."""
    orders: list[dict] = []
    for number, row in enumerate(rows):
        base = {
            "unit": row["strategy"], "strategy": row["strategy"].partition(":")[0], "instrument": row["instrument"],
            "kind": "Market", "size": row["size"], "price": np.nan, "limit": np.nan, "refusal": "", "detail": "",
        }  # fmt: skip
        if number % 20 == 7:
            orders.append(
                base | {
                    "role": "entry", "reason": "zscore", "side": "buy", "created": row["entry_time"],
                    "done": row["entry_time"], "status": "Rejected", "filled": 0.0, "average_price": np.nan,
                    "commission_eur": 0.0, "refusal": "max_gross_exposure" if number % 40 == 7 else "cooldown",
                    "detail": "gross exposure would be 161,000 EUR, more than 150,000 EUR (1.5 x equity)",
                }
            )  # fmt: skip
        for role, time, price in (("entry", "entry_time", "entry_price"), ("exit", "exit_time", "exit_price")):
            side = "buy" if (row["side"] == "long") == (role == "entry") else "sell"
            orders.append(
                base | {
                    "role": role, "reason": "zscore" if role == "entry" else row["exit_reason"], "side": side,
                    "created": row[time], "done": row[time], "status": "Completed", "filled": row["size"],
                    "average_price": row[price], "commission_eur": FEE,
                }
            )  # fmt: skip
    frame = pd.DataFrame(orders).assign(ref=range(1, len(orders) + 1))
    return frame.reindex(columns=list(ORDER_COLUMNS))


def metrics_of(equity: pd.Series, trades: pd.DataFrame, start: float) -> dict[str, float]:
    """The metrics by their textbook formulas."""
    returns = equity / equity.shift(1, fill_value=start) - 1
    years = len(returns) / 252
    fall = (1 - equity / equity.cummax().clip(lower=start)).max()
    net = trades.groupby(["strategy", "trade_id"])["net_eur"].sum() if len(trades) else pd.Series(dtype=float)
    growth = (equity.iloc[-1] / start) ** (1 / years) - 1
    lost = -net[net < 0].sum()
    return {
        "cagr": growth, "volatility": returns.std() * 252**0.5,
        "sharpe": returns.mean() / returns.std() * 252**0.5,
        "sortino": returns.mean() / np.sqrt((returns.clip(upper=0) ** 2).mean()) * 252**0.5,
        "calmar": growth / fall if fall else np.nan, "max_drawdown": fall, "max_drawdown_sessions": 412,
        "profit_factor": net[net > 0].sum() / lost if lost else np.nan, "win_rate": (net > 0).mean(),
        "avg_trade_eur": net.mean(), "median_trade_eur": net.median(), "expectancy_eur": net.mean(),
        "trades": len(net), "exposure": 0.43, "turnover": 6.2, "final_equity_eur": equity.iloc[-1],
    }  # fmt: skip


def part_of(equity: pd.Series, start: float) -> dict[str, Any]:
    """A period or a regime of the summary."""
    metrics = metrics_of(equity, no_trades(), start)
    return {"sessions": len(equity), "portfolio": metrics, "strategies": {"meanrev": metrics, "pairs": metrics}}


def sample_result() -> PlainResult:
    """The sample desk: mean reversion on two indices and their pair, 1999 to 2018."""
    settings = load_settings()
    capital = settings.account.capital
    bars = sample_bars()
    index = pd.DatetimeIndex(bars["SPX"].index)
    closes = {symbol: frame["close"] for symbol, frame in bars.items()}
    rows: list[dict] = []
    for symbol in ("SPX", "IXIC"):
        rows += leg_rows(f"meanrev:{symbol}", symbol, closes[symbol], positions(closes[symbol], 20, 2.0), 25_000, 1)
    ratio = np.log(closes["SPX"] / closes["IXIC"])
    path = positions(ratio, 60, 2.0)
    rows += leg_rows("pairs", "SPX", closes["SPX"], path, 25_000, 1)
    rows += leg_rows("pairs", "IXIC", closes["IXIC"], path, 25_000, -1)
    trades = pd.DataFrame(rows).sort_values("exit_time", kind="stable", ignore_index=True)
    owners = {"meanrev": ("meanrev:SPX", "meanrev:IXIC"), "pairs": ("pairs",)}
    results = {name: curve([r for r in rows if r["strategy"] in own], bars, index) for name, own in owners.items()}
    strategy_equity = {name: (50_000 + result).rename(name) for name, result in results.items()}
    total = capital + sum(results.values())
    exposure = pd.Series(np.where(np.arange(len(index)) % 7 < 3, 25_000.0, 0.0), index=index)
    equity = pd.DataFrame(dict(zip(EQUITY_COLUMNS, (total, total - exposure, exposure, exposure), strict=True)))
    equity.index.name = "datetime"
    pnl = total - total.shift(1, fill_value=capital)
    still_open = trades.tail(1).assign(exit_time=pd.NaT, exit_price=np.nan, exit_reason="")
    kinds = {"commission": trades["commission_eur"].sum(), "slippage": trades["slippage_eur"].sum(), "borrow": 312.4}
    paid = kinds | {"total": sum(kinds.values())}
    gross = trades["gross_eur"].sum()
    summary = {
        "run": {
            "name": settings.name, "seconds": 1.5, "partial": False, "settings_hash": "3f" * 32,
            "trials_on_this_data": 3, "versions": {"python": "3.11.9", "halflife": "0.1.0", "pandas": pd.__version__},
        },
        "portfolio": metrics_of(total, trades, capital),
        "strategies": {
            name: metrics_of(strategy_equity[name], trades[trades["strategy"].isin(own)], 50_000.0)
            for name, own in owners.items()
        },
        "periods": {
            name: part_of(total.loc[str(p.start) : str(p.end)], capital) for name, p in settings.periods.items()
        },
        "regimes": {
            name: part_of(total.iloc[part], capital)
            for name, part in (("bull", slice(0, 1500)), ("bear", slice(1500, 3000)), ("sideways", slice(3000, None)))
        },
        "daily_target": {
            "target_eur": 50.0, "capital_eur": capital, "sessions": len(pnl), "trades": 300, "mean_eur": pnl.mean(),
            "median_eur": pnl.median(), "std_eur": pnl.std(), "quantiles_eur": {"0.05": -300.0, "0.95": 310.0},
            "share_at_target": (pnl >= 50).mean(), "share_negative": (pnl < 0).mean(), "confidence": 0.95,
            "mean_interval_eur": (pnl.mean() - 6.0, pnl.mean() + 6.0), "share_interval": (0.2, 0.25),
            "capital_required_eur": float("inf"), "capital_interval_eur": (400_000.0, float("inf")),
            "enough_evidence": False, "doubts": ("the 95% interval of the mean result does not exclude a loss",),
            "sentence": f"After costs the test earned EUR {pnl.mean():.2f} a session on a capital of EUR 100,000; "
                        "not enough evidence that EUR 50 a day can be had.",
        },
        "costs": {
            "portfolio": {
                kind: {"eur": eur, "bps_of_traded": eur / 3e7 * 1e4, "share_of_gross": eur / gross}
                for kind, eur in paid.items()
            },
            "interest_eur": -812.55, "cash_fx_eur": 0.0,
        },
        "data": {
            "hash": "a9" * 32, "source": "sample", "bar": "1d", "benchmark": "SPX",
            "symbols": {
                symbol: {"bars": len(frame), "first": frame.index[0], "last": frame.index[-1]}
                for symbol, frame in bars.items()
            },
        },
    }  # fmt: skip
    when = dt.datetime(2008, 10, 10, 21, tzinfo=dt.UTC)
    return PlainResult(
        settings=settings,
        equity=equity,
        strategy_equity=strategy_equity,
        trades=trades,
        open_trades=still_open,
        orders=order_rows(rows),
        bars=bars,
        summary=summary,
        notes=[
            "Indices cannot be traded; a fund or future on them has its own costs and tracking error.",
            "The open of the S&P 500 equals the close of the day before on most days until 2005.",
            "The EURUSD rate is a constant of the settings, 0.90 EUR for one dollar.",
        ],
        events=[
            Event(when, "throttle", "realised volatility 0.52 is above 0.45: entries stop"),
            Event(when + dt.timedelta(days=3), "kill", "drawdown 20.1% reached the limit of 20.0%"),
        ],
    )


@pytest.fixture(scope="session")
def sample() -> PlainResult:
    return sample_result()


@pytest.fixture(scope="session")
def vary(sample: PlainResult) -> Callable[..., PlainResult]:
    """The sample with other attributes."""
    return lambda **changes: dataclasses.replace(sample, **changes)


@pytest.fixture(scope="session")
def written(sample: PlainResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of the sample."""
    return write_results(sample, tmp_path_factory.mktemp("runs") / "desk")
