"""Runs a scenario on ``SimBroker``, which sees minutes alone."""

from __future__ import annotations

from contracted.on_market import run_with
from contracted.scenario import Outcome, Scenario, minutes_of, seconds_of, settings_of

from engine.sim_broker import SimBroker
from feeds import History


def run_on_bars(scenario: Scenario) -> Outcome:
    settings = settings_of(scenario).model_copy(update={"matching": "bar"})
    history = History({symbol: minutes_of(seconds_of(rows)) for symbol, rows in scenario.prices.items()})
    return run_with(SimBroker(settings=settings), settings, history, scenario, Outcome(knows_seconds=False))
