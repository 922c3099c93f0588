"""The disk fills up in the middle of a session: nothing that is not written is sent, nothing is lost, and it goes on.

The disk is full for this process alone, by the limit of the system on the size of files, so every file meets it.
"""

from __future__ import annotations

import datetime as dt
import resource
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from books.intents import read_book
from books.journal import Journal
from core.events import ExceptionEvent, FillEvent, HaltEvent, MonitorEvent, OrderEvent, RefusalEvent
from gateway import Gateway
from live.places import Places
from live.rehearsal import rehearsal_settings, rehearsal_store
from live.session import LiveSession
from live.summary import SessionSummary

PLACES = Places.of("state", "DU1234567")
SMALL = 4096  # bytes: files that are there already are longer


def at(hour: int, minute: int) -> dt.datetime:
    return dt.datetime(2024, 6, 12, hour, minute, tzinfo=dt.UTC)


class Disk:
    """Full or not. The hard limit stays, so it can be undone."""

    def fill(self) -> None:
        self._limit(SMALL)

    def free(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    @staticmethod
    def _limit(size: int) -> None:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size == resource.RLIM_INFINITY else size, hard))


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    yield made
    made.free()


@dataclass
class Day:
    """A gateway in lockstep, and what the bus told."""

    tws: Gateway
    events: list[MonitorEvent] = field(default_factory=list)

    def run(self, until: dt.datetime, marked: Any = None, heard: Any = None) -> SessionSummary:
        settings = rehearsal_settings()
        session = LiveSession(
            settings, store=rehearsal_store(self.tws, settings), clock=self.tws.tws.clock, lockstep=True, until=until,
            marked=marked,
        )  # fmt: skip
        session.bus.subscribe(self.events.append)
        if heard is not None:
            session.bus.subscribe(heard)
        return session.run()

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def executions(self) -> list[tuple[str, str, float]]:
        return self.tws.call(
            lambda tws: [
                (e.order.terms["orderRef"].split(".")[2], e.order.terms["action"], e.shares)
                for e in tws.market.executions
            ]
        )

    def working(self) -> list[str]:
        return self.tws.call(lambda tws: [order.terms["orderType"] for order in tws.market.open_orders()])

    def nothing_is_lost(self, found: SessionSummary) -> None:
        """Journal, book and broker agree, and no order was sent twice."""
        assert found.cash == pytest.approx(found.reported_cash, abs=0.005)
        book = read_book(PLACES.intents)
        refs = self.tws.call(lambda tws: [order.terms["orderRef"] for order in tws.market.orders.values()])
        assert len(set(refs)) == len(refs) and set(refs) <= set(book.orders)
        shares = sum(shares for *_, shares in self.executions())
        assert sum(order.filled for order in book.orders.values()) == shares
        assert not book.halts and not book.unresolved()


@pytest.fixture
def day() -> Iterator[Day]:
    with Gateway.sample(speed="max") as tws:
        yield Day(tws)


def test_exits_wait_for_room_and_protection_stays(day: Day, disk: Disk) -> None:
    """The position of 13:31 would be closed at 13:39; there is room at 13:55."""

    def marked(when: dt.datetime, broker: Any) -> None:
        if when == at(13, 33):
            disk.fill()
        if when == at(13, 54):
            assert day.working() == ["STP"] and len(day.executions()) == 1
        if when == at(13, 55):
            disk.free()

    found = day.run(at(14, 20), marked)
    day.nothing_is_lost(found)
    refused = day.of(RefusalEvent)
    assert {event.reason for event in refused} == {"not_sent"}
    assert [event.at.minute for event in refused] == [39, 54]  # one a minute: the first is told, then after 15
    assert "check the disk and its free space" in refused[0].text
    closed = [event for event in day.of(FillEvent) if event.unit == "meanrev" and event.action == "BUY"]
    assert len(closed) == 1 and at(13, 55) <= closed[0].at < at(13, 56)
    assert [event for event in day.executions() if event[0] == "pairs"]  # entries go on as well
    halts = [event for event in day.of(HaltEvent) if event.cause == "journal"]
    assert [event.is_released for event in halts] == [False, True]
    assert "is not sent, exits neither; protective orders work on" in halts[0].text
    assert len(day.of(ExceptionEvent)) <= 4  # record, event journal, state, intent journal: once each


def test_what_happened_meanwhile_is_in_the_event_journal_afterwards(day: Day, disk: Disk) -> None:
    def marked(when: dt.datetime, broker: Any) -> None:
        if when == at(13, 33):
            disk.fill()
        if when == at(13, 45):
            disk.free()

    day.run(at(13, 50), marked)
    with Journal(PLACES.events) as journal:
        written = [(event.kind, event.when) for event in journal.read() if event.kind != "trade"]
    own = "subscriber EventWriter"  # that it fails is told to the others
    told = [(event.kind, event.at) for event in day.events if getattr(event, "where", "") != own]
    assert written == told


def test_a_fill_that_cannot_be_written_counts_all_the_same(day: Day, disk: Disk) -> None:
    """The disk fills up between an entry and its fill."""
    held: list[float] = []

    def heard(event: MonitorEvent) -> None:
        if isinstance(event, OrderEvent) and event.state == "working" and event.role == "entry" and not held:
            disk.fill()

    def marked(when: dt.datetime, broker: Any) -> None:
        if when == at(13, 34):
            held.extend(position.size for position in broker.positions.values() if position.size)
            assert read_book(PLACES.intents).unit_positions() == {}  # the disk does not know yet
            disk.free()

    found = day.run(at(14, 20), marked, heard)
    assert len(held) == 1 and held[0] < 0  # the book knew
    assert len([event for event in day.of(FillEvent) if event.at < at(13, 35)]) == 1  # told once
    day.nothing_is_lost(found)


def test_a_session_that_ends_on_a_full_disk_ends_in_order_and_the_next_goes_on(day: Day, disk: Disk) -> None:
    def marked(when: dt.datetime, broker: Any) -> None:
        if when == at(13, 33):
            disk.fill()

    found = day.run(at(13, 45), marked)
    assert found.units[0].positions and day.working() == ["STP"]
    disk.free()
    day.events.clear()
    day.nothing_is_lost(day.run(at(14, 20)))
    closed = [event for event in day.of(FillEvent) if event.unit == "meanrev"]
    assert closed[0].action == "BUY" and not day.of(ExceptionEvent)  # the short position was closed, then others came
