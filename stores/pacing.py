"""IBKR's limits of requests, kept by us: messages a second, and requests for historical data of small bars.

The limits: 50 messages a second; for bars of 30 seconds and less (and real-time bars) no identical request within 15
seconds, fewer than six for one contract, exchange and kind of price within two seconds, and 60 in ten minutes, where
BID_ASK counts twice (interactivebrokers.github.io/tws-api/historical_limitations.html).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Hashable

ORDERS, QUESTIONS, STREAMS = 0, 1, 2  # who goes first where messages have to wait


class MessagePacer:
    """Sends at once while there is room in the second, else orders first, the rest in their order."""

    def __init__(self, per_second: int) -> None:
        self._most = per_second
        self._sent: deque[float] = deque()
        self._waiting: list[tuple[int, int, Callable[[], None], asyncio.Future[None]]] = []
        self._count = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._rest_until = 0.0

    async def send(self, what: Callable[[], None], priority: int) -> None:
        """Call ``what`` when its turn has come; raises what it raises, and what ``fail`` was given."""
        if not self._waiting and self._has_room():
            what()
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._count), what, future))
        self._plan()
        await future

    def fail(self, error: BaseException) -> None:
        """The connection is lost: what waits is not sent."""
        waiting, self._waiting = self._waiting, []
        for *_, future in waiting:
            if not future.done():
                future.set_exception(error)

    def slow_down(self) -> None:
        """IBKR says that it was too much: rest for a second."""
        self._rest_until = asyncio.get_running_loop().time() + 1.0

    def _has_room(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now < self._rest_until:
            return False
        if not self._most:
            return True
        while self._sent and self._sent[0] <= now - 1.0:
            self._sent.popleft()
        if len(self._sent) >= self._most:
            return False
        self._sent.append(now)
        return True

    def _plan(self) -> None:
        if self._timer is None and self._waiting:
            loop = asyncio.get_running_loop()
            free = self._sent[0] + 1.0 if self._most and len(self._sent) >= self._most else loop.time()
            self._timer = loop.call_at(max(free, self._rest_until), self._drain)

    def _drain(self) -> None:
        self._timer = None
        while self._waiting:
            if self._waiting[0][3].done():  # whoever wanted it has given up
                heapq.heappop(self._waiting)
                continue
            if not self._has_room():
                break
            *_, what, future = heapq.heappop(self._waiting)
            try:
                what()
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(None)
        self._plan()


SMALL_BARS = 30  # seconds: the limits hold for these and smaller ones
SAME_AGAIN = 15.0
BURST, BURST_WINDOW = 5, 2.0
LONG_WINDOW = 600.0
MARGIN = 0.25  # seconds that the gateway's clock may lag behind ours


class HistoryPacer:
    """Says how long a request for history has to wait. Times are seconds of any clock that does not step back."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._run: deque[float] = deque()
        self._bursts: dict[Hashable, deque[float]] = {}
        self._same: dict[Hashable, float] = {}
        self._not_before = 0.0

    def wait(self, now: float, subject: Hashable, request: Hashable, weight: int = 1) -> float:
        """Seconds until the request may be made, 0 where it may be made now. ``request`` None: it may be repeated."""
        waits = [self._not_before - now]
        _expire(self._run, now, LONG_WINDOW)
        if len(self._run) + weight > self._most:
            waits.append(self._run[len(self._run) + weight - self._most - 1] + LONG_WINDOW - now)
        burst = self._bursts.get(subject)
        if burst is not None:
            _expire(burst, now, BURST_WINDOW)
            if len(burst) + weight > BURST:
                waits.append(burst[len(burst) + weight - BURST - 1] + BURST_WINDOW - now)
            if not burst:
                del self._bursts[subject]
        if request is not None and request in self._same:
            waits.append(self._same[request] + SAME_AGAIN - now)
        most = max(waits)
        return most + MARGIN if most > 0 else 0.0

    def made(self, now: float, subject: Hashable, request: Hashable, weight: int = 1) -> None:
        """The request is made."""
        self._run.extend([now] * weight)
        self._bursts.setdefault(subject, deque()).extend([now] * weight)
        if request is not None:
            self._same = {each: when for each, when in self._same.items() if now - when < SAME_AGAIN}
            self._same[request] = now

    def violated(self, now: float, seconds: float) -> None:
        """IBKR says that it was too much: rest."""
        self._not_before = max(self._not_before, now + seconds)


def _expire(window: deque[float], now: float, length: float) -> None:
    while window and window[0] <= now - length:
        window.popleft()
