"""Frames cut out of a stream, and the handshake before them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import WireError
from gateway.wire.frames import MAX_FRAME, FrameReader, Handshake, frame, hello, welcome


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(1, 50), min_size=1, max_size=30))
def test_payloads_come_out_however_the_stream_is_cut(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(frame(payload) for payload in payloads)
    reader, found, at = FrameReader(), [], 0
    for cut in cuts:
        found += reader.feed(stream[at : at + cut])
        at += cut
    found += reader.feed(stream[at:])
    assert found == payloads
    assert reader.pending == 0


def test_a_frame_is_its_length_and_its_payload() -> None:
    assert frame(b"49\x001\0") == b"\0\0\0\x0549\x001\0"
    assert struct.unpack(">I", frame(b"x" * 70_000)[:4]) == (70_000,)


def test_an_incomplete_frame_waits() -> None:
    reader = FrameReader()
    assert reader.feed(b"\0\0\0\x05ab") == []
    assert reader.pending == 6
    assert reader.feed(b"cde\0") == [b"abcde"]
    assert reader.pending == 1


def test_a_frame_that_is_too_long_is_refused_before_it_is_there() -> None:
    for size in (MAX_FRAME + 1, 0xFFFFFFFF):
        with pytest.raises(WireError, match=f"a frame of {size} bytes; at most {MAX_FRAME} are accepted"):
            FrameReader().feed(struct.pack(">I", size))
    with pytest.raises(WireError, match="a frame of 11 bytes"):
        FrameReader(limit=10).feed(frame(b"12345678901"))
    assert FrameReader(limit=10).feed(frame(b"1234567890")) == [b"1234567890"]


@pytest.mark.parametrize(
    ("data", "low", "high", "options"),
    [
        (b"API\0\0\0\0\x09v157..176", 157, 176, ""),  # ib_insync
        (b"API\0\0\0\0\x09v157..178", 157, 178, ""),  # ib_async
        (b"API\0\0\0\0\x09v100..157", 100, 157, ""),  # ibapi of 2020
        (b"API\0\0\0\0\x12v157..176 +PACEAPI", 157, 176, "+PACEAPI"),
        (b"API\0\0\0\0\x04v176", 176, 176, ""),
    ],
)
def test_handshakes_are_read_byte_by_byte(data: bytes, low: int, high: int, options: str) -> None:
    shake = Handshake()
    done = [shake.feed(data[place : place + 1]) for place in range(len(data))]
    assert done == [False] * (len(data) - 1) + [True]
    assert (shake.low, shake.high, shake.options, shake.rest) == (low, high, options, b"")
    whole = Handshake()
    assert whole.feed(data + b"\0\0\0\x02ab")
    assert whole.rest == b"\0\0\0\x02ab"


def test_our_hello_is_what_ib_insync_sends() -> None:
    assert hello(157, 176) == b"API\0\0\0\0\x09v157..176"
    assert hello(157, 176, "+PACEAPI") == b"API\0\0\0\0\x12v157..176 +PACEAPI"


def test_the_answer_is_one_frame_of_two_fields() -> None:
    assert welcome(176, "20231203 20:15:20 EST") == b"\0\0\0\x1a176\x0020231203 20:15:20 EST\0"


@pytest.mark.parametrize(
    ("low", "high", "highest", "version"),
    [
        (157, 176, 178, 176),
        (157, 178, 178, 178),
        (100, 157, 178, 157),
        (100, 225, 178, 178),
        (100, 193, 178, 178),
        (157, 158, 178, 157),  # never 158: clients disagree about openOrder's duration
        (157, 178, 170, 170),
        (100, 178, 158, 157),
    ],
)
def test_the_highest_common_version_is_spoken(low: int, high: int, highest: int, version: int) -> None:
    shake = Handshake()
    assert shake.feed(hello(low, high))
    assert shake.negotiate(highest) == version


@pytest.mark.parametrize(("low", "high"), [(100, 156), (179, 200), (158, 158), (180, 170), (0, 0)])
def test_a_client_without_a_common_version_is_refused(low: int, high: int) -> None:
    shake = Handshake()
    shake.feed(hello(low, high))
    with pytest.raises(WireError, match=f"versions {low} to {high}; 157 to 178 are spoken here"):
        shake.negotiate()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"GET / HTTP/1.1", r"starts with API\\0, this one with b'GET '"),
        (b"AP1", "starts with API"),
        (b"63\x00", "starts with API"),  # the handshake of before 2014
        (b"API\0\0\0\0\0", "a handshake of 0 bytes"),
        (b"API\0\xff\xff\xff\xff", "a handshake of 4294967295 bytes"),
        (b"API\0\0\0\0\x05hello", "says v<lowest>..<highest>, this one b'hello'"),
        (b"API\0\0\0\0\x06v1..2x", "says v<lowest>"),
        (b"API\0\0\0\0\x03v\xff1", "says v<lowest>"),
    ],
)
def test_what_is_no_handshake_is_refused(data: bytes, text: str) -> None:
    with pytest.raises(WireError, match=text):
        Handshake().feed(data)


@given(st.binary(max_size=60))
def test_random_handshakes(data: bytes) -> None:
    for start in (b"", b"API\0", b"API\0\0\0\0\x09"):
        shake = Handshake()
        try:
            if shake.feed(start + data):
                shake.negotiate()
        except WireError as error:
            assert str(error)


def test_a_limit_that_is_raised_between_two_frames_holds_for_the_second() -> None:
    reader = FrameReader(limit=4)
    found = []
    for payload in reader.cut(frame(b"one\0") + frame(b"longer\0") + frame(b"x\0")[:3]):
        found.append(payload)
        reader.limit = 7
    assert found == [b"one\0", b"longer\0"] and reader.pending == 3
