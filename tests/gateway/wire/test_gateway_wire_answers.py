"""Answers are read by ib_insync's own decoder as they were meant, in every version that it speaks."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from wired import oracle, samples

from gateway.model import Values
from gateway.wire import VERSIONS, Wire, WireError, wire_for

SPOKEN = [version for version in VERSIONS if version <= 176]
BAC: Values = {
    "conId": 10098, "symbol": "BAC", "secType": "STK", "exchange": "SMART", "currency": "USD", "localSymbol": "BAC",
    "tradingClass": "BAC", "primaryExchange": "NYSE",
}  # fmt: skip
WHEN = dt.datetime(2023, 12, 3, 20, 15, 20, tzinfo=ZoneInfo("US/Eastern"))


def fields(payload: bytes) -> list[str]:
    return payload.decode().split("\0")[:-1]


def read(version: int, name: str, values: Values) -> dict[str, Any]:
    """What ib_insync shows of an answer, without objections."""
    client = oracle.Client("ib_insync", version)
    calls, objections = client.feed(wire_for(version).answer(name, values))
    client.close()
    assert not objections
    return calls[0][1]


@pytest.mark.parametrize("version", SPOKEN)
def test_ib_insync_reads_every_answer_field_by_field(version: int) -> None:
    made = list(samples.answers(version))
    lines = (
        json.dumps({"version": version, "name": name, "values": values, "payload": payload.decode("latin-1")})
        for name, values, payload in made
    )
    count, objections = oracle.check("ib_insync", lines)
    assert not objections
    assert count == len(made) >= 82 * 5  # no message that ib_insync has no handler for


@pytest.mark.parametrize("version", VERSIONS)
def test_answers_are_read_back_by_the_same_table(version: int) -> None:
    wire = wire_for(version)
    for name, values, payload in samples.answers(version, 1):
        read_name, read_values = wire.read_answer(payload)
        assert read_name == name
        found = dict(oracle.flat(read_values))
        for path, meant in oracle.flat(values):
            assert oracle.equal(meant, found[path]) or meant is None, (name, path)


# IBKR.md, section 3: fields with the message id, counted in frames of other implementations; at 157, 176 and 178
ONE_SEC_ID: Values = {"secIdList": [{"tag": "ISIN", "value": "US0605051046"}]}
BAR: Values = {"date": "20231201", "open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0}
COUNTED: list[tuple[str, Values, int, int, int]] = [
    ("tickPrice", {}, 7, 7, 7),
    ("tickSize", {}, 5, 5, 5),
    ("orderStatus", {}, 12, 12, 12),
    ("error", {}, 5, 6, 6),
    ("openOrder", {"contract": BAC}, 128, 136, 135),  # 120, 128 and 127, and 8 for deltaNeutralOrderType `None`
    ("updateAccountValue", {}, 6, 6, 6),
    ("updatePortfolio", {}, 20, 20, 20),
    ("updateAccountTime", {}, 3, 3, 3),
    ("accountDownloadEnd", {}, 3, 3, 3),
    ("nextValidId", {}, 3, 3, 3),
    ("managedAccounts", {}, 3, 3, 3),
    ("currentTime", {}, 3, 3, 3),
    ("contractDetails", ONE_SEC_ID, 41, 42, 42),
    ("contractDetailsEnd", {}, 3, 3, 3),
    ("execDetails", {}, 31, 31, 32),
    ("execDetailsEnd", {}, 3, 3, 3),
    ("historicalData", {"bars": [BAR, BAR]}, 21, 21, 21),
    ("historicalDataUpdate", {}, 10, 10, 10),
    ("tickGeneric", {}, 5, 5, 5),
    ("tickString", {}, 5, 5, 5),
    ("marketDataType", {}, 4, 4, 4),
    ("tickReqParams", {}, 5, 5, 5),
    ("realtimeBar", {}, 11, 11, 11),
    ("commissionReport", {}, 8, 8, 8),
    ("position", {}, 16, 16, 16),
    ("positionEnd", {}, 2, 2, 2),
    ("accountSummary", {}, 7, 7, 7),
    ("accountSummaryEnd", {}, 3, 3, 3),
    ("accountUpdateMulti", {}, 8, 8, 8),
    ("accountUpdateMultiEnd", {}, 3, 3, 3),
    ("pnl", {}, 5, 5, 5),
    ("pnlSingle", {}, 7, 7, 7),
    ("tickByTickBidAsk", {}, 9, 9, 9),
    ("tickByTickAllLast", {}, 9, 9, 9),
    ("tickByTickMidPoint", {}, 5, 5, 5),
    ("openOrderEnd", {}, 2, 2, 2),
    ("completedOrdersEnd", {}, 1, 1, 1),
]


@pytest.mark.parametrize(("name", "values", "at_157", "at_176", "at_178"), COUNTED)
def test_answers_have_as_many_fields_as_was_measured(
    name: str, values: Values, at_157: int, at_176: int, at_178: int
) -> None:
    counts = [len(fields(wire_for(version).answer(name, values))) for version in (157, 176, 178)]
    assert counts == [at_157, at_176, at_178]


def test_an_order_status_is_these_bytes() -> None:
    values: Values = {
        "orderId": 7, "status": "Submitted", "filled": 40.0, "remaining": 60.0, "avgFillPrice": 33.25, "permId": 9001,
        "parentId": 6, "lastFillPrice": 33.5, "clientId": 3, "whyHeld": "locate", "mktCapPrice": 0.0,
    }  # fmt: skip
    payload = wire_for(176).answer("orderStatus", values)
    assert payload == b"3\x007\x00Submitted\x0040\x0060\x0033.25\x009001\x006\x0033.5\x003\x00locate\x000.0\x00"


def test_an_execution_has_its_time_in_the_format_of_its_version() -> None:
    values: Values = {"contract": BAC, "execution": {"execId": "0001f4e8.01", "time": WHEN}}
    texts = [fields(wire_for(version).answer("execDetails", values))[15] for version in (173, 174)]
    assert texts == ["20231203  20:15:20", "20231203 20:15:20 US/Eastern"]
    shown = read(176, "execDetails", values)["execution"]
    assert shown.time == dt.datetime(2023, 12, 4, 1, 15, 20, tzinfo=dt.UTC)
    in_utc = values | {"execution": {"time": WHEN.astimezone(dt.UTC)}}
    assert fields(wire_for(176).answer("execDetails", in_utc))[15] == "20231204 01:15:20 UTC"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(WireError, match=r"execDetails, field 15 \(time\).*aware"):
        wire_for(176).answer("execDetails", {"execution": {"time": dt.datetime(2023, 12, 3)}})  # noqa: DTZ001


def test_the_habits_of_a_real_tws_are_the_defaults() -> None:
    """Frames of a server of version 176, captured by users of ib_insync (its issue 509)."""
    shown = read(176, "openOrder", {"orderId": 1, "contract": BAC, "order": {"totalQuantity": 100}})
    contract, order, state = shown["contract"], shown["order"], shown["orderState"]
    assert contract.right == "?"
    assert (order.deltaNeutralOrderType, order.adjustedOrderType, order.clearingIntent) == ("None", "None", "IB")
    assert (order.displaySize, order.scaleInitLevelSize, order.exemptCode) == (2147483647, 2147483647, -1)
    assert (order.lmtPrice, order.auxPrice, order.cashQty, order.ocaType) == (0.0, 0.0, 0.0, 3)
    assert order.triggerPrice == 1.7976931348623157e308
    assert state.initMarginBefore == state.equityWithLoanAfter == "1.7976931348623157E308"
    assert order.dontUseAutoPriceForHedge is True
    payload = wire_for(176).answer("openOrder", {})
    assert b"\x001.7976931348623157E308\x00" in payload  # Java's spelling


def test_no_value_has_one_meaning_however_it_is_said() -> None:
    wire = wire_for(176)
    said = [None, 1.7976931348623157e308, 2147483647, float("nan")]
    payloads = {wire.answer("pnl", {"reqId": 1, "dailyPnL": value}) for value in said}
    assert payloads == {wire.answer("pnl", {"reqId": 1})}
    assert wire.read_answer(payloads.pop())[1]["dailyPnL"] is None


def test_prices_that_are_no_numbers_are_refused() -> None:
    for price in (float("nan"), float("inf"), "33.x", [1]):
        with pytest.raises(WireError, match=r"tickPrice, field 4 \(price\)"):
            wire_for(176).answer("tickPrice", {"reqId": 1, "tickType": 1, "price": price})


def test_whole_sizes_have_no_decimal_point() -> None:
    wire = wire_for(176)
    texts = [fields(wire.answer("tickSize", {"size": size}))[4] for size in (300, 300.0, 0.25)]
    assert texts == ["300", "300", "0.25"]


def test_sizes_of_market_data_have_no_fractions_before_version_163() -> None:
    """IB's client of 2020 reads them as integers; from 163 on they are decimals."""
    texts = [fields(wire_for(version).answer("tickSize", {"size": 12.75}))[4] for version in (157, 162, 163, 178)]
    assert texts == ["13", "13", "12.75", "12.75"]
    filled = fields(wire_for(157).answer("orderStatus", {"filled": 12.75}))[3]
    assert filled == "12.75"


def test_letters_outside_ascii_are_escaped_where_clients_undo_it() -> None:
    shown = read(176, "contractDetails", {"contract": BAC, "longName": "Société Générale \\ €"})
    assert shown["contractDetails"].longName == "Société Générale \\ €"
    payload = wire_for(176).answer("error", {"errorCode": 201, "errorString": "Order rejected – naïve"})
    assert payload.isascii()
    assert wire_for(176).read_answer(payload)[1]["errorString"] == "Order rejected – naïve"


def test_a_nul_inside_a_field_is_refused() -> None:
    with pytest.raises(WireError, match="managedAccounts: a NUL"):
        wire_for(176).answer("managedAccounts", {"accountsList": "DU1\0DU2"})


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(WireError, match="managedAccounts: text that is not Unicode"):
        wire_for(176).answer("managedAccounts", {"accountsList": "\ud800"})


@pytest.mark.parametrize(("values", "field"), [({"order": 5}, "order"), ({"contract": {"comboLegs": 3}}, "comboLegs")])
def test_values_of_a_wrong_shape_are_refused(values: Values, field: str) -> None:
    with pytest.raises(WireError) as caught:
        wire_for(176).answer("openOrder", values)
    assert (caught.value.message, caught.value.field) == ("openOrder", field)


def test_an_unknown_message_is_refused_by_name() -> None:
    with pytest.raises(WireError, match="no message 'tickPrize' in version 176"):
        wire_for(176).answer("tickPrize", {})


@pytest.mark.parametrize("version", [100, 156, 158, 179, 201])
def test_other_versions_are_refused(version: int) -> None:
    with pytest.raises(WireError, match=f"version {version}"):
        wire_for(version)


def test_a_wire_is_made_once() -> None:
    assert wire_for(176) is wire_for(176)
    assert isinstance(wire_for(176), Wire)
    assert 158 not in VERSIONS and (min(VERSIONS), max(VERSIONS), len(VERSIONS)) == (157, 178, 21)
