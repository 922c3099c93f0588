"""An actor that writes down what it is told, and a clock that is moved by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.faults import Effect, Injector, Script, parse, perform
from gateway.model import Values

MONDAY = dt.datetime(2024, 6, 10, 14, 0, tzinfo=dt.UTC)  # 10:00 in New York


# Messages as they are on the way
STATUS: Values = {"orderId": 7, "status": "Submitted", "filled": 0.0, "clientId": 1}
FILLED: Values = STATUS | {"status": "Filled"}
EXECUTION: Values = {
    "reqId": -1,
    "contract": {"symbol": "BAC"},
    "execution": {"execId": "0001.02.01.01", "orderId": 7, "clientId": 1, "shares": 100.0, "price": 12.5},
}
PLACE: Values = {"orderId": 7, "contract": {"symbol": "BAC"}, "order": {"action": "BUY", "totalQuantity": 100.0}}


class RecordingActor:
    """Every call of an ``Actor`` as a tuple: name, arguments."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *arguments: self.calls.append((name, *arguments))


@dataclass
class Stage:
    """An injector with its clock; what it returns is performed on a recording actor."""

    script: Script
    seed: int | None = None
    now: dt.datetime = MONDAY
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.injector = Injector(self.script, lambda: self.now, self.seed)

    def _perform(self, effects: Sequence[Effect]) -> list[tuple[Any, ...]]:
        actor = RecordingActor()
        perform(effects, actor)
        self.calls += actor.calls
        return actor.calls

    def out(self, name: str, values: Values | None = None, client: int = 1) -> list[tuple[Any, ...]]:
        """An answer is about to be sent."""
        return self._perform(self.injector.outgoing(client, name, values or {}))

    def ask(self, name: str, values: Values | None = None, client: int = 1) -> list[tuple[Any, ...]]:
        """A request is about to be handled."""
        return self._perform(self.injector.incoming(client, name, values or {}))

    def wait(self, seconds: float) -> list[tuple[Any, ...]]:
        """Time passes, then the clock ticks."""
        self.now += dt.timedelta(seconds=seconds)
        return self._perform(self.injector.tick(self.now))


def stage(text: str, seed: int | None = None) -> Stage:
    """The stage of a script."""
    return Stage(parse(text), seed)
