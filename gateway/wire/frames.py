"""Frames on the socket: a length of four bytes, big-endian, and a payload; and the handshake before the first."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from gateway.wire.errors import WireError

MAX_FRAME = 0xFFFFFF  # bytes of a payload; IB's own clients refuse longer ones
GREETING = b"API\0"
MAX_HELLO = 1024  # bytes of the version text with its options
LOWEST, HIGHEST = 157, 178
UNUSABLE = frozenset({158})  # clients disagree from which version openOrder has its duration

_VERSIONS = re.compile(r"v(\d{1,6})(?:\.\.(\d{1,6}))?(?: (.*))?", re.DOTALL)


def frame(payload: bytes) -> bytes:
    """A payload with its length before it."""
    return struct.pack(">I", len(payload)) + payload


class FrameReader:
    """Cuts a stream of bytes into payloads. ``limit``: the longest payload that is accepted, in bytes."""

    def __init__(self, limit: int = MAX_FRAME):
        self.limit = limit
        self._data = bytearray()

    @property
    def pending(self) -> int:
        """Bytes of a frame that is not complete."""
        return len(self._data)

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that are complete with ``data``; WireError: one is too long, and the stream is lost."""
        return list(self.cut(data))

    def cut(self, data: bytes) -> Iterator[bytes]:
        """The same one by one: ``limit`` may be changed between two of them."""
        buffer = self._data
        buffer += data
        at, end = 0, len(buffer)
        try:
            while end - at >= 4:
                size = int.from_bytes(buffer[at : at + 4], "big")
                if size > self.limit:
                    raise WireError(f"a frame of {size} bytes; at most {self.limit} are accepted")
                if end - at - 4 < size:
                    break
                payload = bytes(buffer[at + 4 : at + 4 + size])
                at += 4 + size
                yield payload
        finally:
            del buffer[:at]


class Handshake:
    """The first bytes of a client: ``API\\0``, then a frame with ``v157..176`` and, after a blank, its options.

    After ``feed`` has returned True: ``low`` and ``high`` are the versions that the client speaks, ``options`` the
    rest of its text, ``rest`` the bytes after the handshake (for the FrameReader).
    """

    def __init__(self) -> None:
        self.low = self.high = 0
        self.options = ""
        self.rest = b""
        self._data = b""

    def feed(self, data: bytes) -> bool:
        """Whether the handshake is complete; WireError: this is no TWS client."""
        self._data += data
        start = len(GREETING)
        if self._data[:start] != GREETING[: len(self._data)]:
            raise WireError(f"a handshake starts with API\\0, this one with {self._data[:start]!r}")
        if len(self._data) < start + 4:
            return False
        size = int.from_bytes(self._data[start : start + 4], "big")
        if not 0 < size <= MAX_HELLO:
            raise WireError(f"a handshake of {size} bytes; at most {MAX_HELLO} are accepted")
        if len(self._data) < start + 4 + size:
            return False
        hello = self._data[start + 4 : start + 4 + size]
        found = _VERSIONS.fullmatch(hello.decode("ascii", "replace").rstrip("\0"))
        if found is None:
            raise WireError(f"a handshake says v<lowest>..<highest>, this one {hello[:40]!r}")
        self.low = int(found[1])
        self.high = int(found[2] or found[1])
        self.options = found[3] or ""
        self.rest = self._data[start + 4 + size :]
        return True

    def negotiate(self, highest: int = HIGHEST) -> int:
        """The highest version that both sides speak; WireError: there is none."""
        for version in range(min(self.high, highest), max(self.low, LOWEST) - 1, -1):
            if version not in UNUSABLE:
                return version
        raise WireError(f"a client for versions {self.low} to {self.high}; {LOWEST} to {highest} are spoken here")


def hello(low: int, high: int, options: str = "") -> bytes:
    """What a client sends first."""
    text = f"v{low}..{high}{' ' + options if options else ''}"
    return GREETING + frame(text.encode("ascii"))


def welcome(version: int, time: str) -> bytes:
    """The answer to a handshake, a whole frame: the version and the server's time as text."""
    return frame(f"{version}\0{time}\0".encode())
