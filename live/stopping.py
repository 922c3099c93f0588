"""How a session stops: entries are cancelled, positions keep their protective orders or are closed, then it ends.

A pair that lacks a leg, or a stop that is just being put back, is waited for. Everything happens between two turns of
Cerebro, in its thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import backtrader as bt

from core.orders import Role
from core.settings import LiveSettings
from live.hub import BarHub
from live.pump import EventPump
from live.recording import RecordingVenue
from risk.boundary import is_entry

logger = logging.getLogger(__name__)
CANCEL_SECONDS = 10.0  # for entries to be cancelled, by the clock; a pair has the time of its guard besides
LOOK_SECONDS = 0.25
ABANDON_SECONDS = 2.0  # for the answers to be written, by the clock


class Stopping:
    """``why``: the reason once it was asked for; then nothing is entered any more. ``left``: what could not be done."""

    def __init__(self, live: LiveSettings, tell: Callable[[str], None]) -> None:
        self._live = live
        self._tell = tell
        self._broker: Any = None
        self._pump: EventPump | None = None
        self._hub: BarHub | None = None
        self._recording: RecordingVenue | None = None
        self.why = ""
        self.left: list[str] = []
        self._is_asked = False

    def begin(self, broker: Any, pump: EventPump, hub: BarHub, recording: RecordingVenue | None) -> None:
        """The graph is about to run."""
        self._broker, self._pump, self._hub, self._recording = broker, pump, hub, recording

    @property
    def has_begun(self) -> bool:
        return self._pump is not None

    def ask_from_outside(self, why: str) -> None:
        """From another thread, or a signal's handler; once it has begun."""
        if self._pump is not None:
            self._pump.post(lambda: self.ask(why))

    def ask(self, why: str) -> None:
        """Stop; in the pump's thread."""
        if self._is_asked:
            return
        self._is_asked = True
        self.why = f"the session is stopping: {why}"
        self._tell(f"stopping: {why}")
        self._broker.soon(self._wind_down)

    def abandon(self) -> None:
        """The graph has failed: cancel entries, as far as that can be done without it. Protective orders stay."""
        if self._pump is None:
            return
        for order in self._entries():
            self._broker.venue.cancel(order.ref, "the graph has failed")
        self._pump.pump_until(lambda: False, ABANDON_SECONDS)

    def _wind_down(self) -> None:
        """Cancel and close what is to be cancelled and closed."""
        assert self._pump is not None  # it has begun
        if self._recording is not None:
            self._recording.seal()
        for order in self._entries():
            self._broker.cancel(order, why="the session stops")
        seconds = CANCEL_SECONDS + float(self._broker.p.settings.risk.legs.timeout_seconds)
        if self._live.on_stop == "flatten":
            seconds = max(seconds, self._live.flatten_seconds)
            self._broker.close_all()
        end = self._pump.clock.now().timestamp() + seconds
        self._pump.call_later(0.0, lambda: self._look(end))
        self._pump.when_still.append(lambda: self._look(end))  # no timer comes due any more

    def _entries(self) -> list[bt.Order]:
        broker = self._broker
        return [order for order in broker.working() if is_entry(order, broker.positions[order.data].size)]

    def _exits(self) -> list[bt.Order]:
        """Exits at market of what is flat already."""
        broker = self._broker
        return [o for o in broker.working() if o.info.get("role") == Role.EXIT and not broker.positions[o.data].size]

    def _open(self) -> list[str]:
        """What is still to be waited for."""
        waits = [f"the entry {order.data._name} is still being cancelled" for order in self._entries()]
        if self._live.on_stop == "flatten":
            held = self._broker.positions.items()
            waits += [f"{data._name} still holds {position.size:g}" for data, position in held if position.size]
            waits += [f"an exit of {order.data._name} still works" for order in self._exits()]
        return [*waits, *self._broker.unsettled()]

    def _look(self, end: float) -> None:
        assert self._pump is not None and self._hub is not None  # it has begun
        if self._hub.is_closed:
            return
        waits = self._open()
        if waits and self._pump.clock.now().timestamp() < end and not self._pump.is_still:
            self._pump.call_later(LOOK_SECONDS, lambda: self._look(end))
            return
        self.left = waits
        for wait in waits:
            self._tell(f"{wait}; look at TWS, and at `halflife reconcile`")
        self._hub.close()
