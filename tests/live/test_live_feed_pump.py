"""The pump: who hears what, timers by the clock, and how time moves in lockstep with the paper gateway."""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import dataclass, field

import pytest

from core.clock import VirtualClock
from gateway import Gateway
from live.pump import STANDSTILL, EventPump
from stores import ContractSpec, IBStore, StoreSettings
from stores.errors import NotSentError
from stores.events import (
    BarArrived,
    ConnectionChanged,
    ConnectionState,
    Event,
    FarmChanged,
    OrderTwinned,
    Synchronised,
)
from stores.outlet import Outlet

T0 = dt.datetime(2024, 6, 12, 14, 0, tzinfo=dt.UTC)
FARM = FarmChanged("market", "usfarm", True, 2104, T0)
TWIN = OrderTwinned("ref", (1, 2))


@dataclass
class Told:
    """A store that tells what it is given; each question for the time does the next of ``steps``."""

    clock: VirtualClock = field(default_factory=lambda: VirtualClock(T0))
    events: Outlet[Event] = field(default_factory=Outlet)
    state: ConnectionState = ConnectionState.READY
    steps: list[Event | float | Exception] = field(default_factory=list)
    asked: int = 0

    def current_time(self, timeout: float | None = None) -> dt.datetime:
        self.asked += 1
        step = self.steps.pop(0) if self.steps else 0.0
        if isinstance(step, Exception):
            raise step
        if isinstance(step, float):
            self.clock.sleep(step)
        else:
            self.events.put(step)
        return self.clock.now()


def test_events_come_to_those_who_asked_for_their_kind_in_order() -> None:
    store, heard = Told(), list[object]()
    pump = EventPump(store)
    pump.on(FarmChanged, lambda event: heard.append(("one", event)))
    off = pump.on(FarmChanged, lambda event: heard.append(("two", event)))
    pump.on(OrderTwinned, heard.append)
    for event in (FARM, TWIN):
        store.events.put(event)
    assert pump.pump(0.0) and heard == [("one", FARM), ("two", FARM), TWIN]
    off()
    store.events.put(FARM)
    assert pump.pump(0.0) and heard[3:] == [("one", FARM)]
    assert not pump.pump(0.0) and pump.handled == 3


def test_bars_that_come_go_first_and_timers_follow() -> None:
    store, done, bars = Told(), list[str](), list[object]()
    pump = EventPump(store)
    pump.bars_wait = lambda: bool(bars)
    pump.on(TWIN.__class__, bars.append)
    pump.on(FarmChanged, lambda event: done.append("event"))
    pump.call_at(T0, lambda: done.append("timer"))
    pump.post(lambda: done.append("posted"))
    store.events.put(TWIN)
    store.events.put(FARM)
    assert pump.pump(0.0) and done == ["event"]  # all that was told, and the graph has its bar
    assert pump.pump(0.0) and done == ["event", "posted", "timer"]  # even where it leaves the bar
    bars.clear()
    pump.post(lambda: done.append("later"))
    assert pump.pump(0.0) and done[3:] == ["later"]


def test_what_a_handler_raises_leaves_the_rest_in_the_queue() -> None:
    store, heard = Told(), list[object]()
    pump = EventPump(store)

    def fail(event: FarmChanged) -> None:
        raise RuntimeError("no")

    pump.on(FarmChanged, fail)
    pump.on(OrderTwinned, heard.append)
    for event in (FARM, TWIN):
        store.events.put(event)
    with pytest.raises(RuntimeError):
        pump.pump(0.0)
    assert pump.pump(0.0) and heard == [TWIN]


class Arriving(Outlet[Event]):
    """Two events come as soon as somebody waits."""

    waits = 0

    def get(self, timeout: float | None = None) -> Event | None:
        if timeout != 0:
            self.waits += 1
            self.put(FARM)
            self.put(TWIN)
        return super().get(timeout)


def test_it_waits_for_the_first_event_and_no_longer() -> None:
    store, events, heard = Told(), Arriving(), list[Event]()
    store.events = events
    pump = EventPump(store)
    pump.on(FarmChanged, heard.append)
    pump.on(OrderTwinned, heard.append)
    assert pump.pump(30.0) and heard == [FARM, TWIN] and events.waits == 1


def test_another_thread_may_hand_something_over() -> None:
    store, done = Told(), list[int]()
    pump = EventPump(store)
    threading.Timer(0.05, pump.post, (lambda: done.append(threading.get_ident()),)).start()
    assert pump.pump(30.0) and done == [threading.get_ident()]
    pump.post(lambda: done.append(0))
    store.events.put(FARM)
    assert list(store.events.drain()) == [FARM] and pump.pump(0.0) and done[-1] == 0


def test_timers_go_off_by_the_clock_in_order_and_can_be_taken_back() -> None:
    store, done = Told(), list[str]()
    pump = EventPump(store)
    pump.call_later(5.0, lambda: done.append("five"))
    pump.call_at(T0 + dt.timedelta(seconds=2), lambda: done.append("two"))
    pump.call_later(2.0, lambda: done.append("two, too"))
    pump.call_later(1.0, lambda: done.append("never")).cancel()
    assert pump.next_due == T0 + dt.timedelta(seconds=2)
    assert not pump.pump(0.0)
    store.clock.sleep(5.0)
    assert pump.pump(0.0) and done == ["two", "two, too", "five"] and pump.next_due is None


def test_a_timer_may_set_another_one() -> None:
    store, done = Told(), list[int]()
    pump = EventPump(store)
    pump.call_later(0.0, lambda: pump.call_later(0.0, lambda: done.append(1)))
    assert pump.pump(0.0) and done == [1]


def test_in_lockstep_time_moves_only_when_nothing_is_left_and_nobody_holds_it() -> None:
    store, heard = Told(steps=[FARM, 5.0]), list[object]()
    pump = EventPump(store, lockstep=True)
    pump.on(FarmChanged, heard.append)
    store.events.put(TWIN)
    assert pump.pump(9.0) and store.asked == 0
    assert pump.pump(9.0) and store.asked == 1 and heard == [FARM]
    held = [True]
    pump.holds.append(lambda: held[0])
    assert not pump.pump(9.0) and store.asked == 1
    held[0] = False
    pump.call_later(4.0, lambda: heard.append("timer"))
    assert pump.pump(9.0) and store.asked == 2 and heard == [FARM, "timer"]


def test_in_lockstep_a_lost_connection_is_waited_for() -> None:
    store = Told(steps=[NotSentError("gone")])
    pump = EventPump(store, lockstep=True)
    assert not pump.pump(9.0)
    store.state = ConnectionState.DISCONNECTED
    assert not pump.pump(9.0) and store.asked == 1
    store.events.put(ConnectionChanged(ConnectionState.READY, T0))
    assert pump.pump(9.0)
    store.state = ConnectionState.BROKEN  # 1100: the socket stands, and time goes on
    pump.pump(9.0)
    assert store.asked == 2


def test_time_that_does_not_move_any_more_is_told() -> None:
    store, told = Told(), list[int]()
    pump = EventPump(store, lockstep=True)
    pump.when_still.append(lambda: told.append(store.asked))
    for _ in range(2 * STANDSTILL + 1):
        pump.pump(0.0)
    assert told == [STANDSTILL, 2 * STANDSTILL] and pump.is_still
    assert not pump.pump_until(lambda: False, 60.0)
    store.steps = [1.0]
    pump.pump(0.0)
    assert not pump.is_still


def test_pump_until_gives_up_after_so_many_seconds_of_the_clock() -> None:
    store = Told(steps=[10.0] * 9)
    pump = EventPump(store, lockstep=True)
    assert not pump.pump_until(lambda: False, 30.0) and store.asked == 3
    assert pump.pump_until(lambda: True, 0.0)


def test_a_stretch_of_the_gateways_day_in_lockstep_is_the_same_each_time() -> None:
    def play() -> list[tuple[dt.datetime, float]]:
        with Gateway.sample(speed="max") as tws:
            settings = StoreSettings(port=tws.port, heartbeat=0.0, messages_per_second=0, resubscribe_after=0.0)
            with IBStore(settings, tws.tws.clock) as store:
                pump, bars = EventPump(store, lockstep=True), list[BarArrived]()
                ready = list[Synchronised]()
                pump.on(BarArrived, bars.append)
                pump.on(Synchronised, ready.append)
                assert pump.pump_until(lambda: bool(ready), 10.0)
                store.subscribe_bars(store.qualify(ContractSpec("XMPLA")))
                assert pump.pump_until(lambda: len(bars) >= 100, 3600.0)
                assert all(0 <= (store.clock.now() - each.end).total_seconds() for each in bars[-1:])
                return [(each.start, each.close) for each in bars[:100]]

    first = play()
    assert first == play() and [each[0] for each in first] == sorted({each[0] for each in first})
