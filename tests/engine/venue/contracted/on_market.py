"""Runs a scenario on the gateway's market within the process."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import backtrader as bt
from contracted.scenario import Actor, Outcome, Scenario, at, minutes_of, quotes_of, seconds_of, settings_of

from engine.cerebro import Cerebro
from engine.market_venue import MarketVenue
from engine.venue import Report
from engine.venue_broker import VenueBroker
from feeds import History


class ActedVenue(MarketVenue):
    """Lets a scenario do things to the market at its moments, before the prices of these."""

    acts: dict[dt.datetime, Callable[[Any, Outcome], None]]
    outcome: Outcome

    def play(
        self, until: dt.datetime | None, wake: Callable[[], dt.datetime | None]
    ) -> Iterator[tuple[dt.datetime, Sequence[Report]]]:
        def next_wake() -> dt.datetime | None:
            return min([due for due in (wake(), *self.acts) if due is not None], default=None)

        for when, reports in super().play(until, next_wake):
            yield when, reports
            for due in [due for due in self.acts if due <= when]:
                self.acts.pop(due)(self.market, self.outcome)


def run_on_market(scenario: Scenario, make: type[ActedVenue] = ActedVenue, strategy: Any = None) -> Outcome:
    settings, outcome = settings_of(scenario), Outcome()
    fine = {symbol: seconds_of(rows) for symbol, rows in scenario.prices.items()}
    frames = {symbol: minutes_of(frame) for symbol, frame in fine.items()}
    history = History(frames, [], None, fine, {symbol: quotes_of(rows) for symbol, rows in scenario.shown.items()})
    venue = make(settings, history)
    venue.acts = {at(time).to_pydatetime(): act for time, act in scenario.market_acts.items()}
    venue.outcome = outcome
    broker = VenueBroker(venue, settings=settings)
    return run_with(broker, settings, history, scenario, outcome, strategy)


def run_with(
    broker: Any, settings: Any, history: History, scenario: Scenario, outcome: Outcome, strategy: Any = None
) -> Outcome:
    """Run the scenario's strategy, or another one with the unit "one", with a broker over ``history``."""
    cerebro = Cerebro(stdstats=False)
    cerebro.setbroker(broker)
    cerebro.settings, cerebro.history = settings, history
    for symbol in scenario.prices:
        data = history.data(symbol, timeframe=bt.TimeFrame.Minutes, compression=1)
        data.unit, data.symbol, data.instrument = "one", symbol, settings.instruments[symbol]
        cerebro.adddata(data, name=f"one/{symbol}")
    if strategy is None:
        cerebro.addstrategy(Actor, scenario=scenario, outcome=outcome)
    else:
        cerebro.addstrategy(strategy, unit="one")
    outcome.broker = broker
    (outcome.strategy,) = cerebro.run()
    return outcome
