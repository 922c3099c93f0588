"""The gateway's life and its socket: starting, stopping, whoever connects, and whatever they send."""

from __future__ import annotations

import datetime as dt
import logging
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from faulty.wire import XMPLA, Client, codes, gateway, named
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import GatewayError
from gateway import Gateway
from gateway.wire import wire_for
from gateway.wire.frames import frame, hello
from gateway.wire.tables.requests import REQUESTS

DAY = dt.date(2024, 6, 12)
EURUSD = {"symbol": "EUR", "secType": "CASH", "exchange": "IDEALPRO", "currency": "USD"}


def raw(port: int, data: bytes) -> bytes:
    """What a connection gets for these first bytes until it is closed, or in half a second."""
    with socket.create_connection(("127.0.0.1", port), 10.0) as connection:
        connection.sendall(data)
        connection.settimeout(0.5)
        got = b""
        try:
            while part := connection.recv(65_536):
                got += part
        except (TimeoutError, ConnectionError):
            pass
        return got


def test_a_port_that_is_taken_is_an_error_with_the_cure() -> None:
    with gateway() as running, pytest.raises(GatewayError, match=f"port {running.port} of 127.0.0.1 is in use.*--port"):
        Gateway.sample(DAY, speed="still", port=running.port).start()


def test_an_address_that_others_reach_needs_to_be_allowed() -> None:
    with pytest.raises(GatewayError, match="asks nobody for a password.*--expose"):
        Gateway.sample(DAY, speed="still", host="0.0.0.0")
    with Gateway.sample(DAY, speed="still", host="0.0.0.0", expose=True) as exposed:
        assert exposed.is_running


def test_a_gateway_that_does_not_run_says_so() -> None:
    made = Gateway.sample(DAY, speed="still")
    with pytest.raises(GatewayError, match="does not run; use it as a context manager"):
        made.advance(seconds=1)
    with made, pytest.raises(GatewayError, match="runs already"):
        made.start()
    made.stop()  # a second time does nothing


def test_only_time_that_stands_still_is_advanced() -> None:
    with Gateway.sample(DAY, speed="max") as running, pytest.raises(GatewayError, match="speed 'still'"):
        running.advance(seconds=1)


def test_an_error_behind_the_scenes_ends_the_gateway_and_is_raised_by_stop() -> None:
    made = Gateway.sample(DAY, speed=10_000.0)
    made.start()
    made.call(lambda tws: setattr(tws, "step", None))  # the next step of the tape calls what is no function
    assert made._thread is not None
    made._thread.join(10.0)
    assert not made.is_running
    with pytest.raises(TypeError):
        made.stop()


def test_a_request_that_the_gateway_cannot_answer_ends_its_connection_and_is_raised_by_stop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = Gateway.sample(DAY, speed="still").start()
    with Client(made.port, 2) as bystander, Client(made.port) as client:
        made.call(lambda tws: setattr(tws, "accounts", None))
        client.tell("reqPositions")
        client.rest()
        assert client.is_closed
        assert bystander.sync() == []
    assert "a request of client 1 could not be answered" in caplog.text
    with pytest.raises(GatewayError, match="could not be answered.*please report it") as raised:
        made.stop()
    assert isinstance(raised.value.__cause__, TypeError)


def test_stopping_closes_connections_and_frees_port_and_thread() -> None:
    before = threading.active_count()
    with ExitStack() as after:
        with gateway() as running:
            client = after.enter_context(Client(running.port))
            port = running.port
        client.rest()
        assert client.is_closed
    assert threading.active_count() == before
    with gateway(port=port) as again:
        assert again.port == port


def test_twenty_clients_at_once() -> None:
    with gateway() as running, ExitStack() as connections:
        clients = [connections.enter_context(Client(running.port, number)) for number in range(1, 21)]
        for client in clients:
            client.place(client.next_id, totalQuantity=1)
        running.advance(seconds=2)
        for client in clients:
            fills = named(client.sync(), "execDetails")
            assert [fill["execution"]["clientId"] for fill in fills] == [client.client_id]
            client.tell("reqExecutions", reqId=1, execFilter={})
            assert len(named(client.until("execDetailsEnd"), "execDetails")) == 20


def test_before_the_first_step_the_last_price_is_known_to_previews() -> None:
    """A whole session before: 100 XMPLA at the close of the day before, half of it initial margin, in euros."""
    with Gateway.sample(DAY, speed="still") as running, Client(running.port) as client:
        contract = {"contract": XMPLA, "endDateTime": "", "formatDate": 1, "useRTH": True, "keepUpToDate": False}
        client.tell(
            "reqHistoricalData", reqId=1, durationStr="1 D", barSizeSetting="1 day", whatToShow="TRADES", **contract
        )
        (history,) = named(client.sync(), "historicalData")
        close = history["bars"][-1]["close"]
        client.place(client.next_id, whatIf=True)
        (preview,) = named(client.sync(), "openOrder")
        client.tell("reqMktData", reqId=2, contract=EURUSD, genericTickList="", snapshot=True)
        ticks = {tick["tickType"]: tick["price"] for tick in named(client.sync(), "tickPrice")}
        middle = (ticks[1] + ticks[2]) / 2
        assert float(preview["orderState"]["initMarginChange"]) == pytest.approx(100 * close * 0.5 / middle, abs=0.01)


def test_a_client_id_has_one_connection() -> None:
    with gateway() as running, Client(running.port, 7) as first, Client(running.port, 7) as second:
        assert codes(second.rest() + second.login) == [326]
        assert first.sync() == []


def test_an_id_is_free_again_when_its_connection_is_gone() -> None:
    with gateway() as running:
        with Client(running.port, 7) as first:
            first.place(first.next_id)
            highest = first.next_id
            first.sync()
        with Client(running.port, 7) as second:
            assert second.next_id == highest + 1


@pytest.mark.parametrize(
    ("low", "high", "why"),
    [(179, 225, "a client for versions 179 to 225; 157 to 178 are spoken here"), (100, 156, "versions 100 to 156"),
     (158, 158, "versions 158 to 158")],
)  # fmt: skip
def test_a_client_outside_the_versions_is_disconnected_with_a_clear_line(
    low: int, high: int, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with gateway() as running, caplog.at_level(logging.WARNING, logger="gateway"):
        assert raw(running.port, hello(low, high)) == b""
        assert why in caplog.text
        with Client(running.port) as client:
            assert client.next_id == 1


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"API\0\xff\xff\xff\xff",
     b"API\0" + frame(b"w157..176"), b"\0" * 4096, hello(157, 176) + b"\xff\xff\xff\xff",
     hello(157, 176) + frame(b"71\x002\x00one\x00\x00"), hello(157, 176) + frame(b"\xff\xfe"),
     hello(157, 176) + frame(b"9999\x00"), hello(157, 176) + frame(b""), hello(157, 176) + frame(b"3\x00")],
)  # fmt: skip
def test_garbage_ends_its_connection_alone(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with gateway() as running, Client(running.port) as bystander, caplog.at_level(logging.WARNING, logger="gateway"):
        raw(running.port, data)
        assert "dropped" in caplog.text
        assert bystander.sync() == []


def test_a_request_before_startapi_ends_its_connection() -> None:
    with gateway() as running:
        request = wire_for(176).write_request("reqPositions", {})
        answer = raw(running.port, hello(157, 176) + frame(request))
        assert answer.startswith(struct.pack(">I", len(answer) - 4))  # the version, and nothing else


def test_connections_that_come_and_go_leave_nothing() -> None:
    with gateway() as running:
        for _ in range(50):
            with Client(running.port) as client:
                client.tell("reqRealTimeBars", reqId=1, contract=XMPLA, barSize=5, whatToShow="TRADES", useRTH=True)
                client.tell("reqAccountUpdates", subscribe=True, acctCode="")
                client.tell("reqPnL", reqId=2, account="", modelCode="")
                client.sync()
        running.call(lambda tws: None)
        left = running.call(
            lambda tws: (
                len(tws.clients), len(tws.connections), len(tws.streams), len(tws.account_feeds._of),
                len(tws.account_feeds._told),
            )
        )  # fmt: skip
        assert left == (0, 0, 0, 0, 0)


NASTY = st.sampled_from(
    ["", "0", "-1", "1", "2147483647", "-2147483648", "9" * 40, "1.7976931348623157E308", "nan", "inf", "-inf", "1e400",
     "\u00e9", "DU1234567", "XMPLA", "STK", "CASH", "SMART", "USD", "TRADES", "1 D", "9999 Y", "5 secs",
     "20240612 10:00:00", "20240612-14:00:00", "All", "$LEDGER:ALL", "BUY", "LMT", "x" * 5000]
)  # fmt: skip


@pytest.fixture(scope="module")
def shared_gateway() -> Iterator[Gateway]:
    with gateway() as running:  # raises at its end what it could not answer
        yield running


@settings(max_examples=300)
@given(request=st.sampled_from(sorted({message.name for message in REQUESTS})), data=st.data())
def test_requests_with_nonsense_in_them_are_answered_or_end_their_connection_alone(
    request: str, data: st.DataObject, shared_gateway: Gateway
) -> None:
    running = shared_gateway
    plain = wire_for(176).write_request(request, {})
    fields = plain.rstrip(b"\0").split(b"\0")
    for place in range(2, len(fields)):
        if data.draw(st.booleans()):
            fields[place] = data.draw(NASTY).encode()
    with Client(running.port, 99, version=176) as client:
        client._socket.sendall(frame(b"\0".join(fields) + b"\0"))
        client.sync()  # an answer, an error, or the end of the connection
    assert running.is_running
    assert not running.tws.defects
    with Client(running.port, 98) as bystander:
        assert bystander.next_id >= 1


@pytest.mark.slow
def test_memory_is_flat_over_a_million_messages() -> None:
    """Gateway and client in one process; ``benchmarks/gateway.py`` measures the gateway alone."""
    with gateway() as running, Client(running.port) as client:
        sizes = []
        for _ in range(10):
            for _ in range(5_000):
                client.tell("reqContractDetails", reqId=1, contract=XMPLA)
                client.until("contractDetailsEnd")
                client.tell("reqPositions")
                client.until("positionEnd")
                for _ in range(8):
                    client.tell("reqIds", numIds=1)
                client.settle()
                client.inbox.clear()
            sizes.append(int(Path("/proc/self/statm").read_text().split()[1]))
        assert sizes[-1] <= 1.02 * sizes[1]


def test_a_fault_can_meet_a_log_in() -> None:
    with gateway("on startApi where clientId=5: close before") as running, Client(running.port, 5) as refused:
        assert refused.login == [] and refused.is_closed
        with Client(running.port, 6) as client:
            assert client.next_id == 1


def test_who_has_not_logged_in_sends_short_frames_only() -> None:
    long = struct.pack(">I", 200_000) + b"x"
    with gateway() as running:
        with socket.create_connection(("127.0.0.1", running.port), 10.0) as connection:
            connection.sendall(hello(157, 178) + long)
            while connection.recv(65_536):  # it is closed, where it would wait for the rest
                pass
        with Client(running.port) as client:
            order = {"orderRef": "x" * 200_000, "action": "BUY", "totalQuantity": 1.0, "orderType": "MKT"}
            client.tell("placeOrder", orderId=client.next_id, contract=XMPLA, order=order)
            client.sync()
            assert not client.is_closed


def test_account_data_that_is_asked_for_again_is_told_whole_again() -> None:
    with gateway() as running, Client(running.port) as client:
        summaries, values = [], []
        for _ in range(2):
            client.tell("reqAccountSummary", reqId=1, groupName="All", tags="NetLiquidation,TotalCashValue")
            summaries.append(len(named(client.until("accountSummaryEnd"), "accountSummary")))
            client.tell("reqAccountUpdatesMulti", reqId=2, account="", modelCode="", ledgerAndNLV=False)
            values.append(len(named(client.until("accountUpdateMultiEnd"), "accountUpdateMulti")))
        assert summaries == [2, 2]
        assert values[0] == values[1] > 0
