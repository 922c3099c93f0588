"""What happens in a live session, as typed records on one bus: logging, journal, alerts and dashboard subscribe.

A subscriber is called in the thread of the publisher, one event after the other; one that fails is reported as an
``ExceptionEvent`` to the others and never stops the publisher.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum
from threading import Lock
from typing import Any, ClassVar

from core.clock import as_utc

logger = logging.getLogger(__name__)


class Level(StrEnum):
    """How much a person should care."""

    INFO = "info"
    WARNING = "warning"  # it goes on, but not as it should
    CRITICAL = "critical"  # somebody must look


class Connection(StrEnum):
    """State of the way to the broker."""

    CONNECTED = "connected"
    SYNCHRONISED = "synchronised"  # reconciled: orders may go out
    DEGRADED = "degraded"  # the socket stands, the broker's servers do not (1100, farms)
    LOST = "lost"
    REFUSED = "refused"  # it will not come by itself: login, client id, version


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorEvent:
    """Something that monitoring may want to know. ``at``: UTC."""

    kind: ClassVar[str] = ""
    at: dt.datetime

    @property
    def level(self) -> Level:
        return Level.INFO

    def payload(self) -> dict[str, Any]:
        """Its fields but for ``at`` as JSON values; NaN and infinity are null."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self) if f.name != "at"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionEvent(MonitorEvent):
    kind: ClassVar[str] = "connection"
    state: Connection
    text: str = ""
    code: int = 0  # the broker's, 0 = none

    @property
    def level(self) -> Level:
        if self.state is Connection.REFUSED:
            return Level.CRITICAL
        return Level.WARNING if self.state in (Connection.LOST, Connection.DEGRADED) else Level.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent(MonitorEvent):
    """An order was made or changed its state."""

    kind: ClassVar[str] = "order"
    ref: str  # orderRef
    unit: str
    symbol: str
    action: str  # BUY or SELL
    quantity: float  # units
    filled: float
    state: str  # books.intents_states.OrderState
    role: str = ""
    price: float | None = None  # limit or trigger, instrument currency
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FillEvent(MonitorEvent):
    kind: ClassVar[str] = "fill"
    ref: str
    unit: str
    symbol: str
    action: str
    shares: float  # units; of a correction what it changes, signed
    price: float
    exec_id: str
    is_correction: bool = False
    is_estimated: bool = False  # concluded from a position

    @property
    def level(self) -> Level:
        return Level.WARNING if self.is_correction or self.is_estimated else Level.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalEvent(MonitorEvent):
    """The gate, the journal or the broker refused an order."""

    kind: ClassVar[str] = "refusal"
    unit: str
    symbol: str
    by: str  # "gate", "journal", "broker"
    reason: str  # core.orders.Refusal, or the broker's code
    text: str = ""

    @property
    def level(self) -> Level:
        return Level.WARNING


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltEvent(MonitorEvent):
    """New orders were halted on an instrument (``symbol`` "" = on all), or are allowed again."""

    kind: ClassVar[str] = "halt"
    symbol: str
    cause: str
    text: str
    is_released: bool = False
    expected: float | None = None  # signed units
    found: float | None = None
    commands: tuple[str, ...] = ()  # that accept or mend it

    @property
    def level(self) -> Level:
        return Level.INFO if self.is_released else Level.CRITICAL


@dataclass(frozen=True, slots=True, kw_only=True)
class LegsEvent(MonitorEvent):
    """One leg of a pair has, or will have, what the other has not, and something is done about it."""

    kind: ClassVar[str] = "legs"
    unit: str
    trade: str
    phase: str  # risk.legs.Phase: hedged or unwound
    naked_eur: float  # value of what one leg has beyond the other
    legs: tuple[str, ...]  # what each holds of what was ordered

    @property
    def level(self) -> Level:
        return Level.WARNING


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionEvent(MonitorEvent):
    """A position stands without a working stop or exit at the broker, or does so no more."""

    kind: ClassVar[str] = "protection"
    unit: str
    symbol: str
    size: float  # signed units that nothing covers; of the whole position once it is protected
    seconds: float  # for which it has stood so, at least
    is_protected: bool = False  # again, or it is gone

    @property
    def level(self) -> Level:
        return Level.INFO if self.is_protected else Level.CRITICAL


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawdownEvent(MonitorEvent):
    kind: ClassVar[str] = "drawdown"
    equity_eur: float
    peak_eur: float
    limit: float | None = None  # fraction of the peak at which trading ends

    @property
    def drawdown(self) -> float:
        """Fraction of the peak that is lost, >= 0."""
        return max(0.0, 1.0 - self.equity_eur / self.peak_eur) if self.peak_eur > 0.0 else 0.0

    @property
    def level(self) -> Level:
        return Level.CRITICAL if self.limit is not None and self.drawdown >= self.limit else Level.WARNING


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftEvent(MonitorEvent):
    """What the broker reports has moved away from the book since it was told last. Nothing is changed by it."""

    kind: ClassVar[str] = "drift"
    what: str  # "cash USD", "equity"
    book: float  # in the currency of ``what``, equity in the account's
    reported: float
    moved: float  # change of reported - book

    @property
    def level(self) -> Level:
        return Level.WARNING


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionEvent(MonitorEvent):
    kind: ClassVar[str] = "exception"
    where: str
    error: str  # class; empty where it is a sentence for a person
    text: str

    @property
    def level(self) -> Level:
        return Level.CRITICAL


Subscriber = Callable[[MonitorEvent], None]


class Bus:
    """Hands events to whoever has subscribed; any thread may publish and subscribe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._subscribers: tuple[tuple[Subscriber, frozenset[type[MonitorEvent]]], ...] = ()

    def subscribe(self, subscriber: Subscriber, kinds: Iterable[type[MonitorEvent]] = ()) -> Callable[[], None]:
        """Call ``subscriber`` with every event of ``kinds`` (empty: all) from now on; call the result to end it."""
        entry = (subscriber, frozenset(kinds))
        with self._lock:
            self._subscribers += (entry,)

        def end() -> None:
            with self._lock:
                self._subscribers = tuple(each for each in self._subscribers if each is not entry)

        return end

    def publish(self, event: MonitorEvent) -> None:
        """Hand ``event`` to all subscribers, in the order in which they came."""
        self._publish(event, None)

    def _publish(self, event: MonitorEvent, but: Subscriber | None) -> None:
        for subscriber, kinds in self._subscribers:  # a tuple: those of this moment
            if subscriber is but or (kinds and type(event) not in kinds):
                continue
            try:
                subscriber(event)
            except Exception as error:
                logger.exception("a subscriber of the %s events failed", event.kind)
                if but is None:  # a failure about a failure is only logged
                    where = f"subscriber {getattr(subscriber, '__qualname__', type(subscriber).__name__)}"
                    failure = ExceptionEvent(at=event.at, where=where, error=type(error).__name__, text=str(error))
                    self._publish(failure, subscriber)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dt.datetime):
        return as_utc(value).isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value
