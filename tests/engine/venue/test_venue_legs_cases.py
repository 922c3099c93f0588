"""What becomes of a pair when one of its legs does not do as the other, second by second. Times are by hand.

The pair is bought and sold at second 0 (100 Y, 200 X) and fills at the open of the second that begins then, which is
known at its end. A leg may be naked for 10 seconds.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import pytest
from legged.faulty_market import in_market
from legged.scene import ENTRY, Fault, Outcome, at, play, second_bars, settings_for

MARGIN = "Order rejected - reason:Available Funds are in sufficient for this order"
Y_IN, X_IN = (0.0, "Y", "entry", 100.0), (0.0, "X", "entry", -200.0)
ACTIONS = pytest.mark.parametrize("action", ["unwind", "hedge"])


def run(action: str = "unwind", *faults: Fault, legs: Any = None, leaves: Any = (), **bars: Any) -> Outcome:
    fine = second_bars(ENTRY + 4, **bars)
    outcome = play(in_market, settings_for({"action": action, **(legs or {})}), fine, faults, leaves=leaves)
    assert not outcome.witness.doubled
    return outcome


def sent(outcome: Outcome, symbol: str, role: str) -> list[tuple[float, float]]:
    """(second, units) of the orders of a leg."""
    return [
        ((when - at(0)).total_seconds(), order.sign * order.quantity)
        for when, order in outcome.witness.sends
        if (order.symbol, order.role) == (symbol, role)
    ]


@ACTIONS
def test_a_pair_that_fills_is_left_alone(action: str) -> None:
    outcome = run(action, leaves=[ENTRY + 2])
    assert outcome.fills() == [Y_IN, X_IN, (120.0, "Y", "exit", -100.0), (120.0, "X", "exit", 200.0)]
    assert {order.reason for _, order in outcome.witness.sends if order.role == "exit"} == {"mean"}


def test_a_leg_without_trades_costs_the_other_its_place() -> None:
    outcome = run(silent={"X": [(0, 60)]})
    assert outcome.fills() == [Y_IN, (11.0, "Y", "exit", -100.0)]
    assert [order.reason for _, order in outcome.witness.sends if order.role == "exit"] == ["other_leg"]
    assert not outcome.witness.working()  # the entry of X and its stop are gone


def test_a_leg_that_trades_again_in_time_is_kept() -> None:
    outcome = run(silent={"X": [(0, 9)]})
    assert outcome.fills() == [Y_IN, (9.0, "X", "entry", -200.0)]
    assert outcome.held == {"Y": 100.0, "X": -200.0}


def test_a_late_leg_is_ordered_once_more_at_half_of_the_time() -> None:
    outcome = run("hedge", silent={"X": [(0, 8)]}, leaves=[ENTRY + 2])
    assert sent(outcome, "X", "entry") == [(0.0, -200.0), (6.0, -200.0)]
    assert outcome.fills() == [
        Y_IN, (8.0, "X", "entry", -200.0), (120.0, "Y", "exit", -100.0), (120.0, "X", "exit", 200.0)
    ]  # fmt: skip
    assert not outcome.witness.working()


def test_a_leg_that_is_late_again_costs_the_other_its_place() -> None:
    outcome = run("hedge", silent={"X": [(0, 60)]})
    assert sent(outcome, "X", "entry") == [(0.0, -200.0), (6.0, -200.0)]
    assert outcome.fills() == [Y_IN, (11.0, "Y", "exit", -100.0)]
    assert not outcome.witness.working()


@ACTIONS
def test_a_halt_of_one_leg(action: str) -> None:
    outcome = run(action, Fault(at(-5), "halt", "X"), Fault(at(90), "resume", "X"))
    assert outcome.fills() == [Y_IN, (11.0, "Y", "exit", -100.0)]
    assert not outcome.held and not outcome.witness.working()


@ACTIONS
def test_a_halt_of_the_leg_that_must_go(action: str) -> None:
    """X never comes, Y cannot be sold before trading in it resumes: one exit waits."""
    outcome = run(
        action, Fault(at(-5), "halt", "X"), Fault(at(5), "halt", "Y"), Fault(at(150), "resume", "Y"),
    )  # fmt: skip
    assert outcome.fills() == [Y_IN, (150.0, "Y", "exit", -100.0)]
    assert len(sent(outcome, "Y", "exit")) == 1


def test_a_refused_leg_calls_the_other_off_before_it_fills() -> None:
    outcome = run("unwind", Fault(at(-5), "refuse", "X", text=MARGIN))
    assert not outcome.fills() and not outcome.witness.working()
    assert {ended.how for ended in outcome.witness.ended.values()} == {"margin", "cancelled"}
    assert not outcome.strategy.holdings


def test_a_refused_leg_is_ordered_once_more_at_once() -> None:
    outcome = run("hedge", Fault(at(-5), "refuse", "X", text=MARGIN), leaves=[ENTRY + 2])
    assert sent(outcome, "X", "entry") == [(0.0, -200.0), (0.0, -200.0)]
    assert outcome.fills()[:2] == [Y_IN, X_IN]
    assert outcome.fills()[2:] == [(120.0, "Y", "exit", -100.0), (120.0, "X", "exit", 200.0)]


def test_a_leg_that_is_refused_twice() -> None:
    outcome = run("hedge", Fault(at(-5), "refuse", "X", count=2))
    assert not outcome.fills() and not outcome.witness.working()
    assert len(sent(outcome, "X", "entry")) == 2


@ACTIONS
def test_no_shares_to_borrow(action: str) -> None:
    outcome = run(action, Fault(at(-5), "lend", "X", shares=0.0))
    assert outcome.fills() == [Y_IN, (11.0, "Y", "exit", -100.0)]
    assert not outcome.held and not outcome.witness.working()


@ACTIONS
def test_shares_that_are_found_in_time(action: str) -> None:
    faults = Fault(at(-5), "lend", "X", shares=0.0), Fault(at(8), "lend", "X", shares=1e6)
    outcome = run(action, *faults, leaves=[ENTRY + 2])
    assert outcome.fills()[:2] == [Y_IN, (8.0, "X", "entry", -200.0)]
    assert not outcome.held and not outcome.witness.working()


def test_a_leg_that_the_exchange_cancels_is_not_ordered_again() -> None:
    """Who cancels may know why: the pair is given up, whatever the action."""
    outcome = run("hedge", Fault(at(3), "strike", "X"), silent={"X": [(0, 20)]})
    assert sent(outcome, "X", "entry") == [(0.0, -200.0)]
    assert outcome.fills() == [Y_IN, (3.0, "Y", "exit", -100.0)]


SHARE = {"costs": {"slippage": {"model": "volume_share", "volume_limit": 0.025, "price_impact": 0.0}}}
SLOW = {"Y": 400.0, "X": 400.0}  # 10 units in a second: Y takes 10 seconds, X takes 20


@ACTIONS
def test_legs_that_fill_at_different_speeds_beyond_the_time(action: str) -> None:
    fine = second_bars(ENTRY + 4, volumes=SLOW)
    outcome = play(in_market, settings_for({"action": action}, **SHARE), fine)
    assert not outcome.witness.doubled
    # naked is known at second 1; at second 11 the fills of ten seconds are known: all of Y, 100 of X
    assert sent(outcome, "Y", "exit") == [(11.0, -100.0)] and sent(outcome, "X", "exit") == [(11.0, 100.0)]
    assert len(sent(outcome, "X", "entry")) == 1  # it was on its way: nothing was missing at half of the time
    assert not outcome.held and not outcome.witness.working()
    assert outcome.fills()[-1] == (20.0, "X", "exit", 10.0)  # ten more seconds of 10 units


@pytest.mark.parametrize("legs", [{"timeout_seconds": 20.0}, {"max_naked_eur": 5_000.0}])
def test_legs_that_fill_at_different_speeds_within_the_time_or_the_cap(legs: dict[str, float]) -> None:
    """After 10 seconds Y has all, X half: 50 Y at 100 are naked, and ever less from then on."""
    fine = second_bars(ENTRY + 4, volumes=SLOW)
    outcome = play(in_market, settings_for(legs, **SHARE), fine)
    assert outcome.held == {"Y": 100.0, "X": -200.0}


@ACTIONS
def test_a_disaster_stop_takes_the_other_leg_along(action: str) -> None:
    """X jumps by a fifth: its stop, a tenth above 50, buys at the open of second 30, and Y goes in the next one."""
    outcome = run(action, jumps={"X": [(30, 1.2)]})
    assert outcome.fills() == [Y_IN, X_IN, (30.0, "X", "stop", 200.0), (31.0, "Y", "exit", -100.0)]
    assert not outcome.witness.working()
    assert not outcome.strategy.holdings


def test_the_stop_of_a_leg_that_was_ordered_again_protects_it() -> None:
    outcome = run("hedge", Fault(at(-5), "refuse", "X"), jumps={"X": [(30, 1.2)]})
    assert outcome.fills()[2:] == [(30.0, "X", "stop", 200.0), (31.0, "Y", "exit", -100.0)]
    assert not outcome.witness.working() and not outcome.strategy.holdings


@ACTIONS
def test_an_execution_that_is_taken_back(action: str) -> None:
    """X is gone: Y goes too, and the stop of X, which would buy 200 X when it jumps, works no more."""
    outcome = run(action, Fault(at(20), "bust", "X"), jumps={"X": [(40, 1.2)]})
    assert outcome.fills() == [Y_IN, X_IN, (20.0, "Y", "exit", -100.0)]
    assert not outcome.held and not outcome.witness.working()
    (stop,) = (order.ref for _, order in outcome.witness.sends if (order.symbol, order.role) == ("X", "stop"))
    assert outcome.witness.ended[stop].when == at(20)


def test_an_exit_that_would_close_more_than_there_is_makes_room_for_another() -> None:
    """Y is halted with its exit of 100 at work when 10 of the 100 turn out not to have been bought: 90 are sold."""
    faults = Fault(at(55), "halt", "Y"), Fault(at(70), "bust", "Y"), Fault(at(100), "resume", "Y")
    fine = second_bars(ENTRY + 4, volumes=SLOW)
    outcome = play(in_market, settings_for({"timeout_seconds": 20.0}, **SHARE), fine, faults, leaves=[ENTRY + 1])
    assert sent(outcome, "Y", "exit") == [(60.0, -100.0), (70.0, -90.0)]
    assert not outcome.held and not outcome.witness.working() and not outcome.witness.doubled
    assert min(holds.get("Y", 0.0) for _, holds in outcome.witness.line) == 0.0


def test_a_stop_that_fills_slowly_is_the_exit_of_its_leg() -> None:
    """X jumps at second 30 and its stop buys 10 units in a second: no other exit of X, and Y goes from second 31 on."""
    fine = second_bars(ENTRY + 4, volumes=SLOW, jumps={"X": [(30, 1.2)]})
    outcome = play(in_market, settings_for({"timeout_seconds": 20.0}, **SHARE), fine)
    assert not sent(outcome, "X", "exit") and sent(outcome, "Y", "exit") == [(31.0, -100.0)]
    assert not outcome.held and not outcome.witness.working() and not outcome.witness.doubled


def test_a_cancel_that_is_not_heard_does_not_keep_the_leg() -> None:
    """70 X are held when X is halted. Their entry does not end; ten seconds later its leg is closed beside it."""
    faults = Fault(at(5), "deaf", "X"), Fault(at(7), "halt", "X"), Fault(at(60), "resume", "X")
    fine = second_bars(ENTRY + 4, volumes=SLOW)
    outcome = play(in_market, settings_for({}, **SHARE), fine, faults)
    assert sent(outcome, "Y", "exit") == [(11.0, -100.0)]
    assert sent(outcome, "X", "exit")[0] == (21.0, 70.0)
    assert not outcome.held and not outcome.witness.doubled


def test_an_exit_that_is_taken_back() -> None:
    """Both legs were closed; then the sale of Y is not true, and 100 Y are sold once more."""
    outcome = run("unwind", Fault(at(80), "bust", "Y"), leaves=[ENTRY + 1])
    assert outcome.fills()[2:] == [
        (60.0, "Y", "exit", -100.0), (60.0, "X", "exit", 200.0), (80.0, "Y", "exit", -100.0)
    ]  # fmt: skip
    assert not outcome.held


@ACTIONS
def test_an_exit_that_is_stuck_is_not_doubled(action: str) -> None:
    outcome = run(action, Fault(at(50), "halt", "X"), Fault(at(100), "resume", "X"), leaves=[ENTRY + 1])
    assert outcome.fills()[2:] == [(60.0, "Y", "exit", -100.0), (100.0, "X", "exit", 200.0)]
    assert len(sent(outcome, "X", "exit")) == 1


def test_exits_that_do_not_fill_in_the_same_second_are_nothing_to_tell(caplog: pytest.LogCaptureFixture) -> None:
    outcome = run(leaves=[ENTRY + 1], silent={"X": [(60, 65)]})
    assert outcome.fills()[2:] == [(60.0, "Y", "exit", -100.0), (65.0, "X", "exit", 200.0)]
    assert not [record for record in caplog.records if record.name == "engine.legs"]


def test_an_exit_that_is_refused_is_sent_again_by_the_guard() -> None:
    """The strategy would wait for its next bar, second 120."""
    outcome = run("unwind", Fault(at(50), "refuse", "X", role="exit"), leaves=[ENTRY + 1])
    assert outcome.fills()[2:] == [(60.0, "Y", "exit", -100.0), (61.0, "X", "exit", 200.0)]


def test_an_exit_that_is_refused_again_and_again_is_tried_every_ten_seconds() -> None:
    outcome = run("unwind", Fault(at(50), "refuse", "X", role="exit", count=3), leaves=[ENTRY + 1])
    assert [second for second, _ in sent(outcome, "X", "exit")] == [60.0, 61.0, 71.0, 81.0]
    assert outcome.fills()[-1] == (81.0, "X", "exit", 200.0)


@ACTIONS
def test_an_entry_whose_day_is_over(action: str) -> None:
    """The pair is ordered a minute before the close and X does not trade: Y goes at the next open."""
    evening = dt.datetime(2024, 3, 5, 21, 0, tzinfo=dt.UTC) - dt.timedelta(minutes=ENTRY + 1)
    morning = dt.datetime(2024, 3, 6, 14, 30, tzinfo=dt.UTC)
    first = second_bars(ENTRY + 1, silent={"X": [(0, 60)]}, begin=evening)
    second = second_bars(3, begin=morning)
    fine = {symbol: pd.concat([first[symbol], second[symbol]]) for symbol in first}
    outcome = play(in_market, settings_for({"action": action, "timeout_seconds": 100.0}), fine)
    assert [(when, symbol, role) for when, symbol, role, _, _ in outcome.witness.fills] == [
        (evening + dt.timedelta(minutes=ENTRY), "Y", "entry"), (morning, "Y", "exit"),
    ]  # fmt: skip
    assert not outcome.witness.doubled and not outcome.witness.working()
    assert "expired" in {ended.how for ended in outcome.witness.ended.values()}


@ACTIONS
def test_below_the_cap_nothing_is_done_before_the_strategys_own_leg_timeout(action: str) -> None:
    """10,000 EUR of Y are within the cap. The strategy gives up two minutes after the minute of the first fill."""
    outcome = run(action, silent={"X": [(0, 1_000)]}, legs={"max_naked_eur": 10_000.5})
    assert len(sent(outcome, "X", "entry")) == 1
    ((exit_at, units),) = sent(outcome, "Y", "exit")
    assert units == -100.0 and 120.0 <= exit_at <= 180.0
    assert not outcome.held and not outcome.witness.working()


def test_without_stops_the_legs_are_watched_all_the_same() -> None:
    fine = second_bars(ENTRY + 4, silent={"X": [(0, 60)]})
    settings = settings_for({}, {"disaster_stop": 0.0}, risk={"max_trade_risk": None})
    outcome = play(in_market, settings, fine)
    assert [fill[1:3] for fill in outcome.fills()] == [("Y", "entry"), ("Y", "exit")]
    assert outcome.fills()[-1][0] == 11.0


def test_the_mirror_image_buys_what_is_late() -> None:
    fine = second_bars(ENTRY + 4, silent={"X": [(0, 60)]})
    outcome = play(in_market, settings_for({}), fine, sign=1)
    assert outcome.fills() == [(0.0, "Y", "entry", -100.0), (11.0, "Y", "exit", 100.0)]


def test_the_exits_of_a_kill_switch_are_not_doubled() -> None:
    """X loses 1.50 on 200 units, a thousandth of the equity and more: both legs go at second 60, X is halted."""
    risk = {"kill_switch": {"max_drawdown": 0.001, "flatten": True}}
    faults = Fault(at(50), "halt", "X"), Fault(at(100), "resume", "X")
    fine = second_bars(ENTRY + 4, jumps={"X": [(30, 1.03)]})
    outcome = play(in_market, settings_for({}, risk=risk), fine, faults)
    assert outcome.fills()[2:] == [(60.0, "Y", "exit", -100.0), (100.0, "X", "exit", 200.0)]
    assert len(sent(outcome, "X", "exit")) == 1 and not outcome.witness.working()
