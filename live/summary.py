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
    """``orders``, ``fills``, ``trades``, ``closed_eur`` and ``costs_eur`` are of this session; ``net_eur`` is of the
    closed trades and the open position since the unit began. Money in the account's currency, after costs."""

    unit: str
    orders: int
    fills: int  # orders that were filled, as a whole or in part
    trades: int  # that were closed, or were found closed and had not been told
    closed_eur: float  # result of these, each from its entry on
    costs_eur: float
    net_eur: float
    positions: dict[str, float] = field(default_factory=dict)  # symbol -> signed units


@dataclass(frozen=True)
class SessionSummary:
    """Money in the account's currency, since its journal began; ``units`` tell this session's part.

    ``cash``, ``reported_cash``: currency -> balance by the book, by the broker.
    """

    why: str
    units: list[UnitResult]
    equity_eur: float
    capital_eur: float
    costs_eur: float
    protective: int  # orders that keep working at the broker
    cash: dict[str, float]
    reported_cash: dict[str, float]
    net_liquidation_eur: float | None
    refusals: int  # orders of this session

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
        orders, counted = strategy.analyzers.orderlog.frame(), strategy.analyzers.sessionevents.counted
        orders = orders[~orders["ref"].isin(counted.carried)]
        refused = orders["refusal"] != ""
        refusals += int(refused.sum())
        units.append(
            UnitResult(
                unit=unit,
                orders=int((~refused).sum()),
                fills=counted.fills,
                trades=len(counted.trades),
                closed_eur=sum(row.net_eur for row in counted.trades),
                costs_eur=counted.costs_eur,
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
