"""Scenarios of market data and history, as a raw client sees them on its socket."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from faulty.wire import OPEN, Client, Message, codes, gateway, named, statuses

from gateway.faults.scenarios import SCENARIOS
from gateway.model import Values

STOCK: Values = {"conId": 900_000_001, "symbol": "XMPLA", "secType": "STK", "exchange": "SMART", "currency": "USD"}
OTHER: Values = {"conId": 900_000_002, "symbol": "XMPLB", "secType": "STK", "exchange": "SMART", "currency": "USD"}
BID, ASK, LAST, HALTED, DELAYED_LAST = 1, 2, 4, 49, 68


def subscribe(client: Client, req_id: int = 9, contract: Values = STOCK) -> None:
    client.tell("reqMktData", reqId=req_id, contract=contract, genericTickList="", snapshot=False)
    client.settle()


def ask_history(client: Client, req_id: int, keep: bool = False) -> None:
    client.tell(
        "reqHistoricalData", reqId=req_id, contract=STOCK, endDateTime="", durationStr="300 S",
        barSizeSetting="5 secs", whatToShow="TRADES", useRTH=True, formatDate=2, keepUpToDate=keep,
    )  # fmt: skip
    client.settle()


def ticks(messages: list[Message], *types: int, req_id: int = 9) -> list[float]:
    """Prices of ticks of the types."""
    return [v["price"] for v in named(messages, "tickPrice") if v["tickType"] in types and v["reqId"] == req_id]


# History -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("history_no_data", "HMDS query returned no data: XMPLA@SMART Trades"),
        ("history_pacing", "Historical data request pacing violation"),
        ("history_cancelled", "API historical data query cancelled: 5"),
        ("history_other_address", "Trading TWS session is connected from a different IP address"),
        ("history_no_permission", "No market data permissions for SMART STK"),
    ],
)
def test_history_is_refused_with_162_once(name: str, text: str) -> None:
    with gateway(name) as tws, Client(tws.port) as client:
        ask_history(client, 5)
        seen = client.sync()
        assert named(seen, "historicalData") == []
        (error,) = named(seen, "error")
        assert (error["reqId"], error["errorCode"]) == (5, 162)
        assert error["errorString"] == f"Historical Market Data Service error message:{text}"
        tws.advance(seconds=20)
        ask_history(client, 6)
        assert codes(client.until("historicalData")) == []


def test_history_is_paced_more_tightly() -> None:
    with gateway("history_rate:count=2,seconds=10m") as tws, Client(tws.port) as client:
        answers = []
        for n in range(4):
            tws.advance(seconds=20)  # far enough apart for IBKR's own limits
            ask_history(client, n)
            answers.append(codes(client.sync()))
        assert answers == [[], [], [162], [162]]
        tws.advance(seconds=600)
        ask_history(client, 9)
        assert codes(client.until("historicalData")) == []


def test_updates_of_bars_die_and_a_new_request_lives() -> None:
    with gateway("updates_dead") as tws, Client(tws.port) as client:
        ask_history(client, 5, keep=True)
        client.until("historicalData")
        tws.advance(seconds=60)
        seen = client.sync()
        assert len(named(seen, "historicalDataUpdate")) == 2  # the third was the last straw
        assert codes(seen) == [10182] and named(seen, "error")[0]["reqId"] == 5
        ask_history(client, 6, keep=True)
        client.until("historicalData")
        tws.advance(seconds=60)
        assert {v["reqId"] for v in named(client.sync(), "historicalDataUpdate")} == {6}


# Market data that is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code"), [("not_subscribed", 354), ("needs_subscription", 10089), ("delayed_disabled", 10168)]
)
def test_market_data_is_refused_and_never_comes(name: str, code: int) -> None:
    with gateway(name) as tws, Client(tws.port) as client:
        subscribe(client)
        (error,) = named(client.sync(), "error")
        assert (error["reqId"], error["errorCode"]) == (9, code)
        tws.advance(seconds=30)
        assert client.sync() == []
        subscribe(client, 10)
        tws.advance(seconds=30)
        assert ticks(client.sync(), LAST, req_id=10)  # n=1: only the first is refused


def test_delayed_data_comes_under_its_own_types() -> None:
    with gateway("delayed_shown") as tws, Client(tws.port) as client:
        subscribe(client)
        tws.advance(seconds=30)
        seen = client.sync()
        assert codes(seen) == [10167]
        assert [v["marketDataType"] for v in named(seen, "marketDataType")][-1:] == [3]
        assert ticks(seen, LAST, BID, ASK) == [] and ticks(seen, DELAYED_LAST)


def test_another_session_takes_the_data_for_a_while() -> None:
    with gateway("competing_session:n=3,seconds=60") as tws, Client(tws.port) as client:
        subscribe(client)
        tws.advance(seconds=50)
        seen = client.sync()
        assert codes(seen) == [10197] and len(named(seen, "tickPrice")) == 2
        tws.advance(seconds=60)
        assert named(client.sync(), "tickPrice")


# Market data that is dead, stale or wrong --------------------------------------------------------------------------


def test_a_silent_feed_says_nothing_and_comes_back() -> None:
    with gateway("silent_feed:after=11,seconds=60") as tws, Client(tws.port) as client:
        subscribe(client)
        tws.advance(seconds=9)
        assert ticks(client.sync(), LAST)
        tws.advance(to=OPEN + dt.timedelta(seconds=69))
        during = client.sync()
        assert len(named(during, "tickPrice")) <= 6 and codes(during) == []  # at most what came with second 10
        tws.advance(seconds=30)
        assert ticks(client.sync(), LAST)


def test_streams_stop_without_a_word_at_a_time() -> None:
    with gateway("midnight_silence:when=at 10:00:10 exchange") as tws, Client(tws.port) as client:
        subscribe(client)
        tws.advance(seconds=9)
        assert ticks(client.sync(), LAST)
        tws.advance(seconds=2)
        client.sync()
        tws.advance(seconds=60)
        assert client.sync() == []


def test_stale_bars_repeat_the_last_price_without_volume() -> None:
    with gateway("stale_data:after=11,seconds=60") as tws, Client(tws.port) as client:
        client.tell("reqRealTimeBars", reqId=7, contract=STOCK, barSize=5, whatToShow="TRADES", useRTH=False)
        client.tell("reqRealTimeBars", reqId=8, contract=OTHER, barSize=5, whatToShow="TRADES", useRTH=False)
        client.settle()
        tws.advance(to=OPEN + dt.timedelta(seconds=61))
        seen = named(client.sync(), "realtimeBar")
        bars = {n: [bar for bar in seen if bar["reqId"] == n] for n in (7, 8)}
        stale = [bar for bar in bars[7] if bar["time"] >= (OPEN + dt.timedelta(seconds=15)).timestamp()]
        assert len(stale) >= 8
        assert {(b["open"], b["high"], b["low"], b["close"], b["volume"]) for b in stale} == {
            (*[stale[0]["close"]] * 4, 0.0)
        }
        assert any(bar["volume"] > 0 for bar in bars[8][3:])
        tws.advance(seconds=60)
        assert any(v["volume"] > 0 for v in named(client.sync(), "realtimeBar") if v["reqId"] == 7)


def test_an_outlier_tick_is_absurd_and_nothing_trades_there() -> None:
    with gateway("outlier_tick:n=5,factor=1.5") as tws, Client(tws.port) as client:
        subscribe(client)
        client.place(client.next_id, action="SELL", orderType="LMT", lmtPrice=75.0)  # a third above the market
        client.settle()
        tws.advance(seconds=60)
        seen = client.sync()
        prices = [v["price"] for v in named(seen, "tickPrice")]
        usual = sorted(prices)[len(prices) // 2]
        assert [n for n, price in enumerate(prices, 1) if price > 1.3 * usual and price > 75] == [5]
        assert named(seen, "execDetails") == []


def test_an_outlier_print_is_traded() -> None:
    with gateway("outlier_print:after=11,factor=1.5") as tws, Client(tws.port) as client:
        client.place(client.next_id, action="SELL", orderType="LMT", lmtPrice=75.0)
        client.settle()
        tws.advance(seconds=8)
        assert named(client.sync(), "execDetails") == []
        tws.advance(seconds=10)
        assert len(named(client.sync(), "execDetails")) == 1


def test_a_corrupt_bar_has_its_low_above_its_close() -> None:
    with gateway("bar_corrupt") as tws, Client(tws.port) as client:
        client.tell("reqRealTimeBars", reqId=7, contract=STOCK, barSize=5, whatToShow="TRADES", useRTH=False)
        client.settle()
        tws.advance(seconds=60)
        bars = named(client.sync(), "realtimeBar")
        assert [n for n, bar in enumerate(bars, 1) if bar["low"] > bar["close"]] == [3]


def test_a_crossed_quote_has_its_bid_above_its_ask() -> None:
    with gateway("crossed_quote:after=11") as tws, Client(tws.port) as client:
        client.tell("reqTickByTickData", reqId=4, contract=STOCK, tickType="BidAsk", numberOfTicks=0, ignoreSize=False)
        client.settle()
        tws.advance(seconds=60)
        quotes = named(client.sync(), "tickByTickBidAsk")
        crossed = [quote for quote in quotes if quote["bidPrice"] > quote["askPrice"]]
        assert len(crossed) == 1 and len(quotes) > 10


def test_bars_come_out_of_order() -> None:
    with gateway("bars_out_of_order:n=3") as tws, Client(tws.port) as client:
        client.tell("reqRealTimeBars", reqId=7, contract=STOCK, barSize=5, whatToShow="TRADES", useRTH=False)
        client.settle()
        tws.advance(seconds=30)
        start = int(OPEN.timestamp())
        times = [(bar["time"] - start) // 5 for bar in named(client.sync(), "realtimeBar")]
        assert times == [times[0] + n for n in (0, 1, 3, 2, 4)]  # the sixth waits for the seventh


# The market --------------------------------------------------------------------------------------------------------


def test_a_split_changes_price_position_and_cost_without_an_execution() -> None:
    with gateway("split_overnight:when=at 10:01 exchange,ratio=2") as tws, Client(tws.port) as client:
        subscribe(client)
        client.place(client.next_id)
        client.settle()
        tws.advance(seconds=30)
        before = client.sync()
        (fill,) = named(before, "execDetails")
        tws.advance(seconds=60)
        after = client.sync()
        assert named(after, "execDetails") == []
        price = ticks(before, LAST)[-1]
        assert ticks(after, LAST)[-1] == pytest.approx(price / 2, rel=0.02)
        client.tell("reqPositions")
        (held,) = [v for v in named(client.until("positionEnd"), "position") if v["contract"]["symbol"] == "XMPLA"]
        assert held["position"] == 200.0
        assert held["avgCost"] == pytest.approx(fill["execution"]["price"] / 2, rel=0.01)
        ask_history(client, 5)
        (history,) = named(client.sync(), "historicalData")
        assert all(bar["close"] == pytest.approx(price / 2, rel=0.05) for bar in history["bars"])


def test_a_halted_stock_neither_trades_nor_ticks_until_it_resumes() -> None:
    with gateway("symbol_halt:after=11,seconds=60") as tws, Client(tws.port) as client:
        subscribe(client)
        subscribe(client, 10, OTHER)
        tws.advance(seconds=12)
        seen = client.sync()
        halted = [v["value"] for v in named(seen, "tickGeneric") if v["tickType"] == HALTED and v["reqId"] == 9]
        assert halted and halted[-1] > 0
        client.place(client.next_id)
        client.settle()
        tws.advance(seconds=30)
        during = client.sync()
        assert named(during, "execDetails") == [] and ticks(during, LAST, BID, ASK) == []
        assert ticks(during, LAST, req_id=10)  # the other stock goes on
        tws.advance(seconds=60)
        later = client.sync()
        assert [v["value"] for v in named(later, "tickGeneric") if v["tickType"] == HALTED and v["reqId"] == 9] == [0.0]
        assert ticks(later, LAST)


def test_an_order_of_before_the_halt_fills_after_it() -> None:
    with gateway("symbol_halt:after=3,seconds=60") as tws, Client(tws.port) as client:
        client.place(client.next_id, orderType="LMT", lmtPrice=10.0)
        client.settle()
        tws.advance(seconds=3)
        client.place(client.next_id, orderType="LMT", lmtPrice=99.0)
        client.settle()
        tws.advance(seconds=30)
        assert "Filled" not in statuses(client.sync())
        tws.advance(seconds=60)
        assert statuses(client.sync())[-1] == "Filled"


def test_every_scenario_was_seen_on_the_wire() -> None:
    """Each name stands in one of these modules."""
    here = Path(__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in here.glob("test_gateway_faults_wire_*.py"))
    unseen = [name for name in SCENARIOS if f'"{name}' not in text and not name.startswith("rejected_")]
    assert unseen == []
