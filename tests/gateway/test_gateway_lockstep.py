"""Time in lockstep: it waits for the clients, and a day goes by in the same way each time."""

from __future__ import annotations

import datetime as dt

from faulty.wire import XMPLA, Client

from gateway import Gateway

DAY = dt.date(2024, 6, 12)
OPEN = dt.datetime(2024, 6, 12, 13, 30, tzinfo=dt.UTC)
XMPLB = {**XMPLA, "conId": 900_000_002, "symbol": "XMPLB"}


def lockstep(**options: object) -> Gateway:
    return Gateway.sample(DAY, speed="max", end=OPEN + dt.timedelta(minutes=5), **options)


def bars_of(client: Client, req_id: int, contract: dict[str, object]) -> None:
    client.tell(
        "reqRealTimeBars", reqId=req_id, contract=contract, barSize=5, whatToShow="TRADES", useRTH=True,
    )  # fmt: skip


def a_day(seed: int) -> list[object]:
    """All that a client sees that buys on each tenth bar and sells on each fifteenth."""
    seen: list[object] = []
    with lockstep(seed=seed) as gateway, Client(gateway.port) as client:
        bars_of(client, 1, XMPLA)
        bars_of(client, 2, XMPLB)
        count, order = 0, client.next_id
        while not gateway.has_ended:
            news = client.sync()
            seen += news
            count += any(name == "realtimeBar" for name, _ in news)
            for every, action in ((10, "BUY"), (15, "SELL")):
                if count and count % every == 0:
                    terms = {"action": action, "totalQuantity": 100, "orderType": "MKT", "tif": "DAY", "transmit": True}
                    client.tell("placeOrder", orderId=order, contract=XMPLA, order=terms)
                    order += 1
    return seen


def test_a_day_in_lockstep_is_the_same_each_time() -> None:
    first = a_day(seed=1)
    assert [name for name, _ in first].count("realtimeBar") == 2 * 5 * 12  # two stocks, five minutes of twelve bars
    assert [name for name, _ in first].count("execDetails") >= 6
    assert first == a_day(seed=1)


def test_the_tape_stands_still_until_a_client_with_market_data_has_asked_for_the_time() -> None:
    with lockstep() as gateway, Client(gateway.port) as client:
        before = gateway.now()
        bars_of(client, 1, XMPLA)
        client.tell("reqPositions")
        client.until("positionEnd")
        assert client.silence()
        assert gateway.now() == before
        client.sync()
        assert gateway.now() == OPEN + dt.timedelta(seconds=5)  # the first bar that ends in the session


def test_the_answer_comes_behind_the_bars_of_its_step() -> None:
    with lockstep() as gateway, Client(gateway.port) as client:
        bars_of(client, 1, XMPLA)
        bars_of(client, 2, XMPLB)
        for number in range(1, 4):
            bars = [values for name, values in client.sync() if name == "realtimeBar"]
            assert [bar["reqId"] for bar in bars] == [1, 2]
            assert {bar["time"] for bar in bars} == {int(OPEN.timestamp()) + 5 * (number - 1)}


def test_every_client_with_market_data_is_waited_for_and_one_that_leaves_is_not() -> None:
    with lockstep() as gateway, Client(gateway.port) as fast, Client(gateway.port, 2) as watcher:
        bars_of(fast, 1, XMPLA)
        fast.sync()
        assert watcher.sync() == []  # it has no market data: its time is told at once
        with Client(gateway.port, 3) as slow:
            bars_of(slow, 1, XMPLA)
            slow.tell("reqPositions")
            slow.until("positionEnd")
            before = gateway.now()
            fast.tell("reqCurrentTime")
            assert fast.silence()
            assert gateway.now() == before
        fast.until("currentTime")
        assert gateway.now() == before + dt.timedelta(seconds=5)


def test_an_order_meets_the_prices_after_it_and_never_the_bar_that_its_client_has_seen() -> None:
    with lockstep() as gateway, Client(gateway.port) as client:
        bars_of(client, 1, XMPLA)
        client.sync()
        sent = gateway.now()
        terms = {"action": "BUY", "totalQuantity": 1, "orderType": "MKT", "tif": "DAY", "transmit": True}
        client.tell("placeOrder", orderId=client.next_id, contract=XMPLA, order=terms)
        client.sync()
        (execution,) = gateway.call(lambda tws: tws.market.executions)
        assert sent < execution.when <= sent + dt.timedelta(seconds=5)


def test_after_the_tape_has_ended_nobody_waits() -> None:
    with lockstep() as gateway, Client(gateway.port) as client:
        bars_of(client, 1, XMPLA)
        while not gateway.has_ended:
            client.sync()
        assert client.sync() == []
        assert client.sync() == []
