"""What is done at a time unless something happens before: second looks, missing answers."""

from __future__ import annotations

from collections.abc import Callable

from live.pump import EventPump, Timer


class Deadlines:
    """Timers of the pump by name; a name that is set again takes the place of the one before."""

    def __init__(self, pump: EventPump) -> None:
        self._pump = pump
        self._timers: dict[str, Timer] = {}

    def set(self, name: str, seconds: float, act: Callable[[], object]) -> None:
        """Do ``act`` in so many seconds of the clock."""
        self.drop(name)

        def due() -> None:
            self._timers.pop(name, None)
            act()

        self._timers[name] = self._pump.call_later(seconds, due)

    def drop(self, name: str) -> None:
        """It has happened, or does not matter any more."""
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def clear(self) -> None:
        for name in list(self._timers):
            self.drop(name)

    def __contains__(self, name: str) -> bool:
        return name in self._timers
