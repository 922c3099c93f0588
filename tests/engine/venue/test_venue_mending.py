"""A stop or an exit that goes without a fill is made again before the next bar, by the time of the venue."""

from __future__ import annotations

from typing import Any

import pytest
from contracted.scenario import Scenario
from contracted.scripted import ended, filled, run_scripted
from contracted.waking import Keeps, Waking

# Closes of the bars: 14:31, 14:32, 14:33, and the next one at 14:41.
ROWS = [(f"14:{minute}:01", 10.0) for minute in (30, 31, 32, 40, 41)]
ENTERED = filled("14:31:10", 100, 10.0)
STOP, EXIT = ("stop", "STP", 100.0), ("exit", "MKT", 100.0)


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
