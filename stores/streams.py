"""Subscriptions to market data. The handle of a stream stays; what IBKR knows it by is new with each subscribing."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from stores.events import BarArrived, StreamChanged, StreamState, TickArrived
from stores.records import Instrument

Put = Callable[[BarArrived | StreamChanged | TickArrived], None]
BAR_SECONDS = {
    "1 secs": 1, "5 secs": 5, "10 secs": 10, "15 secs": 15, "30 secs": 30, "1 min": 60, "2 mins": 120, "3 mins": 180,
    "5 mins": 300, "10 mins": 600, "15 mins": 900, "20 mins": 1200, "30 mins": 1800, "1 hour": 3600, "2 hours": 7200,
    "3 hours": 10800, "4 hours": 14400, "8 hours": 28800, "1 day": 86400,
}  # fmt: skip
REALTIME, UPDATES, QUOTES = "realtime", "update", "quotes"


@dataclass(slots=True)
class Stream:
    """``kind``: realtime (5-second bars), update (keepUpToDate of ``bar``), quotes (``generic``: IBKR's tick list).

    ``growing``: bars of keepUpToDate are told of while they grow, too.
    """

    handle: int
    instrument: Instrument
    kind: str
    what: str = "TRADES"
    rth: bool = True
    bar: str = "5 secs"
    duration: str = "1 D"
    generic: str = ""
    growing: bool = False
    req_id: int = 0  # 0: not subscribed at present
    state: StreamState = StreamState.ASKED
    last: dt.datetime | None = None  # start of the last complete bar that was told
    grows: BarArrived | None = None
    whole_from: dt.datetime | None = None  # the end of an outage: bars of keepUpToDate that begin before may lack some
    heard: dt.datetime | None = None  # when anything came last, by the store's clock
    failures: int = 0  # in a row, since anything came


class Streams:
    """handle -> stream, and which id IBKR has for it now."""

    def __init__(self, put: Put, now: Callable[[], dt.datetime]) -> None:
        self._put = put
        self._now = now
        self._handles = itertools.count(1)
        self.streams: dict[int, Stream] = {}
        self._by_request: dict[int, Stream] = {}

    def add(self, instrument: Instrument, kind: str, **options: Any) -> Stream:
        stream = Stream(next(self._handles), instrument, kind, **options)
        self.streams[stream.handle] = stream
        return stream

    def remove(self, handle: int) -> Stream | None:
        stream = self.streams.pop(handle, None)
        if stream is not None:
            self._by_request.pop(stream.req_id, None)
        return stream

    def asked(self, stream: Stream, req_id: int) -> None:
        """It is subscribed under an id."""
        self._by_request.pop(stream.req_id, None)
        stream.req_id, stream.grows, stream.whole_from = req_id, None, None
        self._by_request[req_id] = stream
        if stream.state is not StreamState.NOT_SUBSCRIBED:  # a refusal stands until something comes
            self.change(stream, StreamState.ASKED)

    def dropped(self, stream: Stream) -> None:
        """IBKR does not know it any more."""
        self._by_request.pop(stream.req_id, None)
        stream.req_id = 0

    def drop_all(self, why: str, code: int = 0) -> None:
        """The connection, or all subscriptions, are gone."""
        for stream in self.streams.values():
            self.dropped(stream)
            if stream.state is not StreamState.NOT_SUBSCRIBED:
                self.change(stream, StreamState.BROKEN, code, why)

    def mark_broken(self, why: str) -> None:
        """IBKR's servers are lost; the subscriptions may go on afterwards."""
        for stream in self.streams.values():
            if stream.state not in (StreamState.NOT_SUBSCRIBED, StreamState.ENDED):
                self.change(stream, StreamState.BROKEN, why=why)

    def of(self, req_id: int) -> Stream | None:
        return self._by_request.get(req_id)

    def change(self, stream: Stream, state: StreamState, code: int = 0, why: str = "") -> None:
        """Tell a new state, once; a refusal is not told again, whichever code repeats it."""
        if stream.state is not state or (code and state is not StreamState.NOT_SUBSCRIBED):
            stream.state = state
            self._put(StreamChanged(stream.handle, stream.instrument.con_id, state, self._now(), code, why))

    # -- what comes -----------------------------------------------------------------------------------------------

    def real_time(self, req_id: int, start: dt.datetime, prices: tuple[float, ...], wap: float, count: int) -> None:
        """A bar of 5 seconds. One that is not newer than the last is told all the same: order is the feed's matter."""
        stream = self._by_request.get(req_id)
        if stream is None:
            return
        self._alive(stream)
        stream.last = max(start, stream.last) if stream.last else start
        self._put(_bar(stream, start, 5, prices, wap, count, True))

    def updated(self, req_id: int, start: dt.datetime, prices: tuple[float, ...], wap: float, count: int) -> None:
        """A bar of keepUpToDate as it grows. The one before it is complete once a newer one begins, and is told then
        unless an outage fell into it."""
        stream = self._by_request.get(req_id)
        if stream is None:
            return
        before, now = stream.grows, self._now()
        if stream.state is StreamState.BROKEN:  # the outage is over, and it goes on without being asked for anew
            stream.whole_from = now
        self._alive(stream)
        bar = replace(_bar(stream, start, BAR_SECONDS[stream.bar], prices, wap, count, False), grown=now)
        if before is not None and start > before.start:
            stream.last = before.start
            if stream.whole_from is None or before.start >= stream.whole_from:
                self._put(replace(before, is_complete=True))
        if before is None or start >= before.start:
            stream.grows = bar
            if stream.growing:
                self._put(bar)

    def ticked(self, req_id: int, kind: int, value: float, size: float | None) -> None:
        stream = self._by_request.get(req_id)
        if stream is not None:
            now = self._now()
            stream.heard = now
            if stream.state in (StreamState.ASKED, StreamState.BROKEN, StreamState.NOT_SUBSCRIBED):
                self.change(stream, StreamState.LIVE)
            self._put(TickArrived(stream.handle, stream.instrument.con_id, kind, value, size, now))

    def data_type(self, req_id: int, kind: int) -> None:
        """marketDataType: 1 live, 2 frozen, 3 delayed, 4 delayed and frozen."""
        stream = self._by_request.get(req_id)
        if stream is not None:
            self.change(stream, StreamState.LIVE if kind <= 2 else StreamState.DELAYED)

    def _alive(self, stream: Stream) -> None:
        stream.heard, stream.failures = self._now(), 0
        if stream.state is not StreamState.DELAYED:
            self.change(stream, StreamState.LIVE)


def _bar(
    stream: Stream, start: dt.datetime, seconds: int, prices: tuple[float, ...], wap: float, count: int, whole: bool
) -> BarArrived:
    open_, high, low, close, volume = prices
    return BarArrived(
        stream.handle, stream.instrument.con_id, start, seconds, open_, high, low, close, max(volume, 0.0),
        wap if wap > 0 else None, count if count >= 0 else None, stream.kind, whole,
    )  # fmt: skip
