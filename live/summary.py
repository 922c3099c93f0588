"""What a session has done, and how the book and the broker agree at its end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import backtrader as bt

from core.naming import symbol_of, unit_of


@dataclass(frozen=True)
class UnitResult:
    """``net_eur``: of the closed trades and the open position, after costs, since the unit began."""

    unit: str
    orders: int
    fills: int
    trades: int
    net_eur: float
    positions: dict[str, float] = field(default_factory=dict)  # symbol -> signed units


@dataclass(frozen=True)
class SessionSummary:
    """Money in the account's currency; ``cash``, ``reported_cash``: currency -> balance by the book, by the broker."""

    why: str
    units: list[UnitResult]
    equity_eur: float
    capital_eur: float
    costs_eur: float
    protective: int  # orders that keep working at the broker
    cash: dict[str, float]
    reported_cash: dict[str, float]
    net_liquidation_eur: float | None
    refusals: int

    @property
    def net_eur(self) -> float:
        return self.equity_eur - self.capital_eur


def summarise(
    cerebro: bt.Cerebro, strategies: Sequence[bt.Strategy], venue: Any, why: str, when: dt.datetime
) -> SessionSummary:
    """What there is at ``when``, UTC: positions at their last prices."""
    broker = cerebro.broker
    account = broker.account
    if account.cash.balances:  # it has seen a bar that counts
        account.mark(when, {})
    units, refusals = [], 0
    for strategy in strategies:
        unit = strategy.p.unit
        orders = strategy.analyzers.orderlog.frame()
        refused = orders["refusal"] != ""
        refusals += int(refused.sum())
        units.append(
            UnitResult(
                unit=unit,
                orders=int((~refused).sum()),
                fills=int((orders["filled"] > 0).sum()),
                trades=sum(row.strategy == unit for row in account.trades),
                net_eur=account.result_eur(unit),
                positions={
                    symbol_of(data): float(position.size)
                    for data, position in broker.positions.items()
                    if unit_of(data) == unit and position.size
                },
            )
        )
    reported = venue.reported
    return SessionSummary(
        why=why,
        units=units,
        equity_eur=account.equity_eur,
        capital_eur=account.capital,
        costs_eur=sum(account.costs.values()),
        protective=len(broker.working()),
        cash=dict(account.cash.balances),
        reported_cash=dict(reported.cash),
        net_liquidation_eur=reported.net_liquidation,
        refusals=refusals,
    )
