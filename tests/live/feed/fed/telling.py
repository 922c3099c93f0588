"""A store that tells pieces of bars when it is told to, and has all of them as history."""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from core.clock import VirtualClock
from core.errors import UnansweredError
from stores import Instrument
from stores.events import BarArrived, ConnectionState, Event, StreamChanged, StreamState
from stores.outlet import Outlet
from stores.records import HistoryBar

OPEN = dt.datetime(2024, 7, 3, 13, 30, tzinfo=dt.UTC)  # a session that closes at 17:00
FIVE, MINUTE = dt.timedelta(seconds=5), dt.timedelta(minutes=1)


def instrument(con_id: int, symbol: str) -> Instrument:
    return Instrument(
        con_id, symbol, "STK", "SMART", "USD", "NYSE", symbol, symbol, 1.0, 0.01, 26, symbol, "US/Eastern",
        frozenset({"LMT", "MKT"}), (), (),
    )  # fmt: skip


def piece(stream: int, start: dt.datetime, price: float, volume: float = 10.0, **changes: Any) -> BarArrived:
    """A bar of 5 seconds of one price."""
    values = {"open": price, "high": price, "low": price, "close": price} | changes
    return BarArrived(
        stream, stream, start, 5, **values, volume=volume, wap=None, count=int(volume > 0), source="realtime"
    )


@dataclass
class Telling:
    """``plan``: what comes when. Each question for the time moves the clock by ``step`` seconds, or to the next of the
    plan where that is less."""

    clock: VirtualClock = field(default_factory=lambda: VirtualClock(OPEN - MINUTE))
    events: Outlet[Event] = field(default_factory=Outlet)
    state: ConnectionState = ConnectionState.READY
    truth: dict[int, list[BarArrived]] = field(default_factory=dict)  # con_id -> all pieces with a trade
    failures: list[bool] = field(default_factory=list)  # of the next requests for history
    lacks: list[bool] = field(default_factory=list)  # whether the next answers lack their last bar
    asked: list[tuple[int, dt.datetime, str]] = field(default_factory=list)
    revived: list[int] = field(default_factory=list)
    farm: bool = True
    step: float = 0.5
    skew: dt.timedelta = dt.timedelta(0)  # of IBKR's clock
    plan: list[tuple[dt.datetime, int, Event]] = field(default_factory=list)
    _count: Any = field(default_factory=itertools.count)

    def at(self, when: dt.datetime, event: Event) -> None:
        heapq.heappush(self.plan, (when, next(self._count), event))

    # -- what the hub calls ---------------------------------------------------------------------------------------

    def current_time(self, timeout: float | None = None) -> dt.datetime:
        if self.plan:
            when = max(self.plan[0][0], self.clock.now())
            when = min(when, self.clock.now() + dt.timedelta(seconds=self.step))
            self.clock.set(when)
            while self.plan and self.plan[0][0] <= when:
                self.events.put(heapq.heappop(self.plan)[2])
        return (self.clock.now() + self.skew).replace(microsecond=0)

    def subscribe_bars(self, wanted: Instrument, **options: Any) -> int:
        self.events.put(StreamChanged(wanted.con_id, wanted.con_id, StreamState.LIVE, self.clock.now()))
        return wanted.con_id

    def unsubscribe(self, handle: int) -> None:
        self.revived = [each for each in self.revived if each != handle]

    def resubscribe(self, handle: int) -> None:
        self.revived.append(handle)

    def farms(self) -> dict[tuple[str, str], bool]:
        return {("history", "ushmds"): self.farm}

    def history(
        self, wanted: Instrument, *, duration: str, bar: str, end: dt.datetime | None = None, what: str = "TRADES",
        rth: bool = True,
    ) -> list[HistoryBar]:  # fmt: skip
        assert (bar, what, rth) == ("1 min", "TRADES", True) and end is not None
        self.asked.append((wanted.con_id, end, duration))
        if self.failures and self.failures.pop(0):
            raise UnansweredError("no answer")
        count, unit = duration.split()
        span = dt.timedelta(seconds=int(count)) if unit == "S" else dt.timedelta(days=9)
        last = min(end, self.clock.now())
        rows = minutes(each for each in self.truth.get(wanted.con_id, ()) if end - span <= each.start < last)
        if self.lacks and self.lacks.pop(0):
            del rows[-1:]
        return rows


def minutes(pieces: Iterable[BarArrived]) -> list[HistoryBar]:
    """Bars of a minute, made by hand."""
    by_start: dict[dt.datetime, list[BarArrived]] = {}
    for each in sorted(pieces, key=lambda one: one.start):
        by_start.setdefault(each.start.replace(second=0), []).append(each)
    return [
        HistoryBar(
            start, rows[0].open, max(row.high for row in rows), min(row.low for row in rows), rows[-1].close,
            sum(row.volume for row in rows), None, len(rows),
        )
        for start, rows in by_start.items()
    ]  # fmt: skip
