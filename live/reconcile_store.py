"""From the records of the store to those of the intent journal and of reconciliation."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from books.intents_records import Action, BrokerOrder, Commission, Execution
from live.reconcile_records import BrokerPosition, BrokerSnapshot
from stores.events import CommissionReported, ExecutionReported, OrderReported, Snapshot

CURRENCY_PAIR = "CASH"  # IBKR's secType; its virtual positions are not among the positions


def to_order(report: OrderReported) -> BrokerOrder:
    """A report of an order, for ``IntentJournal.reported``."""
    return BrokerOrder(
        order_ref=report.order_ref, perm_id=report.perm_id, status=report.status, account=report.account,
        con_id=report.contract.con_id, symbol=report.contract.symbol, action=report.action, quantity=report.quantity,
        filled=report.filled, remaining=report.remaining or 0.0, avg_fill_price=report.avg_fill_price or 0.0,
        order_id=report.order_id, client_id=report.client_id, order_type=report.order_type,
        limit_price=report.limit_price, aux_price=report.aux_price, tif=report.tif, why_held=report.why_held,
        completed=report.completed_status,
    )  # fmt: skip


def to_execution(report: ExecutionReported) -> Execution:
    """A fill, correction or bust, for ``IntentJournal.execution``."""
    action: Action = "BUY" if report.side == "BOT" else "SELL"
    return Execution(
        exec_id=report.exec_id, account=report.account, con_id=report.contract.con_id, symbol=report.contract.symbol,
        action=action, shares=report.shares, price=report.price, when=report.when, perm_id=report.perm_id,
        order_ref=report.order_ref, order_id=report.order_id, client_id=report.client_id,
        currency=report.contract.currency, exchange=report.exchange,
    )  # fmt: skip


def to_commission(report: CommissionReported) -> Commission:
    """What an execution cost, for ``IntentJournal.commission``."""
    return Commission(report.exec_id, report.commission, report.currency, report.realized_pnl)


def to_snapshot(found: Snapshot, asked_at: dt.datetime, zone: str = "America/New_York") -> BrokerSnapshot:
    """The store's answer as reconciliation reads it.

    ``asked_at``: when the log-in began, UTC; ``zone``: of this TWS, whose midnight is how far executions reach back.
    Orders, executions and positions of other accounts of the log-in are left out, and so are currency pairs.
    """
    return BrokerSnapshot(
        account=found.account,
        taken_at=asked_at,
        executions_since=day_start(asked_at, zone),
        open_orders=tuple(to_order(o) for o in found.open_orders if o.account in ("", found.account)),
        completed=tuple(to_order(o) for o in found.completed_orders if o.account in ("", found.account)),
        executions=tuple(
            to_execution(e)
            for e in found.executions
            if e.account == found.account and e.contract.sec_type != CURRENCY_PAIR
        ),
        commissions=tuple(to_commission(c) for c in found.commissions),
        positions=tuple(
            BrokerPosition(p.account, p.contract.con_id, p.contract.symbol, p.position, p.avg_cost)
            for p in found.positions
            if p.account == found.account and p.contract.sec_type != CURRENCY_PAIR
        ),
        cash=found.cash(),
        next_order_id=found.next_order_id,
    )


def day_start(when: dt.datetime, zone: str) -> dt.datetime:
    """Midnight of the day of ``when`` in ``zone``, UTC."""
    local = when.astimezone(ZoneInfo(zone))
    return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(dt.UTC)
