"""The hub with arrivals in any order, twice, late or never: nothing lost, doubled, out of order, or without its leg."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from fed.playing import settings_of
from fed.telling import FIVE, MINUTE, OPEN, Telling, instrument, minutes, piece
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import SettingsError, UnknownNameError
from core.events import Bus, Connection, ConnectionEvent
from live.aligning import Step, groups_of
from live.hub import BarHub
from live.pump import EventPump
from live.status import Status
from stores.codes import Klass, Reaction
from stores.events import (
    BarArrived,
    ConnectionChanged,
    ConnectionState,
    ErrorReported,
    FarmChanged,
    StreamChanged,
    StreamState,
)
from stores.records import HistoryBar

SYMBOLS = ("XMPLA", "XMPLB")
BEFORE = dt.datetime(2024, 7, 2, 20, 0, tzinfo=dt.UTC)


class Desk:
    """A hub over a store that is told what to tell."""

    def __init__(self, symbols: tuple[str, ...] = SYMBOLS, alone: tuple[str, ...] = (), **live: Any) -> None:
        self.store = Telling()
        self.pump = EventPump(self.store, lockstep=True)
        self.bus, self.told = Bus(), list[ConnectionEvent]()
        self.bus.subscribe(self.told.append, [ConnectionEvent])  # type: ignore[arg-type]
        self.ids = {symbol: number for number, symbol in enumerate((*symbols, *alone), 1)}
        self.hub = BarHub(
            self.store,  # type: ignore[arg-type]
            self.pump,
            settings=settings_of(symbols, alone=alone, **live),
            instruments={symbol: instrument(number, symbol) for symbol, number in self.ids.items()},
            bus=self.bus,
        )
        self.hub.start(dict.fromkeys(self.ids, (BEFORE, 10.0)))
        self.hub.desk.is_warm = False

    def tell(self, symbol: str, second: int, price: float = 10.0, *, after: float = 5.0, **changes: Any) -> BarArrived:
        """A piece that begins ``second`` seconds after the open and comes ``after`` seconds later."""
        made = piece(self.ids[symbol], OPEN + dt.timedelta(seconds=second), price, **changes)
        if made.volume > 0:
            self.store.truth.setdefault(made.con_id, []).append(made)
        self.store.at(made.start + dt.timedelta(seconds=after), made)
        return made

    def minute(self, symbol: str, number: int, **changes: Any) -> None:
        for second in range(60 * number, 60 * number + 60, 5):
            self.tell(symbol, second, **changes)

    def until(self, seconds: float) -> list[Step]:
        """Let time pass up to so many seconds after the open; all steps so far."""
        end = OPEN + dt.timedelta(seconds=seconds)
        self.store.at(end, FarmChanged("definitions", "secdefil", True, 2158, end))
        while self.store.clock.now() < end or len(self.store.events):
            self.pump.pump(0.0)
        return list(self.hub.desk.steps)


def shown(steps: list[Step]) -> list[tuple[str, str]]:
    return [(f"{step.when:%H:%M}", "".join(symbol[-1] for symbol in sorted(step.bars))) for step in steps]


ARRIVALS = st.lists(
    st.tuples(
        st.integers(0, 1),  # which leg
        st.integers(0, 71),  # which piece of six minutes
        st.sampled_from([5.0, 5.0, 5.0, 6.0, 11.0, 40.0, 90.0, None]),  # comes after so long, or never
        st.booleans(),  # twice
        st.sampled_from([0.0, 3.0, 10.0]),  # its volume
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ARRIVALS, st.lists(st.booleans(), max_size=6), st.lists(st.booleans(), max_size=2), st.booleans())
def test_nothing_is_lost_doubled_out_of_order_or_without_its_leg(
    changes: list[tuple[int, int, float | None, bool, float]], failures: list[bool], lacks: list[bool], full: bool
) -> None:
    desk = Desk()
    desk.store.failures, desk.store.lacks = failures, lacks
    special = {(leg, number): rest for leg, number, *rest in changes}
    for leg, symbol in enumerate(SYMBOLS):
        for number in range(72):
            after, twice, volume = special.get((leg, number), (5.0 if full else None, False, 10.0 if full else 0.0))
            start = OPEN + number * FIVE
            made = piece(desk.ids[symbol], start, 10.0 + number / 100 + leg, volume)
            if volume:
                desk.store.truth.setdefault(made.con_id, []).append(made)
            for _ in range((0 if after is None else 1) + (twice and after is not None)):
                desk.store.at(start + dt.timedelta(seconds=after or 0.0), made)
    desk.store.step = 1.0
    desk.until(375.0)
    desk.store.step = 5.0
    steps = desk.until(600.0)
    wanted = {
        symbol: {row.start + MINUTE: row for row in minutes(desk.store.truth.get(number, ()))}
        for symbol, number in desk.ids.items()
    }
    assert [step.when for step in steps] == sorted({*wanted["XMPLA"], *wanted["XMPLB"]})
    for step in steps:
        assert set(step.bars) == {symbol for symbol in SYMBOLS if step.when in wanted[symbol]}
        for symbol, bar in step.bars.items():
            row = wanted[symbol][step.when]
            assert bar == (step.when, row.open, row.high, row.low, row.close, row.volume)
    assert not any(line.ready for line in (each.line for each in desk.hub.members.values()))


def test_a_step_waits_for_the_other_leg_and_then_holds_both() -> None:
    desk = Desk()
    desk.minute("XMPLA", 0)
    desk.minute("XMPLB", 0, after=5.8)
    assert desk.until(60.5) == [] and shown(desk.until(61.0)) == [("13:31", "AB")]
    assert not desk.store.asked


def test_a_leg_without_a_trade_keeps_nobody_waiting() -> None:
    desk = Desk()
    desk.minute("XMPLA", 0)
    desk.minute("XMPLB", 0, volume=0.0)
    assert shown(desk.until(60.0)) == [("13:31", "A")] and not desk.store.asked


def test_a_leg_that_is_silent_is_asked_for_at_history_after_the_grace() -> None:
    desk = Desk(grace_seconds=2.0)
    desk.minute("XMPLA", 0)
    for second in range(0, 30, 5):
        desk.tell("XMPLB", second, 20.0)
    assert desk.until(61.9) == []
    (step,) = desk.until(62.0)
    assert shown([step]) == [("13:31", "AB")] and step.bars["XMPLB"].volume == 60.0 and not step.is_late
    assert desk.store.asked == [(2, OPEN + MINUTE, "120 S")]


def test_history_that_is_behind_is_asked_again_and_then_believed() -> None:
    desk = Desk()
    desk.minute("XMPLA", 0)
    desk.store.truth[2] = [piece(2, OPEN, 20.0)]
    desk.store.lacks = [True]
    assert desk.until(63.9) == [] and shown(desk.until(64.1)) == [("13:31", "AB")]
    desk = Desk()
    desk.minute("XMPLA", 0)
    for second in (60, 120, 180):  # there is none of the other leg at all
        desk.until(second)
    assert shown(desk.until(190)) == [("13:31", "A")] and len(desk.store.asked) >= 3


def test_where_history_goes_on_without_a_bar_what_the_stream_told_of_it_counts() -> None:
    desk = Desk()
    desk.minute("XMPLB", 0)
    for second in range(0, 50, 5):  # two pieces are missing for ever
        desk.tell("XMPLA", second, 10.0 + second / 100)
    desk.store.truth[1] = []
    (step,) = desk.until(75.0)
    assert step.bars["XMPLA"] == (OPEN + MINUTE, 10.0, 10.45, 10.0, 10.45, 100.0)
    assert len([each for each in desk.store.asked if each[0] == 1]) == 3


@pytest.mark.parametrize(
    "row",
    [
        HistoryBar(OPEN, 10.0, 9.0, 9.0, 10.0, 50.0, None, 5),  # its high is below its open
        HistoryBar(OPEN, 10.0, 10.0, 10.0, 10.0, 0.0, None, 0),  # nothing was traded, it says
    ],
)
def test_where_history_is_wrong_what_the_stream_told_counts(row: HistoryBar) -> None:
    desk = Desk()
    desk.minute("XMPLB", 0)
    for second in range(0, 55, 5):  # one piece is missing for ever
        desk.tell("XMPLA", second, 10.0 + second / 100)
    desk.store.truth[1] = []
    asked = desk.store.history
    desk.store.history = lambda wanted, **how: [row] if wanted.con_id == 1 else asked(wanted, **how)  # type: ignore
    (step,) = desk.until(75.0)
    assert step.bars["XMPLA"] == (OPEN + MINUTE, 10.0, 10.5, 10.0, 10.5, 110.0)


def test_other_units_wait_for_a_moment_only() -> None:
    desk = Desk(alone=("XMPLC",))
    for symbol in desk.ids:
        desk.minute(symbol, 0)
        desk.minute(symbol, 1)
    del desk.store.plan[:]
    for number in (1, 2, 3):
        for second in range(0, 120, 5):
            if number != 2 or second != 30:  # a piece of the pair is missing, and history is down
                start = OPEN + dt.timedelta(seconds=second)
                desk.store.at(start + FIVE, piece(number, start, 10.0))
    desk.store.farm = False
    assert shown(desk.until(61.0)) == []
    assert shown(desk.until(66.0)) == [("13:31", "C")]
    desk.store.farm = True
    desk.store.events.put(FarmChanged("history", "ushmds", True, 2106, OPEN))
    assert shown(desk.until(121.0)) == [("13:31", "C"), ("13:31", "AB"), ("13:32", "ABC")]


def test_a_request_without_an_answer_holds_others_up_once_and_not_for_long() -> None:
    desk = Desk((), alone=("XMPLA", "XMPLC"))
    desk.hub._backfill.ask = lambda *args: None  # type: ignore[method-assign]
    for minute in range(3):
        desk.minute("XMPLA", minute)
    assert desk.until(64.5) == [] and shown(desk.until(65.0)) == [("13:31", "A")]
    assert shown(desk.until(120.0)) == [("13:31", "A"), ("13:32", "A")]  # it was due since before
    assert not any(step.is_late for step in desk.until(180.0)) and len(desk.hub.desk.steps) == 3


def test_a_failed_request_is_repeated_with_growing_pauses() -> None:
    desk = Desk()
    desk.minute("XMPLA", 0)
    desk.minute("XMPLB", 0, volume=0.0)
    del desk.store.plan[:]
    desk.store.failures = [True] * 5
    steps = desk.until(75.0)
    times = len(desk.store.asked)
    assert steps == [] and 3 <= times <= 5
    assert "bars are missing since" in desk.hub.blind("XMPLA") or "no bar for" in desk.hub.blind("XMPLA")
    assert shown(desk.until(150.0)) == [("13:31", "A")] and desk.hub.desk.steps[0].is_late


def test_a_silent_stream_is_subscribed_anew_again_and_again_and_told() -> None:
    desk = Desk(stale_seconds=15.0)
    desk.minute("XMPLA", 0)
    desk.tell("XMPLB", 0)
    for second in range(10, 120, 5):
        desk.tell("XMPLA", second)
    desk.until(50.0)
    assert desk.hub.status("XMPLB") is Status.CONNBROKEN and desk.hub.status("XMPLA") is Status.LIVE
    assert desk.hub.blind("XMPLB").startswith("XMPLB: no bar for 4") and not desk.hub.blind("XMPLA")
    desk.until(110.0)
    assert 2 <= desk.store.revived.count(2) <= 4 and 1 not in desk.store.revived
    desk.tell("XMPLB", 110)
    desk.until(116.0)
    assert desk.hub.status("XMPLB") is Status.LIVE and not desk.hub.blind("XMPLB")
    assert [each.state for each in desk.told] == [Connection.DEGRADED, Connection.CONNECTED]
    assert "data of XMPLB: CONNBROKEN (silent for" in desk.told[0].text


def test_nobody_is_missed_while_the_market_is_closed() -> None:
    desk = Desk()
    desk.store.step = 30.0
    closes = dt.timedelta(hours=3, minutes=30)
    desk.until(closes.total_seconds() + 3600.0)
    revived = len(desk.store.revived)
    desk.until(closes.total_seconds() + 12 * 3600.0)
    assert len(desk.store.revived) == revived


STATES = [
    (ConnectionChanged(ConnectionState.DISCONNECTED, OPEN, "gone"), Status.DISCONNECTED),
    (ConnectionChanged(ConnectionState.BROKEN, OPEN, "1100"), Status.CONNBROKEN),
    (ConnectionChanged(ConnectionState.SYNCHRONISING, OPEN), Status.CONNECTED),
    (StreamChanged(1, 1, StreamState.NOT_SUBSCRIBED, OPEN, 354, "not subscribed"), Status.NOTSUBSCRIBED),
    (StreamChanged(1, 1, StreamState.DELAYED, OPEN, 10167, "delayed"), Status.DELAYED),
    (StreamChanged(1, 1, StreamState.BROKEN, OPEN, 2103, "farm"), Status.CONNBROKEN),
    (StreamChanged(1, 1, StreamState.ENDED, OPEN, 200, "no"), Status.UNKNOWN),
    (ErrorReported(10197, Klass.DATA, Reaction.PAUSE_DATA, "competing", OPEN), Status.CONNBROKEN),
]


@pytest.mark.parametrize(("event", "status"), STATES, ids=lambda value: getattr(value, "name", ""))
def test_each_loss_has_its_status_and_allows_no_entry(event: Any, status: Status) -> None:
    desk = Desk()
    for symbol in SYMBOLS:
        desk.minute(symbol, 0)
    desk.until(60.0)
    assert desk.hub.status("XMPLA") is Status.LIVE and desk.hub.blind("XMPLA") == ""
    if isinstance(event, ConnectionChanged):
        desk.store.state = event.state
    desk.store.events.put(event)
    desk.pump.pump(0.0)
    assert desk.hub.status("XMPLA") is status
    assert desk.hub.blind("XMPLA").startswith("XMPLA: ")


def test_a_jump_holds_entries_back_until_bars_confirm_it() -> None:
    desk = Desk(outlier=0.2)
    desk.minute("XMPLA", 0)
    desk.minute("XMPLB", 0)
    desk.tell("XMPLA", 60, 13.0)
    desk.until(66.0)
    assert desk.hub.blind("XMPLA") == "XMPLA: a price 30% from 10 is not confirmed yet"
    for second in range(65, 120, 5):
        desk.tell("XMPLA", second, 13.0)
    desk.minute("XMPLB", 1)
    assert shown(desk.until(122.0)) == [("13:31", "AB"), ("13:32", "AB")] and not desk.hub.blind("XMPLA")
    assert desk.hub.desk.steps[1].bars["XMPLA"][1:] == (13.0, 13.0, 13.0, 13.0, 120.0)  # by history


def test_what_contradicts_itself_is_left_to_history() -> None:
    desk = Desk()
    for second in range(0, 60, 5):
        good = piece(1, OPEN + dt.timedelta(seconds=second), 10.0)
        desk.store.truth.setdefault(1, []).append(good)
        bad = piece(1, good.start, 10.0, low=10.5) if second == 20 else good
        bad = piece(1, good.start, float("nan")) if second == 30 else bad
        desk.store.at(good.end, bad)
    desk.minute("XMPLB", 0)
    (step,) = desk.until(62.0)
    assert step.bars["XMPLA"] == (OPEN + MINUTE, 10.0, 10.0, 10.0, 10.0, 120.0)
    assert desk.hub.members["XMPLA"].line.refused == 2 and not desk.hub.blind("XMPLA")


def test_the_last_bar_of_a_session_waits_for_no_other_session() -> None:
    desk = Desk()
    for symbol in SYMBOLS:
        desk.minute(symbol, 209)
    steps = desk.until(210 * 60.0)
    assert shown(steps) == [("17:00", "AB")]


@pytest.mark.parametrize(("skew", "counts"), [(-10.0, True), (25.0, True), (1.0, False)])
def test_a_machine_whose_clock_is_off_goes_by_that_of_ibkr(skew: float, counts: bool) -> None:
    store = Telling(skew=dt.timedelta(seconds=skew))
    pump = EventPump(store)
    instruments = {symbol: instrument(number, symbol) for number, symbol in enumerate(SYMBOLS, 1)}
    hub = BarHub(store, pump, settings=settings_of(), instruments=instruments)  # type: ignore[arg-type]
    hub.time.compare()
    off = (hub.now() - store.clock.now()).total_seconds()
    assert abs(off - skew) <= 0.5 if counts else off == 0.0
    hub.start(dict.fromkeys(SYMBOLS, (BEFORE, 10.0)))
    pump.pump(0.0)
    first = OPEN + MINUTE + dt.timedelta(seconds=2.0 - off)  # when the first bar is asked for, by the machine's clock
    store.clock.set(first - dt.timedelta(seconds=0.1))
    pump.pump(0.0)
    assert not store.asked
    store.clock.set(first)
    for _ in range(200):
        pump.pump(0.01)
        if len(store.asked) == 2:
            break
    assert sorted(store.asked) == [(1, OPEN + MINUTE, "120 S"), (2, OPEN + MINUTE, "120 S")]
    hub.close()


def test_pieces_outside_regular_hours_are_left_out() -> None:
    desk = Desk()
    desk.tell("XMPLA", -30, 11.0)
    desk.tell("XMPLA", 210 * 60 + 5, 11.0)
    for symbol in SYMBOLS:
        desk.minute(symbol, 0)
    (step,) = desk.until(61.0)
    assert step.bars["XMPLA"].open == 10.0 and desk.hub.members["XMPLA"].line.stray == 1


def test_groups_are_what_units_hold_together() -> None:
    groups = groups_of([("A", "B"), ("C",), ("B", "D"), ("E", "F")], ["VIX"])
    assert sorted(groups) == [("A", "B", "D"), ("C",), ("E", "F"), ("VIX",)]


def test_a_closed_hub_says_so_and_may_be_closed_twice() -> None:
    desk = Desk()
    desk.hub.close()
    desk.hub.close()
    assert desk.hub.blind("XMPLA") == "XMPLA: the feed was closed" and desk.hub.status("XMPLB") is Status.DISCONNECTED
    desk.minute("XMPLA", 0)
    assert desk.until(70.0) == []


def test_what_cannot_be_had_live_is_refused_with_the_cure() -> None:
    with pytest.raises(SettingsError, match='data.bar = "1s": IBKR sends.*set one of "1m", "1h", "1d"'):
        BarHub(Telling(), EventPump(Telling()), settings=settings_of(bar="1s"), instruments={})  # type: ignore[arg-type]
    everything = settings_of().model_copy(
        update={"data": settings_of(bar="1m").data.model_copy(update={"hours": "all"})}
    )
    with pytest.raises(SettingsError, match='data.hours = "all"'):
        BarHub(Telling(), EventPump(Telling()), settings=everything, instruments={})  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="did you mean 'XMPLA'"):
        Desk().hub.blind("XMPLAA")


def test_an_answer_that_is_lost_with_the_farm_is_not_waited_for() -> None:
    desk = Desk()
    desk.minute("XMPLA", 0)
    desk.minute("XMPLB", 0, volume=0.0)
    del desk.store.plan[:]
    held: list[Any] = []
    desk.hub._backfill.ask = lambda *args: held.append(args)  # type: ignore[method-assign]
    desk.until(70.0)
    assert len(held) == 2 and desk.hub.members["XMPLA"].line.asked is not None
    desk.store.events.put(FarmChanged("history", "ushmds", True, 2106, OPEN))
    desk.until(71.0)
    assert len(held) == 4
    for *_, answer in held[:2]:
        answer([], "")  # that of before: it came without the bar
    assert desk.until(80.0) == []
    for wanted, _, _, until, answer in held[2:]:
        answer(desk.store.history(wanted, duration="120 S", bar="1 min", end=until), "")
    assert shown(desk.until(90.0)) == [] and len(held) == 5  # the other leg has none, and is asked again
