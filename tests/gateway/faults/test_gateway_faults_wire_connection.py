"""Scenarios of the connection, as a raw client sees them on its socket."""

from __future__ import annotations

import datetime as dt
import socket

import pytest
from faulty.wire import OPEN, PATIENCE, Client, Message, codes, gateway, named, statuses


def names(messages: list[Message]) -> list[str]:
    return [name for name, _ in messages]


def is_refused(port: int) -> bool:
    """Whether a connection is closed before the handshake is answered."""
    with Client(port, client_id=9) as client:
        return client.is_closed


@pytest.mark.parametrize("message", ["openOrder", "orderStatus", "nextValidId"])
def test_drop_before_loses_the_message(message: str) -> None:
    n = 2 if message == "nextValidId" else 1  # the first comes with the log-in
    with gateway(f"drop_before:message={message},n={n}") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        client.tell("reqIds", numIds=1)
        seen = client.rest()
        assert message not in names(seen) and client.bytes_left == 0
        assert message == "openOrder" or names(seen)[-1] == ("openOrder" if message == "orderStatus" else "orderStatus")


def test_drop_after_sends_the_message() -> None:
    with gateway("drop_after:message=openOrder") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        assert names(client.rest()) == ["openOrder"]
        assert client.bytes_left == 0


@pytest.mark.parametrize("message", ["openOrder", "execDetails", "commissionReport"])
def test_drop_in_the_middle_sends_half_of_the_bytes(message: str) -> None:
    with gateway(f"drop_middle:message={message}") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        client.tell("reqCurrentTime")
        if message != "openOrder":
            client.until("currentTime")
            tws.advance(seconds=2)
        assert message not in names(client.rest())
        assert client.bytes_left > 4  # the length came, and a part of what it announces


def test_drop_before_and_after_a_request() -> None:
    with gateway("drop_before:message=placeOrder") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        assert client.rest() == [] and tws.call(lambda t: t.market.open_orders()) == []
    with gateway("drop_after:message=placeOrder") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        assert names(client.rest()) == ["openOrder", "orderStatus"]
        assert len(tws.call(lambda t: t.market.open_orders())) == 1


def test_a_client_that_comes_back_gets_its_orders_again() -> None:
    with gateway("drop_before") as tws:
        with Client(tws.port) as client:
            client.place(client.next_id, orderType="LMT", lmtPrice=10.0)
            client.rest()
        with Client(tws.port) as again:
            again.tell("reqOpenOrders")
            assert [values["orderId"] for values in named(again.until("openOrderEnd"), "openOrder")] == [client.next_id]
            assert again.next_id == client.next_id + 1


def test_a_half_open_connection_says_nothing_and_stays() -> None:
    with gateway("half_open") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        client.tell("reqCurrentTime")
        assert names(client.until("openOrder")) == []
        assert client.silence() and not client.is_closed
        client.place(client.next_id + 1)
        assert client.silence() and len(tws.call(lambda t: t.market.open_orders())) == 1


def test_a_slow_reader_answers_later_all_that_was_asked() -> None:
    with gateway("slow_reader:message=reqIds,seconds=30") as tws, Client(tws.port) as client:
        client.tell("reqIds", numIds=1)
        client.until("nextValidId")
        client.tell("reqManagedAccts")
        assert client.silence()
        tws.advance(seconds=31)
        assert client.until("managedAccounts") == []


def test_connectivity_is_lost() -> None:
    with gateway("connectivity_lost:after=2") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        client.sync()
        tws.advance(seconds=120)
        seen = client.sync()
        assert codes(seen) == [1100] and names(seen) == ["error"]
        (order,) = tws.call(lambda t: list(t.market.orders.values()))
        assert order.status == "Filled"  # and nobody was told


@pytest.mark.parametrize(
    ("scenario", "code"), [("connectivity_restored", 1102), ("connectivity_restored_data_lost", 1101)]
)
def test_fills_of_an_outage_are_told_when_it_is_over(scenario: str, code: int) -> None:
    with gateway(f"{scenario}:after=2,seconds=60") as tws, Client(tws.port) as client:
        client.tell("reqMktData", reqId=9, contract={"conId": 900_000_001, "exchange": "SMART"}, snapshot=False)
        client.place(client.next_id)
        client.sync()
        tws.advance(to=OPEN + dt.timedelta(seconds=59))
        during = client.sync()
        assert codes(during) == [1100] and not named(during, "execDetails")
        tws.advance(seconds=10)
        after = client.sync()
        assert codes(after) == [code]
        assert len(named(after, "execDetails")) == 1 and statuses(after)[-1] == "Filled"
        tws.advance(seconds=30)
        assert bool(named(client.sync(), "tickPrice")) is (code == 1102)  # 1101: data must be asked for anew


def test_the_port_is_reset() -> None:
    with gateway("port_reset:after=2") as tws, Client(tws.port) as client:
        before = tws.port
        tws.advance(seconds=2)
        (error,) = named(client.rest(), "error")
        assert error["errorCode"] == 1300 and error["reqId"] == -1
        port = int(error["errorString"].rsplit(maxsplit=1)[-1])
        assert port == tws.port != before
        with Client(port) as again:
            assert again.next_id == 1
        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", before), PATIENCE)


def test_a_market_data_farm_breaks_and_streams_stay_dead() -> None:
    with gateway("market_farm_broken:after=11") as tws, Client(tws.port) as client:
        client.tell("reqMktData", reqId=9, contract={"conId": 900_000_001, "exchange": "SMART"}, snapshot=False)
        client.settle()
        tws.advance(seconds=9)
        assert named(client.sync(), "tickPrice")
        tws.advance(seconds=120)
        seen = client.sync()
        assert codes(seen) == [2103, 2104]
        assert not [name for name in names(seen)[names(seen).index("error") :] if name.startswith("tick")]
        client.place(client.next_id)
        client.settle()
        tws.advance(seconds=2)
        assert statuses(client.sync())[-1] == "Filled"  # orders are another matter


def test_a_history_farm_breaks_and_history_has_no_answer_until_it_is_back() -> None:
    ask = {
        "contract": {"conId": 900_000_001, "exchange": "SMART"}, "endDateTime": "", "durationStr": "600 S",
        "barSizeSetting": "1 min", "whatToShow": "TRADES", "useRTH": True,
    }  # fmt: skip
    with gateway("history_farm_broken:after=2,seconds=60") as tws, Client(tws.port) as client:
        tws.advance(seconds=2)
        client.tell("reqHistoricalData", reqId=5, **ask)
        seen = client.sync()
        assert codes(seen) == [2105] and not named(seen, "historicalData")
        tws.advance(seconds=61)
        client.tell("reqHistoricalData", reqId=6, **ask)
        assert codes(client.until("historicalData")) == [2106]


def test_the_nightly_restart_drops_all_and_lets_nobody_in_for_a_while() -> None:
    with gateway("nightly_restart:when=at 10:05 exchange,seconds=180") as tws:
        with Client(tws.port) as one, Client(tws.port, client_id=2) as two:
            tws.advance(to=OPEN + dt.timedelta(minutes=5, seconds=1))
            assert one.rest() == [] and two.rest() == []
        assert is_refused(tws.port)
        tws.advance(to=OPEN + dt.timedelta(minutes=8, seconds=1))
        assert not is_refused(tws.port)


def test_the_weekly_authentication_takes_hours() -> None:
    with gateway("weekly_reauthentication:when=every Wednesday at 10:05 exchange,seconds=3h") as tws:
        tws.advance(to=OPEN + dt.timedelta(minutes=6))
        assert is_refused(tws.port)
        tws.advance(to=OPEN + dt.timedelta(hours=3, minutes=4))
        assert is_refused(tws.port)
        tws.advance(to=OPEN + dt.timedelta(hours=3, minutes=6))
        assert not is_refused(tws.port)


def test_a_client_id_is_in_use_once() -> None:
    with gateway("client_id_in_use") as tws:
        with Client(tws.port) as first:
            assert first.is_closed and codes(first.login) == [326]
        with Client(tws.port) as again:
            assert again.next_id == 1


def test_ids_go_back_by_a_restart() -> None:
    with gateway("ids_rolled_back:after=2,by=2,seconds=5") as tws:
        with Client(tws.port) as client:
            for n in range(3):
                client.place(client.next_id + n, orderType="LMT", lmtPrice=10.0)
            client.sync()
            tws.advance(seconds=2)
            client.rest()
        assert is_refused(tws.port)
        tws.advance(seconds=6)
        with Client(tws.port) as again:
            assert again.next_id == 2  # after 1, 2 and 3
            again.place(2)
            assert codes(again.sync()) == []


def test_a_client_that_sends_too_fast_is_told_100() -> None:
    with gateway("message_rate:count=5,seconds=1") as tws, Client(tws.port) as client:
        for _ in range(12):
            client.tell("reqIds", numIds=1)
        assert 100 in codes(client.sync())


def test_a_slower_client_is_not() -> None:
    with gateway("message_rate:count=5,seconds=1") as tws, Client(tws.port) as client:
        for _ in range(6):
            tws.advance(seconds=2)
            client.tell("reqIds", numIds=1)
            client.until("nextValidId")
        assert codes(client.sync()) == []


@pytest.mark.parametrize("seconds", [90, -3600])
def test_the_clock_is_off(seconds: int) -> None:
    with gateway(f"clock_skew:seconds={seconds}") as tws, Client(tws.port) as client:
        assert client.time() == int((OPEN + dt.timedelta(seconds=seconds)).timestamp())
        tws.advance(seconds=10)
        assert client.time() == int((OPEN + dt.timedelta(seconds=seconds + 10)).timestamp())


def test_executions_carry_the_time_of_a_clock_that_is_off() -> None:
    with gateway("clock_skew:seconds=90") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        client.settle()
        tws.advance(seconds=2)
        (fill,) = named(client.sync(), "execDetails")
        assert fill["execution"]["time"] == "20240612 10:01:31 US/Eastern"
