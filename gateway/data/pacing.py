"""IBKR's limits of requests: messages a second of a client, and historical data of small bars.

Historical limits are those of the log-in, so of all clients together:
interactivebrokers.github.io/tws-api/historical_limitations.html. They hold for bars of 30 seconds and less; IBKR
slows larger ones down, which it does not announce, and the gateway answers at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from core.clock import Clock
from gateway.data.contracts import local_symbol
from gateway.data.hours import SECOND, moment_of
from gateway.data.refused import Refused, hmds
from gateway.data.spans import parse_bar_size
from gateway.model import Instrument, Values

MESSAGES = 50  # a second, by each client
VIOLATIONS = 3  # after so many TWS ends the connection
SMALL_BARS = 30  # seconds
SAME_AGAIN = 15 * SECOND  # an identical request must wait as long
BURST, BURST_WINDOW = 6, 2 * SECOND  # so many for one contract, exchange and kind of price are too many
LONG_RUN, LONG_WINDOW = 60, 600 * SECOND  # more than these are too many
OPEN = 50  # requests at the same time
PACING = "Historical data request pacing violation"
_KEYS = ("endDateTime", "durationStr", "barSizeSetting", "whatToShow", "useRTH", "formatDate", "keepUpToDate")


class MessageRate:
    """Messages of one client within the last second of ``clock``.

    Clients send in real time: give a clock that runs as theirs do, not the one of the replayed day.
    """

    def __init__(self, clock: Clock, limit: int = MESSAGES) -> None:
        self.limit = limit
        self.violations = 0
        self._clock = clock
        self._sent: deque[int] = deque()
        self._told_until = 0

    @property
    def is_over(self) -> bool:
        """Whether TWS would end the connection."""
        return self.violations >= VIOLATIONS

    def message(self) -> Refused | None:
        """Count a message: error 100 where it is one too many. One second's surplus counts as one violation."""
        now = moment_of(self._clock.now())
        sent = self._sent
        sent.append(now)
        while sent[0] <= now - SECOND:
            sent.popleft()
        if len(sent) <= self.limit or now < self._told_until:
            return None
        self.violations += 1
        self._told_until = now + SECOND
        return Refused(
            100,
            f"Max rate of messages per second has been exceeded:max={self.limit} rec={len(sent)} ({self.violations})",
        )


class HistoricalPacing:
    """Historical requests of all clients, by the gateway's ``clock``. A request that is refused counts, too, as at
    IBKR."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._same: dict[Hashable, int] = {}  # request -> when it was made last
        self._bursts: dict[Hashable, deque[int]] = {}
        self._run: deque[int] = deque()
        self._open: set[tuple[Hashable, int]] = set()

    def begin(self, client: Hashable, request: Values, instrument: Instrument) -> None:
        """Count a request of bars, which stays open until ``end``. Raises Refused: 162 (pacing) or 322 (too many,
        twice)."""
        key = client, int(request["reqId"])
        if key in self._open:
            raise Refused(
                322,
                "Error processing request.-'bK' : cause - Duplicate ticker ID for API historical data query: "
                f"{key[1]} {local_symbol(instrument)}",
            )
        if len(self._open) >= OPEN:
            raise Refused(
                322,
                "Error processing request.-'bK' : cause - "
                f"Only {OPEN} simultaneous API historical data requests allowed.",
            )
        if parse_bar_size(str(request["barSizeSetting"])) <= SMALL_BARS:
            self._check(request, instrument)
        self._open.add(key)

    def end(self, client: Hashable, req_id: int) -> bool:
        """The request is answered or cancelled; return whether it was open."""
        there = (client, req_id) in self._open
        self._open.discard((client, req_id))
        return there

    def drop(self, client: Hashable) -> None:
        """A client has left."""
        self._open = {key for key in self._open if key[0] != client}

    def _check(self, request: Values, instrument: Instrument) -> None:
        now = moment_of(self._clock.now())
        exchange = str(request["contract"].get("exchange") or instrument.exchange)
        kind = str(request.get("whatToShow") or "TRADES").upper()
        weight = 2 if kind == "BID_ASK" else 1
        same = (instrument.con_id, exchange, *(str(request.get(name) or "") for name in _KEYS))
        burst = self._bursts.setdefault((instrument.con_id, exchange, kind), deque())
        before = self._same.get(same)
        self._same[same] = now
        for window, length in ((burst, BURST_WINDOW), (self._run, LONG_WINDOW)):
            window.extend([now] * weight)
            while window[0] <= now - length:
                window.popleft()
        if len(self._same) > 4 * LONG_RUN:
            self._same = {each: when for each, when in self._same.items() if when > now - SAME_AGAIN}
        is_same = before is not None and now - before < SAME_AGAIN
        if is_same or len(burst) >= BURST or len(self._run) > LONG_RUN:
            raise hmds(PACING)
