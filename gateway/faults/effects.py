"""What a fault does: effects, which the injector returns. Each calls the actor's method of its name."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from gateway.faults.actor import Actor as Actor
from gateway.faults.actor import Effect as Effect
from gateway.faults.actor import Moment as Moment
from gateway.faults.actor import perform as perform
from gateway.model import Values


@dataclass(frozen=True, slots=True)
class Swallow:
    """The message under way goes no further."""

    def act(self, actor: Actor) -> None:
        actor.swallow()


@dataclass(frozen=True, slots=True)
class Replace:
    """The message under way goes on with other fields."""

    values: Values

    def act(self, actor: Actor) -> None:
        actor.replace(self.values)


@dataclass(frozen=True, slots=True)
class Close:
    """A connection is dropped."""

    client: int | None
    when: Moment = "before"

    def act(self, actor: Actor) -> None:
        actor.close(self.client, self.when)


@dataclass(frozen=True, slots=True)
class Send:
    """A further answer."""

    client: int | None
    name: str
    values: Values

    def act(self, actor: Actor) -> None:
        actor.send(self.client, self.name, self.values)


@dataclass(frozen=True, slots=True)
class Receive:
    """A further request."""

    client: int
    name: str
    values: Values

    def act(self, actor: Actor) -> None:
        actor.receive(self.client, self.name, self.values)


@dataclass(frozen=True, slots=True)
class Error:
    """IBKR's error message. ``req_id`` is -1 for what concerns no request or order."""

    client: int | None
    req_id: int
    code: int
    text: str
    reject: str = ""

    def act(self, actor: Actor) -> None:
        actor.error(self.client, self.req_id, self.code, self.text, self.reject)


@dataclass(frozen=True, slots=True)
class HalfOpen:
    """The peer is gone and nobody knows."""

    client: int | None

    def act(self, actor: Actor) -> None:
        actor.half_open(self.client)


@dataclass(frozen=True, slots=True)
class StopReading:
    """The gateway does not read."""

    client: int | None
    until: dt.datetime | None

    def act(self, actor: Actor) -> None:
        actor.stop_reading(self.client, self.until)


@dataclass(frozen=True, slots=True)
class RefuseLogins:
    """Nobody gets in."""

    until: dt.datetime

    def act(self, actor: Actor) -> None:
        actor.refuse_logins(self.until)


@dataclass(frozen=True, slots=True)
class ChangePort:
    """The socket port was reset."""

    port: int

    def act(self, actor: Actor) -> None:
        actor.change_port(self.port)


@dataclass(frozen=True, slots=True)
class RollBackIds:
    """Order ids start lower."""

    by: int

    def act(self, actor: Actor) -> None:
        actor.roll_back_ids(self.by)


@dataclass(frozen=True, slots=True)
class LoseStreams:
    """Subscriptions are lost."""

    client: int | None

    def act(self, actor: Actor) -> None:
        actor.lose_streams(self.client)


@dataclass(frozen=True, slots=True)
class SkewClock:
    """The gateway's clock is off, seconds."""

    seconds: float

    def act(self, actor: Actor) -> None:
        actor.skew_clock(self.seconds)


@dataclass(frozen=True, slots=True)
class Limit:
    """Pacing is tighter."""

    kind: Literal["messages", "historical"]
    count: int
    seconds: float

    def act(self, actor: Actor) -> None:
        actor.limit(self.kind, self.count, self.seconds)


@dataclass(frozen=True, slots=True)
class HoldOrder:
    """An order rests unmatched."""

    client: int
    order: int

    def act(self, actor: Actor) -> None:
        actor.hold_order(self.client, self.order)


@dataclass(frozen=True, slots=True)
class ReleaseOrder:
    """A held order is matched again."""

    client: int
    order: int

    def act(self, actor: Actor) -> None:
        actor.release_order(self.client, self.order)


@dataclass(frozen=True, slots=True)
class Execute:
    """A fill out of turn."""

    client: int
    order: int
    shares: float | None = None
    price: float | None = None

    def act(self, actor: Actor) -> None:
        actor.execute(self.client, self.order, self.shares, self.price)


@dataclass(frozen=True, slots=True)
class Refuse:
    """A working order is refused after all."""

    client: int
    order: int
    code: int
    text: str
    reject: str = ""

    def act(self, actor: Actor) -> None:
        actor.refuse(self.client, self.order, self.code, self.text, self.reject)


@dataclass(frozen=True, slots=True)
class EndSilently:
    """An order vanishes."""

    client: int
    order: int

    def act(self, actor: Actor) -> None:
        actor.end_silently(self.client, self.order)


@dataclass(frozen=True, slots=True)
class Twin:
    """A modification becomes a second order."""

    client: int
    order: int

    def act(self, actor: Actor) -> None:
        actor.twin(self.client, self.order)


@dataclass(frozen=True, slots=True)
class Correct:
    """An execution is corrected."""

    exec_id: str
    shares: float | None = None
    price: float | None = None

    def act(self, actor: Actor) -> None:
        actor.correct(self.exec_id, self.shares, self.price)


@dataclass(frozen=True, slots=True)
class Bust:
    """An execution is taken back."""

    exec_id: str

    def act(self, actor: Actor) -> None:
        actor.bust(self.exec_id)


@dataclass(frozen=True, slots=True)
class Halt:
    """A symbol is halted."""

    symbol: str

    def act(self, actor: Actor) -> None:
        actor.halt(self.symbol)


@dataclass(frozen=True, slots=True)
class Resume:
    """A halted symbol trades again."""

    symbol: str

    def act(self, actor: Actor) -> None:
        actor.resume(self.symbol)


@dataclass(frozen=True, slots=True)
class Split:
    """A stock is split: one share becomes ``ratio``."""

    symbol: str
    ratio: float

    def act(self, actor: Actor) -> None:
        actor.split(self.symbol, self.ratio)
