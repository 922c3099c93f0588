"""Orders that rest while bars are leapt over, one by one: against stock, and without landing on the bars between."""

from __future__ import annotations

import pytest
from leap import sleepers as sleepers  # brings its strategies
from parity import running
from parity.compare import first_difference
from parity.engines import OURS, STOCK
from parity.programme import Action, Feed, Plan, Programme
from parity.running import build, run

TRAIL = {
    "percent": Action(at=5, side="sell", exectype="StopTrail", trail=("percent", 0.04)),
    "amount": Action(at=5, side="buy", exectype="StopTrail", trail=("amount", 4.0)),
    "limit": Action(at=5, side="sell", exectype="StopTrailLimit", trail=("percent", 0.04), price=1.0, limit=0.999),
    "no distance": Action(at=5, side="sell", exectype="StopTrail", price=0.9),
}


@pytest.mark.parametrize("feeds", [(Feed(bars=52),), (Feed(bars=52, missing=0.4), Feed(bars=52, seed=2))], ids=[1, 2])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("action", TRAIL.values(), ids=TRAIL)
def test_a_trailing_stop_fills_on_the_bar_of_stock(action: Action, seed: int, feeds: tuple[Feed, ...]) -> None:
    first = Feed(**{**vars(feeds[0]), "seed": seed})
    look = Action(at=12, do="touch")  # a bar between, on which it is read
    programme = Programme((first, *feeds[1:]), (Plan((action, look), loud=False, wakes="set"),))
    difference = first_difference(run(programme, STOCK), run(programme, OURS))
    assert difference is None, f"{programme!r}\n{difference}"


def test_bars_between_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    monkeypatch.setattr(running, "build", lambda *args: built.append(build(*args)) or built[-1])
    far = Action(at=5, side="sell", exectype="StopTrail", trail=("amount", 50.0))
    close = Action(at=7, exectype="Close")
    run(Programme(plans=(Plan((far, close), loud=False, wakes="set"),)), OURS)
    # nextstart, the two on which it acts, the three on which it is told: of the trail, of the order at the close twice
    assert built[0].landings <= 7 and not built[0].leaping_obstacles


def test_a_trailing_stop_that_rests_twice_meets_each_bar_twice() -> None:
    """Stock sends a parent again with a child that comes late; the second look finds the price that the first moved."""
    trail = Action(at=4, side="sell", exectype="StopTrailLimit", limit=0.97, trail=("percent", 0.01))
    late = Action(at=5, tradeid=1, link="last")
    for wakes in (None, "set"):
        programme = Programme((Feed(bars=30, minutes=90),), (Plan((late, trail), loud=False, wakes=wakes),))
        assert first_difference(run(programme, STOCK), run(programme, OURS)) is None


def test_an_order_sent_before_checksubmit_is_turned_off_is_not_forgotten() -> None:
    off, on = (Action(at=at, do="setting", value=5.0) for at in (5, 20))
    plan = Plan((Action(at=5), off, on), loud=False, wakes="set")
    events = run(Programme(plans=(plan,)), STOCK)
    assert first_difference(events, run(Programme(plans=(plan,)), OURS)) is None
    assert [event[1] for event in events if event[0] == "order"][-1] == (0, 21)
