"""IBKR's limits of requests: messages a second of a client, and historical data of small bars.

Historical limits are those of the log-in, so of all clients together, and hold for bars of 30 seconds and less, ticks
and real-time bars: interactivebrokers.github.io/tws-api/historical_limitations.html. IBKR slows larger bars down,
which it does not announce; the gateway answers them at once. (At most 50 requests may be open: see ``Streams``.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Any, Literal

from core.clock import Clock, VirtualClock
from gateway.data.clock import AcceleratedClock
from gateway.data.spans import parse_bar_size
from gateway.hours import SECOND, moment_of
from gateway.model import Values
from gateway.refused import hmds

MESSAGES = 50  # a second, by each client
VIOLATIONS = 3  # after so many TWS ends the connection
SMALL_BARS = 30  # seconds
SAME_AGAIN = 15 * SECOND  # an identical request must wait as long
BURST, BURST_WINDOW = 6, 2 * SECOND  # so many for one contract, exchange and kind of price are too many
LONG_RUN, LONG_WINDOW = 60, 600 * SECOND  # more than these are too many
KEPT = 4 * LONG_RUN  # requests that are remembered; so many within ten minutes are refused in any case
PACING = "Historical data request pacing violation"
_FIELDS = (
    "endDateTime durationStr barSizeSetting whatToShow useRTH useRth formatDate keepUpToDate startDateTime "
    "numberOfTicks ignoreSize"
).split()
_CONTRACT = ("conId", "symbol", "secType", "currency", "localSymbol", "primaryExchange")


class Pacing:
    """Counts what clients send, by a clock.

    An accelerated clock gives way to the one it is made of: clients send in real time. Under a virtual clock, which
    stands still while clients send, messages are counted only after ``limit`` has been called for them.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock: Clock = clock.base if isinstance(clock, AcceleratedClock) else clock
        self._messages = (MESSAGES, SECOND)
        self._is_counting = not isinstance(clock, VirtualClock)
        self._historical = (LONG_RUN, LONG_WINDOW)
        self._rates: dict[Hashable, _Rate] = {}
        self._same: dict[Hashable, int] = {}  # request -> when it was made last
        self._bursts: dict[Hashable, deque[int]] = {}
        self._run: deque[int] = deque()

    def limit(self, kind: Literal["messages", "historical"], count: int, seconds: float) -> None:
        """Another limit: ``count`` messages of a client, or historical requests of all, in so many seconds."""
        if kind == "messages":
            self._messages, self._is_counting = (count, round(seconds * SECOND)), True
        else:
            self._historical = count, round(seconds * SECOND)

    def message(self, client: Hashable) -> tuple[int, str] | None:
        """Count a message: number and text of error 100 where it is one too many; a window is complained of once."""
        if not self._is_counting:
            return None
        limit, length = self._messages
        rate = self._rates.setdefault(client, _Rate())
        received = rate.count(moment_of(self._clock.now()), limit, length)
        if received is None:
            return None
        return (
            100,
            f"Max rate of messages per second has been exceeded:max={limit} rec={received} ({rate.violations})",
        )

    def is_over(self, client: Hashable) -> bool:
        """Whether TWS would end the connection: it does at the third violation."""
        return client in self._rates and self._rates[client].violations >= VIOLATIONS

    def drop(self, client: Hashable) -> None:
        """A client has left; what it has asked of the history still counts."""
        self._rates.pop(client, None)

    def historical(self, client: Hashable, request: Values) -> None:
        """Count a request of history, ticks or real-time bars. Raises Refused: 162, pacing violation, or 321.

        One that is refused counts, too, as at IBKR. Head timestamps are not limited.
        """
        if "barSizeSetting" in request:
            if parse_bar_size(str(request["barSizeSetting"])) > SMALL_BARS:
                return
        elif "numberOfTicks" not in request and "barSize" not in request:
            return
        now = moment_of(self._clock.now())
        contract = request["contract"]
        kind = str(request.get("whatToShow") or "TRADES").upper()
        subject = (*(str(contract.get(name) or "") for name in _CONTRACT), str(contract.get("exchange") or ""))
        weight = 2 if kind == "BID_ASK" else 1
        count, length = self._historical
        most = max(KEPT, 2 * count)
        burst = self._bursts.pop((subject, kind), None) or deque()
        self._bursts[subject, kind] = burst
        many = len(_counted(burst, now, weight, BURST_WINDOW, BURST)) >= BURST
        many |= len(_counted(self._run, now, weight, length, most)) > count
        _forget_first(self._bursts, most)
        if "barSize" not in request:  # real-time bars may be asked for again at once
            same = (subject, *(str(request.get(name) or "") for name in _FIELDS))
            before = self._same.pop(same, None)
            self._same[same] = now
            many |= before is not None and now - before < SAME_AGAIN
            _forget_first(self._same, most)
        if many:
            raise hmds(PACING)


class _Rate:
    """Messages of one client within a window that slides."""

    def __init__(self) -> None:
        self.violations = 0
        self._sent: deque[int] = deque()
        self._quiet_until = 0

    def count(self, now: int, limit: int, length: int) -> int | None:
        """One message more; how many there are where these are too many."""
        sent = _counted(self._sent, now, 1, length)
        if len(sent) <= limit or now < self._quiet_until:
            return None
        self.violations += 1
        self._quiet_until = now + length
        return len(sent)


def _counted(window: deque[int], now: int, weight: int, length: int, most: int | None = None) -> deque[int]:
    """The moments of a window after one more; ``most``: how many of the latest are kept, as no limit is above."""
    window.extend([now] * weight)
    while window[0] <= now - length or (most is not None and len(window) > most):
        window.popleft()
    return window


def _forget_first(held: dict[Hashable, Any], most: int) -> None:
    """Keep so many of the latest: a clock may stand still while any number of requests come."""
    while len(held) > most:
        del held[next(iter(held))]
