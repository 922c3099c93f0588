"""What the market does, as the messages that its clients get."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from gateway.data.contracts import contract_values
from gateway.model import CommissionReport, Execution, Order, Values
from gateway.wire.kinds import stamp

if TYPE_CHECKING:
    from gateway.session import Session
    from gateway.tws import Tws

MOST_REPORTS = 10_000  # as many executions as the market remembers


class Reporter:
    """A ``MarketListener``: orders and executions go to the client that placed them, positions to who listens."""

    def __init__(self, tws: Tws) -> None:
        self._tws = tws
        self.reports: dict[str, CommissionReport] = {}  # execId -> what it cost

    def order_changed(self, order: Order) -> None:
        session = self._owner(order)
        if session is not None:
            session.send("openOrder", open_order(order))
            session.send("orderStatus", order_status(order))

    def executed(self, execution: Execution) -> None:
        session = self._owner(execution.order)
        if session is not None:
            session.send("execDetails", exec_details(-1, execution, self._tws.skew))
        self._tws.account_feeds.traded(execution.order)

    def charged(self, execution: Execution, report: CommissionReport) -> None:
        self.reports[execution.exec_id] = report
        if len(self.reports) > MOST_REPORTS:
            del self.reports[next(iter(self.reports))]
        session = self._owner(execution.order)
        if session is not None:
            session.send("commissionReport", commission_report(report))

    def told(self, order: Order, code: int, text: str, reject: Values | None = None) -> None:
        session = self._owner(order)
        if session is not None:
            session.error(order.order_id, code, text, "" if reject is None else json.dumps(reject))

    def _owner(self, order: Order) -> Session | None:
        return self._tws.clients.get(order.client_id)


def open_order(order: Order, state: Values | None = None) -> Values:
    """openOrder: everything that the client sent, with what the gateway knows. ``state``: fields of the order state."""
    terms = {
        **order.terms,
        "account": order.account,
        "clientId": order.client_id,
        "orderId": order.order_id,
        "permId": order.perm_id,
        "filledQuantity": order.filled,
    }
    return {
        "orderId": order.order_id,
        "contract": {**order.contract, **contract_values(order.instrument, str(order.contract.get("exchange") or ""))},
        "order": terms,
        "orderState": {"status": order.status, **(state or {})},
    }


def completed_order(order: Order) -> Values:
    ended = stamp(order.ended.astimezone(ZoneInfo(order.instrument.time_zone)), True) if order.ended else ""
    return open_order(order, {"completedTime": ended, "completedStatus": order.end_reason})


def order_status(order: Order) -> Values:
    return {
        "orderId": order.order_id,
        "status": order.status,
        "filled": order.filled,
        "remaining": order.remaining,
        "avgFillPrice": order.avg_fill_price,
        "permId": order.perm_id,
        "parentId": order.terms.get("parentId", 0),
        "lastFillPrice": order.last_fill_price,
        "clientId": order.client_id,
        "whyHeld": order.why_held,
        "mktCapPrice": 0.0,
    }


def exec_details(req_id: int, execution: Execution, skew: dt.timedelta) -> Values:
    """execDetails; ``skew``: by how much the time that is told is off."""
    order = execution.order
    return {
        "reqId": req_id,
        "contract": {**order.contract, **contract_values(order.instrument, str(order.contract.get("exchange") or ""))},
        "execution": {
            "execId": execution.exec_id,
            "time": (execution.when + skew).astimezone(ZoneInfo(order.instrument.time_zone)),
            "acctNumber": order.account,
            "exchange": execution.exchange,
            "side": execution.side,
            "shares": execution.shares,
            "price": execution.price,
            "permId": order.perm_id,
            "clientId": order.client_id,
            "orderId": order.order_id,
            "liquidation": 0,
            "cumQty": execution.cum_qty,
            "avgPrice": execution.avg_price,
            "orderRef": order.terms.get("orderRef", ""),
            "lastLiquidity": execution.last_liquidity,
        },
    }


def commission_report(report: CommissionReport) -> Values:
    return {
        "execId": report.exec_id,
        "commission": report.commission,
        "currency": report.currency,
        "realizedPNL": report.realized_pnl,
    }
