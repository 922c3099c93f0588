"""How far the tested edge is from the wanted EUR a day: estimates, their intervals, and the capital it would take.

Everything is computed from net session results, so costs are in. Intervals are percentile intervals of the
stationary bootstrap (Politis and Romano 1994) with the automatic mean block length of Politis and White (2004,
corrected by Patton, Politis and White 2009), both from ``arch``; the same draws serve every interval.

Capital. Let m be the mean session return on the capital of the day and d the drawdown to be expected at the size
that was tested: the median (or another stated quantile) over the bootstrap samples of the largest fall of the
*summed* returns. Returns are summed, not compounded, because a result that is wanted every day is taken out every day
and the capital stays what it is. Trading k times the size multiplies every result, so the mean is k * m and the
drawdown k * d. With D the tolerated drawdown and T the wanted EUR a day::

    k = D / d                             the largest size that the drawdown allows
    capital = T / (k * m) = T * d / (D * m)

The drawdown is that of a history as long as the tested one. Financing and market impact of a larger size, and
minimum commissions of a smaller one, are not in it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from arch.bootstrap import StationaryBootstrap, optimal_block_length

from analyzers.metrics import session_rate, sharpe
from analyzers.sessions import SESSIONS_PER_YEAR, SessionCalendar, returns_of, session_equity
from core.settings import AccountSettings, ReportSettings

NAN = float("nan")
QUANTILES = (0.01, 0.05, 0.25, 0.50, 0.75, 0.95, 0.99)
SQRT_SESSIONS = math.sqrt(SESSIONS_PER_YEAR)
TINY = 1e-15  # deviation of session returns below which they are equal
MIN_SESSIONS = 20  # below a month of sessions a block bootstrap has nothing to draw from

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class DailyTarget:
    """The answer to "does this earn the wanted EUR a day?". Money in EUR, shares and returns as fractions."""

    target_eur: float
    capital_eur: float
    sessions: int
    trades: int  # closed, the legs of a pair counted once
    mean_eur: float  # net result of a session
    median_eur: float
    std_eur: float
    quantiles_eur: dict[str, float]  # "0.05" -> EUR
    share_at_target: float  # sessions with a result of at least the target
    share_negative: float
    sharpe: float  # annual
    confidence: float
    mean_interval_eur: Interval
    share_interval: Interval  # of share_at_target
    sharpe_interval: Interval
    block_sessions: int  # mean block length of the bootstrap
    samples: int
    seed: int
    tolerated_drawdown: float  # fraction of capital
    drawdown_quantile: float  # of the bootstrap samples
    expected_drawdown: float  # at the tested size, fraction of capital, results summed
    leverage: float  # multiple of the tested size that the tolerated drawdown allows
    capital_required_eur: float  # for the target at that size; inf when the mean is not above zero
    capital_interval_eur: Interval  # of capital_required_eur, from the interval of the mean; inf = no capital
    capital_as_tested_eur: float  # for the target at the tested size
    enough_evidence: bool
    doubts: tuple[str, ...]  # why the evidence is not enough
    sentence: str  # the answer in plain English

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dict of plain values."""
        return asdict(self)


def daily_target(
    equity: pd.Series,
    trades: pd.DataFrame,
    account: AccountSettings,
    report: ReportSettings,
    *,
    strategies: Sequence[str] = (),
    calendar: SessionCalendar | None = None,
    drawdown_quantile: float = 0.5,
    costs: bool = True,
) -> DailyTarget:
    """Judge an equity curve (EUR, UTC index, any bar) against ``account.daily_target_eur``.

    ``trades``: closed trades with ``strategy`` and ``trade_id``; each of ``strategies`` (default: those that traded)
    needs ``report.min_trades`` of them. ``costs``: whether the curve is net of costs, which the sentence says.
    Deterministic by ``report.seed``.
    """
    ends = session_equity(equity, calendar)
    pnl = (ends - ends.shift(1, fill_value=account.capital)).to_numpy(dtype=float)
    returns = returns_of(ends, account.capital)
    on_capital = np.nan_to_num(returns.to_numpy(dtype=float))  # nothing is earned or lost after ruin
    draws = _draw(pnl, on_capital, account, report)
    confidence = report.confidence
    mean_interval = _interval(draws["mean_eur"], confidence)
    counts = _counts(trades, strategies)
    doubts = _doubts(counts, report, len(pnl), mean_interval)
    expected = float(np.quantile(draws["drawdown"], drawdown_quantile)) if len(draws["drawdown"]) else NAN
    leverage = account.max_drawdown_tolerated / expected if expected > 0.0 else NAN
    # Compounding can make the mean return positive where the money was lost: no capital is claimed then.
    mean_return = _mean(on_capital) if not _mean(pnl) <= 0.0 else min(_mean(on_capital), 0.0)
    low, high = (leverage * mean for mean in _interval(draws["mean_return"], confidence))
    target = DailyTarget(
        target_eur=account.daily_target_eur,
        capital_eur=account.capital,
        sessions=len(pnl),
        trades=sum(counts.values()),
        mean_eur=_mean(pnl),
        median_eur=float(np.median(pnl)) if len(pnl) else NAN,
        std_eur=float(pnl.std(ddof=1)) if len(pnl) > 1 else NAN,
        quantiles_eur={f"{q:.2f}": float(np.quantile(pnl, q)) if len(pnl) else NAN for q in QUANTILES},
        share_at_target=_mean(pnl >= account.daily_target_eur),
        share_negative=_mean(pnl < 0.0),
        sharpe=sharpe(returns, account.risk_free),
        confidence=confidence,
        mean_interval_eur=mean_interval,
        share_interval=_interval(draws["share"], confidence),
        sharpe_interval=_interval(draws["sharpe"], confidence),
        block_sessions=_block_length(pnl),
        samples=len(draws["mean_eur"]),
        seed=report.seed,
        tolerated_drawdown=account.max_drawdown_tolerated,
        drawdown_quantile=drawdown_quantile,
        expected_drawdown=expected,
        leverage=leverage,
        capital_required_eur=_capital_for(
            account.daily_target_eur, mean_return * (leverage if mean_return > 0.0 else 1)
        ),
        capital_interval_eur=(
            _capital_for(account.daily_target_eur, high),
            _capital_for(account.daily_target_eur, low),
        ),
        capital_as_tested_eur=_capital_for(account.daily_target_eur, mean_return),
        enough_evidence=not doubts,
        doubts=doubts,
        sentence="",
    )
    return replace(target, sentence=_sentence(target, costs))


def answer(target_eur: float, interval: Interval, confidence: float, enough_evidence: bool) -> str:
    """Say in a few words whether the target is earned, from the interval of the mean (NaN: none) and the doubts.

    An interval that ends below the target answers the question whatever else is in doubt; what is open then is
    whether there is an edge at all.
    """
    low, high = interval
    if high < 0.0:
        return "No: it loses money"
    if high < target_eur:
        return "No, not at this capital"
    if not enough_evidence:
        return "Not enough evidence"
    if low >= target_eur:
        return f"Yes, at {confidence:.0%} confidence"
    return f"Perhaps: the {confidence:.0%} interval holds the target"


def summed_drawdown(returns: np.ndarray) -> float:
    """Return the largest fall of the summed returns from their running peak, the start included, >= 0."""
    path = np.concatenate(([0.0], np.cumsum(returns)))
    return float(np.max(np.maximum.accumulate(path) - path))


def _draw(
    pnl: np.ndarray, returns: np.ndarray, account: AccountSettings, report: ReportSettings
) -> dict[str, np.ndarray]:
    """Return the statistics of each bootstrap sample; empty arrays when there are too few sessions."""
    names = ("mean_eur", "mean_return", "share", "sharpe", "drawdown")
    rows = np.full((report.bootstrap_samples if len(pnl) >= MIN_SESSIONS else 0, len(names)), NAN)
    if len(rows):
        risk_free = session_rate(account.risk_free)
        bootstrap = StationaryBootstrap(_block_length(pnl), pnl, returns, seed=report.seed)
        for row, (drawn_arrays, _) in zip(rows, bootstrap.bootstrap(len(rows)), strict=True):
            eur, drawn = (np.asarray(values) for values in drawn_arrays)
            mean, deviation = drawn.mean(), drawn.std(ddof=1)
            row[0], row[1] = eur.mean(), mean
            row[2] = np.count_nonzero(eur >= account.daily_target_eur) / len(eur)
            # a sample of equal values has a deviation of rounding size, and no ratio
            row[3] = (mean - risk_free) / deviation * SQRT_SESSIONS if deviation > TINY else NAN
            row[4] = summed_drawdown(drawn)
    return dict(zip(names, rows.T, strict=True))


def _block_length(pnl: np.ndarray) -> int:
    """Return the mean block length, whole sessions; 1 (independent sessions) when the results do not vary."""
    if len(pnl) < MIN_SESSIONS or np.ptp(pnl) == 0.0:
        return 1
    with np.errstate(all="ignore"):
        length = float(optimal_block_length(pnl)["stationary"].iloc[0])
    return max(math.ceil(length), 1) if math.isfinite(length) else 1


def _interval(draws: np.ndarray, confidence: float) -> Interval:
    known = draws[np.isfinite(draws)]
    if not len(known):
        return NAN, NAN
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(known, (tail, 1.0 - tail))
    return float(low), float(high)


def _capital_for(target_eur: float, mean_return: float) -> float:
    """Return the capital on which ``mean_return`` a session is the target; inf without a positive mean."""
    if math.isnan(mean_return):
        return NAN
    return target_eur / mean_return if mean_return > 0.0 else math.inf


def _counts(trades: pd.DataFrame, strategies: Sequence[str]) -> dict[str, int]:
    """Return the number of closed trades by strategy, those without any included."""
    pairs = set(zip(trades["strategy"], trades["trade_id"], strict=True)) if len(trades) else set()
    made = Counter(str(strategy) for strategy, _ in sorted(pairs))
    return {name: made[name] for name in dict.fromkeys((*strategies, *made))}


def _doubts(counts: dict[str, int], report: ReportSettings, sessions: int, interval: Interval) -> tuple[str, ...]:
    doubts = [
        f"{name} closed {count} trades, fewer than {report.min_trades}"
        for name, count in counts.items()
        if count < report.min_trades
    ]
    if not counts:
        doubts.append("no trade was closed")
    if sessions < MIN_SESSIONS:
        doubts.append(f"{sessions} sessions are fewer than {MIN_SESSIONS}")
    elif not interval[0] > 0.0:
        doubts.append(
            f"the {report.confidence:.0%} interval of the mean result reaches down to {_eur(interval[0], 2)} a session"
        )
    return tuple(doubts)


def _sentence(target: DailyTarget, costs: bool) -> str:
    """Say it in plain English, the bad news first."""
    wanted = f"{_eur(target.target_eur)} a day"
    if not target.sessions:
        return f"Not enough evidence: the test has no session, so nothing can be said about {wanted}."
    low, high = target.mean_interval_eur
    spread = "" if math.isnan(low) else f" ({target.confidence:.0%} interval {_eur(low, 2)} to {_eur(high, 2)})"
    parts = [
        f"{'After costs' if costs else 'WITH COSTS SWITCHED OFF'} the test earned {_eur(target.mean_eur, 2)} a"
        f" session{spread} on a capital of {_eur(target.capital_eur)}; {target.share_at_target:.0%} of the sessions"
        f" reached {_eur(target.target_eur)}."
    ]
    short = answer(target.target_eur, target.mean_interval_eur, target.confidence, target.enough_evidence)
    if high < 0.0:
        parts.append(f"{short}, and no capital makes it earn {wanted}.")
        return " ".join(parts)
    doubts = "; ".join(target.doubts)
    if high < target.target_eur:
        parts.append(f"{short}: even the upper end of that interval is below {_eur(target.target_eur)}.")
        if doubts:
            parts.append(f"What is undecided is whether there is an edge at all: {doubts}.")
    elif doubts:
        parts.append(f"{short}: {doubts}.")
    return " ".join([*parts, *_capital_sentences(target, wanted)])


def _capital_sentences(target: DailyTarget, wanted: str) -> list[str]:
    """Say what capital the tested edge would need, or why none can be named."""
    if math.isinf(target.capital_as_tested_eur):
        return [f"The mean is not above zero: no capital makes it earn {wanted}."]
    if not target.samples:
        return [f"{target.sessions} sessions are too few to say what drawdown to expect, and so what capital it needs."]
    if math.isnan(target.capital_required_eur):
        return ["The test saw no drawdown, so the capital that one would need cannot be estimated."]
    opening = "Taken at face value, which may be luck," if target.doubts else "At this edge"
    parts = [
        f"{opening} {wanted} needs a capital of {_eur(target.capital_required_eur)} at"
        f" {target.leverage:.2g} times the tested position size, where a drawdown of"
        f" {target.tolerated_drawdown:.0%} has to be expected, or {_eur(target.capital_as_tested_eur)} at the tested"
        f" size with a drawdown of {target.expected_drawdown:.0%}."
    ]
    if not target.doubts:
        least, most = target.capital_interval_eur
        parts.append(f"The interval of the mean puts the first figure between {_eur(least)} and {_eur(most)}.")
    if target.leverage > 1.0:
        parts.append("A larger size is possible only as far as margin and risk limits allow.")
    return parts


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else NAN


def _eur(value: float, digits: int = 0) -> str:
    return f"EUR {value:,.{digits}f}"
