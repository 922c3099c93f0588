"""The proofs see what they are to see: an added, a missing and a reordered field, in payloads and in layouts."""

from __future__ import annotations

import dataclasses
import json

import pytest
from wired import oracle, samples
from wired.tampering import added, controls, missing, reordered

from gateway.wire import VERSIONS, WireError, wire_for
from gateway.wire.codec import Book
from gateway.wire.layout import Inside, Item, Layout, Message
from gateway.wire.tables.answers import ANSWERS

EXACT = ("tickPrice", "updatePortfolio", "execDetails", "commissionReport", "position", "positionMulti")


def objections(version: int, name: str, values: object, payload: bytes) -> list[str]:
    line = {"version": version, "name": name, "values": values, "payload": payload.decode("latin-1")}
    return oracle.check("ib_insync", iter([json.dumps(line)]))[1]


@pytest.mark.parametrize("version", [157, 164, 176])
def test_ib_insync_objects_to_every_control(version: int) -> None:
    lines = list(controls(version, EXACT))
    assert len(lines) == 3 * len(EXACT)
    for line in lines:
        assert oracle.check("ib_insync", iter([json.dumps(line)]))[1], (line["name"], line["how"])


@pytest.mark.parametrize("version", VERSIONS)
def test_our_own_reading_objects_to_a_surplus_and_to_a_lack(version: int) -> None:
    wire = wire_for(version)
    for name, _, payload in samples.answers(version, 2):
        last = payload.count(b"\0")
        with pytest.raises(WireError, match="1 fields too many"):
            wire.read_answer(added(payload, last))
        if last > 2 or name not in ("positionEnd", "openOrderEnd"):
            with pytest.raises(WireError):
                wire.read_answer(missing(payload, last - 1))


def changed(name: str, change: str) -> Book:
    """The answers of version 176 with one layout tampered with."""

    def tamper(layout: Layout) -> Layout:
        items = layout.split() if isinstance(layout, str) else list(layout)
        for place, item in enumerate(items):
            if isinstance(item, Inside) and item.name in ("execution", "order", "contract") and len(item.body) > 30:
                inner = dataclasses.replace(item, body=tamper(item.body))
                return tuple([*items[:place], inner, *items[place + 1 :]])
            if isinstance(item, str) and len(item.split()) > 5:
                return tuple([*items[:place], tampered_row(item.split()), *items[place + 1 :]])
        return tampered_row([item for item in items if isinstance(item, str)])

    def tampered_row(row: list[str]) -> str:
        if change == "added":
            return " ".join([*row[:3], "surplus:int", *row[3:]])
        if change == "missing":
            return " ".join(row[:3] + row[4:])
        return " ".join([*row[:3], row[4], row[3], *row[5:]])

    messages: list[Message] = []
    for message in ANSWERS:
        body: Layout | Item = message.layout
        messages.append(dataclasses.replace(message, layout=tamper(body)) if message.name == name else message)
    return Book(messages, 176)


@pytest.mark.parametrize("change", ["added", "missing", "reordered"])
@pytest.mark.parametrize(
    "name", ["orderStatus", "execDetails", "openOrder", "completedOrder", "position", "contractDetails", "realtimeBar"]
)
def test_a_wrong_layout_is_found_by_ib_insync(name: str, change: str) -> None:
    right, wrong = Book(ANSWERS, 176), changed(name, change)
    found = []
    for values in list(samples.samples(right, name, 176))[1:]:
        assert not objections(176, name, values, right.write(name, values))
        found += objections(176, name, values, wrong.write(name, values))
    assert found


def test_a_reordered_field_of_a_request_is_read_as_something_else() -> None:
    wire = wire_for(176)
    values = {"reqId": 5, "account": "DU1", "modelCode": "M", "conid": 10098}
    payload = wire.write_request("reqPnLSingle", values)
    assert wire.request(reordered(payload, 2))[1] != wire.request(payload)[1]
    with pytest.raises(WireError, match=r"reqPnLSingle, field 4 \(conid\): 'M' is not a whole number"):
        wire.request(reordered(payload, 3))
