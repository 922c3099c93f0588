"""ib_insync or ib_async walks through the gateway: ``python ib_family.py ib_async PORT VERSION``."""

from __future__ import annotations

import importlib
import logging
import sys
from typing import Any

from report import ACCOUNT, SCHEDULES, TAGS, VALUES, Report
from wired.oracle import Objections


class Walk:
    """The steps, in the order in which they are taken."""

    def __init__(self, library: str, port: int, version: int) -> None:
        self.api: Any = importlib.import_module(library)
        client = importlib.import_module(f"{library}.client").Client
        client.MaxClientVersion = version
        client.MaxRequests = 0  # no throttle
        self.report = Report(version)
        self.objections = Objections()
        logging.getLogger().addHandler(self.objections)
        self.said: list[str] = []  # what the wrapper logs of errors that are answers
        self.ib = self.api.IB()
        self.ib.TimezoneTWS = "US/Eastern"  # older versions tell the times of executions without a zone
        self.ib.errorEvent += self._hear
        self.port = port
        self.stock = self.api.Stock("XMPLA", "SMART", "USD")
        self.other = self.api.Stock("XMPLB", "SMART", "USD")
        self.pair = self.api.Forex("EURUSD")

    def _hear(self, req_id: int, code: int, text: str, contract: Any = None) -> None:
        self.report.error(code)
        self.said.append(f"Error {code}, reqId {req_id}: {text}")

    def settle(self) -> None:
        """Everything that was sent has been dealt with: messages come in order."""
        self.ib.reqCurrentTime()
        self.ib.sleep(0)

    def pass_time(self, seconds: float) -> None:
        self.report.advance(seconds)
        self.settle()

    def walk(self) -> None:
        steps = (
            self.connect, self.account, self.contracts, self.history, self.market_data, self.streams, self.what_if,
            self.simple_orders, self.linked_orders, self.looking_back, self.refusals,
        )  # fmt: skip
        for step in steps:
            with self.report.step(step.__name__):
                step()
        version = self.ib.client.serverVersion()
        self.ib.disconnect()
        self.report.objections += [
            text for text in self.objections.texts if not any(text.startswith(said) for said in self.said)
        ]
        self.report.end(version)

    def connect(self) -> None:
        ib, tell = self.ib, self.report.tell
        ib.connect("127.0.0.1", self.port, clientId=7, timeout=20)
        tell("accounts", ib.managedAccounts())
        tell("time", int(ib.reqCurrentTime().timestamp()))

    def account(self) -> None:
        ib, tell = self.ib, self.report.tell
        tell("summary", {row.tag: row.value for row in ib.accountSummary() if row.tag in TAGS})
        values = {f"{row.tag} {row.currency}": row.value for row in ib.accountValues(ACCOUNT)}
        tell("values", {key: value for key, value in values.items() if key in VALUES})
        tell("positions", [[row.contract.symbol, row.position] for row in ib.positions()])
        pnl = ib.reqPnL(ACCOUNT)
        self.settle()
        tell("pnl", [pnl.dailyPnL, pnl.unrealizedPnL, pnl.realizedPnL])
        ib.cancelPnL(ACCOUNT)

    def contracts(self) -> None:
        ib, tell, api = self.ib, self.report.tell, self.api
        tell("stock", [_details(row) for row in ib.reqContractDetails(self.stock)])
        tell("pair", [_details(row) for row in ib.reqContractDetails(self.pair)])
        found = ib.reqContractDetails(api.Stock("XMPLD"))
        tell("ambiguous", sorted([row.contract.conId, row.contract.currency] for row in found))
        tell("unknown", [_details(row) for row in ib.reqContractDetails(api.Stock("NOSUCH", "SMART", "USD"))])
        tell("matching", [row.contract.conId for row in ib.reqMatchingSymbols("XMPLA")])
        tell("rule", [[row.lowEdge, row.increment] for row in ib.reqMarketRule(26)])
        tell("pair_rule", [[row.lowEdge, row.increment] for row in ib.reqMarketRule(239)])
        ib.qualifyContracts(self.stock, self.other, self.pair)
        tell("chains", ib.reqSecDefOptParams("XMPLA", "", "STK", self.stock.conId))
        tell("qualified", [self.stock.conId, self.other.conId, self.pair.conId])

    def history(self) -> None:
        ib, tell, report = self.ib, self.report.tell, self.report
        daily = ib.reqHistoricalData(self.stock, "", "3 D", "1 day", "TRADES", True)
        tell("daily", [[f"{row.date:%Y%m%d}", *_prices(row), report.shares(row.volume)] for row in daily])
        fine = ib.reqHistoricalData(self.stock, "", "30 S", "10 secs", "TRADES", True, formatDate=2)
        tell("fine", [[row.date.timestamp(), *_prices(row), report.shares(row.volume)] for row in fine])
        middle = ib.reqHistoricalData(self.pair, "", "30 S", "15 secs", "MIDPOINT", False, formatDate=2)
        tell("midpoint", [[row.date.timestamp(), *_prices(row)] for row in middle])
        head = ib.reqHeadTimeStamp(self.stock, "TRADES", True, 2)
        tell("head", head.timestamp())
        end = "20240612-14:00:00"
        last = ib.reqHistoricalTicks(self.stock, "", end, 2, "TRADES", False)
        tell("ticks_last", [[row.time.timestamp(), row.price, row.size, row.exchange] for row in last])
        both = ib.reqHistoricalTicks(self.stock, "", end, 1, "BID_ASK", False)
        tell("ticks_bid_ask", [[row.time.timestamp(), row.priceBid, row.priceAsk, row.sizeAsk] for row in both])
        mids = ib.reqHistoricalTicks(self.stock, "", end, 1, "MIDPOINT", False)
        tell("ticks_midpoint", [[row.time.timestamp(), row.price] for row in mids])
        if ib.client.serverVersion() < SCHEDULES:
            return
        schedule = ib.reqHistoricalSchedule(self.stock, 1)
        tell("schedule", [schedule.timeZone, [row.refDate for row in schedule.sessions]])

    def market_data(self) -> None:
        ib, tell, report = self.ib, self.report.tell, self.report
        live = ib.reqMktData(self.stock, "233,236")
        self.settle()
        tell("live", [live.bid, live.ask, report.shares(live.bidSize), live.last, live.close, live.marketDataType])
        tell("generic", [live.vwap, report.shares(live.shortableShares), live.halted])
        ib.cancelMktData(self.stock)
        (snapshot,) = ib.reqTickers(self.pair)
        tell("snapshot", [snapshot.bid, snapshot.ask])
        ib.reqMarketDataType(3)
        delayed = ib.reqMktData(self.other)
        self.settle()
        tell("delayed", [delayed.close, delayed.marketDataType])
        ib.cancelMktData(self.other)
        ib.reqMarketDataType(1)
        ib.reqMktData(self.other)
        self.settle()

    def streams(self) -> None:
        ib, tell, report, stock = self.ib, self.report.tell, self.report, self.stock
        fives = ib.reqRealTimeBars(stock, 5, "TRADES", False)
        growing = ib.reqHistoricalData(stock, "", "30 S", "10 secs", "TRADES", True, 2, keepUpToDate=True)
        ticks = {kind: self._ticks(stock, kind) for kind in ("Last", "AllLast", "BidAsk", "MidPoint")}
        self.pass_time(12)
        tell("fives", [[b.time.timestamp(), b.open_, b.high, b.low, b.close, report.shares(b.volume)] for b in fives])
        tell("growing", [[b.date.timestamp(), *_prices(b), report.shares(b.volume)] for b in growing[-1:]])
        tell("by_tick", {kind: _by_tick(kind, ticks[kind]) for kind in ticks})
        for kind in ticks:
            ib.cancelTickByTickData(stock, kind)
        ib.cancelHistoricalData(growing)
        ib.cancelRealTimeBars(fives)
        self.settle()

    def _ticks(self, contract: Any, kind: str) -> list[Any]:
        """Each kind in a ticker of its own, for they share those of a contract."""
        found: list[Any] = []
        ticker = self.ib.reqTickByTickData(contract, kind)
        types = {"Last": 1, "AllLast": 2}
        wanted = {"BidAsk": "TickByTickBidAsk", "MidPoint": "TickByTickMidPoint"}.get(kind, "TickByTickAllLast")

        def keep(ticker: Any) -> None:
            for tick in ticker.tickByTicks:
                if type(tick).__name__ == wanted and types.get(kind) == getattr(tick, "tickType", None):
                    found.append(tick)

        ticker.updateEvent += keep
        return found

    def what_if(self) -> None:
        order = self.api.LimitOrder("BUY", 100, 50.0, tif="DAY", account=ACCOUNT)
        state = self.ib.whatIfOrder(self.stock, order)
        self.report.tell("what_if", [state.initMarginChange, state.equityWithLoanBefore, round(state.commission, 1)])

    def place(self, order: Any) -> Any:
        trade = self.ib.placeOrder(self.stock, order)
        self.settle()
        return trade

    def simple_orders(self) -> None:
        ib, tell, api = self.ib, self.report.tell, self.api
        bought = self.place(api.MarketOrder("BUY", 100, tif="DAY", orderRef="first"))
        tell("market", _trade(bought))
        fill = bought.fills[0]
        report = fill.commissionReport
        tell("commission", [report.execId == fill.execution.execId, round(report.commission, 1), report.currency])
        tell("reference", [fill.execution.orderRef, fill.execution.side, fill.execution.exchange])
        tell("executed_at", fill.execution.time.timestamp())
        order = api.LimitOrder("BUY", 100, 49.0, tif="GTC")
        trade = self.place(order)
        tell("resting", _trade(trade))
        order.lmtPrice, order.totalQuantity = 49.5, 200
        self.place(order)
        (told,) = [each.order for each in ib.reqAllOpenOrders()] or [order]
        tell("modified", [told.lmtPrice, told.totalQuantity, told.tif])
        ib.cancelOrder(order)
        self.settle()
        tell("cancelled", _trade(trade))
        self.pass_time(1)
        partial = self.place(api.LimitOrder("BUY", 700, 50.02, tif="DAY"))
        tell("part", _trade(partial))
        self.pass_time(2)
        tell("partial", _trade(partial))

    def linked_orders(self) -> None:
        ib, tell, api = self.ib, self.report.tell, self.api
        self.pass_time(1)
        bracket = [self.place(order) for order in ib.bracketOrder("BUY", 100, 50.02, 50.9, 45.0, tif="DAY")]
        tell("bracket", [_trade(trade) for trade in bracket])
        pair = [api.LimitOrder("SELL", 100, price, tif="DAY") for price in (50.95, 52.0)]
        pair = [self.place(order) for order in ib.oneCancelsAll(pair, "pair", 1)]
        trail = self.place(api.Order(action="SELL", totalQuantity=100, orderType="TRAIL", auxPrice=0.5, tif="DAY"))
        tell("open", sorted(each.order.orderType for each in ib.reqOpenOrders()))
        tell("all_open", sorted(each.order.orderType for each in ib.reqAllOpenOrders()))
        self.pass_time(290)
        tell("bracket_done", [_trade(trade) for trade in bracket])
        tell("oca_done", [_trade(trade) for trade in pair])
        tell("trailing", trail.orderStatus.status)
        self.pass_time(60)
        tell("trailed", _trade(trail))

    def looking_back(self) -> None:
        ib, tell, api = self.ib, self.report.tell, self.api
        tell("executions", len(ib.reqExecutions()))
        sold = ib.reqExecutions(api.ExecutionFilter(side="SELL", symbol="XMPLA"))
        tell("sold", [[fill.execution.shares, fill.execution.price] for fill in sold])
        done = ib.reqCompletedOrders(False)
        tell("completed", sorted(trade.orderStatus.status for trade in done))
        tell("held", [[row.contract.symbol, row.position] for row in ib.positions()])
        tell("portfolio", [[row.contract.symbol, row.position, row.marketPrice] for row in ib.portfolio()])
        pnl = ib.reqPnLSingle(ACCOUNT, "", self.stock.conId)
        self.settle()
        tell("pnl_single", [pnl.position, pnl.value])
        ib.cancelPnLSingle(ACCOUNT, "", self.stock.conId)
        far = [self.place(api.LimitOrder("BUY", 100, price, tif="DAY")) for price in (41.0, 42.0)]
        ib.reqGlobalCancel()
        self.settle()
        tell("all_cancelled", [trade.orderStatus.status for trade in far])

    def refusals(self) -> None:
        ib, api, report = self.ib, self.api, self.report
        for name, order in (
            ("too_much", api.LimitOrder("BUY", 1_000_000, 50.0, tif="DAY")),
            ("off_tick", api.LimitOrder("BUY", 100, 49.995, tif="DAY")),
            ("no_type", api.Order(action="BUY", totalQuantity=100, orderType="PEG", tif="DAY")),
        ):
            with report.step(name):
                self.place(order)
        with report.step("not_found"):
            ib.client.cancelOrder(99_999, *([""] if ib.client.serverVersion() >= 169 else []))
            self.settle()
        with report.step("scanner"):
            ib.reqScannerSubscription(api.ScannerSubscription(instrument="STK", scanCode="TOP_PERC_GAIN"))
            self.settle()
        with report.step("scanner_parameters"):
            ib.client.reqScannerParameters()
            self.settle()
        with report.step("fundamentals"):
            report.tell("fundamentals", ib.reqFundamentalData(self.stock, "ReportSnapshot") or "")
        with report.step("depth"):
            ib.reqMktDepth(self.stock)
            self.settle()


def _details(row: Any) -> list[Any]:
    contract = row.contract
    return [
        contract.conId, contract.symbol, contract.secType, contract.currency, contract.localSymbol, row.longName,
        row.minTick, row.timeZoneId, row.marketRuleIds.split(",")[0],
    ]  # fmt: skip


def _prices(row: Any) -> list[float]:
    return [row.open, row.high, row.low, row.close]


def _trade(trade: Any) -> list[Any]:
    status = trade.orderStatus
    fills = [[fill.execution.shares, fill.execution.price] for fill in trade.fills]
    return [status.status, status.filled, status.remaining, fills]


def _by_tick(kind: str, ticks: list[Any]) -> list[Any]:
    tick = ticks[-1]
    if kind == "BidAsk":
        return [tick.bidPrice, tick.askPrice, tick.bidSize, tick.askSize]
    return [tick.midPoint] if kind == "MidPoint" else [tick.price, tick.size, tick.exchange]


if __name__ == "__main__":
    Walk(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])).walk()
