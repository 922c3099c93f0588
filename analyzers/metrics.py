"""Performance metrics: pure functions of session returns (pandas Series, fractions) and of closed trades.

Annual figures use 252 sessions; the risk-free rate is an annual fraction. A figure that is not defined (no trade,
one session, zero volatility) is NaN, never an exception or a warning. Sessions whose return is NaN or infinite are
left out. empyrical computes whatever it defines in the same way; deviations are named in the docstrings.

Trades are rows of ``books.trades.TradeRow``. Rows that share ``strategy`` and ``trade_id`` are the legs of one trade
and count once, with the sum of their results: a pair that loses on one leg and wins more on the other is one win.
"""

from __future__ import annotations

import math
from typing import Any

import empyrical
import numpy as np
import pandas as pd

from analyzers.sessions import SESSIONS_PER_YEAR, SessionCalendar, returns_of, session_equity, utc

NAN = float("nan")

METRICS = (
    "cagr", "volatility", "sharpe", "sortino", "calmar", "max_drawdown", "max_drawdown_sessions", "profit_factor",
    "win_rate", "avg_trade_eur", "median_trade_eur", "expectancy_eur", "trades", "exposure", "turnover",
    "final_equity_eur",
)  # fmt: skip


def session_rate(annual: float) -> float:
    """Return the rate of one session that compounds to ``annual`` over 252 sessions."""
    return float((1.0 + annual) ** (1.0 / SESSIONS_PER_YEAR) - 1.0)


def cagr(returns: pd.Series) -> float:
    """Compound annual growth rate, fraction a year: ``prod(1 + r) ** (252 / n) - 1`` over n sessions.

    As ``empyrical.cagr``, except for a total loss (a return of -1 or less), which is -1 and not a complex number.
    """
    values = _until_ruin(returns)
    if not len(values):
        return NAN
    if values[-1] <= -1.0:
        return -1.0
    with np.errstate(all="ignore"):
        return float(empyrical.cagr(values, annualization=SESSIONS_PER_YEAR))


def volatility(returns: pd.Series) -> float:
    """Annual standard deviation of session returns, fraction: ``std(r, ddof=1) * sqrt(252)`` (empyrical)."""
    with np.errstate(all="ignore"):
        return float(empyrical.annual_volatility(_finite(returns), annualization=SESSIONS_PER_YEAR))


def sharpe(returns: pd.Series, risk_free: float = 0.0) -> float:
    """Annual Sharpe ratio (Sharpe 1994): ``mean(r - f) / std(r - f, ddof=1) * sqrt(252)``.

    ``risk_free`` is an annual fraction; f is its compound equivalent for a session (empyrical takes f itself).
    Zero volatility gives NaN where empyrical gives an infinite ratio: nothing was measured.
    """
    with np.errstate(all="ignore"):
        ratio = empyrical.sharpe_ratio(
            _finite(returns), risk_free=session_rate(risk_free), annualization=SESSIONS_PER_YEAR
        )
    return _finite_or_nan(ratio)


def sortino(returns: pd.Series, risk_free: float = 0.0) -> float:
    """Annual Sortino ratio: ``252 * mean(r - f) / (sqrt(mean(min(r - f, 0) ** 2)) * sqrt(252))``.

    The downside deviation is taken over all sessions, not over the losing ones alone (Sortino and Price 1994), as
    in empyrical. No session below f gives NaN where empyrical gives an infinite ratio.
    """
    with np.errstate(all="ignore"):
        ratio = empyrical.sortino_ratio(
            _finite(returns), required_return=session_rate(risk_free), annualization=SESSIONS_PER_YEAR
        )
    return _finite_or_nan(ratio)


def max_drawdown(returns: pd.Series) -> float:
    """Largest fall from a peak of compounded equity, the starting capital included, as a fraction of the peak, >= 0.

    empyrical gives the same number with a minus sign; here it is a size, to be compared with limits that are sizes.
    Above 1 only when equity went below zero.
    """
    values = _until_ruin(returns)
    if not len(values):
        return NAN
    with np.errstate(all="ignore"):
        return abs(float(empyrical.max_drawdown(values)))


def max_drawdown_sessions(returns: pd.Series) -> int:
    """Length of the maximum drawdown in sessions: from its peak to the session that regains the peak.

    A drawdown that is open at the end counts up to the last session. 0 without a drawdown; of equal drawdowns the
    first. (backtrader's ``DrawDown.max.len`` is the longest drawdown instead, and ends before the recovery.)
    """
    wealth = np.concatenate(([1.0], np.cumprod(1.0 + _until_ruin(returns))))
    peaks = np.maximum.accumulate(wealth)
    drawdown = 1.0 - wealth / peaks
    trough = int(np.argmax(drawdown))
    if drawdown[trough] <= 0.0:
        return 0
    peak = int(np.argmax(wealth[: trough + 1]))
    recovered = np.flatnonzero(wealth[trough:] >= wealth[peak])
    end = trough + int(recovered[0]) if len(recovered) else len(wealth) - 1
    return end - peak


def calmar(returns: pd.Series) -> float:
    """CAGR divided by the maximum drawdown over the whole range; NaN without a drawdown (as empyrical).

    Young's original (1991) uses the last 36 months; a backtest report wants the whole of it.
    """
    drawdown = max_drawdown(returns)
    return cagr(returns) / drawdown if drawdown > 0.0 else NAN


def trade_results(trades: pd.DataFrame) -> pd.Series:
    """Net result of each closed trade in EUR, the legs that share ``strategy`` and ``trade_id`` summed."""
    if trades.empty:
        return pd.Series(dtype=float, name="net_eur")
    return trades.groupby(["strategy", "trade_id"], sort=False)["net_eur"].sum().astype(float)


def profit_factor(results: pd.Series) -> float:
    """Sum of winning results over the sum of losing ones; inf without a loss, NaN when there is neither."""
    won, lost = float(results[results > 0].sum()), -float(results[results < 0].sum())
    if lost > 0.0:
        return won / lost
    return float("inf") if won > 0.0 else NAN


def win_rate(results: pd.Series) -> float:
    """Share of trades with a net result above zero; one that breaks even is not a win."""
    return float((results > 0).mean()) if len(results) else NAN


def expectancy(results: pd.Series) -> float:
    """Expected net result of a trade in EUR: ``P(win) * mean(win) + P(loss) * mean(loss)`` (Tharp).

    Equal to the average trade by construction; it is reported because traders look for it by this name.
    """
    if not len(results):
        return NAN
    wins, losses = results[results > 0], results[results < 0]
    won = float(wins.mean()) * len(wins) if len(wins) else 0.0
    lost = float(losses.mean()) * len(losses) if len(losses) else 0.0
    return (won + lost) / len(results)


def held_bars(trades: pd.DataFrame, index: Any) -> np.ndarray:
    """Return for each bar of ``index`` whether a position of these trades is open at its close.

    A trade holds the bars from its entry up to the one before its exit. Rows without an exit (open trades) hold to
    the end.
    """
    stamps = utc(index)
    if trades.empty:
        return np.zeros(len(stamps), dtype=bool)
    steps = np.zeros(len(stamps) + 1, dtype=np.int64)
    exits = pd.to_datetime(trades["exit_time"], utc=True)
    np.add.at(steps, stamps.searchsorted(utc(trades["entry_time"]), side="left"), 1)
    np.add.at(steps, stamps.searchsorted(utc(exits[exits.notna()]), side="left"), -1)
    return steps[:-1].cumsum() > 0


def exposure(gross: pd.Series) -> float:
    """Share of bars that end with an open position; ``gross`` is the gross exposure at each bar's close."""
    return float((gross.to_numpy(dtype=float) > 0.0).mean()) if len(gross) else NAN


def mean_gross(gross: pd.Series, equity: pd.Series) -> float:
    """Mean gross exposure as a multiple of equity over all bars; bars without positive equity are left out."""
    owned = equity.to_numpy(dtype=float)
    held = owned > 0.0
    return float((gross.to_numpy(dtype=float)[held] / owned[held]).mean()) if held.any() else NAN


def turnover(traded_eur: float, equity: pd.Series, sessions: int) -> float:
    """Annual turnover: value of all fills, bought and sold, over average equity, times 252 / sessions.

    A position of the size of the account that is opened and closed once in a year has a turnover of 2 (pyfolio's
    ``get_turnover`` counts both sides too, against each day's equity).
    """
    with np.errstate(over="ignore"):  # a sum that no number can hold has no mean
        average = float(equity.mean()) if len(equity) else NAN
    return traded_eur / average * SESSIONS_PER_YEAR / sessions if 0.0 < average < math.inf and sessions > 0 else NAN


def summary(
    returns: pd.Series,
    trades: pd.DataFrame,
    *,
    exposure: float = NAN,
    turnover: float = NAN,
    final_equity_eur: float = NAN,
    risk_free: float = 0.0,
) -> dict[str, float]:
    """Return all METRICS of session returns and closed trades; what only the bars know is given by the caller."""
    results = trade_results(trades)
    return {
        "cagr": cagr(returns),
        "volatility": volatility(returns),
        "sharpe": sharpe(returns, risk_free),
        "sortino": sortino(returns, risk_free),
        "calmar": calmar(returns),
        "max_drawdown": max_drawdown(returns),
        "max_drawdown_sessions": max_drawdown_sessions(returns),
        "profit_factor": profit_factor(results),
        "win_rate": win_rate(results),
        "avg_trade_eur": float(results.mean()) if len(results) else NAN,
        "median_trade_eur": float(results.median()) if len(results) else NAN,
        "expectancy_eur": expectancy(results),
        "trades": len(results),
        "exposure": exposure,
        "turnover": turnover,
        "final_equity_eur": final_equity_eur,
    }


def performance(
    equity: pd.Series,
    trades: pd.DataFrame,
    gross: pd.Series | None,
    capital: float,
    *,
    traded_eur: pd.Series | float | None = None,
    open_trades: pd.DataFrame | None = None,
    risk_free: float = 0.0,
    calendar: SessionCalendar | None = None,
) -> dict[str, float]:
    """Return METRICS of an equity curve in EUR, one value for each bar (UTC index), from ``capital`` on.

    ``gross``: gross exposure in EUR at each bar; None takes the bars held from ``trades`` and ``open_trades``.
    ``traded_eur``: value of the fills in EUR, in total or one row for each order; None leaves turnover NaN.
    """
    ends = session_equity(equity, calendar)
    if gross is None:
        known = [frame for frame in (trades, open_trades) if frame is not None and not frame.empty]
        held = held_bars(pd.concat(known), equity.index) if known else np.zeros(len(equity))
        gross = pd.Series(held.astype(float), index=equity.index)
    traded = NAN if traded_eur is None else float(np.sum(traded_eur))
    return summary(
        returns_of(ends, capital),
        trades,
        exposure=exposure(gross),
        turnover=turnover(traded, ends, len(ends)),
        final_equity_eur=float(ends.iloc[-1]) if len(ends) else capital,
        risk_free=risk_free,
    )


def _finite(returns: pd.Series) -> np.ndarray:
    values = np.asarray(returns, dtype=float)
    return values[np.isfinite(values)]


def _until_ruin(returns: pd.Series) -> np.ndarray:
    """Return the finite returns up to the first total loss: nothing compounds after it."""
    values = _finite(returns)
    lost = np.flatnonzero(values <= -1.0)
    return values[: lost[0] + 1] if len(lost) else values


def _finite_or_nan(value: Any) -> float:
    return float(value) if np.isfinite(value) else NAN
