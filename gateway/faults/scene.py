"""Where an action plays: the message under way, the time, and what the injector remembers between messages."""

from __future__ import annotations

import datetime as dt
import heapq
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.faults.effects import Effect, Receive, Send
from gateway.faults.rewrites import Rewrites
from gateway.faults.values import AbsentError, get, render
from gateway.faults.verbs import REQUEST
from gateway.model import Values

Later = Callable[[dt.datetime], Iterable[Effect]]


@dataclass(slots=True)
class Block:
    """Messages that go no further until then (None: for ever): lost, or kept and let go in their order."""

    names: frozenset[str]
    client: int | None
    until: dt.datetime | None
    keeps: bool
    req_id: int | None = None  # of this request's answers alone
    kept: list[Effect] = field(default_factory=list)

    def stops(self, client: int, name: str, values: Values) -> bool:
        is_whose = self.client in (None, client) and self.req_id in (None, values.get("reqId"))
        return is_whose and name in self.names


@dataclass(slots=True)
class Memory:
    """What outlives a message."""

    order: tuple[int, int] | None = None  # client, order id of the latest placeOrder
    execution: Values | None = None  # of the latest execDetails
    placed: dict[tuple[int, int], float] = field(default_factory=dict)  # client, order id -> quantity
    blocks: list[Block] = field(default_factory=list)
    swapped: dict[tuple[int, str], list[Send]] = field(default_factory=dict)  # wait for the next of their name
    rewrites: Rewrites = field(default_factory=Rewrites)
    _later: list[tuple[dt.datetime, int, Later]] = field(default_factory=list)
    _scheduled: int = 0

    def at(self, when: dt.datetime, what: Later) -> None:
        """Have something done at a time."""
        self._scheduled += 1
        heapq.heappush(self._later, (when, self._scheduled, what))

    def due(self, now: dt.datetime) -> Later | None:
        """The next thing whose time has come, and forget it."""
        return heapq.heappop(self._later)[2] if self._later and self._later[0][0] <= now else None

    def next_due(self) -> dt.datetime | None:
        """When the next thing is to be done."""
        return self._later[0][0] if self._later else None


@dataclass(slots=True)
class Scene:
    """One trigger's moment. Verbs add to ``effects`` and say what becomes of the message under way."""

    place: str
    now: dt.datetime
    memory: Memory
    chance: random.Random
    client: int | None = None
    name: str = ""
    values: Values = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)  # FIELD=VALUE of the action that is carried out
    effects: list[Effect] = field(default_factory=list)
    dropped: bool = False
    changed: bool = False

    def render(self, text: str) -> Any:
        """A parameter with its ``$field`` references."""
        return render(text, self.values) if "$" in text else text

    def target(self, client: str | int) -> int | None:
        """Whose connection: a client's id, or None for all; the message's own is all where there is no message."""
        return client if isinstance(client, int) else None if client == "all" else self.client

    def order(self) -> tuple[int, int]:
        """Client and id of the message's order, or of the latest that was placed."""
        if self.client is not None:
            for name in ("orderId", "execution.orderId"):
                try:
                    order = int(get(self.values, name))
                except AbsentError:
                    continue
                return self.owner(), order
        if self.memory.order is None:
            raise AbsentError("no order was placed yet")
        return self.memory.order

    def owner(self) -> int:
        """The client whose order a message is about."""
        try:
            return int(get(self.values, "clientId"))
        except AbsentError:
            if self.client is None:
                raise
            return self.client

    def part(self, fraction: float) -> float:
        """So much of the order's quantity, in whole shares, at least one."""
        order = self.order()
        try:
            quantity = float(get(self.values, "totalQuantity"))
        except AbsentError:
            if order not in self.memory.placed:
                raise
            quantity = self.memory.placed[order]
        return max(1.0, float(int(quantity * fraction)))

    def symbols(self, symbol: str) -> list[str]:
        """The symbols that a script means by a name, ``first`` or ``*``."""
        found = self.memory.rewrites.symbols(symbol)
        if not found:
            raise AbsentError("there was nothing on the tape yet")
        return found

    def further(self, values: Values) -> Effect:
        """The message under way once more, as an effect of its own."""
        assert self.client is not None  # messages have a client
        return (Receive if self.place == REQUEST else Send)(self.client, self.name, values)

    def execution(self) -> Values:
        """The message's execution, or the latest."""
        found = self.values.get("execution") or self.memory.execution
        if found is None:
            raise AbsentError("nothing was executed yet")
        return dict(found)

    def detached(self) -> Scene:
        """The same after the message has gone."""
        return Scene(self.place, self.now, self.memory, self.chance, self.client, self.name, self.values)
