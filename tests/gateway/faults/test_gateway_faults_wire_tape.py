"""Faults of the tape as clients see them in market data and history."""

from __future__ import annotations

import datetime as dt
import logging
import socket

import pytest
from faulty.wire import OPEN, XMPLA, Client, gateway, named

from gateway.model import Values


def bars(client: Client, seconds: int = 60) -> list[Values]:
    """The latest bars of a second each."""
    client.tell(
        "reqHistoricalData", reqId=9, contract=XMPLA, endDateTime="", durationStr=f"{seconds} S",
        barSizeSetting="1 secs", whatToShow="TRADES", useRTH=1, formatDate=2, keepUpToDate=False, chartOptions="",
    )  # fmt: skip
    (answer,) = named(client.sync(), "historicalData")
    return list(answer["bars"])


def at(second: int) -> str:
    return str(int(OPEN.timestamp()) + second)


def test_history_has_no_trades_of_a_halt() -> None:
    with gateway("at start: wait 11; halt XMPLA; wait 20; resume XMPLA") as running, Client(running.port) as client:
        running.advance(seconds=60)
        volumes = {bar["date"]: bar["volume"] for bar in bars(client)}
    assert len(volumes) == 60
    halted = range(9, 29)  # starts of the bars that end from OPEN + 10 s on, as the gateway starts a second before it
    assert [volumes[at(second)] for second in halted] == [0.0] * 20
    assert all(sum(volumes[at(second)] for second in traded) > 0.0 for traded in (range(9), range(29, 60)))


def test_a_print_that_was_real_is_in_the_history() -> None:
    with gateway("on bar where symbol=XMPLA 21: outlier $symbol 1.5") as running, Client(running.port) as client:
        running.advance(seconds=60)
        (high,) = [bar for bar in bars(client) if bar["high"] > 1.2 * bar["close"]]
        assert high["high"] == pytest.approx(1.5 * high["close"], abs=0.01)
        client.tell("reqMktData", reqId=1, contract=XMPLA)
        ticks = [v["price"] for v in named(client.sync(), "tickPrice") if v["tickType"] == 6]
        assert ticks == [high["high"]]


def test_a_split_on_a_bar_divides_history_once() -> None:
    with gateway("on bar where symbol=XMPLA 21: split $symbol 2") as running, Client(running.port) as client:
        running.advance(seconds=18)
        before = bars(client, 10)[-1]["close"]
        running.advance(seconds=12)
        assert [bar["close"] for bar in bars(client, 30)] == pytest.approx([before / 2] * 30, rel=0.02)


def test_who_subscribes_in_a_halt_is_told_so() -> None:
    with gateway("at start: wait 5; halt XMPLA; wait 20; resume XMPLA") as running, Client(running.port) as client:
        told = []
        for req_id, seconds in ((1, 10), (2, 30)):
            running.advance(to=OPEN + dt.timedelta(seconds=seconds))
            client.tell("reqMktData", reqId=req_id, contract=XMPLA, snapshot=True)
            told += [v["value"] for v in named(client.sync(), "tickGeneric") if v["tickType"] == 49]
        assert told == [1.0, 0.0]


def test_first_is_the_first_stock_of_the_tape() -> None:
    with gateway("symbol_halt:after=1") as running:
        running.advance(seconds=5)
        halted = running.call(lambda tws: [i.symbol for i in tws.book.instruments if tws.market.is_halted(i)])
    assert halted == ["XMPLA"]


def test_a_port_that_is_taken_leaves_the_gateway_where_it_is(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, caplog.at_level(logging.WARNING, "gateway"):
        port = taken.getsockname()[1]
        with gateway(f"at start: wait 5; change_port {port}") as running, Client(running.port) as client:
            before = running.port
            running.advance(seconds=10)
            assert named(client.sync(), "error") == []
            with Client(running.port, 2) as other:
                assert not other.is_closed
            assert running.port == before
    assert "fault_without_effect" in caplog.text and str(port) in caplog.text


@pytest.mark.parametrize(
    "script",
    [
        "on openOrder 1: wait 5; receive cancelOrder orderId=999",
        "on openOrder 1: wait 5; receive reqHistoricalData",
        "on openOrder 1: wait 5; receive reqMktData",
        "on openOrder 1: wait 5; send tickPrice price=1e300",
        "on openOrder 1: wait 5; execute price=$order.auxPrice",  # which is 0
        "on openOrder 1: wait 5; execute shares=1000000",
        "on openOrder 1: wait 5; skew_clock 3650d",
        "on openOrder: wait 1; split XMPLA 1000; split XMPLA 1000",
        "on execDetails: correct price_by=-1000000",
        *(f"on openOrder 1: wait 5; receive {name} orderId=$orderId" for name in ("placeOrder", "cancelOrder")),
    ],
)
def test_what_cannot_be_done_is_left_and_the_gateway_goes_on(script: str) -> None:
    with gateway(script) as running, Client(running.port) as client:
        client.place(client.next_id, orderType="LMT", lmtPrice=1.0)
        client.place(client.next_id + 1)
        client.sync()
        running.advance(seconds=30)
        client.sync()
        assert running.is_running and not client.is_closed
