"""The only place that reads the time, so that a virtual clock can drive everything."""

from __future__ import annotations

import datetime as dt
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time in UTC and waits."""

    def now(self) -> dt.datetime:
        """The time, timezone-aware UTC."""

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds (>= 0)."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class SteadyClock:
    """The machine's clock as it was when this was made, and from then on the seconds that really passed.

    Somebody who sets the machine's clock changes no deadline; sleep of the machine counts where the system tells it.
    """

    def __init__(self) -> None:
        self._start = dt.datetime.now(dt.UTC)
        self._passed = self._seconds()

    @staticmethod
    def _seconds() -> float:
        boottime = getattr(time, "CLOCK_BOOTTIME", None)  # Linux: goes on while the machine sleeps
        return time.monotonic() if boottime is None else time.clock_gettime(boottime)

    def now(self) -> dt.datetime:
        return self._start + dt.timedelta(seconds=self._seconds() - self._passed)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class VirtualClock:
    """A clock that stands still until it is told to go on. Sleeping moves it."""

    def __init__(self, start: dt.datetime) -> None:
        self._now = as_utc(start)

    def now(self) -> dt.datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"cannot sleep for {seconds} seconds; give 0 or more")
        self._now += dt.timedelta(seconds=seconds)

    def set(self, when: dt.datetime) -> None:
        """Move to ``when``; a clock does not run backwards."""
        when = as_utc(when)
        if when < self._now:
            raise ValueError(f"cannot set the clock back from {self._now} to {when}; make a new VirtualClock")
        self._now = when


def as_utc(when: dt.datetime) -> dt.datetime:
    """The same moment in UTC; a naive datetime is UTC already."""
    return when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when.astimezone(dt.UTC)
