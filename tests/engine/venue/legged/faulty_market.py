"""The market of a backtest in which things go wrong at named moments."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import backtrader as bt
from legged.scene import Fault

from core.settings import Settings
from engine.market_venue import MarketVenue
from engine.venue import Report, VenueOrder
from engine.venue_broker import VenueBroker
from feeds import History

_INSTANT = dt.timedelta(microseconds=1)
_AFTER_PRICES = frozenset({"halt", "resume", "freeze", "thaw"})  # they concern what begins then, not the bar that ends


class FaultyMarket(MarketVenue):
    """A MarketVenue with faults, each at its moment."""

    def __init__(self, settings: Settings, history: History, faults: Sequence[Fault]) -> None:
        super().__init__(settings, history)
        later = [replace(f, when=f.when + _INSTANT) if f.kind in _AFTER_PRICES else f for f in faults]
        self.faults = sorted(later, key=lambda fault: fault.when)
        self.refusals: list[Fault] = []  # for orders to come
        self.sent: dict[int, VenueOrder] = {}
        self.deaf: set[str] = set()  # symbols of which no cancel is heard

    def play(
        self, until: dt.datetime | None, wake: Callable[[], dt.datetime | None]
    ) -> Iterator[tuple[dt.datetime, Sequence[Report]]]:
        def next_wake() -> dt.datetime | None:
            dues = [due for due in (wake(), self.faults[0].when if self.faults else None) if due is not None]
            return min(dues, default=None)

        for when, reports in super().play(until, next_wake):
            yield when, reports
            while self.faults and self.faults[0].when <= when:
                self._strike(self.faults.pop(0))

    def place(self, orders: Sequence[VenueOrder]) -> None:
        self.sent.update({order.ref: order for order in orders})
        super().place(orders)
        for order in orders:
            for fault in self.refusals:
                if fault.symbol == order.symbol and fault.role == order.role and self.order(order.ref).is_working:
                    self.refusals.remove(fault)
                    if fault.count > 1:
                        self.refusals.append(replace(fault, count=fault.count - 1))
                    self.market.refuse(self.order(order.ref), 201, fault.text)
                    break

    def cancel(self, ref: int, why: str) -> None:
        if self.sent[ref].symbol not in self.deaf:
            super().cancel(ref, why)

    def _strike(self, fault: Fault) -> None:
        market, instrument = self.market, self.instruments[fault.symbol]
        if fault.kind == "halt":
            market.halt(instrument)
        elif fault.kind == "resume":
            market.resume(instrument)
        elif fault.kind == "lend":
            market.set_shortable(instrument, fault.shares)
        elif fault.kind == "deaf":
            self.deaf.add(fault.symbol)
        elif fault.kind == "refuse":
            self.refusals.append(fault)
        elif fault.kind == "bust":
            made = [each for each in market.executions if each.order.instrument == instrument]
            if len(made) >= fault.reach:
                market.bust(made[-fault.reach])
        else:
            for ref, order in self.sent.items():
                working = self.order(ref)
                if order.symbol != fault.symbol or order.role != fault.role or not working.is_working:
                    continue
                if fault.kind == "freeze":
                    market.hold(working)
                elif fault.kind == "reject":
                    market.refuse(working, 201, fault.text)
                elif fault.kind == "thaw":
                    market.release(working)
                else:
                    market.cancel(working)


def in_market(settings: Settings, history: History, faults: Sequence[Fault]) -> bt.BrokerBase:
    """Maker of a broker over the market of a backtest."""
    return VenueBroker(FaultyMarket(settings, history, faults), settings=settings)
