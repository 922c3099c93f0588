"""What our strategies make of a venue: fills that come late, executions that are taken back, a restart."""

from __future__ import annotations

from typing import Any

from contracted.scenario import Outcome, Scenario
from contracted.scripted import ScriptedVenue, corrected, ended, filled, run_scripted, when
from contracted.waking import Keeps

from engine.venue import Accepted, Carried, Filled, VenueOrder

ROWS = [(f"14:{minute}:01", 10.0) for minute in range(30, 40)]


class Never(Keeps):
    def decide(self) -> None:
        """It only keeps what it holds."""


def run(venue: ScriptedVenue, strategy: Any = Keeps) -> Outcome:
    return run_scripted(Scenario({"A": ROWS}, {}), venue, strategy=strategy)


def placed(venue: ScriptedVenue) -> list[tuple[str, str, float]]:
    return [(order.role, order.action, order.quantity) for order in venue.placed]


BRACKET = [("entry", "BUY", 100.0), ("stop", "SELL", 100.0)]
EXIT = ("exit", "SELL", 100.0)


def test_a_fill_after_the_end_of_the_entry_is_closed() -> None:
    ends = ended("14:31:10"), ended("14:31:11", place=1)
    venue = ScriptedVenue(*ends, filled("14:33:10", 100, 10.0), filled("14:35:10", 100, 10.0, "x", place=2))
    out = run(venue)
    assert placed(venue) == [*BRACKET, EXIT]
    assert out.broker.getposition(out.strategy.data).size == 0 and not out.strategy.holdings


def test_an_entry_that_is_taken_back_takes_its_stop_along() -> None:
    venue = ScriptedVenue(filled("14:31:10", 100, 10.0, "e.01"), corrected("14:32:10", 0, 10.0, "e.02", "e.01"))
    out = run(venue)
    assert venue.cancelled == [(venue.ref(1), "")]
    assert out.strategy.holdings["one/A"].size == 0


def test_a_stop_that_is_taken_back_leaves_a_position_that_is_closed() -> None:
    venue = ScriptedVenue(
        filled("14:31:10", 100, 10.0, "e.01"), filled("14:32:10", 100, 9.0, "s.01", place=1),
        corrected("14:33:10", 0, 9.0, "s.02", "s.01", place=1), filled("14:35:10", 100, 10.0, "x", place=2),
    )  # fmt: skip
    out = run(venue)
    assert placed(venue) == [*BRACKET, EXIT] and not out.strategy.holdings
    assert out.broker.getposition(out.strategy.data).size == 0


def carried(ref: int, reports: tuple[Any, ...], is_working: bool, **terms: Any) -> Carried:
    known = {"action": "BUY", "quantity": 100.0, "kind": "MKT", "tif": "DAY", "role": "entry", **terms}
    order = VenueOrder(ref=ref, unit="one", symbol="A", bar=when("14:25:00"), trade="one@20240308T142500", **known)
    return Carried(order, reports, is_working)


def bought(quantity: float, exec_id: str, time: str = "14:25:01") -> Filled:
    return Filled(ref=-1, when=when(time), exec_id=exec_id, quantity=quantity, price=10.0)


STOP = {"action": "SELL", "kind": "STP", "tif": "GTC", "aux_price": 9.0, "oca_group": "g", "role": "stop", "parent": -1}


def test_a_position_and_its_stop_are_taken_up() -> None:
    venue = ScriptedVenue()
    venue.carried = [
        carried(-1, (bought(100, "a"),), False), carried(-2, (Accepted(ref=-2, when=when("14:25:01")),), True, **STOP),
    ]  # fmt: skip
    out = run(venue, Never)
    holding = out.strategy.holdings["one/A"]
    assert (holding.size, holding.sign, holding.trade, holding.stop_price) == (100, 1, "one@20240308T142500", 9.0)
    assert holding.stop is not None and not venue.placed


def test_an_entry_that_is_at_work_is_taken_up_and_counted_once() -> None:
    venue = ScriptedVenue(
        ("14:33:10", lambda v: [bought(70, "b", "14:33:10")]),
    )
    venue.carried = [carried(-1, (bought(30, "a"),), True), carried(-2, (), True, **STOP)]
    out = run(venue, Never)
    holding = out.strategy.holdings["one/A"]
    assert holding.size == 100 == out.broker.getposition(out.strategy.data).size
    assert holding.entry is None and holding.stop is not None and not venue.placed


def test_an_entry_without_a_fill_is_taken_up() -> None:
    venue = ScriptedVenue(("14:33:10", lambda v: [bought(100, "b", "14:33:10")]))
    venue.carried = [carried(-1, (), True), carried(-2, (), True, **STOP)]
    out = run(venue, Never)
    holding = out.strategy.holdings["one/A"]
    assert holding.size == 100 and holding.bars == 6 and not venue.placed
