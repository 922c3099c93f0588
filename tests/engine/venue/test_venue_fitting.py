"""Orders that close are brought to the size that is held: after corrections, and where units were given to a unit."""

from __future__ import annotations

from typing import Any

import pytest
from contracted.on_market import run_on_market
from contracted.scenario import Outcome, Scenario
from contracted.scripted import Item, corrected, ended, filled, run_scripted, when
from contracted.waking import Keeps, Waking

from engine.venue import Accepted, Carried, ChangeRefused, Ended, Filled, Report, VenueOrder
from strategies import MeanReversion, PairsTrading
from strategies.base import BookStrategy

# Closes of the bars: 14:31, 14:32, 14:33, and the next one at 14:41.
ROWS = [(f"14:{minute}:01", 10.0) for minute in (30, 31, 32, 40, 41)]
ENTERED = filled("14:31:10", 100, 10.0, "e.01")
STOP = 1  # place of the order


def run(venue: Waking, strategy: Any = Keeps, symbols: str = "A", rows: Any = ROWS) -> Outcome:
    return run_scripted(Scenario(dict.fromkeys(symbols, rows), {}), venue, strategy=strategy)


# ---------------------------------------------------------------------- corrections


def bust(time: str, place: int = 0, exec_id: str = "e") -> Item:
    return corrected(time, 0, 10.0, f"{exec_id}.02", f"{exec_id}.01", place=place)


def test_the_stop_of_an_entry_that_is_taken_back_is_cancelled_within_seconds() -> None:
    venue = Waking(ENTERED, bust("14:34:10"), ended("14:34:16", place=STOP))
    out = run(venue)
    assert venue.changes == [("14:34:15", STOP, 0.0)]
    assert out.position() == 0 and not out.strategy.holdings and len(venue.placed) == 2


def test_a_stop_closes_no_more_than_a_correction_has_left() -> None:
    venue = Waking(ENTERED, corrected("14:34:10", 60, 10.0, "e.02", "e.01"))
    run(venue)
    assert venue.changes == [("14:34:15", STOP, 60.0)] and len(venue.placed) == 2


def test_an_exit_that_works_closes_no_more_than_a_correction_has_left() -> None:
    class Leaves(Keeps):
        def decide(self) -> None:
            super().decide()
            if len(self.data) == 3:
                self.leave(self.data, "signal")

    venue = Waking(ENTERED, corrected("14:34:10", 60, 10.0, "e.02", "e.01"))
    run(venue, Leaves)
    assert venue.changes == [("14:34:15", 2, 60.0), ("14:34:15", STOP, 60.0)]
    venue = Waking(ENTERED, bust("14:34:10"))
    run(venue, Leaves)
    assert venue.changes == [("14:34:15", STOP, 0.0), ("14:34:15", 2, 0.0)]


def test_a_change_that_is_refused_is_asked_for_again_after_a_minute() -> None:
    refused = (
        "14:34:16", lambda v: [ChangeRefused(ref=v.ref(STOP), when=when("14:34:16"), code=201, text="no")]
    )  # fmt: skip
    venue = Waking(ENTERED, corrected("14:34:10", 60, 10.0, "e.02", "e.01"), refused)
    run(venue)
    assert venue.changes == [("14:34:15", STOP, 60.0), ("14:35:21", STOP, 60.0)]


def test_an_entry_that_is_taken_back_and_booked_again_at_once_keeps_its_stop() -> None:
    venue = Waking(ENTERED, bust("14:34:10"), corrected("14:34:12", 100, 10.0, "e.03", "e.02"))
    out = run(venue)
    assert venue.changes == [] and len(venue.placed) == 2
    holding = out.strategy.holdings["one/A"]
    assert out.position() == 100 == holding.size and holding.stop is not None


def test_an_entry_that_is_booked_again_while_its_stop_is_cancelled_gets_it_back() -> None:
    again = corrected("14:34:16", 100, 10.0, "e.03", "e.02")
    venue = Waking(ENTERED, bust("14:34:10"), again, ended("14:34:22", place=STOP))
    out = run(venue)
    assert venue.sent[2:] == [("14:34:27", "stop", "STP", 100.0)]
    assert out.strategy.holdings["one/A"].size == 100


def test_an_entry_that_is_booked_again_once_its_stop_is_gone_is_closed_within_seconds() -> None:
    again = corrected("14:36:00", 100, 10.0, "e.03", "e.02")
    venue = Waking(ENTERED, bust("14:34:10"), ended("14:34:16", place=STOP), again)
    run(venue)
    assert venue.sent[2:] == [("14:36:05", "exit", "MKT", 100.0)]


def test_a_fill_after_the_end_of_the_entry_is_closed_within_seconds() -> None:
    venue = Waking(ended("14:31:10"), ended("14:31:11", place=STOP), filled("14:34:10", 100, 10.0))
    run(venue)
    assert venue.sent[2:] == [("14:34:15", "exit", "MKT", 100.0)]


@pytest.mark.parametrize(("shares", "left"), [(0.0, 0.0), (60.0, 60.0)])
def test_a_backtest_does_it_at_the_same_moment(shares: float, left: float) -> None:
    seen: list[tuple[str, float]] = []

    def correct(market: Any, outcome: Outcome) -> None:
        market.correct(market.executions[0], shares=shares)

    def look(market: Any, outcome: Outcome) -> None:
        stops = [order for order in market.open_orders() if order.terms["orderType"] == "STP"]
        seen.append((f"{market.now():%H:%M:%S}", sum(order.quantity for order in stops)))

    # The look at 14:34:14 is before the mending, the one at 14:34:16 after it; the next bar is that of 14:41.
    acts = {"14:34:10": correct, "14:34:14": look, "14:34:16": look}
    out = run_on_market(Scenario({"A": ROWS}, {}, market_acts=acts), strategy=Keeps)
    assert seen == [("14:34:14", 100.0), ("14:34:16", left)] and out.position() == shares


# ---------------------------------------------------------------------- an earlier run


def order(ref: int, *fills: float, is_working: bool = False, **terms: Any) -> Carried:
    known = {"action": "BUY", "quantity": 100.0, "kind": "MKT", "tif": "DAY", "symbol": "A", **terms}
    minute = 24 + abs(ref) // 10
    reports: list[Report] = [Accepted(ref=ref, when=when(f"14:{minute}:01"))]
    reports += [
        Filled(ref=ref, when=when(f"14:{minute}:0{2 + n}"), exec_id=f"{ref}.{n}", quantity=size, price=10.0)
        for n, size in enumerate(fills)
    ]
    return Carried(
        VenueOrder(ref=ref, unit="one", bar=when(f"14:{minute}:00"), **known), tuple(reports), is_working
    )  # fmt: skip


ENTRY = {"role": "entry", "trade": "one@20240308T142400"}
STOPS = {
    "role": "stop", "trade": "one@20240308T142400", "action": "SELL", "kind": "STP", "tif": "GTC", "aux_price": 9.0,
    "oca_group": "g",
}  # fmt: skip
GIVEN = {"trade": "taken-0", "quantity": 50.0}  # as live.venue_orders tells units that were adopted


class Never(Keeps):
    """It only keeps what it holds."""

    def decide(self) -> None:
        """Nothing."""


class LeavesLate(Never):
    def decide(self) -> None:
        if len(self.data) == 3:
            self.leave(self.data, "signal")


def carrying(*carried: Carried, items: tuple[Item, ...] = ()) -> Waking:
    venue = Waking(*items)
    venue.carried = list(carried)
    return venue


def test_the_stop_of_an_entry_that_was_taken_back_while_nobody_was_there_is_cancelled() -> None:
    venue = carrying(order(-1, **ENTRY), order(-2, is_working=True, parent=-1, **STOPS))
    out = run(venue, Never)
    assert venue.changes == [("14:31:00", -2, 0.0)] and out.position() == 0


def test_units_that_were_given_beside_a_bracket_are_stopped_at_its_price_in_a_group_of_their_own() -> None:
    venue = carrying(
        order(-1, 100.0, **ENTRY), order(-2, is_working=True, parent=-1, **STOPS), order(-10, 50.0, **GIVEN)
    )
    run(venue, Never)
    assert venue.sent == [("14:31:00", "stop", "STP", 50.0)] and venue.changes == []
    (beside,) = venue.placed
    assert (beside.aux_price, beside.tif, beside.parent) == (9.0, "GTC", None)
    assert beside.oca_group not in ("", "g") and beside.trade == ENTRY["trade"]


def test_one_exit_closes_them_all_and_the_stop_beside_goes() -> None:
    venue = carrying(
        order(-1, 100.0, **ENTRY), order(-2, is_working=True, parent=-1, **STOPS), order(-10, 50.0, **GIVEN)
    )
    run(venue, LeavesLate)
    assert venue.sent[1:] == [("14:33:00", "exit", "MKT", 150.0)] and venue.placed[1].oca_group == "g"
    assert venue.changes == [("14:33:00", 0, 0.0)]


def test_a_restart_takes_up_both_stops_and_the_one_beside_follows_what_is_held() -> None:
    venue = carrying(
        order(-1, 100.0, **ENTRY), order(-2, is_working=True, parent=-1, **STOPS), order(-10, 50.0, **GIVEN),
        order(-20, is_working=True, **{**STOPS, "oca_group": "h", "quantity": 30.0}),
    )  # fmt: skip
    out = run(venue, Never)
    assert venue.sent == [] and venue.changes == [("14:31:00", -20, 50.0)]
    holding = out.strategy.holdings["one/A"]
    assert (holding.stop.ref, holding.beside.ref) == (out.broker._sent[-2].ref, out.broker._sent[-20].ref)


def test_a_stop_without_a_bracket_is_enlarged() -> None:
    venue = carrying(order(-1, 100.0, **ENTRY), order(-2, is_working=True, **STOPS), order(-10, 50.0, **GIVEN))
    run(venue, Never)
    assert venue.sent == [] and venue.changes == [("14:31:00", -2, 150.0)]


def test_the_stop_beside_takes_the_place_of_one_that_went() -> None:
    venue = carrying(
        order(-1, 100.0, **ENTRY), order(-2, is_working=True, parent=-1, **STOPS), order(-10, 50.0, **GIVEN),
        items=(("14:34:10", lambda v: [_ended(-2, "14:34:10")]),),
    )  # fmt: skip
    run(venue, Never)
    assert venue.sent == [("14:31:00", "stop", "STP", 50.0)] and venue.changes == [("14:34:15", 0, 150.0)]


def _ended(ref: int, time: str) -> Report:
    return Ended(ref=ref, when=when(time), how="cancelled")


def test_a_stop_of_a_trade_that_is_over_tells_nothing_about_units_that_were_given_later() -> None:
    over = order(-1, 100.0, **ENTRY), order(-2, 100.0, parent=-1, **STOPS)
    venue = carrying(*over, order(-10, 50.0, **GIVEN))
    out = run(venue, Never)
    assert venue.placed == [] and out.strategy.holdings["one/A"].stop_price is None
    assert out.strategy.has_stops and not out.strategy.holdings["one/A"].is_bare


def test_a_stop_that_would_open_more_is_cancelled() -> None:
    venue = carrying(
        order(-1, 100.0, **ENTRY), order(-2, is_working=True, parent=-1, **STOPS),
        order(-10, 150.0, trade="taken-0", action="SELL", quantity=150.0),
    )  # fmt: skip
    run(venue, Never)
    assert venue.changes == [("14:31:00", -2, 0.0)] and venue.placed == []


# ---------------------------------------------------------------------- the stop of the strategy's own rule


def parameters(strategy: type[BookStrategy], **values: Any) -> Any:
    """The strategy, with other defaults: the harness gives it its unit alone."""

    class Model(strategy.model):  # type: ignore[name-defined, misc]
        pass

    for name, value in values.items():
        Model.model_fields[name].default = value
    Model.model_rebuild(force=True)
    return type(strategy)(strategy.__name__, (strategy,), {"model": Model})


SWING = [(f"{14 + minute // 60}:{minute % 60:02d}:01", 10.0 + minute % 2) for minute in range(30, 115)]
# True ranges of 1 from the second bar on, so an average true range of 1; the bar of 15:44 closes at 11, the one before
# at 10.


def test_units_that_were_given_get_the_stop_of_mean_reversions_rule_on_the_first_bar_it_decides_on() -> None:
    quiet = {
        "zscore_entry": 9.0, "zscore_period": 3, "atr_period": 3, "stop_atr": 2.5, "vol_period": 3, "adx_max": 0.0,
        "time_stop": 0.0, "entry": "zscore", "zscore_exit": -9.0,
    }  # fmt: skip
    assert MeanReversion.bars_needed(quiet) == 74  # so it decides from the bar of 15:44 on
    venue = carrying(order(-1, 50.0, **GIVEN))
    out = run(venue, parameters(MeanReversion, **quiet), rows=SWING)
    assert venue.sent == [("15:44:00", "stop", "STP", 50.0)]
    assert venue.placed[0].aux_price == pytest.approx(8.5, abs=0.005) and venue.placed[0].tif == "GTC"
    assert out.strategy.holdings["one/A"].stop is not None


@pytest.mark.parametrize("away", [0.1, 0.0])
def test_units_that_were_given_get_the_disaster_stop_of_a_pair_if_it_has_any(away: float) -> None:
    quiet = {
        "hedge_period": 4, "zscore_period": 3, "coint_max": 0.0, "half_life_period": 4, "correlation_min": 0.0,
        "vol_period": 3, "entry_z": 90.0, "stop_z": 0.0, "exit_z": 0.0, "time_stop": 0.0, "disaster_stop": away,
    }  # fmt: skip
    strategy = parameters(PairsTrading, **quiet)
    both = order(-1, 50.0, **GIVEN), order(-2, 40.0, symbol="B", action="SELL", quantity=40.0, trade="taken-1")
    venue = carrying(*both)
    rows = [(f"14:{minute}:01", 10.0) for minute in range(30, 50)]
    out = run_scripted(Scenario({"A": rows, "B": rows}, {}), venue, strategy=strategy)
    assert out.strategy.has_stops == bool(away)
    stops = [(each.symbol, each.role, each.action, each.quantity, each.aux_price) for each in venue.placed]
    expected = [("A", "stop", "SELL", 50.0, 9.0), ("B", "stop", "BUY", 40.0, 11.0)]
    assert stops == (expected if away else [])
    assert {each.reason for each in venue.placed} <= {"disaster_stop"}
