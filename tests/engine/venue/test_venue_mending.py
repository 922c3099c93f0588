"""A stop or an exit that goes without a fill is made again before the next bar, by the time of the venue."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from contracted.scenario import Scenario
from contracted.scripted import Item, ScriptedVenue, ended, filled, run_scripted, when

from core.orders import Refusal
from engine.venue import Report, VenueOrder, VenueRefused
from strategies.base import BookStrategy

# Closes of the bars: 14:31, 14:32, 14:33, and the next one at 14:41.
ROWS = [(f"14:{minute}:01", 10.0) for minute in (30, 31, 32, 40, 41)]
ENTERED = filled("14:31:10", 100, 10.0)
STOP, EXIT = ("stop", "STP", 100.0), ("exit", "MKT", 100.0)


class Waking(ScriptedVenue):
    """Wakes the broker when it asks for that, as the market and IBKR do. ``sent``: (moment, role, kind, units)."""

    def __init__(self, *items: Item, refused_until: str = "") -> None:
        super().__init__(*items)
        self.clock = when("14:30:00")
        self.sent: list[tuple[str, str, str, float]] = []
        self.tried: list[str] = []
        self._refused_until = refused_until

    def play(
        self, until: dt.datetime | None, wake: Callable[[], dt.datetime | None]
    ) -> Iterator[tuple[dt.datetime, Sequence[Report]]]:
        assert until is not None
        while True:
            due, coming = wake(), when(self.items[0][0]) if self.items else None
            if due is not None and due <= until and (coming is None or due < coming):
                self.clock = due
                yield due, ()
            elif coming is not None and coming <= until:
                self.clock = coming
                yield coming, self.items.pop(0)[1](self)
            else:
                self.clock = until
                return

    def place(self, orders: Sequence[VenueOrder]) -> None:
        self.tried.append(f"{self.clock:%H:%M:%S}")
        if self._refused_until and orders[0].role == "exit" and self.clock < when(self._refused_until):
            raise VenueRefused(Refusal.NOT_SENT, "no connection")
        super().place(orders)
        self.sent += [(f"{self.clock:%H:%M:%S}", order.role, order.kind, order.quantity) for order in orders]


class Keeps(BookStrategy):
    """Buys 100 on the first bar, with a stop at 9."""

    @classmethod
    def bars_needed(cls, values: Mapping[str, Any]) -> int:
        return 1

    def decide(self) -> None:
        if len(self.data) == 1:
            self.enter(self.data, 1, 100, 9.0)


class Leaves(Keeps):
    """Wants out on the third bar."""

    def decide(self) -> None:
        super().decide()
        if len(self.data) == 3:
            self.leave(self.data, "signal")


def run(venue: Waking, strategy: Any) -> list[tuple[str, str, str, float]]:
    """What was sent after the bracket."""
    run_scripted(Scenario({"A": ROWS}, {}), venue, strategy=strategy)
    return venue.sent[2:]


@pytest.mark.parametrize("how", ["cancelled", "rejected"])
def test_a_stop_that_went_is_put_back_within_seconds(how: str) -> None:
    venue = Waking(ENTERED, ended("14:34:10", how, place=1))
    assert run(venue, Keeps) == [("14:34:15", *STOP)]
    assert venue.placed[2].aux_price == 9.0 and venue.placed[2].tif == "GTC"


def test_a_stop_that_goes_again_and_again_is_put_back_once_a_minute() -> None:
    venue = Waking(ENTERED, ended("14:34:10", place=1), ended("14:34:16", place=2), ended("14:35:21", place=3))
    assert run(venue, Keeps) == [("14:34:15", *STOP), ("14:35:20", *STOP), ("14:36:25", *STOP)]


def test_an_exit_that_was_refused_goes_again_after_a_minute() -> None:
    venue = Waking(
        ENTERED, ended("14:33:01", "rejected", place=2), ended("14:34:07", "rejected", place=3),
        filled("14:35:13", 100, 10.0, "x", place=4), ended("14:35:13", place=1),
    )  # fmt: skip
    assert run(venue, Leaves) == [("14:33:00", *EXIT), ("14:34:06", *EXIT), ("14:35:12", *EXIT)]


def test_an_exit_that_could_not_be_sent_is_sent_once_it_can() -> None:
    venue = Waking(ENTERED, filled("14:36:30", 100, 10.0, "x", place=2), refused_until="14:35:30")
    assert run(venue, Leaves) == [("14:36:15", *EXIT)]
    assert venue.tried[1:] == ["14:33:00", "14:34:05", "14:35:10", "14:36:15"]


def test_the_end_of_a_stop_may_come_before_the_fill_that_ended_it() -> None:
    venue = Waking(ENTERED, ended("14:33:01", place=1), filled("14:33:04", 100, 10.0, "x", place=2))
    assert run(venue, Leaves) == [("14:33:00", *EXIT)]


def test_a_stop_beside_an_exit_that_works_is_not_put_back() -> None:
    venue = Waking(ENTERED, ended("14:33:01", place=1), filled("14:38:00", 100, 10.0, "x", place=2))
    assert run(venue, Leaves) == [("14:33:00", *EXIT)]


def test_a_bracket_that_never_filled_is_over_with_its_stop() -> None:
    venue = Waking(ended("14:31:10", "rejected", place=1), ended("14:31:11", place=0))
    assert run(venue, Keeps) == []
