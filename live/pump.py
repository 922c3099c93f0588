"""The one reader of the store's events, in the thread that trades: it hands each to whoever asked for its kind.

It also keeps the timers of that thread (grace, staleness, second looks), by the clock and so in virtual time alike.
"""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from core.clock import Clock
from stores.errors import NotSentError, UnansweredError
from stores.events import ConnectionState, Event
from stores.outlet import Outlet

logger = logging.getLogger(__name__)
E = TypeVar("E", bound=Event)
LOCKSTEP_SECONDS = 30.0  # real ones, for the gateway's answer; then who wants to stop is heard, and it is asked again
STANDSTILL = 25  # questions for the time in a row that moved nothing
_NAP = 0.02  # real seconds to wait for a connection in lockstep, at most
_PAUSE = 0.002  # real seconds between two questions that moved nothing


class Timed(Protocol):
    """What the pump needs of ``stores.IBStore``."""

    clock: Clock
    events: Outlet[Event]

    @property
    def state(self) -> ConnectionState: ...

    def current_time(self, timeout: float | None = None) -> dt.datetime: ...


class Timer:
    """What is to be done at a time; ``cancel`` takes it back."""

    __slots__ = ("is_cancelled", "what", "when")

    def __init__(self, when: dt.datetime, what: Callable[[], object]) -> None:
        self.when = when
        self.what = what
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class EventPump:
    """Events and timers. All methods but ``post`` belong to one thread, that of Cerebro.

    ``lockstep``: with the paper gateway at speed ``max``. When nothing is left to be done the gateway is asked for the
    time, which moves it to its next step, unless one of ``holds`` says that it has to wait.
    ``bars_wait``: whether bars wait for the graph. Where some have just come, timers and what was posted follow them.
    ``when_still``: called when time does not move any more in lockstep, as when all streams have died without a word
    or the tape has ended (``is_still``).
    """

    def __init__(self, store: Timed, *, lockstep: bool = False) -> None:
        self.store = store
        self.clock = store.clock
        self.lockstep = lockstep
        self.holds: list[Callable[[], bool]] = []  # True: time has to stand still in lockstep
        self.bars_wait: Callable[[], bool] = lambda: False
        self.when_still: list[Callable[[], None]] = []
        self.handled = 0  # events in all
        self._handlers: dict[type, list[Callable[[Any], None]]] = {}
        self._timers: list[tuple[dt.datetime, int, Timer]] = []
        self._count = itertools.count()
        self._posted: deque[Callable[[], object]] = deque()
        self._idle = 0  # questions for the time in a row that moved nothing
        self._factor = float(getattr(self.clock, "factor", 1.0))

    # -- who hears what -------------------------------------------------------------------------------------------

    def on(self, kind: type[E], handler: Callable[[E], None]) -> Callable[[], None]:
        """Call ``handler`` with each event of exactly this class; returns what takes it off. What a handler raises
        ends the pumping: the events behind it stay in the queue."""
        self._handlers[kind] = [*self._handlers.get(kind, ()), handler]

        def off() -> None:
            self._handlers[kind] = [each for each in self._handlers[kind] if each is not handler]

        return off

    def call_at(self, when: dt.datetime, what: Callable[[], object]) -> Timer:
        """Do something once the clock is at ``when``, UTC."""
        timer = Timer(when, what)
        heapq.heappush(self._timers, (when, next(self._count), timer))
        return timer

    def call_later(self, seconds: float, what: Callable[[], object]) -> Timer:
        """Do something in so many seconds of the clock."""
        return self.call_at(self.clock.now() + dt.timedelta(seconds=seconds), what)

    def post(self, what: Callable[[], object]) -> None:
        """Do something in the pump's thread, soon. May be called from any thread."""
        self._posted.append(what)
        self.store.events.wake()

    @property
    def next_due(self) -> dt.datetime | None:
        """When the next timer is due; None: there is none."""
        while self._timers and self._timers[0][2].is_cancelled:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    # -- at work --------------------------------------------------------------------------------------------------

    @property
    def is_still(self) -> bool:
        """In lockstep: time has stopped moving. Nothing comes of itself any more."""
        return self._idle >= STANDSTILL

    def pump(self, timeout: float) -> bool:
        """Handle what is there, and timers that are due; where there is nothing wait up to ``timeout`` real seconds
        for the first, or move the gateway in lockstep. Whether anything was done.

        Raises what a handler raises, and StoreError where the store was stopped in lockstep.
        """
        if self._work():
            return True
        if self.lockstep:
            if self.store.state in (ConnectionState.READY, ConnectionState.BROKEN):
                return not any(hold() for hold in self.holds) and self._advance()
            timeout = min(timeout, _NAP)
        event = self.store.events.get(timeout=self._patience(timeout))
        if event is not None:
            self._hand_over(event)
        return self._work() or event is not None

    def pump_until(self, done: Callable[[], bool], timeout: float) -> bool:
        """Pump until ``done`` says so, at most so many seconds of the clock; whether it did."""
        end = self.clock.now() + dt.timedelta(seconds=timeout)
        while not done():
            left = (end - self.clock.now()).total_seconds()
            if left <= 0 or self.is_still:
                return False
            self.pump(min(left / self._factor, 0.25))
        return True

    def _work(self) -> bool:
        """Events that are there now, then what was posted and timers that are due, unless bars go first."""
        done, had_bars = False, self.bars_wait()
        for _ in range(len(self.store.events)):
            event = self.store.events.get(timeout=0)
            if event is not None:
                self._hand_over(event)
                done = True
        if not had_bars and self.bars_wait():
            return True
        while self._posted:
            self._posted.popleft()()
            done = True
        while (due := self.next_due) is not None and due <= self.clock.now():
            heapq.heappop(self._timers)[2].what()
            done = True
        return done

    def _hand_over(self, event: Event) -> None:
        self.handled += 1
        for handler in self._handlers.get(type(event), ()):
            handler(event)

    def _advance(self) -> bool:
        before = self.clock.now()
        try:
            self.store.current_time(timeout=LOCKSTEP_SECONDS)
        except (NotSentError, UnansweredError) as error:  # the connection was lost; the store is at it
            logger.debug("time stands still until the store is connected again: %s", error)
        done = self._work()
        self._idle = 0 if done or self.clock.now() > before else self._idle + 1
        if self._idle and (event := self.store.events.get(timeout=_PAUSE)) is not None:
            self._idle, done = 0, True
            self._hand_over(event)
        if self._idle and self._idle % STANDSTILL == 0:
            for tell in self.when_still:
                tell()
        return done

    def _patience(self, timeout: float) -> float:
        """Real seconds to wait: until the next timer at the most."""
        due = self.next_due
        if due is not None:
            timeout = min(timeout, (due - self.clock.now()).total_seconds() / self._factor)
        return max(timeout, 0.0)
