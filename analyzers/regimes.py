"""Metrics by market regime (bull, bear, sideways) and by named period.

The rule of a regime is the kernel of ``indicators.Regime``, the same that strategies may filter by: the benchmark
against its moving average and the direction of the average. The label of a session uses benchmark closes up to the
session *before* it, so it could have been known when the session began, and a session is never sorted by its own
return.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd

from analyzers.metrics import exposure, held_bars, summary, turnover
from analyzers.sessions import SessionCalendar, returns_of, session_equity, sessions_of, utc
from core.errors import SettingsError
from core.settings import PeriodSettings, RegimeSettings
from indicators.regime import Regime

BULL, BEAR, SIDEWAYS = "bull", "bear", "sideways"
REGIMES = (BULL, BEAR, SIDEWAYS)
UNLABELLED = "unlabelled"  # sessions before the average and its slope are known
_BY_SIGN = {1.0: BULL, -1.0: BEAR, 0.0: SIDEWAYS}


def regime_labels(
    closes: pd.Series,
    settings: RegimeSettings,
    sessions: pd.DatetimeIndex | None = None,
    calendar: SessionCalendar | None = None,
) -> pd.Series:
    """Return the label of each session: bull, bear, sideways, or unlabelled while the average warms up.

    ``closes``: benchmark closes, UTC index, of any bar (the last of a session counts); values that are not finite
    are left out. ``sessions``: what to label, naive midnights; None labels the benchmark's own sessions. The label
    of session t is the regime of the last benchmark close before t.
    """
    daily = session_equity(closes[np.isfinite(closes.to_numpy(dtype=float))], calendar)
    parameters = SimpleNamespace(period=settings.average_sessions, slope=settings.slope_sessions, band=settings.band)
    warmup = Regime.window(parameters) - 1
    values = np.full(len(daily), np.nan)
    if len(daily) > warmup:
        values[warmup:] = Regime.kernel(parameters, daily.to_numpy(dtype=float))[0]
    if sessions is None:
        sessions = pd.DatetimeIndex(daily.index)
    before = daily.index.searchsorted(sessions, side="left") - 1
    known = [_BY_SIGN.get(values[at], UNLABELLED) if at >= 0 else UNLABELLED for at in before]
    return pd.Series(known, index=sessions, dtype=object, name="regime")


def split_by_regime(returns: pd.Series, labels: pd.Series) -> dict[str, pd.Series]:
    """Return the session returns of each regime; sessions that ``labels`` does not name are unlabelled."""
    of = labels.reindex(returns.index).fillna(UNLABELLED)
    names = (*REGIMES, UNLABELLED) if (of == UNLABELLED).any() else REGIMES
    return {name: returns[of == name] for name in names}


@dataclass(frozen=True)
class Track:
    """A result that can be cut by sessions: equity and gross exposure of each bar, trades, and fills.

    ``equity``, ``gross``: EUR, UTC index of bars; gross None = bars held from ``trades`` and ``open_trades``.
    ``traded_eur``: value of the fills in EUR by time; None leaves turnover NaN. ``capital``: EUR before the first bar.
    """

    equity: pd.Series
    trades: pd.DataFrame
    gross: pd.Series | None
    capital: float
    traded_eur: pd.Series | None = None
    open_trades: pd.DataFrame | None = None
    risk_free: float = 0.0
    calendar: SessionCalendar | None = None


def by_regime(track: Track, labels: pd.Series) -> dict[str, dict[str, float]]:
    """Return regime -> METRICS and ``sessions``, the number of its sessions.

    The sessions of a regime are joined as if they followed each other: CAGR and volatility are those of a year of
    such sessions and a drawdown may span several stretches. A trade belongs to the regime of the session in which
    it was entered. ``final_equity_eur`` is the capital plus the EUR won in these sessions alone.
    """
    ends = session_equity(track.equity, track.calendar)
    won = ends - ends.shift(1, fill_value=track.capital)
    parts = split_by_regime(won, labels)
    return {
        name: _part(track, ends, pd.DatetimeIndex(part.index), "entry_time", track.capital + float(part.sum()))
        for name, part in parts.items()
    }


def by_period(track: Track, periods: Mapping[str, PeriodSettings]) -> dict[str, dict[str, float]]:
    """Return period -> METRICS and ``sessions``; a trade belongs to the period in which it was closed.

    Raises SettingsError when the run has no session in a period.
    """
    ends = session_equity(track.equity, track.calendar)
    result = {}
    for name, period in periods.items():
        inside = ends.loc[pd.Timestamp(period.start) : pd.Timestamp(period.end)]
        if inside.empty:
            covered = f"it covers {ends.index[0].date()} to {ends.index[-1].date()}" if len(ends) else "it has no bar"
            raise SettingsError(
                f"periods.{name}: the run has no session from {period.start} to {period.end}; {covered}."
                " Move the period or load data that reaches it"
            )
        result[name] = _part(track, ends, pd.DatetimeIndex(inside.index), "exit_time", float(inside.iloc[-1]))
    return result


def _part(
    track: Track, ends: pd.Series, chosen: pd.DatetimeIndex, belongs_by: str, final_eur: float
) -> dict[str, float]:
    """Return the metrics of the chosen sessions, returns taken from the whole curve."""
    at = ends.index.isin(chosen)
    gross = track.gross
    if gross is None:
        known = [rows for rows in (track.trades, track.open_trades) if rows is not None and not rows.empty]
        held = held_bars(pd.concat(known), track.equity.index) if known else np.zeros(len(track.equity))
        gross = pd.Series(held.astype(float), index=track.equity.index)
    trades = track.trades
    if not trades.empty:
        trades = trades[sessions_of(utc(trades[belongs_by]), track.calendar).isin(chosen)]
    traded = float("nan")
    if track.traded_eur is not None:
        traded = float(track.traded_eur[sessions_of(track.traded_eur.index, track.calendar).isin(chosen)].sum())
    part = summary(
        returns_of(ends, track.capital)[at],
        trades,
        exposure=exposure(gross[sessions_of(gross.index, track.calendar).isin(chosen)]),
        turnover=turnover(traded, ends[at], int(at.sum())),
        final_equity_eur=final_eur,
        risk_free=track.risk_free,
    )
    return part | {"sessions": int(at.sum())}
