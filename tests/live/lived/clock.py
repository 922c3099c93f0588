"""The gateway's virtual clock, told to other processes through a mapped file."""

from __future__ import annotations

import datetime as dt
import mmap
import struct
from pathlib import Path

from core.clock import VirtualClock
from gateway import Gateway

_MICROSECOND = dt.timedelta(microseconds=1)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class ToldClock:
    """Reads what ``share`` writes; nobody sleeps by it."""

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), 8)

    def now(self) -> dt.datetime:
        return _EPOCH + struct.unpack("<q", self._map[:8])[0] * _MICROSECOND

    def sleep(self, seconds: float) -> None:
        raise RuntimeError(f"the gateway's time passes by itself; nobody may wait {seconds} s for it")


def share(gateway: Gateway, file: Path) -> None:
    """Write the gateway's time into a file whenever it changes."""
    clock = gateway.tws.clock
    assert isinstance(clock, VirtualClock)
    file.write_bytes(bytes(8))
    with file.open("r+b") as opened:
        told = mmap.mmap(opened.fileno(), 8)

    def tell() -> None:
        told[:8] = struct.pack("<q", (clock.now() - _EPOCH) // _MICROSECOND)

    move, sleep = clock.set, clock.sleep

    def moved(when: dt.datetime) -> None:
        move(when)
        tell()

    def slept(seconds: float) -> None:
        sleep(seconds)
        tell()

    clock.set, clock.sleep = moved, slept  # type: ignore[method-assign]
    tell()
