"""What a run gives back: frames and the summary, in memory; ``engine.report`` writes them to a folder."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import backtrader as bt
import pandas as pd

from analyzers import trades_frame
from books.account import Account
from core.errors import EngineError, HalflifeError
from core.settings import Settings
from engine.build import allotment_eur
from engine.notes import entries_from, entry_notes, settings_notes, signal_notes
from engine.report import formats
from engine.report.formats import Format
from feeds import History
from risk import RiskEvent

SHOWN: tuple[tuple[str, str, Format], ...] = (  # metric, heading, form
    ("final_equity_eur", "Final EUR", formats.eur),
    ("cagr", "CAGR", formats.signed_percent),
    ("sharpe", "Sharpe", formats.ratio),
    ("max_drawdown", "Max DD", formats.percent),
    ("profit_factor", "PF", formats.ratio),
    ("trades", "Trades", formats.integer),
    ("win_rate", "Won", formats.percent),
)


@dataclass(frozen=True, repr=False)
class RunResult:
    """One run of a graph. Times are UTC, money is in the account's currency."""

    settings: Settings
    equity: pd.DataFrame  # on each bar: equity_eur, cash_eur, gross_exposure_eur, net_exposure_eur
    strategy_equity: dict[str, pd.Series]  # strategy -> allotment plus result on each bar
    trades: pd.DataFrame  # columns of trades.csv (``strategy`` by its name in the settings), then ``unit``
    open_trades: pd.DataFrame  # the same, for positions open at the end
    orders: pd.DataFrame  # columns of analyzers.orders.COLUMNS
    bars: dict[str, pd.DataFrame]  # symbol -> the bars that were used
    costs: dict[str, float]  # kind -> paid, and the cash book's interest_eur and cash_fx_eur (received > 0)
    costs_by_strategy: dict[str, dict[str, float]]  # strategy -> kind -> paid
    traded_eur: dict[str, float]  # strategy -> value of all fills
    notes: list[str]  # what is wrong with the data and the run, for every report
    events: list[RiskEvent]  # dated kills, throttle changes, loss stops
    partial: bool  # stopped before the last bar
    seconds: float
    summary: dict[str, Any] = field(default_factory=dict)  # summary.json
    entries_from: dict[str, dt.datetime] = field(default_factory=dict)  # strategy -> first bar that it may decide on
    signals: dict[str, dict[str, Any]] = field(default_factory=dict)  # strategy -> what became of its signals
    remarks: list[HalflifeError] = field(default_factory=list)  # what failed beside the run: ledger, journal

    def __repr__(self) -> str:
        span = f"{self.equity.index[0]:%Y-%m-%d} to {self.equity.index[-1]:%Y-%m-%d}" if len(self.equity) else "no bars"
        final = formats.eur(self.equity["equity_eur"].iloc[-1]) if len(self.equity) else formats.eur(None)
        trades = self.trades.drop_duplicates(["unit", "trade_id"])
        return (
            f"<RunResult {self.settings.name!r}: {span}, {len(trades)} closed trades, equity EUR {final}"
            f"{', PARTIAL' if self.partial else ''}>"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the portfolio and the strategies, and the answer about the daily target."""
        rows = {"Portfolio": self.summary.get("portfolio", {}), **self.summary.get("strategies", {})}
        cells = {name: [form(metrics.get(key)) for key, _, form in SHOWN] for name, metrics in rows.items()}
        table = pd.DataFrame.from_dict(cells, orient="index", columns=[heading for _, heading, _ in SHOWN])
        sentence = self.summary.get("daily_target", {}).get("sentence", "")
        return f"<p>{escape(repr(self))}</p>\n{table.to_html()}\n<p>{escape(sentence)}</p>"


def collect(cerebro: bt.Cerebro, strategies: Sequence[bt.Strategy], partial: bool, seconds: float) -> RunResult:
    """Gather what the analyzers and the account of a finished run hold; ``summary`` is still empty."""
    settings: Settings = cerebro.settings
    history: History = cerebro.history
    account: Account | None = getattr(cerebro.broker, "account", None)
    if account is None:
        raise EngineError("the broker keeps no account; run the graph with SimBroker(settings=...)")
    begin = history.begin
    frames = {strategy.p.unit: strategy.analyzers.equity.frame().loc[begin:] for strategy in strategies}
    first = next(iter(frames.values()))
    names = {unit: name for unit, (name, _) in settings.units.items()}
    strategy_equity = {}
    for name in settings.strategies:
        results = [frames[unit]["result_eur"] for unit in frames if names[unit] == name]
        strategy_equity[name] = (sum(results[1:], start=results[0]) + allotment_eur(settings, name)).rename(name)
    orders = pd.concat([strategy.analyzers.orderlog.frame() for strategy in strategies], ignore_index=True)
    costs_by_strategy: dict[str, dict[str, float]] = {name: {} for name in settings.strategies}
    traded: dict[str, float] = dict.fromkeys(settings.strategies, 0.0)
    for unit, paid in account.costs_by_unit.items():
        for kind, amount in paid.items():
            owner = costs_by_strategy[names[unit]]
            owner[kind] = owner.get(kind, 0.0) + amount
        traded[names[unit]] += account.traded_eur[unit]
    gate = cerebro.broker.gate
    trades = _named(trades_frame(account.trades), names)
    tallies = [(names[strategy.p.unit], strategy.tally.facts()) for strategy in strategies]
    signals = {name: _added([facts for owner, facts in tallies if owner == name]) for name in settings.strategies}
    return RunResult(
        settings=settings,
        equity=first[["equity_eur", "cash_eur", "gross_exposure_eur", "net_exposure_eur"]],
        strategy_equity=strategy_equity,
        trades=trades,
        open_trades=_named(trades_frame(account.open_trades()), names),
        orders=orders.assign(strategy=orders["unit"].map(names)).sort_values("ref", kind="stable", ignore_index=True),
        bars={symbol: history.counted(symbol) for symbol in history.frames},
        costs={**account.costs, "interest_eur": account.interest_eur, "cash_fx_eur": account.cash_fx_eur},
        costs_by_strategy=costs_by_strategy,
        traded_eur=traded,
        notes=[
            *history.notes,
            *settings_notes(settings, history),
            *entry_notes(settings, history),
            *signal_notes(settings, signals, trades),
        ],
        events=[event for event in gate.events if not begin or event.when >= begin] if gate is not None else [],
        partial=partial,
        seconds=seconds,
        entries_from=entries_from(settings, history),
        signals=signals,
    )


def _named(trades: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """The books know units; a reader knows the strategies of the settings. ``names``: unit -> strategy."""
    return trades.assign(strategy=trades["strategy"].map(names), unit=trades["strategy"])


def _added(tallies: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The counts of a strategy's units together, the most frequent reasons first."""
    whole: dict[str, Any] = {}
    for key in ("signals", "filtered", "not_sized", "refused", "entered"):
        counts = [facts[key] for facts in tallies]
        if key in ("signals", "entered"):
            whole[key] = sum(counts)
        else:
            whole[key] = dict(sum((Counter(count) for count in counts), Counter[str]()).most_common())
    return whole
