"""The steps of a walk that place orders, with IB's own clients."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ibapi.execution import ExecutionFilter
from ibapi.order import Order
from ibapi.scanner import ScannerSubscription
from official_asking import Asking
from official_requests import STOCK
from official_rows import held_of, moment_of
from report import ACCOUNT

try:
    from ibapi.order_cancel import OrderCancel
except ImportError:  # the client of 2020 has none
    OrderCancel = None


class Orders(Asking):
    """Orders that are placed, changed, cancelled, filled and refused."""

    def order(self, action: str, quantity: int, kind: str = "LMT", limit: float | None = None, **terms: Any) -> Order:
        made = Order()
        made.orderId, self.order_id = self.order_id, self.order_id + 1
        made.action, made.orderType, made.tif = action, kind, "DAY"
        made.totalQuantity = Decimal(quantity) if OrderCancel else quantity
        if limit is not None:
            made.lmtPrice = limit
        for name, value in terms.items():
            setattr(made, name, value)
        return made

    def place(self, order: Order) -> Order:
        self.ask("placeOrder", order.orderId, STOCK, order)
        return order

    def trade(self, order: Order) -> list[Any]:
        """What is known of an order: status, filled, remaining, fills."""
        mine = [(name, row) for name, row in self.wrapper.calls if row.get("orderId") == order.orderId]
        status = [row for name, row in mine if name == "orderStatus"][-1]
        fills = [
            [float(row["execution"].shares), row["execution"].price]
            for name, row in self.wrapper.calls
            if name == "execDetails" and row["execution"].orderId == order.orderId and row["reqId"] == -1
        ]
        return [status["status"], float(status["filled"]), float(status["remaining"]), fills]

    def what_if(self) -> None:
        order = self.order("BUY", 100, limit=50.0, whatIf=True, account=ACCOUNT)
        told = dict(self.ask("placeOrder", order.orderId, STOCK, order))
        state = vars(told["openOrder"]["orderState"])
        commission = state.get("commission", state.get("commissionAndFees"))
        self.report.tell("what_if", [state["initMarginChange"], state["equityWithLoanBefore"], round(commission, 1)])

    def simple_orders(self) -> None:
        tell = self.report.tell
        bought = self.order("BUY", 100, "MKT", orderRef="first")
        told = dict(self.ask("placeOrder", bought.orderId, STOCK, bought))
        tell("market", self.trade(bought))
        execution = told["execDetails"]["execution"]
        name = "commissionReport" if "commissionReport" in told else "commissionAndFeesReport"
        report = vars(told[name][name])
        fee = report.get("commission", report.get("commissionAndFees"))
        tell("commission", [report["execId"] == execution.execId, round(fee, 1), report["currency"]])
        tell("reference", [execution.orderRef, execution.side, execution.exchange])
        tell("executed_at", moment_of(execution.time))
        order = self.place(self.order("BUY", 100, limit=49.0, tif="GTC"))
        tell("resting", self.trade(order))
        order.lmtPrice, order.totalQuantity = 49.5, order.totalQuantity * 2
        self.place(order)
        changed = dict(self.ask("reqAllOpenOrders"))["openOrder"]["order"]
        tell("modified", [changed.lmtPrice, float(changed.totalQuantity), changed.tif])
        self.cancel(order.orderId)
        tell("cancelled", self.trade(order))
        self.pass_time(1)
        partial = self.place(self.order("BUY", 700, limit=50.02))
        tell("part", self.trade(partial))
        self.pass_time(2)
        tell("partial", self.trade(partial))

    def cancel(self, order_id: int) -> None:
        self.ask("cancelOrder", order_id, *([OrderCancel()] if OrderCancel else []))

    def pass_time(self, seconds: float) -> None:
        self.report.advance(seconds)
        self.ask()

    def linked_orders(self) -> None:
        tell = self.report.tell
        self.pass_time(1)
        parent = self.order("BUY", 100, limit=50.02, transmit=False)
        profit = self.order("SELL", 100, limit=50.9, parentId=parent.orderId, transmit=False)
        loss = self.order("SELL", 100, "STP", auxPrice=45.0, parentId=parent.orderId)
        bracket = [self.place(order) for order in (parent, profit, loss)]
        tell("bracket", [self.trade(order) for order in bracket])
        pair = [self.order("SELL", 100, limit=price, ocaGroup="pair", ocaType=1) for price in (50.95, 52.0)]
        pair = [self.place(order) for order in pair]
        trail = self.place(self.order("SELL", 100, "TRAIL", auxPrice=0.5))
        for name, request in (("open", "reqOpenOrders"), ("all_open", "reqAllOpenOrders")):
            tell(name, sorted(row["order"].orderType for called, row in self.ask(request) if called == "openOrder"))
        self.pass_time(290)
        tell("bracket_done", [self.trade(order) for order in bracket])
        tell("oca_done", [self.trade(order) for order in pair])
        tell("trailing", self.trade(trail)[0])
        self.pass_time(60)
        tell("trailed", self.trade(trail))

    def looking_back(self) -> None:
        tell = self.report.tell
        tell("executions", len(self.rows("execDetails", "reqExecutions", ExecutionFilter())))
        wanted = ExecutionFilter()
        wanted.side, wanted.symbol = "SELL", "XMPLA"
        sold = [row["execution"] for row in self.rows("execDetails", "reqExecutions", wanted)]
        tell("sold", [[float(row.shares), row.price] for row in sold])
        done = [row for name, row in self.ask("reqCompletedOrders", False) if name == "completedOrder"]
        tell("completed", sorted(row["orderState"].status for row in done))
        tell("held", [held_of(row) for name, row in self.ask("reqPositions") if name == "position"])
        rows = {row["contract"].symbol: row for name, row in self.wrapper.calls if name == "updatePortfolio"}
        tell("portfolio", [[symbol, float(row["position"]), row["marketPrice"]] for symbol, row in rows.items()])
        pnl = self.rows("pnlSingle", "reqPnLSingle", ACCOUNT, "", STOCK.conId)[0]
        tell("pnl_single", [float(pnl["pos"]), pnl["value"]])
        self.ask("cancelPnLSingle", self.req_id)
        far = [self.place(self.order("BUY", 100, limit=price)) for price in (41.0, 42.0)]
        self.ask("reqGlobalCancel", *([OrderCancel()] if OrderCancel else []))
        tell("all_cancelled", [self.trade(order)[0] for order in far])

    def refusals(self) -> None:
        report = self.report
        for name, order in (
            ("too_much", self.order("BUY", 1_000_000, limit=50.0)),
            ("off_tick", self.order("BUY", 100, limit=49.995)),
            ("no_type", self.order("BUY", 100, "PEG")),
        ):
            with report.step(name):
                self.place(order)
        with report.step("not_found"):
            self.cancel(99_999)
        with report.step("scanner"):
            wanted = ScannerSubscription()
            wanted.instrument, wanted.scanCode = "STK", "TOP_PERC_GAIN"
            self.rows("", "reqScannerSubscription", wanted, [], [])
        with report.step("scanner_parameters"):
            self.ask("reqScannerParameters")
        with report.step("fundamentals"):
            self.rows("", "reqFundamentalData", STOCK, "ReportSnapshot", [])
        with report.step("depth"):
            self.rows("", "reqMktDepth", STOCK, 5, False, [])
