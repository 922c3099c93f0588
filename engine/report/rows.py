"""What the tables of the page and of the console say: which metrics, under which heading, in which form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from analyzers.daily_target import MIN_SESSIONS
from core.settings import Settings
from engine.report import formats
from engine.report.formats import Format


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of summary.json as it is shown."""

    key: str
    heading: str
    format: Format
    meaning: str
    signed: bool = False  # coloured by its sign
    annual: bool = False  # says nothing when there are only a few sessions


METRICS = (
    Metric("final_equity_eur", "Final equity, EUR", formats.eur, "Capital, or allotment, plus the net result"),
    Metric("cagr", "CAGR", formats.percent, "Compound annual growth rate", signed=True, annual=True),
    Metric("volatility", "Volatility", formats.percent, "Standard deviation of session returns, annual", annual=True),
    Metric("sharpe", "Sharpe", formats.ratio, "Excess return over volatility, annual", signed=True, annual=True),
    Metric(
        "sortino", "Sortino", formats.ratio, "Excess return over downside deviation, annual", signed=True, annual=True
    ),
    Metric("calmar", "Calmar", formats.ratio, "CAGR over maximum drawdown", signed=True, annual=True),
    Metric("max_drawdown", "Max drawdown", formats.percent, "Largest fall from a peak of equity"),
    Metric("max_drawdown_sessions", "Its length, sessions", formats.integer, "From that peak until it was regained"),
    Metric("trades", "Trades", formats.integer, "Closed trades; the legs of a pair count once"),
    Metric("win_rate", "Win rate", formats.percent, "Share of trades with a net result above zero"),
    Metric("profit_factor", "Profit factor", formats.ratio, "Sum of wins over sum of losses, net"),
    Metric("avg_trade_eur", "Average trade, EUR", formats.cents, "Mean net result of a trade", signed=True),
    Metric("median_trade_eur", "Median trade, EUR", formats.cents, "Middle net result of a trade", signed=True),
    Metric("expectancy_eur", "Expectancy, EUR", formats.cents, "Chance-weighted result of a trade", signed=True),
    Metric("exposure", "Time in the market", formats.percent, "Share of bars with an open position"),
    Metric("turnover", "Turnover a year", formats.ratio, "Value of all fills over average equity", annual=True),
)
BY_KEY = {metric.key: metric for metric in METRICS}

# A period or a regime is read across; these fit the width of a page
STRETCH_METRICS = ("cagr", "volatility", "sharpe", "max_drawdown", "trades", "win_rate", "profit_factor", "exposure")
# Key of daily_target -> heading, form, key of its interval
DAILY_TARGET: dict[str, tuple[str, Format, str]] = {
    "mean_eur": ("Mean of a session, EUR", formats.signed_cents, "mean_interval_eur"),
    "median_eur": ("Median of a session, EUR", formats.signed_cents, ""),
    "std_eur": ("Standard deviation, EUR", formats.cents, ""),
    "share_at_target": ("Sessions at or above the target", formats.percent, "share_interval"),
    "share_negative": ("Sessions with a loss", formats.percent, ""),
    "sharpe": ("Sharpe ratio, annual", formats.ratio, "sharpe_interval"),
    "tolerated_drawdown": ("Drawdown that is tolerated", formats.percent, ""),
    "expected_drawdown": ("Drawdown to expect at the tested size", formats.percent, ""),
    "leverage": ("Multiple of the tested size that this allows", formats.ratio, ""),
    "capital_required_eur": ("Capital for the target at that size, EUR", formats.eur, "capital_interval_eur"),
    "capital_as_tested_eur": ("Capital for the target at the tested size, EUR", formats.eur, ""),
    "sessions": ("Sessions", formats.integer, ""),
    "trades": ("Closed trades", formats.integer, ""),
    "samples": ("Bootstrap samples", formats.integer, ""),
    "block_sessions": ("Mean block of the bootstrap, sessions", formats.integer, ""),
}
COSTS = {
    "commission": "Commission",
    "exchange": "Exchange fees",
    "clearing": "Clearing fees",
    "regulatory": "Regulatory fees",
    "slippage": "Slippage",
    "borrow": "Borrow fees on shorts",
    "conversion": "Currency conversion",
}
COST_FACTS = {
    "interest_eur": "Interest received (paid: below zero), EUR",
    "cash_fx_eur": "Revaluation of foreign cash, EUR",
    "traded_eur": "Value of all fills, EUR",
    "gross_eur": "Gross result of all trades, EUR",
}
RUN_FACTS: dict[str, dict[str, str]] = {
    "run": {"first": "First bar", "last": "Last bar", "settings_hash": "Hash of the settings"},
    "data": {"hash": "Hash of the data", "bar": "Length of a bar"},
}
HASHES = {
    "Hash of the settings": "SHA-256 of all settings that can move results",
    "Hash of the data": "SHA-256 of all bars used, with their times",
}
EXIT_REASONS = {
    "mean": "Return to the mean",
    "stop": "Hard stop",
    "target": "Profit target",
    "time": "Time stop",
    "spread_stop": "Spread stop",
    "disaster_stop": "Disaster stop of a leg",
    "other_leg": "Other leg closed",
    "cointegration": "Cointegration lost",
    "kill": "Kill switch",
    "session": "End of the session",
    "signal": "Signal",
}
REFUSALS = {
    "killed": "Kill switch",
    "max_trade_risk": "Risk of the trade",
    "max_trade_notional": "Notional of the trade",
    "max_open_positions": "Open positions",
    "max_gross_exposure": "Gross exposure",
    "max_net_exposure": "Net exposure",
    "max_daily_loss": "Daily loss",
    "max_weekly_loss": "Weekly loss",
    "volatility_throttle": "Volatility throttle",
    "cooldown": "Cooldown after a stop-out",
    "stop_loss_guard": "Stop-loss guard",
    "stop_guard": "Stop-loss guard",
    "instrument_lock": "Losing instrument locked",
    "not_shortable": "Not shortable",
    "invalid_order": "Invalid order",
}


COSTS_OFF = "COSTS ARE OFF"
COSTS_OFF_MEANS = f"{COSTS_OFF}: no commission, slippage, borrow fee or interest is charged."
TOO_FEW = f"fewer than {MIN_SESSIONS} sessions are too few for it"


def net_of_costs(settings: Settings) -> str:
    """What to write beside a result: whether costs are in it."""
    return "net of costs" if settings.costs.enabled else COSTS_OFF


def words(key: str, known: Mapping[str, str]) -> str:
    """The heading of a key, or the key in words when there is none."""
    if key in known:
        return known[key]
    text, unit = (key[:-4], ", EUR") if key.endswith("_eur") else (key, "")
    return f"{text.replace('_', ' ').strip().capitalize() or 'Unnamed'}{unit}"


def interval(value: object) -> tuple[float, float]:
    """The two ends of an interval of the summary, NaN where there are none."""
    if isinstance(value, list | tuple) and len(value) == 2:
        return formats.number(value[0]), formats.number(value[1])
    return math.nan, math.nan
