"""What makes time pass: it walks the tape, step by step, in the way of the gateway's clock.

In lockstep a step that sends market data waits for an answer: the next ones follow only when every client with
streaming data has sent reqCurrentTime after it has dealt with what came, and that request is answered behind the data
of the next step. So an awaited reqCurrentTime returns when the next bars are there, requests of clients are read only
while the tape stands still, and a day goes by in the same way each time, as fast as its clients can follow.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from core.clock import VirtualClock
from core.logs import log_event
from gateway.data.tape import Step

if TYPE_CHECKING:
    from gateway.tws import Tws

logger = logging.getLogger(__name__)

LONGEST_NAP = 0.25  # seconds of real time; what is due meanwhile (a fault, an hour of the day) is at most so late


class Walk:
    """The steps that are left, and the moments between them at which the market or a fault acts."""

    def __init__(self, tws: Tws, steps: Iterator[Step]) -> None:
        self._tws = tws
        self._steps = steps
        self._ahead: Step | None = None
        self.taken = 0
        self._pull()

    def _pull(self) -> None:
        self._ahead = next(self._steps, None)

    @property
    def next_time(self) -> dt.datetime | None:
        """When the next step or act is due; None at the end of the tape."""
        if self._ahead is None:
            return None
        due = self._tws.next_act()
        return self._ahead.when if due is None else min(self._ahead.when, due)

    def take(self) -> bool:
        """Take what is due next; return whether a client was sent market data."""
        ahead, due = self._ahead, self._tws.next_act()
        if ahead is None:
            return False
        if due is not None and due < ahead.when:
            return self._tws.step(Step(due, {}, {}))
        self._pull()
        self.taken += 1
        return self._tws.step(ahead)


class Driver(Protocol):
    """A way for time to pass."""

    async def run(self) -> None:
        """Go on until the tape has ended."""


class Lockstep:
    """Virtual time that waits for the clients."""

    def __init__(self, tws: Tws, walk: Walk, clock: VirtualClock) -> None:
        self._tws = tws
        self._walk = walk
        self._clock = clock

    async def run(self) -> None:
        tws = self._tws
        while (when := self._walk.next_time) is not None:
            await tws.barriers.all_waiting()
            sent = False
            while not sent and (when := self._walk.next_time) is not None:
                self._clock.set(max(when, self._clock.now()))
                sent = self._walk.take()
            tws.barriers.release()
        tws.barriers.is_over = True
        tws.barriers.release()
        log_event(logger, "tape_ended", steps=self._walk.taken)


class Still:
    """Virtual time that moves when it is told to."""

    def __init__(self, walk: Walk, clock: VirtualClock) -> None:
        self._walk = walk
        self._clock = clock

    async def run(self) -> None:
        """Nothing goes on by itself."""

    def advance(self, to: dt.datetime) -> None:
        """Take all that is due up to and including ``to``."""
        while (when := self._walk.next_time) is not None and when <= to:
            self._take(when)
        self._clock.set(max(to, self._clock.now()))

    def take(self, steps: int) -> None:
        """Take so many steps of the tape, and what is due before them."""
        until = self._walk.taken + steps
        while self._walk.taken < until and (when := self._walk.next_time) is not None:
            self._take(when)

    def _take(self, when: dt.datetime) -> None:
        self._clock.set(max(when, self._clock.now()))
        self._walk.take()


class Paced:
    """Real or accelerated time."""

    def __init__(self, tws: Tws, walk: Walk, factor: float) -> None:
        self._tws = tws
        self._walk = walk
        self._factor = factor

    async def run(self) -> None:
        while (when := self._walk.next_time) is not None:
            left = (when - self._tws.clock.now()).total_seconds() / self._factor
            if left > 0:
                await asyncio.sleep(min(left, LONGEST_NAP))
            else:
                self._walk.take()
                if self._walk.taken % 64 == 0:
                    await asyncio.sleep(0)  # a tape that is behind its clock keeps nobody waiting
        log_event(logger, "tape_ended", steps=self._walk.taken)


class Barriers:
    """Who has asked for the time in lockstep and waits for the next bars."""

    def __init__(self, tws: Tws) -> None:
        self._tws = tws
        self._moved = asyncio.Event()
        self.is_over = False  # the tape has ended: nobody has to wait any more

    def moved(self) -> None:
        """A client has asked, subscribed or left."""
        self._moved.set()

    async def all_waiting(self) -> None:
        """Wait until there are clients with streaming data and all of them have asked."""
        while not self._are_all_waiting():
            self._moved.clear()
            await self._moved.wait()

    def _are_all_waiting(self) -> bool:
        streaming = [session for session in self._tws.clients.values() if self._tws.is_streaming(session)]
        return bool(streaming) and all(session.barrier for session in streaming)

    def release(self) -> None:
        """Answer all who asked."""
        for session in list(self._tws.clients.values()):
            if session.barrier:
                session.barrier = False
                session.send("currentTime", {"time": self._tws.unix_time()})
