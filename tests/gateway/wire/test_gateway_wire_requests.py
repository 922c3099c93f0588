"""What ib_insync's own client writes is read as it was meant, in every version."""

from __future__ import annotations

from typing import Any

import pytest
from ib_insync import ComboLeg, Contract, Order, TagValue
from wired import oracle, samples
from wired.asker import Asker
from wired.unsent import misread

from gateway.model import Values
from gateway.wire import VERSIONS, wire_for

SPOKEN = [version for version in VERSIONS if version <= 176]


@pytest.mark.parametrize("version", SPOKEN)
def test_every_request_of_ib_insync_is_read(version: int) -> None:
    asker = Asker("ib_insync", version)
    for name, values in samples.asked(version):
        payload = asker.ask(name, values)
        assert payload is not None, f"ib_insync has no {name}"
        assert not misread("ib_insync", version, name, values, payload), name


def test_every_request_that_ib_insync_has_is_known() -> None:
    """Its client's methods that send something, by name."""
    asker = Asker("ib_insync", 176)
    own = {
        "connect", "connectasync", "connectionstats", "disconnect", "getaccounts", "getreqid", "isconnected", "isready",
        "reset", "run", "send", "sendmsg", "serverversion", "setconnectoptions", "updatereqid",
    }  # fmt: skip
    methods = {name for name, method in asker.methods.items() if callable(method) and name.islower()}
    events = {"apistart", "apiend", "apierror", "throttlestart", "throttleend"}
    data = {"conn", "decoder", "wrapper"}
    known = {name.lower() for name in wire_for(176).requests.by_name}
    assert methods - own - events - data == known


@pytest.mark.parametrize("version", VERSIONS)
def test_requests_are_read_back_by_the_same_table(version: int) -> None:
    wire = wire_for(version)
    for name, values in samples.asked(version, 1):
        read_name, read_values = wire.request(wire.write_request(name, values))
        assert read_name == name
        found = dict(oracle.flat(read_values))
        for path, meant in oracle.flat(values):
            assert oracle.equal(meant, found[path]) or meant is None, (name, path)


# IBKR.md, section 3; the plain placeOrder at 157, 176 and 178
@pytest.mark.parametrize(
    ("name", "values", "counts"),
    [
        ("placeOrder", {}, [110, 115, 114]),
        ("reqContractDetails", {}, [18, 19, 19]),
        ("reqHistoricalData", {}, [23, 23, 23]),
        ("reqMktData", {}, [20, 20, 20]),
        ("startApi", {}, [4, 4, 4]),
        ("cancelOrder", {}, [3, 4, 4]),
    ],
)
def test_requests_have_as_many_fields_as_was_measured(name: str, values: Values, counts: list[int]) -> None:
    assert [wire_for(version).write_request(name, values).count(b"\0") for version in (157, 176, 178)] == counts


def sent(version: int, name: str, *arguments: Any) -> tuple[str, Values]:
    asker = Asker("ib_insync", version)
    getattr(asker.client, name)(*arguments)
    return wire_for(version).request(asker.pipe.sent[0][4:])


def test_a_limit_order_of_ib_insync() -> None:
    order = Order(action="BUY", totalQuantity=100, orderType="LMT", lmtPrice=33.25, tif="GTC", orderRef="pair-1")
    order.algoStrategy, order.algoParams = "Adaptive", [TagValue("adaptivePriority", "Urgent")]
    name, values = sent(176, "placeOrder", 12, Contract(conId=10098, secType="STK", exchange="SMART"), order)
    assert (name, values["orderId"]) == ("placeOrder", 12)
    assert values["contract"]["conId"] == 10098
    terms = values["order"]
    assert (terms["action"], terms["totalQuantity"], terms["orderType"]) == ("BUY", 100.0, "LMT")
    assert (terms["lmtPrice"], terms["auxPrice"], terms["minQty"]) == (33.25, None, None)
    assert (terms["tif"], terms["orderRef"], terms["transmit"], terms["whatIf"]) == ("GTC", "pair-1", True, False)
    assert terms["algoParams"] == [{"tag": "adaptivePriority", "value": "Urgent"}]
    assert values["contract"]["deltaNeutralContract"] is None


def test_market_data_of_a_combo() -> None:
    legs = [ComboLeg(conId=1, ratio=1, action="BUY", exchange="SMART"), ComboLeg(2, 2, "SELL", "NYSE")]
    combo = Contract(symbol="BAC,AIG", secType="BAG", currency="USD", exchange="SMART", comboLegs=legs)
    _, values = sent(176, "reqMktData", 5, combo, "233,236", True, False, [])
    assert values["contract"]["comboLegs"][1] == {"conId": 2, "ratio": 2, "action": "SELL", "exchange": "NYSE"}
    assert (values["genericTickList"], values["snapshot"], values["mktDataOptions"]) == ("233,236", True, [])


def test_options_may_come_with_or_without_their_count() -> None:
    """ib_insync and IB's client of 2020 send the number of options first, IB's current one does not."""
    wire = wire_for(176)
    with_count = wire.write_request("calculateImpliedVolatility", {"reqId": 3, "optionPrice": 2.5})
    assert with_count.endswith(b"0.0\x000\x00\x00")
    without = with_count.removesuffix(b"0\x00\x00") + b"\x00"
    assert wire.request(without) == wire.request(with_count)


def test_the_official_clients_say_no_value_at_length() -> None:
    """They write 1.7976931348623157e+308 and 2147483647 where ib_insync writes nothing."""
    wire = wire_for(176)
    asked: Values = {"triggerPrice": 12345.5, "duration": 777, "totalQuantity": 4242}
    payload = wire.write_request("placeOrder", {"order": asked})
    for short, long in (
        (b"12345.5", b"1.7976931348623157e+308"),
        (b"777", b"2147483647"),
        (b"4242", b"170141183460469231731687303715884105727"),
    ):
        payload = payload.replace(b"\0" + short + b"\0", b"\0" + long + b"\0")
    terms = wire.request(payload)[1]["order"]
    assert [terms[name] for name in asked] == [None, None, None]


def test_no_two_messages_share_a_value_that_can_change() -> None:
    wire = wire_for(176)
    ticks = [wire.read_answer(b"1\x006\x005\x001\x0033.5\x00100\x00\0")[1] for _ in range(2)]
    orders = [wire.request(wire.write_request("placeOrder", {}))[1]["order"] for _ in range(2)]
    ticks[0]["attrib"]["pastLimit"] = True
    orders[0]["orderMiscOptions"].append({"tag": "a", "value": "b"})
    orders[0]["softDollarTier"]["name"] = "changed"
    assert ticks[1]["attrib"] == {"canAutoExecute": False, "pastLimit": False, "preOpen": False}
    assert (orders[1]["orderMiscOptions"], orders[1]["softDollarTier"]["name"]) == ([], "")
