"""Time goes on after the last step of the tape: orders expire, days begin, timed faults happen."""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
import time

import pytest
from faulty.wire import XMPLA, Client, codes, statuses

from gateway import Gateway

DAY = dt.date(2024, 6, 12)  # a Wednesday; New York is four hours behind UTC
OPEN = dt.datetime(2024, 6, 12, 13, 30, tzinfo=dt.UTC)
CLOSE = dt.datetime(2024, 6, 12, 20, 0, tzinfo=dt.UTC)
TAPE_END = CLOSE - dt.timedelta(minutes=2)
MIDNIGHT = dt.datetime(2024, 6, 13, 4, 0, tzinfo=dt.UTC)
XMPLB = {**XMPLA, "conId": 900_000_002, "symbol": "XMPLB"}


def cut(**options: object) -> Gateway:
    """A gateway whose time stands still three minutes before the close, and whose tape ends two minutes before it."""
    return Gateway.sample(DAY, speed="still", start=CLOSE - dt.timedelta(minutes=3), end=TAPE_END, **options)


def test_orders_end_after_the_tape_has_ended() -> None:
    with cut() as gateway, Client(gateway.port) as client:
        day, closing, dated = client.next_id, client.next_id + 1, client.next_id + 2
        gateway.advance(seconds=5)
        client.place(day, orderType="LMT", lmtPrice=1.0)
        client.place(closing, orderType="MOC")
        client.place(dated, orderType="LMT", lmtPrice=1.0, tif="GTD", goodTillDate="20240612 15:59:00 US/Eastern")
        client.sync()
        gateway.advance(to=CLOSE - dt.timedelta(seconds=59))
        ended = [v for n, v in client.sync() if n == "orderStatus" and v["status"] == "Cancelled"]
        assert [v["orderId"] for v in ended] == [dated]
        assert gateway.has_ended
        gateway.advance(to=CLOSE + dt.timedelta(seconds=1))
        last = {v["orderId"]: v["status"] for n, v in client.sync() if n == "orderStatus"}
        assert last == {day: "Cancelled", closing: "Filled"}


def test_a_day_begins_after_the_tape_has_ended() -> None:
    with cut() as gateway, Client(gateway.port) as client:
        client.place(client.next_id)
        client.sync()
        gateway.advance(to=MIDNIGHT - dt.timedelta(seconds=1))
        assert len(gateway.call(lambda tws: tws.market.executions)) == 1
        gateway.advance(to=MIDNIGHT)
        assert gateway.call(lambda tws: tws.market.executions) == []


def test_steps_of_the_tape_are_taken_up_to_its_last_one_only() -> None:
    with cut() as gateway:
        gateway.advance(steps=100_000)
        assert gateway.has_ended and gateway.now() == TAPE_END


def test_a_nightly_restart_happens_hours_after_the_tape_has_ended() -> None:
    with cut(faults=["nightly_restart"]) as gateway, Client(gateway.port) as client:
        gateway.advance(to=MIDNIGHT - dt.timedelta(minutes=16))
        client.sync()
        assert not client.is_closed
        gateway.advance(to=MIDNIGHT - dt.timedelta(minutes=15))
        client.rest()
        assert client.is_closed
        refused = Client(gateway.port)
        assert refused.is_closed
        refused.__exit__()
        gateway.advance(to=MIDNIGHT - dt.timedelta(minutes=11))
        with Client(gateway.port) as again:
            assert not again.is_closed


def test_a_weekly_log_in_by_hand_is_days_after_the_tape_has_ended() -> None:
    with cut(faults=["weekly_reauthentication"]) as gateway, Client(gateway.port) as client:
        gateway.advance(to=dt.datetime(2024, 6, 16, 4, 59, tzinfo=dt.UTC))
        client.sync()
        assert not client.is_closed
        gateway.advance(to=dt.datetime(2024, 6, 16, 5, 0, tzinfo=dt.UTC))  # Sunday, 01:00 in New York
        client.rest()


def test_streams_are_lost_at_midnight_and_a_split_comes_in_the_night() -> None:
    with cut(faults=["midnight_silence", "split_overnight"]) as gateway, Client(gateway.port) as client:
        client.tell("reqMktData", reqId=1, contract=XMPLA)
        client.sync()
        assert gateway.call(lambda tws: len(tws.streams)) == 1
        before = gateway.call(lambda tws: tws.accounts.prices[900_000_001])
        gateway.advance(to=MIDNIGHT)
        assert gateway.call(lambda tws: len(tws.streams)) == 0
        gateway.advance(to=MIDNIGHT + dt.timedelta(hours=3))
        assert gateway.call(lambda tws: tws.accounts.prices[900_000_001]) == pytest.approx(before / 2.0, rel=0.05)


def test_an_accelerated_clock_runs_on_behind_the_tape() -> None:
    start = MIDNIGHT - dt.timedelta(minutes=15, seconds=30)  # 23:44:30, when the tape of the day has ended
    made = Gateway.sample(DAY, speed=60, start=start, faults=["nightly_restart"])
    with made as gateway, Client(gateway.port) as client:
        assert gateway.has_ended
        client.rest()  # within a second, as 23:45 comes
        assert gateway.now() >= MIDNIGHT - dt.timedelta(minutes=15)


def test_lockstep_plays_the_day_to_its_midnight() -> None:
    made = Gateway.sample(
        DAY, speed="max", start=CLOSE - dt.timedelta(seconds=10), end=CLOSE - dt.timedelta(seconds=4),
        faults=["at 16:30 exchange: error 1100; error 1102"],
    )  # fmt: skip
    with made as gateway, Client(gateway.port) as client:
        client.tell("reqMktData", reqId=1, contract=XMPLA)
        client.sync()
        client.place(client.next_id, orderType="LMT", lmtPrice=1.0)
        seen = []
        while not gateway.has_ended:
            seen += client.sync()
        seen += client.sync()
        assert statuses(seen)[-1] == "Cancelled"
        assert codes(seen) == [202, 1100, 1102]
        assert gateway.now() == MIDNIGHT


def two_clients(*lags: float) -> tuple[list[str], int]:
    """What two clients see that order the same stock, each after so many seconds; how many executions there were."""
    made = Gateway.sample(DAY, speed="max", start=OPEN - dt.timedelta(minutes=1), end=OPEN + dt.timedelta(minutes=2))
    with made as gateway, Client(gateway.port, 1) as one, Client(gateway.port, 2) as two:
        for client, contract in ((one, XMPLA), (two, XMPLB)):
            client.tell("reqMktData", reqId=1, contract=contract)
            client.tell("reqPositions")
            client.until("positionEnd")
        seen: dict[int, list[object]] = {1: [], 2: []}

        def trade(client: Client, lag: float) -> None:
            for turn in range(100):
                if turn >= 60 and turn % 3 == 0:
                    time.sleep(lag)
                    side = "BUY" if turn % 2 else "SELL"
                    client.place(client.next_id + turn, action=side, totalQuantity=100.0 + turn)
                    client.tell("cancelOrder", orderId=client.next_id + turn - 3, manualOrderCancelTime="")
                seen[client.client_id] += client.sync()

        threads = [threading.Thread(target=trade, args=pair) for pair in zip((one, two), lags, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        count = sum(name == "execDetails" for each in seen.values() for name, _ in each)  # type: ignore[misc]
        return [hashlib.sha256(repr(each).encode()).hexdigest() for each in seen.values()], count


def test_two_clients_in_lockstep_see_the_same_each_time() -> None:
    first = two_clients(0.0, 0.01)
    assert first[1] >= 20
    assert [two_clients(0.01, 0.0), two_clients(0.0, 0.0)] == [first] * 2


def test_orders_of_several_clients_wait_until_all_have_asked_and_other_requests_do_not() -> None:
    made = Gateway.sample(DAY, speed="max", start=OPEN, end=OPEN + dt.timedelta(minutes=1))
    with made as gateway, Client(gateway.port, 7) as late, Client(gateway.port, 3) as early:
        for client in (late, early):
            client.tell("reqMktData", reqId=1, contract=XMPLA)
            client.tell("reqPositions")
            client.until("positionEnd")
        late.place(late.next_id, orderType="LMT", lmtPrice=1.0)
        late.place(late.next_id + 7, orderType="LMT", lmtPrice=1.0, whatIf=True)
        late.until("openOrder")  # the preview is there at once
        late.tell("reqAllOpenOrders")
        assert "openOrder" not in [name for name, _ in late.until("openOrderEnd")]
        late.tell("reqCurrentTime")
        early.place(early.next_id, orderType="LMT", lmtPrice=1.0)
        early.sync()
        late.until("currentTime")
        orders = gateway.call(lambda tws: [(o.client_id, o.order_id) for o in tws.market.open_orders()])
        assert orders == [(3, early.next_id), (7, late.next_id)]


def test_who_is_left_alone_waits_for_nobody() -> None:
    made = Gateway.sample(DAY, speed="max", start=OPEN, end=OPEN + dt.timedelta(minutes=1))
    with made as gateway, Client(gateway.port, 1) as stays:
        with Client(gateway.port, 2) as leaves:
            for client in (stays, leaves):
                client.tell("reqMktData", reqId=1, contract=XMPLA)
                client.tell("reqPositions")
                client.until("positionEnd")
            stays.place(stays.next_id, orderType="LMT", lmtPrice=1.0)
            stays.tell("reqPositions")
            assert "openOrder" not in [name for name, _ in stays.until("positionEnd")]
        stays.until("openOrder")


def test_in_lockstep_time_goes_on_while_nobody_can_log_in() -> None:
    made = Gateway.sample(
        DAY, speed="max", start=OPEN, end=OPEN + dt.timedelta(minutes=9),
        faults=["at 09:31 exchange: refuse_logins 3m; close"],
    )  # fmt: skip
    with made as gateway:
        with Client(gateway.port) as client:
            client.tell("reqMktData", reqId=1, contract=XMPLA)
            while not client.is_closed:
                client.sync()
        for _ in range(200):
            with Client(gateway.port) as again:
                if not again.is_closed:
                    break
            time.sleep(0.02)
        assert OPEN + dt.timedelta(minutes=4) <= gateway.now() < OPEN + dt.timedelta(minutes=5)
