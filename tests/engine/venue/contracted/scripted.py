"""A venue that does what a test has written down, and remembers what it was asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from contracted.on_market import run_with
from contracted.scenario import Outcome, Scenario, at, minutes_of, seconds_of, settings_of

from engine.venue import Accepted, Carried, Charged, Corrected, Ended, Filled, Report, VenueOrder, VenueRefused
from engine.venue_broker import VenueBroker
from feeds import History

Item = tuple[str, Callable[["ScriptedVenue"], Sequence[Report]]]


def when(time: str) -> dt.datetime:
    return at(time).to_pydatetime()


class ScriptedVenue:
    """``items``: (time, what is reported then), in order of time."""

    def __init__(self, *items: Item) -> None:
        self.items = list(items)
        self.placed: list[VenueOrder] = []
        self.cancelled: list[tuple[int, str]] = []
        self.modified: list[VenueOrder] = []
        self.carried: list[Carried] = []
        self.blind: dict[str, str] = {}
        self.refusal: VenueRefused | None = None
        self.opened: list[str] = []  # what was asked first
        self.closed = 0

    def open(self) -> Sequence[Carried]:
        self.opened.append("open")
        return self.carried

    def play(
        self, until: dt.datetime | None, wake: Callable[[], dt.datetime | None]
    ) -> Iterator[tuple[dt.datetime, Sequence[Report]]]:
        self.opened.append("play")
        while self.items and (until is None or when(self.items[0][0]) <= until):
            time, make = self.items.pop(0)
            yield when(time), make(self)

    def place(self, orders: Sequence[VenueOrder]) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.placed += orders

    def cancel(self, ref: int, why: str) -> None:
        self.cancelled.append((ref, why))

    def modify(self, order: VenueOrder) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.modified.append(order)

    def why_no_entries(self, symbol: str) -> str:
        return self.blind.get(symbol, "")

    def close(self) -> None:
        self.closed += 1

    def ref(self, place: int = 0) -> int:
        return self.placed[place].ref


def accepted(time: str, place: int = 0) -> Item:
    return time, lambda venue: [Accepted(ref=venue.ref(place), when=when(time))]


def filled(
    time: str, quantity: float, price: float, exec_id: str = "e.01", place: int = 0, **more: Any
) -> Item:  # fmt: skip
    return time, lambda venue: [
        Filled(ref=venue.ref(place), when=when(time), exec_id=exec_id, quantity=quantity, price=price, **more)
    ]


def ended(time: str, how: Any = "cancelled", text: str = "", place: int = 0) -> Item:
    return time, lambda venue: [Ended(ref=venue.ref(place), when=when(time), how=how, text=text)]


def charged(time: str, fees: float, currency: str = "USD", exec_id: str = "e.01", place: int = 0) -> Item:
    return time, lambda venue: [
        Charged(ref=venue.ref(place), when=when(time), exec_id=exec_id, fees=fees, currency=currency)
    ]


def corrected(time: str, quantity: float, price: float, exec_id: str, corrects: str, place: int = 0) -> Item:
    return time, lambda venue: [
        Corrected(
            ref=venue.ref(place), when=when(time), exec_id=exec_id, corrects=corrects, quantity=quantity, price=price
        )
    ]


def run_scripted(
    scenario: Scenario,
    venue: ScriptedVenue,
    kind: type[VenueBroker] = VenueBroker,
    begin: str = "",
    strategy: Any = None,
    **parts: Any,
) -> Outcome:
    """``parts``: attributes of the broker, like listeners."""
    settings, outcome = settings_of(scenario), Outcome()
    frames = {symbol: minutes_of(seconds_of(rows)) for symbol, rows in scenario.prices.items()}
    history = History(frames, [], when(begin) if begin else None)
    broker = kind(venue, settings=settings)
    for name, value in parts.items():
        setattr(broker, name, value)
    return run_with(broker, settings, history, scenario, outcome, strategy)
