"""Live sessions on the paper gateway in lockstep: they stop in order, go on after a restart, and lose nothing."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from books.intents import IntentJournal, read_book
from books.journal import Journal
from core.errors import SessionError
from core.events import ExceptionEvent, FillEvent, MonitorEvent, RefusalEvent
from gateway import Gateway
from live.places import Places
from live.record_files import records_of
from live.rehearsal import rehearsal, rehearsal_settings, rehearsal_store
from live.replay import replay
from live.session import LiveSession
from live.summary import SessionSummary

PLACES = Places.of("state", "DU1234567")


def at(hour: int, minute: int) -> dt.datetime:
    """A moment of the sample's day, UTC; New York opens at 13:30."""
    return dt.datetime(2024, 6, 12, hour, minute, tzinfo=dt.UTC)


@dataclass
class Day:
    """A gateway that outlives the sessions on it."""

    tws: Gateway
    told: list[str] = field(default_factory=list)
    events: list[MonitorEvent] = field(default_factory=list)

    def run(self, until: dt.datetime, *changes: str, marked: Any = None) -> SessionSummary:
        settings = rehearsal_settings(changes)
        session = LiveSession(
            settings, store=rehearsal_store(self.tws, settings), clock=self.tws.tws.clock, lockstep=True, until=until,
            tell=self.told.append, marked=marked,
        )  # fmt: skip
        session.bus.subscribe(self.events.append)
        return session.run()

    def working(self) -> list[tuple[str, float, str, str]]:
        return self.tws.call(
            lambda tws: [
                (o.terms["action"], o.quantity, o.terms["orderType"], o.terms["tif"]) for o in tws.market.open_orders()
            ]
        )

    def orders(self) -> list[Any]:
        """All orders that the gateway ever saw: unit, action, quantity, type."""
        return self.tws.call(
            lambda tws: [
                (o.terms["orderRef"].split(".")[2], o.terms["action"], o.quantity, o.terms["orderType"])
                for o in tws.market.orders.values()
            ]
        )


def _sizes(tws: Any) -> dict[str, float]:
    sizes: dict[str, float] = {}
    for execution in tws.market.executions:
        symbol = execution.order.instrument.symbol
        sizes[symbol] = sizes.get(symbol, 0.0) + execution.order.sign * execution.shares
    return {symbol: size for symbol, size in sizes.items() if size}


@pytest.fixture
def day(request: pytest.FixtureRequest) -> Iterator[Day]:
    faults = getattr(request, "param", ())
    with Gateway.sample(speed="max", faults=faults) as tws:
        yield Day(tws)


# -- stopping ---------------------------------------------------------------------------------------------------------


def test_a_stop_keeps_the_position_and_its_protective_order(day: Day) -> None:
    found = day.run(at(13, 35))
    assert [unit.positions for unit in found.units] == [{"XMPLA": -323.0}, {}]
    assert day.working() == [("BUY", 323.0, "STP", "GTC")] and found.protective == 1
    assert found.why == "the session is stopping: its time is over" and found.cash == pytest.approx(found.reported_cash)
    book = read_book(PLACES.intents)
    assert book.unit_positions() == {("meanrev", 900_000_001): -323.0}
    assert [order.state for order in book.open_orders()] == ["working"]


def test_a_stop_flattens_where_the_settings_say_so(day: Day) -> None:
    found = day.run(at(13, 35), "live.on_stop=flatten")
    assert day.working() == [] and day.tws.call(_sizes) == {}
    assert [unit.positions for unit in found.units] == [{}, {}]
    assert not read_book(PLACES.intents).open_orders()


@pytest.mark.parametrize("day", [("on placeOrder 1: hold; pass",)], indirect=True)
def test_a_stop_cancels_an_entry_that_has_not_filled(day: Day) -> None:
    day.run(at(13, 33))
    assert day.working() == [] and day.tws.call(_sizes) == {}
    assert {str(order.state) for order in read_book(PLACES.intents).orders.values()} == {"cancelled"}


@pytest.mark.parametrize("day", [("on placeOrder 1: hold; pass",)], indirect=True)
def test_a_defect_ends_the_session_and_leaves_no_entry_behind(day: Day) -> None:
    def fail(when: dt.datetime, broker: Any) -> None:
        if when >= at(13, 33):
            raise ZeroDivisionError("a defect of a strategy")

    with pytest.raises(ZeroDivisionError):
        day.run(at(14, 0), marked=fail)
    assert day.working() == []
    assert [(event.error, event.text) for event in day.events if isinstance(event, ExceptionEvent)] == [
        ("ZeroDivisionError", "a defect of a strategy")
    ]
    found = day.run(at(13, 50))  # and the next one trades
    assert found.units[0].positions == {"XMPLA": 327.0}


# -- a restart --------------------------------------------------------------------------------------------------------


def test_a_session_that_was_stopped_goes_on_as_if_it_had_not_been(day: Day) -> None:
    until, undisturbed = at(14, 30), "state/undisturbed"
    with Gateway.sample(speed="max") as other:
        Day(other).run(until, f"paths.state={undisturbed}")
        expected = Day(other).orders()
    for stop in (at(13, 35), at(13, 50), until):  # two positions are carried over a restart
        day.run(stop)
    assert day.orders() == expected
    assert len(expected) == 12  # two round trips of meanrev, one of pairs: entries, stops, exits
    assert not read_book(PLACES.intents).halts and not day.tws.call(_sizes)


def test_interest_and_the_gate_go_on_after_a_restart(day: Day) -> None:
    day.run(at(13, 35))
    before = json.loads(PLACES.state.read_text(encoding="utf-8"))
    assert before["gate"]["session"] == "2024-06-12"
    before["account"]["unfilled"] = {"EUR": -12.5}
    before["account"]["interest_eur"] = -12.5
    PLACES.state.write_text(json.dumps(before), encoding="utf-8")
    found = day.run(at(13, 37))
    assert found.cash["EUR"] - found.reported_cash["EUR"] == pytest.approx(-12.5)
    after = json.loads(PLACES.state.read_text(encoding="utf-8"))
    assert after["account"]["interest_eur"] == -12.5 and after["account"]["unfilled"]["EUR"] == -12.5


def test_a_kill_switch_of_before_holds_until_a_person_ends_it(day: Day) -> None:
    day.run(at(13, 32))
    with IntentJournal(PLACES.intents, "DU1234567") as journal:
        journal.kill("somebody pulled it")
    day.events.clear()
    day.run(at(13, 50))
    assert any("the kill switch is latched (somebody pulled it)" in told for told in day.told)
    refused = [event for event in day.events if isinstance(event, RefusalEvent)]
    assert refused and {event.reason for event in refused} == {"killed"}
    sold = [event.action for event in day.events if isinstance(event, FillEvent)]
    assert set(sold) == {"BUY"}  # the exit of the short position, and no entry
    with IntentJournal(PLACES.intents, "DU1234567") as journal:
        journal.rearm("looked at it")
    day.run(at(14, 11))
    assert day.tws.call(_sizes)  # the pair was entered at 14:09


def test_a_damaged_state_is_named_with_its_cure(day: Day) -> None:
    day.run(at(13, 31) - dt.timedelta(seconds=20))
    PLACES.state.write_text('{"format": 1', encoding="utf-8")
    with pytest.raises(SessionError, match=r"state\.json: damaged .*put a copy from a backup back, or remove it"):
        day.run(at(13, 35))
    assert day.orders() == []


def test_a_journal_that_is_gone_is_missed(day: Day) -> None:
    day.run(at(13, 35))
    before, held = day.orders(), day.tws.call(_sizes)
    PLACES.intents.unlink()
    with pytest.raises(
        SessionError, match=r"intents\.sqlite is gone, while there is state\.json and .*newest copy back"
    ):
        day.run(at(13, 40))
    assert not PLACES.intents.exists() and day.orders() == before and day.tws.call(_sizes) == held


# -- what is left of a day --------------------------------------------------------------------------------------------


def test_every_run_of_a_day_replays_to_the_same_orders(day: Day) -> None:
    for stop in (at(13, 35), at(13, 50), at(14, 15)):
        day.run(stop)
    results = [replay(folder) for folder in records_of(PLACES.days, "2024-06-12")]
    assert len(results) == 3 and all(result.is_same for result in results), results
    assert sum(result.orders for result in results) == len(day.orders())


@pytest.mark.parametrize(
    "day",
    [
        ("order_dropped",),
        ("locate_hold:seconds=200",),
        pytest.param(("execution_busted",), marks=pytest.mark.slow),
        pytest.param(("drop_middle",), marks=pytest.mark.slow),
        pytest.param(("rejected_margin:n=3",), marks=pytest.mark.slow),
    ],
    indirect=True,
    ids=lambda faults: faults[0],
)
def test_a_day_on_which_something_went_wrong_replays_to_the_same_orders(day: Day) -> None:
    found = day.run(at(14, 15))
    assert found.cash == pytest.approx(found.reported_cash, abs=0.005)
    (folder,) = records_of(PLACES.days, "2024-06-12")
    result = replay(folder)
    assert result.is_same, result
    assert result.orders == len(read_book(PLACES.intents).orders)


def test_what_happened_is_in_the_event_journal(day: Day) -> None:
    day.run(at(13, 45))
    with Journal(PLACES.events) as journal:
        events = journal.read()
    kinds = [str(event.kind) for event in events]
    assert kinds.count("fill") >= 2 and kinds.count("trade") == 1 and "order" in kinds and "connection" in kinds
    (trade,) = [event.payload for event in events if event.kind == "trade"]
    assert (trade["strategy"], trade["instrument"], trade["side"], trade["exit_reason"]) == (
        "meanrev", "XMPLA", "short", "mean",
    )  # fmt: skip


def test_without_a_record_there_is_none(day: Day) -> None:
    day.run(at(13, 32), "live.record=false")
    assert not PLACES.days.exists()


# -- the rehearsal ----------------------------------------------------------------------------------------------------


def test_a_rehearsal_has_a_folder_of_its_own_each_time() -> None:
    for _ in range(2):
        with rehearsal(rehearsal_settings(), until=at(13, 32)) as (session, tws):
            session.run()
            assert tws.call(lambda state: len(state.market.orders)) == 2  # an entry and its stop
    assert len(list((PLACES.folder.parent.parent / "rehearsals").iterdir())) == 2


def test_a_rehearsal_of_other_instruments_says_what_to_do() -> None:
    settings = rehearsal_settings(["instruments.BAC.kind=stock", 'strategies.meanrev.instruments=["BAC"]'])
    with (
        pytest.raises(SessionError, match=r"XMPLA and XMPLB alone, and rehearsal trades BAC"),
        rehearsal(settings),
    ):
        pass
