"""The bus hands every event to everybody, whatever one of them does."""

from __future__ import annotations

import datetime as dt
import json
import math
import threading
from dataclasses import fields

import pytest

from books.event_writer import EventWriter
from books.journal import EventKind, Journal
from core.events import (
    Bus,
    Connection,
    ConnectionEvent,
    DrawdownEvent,
    DriftEvent,
    ExceptionEvent,
    FillEvent,
    HaltEvent,
    LegsEvent,
    Level,
    MonitorEvent,
    OrderEvent,
    ProtectionEvent,
    RefusalEvent,
)  # fmt: skip

NOON = dt.datetime(2024, 6, 12, 12, tzinfo=dt.UTC)
EVENTS = [
    ConnectionEvent(at=NOON, state=Connection.LOST, text="1100", code=1100),
    OrderEvent(
        at=NOON, ref="hl.x.u.t.l.1", unit="u", symbol="BAC", action="BUY", quantity=10.0, filled=0.0, state="sent"
    ),
    FillEvent(at=NOON, ref="hl.x.u.t.l.1", unit="u", symbol="BAC", action="BUY", shares=1.0, price=2.0, exec_id="a.01"),
    RefusalEvent(at=NOON, unit="u", symbol="BAC", by="gate", reason="killed"),
    HaltEvent(
        at=NOON, symbol="BAC", cause="position", text="100 found", expected=0.0, found=100.0, commands=("a", "b")
    ),
    DrawdownEvent(at=NOON, equity_eur=79.0, peak_eur=100.0, limit=0.2),
    DriftEvent(at=NOON, what="cash EUR", book=100.0, reported=93.0, moved=-7.0),
    ExceptionEvent(at=NOON, where="here", error="ValueError", text="why"),
    ProtectionEvent(at=NOON, unit="u", symbol="BAC", size=-10.0, seconds=10.0),
    LegsEvent(at=NOON, unit="u", trade="u@1", phase="unwound", naked_eur=950.0, legs=("A 10 of 10", "B 0 of 20")),
]


def test_every_kind_of_event_is_a_kind_of_the_journal() -> None:
    assert {type(event).__name__ for event in EVENTS} == {kind.__name__ for kind in MonitorEvent.__subclasses__()}
    with Journal("journal.sqlite") as journal:
        bus = Bus()
        bus.subscribe(EventWriter(journal))
        for event in EVENTS:
            bus.publish(event)
        read = journal.read()
    assert [e.kind for e in read] == [EventKind(event.kind) for event in EVENTS]
    assert {e.when for e in read} == {NOON}
    assert read[4].payload["commands"] == ["a", "b"] and read[0].payload["state"] == "lost"
    for event, line in zip(EVENTS, read, strict=True):
        assert set(line.payload) == {f.name for f in fields(event)} - {"at"}


def test_payloads_are_json_whatever_the_numbers() -> None:
    event = DrawdownEvent(at=NOON, equity_eur=math.nan, peak_eur=math.inf)
    assert json.loads(json.dumps(event.payload(), allow_nan=False))["equity_eur"] is None


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (EVENTS[0], Level.WARNING),
        (ConnectionEvent(at=NOON, state=Connection.REFUSED), Level.CRITICAL),
        (ConnectionEvent(at=NOON, state=Connection.SYNCHRONISED), Level.INFO),
        (EVENTS[1], Level.INFO),
        (EVENTS[2], Level.INFO),
        (EVENTS[3], Level.WARNING),
        (EVENTS[4], Level.CRITICAL),
        (EVENTS[-1], Level.WARNING),
        (HaltEvent(at=NOON, symbol="", cause="person", text="", is_released=True), Level.INFO),
        (EVENTS[5], Level.CRITICAL),
        (DrawdownEvent(at=NOON, equity_eur=90.0, peak_eur=100.0, limit=0.2), Level.WARNING),
    ],
)
def test_levels(event: MonitorEvent, level: Level) -> None:
    assert event.level is level


def test_subscribers_get_their_kinds_until_they_end() -> None:
    bus, seen, all_seen = Bus(), list[MonitorEvent](), list[MonitorEvent]()
    end = bus.subscribe(seen.append, [HaltEvent])
    bus.subscribe(all_seen.append)
    for event in EVENTS:
        bus.publish(event)
    end()
    bus.publish(EVENTS[4])
    assert seen == [EVENTS[4]]
    assert all_seen == [*EVENTS, EVENTS[4]]


def test_a_failing_subscriber_is_told_to_the_others_and_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    bus, seen = Bus(), list[MonitorEvent]()

    def fails(event: MonitorEvent) -> None:
        raise ValueError(f"cannot take {event.kind}")

    bus.subscribe(fails)
    bus.subscribe(fails)
    bus.subscribe(seen.append)
    bus.publish(EVENTS[0])
    assert EVENTS[0] in seen
    told = [event for event in seen if isinstance(event, ExceptionEvent)]
    assert told and told[0].error == "ValueError" and "cannot take connection" in told[0].text
    assert "a subscriber of the connection events failed" in caplog.text


def test_threads_may_publish_and_subscribe_at_once() -> None:
    bus, seen = Bus(), list[MonitorEvent]()
    bus.subscribe(seen.append)

    def work() -> None:
        for _ in range(200):
            bus.subscribe(lambda event: None)()
            bus.publish(EVENTS[0])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 800
