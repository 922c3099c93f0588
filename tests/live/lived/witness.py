"""The truth of the gateway, over days: every order that it took and every execution as it stands in the end."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from gateway import Gateway
from gateway.model import CommissionReport, Execution, Order
from gateway.tws import Tws


@dataclass
class Witness:
    """Hears what the market does before the clients do, whoever is connected. Made before the gateway starts."""

    orders: dict[int, Order] = field(default_factory=dict)  # permId -> order
    executions: dict[str, tuple[int, float, float]] = field(default_factory=dict)  # root -> permId, units, price
    fees: dict[str, CommissionReport] = field(default_factory=dict)  # root -> what it cost
    positions: list[tuple[dt.datetime, int, float]] = field(default_factory=list)  # when, con_id, units from then on
    held: dict[int, float] = field(default_factory=dict)

    def attend(self, tws: Tws) -> None:
        reporter = tws.reporter
        changed, executed, charged = reporter.order_changed, reporter.executed, reporter.charged

        def order_changed(order: Order) -> None:
            self.orders[order.perm_id] = order
            changed(order)

        def on_execution(execution: Execution) -> None:
            self.orders[execution.order.perm_id] = execution.order
            root = execution.exec_id.rpartition(".")[0]
            signed = execution.shares if execution.side == "BOT" else -execution.shares
            before = self.executions.get(root, (0, 0.0, 0.0))[1]
            self.executions[root] = (execution.order.perm_id, signed, execution.price)
            con_id = execution.order.instrument.con_id
            self.held[con_id] = self.held.get(con_id, 0.0) + signed - before
            self.positions.append((tws.clock.now(), con_id, self.held[con_id]))
            executed(execution)

        def on_charge(execution: Execution, report: CommissionReport) -> None:
            self.fees[execution.exec_id.rpartition(".")[0]] = report
            charged(execution, report)

        reporter.order_changed = order_changed  # type: ignore[method-assign]
        reporter.executed = on_execution  # type: ignore[method-assign]
        reporter.charged = on_charge  # type: ignore[method-assign]

    def by_ref(self) -> dict[str, list[Order]]:
        """orderRef -> orders that ever lived under it."""
        found: dict[str, list[Order]] = {}
        for order in self.orders.values():
            found.setdefault(str(order.terms.get("orderRef") or ""), []).append(order)
        return found

    def cash(self, gateway: Gateway) -> dict[str, float]:
        """Currency -> balance of the only account."""
        return gateway.call(lambda tws: dict(next(iter(tws.accounts)).cash.balances))

    def equity(self, gateway: Gateway) -> float:
        """Net liquidation of the only account, EUR."""
        return gateway.call(lambda tws: next(iter(tws.accounts)).equity(tws.clock.now()))
