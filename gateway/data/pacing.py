"""IBKR's limits of requests: messages a second of a client, and historical data of small bars.

Historical limits are those of the log-in, so of all clients together, and hold for bars of 30 seconds and less, ticks
and real-time bars: interactivebrokers.github.io/tws-api/historical_limitations.html. IBKR slows larger bars down, which
it does not announce; the gateway answers them at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from core.clock import Clock
from gateway.data.clock import AcceleratedClock
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
_FIELDS = (
    "endDateTime durationStr barSizeSetting whatToShow useRTH useRth formatDate keepUpToDate startDateTime "
    "numberOfTicks ignoreSize"
).split()


class MessageRate:
    """Messages of one client: at most ``limit`` in ``seconds`` of ``clock``.

    Clients send in real time: give a clock that runs as theirs does, not the one of the replayed day.
    """

    def __init__(self, clock: Clock, limit: int = MESSAGES, seconds: float = 1.0) -> None:
        self.limit = limit
        self.violations = 0
        self._clock = clock
        self._window = round(seconds * SECOND)
        self._sent: deque[int] = deque()
        self._told_until: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether TWS would end the connection: it does at the third violation."""
        return self.violations >= VIOLATIONS

    def message(self) -> Refused | None:
        """Count a message: error 100 where it is one too many. The surplus of one window is one violation."""
        now = moment_of(self._clock.now())
        sent = _counted(self._sent, now, 1, self._window)
        if len(sent) <= self.limit or (self._told_until is not None and now < self._told_until):
            return None
        self.violations += 1
        self._told_until = now + self._window
        return Refused(
            100,
            f"Max rate of messages per second has been exceeded:max={self.limit} rec={len(sent)} ({self.violations})",
        )


class HistoricalPacing:
    """Historical requests of all clients. One that is refused counts, too, as at IBKR.

    ``clock``: the gateway's; of an accelerated one that on which it runs, for clients wait in real time.
    ``run_limit`` requests in ``run_window`` microseconds may be changed.
    """

    def __init__(self, clock: Clock) -> None:
        self.run_limit, self.run_window = LONG_RUN, LONG_WINDOW
        self._clock: Clock = clock.base if isinstance(clock, AcceleratedClock) else clock
        self._same: dict[Hashable, int] = {}  # request -> when it was made last
        self._bursts: dict[Hashable, deque[int]] = {}
        self._run: deque[int] = deque()
        self._open: set[tuple[Hashable, int]] = set()

    def begin(self, client: Hashable, request: Values, instrument: Instrument) -> None:
        """Count a request of bars, which stays open until ``end``. Raises Refused: 162 pacing, 321, 322 too many open
        or a reqId twice."""
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
        self.count(request, instrument)
        self._open.add(key)

    def end(self, client: Hashable, req_id: int) -> bool:
        """The request is answered or cancelled; return whether it was open."""
        there = (client, req_id) in self._open
        self._open.discard((client, req_id))
        return there

    def drop(self, client: Hashable) -> None:
        """A client has left; what it has asked for still counts."""
        self._open = {key for key in self._open if key[0] != client}

    def count(self, request: Values, instrument: Instrument) -> None:
        """Count a request of bars, ticks or real-time bars. Raises Refused: 162, pacing violation, or 321."""
        if "barSizeSetting" in request and parse_bar_size(str(request["barSizeSetting"])) > SMALL_BARS:
            return
        now = moment_of(self._clock.now())
        exchange = str(request["contract"].get("exchange") or instrument.exchange)
        kind = str(request.get("whatToShow") or "TRADES").upper()
        subject = (instrument.con_id, exchange, kind)
        weight = 2 if kind == "BID_ASK" else 1
        burst = self._bursts.setdefault(subject, deque())
        many = len(_counted(burst, now, weight, BURST_WINDOW)) >= BURST
        many |= len(_counted(self._run, now, weight, self.run_window)) > self.run_limit
        if "barSize" not in request:  # real-time bars may be asked for again at once
            same = (subject, *(str(request.get(name) or "") for name in _FIELDS))
            before, self._same[same] = self._same.get(same), now
            many |= before is not None and now - before < SAME_AGAIN
            if len(self._same) > 4 * LONG_RUN:
                self._same = {each: when for each, when in self._same.items() if now - when < SAME_AGAIN}
        if many:
            raise hmds(PACING)


def _counted(window: deque[int], now: int, weight: int, length: int) -> deque[int]:
    """The moments of a window that ends now, with ``weight`` more."""
    window.extend([now] * weight)
    while window[0] <= now - length:
        window.popleft()
    return window
