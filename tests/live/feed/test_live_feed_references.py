"""A reference that IBKR refuses while the session runs: whatever is under way for it, trading goes on without it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import pytest
from fed.telling import FIVE, MINUTE, OPEN, Telling, instrument, piece
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.events import Bus, ConnectionEvent
from core.settings import Settings
from feeds.aggregate import BuiltBar
from live.hub import BarHub
from live.pump import EventPump
from live.status import REFUSED_FOR, Status
from stores.events import FarmChanged, StreamChanged, StreamState

STOCK, INDEX = 1, 2  # handles, which are conIds here
BEFORE = dt.datetime(2024, 7, 2, 20, 0, tzinfo=dt.UTC)
MINUTES = 5
SECOND = dt.timedelta(seconds=1)


@dataclass
class Taken:
    """A data of the graph."""

    symbol: str
    statuses: list[Status] = field(default_factory=list)
    bars: list[BuiltBar] = field(default_factory=list)

    def put_status(self, status: Status, why: str) -> None:
        self.statuses.append(status)


class Graph:
    """A hub for a stock and an index, and a graph that takes their bars."""

    def __init__(self, *, delay: float = 0.0, is_taken: bool = True) -> None:
        """``delay``: seconds until an answer of history. ``is_taken``: whether the graph has a data of the index."""
        self.store = Telling(step=1.0)
        self.pump = EventPump(self.store, lockstep=True)
        chosen = Settings.model_validate({
            "data": {"bar": "1m"}, "instruments": {"XMPLA": {}, "XMPLX": {"kind": "index"}},
            "strategies": {"alone": {"strategy": "MeanReversion", "instruments": ["XMPLA"]}},
            "risk": {"throttle": {"series": "XMPLX"}},
        })  # fmt: skip
        known = {"XMPLA": instrument(STOCK, "XMPLA"), "XMPLX": instrument(INDEX, "XMPLX")}
        bus, self.told = Bus(), list[ConnectionEvent]()
        bus.subscribe(self.told.append, [ConnectionEvent])  # type: ignore[arg-type]
        self.hub = BarHub(self.store, self.pump, settings=chosen, instruments=known, bus=bus)  # type: ignore[arg-type]
        if delay:
            at_once = self.hub._backfill.ask

            def later(*given: Any) -> None:
                *wanted, answer = given

                def answered(*said: Any) -> None:
                    self.pump.call_later(delay, lambda: answer(*said))

                at_once(*wanted, answered)  # type: ignore[arg-type]  # the first four

            self.hub._backfill.ask = later  # type: ignore[method-assign]
        self.hub.start({"XMPLA": (BEFORE, 10.0), "XMPLX": (BEFORE, 20.0)})
        self.hub.desk.is_warm = False
        self.takers = [Taken("XMPLA"), Taken("XMPLX")][: 2 if is_taken else 1]
        for taker in self.takers:
            self.hub.attach(taker)

    def trade(self, number: int, begin: float, end: float, *, is_streamed: bool = True) -> None:
        """Pieces of a price from a second after the open to another."""
        start = OPEN + begin * SECOND
        while start < OPEN + end * SECOND:
            made = piece(number, start, 10.0 * number)
            self.store.truth.setdefault(number, []).append(made)
            if is_streamed:
                self.store.at(start + FIVE, made)
            start += FIVE

    def stream(self, second: float, state: StreamState) -> None:
        when = OPEN + second * SECOND
        self.store.at(when, StreamChanged(INDEX, INDEX, state, when, 0, "said so"))

    def until(self, second: float, rounds_every: int = 1) -> Graph:
        """Let time pass; the graph takes what is there at every so many turns of the pump."""
        end, turn = OPEN + second * SECOND, 0
        self.store.at(end, FarmChanged("definitions", "secdefil", True, 2158, end))
        while self.store.clock.now() < end or len(self.store.events):
            self.pump.pump(0.0)
            turn += 1
            while self.hub.desk.steps and turn % rounds_every == 0:
                self.take()
        return self

    def take(self) -> None:
        """A round of Cerebro."""
        for taker in self.takers:
            self.hub.desk.enter(taker)
            if (bar := self.hub.desk.take(taker, 0.0)) is not None:
                taker.bars.append(bar)


def flat(number: int, minute: int) -> BuiltBar:
    """What is traded in a minute: twelve pieces of 10 shares at one price."""
    return BuiltBar(OPEN + minute * MINUTE, *[10.0 * number] * 4, 120.0)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    refused=st.integers(0, 260),
    back=st.none() | st.integers(1, 120),
    lost=st.sets(st.integers(0, 59), max_size=8),
    failures=st.lists(st.booleans(), max_size=12),
    lacks=st.lists(st.booleans(), max_size=2),
    delay=st.sampled_from([0.0, 1.0, 4.0, 30.0]),
    rounds_every=st.sampled_from([1, 3, 40]),
    is_taken=st.booleans(),
)
def test_at_whatever_moment_it_is_refused_the_stock_has_all_its_bars(
    refused: int, back: int | None, lost: set[int], failures: list[bool], lacks: list[bool], delay: float,
    rounds_every: int, is_taken: bool,
) -> None:  # fmt: skip
    graph = Graph(delay=delay, is_taken=is_taken)
    graph.store.failures, graph.store.lacks = failures, lacks
    graph.trade(STOCK, 0, 60 * MINUTES)
    returns = refused + back if back is not None else 10_000
    for number in range(12 * MINUTES):
        second = 5 * number
        is_heard = number not in lost and (second + 5 <= refused or second >= returns)
        graph.trade(INDEX, second, second + 5, is_streamed=is_heard)
    graph.stream(refused + 0.5, StreamState.NOT_SUBSCRIBED)
    if back is not None:
        graph.stream(returns + 0.5, StreamState.LIVE)
    graph.until(60 * MINUTES + 20, rounds_every).until(60 * MINUTES + 400)
    assert graph.takers[0].bars == [flat(STOCK, minute) for minute in range(1, MINUTES + 1)]
    if is_taken:
        bars, wanted = graph.takers[1].bars, [flat(INDEX, minute) for minute in range(1, MINUTES + 1)]
        assert [bar for bar in wanted if bar in bars] == bars  # each once, in order, whole
        behind = [flat(INDEX, minute) for minute in range(1, MINUTES + 1) if 60 * (minute - 1) > returns]
        assert bars[len(bars) - len(behind) :] == behind
    assert graph.hub.status("XMPLX") is not Status.LIVE or (back is not None and is_taken)


def under_way(graph: Graph, what: str) -> None:
    """Bring something under way for the index that ends after 13:32:02."""
    graph.trade(INDEX, 0, 120 if what == "queued" else 60)
    match what:
        case "asked":
            graph.hub._backfill.ask = lambda *given: held.append(given)  # type: ignore[method-assign]
            held: list[Any] = []
            graph.pump.call_at(OPEN + 130 * SECOND, lambda: held[-1][-1]([], ""))
        case "retry":
            graph.store.failures = [True]
        case "lacking":
            graph.store.truth[INDEX] = []


@pytest.mark.parametrize("what", ["asked", "retry", "lacking", "queued"])
@pytest.mark.parametrize("is_taken", [True, False])
def test_what_is_under_way_when_it_is_refused_ends_nothing(what: str, is_taken: bool) -> None:
    graph = Graph(is_taken=is_taken)
    graph.trade(STOCK, 0, 240)
    under_way(graph, what)
    graph.until(122, rounds_every=1000 if what == "queued" else 1)
    assert bool(graph.hub.desk.steps) == (what == "queued")
    graph.stream(122.5, StreamState.NOT_SUBSCRIBED)
    graph.until(123)
    assert "XMPLX" not in graph.hub.members
    graph.until(260)
    assert graph.takers[0].bars == [flat(STOCK, minute) for minute in (1, 2, 3, 4)]
    if is_taken:
        assert graph.takers[1].bars == [flat(INDEX, minute) for minute in ((1, 2) if what == "queued" else (1,))]


def test_it_is_asked_for_each_quarter_of_an_hour_and_taken_back() -> None:
    graph = Graph()
    graph.trade(STOCK, 0, 3000)
    graph.trade(INDEX, 0, 60)
    graph.stream(62.5, StreamState.NOT_SUBSCRIBED)
    graph.until(60 + REFUSED_FOR)
    assert graph.store.revived == []
    graph.until(80 + REFUSED_FOR)
    assert graph.store.revived == [INDEX]
    graph.until(60 + 2 * REFUSED_FOR)
    assert graph.store.revived == [INDEX] and graph.hub.status("XMPLX") is Status.NOTSUBSCRIBED
    graph.stream(115 + 2 * REFUSED_FOR, StreamState.LIVE)  # 31:55 after the open
    graph.trade(INDEX, 32 * 60, 35 * 60)
    graph.until(35 * 60)
    assert graph.takers[1].bars == [flat(INDEX, minute) for minute in (1, 33, 34, 35)]
    assert graph.takers[0].bars == [flat(STOCK, minute) for minute in range(1, 36)]
    assert [each.text.split(" (")[0] for each in graph.told] == ["data of XMPLX: NOTSUBSCRIBED", "data of XMPLX: LIVE"]


def test_one_that_the_graph_does_not_have_is_not_asked_for_again() -> None:
    graph = Graph(is_taken=False)
    ended: list[int] = []
    graph.store.unsubscribe = ended.append  # type: ignore[method-assign]
    graph.stream(5.5, StreamState.NOT_SUBSCRIBED)
    graph.trade(STOCK, 0, 1200)
    graph.until(1200)
    assert ended == [INDEX] and INDEX not in graph.store.revived
