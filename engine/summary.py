"""summary.json: every metric of a run for the portfolio, each strategy, each named period and each regime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analyzers.costs import break_even_from_trades, cost_breakdown, entry_notional_eur
from analyzers.daily_target import daily_target
from analyzers.metrics import performance
from analyzers.orders import traded_eur
from analyzers.regimes import Track, by_period, by_regime, regime_labels
from books.fees import get_schedule
from books.rates import Rates
from core.calendar import ExchangeCalendar
from core.config import settings_hash
from core.settings import Settings
from core.version import VERSION
from engine.build import allotment_eur
from engine.report.view import session_calendar
from engine.results import RunResult


def summarise(result: RunResult, data_hash: str) -> dict[str, Any]:
    """Return what summary.json holds; keys are described in docs/results.md."""
    settings = result.settings
    trades, calendar = result.trades, session_calendar(result)
    tracks = _tracks(result, calendar)
    portfolio = tracks.pop("portfolio")
    benchmark = settings.regimes.benchmark or settings.traded_symbols[0]
    labels = regime_labels(result.bars[benchmark]["close"], settings.regimes, calendar=calendar)
    covered = _covered(settings, result.equity)
    periods = {name: by_period(track, covered) for name, track in {"portfolio": portfolio, **tracks}.items()}
    regimes = {name: by_regime(track, labels) for name, track in {"portfolio": portfolio, **tracks}.items()}
    target = daily_target(
        result.equity["equity_eur"],
        trades,
        settings.account,
        settings.report,
        strategies=list(settings.strategies),
        calendar=calendar,
        costs=settings.costs.enabled,
    )
    return {
        "run": _run_facts(result),
        "portfolio": _metrics(portfolio),
        "strategies": {name: _metrics(track) | _entries(result, name) for name, track in tracks.items()},
        "periods": _turned(periods),
        "regimes": _turned(regimes),
        "daily_target": target.to_dict(),
        "costs": _costs(result),
        "reconciliation": _reconciliation(result),
        "data": {
            "hash": data_hash,
            "source": settings.data.source,
            "bar": settings.data.bar,
            "benchmark": benchmark,
            "symbols": {
                symbol: {"bars": len(bars), "first": bars.index[0].isoformat(), "last": bars.index[-1].isoformat()}
                for symbol, bars in result.bars.items()
            },
            "notes": result.notes,
        },
    }


def _tracks(result: RunResult, calendar: ExchangeCalendar | None) -> dict[str, Track]:
    """The portfolio and each strategy, as what the metrics are computed from."""
    settings = result.settings
    trades, opened = result.trades, result.open_trades
    orders, risk_free = result.orders, settings.account.risk_free
    tracks = {
        "portfolio": Track(
            equity=result.equity["equity_eur"],
            trades=trades,
            gross=result.equity["gross_exposure_eur"],
            capital=settings.account.capital,
            traded_eur=traded_eur(orders),
            open_trades=opened,
            risk_free=risk_free,
            calendar=calendar,
        )
    }
    for name, curve in result.strategy_equity.items():
        tracks[name] = Track(
            equity=curve,
            trades=trades[trades["strategy"] == name],
            gross=None,
            capital=allotment_eur(settings, name),
            traded_eur=traded_eur(orders[orders["strategy"] == name]),
            open_trades=opened[opened["strategy"] == name],
            risk_free=risk_free,
            calendar=calendar,
        )
    return tracks


def _metrics(track: Track) -> dict[str, float]:
    return performance(
        track.equity,
        track.trades,
        track.gross,
        track.capital,
        traded_eur=track.traded_eur,
        open_trades=track.open_trades,
        risk_free=track.risk_free,
        calendar=track.calendar,
    )


def _entries(result: RunResult, name: str) -> dict[str, Any]:
    """From when on a strategy may enter, and what became of its signals."""
    first = result.entries_from.get(name)
    return {"entries_from": first.date().isoformat() if first else None, "signals": result.signals.get(name, {})}


def _covered(settings: Settings, equity: pd.DataFrame) -> dict[str, Any]:
    """The named periods that the run reached; what it did not reach is noted by ``build`` or by ``partial``."""
    if equity.empty:
        return {}
    first, last = equity.index[0].date(), equity.index[-1].date()
    return {name: p for name, p in settings.periods.items() if p.start <= last and p.end >= first}


def _turned(tracks: Mapping[str, Mapping[str, dict[str, float]]]) -> dict[str, dict[str, Any]]:
    """track -> part -> metrics, turned into part -> {"portfolio": ..., "strategies": {...}, "sessions": n}."""
    parts: dict[str, dict[str, Any]] = {}
    for part, portfolio in tracks["portfolio"].items():
        metrics = {
            name: {metric: value for metric, value in track[part].items() if metric != "sessions"}
            for name, track in tracks.items()
        }
        parts[part] = {
            "sessions": portfolio["sessions"],
            "portfolio": metrics.pop("portfolio"),
            "strategies": metrics,
        }
    return parts


def _run_facts(result: RunResult) -> dict[str, Any]:
    settings = result.settings
    refused = result.orders.loc[result.orders["refusal"] != "", "refusal"]
    return {
        "name": settings.name,
        "version": VERSION,
        "execution": settings.execution,
        "matching": settings.matching,
        "settings_hash": settings_hash(settings),
        "partial": result.partial,
        "capital_eur": settings.account.capital,
        "bars": len(result.equity),
        "first": result.equity.index[0].isoformat() if len(result.equity) else None,
        "last": result.equity.index[-1].isoformat() if len(result.equity) else None,
        "seconds": result.seconds,
        "bars_per_second": len(result.equity) / result.seconds if result.seconds > 0 else None,
        "orders": len(result.orders),
        "refused": {str(reason): int(count) for reason, count in refused.value_counts().sort_index().items()},
        "open_trades": len(result.open_trades),
        "events": [{"when": e.when.isoformat(), "kind": str(e.kind), "detail": e.detail} for e in result.events],
    }


def _reconciliation(result: RunResult) -> dict[str, float]:
    """Change in equity against what explains it, EUR; ``unexplained_eur`` is 0 to the cent."""
    capital = result.settings.account.capital
    change = float(result.equity["equity_eur"].iloc[-1]) - capital if len(result.equity) else 0.0
    parts = {
        "closed_trades_eur": float(result.trades["net_eur"].sum()),
        "open_trades_eur": float(result.open_trades["net_eur"].sum()),
        "interest_eur": result.costs["interest_eur"],
        "cash_fx_eur": result.costs["cash_fx_eur"],
    }
    return {"change_eur": change, **parts, "unexplained_eur": change - sum(parts.values())}


def _costs(result: RunResult) -> dict[str, Any]:
    """Costs by kind, the cash book, and the trade size from which the edge outweighs the fees."""
    settings = result.settings
    trades = result.trades
    everything = pd.concat([trades, result.open_trades], ignore_index=True) if len(result.open_trades) else trades
    interest, cash_fx = result.costs["interest_eur"], result.costs["cash_fx_eur"]
    breakdown: dict[str, Any] = cost_breakdown(
        everything,
        result.costs_by_strategy,
        result.traded_eur,
        interest_eur=interest,
        cash_fx_eur=cash_fx,
    )
    breakdown["interest_eur"], breakdown["cash_fx_eur"] = interest, cash_fx
    breakdown["break_even"] = {
        name: _break_even(settings, trades[trades["strategy"] == name]) for name in settings.strategies
    }
    return breakdown


def _break_even(settings: Settings, trades: pd.DataFrame) -> dict[str, float]:
    """The break-even size of a strategy's trades by the fee schedules of its instruments, at their average prices.

    A trade of N EUR is split evenly over the strategy's legs; each leg is one order in and one out.
    """
    rates = Rates.exchange(settings.costs.fx, settings.account.currency)
    prices = trades.groupby("instrument")["entry_price"].mean()
    rate = {
        symbol: rates.rate(settings.instruments[str(symbol)].currency, trades["exit_time"].max().to_pydatetime())
        for symbol in prices.index
    }
    legs = trades.groupby("trade_id").size().max() if len(trades) else 1

    def fees_eur(notional: float) -> float:
        """Mean over the instruments: a single-leg strategy trades one or the other, a pair both."""
        total = 0.0
        for symbol, price in prices.items():
            instrument = settings.instruments[str(symbol)]
            name = instrument.schedule if settings.costs.enabled else "none"
            schedule = get_schedule(name, settings.costs.fees, instrument.currency)
            shares = notional / legs / (price * rate[symbol])
            both = schedule.quote(shares, price).total + schedule.quote(shares, price, is_sale=True).total
            total += both * rate[symbol]
        return total * legs / len(prices)

    return break_even_from_trades(trades, entry_notional_eur(trades, rate), fees_eur)
