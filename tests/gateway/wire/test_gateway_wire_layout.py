"""The notation of layouts and the kinds of fields, by hand."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest

from gateway.wire import UNSET_DOUBLE, UNSET_INTEGER
from gateway.wire.codec import Book
from gateway.wire.kinds import KINDS, bits
from gateway.wire.layout import COUNTED, FILLED, POSITIVE, Flag, If, Inside, Message, Repeat, Since, one_of, parse_field
from gateway.wire.tables.answers import ANSWERS
from gateway.wire.tables.requests import REQUESTS


@pytest.mark.parametrize(
    ("token", "since", "until"),
    [("duration:int?@158", 158, 178), ("faProfile@<177", 157, 176), ("step:size@=163", 163, 163), ("tif", 157, 178)],
)
def test_gates_say_in_which_versions_a_field_is(token: str, since: int, until: int) -> None:
    found = [version for version in range(157, 179) if parse_field(token, version)]
    assert found == list(range(since, until + 1))


@pytest.mark.parametrize("token", ["a b", "a:int=1=2@", "a:int@", ":int", "a::int", "a@1 60"])
def test_a_token_that_is_no_field_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match=r"no field; write name\[:kind\]"):
        parse_field(token, 157)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'integer' is no kind of field; the kinds are str, text"):
        parse_field("a:integer", 157)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("int", 5, "5"),
        ("int", 5.0, "5"),
        ("int", True, "1"),
        ("float", 33, "33.0"),
        ("float", 0.1, "0.1"),
        ("float", Decimal("2.5"), "2.5"),
        ("size", 100.0, "100"),
        ("size", 0.125, "0.125"),
        ("size", Decimal("0.00000001"), "0.00000001"),
        ("whole", 99.6, "100"),
        ("bool", True, "1"),
        ("bool", 0, "0"),
        ("int?", UNSET_INTEGER, "2147483647"),
        ("float?", UNSET_DOUBLE, "1.7976931348623157E308"),
        ("float?", math.nan, "1.7976931348623157E308"),
        ("size?", UNSET_DOUBLE, ""),
        ("offset?", math.inf, "Infinity"),
        ("offset?", 0.02, "0.02"),
        ("tags", [{"tag": "a", "value": "1"}, {"tag": "b", "value": ""}], "a=1;b=;"),
        ("text", "naïve \\ €", "na\\u00efve \\\\ \\u20ac"),
        ("notice", "naïve \\", "na\\u00efve \\"),
        ("text", "\U0001f600", "\\U0001f600"),
    ],
)
def test_values_are_written_as_tws_writes_them(kind: str, value: Any, text: str) -> None:
    assert KINDS[kind].write(value) == text


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "5", 5),
        ("int", "5.0", 5),
        ("float", "1e-05", 0.00001),
        ("bool", "1", True),
        ("bool", "True", True),
        ("bool", "0", False),
        ("bool", "2", True),
        ("int?", "2147483647", None),
        ("int?", "9223372036854775807", None),
        ("float?", "1.7976931348623157E308", None),
        ("float?", "1.7976931348623157e+308", None),
        ("size?", "170141183460469231731687303715884105727", None),
        ("offset?", "Infinite", math.inf),  # ib_insync
        ("offset?", "Infinity", math.inf),  # IB's own
        ("tags", "a=1;b=;", [{"tag": "a", "value": "1"}, {"tag": "b", "value": ""}]),
        ("tags", "a=b=c;", [{"tag": "a", "value": "b=c"}]),
        ("text", "na\\u00efve \\\\", "naïve \\"),
    ],
)
def test_texts_are_read_as_clients_mean_them(kind: str, text: str, value: Any) -> None:
    assert KINDS[kind].read(text) == value


def test_bits_start_with_the_lowest() -> None:
    kind = bits(("bidPastLow", "askPastHigh"))
    assert kind.write({"askPastHigh": True}) == "2"
    assert kind.read("1") == {"bidPastLow": True, "askPastHigh": False}


@pytest.mark.parametrize(
    ("test", "passing", "failing"),
    [
        (FILLED, ["None", "0"], [""]),
        (COUNTED, ["1", "2"], ["", "0"]),
        (POSITIVE, ["0.05"], ["", "0.0", "-1", "1.7976931348623157E308"]),
        (one_of("PEG MID", "PEGMID"), ["PEG MID", "PEGMID"], ["", "PEG"]),
    ],
)
def test_conditions_look_at_the_text(test: Any, passing: list[str], failing: list[str]) -> None:
    assert all(test.passes(text) for text in passing)
    assert not any(test.passes(text) for text in failing)


def test_every_structure_has_its_fields() -> None:
    layout = (
        "#8@<164 reqId:int",
        Inside("order", ("orderType", If("orderType", one_of("LMT"), "lmtPrice:float?"))),
        Repeat("legs", "conId:int ratio:int=1"),
        Repeat("strikes", each="float"),
        Flag("hedge", "delta:float"),
        Since("170", (If("order.orderType", FILLED, "note=none"),)),
    )
    values = {
        "reqId": 5,
        "order": {"orderType": "LMT", "lmtPrice": 2.5},
        "legs": [{"conId": 7}, {"conId": 8, "ratio": 3}],
        "strikes": [50, 52.5],
        "hedge": {"delta": 0.5},
    }
    early, late = (Book([Message(77, "made", layout)], version) for version in (157, 176))
    assert (
        early.write("made", values)
        == b"77\x008\x005\0LMT\x002.5\x002\x007\x001\x008\x003\x002\x0050.0\x0052.5\x001\x000.5\0"
    )
    payload = b"77\x005\0LMT\x002.5\x002\x007\x001\x008\x003\x002\x0050.0\x0052.5\x001\x000.5\x00none\0"
    assert late.write("made", values) == payload
    legs = [{"conId": 7, "ratio": 1}, {"conId": 8, "ratio": 3}]
    assert late.read(payload) == ("made", values | {"legs": legs, "note": "none"})
    assert late.write("made", {}) == b"77\x000\0\x000\x000\x000\0"


def test_numbers_and_names_are_given_once() -> None:
    """But for tick by tick, which is one number with three layouts."""
    for table in (ANSWERS, REQUESTS):
        names = [message.name for message in table]
        assert len(names) == len(set(names))
        numbers = [message.number for message in table if message.variant is None]
        assert len(numbers) == len(set(numbers))
