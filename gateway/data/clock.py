"""The gateway's clocks: real, accelerated, and virtual (``core.clock.VirtualClock``)."""

from __future__ import annotations

import datetime as dt

from core.clock import Clock, SystemClock, VirtualClock, as_utc
from core.errors import SettingsError


class AcceleratedClock:
    """Starts at ``start`` and runs ``factor`` times as fast as ``base``, which waits when this clock sleeps.

    ``pause`` stops it and ``resume`` lets it go on where it stood.
    """

    def __init__(self, start: dt.datetime, factor: float, base: Clock | None = None) -> None:
        if not 0.0 < factor < float("inf"):
            raise SettingsError(f"a clock cannot run {factor} times as fast; give a number above 0, such as 60")
        self.factor = factor
        self.base = base or SystemClock()
        self._anchor = self.base.now()
        self._start = as_utc(start)
        self._paused = False

    def now(self) -> dt.datetime:
        if self._paused:
            return self._start
        return self._start + (self.base.now() - self._anchor) * self.factor

    def sleep(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"cannot sleep for {seconds} seconds; give 0 or more")
        self.base.sleep(seconds / self.factor)

    def wait_for(self, when: dt.datetime) -> float:
        """Seconds of ``base`` until this clock shows ``when``; 0 where that is past, infinite while it is paused."""
        ahead = (as_utc(when) - self.now()).total_seconds()
        if ahead <= 0.0:
            return 0.0
        return float("inf") if self._paused else ahead / self.factor

    def pause(self) -> None:
        self._start, self._paused = self.now(), True

    def resume(self) -> None:
        if self._paused:
            self._anchor, self._paused = self.base.now(), False


def make_clock(speed: str | float, start: dt.datetime, base: Clock | None = None) -> AcceleratedClock | VirtualClock:
    """A clock that shows ``start``: at ``speed`` 1 it runs as ``base``, at 60 sixty times as fast, at ``"max"`` it
    stands still until it is set (VirtualClock)."""
    if speed == "max":
        return VirtualClock(start)
    try:
        factor = float(speed)
    except ValueError as error:
        raise SettingsError(f"speed {speed!r} is none; give a number such as 1 or 60, or max") from error
    return AcceleratedClock(start, factor, base)
