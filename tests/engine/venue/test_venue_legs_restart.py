"""A pair that an earlier run of the process left behind, and pairs without stops. The restart is at second 60."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import backtrader as bt
import pytest
from legged.faulty_market import FaultyMarket, in_market
from legged.scene import ENTRY, Fault, Outcome, at, play, second_bars, settings_for

from core.orders import Refusal
from core.settings import Settings
from engine.legs import legs_without_stops
from engine.venue import Accepted, Carried, Ended, Filled, Report, VenueOrder
from engine.venue_broker import VenueBroker
from feeds import History

TRADE = "pair@20240305T143900"


def order(ref: int, symbol: str, role: str, sign: int, units: float, **terms: Any) -> VenueOrder:
    known: dict[str, Any] = {
        "kind": "STP" if role == "stop" else "MKT",
        "tif": "DAY" if role == "entry" else "GTC",
        "reason": {"entry": "ols", "stop": "disaster_stop", "exit": "mean"}[role],
        "oca_group": "" if role == "entry" else f"pair/{symbol}",
    }
    return VenueOrder(
        ref=ref, unit="pair", symbol=symbol, action="BUY" if sign > 0 else "SELL", quantity=units, bar=at(0), role=role,
        trade=TRADE, leg=symbol.lower(), **{**known, **terms},
    )  # fmt: skip


Y_ENTRY, X_ENTRY = order(901, "Y", "entry", 1, 100.0), order(903, "X", "entry", -1, 200.0)
Y_STOP = order(902, "Y", "stop", -1, 100.0, aux_price=90.0, parent=901)
X_STOP = order(904, "X", "stop", 1, 200.0, aux_price=55.0, parent=903)


def filled(what: VenueOrder, second: float, price: float) -> Carried:
    fill = Filled(ref=what.ref, when=at(second), exec_id=f"e{what.ref}.01", quantity=what.quantity, price=price)
    return Carried(what, (Accepted(ref=what.ref, when=at(0)), fill), is_working=False)


def working(what: VenueOrder) -> Carried:
    return Carried(what, (Accepted(ref=what.ref, when=at(0)),), is_working=True)


def ended(what: VenueOrder, how: Any) -> Carried:
    reports: tuple[Report, ...] = (Ended(ref=what.ref, when=at(0), how=how, code=201, text="refused"),)
    return Carried(what, reports, is_working=False)


class CarryingMarket(FaultyMarket):
    """A market in which orders of an earlier run work."""

    carried: tuple[Carried, ...] = ()

    def open(self) -> Sequence[Carried]:
        super().open()
        done = {each.order.ref for each in self.carried if not each.is_working}
        orders = [each.order for each in self.carried if each.is_working]
        for each in orders:
            if each.parent in done or each.parent is None:
                self.place([replace(each, parent=None), *(o for o in orders if o.parent == each.ref)])
        self._reports.clear()  # they were told at the time
        return self.carried


def restart(*carried: Carried, faults: Sequence[Fault] = (), bars: Any = None, **legs: Any) -> Outcome:
    def maker(settings: Settings, history: History, faults: Sequence[Fault]) -> bt.BrokerBase:
        market = CarryingMarket(settings, history, faults)
        market.carried = carried
        return VenueBroker(market, settings=settings)

    fine = second_bars(ENTRY + 5, **(bars or {}))
    outcome = play(maker, settings_for(legs), fine, faults, begin=at(120))
    assert not outcome.witness.doubled
    return outcome


def sizes(outcome: Outcome) -> dict[str, float]:
    return {data._name: outcome.broker.getposition(data).size for data in outcome.strategy.datas}


def test_a_leg_that_an_earlier_run_left_alone_goes_at_once() -> None:
    """X is halted, Y has been naked for a minute: the time was over while nothing ran."""
    outcome = restart(
        filled(Y_ENTRY, 0.0, 100.0), working(Y_STOP), working(X_ENTRY), working(X_STOP),
        faults=[Fault(at(59), "halt", "X")],
    )  # fmt: skip
    assert outcome.fills() == [(60.0, "Y", "exit", -100.0)]
    assert sizes(outcome) == {"pair/Y": 0.0, "pair/X": 0.0}
    assert not outcome.broker.get_orders_open()


def test_a_leg_that_fills_after_the_restart_is_kept() -> None:
    outcome = restart(
        filled(Y_ENTRY, 0.0, 100.0), working(Y_STOP), working(X_ENTRY), working(X_STOP), timeout_seconds=65.0,
    )  # fmt: skip
    assert sizes(outcome) == {"pair/Y": 100.0, "pair/X": -200.0}


def test_a_whole_pair_is_left_alone_and_its_stops_still_take_the_other_leg_along() -> None:
    outcome = restart(
        filled(Y_ENTRY, 0.0, 100.0), working(Y_STOP), filled(X_ENTRY, 0.0, 50.0), working(X_STOP),
        bars={"jumps": {"X": [(90, 1.2)]}},
    )  # fmt: skip
    assert outcome.fills() == [(91.0, "Y", "exit", -100.0)]  # the stop of X is not of this run
    assert sizes(outcome) == {"pair/Y": 0.0, "pair/X": 0.0}


def test_a_leg_that_was_refused_before_the_restart() -> None:
    outcome = restart(filled(Y_ENTRY, 0.0, 100.0), working(Y_STOP), ended(X_ENTRY, "rejected"))
    assert outcome.fills() == [(60.0, "Y", "exit", -100.0)]
    assert sizes(outcome)["pair/Y"] == 0.0


def test_a_leg_of_which_nothing_is_known_was_never_there() -> None:
    outcome = restart(filled(Y_ENTRY, 0.0, 100.0), working(Y_STOP))
    assert outcome.fills() == [(60.0, "Y", "exit", -100.0)]


def test_the_exit_of_an_earlier_run_is_not_doubled() -> None:
    leaving = order(905, "Y", "exit", -1, 100.0, oca_group="pair/Y")
    outcome = restart(
        filled(Y_ENTRY, 0.0, 100.0), working(Y_STOP), working(leaving), ended(X_ENTRY, "rejected"),
        faults=[Fault(at(59), "halt", "Y"), Fault(at(100), "resume", "Y")],
    )  # fmt: skip
    assert not [what for _, what in outcome.witness.sends if what.role == "exit"]
    assert sizes(outcome)["pair/Y"] == 0.0


def bare(maker: Any, **legs: Any) -> Outcome:
    settings = settings_for(legs, {"disaster_stop": 0.0}, risk={"max_trade_risk": None})
    return play(maker, settings, second_bars(ENTRY + 2))


def needing(settings: Settings, history: History, faults: Sequence[Fault]) -> bt.BrokerBase:
    broker = in_market(settings, history, faults)
    broker.needs_stops = True
    return broker


def test_a_broker_that_needs_stops_refuses_legs_without() -> None:
    outcome = bare(needing)
    assert not outcome.witness.sends
    assert set(outcome.strategy.tally.refusals.values()) == {str(Refusal.NO_STOP)}
    held = {"Y": 10.0, "X": -20.0}  # 2% of 100,000: without stops a unit with 2 x has all its 200 EUR at risk
    assert bare(needing, accept_without_stops=True).held == held
    assert bare(in_market).held == held


@pytest.mark.parametrize(("stop", "units"), [(0.1, []), (0.0, ["pair"])])
def test_units_without_disaster_stops_are_named(stop: float, units: list[str]) -> None:
    settings = settings_for({}, {"disaster_stop": stop})
    chosen = settings.strategies["pair"].model_copy(update={"strategy": "PairsTrading"})
    assert legs_without_stops(settings.model_copy(update={"strategies": {"pair": chosen}})) == units
