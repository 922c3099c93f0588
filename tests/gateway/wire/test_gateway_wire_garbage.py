"""Whatever arrives is read or refused with a WireError that says where; nothing else is ever raised."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wired import samples

from gateway.model import Values
from gateway.wire import VERSIONS, Wire, WireError, wire_for

REQUESTS = [(name, wire_for(176).write_request(name, values)) for name, values in samples.asked(176, 2)]
ANSWERS = [(name, payload) for name, _, payload in samples.answers(176, 2)]


def refused(wire: Wire, payload: bytes) -> WireError:
    with pytest.raises(WireError) as caught:
        wire.request(payload)
    return caught.value


@given(st.sampled_from(VERSIONS), st.binary(max_size=200))
def test_random_bytes(version: int, data: bytes) -> None:
    wire = wire_for(version)
    for payload in (data, data + b"\0", b"3\0" + data + b"\0", b"9\x008\0" + data + b"\0"):
        for read in (wire.request, wire.read_answer):
            with contextlib.suppress(WireError):
                read(payload)


HOSTILE = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
    st.sampled_from(
        ["-1", "999999999", "1e999", "nan", "inf", "-inf", "Infinity", "0x10", "1_0", "١٢", "9" * 5000, "1" + "0" * 400,
         "2147483648", "9223372036854775808", " 1", "True", "\\", "\\u12", "\\N{x}", "=;=", ";;", "a=b=c;"]
    ),
)  # fmt: skip


@given(st.sampled_from(REQUESTS + ANSWERS), st.data())
def test_fields_replaced_by_anything(sample: tuple[str, bytes], data: st.DataObject) -> None:
    name, payload = sample
    wire = wire_for(176)
    fields = payload.decode().split("\0")[:-1]
    for place in data.draw(st.lists(st.integers(1, max(1, len(fields) - 1)), min_size=1, max_size=4)):
        fields[min(place, len(fields) - 1)] = data.draw(HOSTILE)
    spoiled = ("\0".join(fields) + "\0").encode()
    for read in (wire.request, wire.read_answer):
        try:
            read(spoiled)
        except WireError as error:
            assert str(error)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_truncated_request_names_message_field_and_position(version: int) -> None:
    wire = wire_for(version)
    for name, values in samples.asked(version, 1):
        fields = wire.write_request(name, values).split(b"\0")[:-1]
        for length in range(1, len(fields)):
            if name in ("calculateImpliedVolatility", "calculateOptionPrice", "reqFundamentalData"):
                length = min(length, len(fields) - 3)  # their count of options may be left out
            error = refused(wire, b"\0".join(fields[:length]) + b"\0")
            assert error.message == name
            if "elements do not fit" not in error.what:
                assert error.position == length
                assert error.field
                assert f"{name}, field {length} ({error.field})" in str(error)


def test_a_payload_cut_inside_a_field_is_refused() -> None:
    for _, payload in REQUESTS:
        assert "does not end with NUL" in str(refused(wire_for(176), payload[:-1]))


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"", "no message has the number ''"),
        (b"\0", "no message has the number ''"),
        (b"abc\0", "no message has the number 'abc'"),
        (b"999\0", "no message has the number '999' in version 176"),
        (b"071\x002\x001\x00\0", "'071'"),
        (b"\xff\xfe\0", "not UTF-8 at byte 0"),
        (b"71\x002\x00one\x00\0", r"startApi, field 2 \(clientId\): .*'one'"),
        (b"71\x00two\x001\x00\0", r"startApi, field 1 \(version\): 'two' is not a number"),
        (b"71\x002\x001.5\x00\0", r"startApi, field 2 \(clientId\): '1.5' is not a whole number"),
        (b"71\x002\x001\x00\x00\x00\0", "startApi, field 4 .end.: 2 fields too many"),
        (b"6\x002\x00maybe\x00DU1\0", r"reqAccountUpdates, field 2 \(subscribe\)"),
        (b"99\x00yes\0", r"reqCompletedOrders, field 1 \(apiOnly\)"),
    ],
)
def test_what_is_wrong_is_said(payload: bytes, text: str) -> None:
    with pytest.raises(WireError, match=text):
        wire_for(176).request(payload)


def place_order(**spoilt: str) -> bytes:
    """A plain order with some of its fields, by position, replaced."""
    fields = wire_for(176).write_request("placeOrder", {"order": {"totalQuantity": 1}}).decode().split("\0")
    for place, text in spoilt.items():
        fields[int(place.strip("_"))] = text
    return "\0".join(fields).encode()


@pytest.mark.parametrize("text", ["nan", "inf", "Infinite", "-inf", "1e999", "1,5", "1_0", "0x1"])
def test_prices_and_quantities_must_be_finite_numbers(text: str) -> None:
    for position, field in ((17, "totalQuantity"), (19, "lmtPrice")):
        error = refused(wire_for(176), place_order(**{f"_{position}": text}))
        assert (error.message, error.field, error.position) == ("placeOrder", field, position)


def test_counts_cannot_ask_for_more_than_there_is() -> None:
    wire = wire_for(176)
    payload = wire.write_request("placeOrder", {"order": {"algoStrategy": "Twap", "algoParams": []}})
    for count in (b"99999999", b"-1", b"4294967296", b"1e3", b"two"):
        error = refused(wire, payload.replace(b"\0Twap\x000\0", b"\0Twap\0" + count + b"\0"))
        assert (error.message, error.field) == ("placeOrder", "algoParams")


def test_a_condition_of_an_unknown_sort_is_refused() -> None:
    wire = wire_for(176)
    condition = {"condType": 1, "conjunction": "a", "isMore": True, "price": 3.5, "conId": 1}
    payload = wire.write_request("placeOrder", {"order": {"conditions": [condition]}})
    assert b"\x001\x001\x00a\x001\x003.5" in payload
    error = refused(wire, payload.replace(b"\x001\x001\x00a\x001\x003.5", b"\x001\x009\x00a\x001\x003.5"))
    assert error.message == "placeOrder"
    assert "'9' is none of 1, 3, 4, 5, 6, 7" in error.what


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=4,
)


@given(st.sampled_from(list(wire_for(178).answers.by_name)), st.integers(0, 3), st.data())
def test_writing_anything_gives_bytes_or_a_wire_error(name: str, seed: int, data: st.DataObject) -> None:
    wire = wire_for(178)
    values: Values = list(samples.samples(wire.answers, name, 178))[seed]
    group: Any = values
    while group:
        key = data.draw(st.sampled_from(sorted(group)))
        inner = group[key]
        if isinstance(inner, dict) and data.draw(st.booleans()):
            group = inner
            continue
        group[key] = data.draw(ANYTHING)
        break
    try:
        payload = wire.answer(name, values)
    except WireError as error:
        assert name in str(error)
    else:
        assert isinstance(payload, bytes)
