"""IB's own client, of 2020 or of today, walks through the gateway: ``python official.py PORT VERSION``.

Its decoder runs with a check that every field of every message is consumed.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import ibapi.client
from ibapi.contract import Contract
from ibapi.execution import ExecutionFilter
from ibapi.order import Order
from ibapi.scanner import ScannerSubscription
from ibapi.wrapper import EWrapper
from official_requests import NUMBERED, OTHER, PAIR, PLAIN, STOCK, contract
from official_rows import by_tick_of, details_of, held_of, moment_of, prices_of
from report import ACCOUNT, SCHEDULES, TAGS, VALUES, Report
from wired.oracle import Fields, Objections, Recorder

try:
    from ibapi.order_cancel import OrderCancel
except ImportError:  # the client of 2020 has none
    OrderCancel = None

LONGEST = 20.0  # seconds for an answer
Call = tuple[str, dict[str, Any]]


class Walk:
    """The steps, in the order in which they are taken."""

    def __init__(self, port: int, version: int) -> None:
        ibapi.client.MAX_CLIENT_VER = version
        self.report = Report(version)
        self.objections = Objections()
        logging.getLogger().addHandler(self.objections)
        self.wrapper = Recorder(EWrapper)
        self.client = ibapi.client.EClient(self.wrapper)
        self.port = port
        self.order_id = self.req_id = 0
        self.known = 0  # calls that are dealt with
        self.messages = 0

    def _interpret(self, interpret: Callable[..., None], fields: list[bytes], *number: int) -> None:
        """Have a message decoded, and object to what is left of it."""
        counted, before = Fields(fields), len(self.wrapper.calls)
        name = f"message {[*number, *fields][0]!r}"
        self.messages += 1
        try:
            interpret(counted, *number)
        except Exception as fault:
            self.report.objections.append(f"{name}: raised {fault!r}")
        left = counted.left_over()
        if left:
            self.report.objections.append(f"{name}: {left} fields left over of {fields}")
        if len(self.wrapper.calls) == before:
            self.report.objections.append(f"{name}: no callback for {fields}")

    def ask(self, request: str = "", *arguments: Any) -> list[Call]:
        """Make a request and return what was told since the last one, up to the answer to a request for the time."""
        if request:
            getattr(self.client, request)(*arguments)
        self.client.reqCurrentTime()
        deadline = time.monotonic() + LONGEST
        while not any(name == "currentTime" for name, _ in self.wrapper.calls[self.known :]):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no answer to {request or 'reqCurrentTime'}")
            time.sleep(0.0003)
        told = self.wrapper.calls[self.known :]
        self.known += len(told)
        for name, values in told:
            if name == "error":
                self.report.error(values["errorCode"])
        return told

    def rows(self, name: str, request: str, *arguments: Any) -> list[dict[str, Any]]:
        """The arguments of the calls of one kind that a request, with a new id, leads to."""
        self.req_id += 1
        return [values for called, values in self.ask(request, self.req_id, *arguments) if called == name]

    def walk(self) -> None:
        steps = (
            self.connect, self.account, self.contracts, self.history, self.market_data, self.streams, self.what_if,
            self.simple_orders, self.linked_orders, self.looking_back, self.refusals, self.others,
        )  # fmt: skip
        for step in steps:
            with self.report.step(step.__name__):
                step()
        version = self.client.serverVersion()
        self.client.disconnect()
        self.report.objections += self.objections.texts
        self.report.tell("messages", self.messages)
        self.report.end(version)

    def connect(self) -> None:
        self.client.connect("127.0.0.1", self.port, 7)
        self.client.conn.socket.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )  # two requests in a row: no waiting
        interpret = self.client.decoder.interpret
        self.client.decoder.interpret = lambda *arguments: self._interpret(interpret, *arguments)
        threading.Thread(target=self.client.run, daemon=True).start()
        told = dict(self.ask())
        self.report.tell("accounts", told["managedAccounts"]["accountsList"].split(","))
        self.report.tell("time", told["currentTime"]["time"])
        self.order_id = dict(self.ask("reqIds", -1))["nextValidId"]["orderId"]
        self.report.tell("next_id", self.order_id)

    def account(self) -> None:
        tell = self.report.tell
        rows = self.rows("accountSummary", "reqAccountSummary", "All", ",".join(TAGS))
        tell("summary", {row["tag"]: row["value"] for row in rows})
        self.ask("cancelAccountSummary", self.req_id)
        told = self.ask("reqAccountUpdates", True, ACCOUNT)
        values = {f"{row['key']} {row['currency']}": row["val"] for name, row in told if name == "updateAccountValue"}
        tell("values", {key: value for key, value in values.items() if key in VALUES})
        assert [name for name, _ in told].count("accountDownloadEnd") == 1
        tell("positions", [held_of(row) for name, row in self.ask("reqPositions") if name == "position"])
        self.rows("positionMulti", "reqPositionsMulti", ACCOUNT, "")
        self.rows("accountUpdateMulti", "reqAccountUpdatesMulti", ACCOUNT, "", True)
        (pnl,) = self.rows("pnl", "reqPnL", ACCOUNT, "")
        tell("pnl", [pnl["dailyPnL"], pnl["unrealizedPnL"], pnl["realizedPnL"]])
        self.ask("cancelPnL", self.req_id)
        self.ask("reqFamilyCodes")

    def contracts(self) -> None:
        tell = self.report.tell

        def details(wanted: Contract) -> list[Any]:
            return [row["contractDetails"] for row in self.rows("contractDetails", "reqContractDetails", wanted)]

        stock = details(STOCK)
        tell("stock", [details_of(row) for row in stock])
        tell("pair", [details_of(row) for row in details(PAIR)])
        found = details(contract("XMPLD", exchange="", currency=""))
        tell("ambiguous", sorted([row.contract.conId, row.contract.currency] for row in found))
        tell("unknown", details(contract("NOSUCH")))
        found = self.rows("symbolSamples", "reqMatchingSymbols", "XMPLA")[0]["contractDescriptions"]
        tell("matching", [row.contract.conId for row in found])
        for name, rule in (("rule", 26), ("pair_rule", 239)):
            increments = dict(self.ask("reqMarketRule", rule))["marketRule"]["priceIncrements"]
            tell(name, [[row.lowEdge, row.increment] for row in increments])
        STOCK.conId = stock[0].contract.conId
        chains = self.rows("securityDefinitionOptionParameter", "reqSecDefOptParams", "XMPLA", "", "STK", STOCK.conId)
        tell("chains", chains)
        self.ask("reqMktDepthExchanges")
        self.ask("reqNewsProviders")

    def bars(self, wanted: Contract, duration: str, size: str, what: str, form: int = 2) -> list[Any]:
        rows = self.rows(
            "historicalData", "reqHistoricalData", wanted, "", duration, size, what, what == "TRADES", form, False, []
        )
        return [row["bar"] for row in rows]

    def history(self) -> None:
        tell, report = self.report.tell, self.report
        daily = self.bars(STOCK, "3 D", "1 day", "TRADES", 1)
        tell("daily", [[row.date, *prices_of(row), report.shares(row.volume)] for row in daily])
        fine = self.bars(STOCK, "30 S", "10 secs", "TRADES")
        tell("fine", [[float(row.date), *prices_of(row), report.shares(row.volume)] for row in fine])
        middle = self.bars(PAIR, "30 S", "15 secs", "MIDPOINT")
        tell("midpoint", [[float(row.date), *prices_of(row)] for row in middle])
        (head,) = self.rows("headTimestamp", "reqHeadTimeStamp", STOCK, "TRADES", 1, 2)
        tell("head", float(head["headTimestamp"]))

        def ticks(name: str, count: int, what: str) -> list[Any]:
            (row,) = self.rows(
                name, "reqHistoricalTicks", STOCK, "", "20240612-14:00:00", count, what, 0, False, []
            )  # fmt: skip
            return list(row["ticks"])

        last = ticks("historicalTicksLast", 2, "TRADES")
        tell("ticks_last", [[row.time, row.price, float(row.size), row.exchange] for row in last])
        both = ticks("historicalTicksBidAsk", 1, "BID_ASK")
        tell("ticks_bid_ask", [[row.time, row.priceBid, row.priceAsk, float(row.sizeAsk)] for row in both])
        tell("ticks_midpoint", [[row.time, row.price] for row in ticks("historicalTicks", 1, "MIDPOINT")])
        if self.client.serverVersion() >= SCHEDULES:
            (row,) = self.rows(
                "historicalSchedule", "reqHistoricalData", STOCK, "", "1 D", "1 day", "SCHEDULE", 1, 1, False, []
            )
            tell("schedule", [row["timeZone"], [session.refDate for session in row["sessions"]]])

    def market_data(self) -> None:
        tell, report = self.report.tell, self.report

        def quoted(wanted: Contract, generic: str = "", snapshot: bool = False) -> dict[Any, Any]:
            self.req_id += 1
            told = self.ask("reqMktData", self.req_id, wanted, generic, snapshot, False, [])
            names = {"tickPrice": "price", "tickSize": "size", "tickString": "value", "tickGeneric": "value"}
            ticks = {row["tickType"]: row[names[name]] for name, row in told if name in names}
            assert not snapshot or told[-2][0] == "tickSnapshotEnd"
            return ticks | {name: row["marketDataType"] for name, row in told if name == "marketDataType"}

        live = quoted(STOCK, "233,236")
        tell("live", [live[1], live[2], report.shares(live[0]), live[4], live[9], live["marketDataType"]])
        tell("generic", [float(live[48].split(";")[4]), report.shares(live[89]), live[49]])
        self.ask("cancelMktData", self.req_id)
        snapshot = quoted(PAIR, snapshot=True)
        tell("snapshot", [snapshot[1], snapshot[2]])
        self.ask("reqMarketDataType", 3)
        delayed = quoted(OTHER)
        tell("delayed", [delayed[75], delayed["marketDataType"]])
        self.ask("cancelMktData", self.req_id)
        self.ask("reqMarketDataType", 1)
        quoted(OTHER)

    def streams(self) -> None:
        tell, report = self.report.tell, self.report
        first = self.req_id + 1
        self.rows("", "reqRealTimeBars", STOCK, 5, "TRADES", False, [])
        self.rows("", "reqHistoricalData", STOCK, "", "30 S", "10 secs", "TRADES", 1, 2, True, [])
        kinds = {self.req_id + place: kind for place, kind in enumerate(("Last", "AllLast", "BidAsk", "MidPoint"), 1)}
        for kind in kinds.values():
            self.rows("", "reqTickByTickData", STOCK, kind, 0, False)
        report.advance(12)
        told = self.ask()
        fives = [row for name, row in told if name == "realtimeBar"]
        prices = ("open_", "high", "low", "close")
        tell("fives", [[r["time"], *(r[p] for p in prices), report.shares(r["volume"])] for r in fives])
        bars = {
            float(row["bar"].date): [*prices_of(row["bar"]), report.shares(row["bar"].volume)]
            for name, row in told
            if name == "historicalDataUpdate"
        }
        tell("growing", [[date, *values] for date, values in bars.items()])
        ticks = {row["reqId"]: row for name, row in told if name.startswith("tickByTick")}
        tell("by_tick", {kind: by_tick_of(kind, ticks[req_id]) for req_id, kind in kinds.items()})
        for req_id in kinds:
            self.ask("cancelTickByTickData", req_id)
        self.ask("cancelHistoricalData", first + 1)
        self.ask("cancelRealTimeBars", first)

    # -- orders ---------------------------------------------------------------------------------------------------

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

    def others(self) -> None:
        """What is left of the requests that this client has in every version: who answers, or the error."""
        found: dict[str, list[Any]] = {}
        for name, arguments in PLAIN:
            found[name] = self.answers(self.ask(name, *arguments))
        for name, arguments in NUMBERED:
            self.req_id += 1
            found[name] = self.answers(self.ask(name, self.req_id, *arguments))
        self.report.tell("others", found)

    @staticmethod
    def answers(told: list[Call]) -> list[Any]:
        """Names of the answers, errors by their code."""
        return [row["errorCode"] if name == "error" else name for name, row in told if name != "currentTime"]


if __name__ == "__main__":
    Walk(int(sys.argv[1]), int(sys.argv[2])).walk()
