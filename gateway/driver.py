"""What makes time pass: it walks the tape, step by step, in the way of the gateway's clock.

In lockstep a step that sends market data waits for an answer: the next ones follow only when every client with
streaming data has sent reqCurrentTime after it has dealt with what came, and that request is answered behind the data
of the next step. So an awaited reqCurrentTime returns when the next bars are there, requests of clients are read only
while the tape stands still, and a day goes by in the same way each time, as fast as its clients can follow.

Where several clients have streaming data, their orders would be handled as their sockets happen to be read. So what
they send to place, modify or cancel orders is kept until all of them have asked for the time; then it is handled client
by client, by rising client id, each client's in its order. A client must therefore not wait for an order's answer
before it asks. All else is answered at once, what-if orders too. What a client sends to its orders between its
reqCurrentTime and the answer waits for the next time that all have asked.

After the last step of the tape time goes on, without market data (only what is delayed still comes): orders expire, a
day begins, timed faults happen. In lockstep that is played up to the midnight after the last step, and then it is over;
else it has no end.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from core.clock import VirtualClock
from core.logs import log_event
from gateway.data.clock import AcceleratedClock
from gateway.data.tape import Step
from gateway.model import Values

if TYPE_CHECKING:
    from gateway.session import Session
    from gateway.tws import Tws

logger = logging.getLogger(__name__)

LONGEST_NAP = 0.25  # seconds of real time; what is due meanwhile (a fault, an hour of the day) is at most so late


class Walk:
    """The steps that are left, and the moments between and after them at which the market or a fault acts.

    ``is_endless``: acts go on for ever after the last step; else up to the gateway's midnight after it.
    """

    def __init__(self, tws: Tws, steps: Iterator[Step], *, is_endless: bool = True) -> None:
        self._tws = tws
        self._steps = steps
        self._until = None if is_endless else midnight_after(tws.clock.now(), tws.zone)
        self._ahead: Step | None = None
        self.taken = 0
        self._pull()

    def _pull(self) -> None:
        self._ahead = next(self._steps, None)

    @property
    def has_ended(self) -> bool:
        """Whether the tape's last step was taken and, where acts have an end, the last act after it."""
        return self._ahead is None and (self._until is None or self.next_time is None)

    @property
    def next_time(self) -> dt.datetime | None:
        """When the next step or act is due; None: nothing is any more."""
        due = self._due()
        if self._ahead is not None:
            return self._ahead.when if due is None else min(self._ahead.when, due)
        return None if due is not None and self._until is not None and due > self._until else due

    def _due(self) -> dt.datetime | None:
        """The next moment at which something happens beside the tape; after it no bar ends, as there are no prices."""
        act = self._tws.next_act()
        bar = self._tws.streams.next_due() if self._ahead is not None else None
        return act if bar is None else bar if act is None else min(act, bar)

    def take(self) -> bool:
        """Take what is due next; return whether a client was sent market data."""
        ahead, due = self._ahead, self._due()
        if ahead is None or (due is not None and due < ahead.when):
            return due is not None and self._tws.step(Step(due, {}, {}), is_over=ahead is None)
        self._pull()
        self.taken += 1
        if self._ahead is None and self._until is not None:
            self._until = midnight_after(ahead.when, self._tws.zone)
        return self._tws.step(ahead)


def midnight_after(when: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """The next midnight in a zone, UTC."""
    tomorrow = when.astimezone(zone).date() + dt.timedelta(days=1)
    return dt.datetime.combine(tomorrow, dt.time(), zone).astimezone(dt.UTC)


class Driver(Protocol):
    """A way for time to pass."""

    async def run(self) -> None:
        """Go on for as long as anything happens by itself."""


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
            tws.barriers.handle_kept()
            sent, shut_out, had_streams = False, tws.barriers.are_shut_out, tws.barriers.have_streams
            while not sent and (when := self._walk.next_time) is not None:
                self._clock.set(max(when, self._clock.now()))
                sent = self._walk.take()
                if shut_out and not tws.barriers.are_shut_out:
                    break
                if had_streams and not tws.barriers.have_streams:
                    break  # a fault has ended them all: who finds out may subscribe anew
            tws.barriers.release()
        tws.barriers.is_over = True
        tws.barriers.handle_kept()
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
        while self._walk.taken < until and not self._walk.has_ended and (when := self._walk.next_time) is not None:
            self._take(when)

    def _take(self, when: dt.datetime) -> None:
        self._clock.set(max(when, self._clock.now()))
        self._walk.take()


class Paced:
    """Real or accelerated time."""

    def __init__(self, walk: Walk, clock: AcceleratedClock) -> None:
        self._walk = walk
        self._clock = clock

    async def run(self) -> None:
        is_told = False
        while (when := self._walk.next_time) is not None:
            if self._walk.has_ended and not is_told:
                log_event(logger, "tape_ended", steps=self._walk.taken)
                is_told = True
            left = self._clock.wait_for(when)
            if left > 0:
                await asyncio.sleep(min(left, LONGEST_NAP))
            else:
                self._walk.take()
                if self._walk.taken % 64 == 0:
                    await asyncio.sleep(0)  # a tape that is behind its clock keeps nobody waiting


KEPT = frozenset({"placeOrder", "cancelOrder", "reqGlobalCancel"})


class Barriers:
    """Who has asked for the time in lockstep and waits for the next bars, and the requests that wait until all have."""

    def __init__(self, tws: Tws) -> None:
        self._tws = tws
        self._moved = asyncio.Event()
        self._kept: dict[Session, list[tuple[str, Values]]] = {}
        self._asked_after: dict[Session, int] = {}  # how many of those kept came before the client asked
        self.is_over = False  # the tape has ended: nobody has to wait any more

    def moved(self) -> None:
        """A client has asked, subscribed or left."""
        self._moved.set()

    def ask(self, session: Session) -> None:
        """A client asks for the time and waits."""
        session.barrier = True
        self._asked_after.setdefault(session, len(self._kept.get(session, ())))
        self.moved()

    def keeps(self, session: Session, name: str, values: Values) -> bool:
        """Whether a request waits until all clients have asked; if so, it is kept."""
        if name not in KEPT or not self._tws.is_lockstep or self.is_over:
            return False
        if name == "placeOrder" and values["order"]["whatIf"]:
            return False
        if session not in self._kept and not (self._tws.is_streaming(session) and self._are_several()):
            return False
        self._kept.setdefault(session, []).append((name, values))
        return True

    def has_kept(self, session: Session) -> bool:
        return session in self._kept

    def handle_kept(self) -> None:
        """Handle what was kept, by client id; what came after its client had asked waits on, unless it is over."""
        kept, asked = self._kept, self._asked_after
        self._kept, self._asked_after = {}, {}
        for session in sorted(kept, key=lambda each: each.client):
            requests = kept[session]
            now = len(requests) if self.is_over else asked.get(session, len(requests))
            if requests[now:]:
                self._kept[session] = requests[now:]
            for name, values in requests[:now]:
                session.serve(name, values)

    async def all_waiting(self) -> None:
        """Wait until there are clients with streaming data and all of them have asked, or nobody can come."""
        while not self._are_all_waiting():
            if self._kept and not self._are_several():
                self.handle_kept()  # who is left alone waits for nobody
            self._moved.clear()
            await self._moved.wait()

    @property
    def have_streams(self) -> bool:
        """Whether any client has market data sent to it."""
        return bool(self._streaming())

    def _streaming(self) -> list[Session]:
        return [session for session in self._tws.clients.values() if self._tws.is_streaming(session)]

    def _are_several(self) -> bool:
        return len(self._streaming()) > 1

    @property
    def are_shut_out(self) -> bool:
        """Whether there is nobody, and nobody can log in until time has gone on."""
        return not self._tws.clients and self._tws.refuses_logins()

    def _are_all_waiting(self) -> bool:
        streaming = self._streaming()
        return all(session.barrier for session in streaming) if streaming else self.are_shut_out

    def release(self) -> None:
        """Answer all who asked."""
        for session in list(self._tws.clients.values()):
            if session.barrier:
                session.barrier = False
                session.send("currentTime", {"time": self._tws.unix_time()})
