"""IB's own client, of 2020 or of today, walks through the gateway: ``python official.py PORT VERSION``."""

from __future__ import annotations

import socket
import sys
import threading
from typing import Any

from ibapi.contract import Contract
from official_asking import Call
from official_orders import Orders
from official_requests import NUMBERED, OTHER, PAIR, PLAIN, STOCK, contract
from official_rows import by_tick_of, details_of, held_of, prices_of
from report import ACCOUNT, SCHEDULES, TAGS, VALUES


class Walk(Orders):
    """The steps, in the order in which they are taken."""

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
