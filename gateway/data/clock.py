"""The gateway's clocks: real, accelerated, and virtual (``core.clock.VirtualClock``)."""

from __future__ import annotations

import datetime as dt

from core.clock import Clock, SystemClock, VirtualClock, as_utc
from core.errors import SettingsError


class AcceleratedClock:
    """Starts at ``start`` and runs ``factor`` times as fast as ``base``, which waits when this clock sleeps.

    ``run_at`` lets it go on at another pace; ``factor`` stays that for which it was made.
    """

    def __init__(self, start: dt.datetime, factor: float, base: Clock | None = None) -> None:
        if not 0.0 < factor < float("inf"):
            raise SettingsError(f"a clock cannot run {factor} times as fast; give a number above 0, such as 60")
        self.factor = factor
        self.base = base or SystemClock()
        self.start = as_utc(start)
        self._course = self.start, self.base.now(), factor  # it showed, the base showed then, pace since

    def begin(self) -> None:
        """Show ``start`` again: what was prepared until now has taken no time."""
        self._course = self.start, self.base.now(), self._course[2]

    def now(self) -> dt.datetime:
        shown, anchor, pace = self._course
        return shown + (self.base.now() - anchor) * pace

    def sleep(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"cannot sleep for {seconds} seconds; give 0 or more")
        self.base.sleep(seconds / self._course[2])

    def wait_for(self, when: dt.datetime) -> float:
        """Seconds of ``base`` until this clock shows ``when``; 0 where that is past."""
        return max(0.0, (as_utc(when) - self.now()).total_seconds() / self._course[2])

    def run_at(self, pace: float) -> None:
        """Go on from now at ``pace`` times that of the base."""
        shown, anchor, before = self._course
        now = self.base.now()
        self._course = shown + (now - anchor) * before, now, pace  # at once: other threads read it


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
