"""One graph, run twice: as a backtest, and live through the paper gateway in lockstep."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lived.witness import Witness

from core.events import MonitorEvent
from core.settings import Settings
from engine.brokers import make_broker
from engine.build import build, resolve
from engine.venue import Report, VenueOrder
from feeds import History
from gateway import Gateway
from live.session import LiveSession
from live.summary import SessionSummary
from stores import StoreSettings


@dataclass
class Heard:
    """A ``VenueListener`` that remembers."""

    orders: list[VenueOrder] = field(default_factory=list)
    cancels: list[tuple[int, str]] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    equity: dict[dt.datetime, float] = field(default_factory=dict)  # bar -> EUR

    def sent(self, orders: Sequence[VenueOrder]) -> None:
        self.orders += orders

    def cancelled(self, ref: int, why: str) -> None:
        self.cancels.append((ref, why))

    def reported(self, when: dt.datetime, reports: Iterable[Report]) -> None:
        self.reports += reports

    def marked(self, when: dt.datetime, equity_eur: float) -> None:
        self.equity[when] = equity_eur

    @property
    def decisions(self) -> list[tuple[object, ...]]:
        return [order.decision for order in self.orders]


def backtest(settings: Settings, history: History) -> Heard:
    """The order stream of a backtest."""
    settings, heard = resolve(settings), Heard()
    broker = make_broker(settings, history)
    broker.listeners.append(heard)
    build(settings, history, broker).run()
    return heard


def connection(gateway: Gateway, client_id: int = 1) -> StoreSettings:
    """How to connect to a gateway: one that waits for its client is asked for the time by the session alone."""
    if gateway.speed != "max":
        return StoreSettings(port=gateway.port, client_id=client_id, backoff_first=0.5, backoff_most=5.0)
    return lockstep_at(gateway.port, client_id)


def lockstep_at(port: int, client_id: int = 1) -> StoreSettings:
    """The same for a gateway in lockstep."""
    return StoreSettings(
        port=port, client_id=client_id, heartbeat=0.0, messages_per_second=0, resubscribe_after=0.0,
        backoff_first=0.02, backoff_most=0.05, backoff_jitter=0.0,
    )  # fmt: skip


@dataclass
class Lived:
    """What became of a live session."""

    heard: Heard
    summary: SessionSummary
    session: LiveSession
    told: list[str]
    events: list[MonitorEvent]


def live(
    settings: Settings,
    gateway: Gateway,
    until: dt.datetime,
    state: Path | str = "state",
    each_bar: Callable[[dt.datetime, Any], None] | None = None,
    **options: Any,
) -> Lived:
    """Run a live session on a gateway that has been started."""
    paths = settings.paths.model_copy(update={"state": str(state)})
    settings = settings.model_copy(update={"paths": paths})
    heard, told, events = Heard(), list[str](), list[MonitorEvent]()

    def marked(when: dt.datetime, broker: Any) -> None:
        if heard not in broker.listeners:  # the first bar: nothing has been sent before
            broker.listeners.append(heard)
            heard.equity[when] = broker.account.equity_eur
        if each_bar is not None:
            each_bar(when, broker)

    session = LiveSession(
        settings, store=connection(gateway), clock=gateway.tws.clock, lockstep=gateway.speed == "max", until=until,
        tell=told.append, marked=marked, **options,
    )  # fmt: skip
    session.bus.subscribe(events.append)
    return Lived(heard, session.run(), session, told, events)


def attended(gateway: Gateway) -> Witness:
    """A witness of a gateway that is about to start."""
    witness = Witness()
    witness.attend(gateway.tws)
    return witness
