"""A gateway whose time stands still, and a store that is connected to it."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from gateway import Gateway
from gateway.data.sample import Sample, make_sample
from stores import ContractSpec, IBStore, Instrument, OrderTerms, StoreSettings
from stores.errors import StoreError, UnansweredError
from stores.events import (
    ConnectionChanged,
    ConnectionState,
    ErrorReported,
    Event,
    ExecutionReported,
    OrderReported,
    Synchronised,
)

START = dt.datetime(2024, 6, 12, 13, 59, 59, tzinfo=dt.UTC)
OPEN = dt.datetime(2024, 6, 12, 14, 0, tzinfo=dt.UTC)  # 10:00 in New York: the market is open, and there are prices
ACCOUNT = "DU1234567"
PATIENCE = 20.0  # real seconds that a test waits for what must come
SETTINGS = StoreSettings(
    login_timeout=1.0, answer_timeout=5.0, history_timeout=5.0, start_timeout=15.0, heartbeat=0.0,
    heartbeat_timeout=0.3, backoff_first=0.02, backoff_most=0.05, backoff_jitter=0.0, resubscribe_after=0.0,
)  # fmt: skip
E = TypeVar("E")


@functools.cache
def _sample(sessions: int) -> Sample:
    return make_sample(OPEN.date(), 1, sessions=sessions)


@contextlib.contextmanager
def gateway(*faults: str, sessions: int = 1, **options: Any) -> Iterator[Gateway]:
    """A gateway at ``OPEN`` of the sample's day; ``advance`` moves its time."""
    sample = _sample(sessions)
    tape, book = sample.tape(), sample.book()
    options = {"speed": "still", "start": START} | options
    with Gateway(tape, book, sample.history(tape, book), faults=faults, **options) as tws:
        if options["speed"] == "still":
            tws.advance(to=OPEN)
        yield tws


@dataclass
class Desk:
    """``seen``: all events so far."""

    tws: Gateway
    store: IBStore
    seen: list[Event] = field(default_factory=list)

    def settle(self) -> None:
        """All that was sent before has been dealt with."""
        self.store.current_time()
        self.drain()

    def drain(self) -> list[Event]:
        self.seen += self.store.events.drain()
        return self.seen

    def after(self, seconds: float) -> None:
        """Time passes, and all that comes of it has come."""
        self.settle()
        self.tws.advance(seconds=seconds)
        self.settle()

    def until(self, what: Callable[[], object], why: str = "") -> None:
        """Wait in real time."""
        end = time.monotonic() + PATIENCE
        while not what():
            self.drain()
            assert time.monotonic() < end, why or [str(each)[:200] for each in self.seen[-10:]]
            time.sleep(0.005)
        self.drain()

    def until_state(self, state: ConnectionState) -> None:
        self.until(lambda: self.store.state is state, f"not {state}")

    def until_again(self, times: int = 2) -> None:
        """Until it has been synchronised so often, and is ready."""
        self.until(lambda: len(self.of(Synchronised)) >= times and self.store.is_ready)

    def try_settle(self) -> None:
        """As ``settle``, where the connection may be lost meanwhile."""
        with contextlib.suppress(StoreError, UnansweredError):
            self.store.current_time()
        self.drain()

    def insist(self, ask: Callable[[], E]) -> E:
        """Ask until the connection holds so long."""
        end = time.monotonic() + PATIENCE
        while True:
            self.until(lambda: self.store.is_ready)
            try:
                return ask()
            except (StoreError, UnansweredError):
                assert time.monotonic() < end

    def of(self, kind: type[E]) -> list[E]:
        return [each for each in self.drain() if isinstance(each, kind)]

    def codes(self) -> list[int]:
        """IBKR's codes, but for the notices about farms."""
        return [each.code for each in self.of(ErrorReported) if not 2103 <= each.code <= 2158]

    def states(self) -> list[ConnectionState]:
        return [each.state for each in self.of(ConnectionChanged)]

    def statuses(self, order_id: int) -> list[str]:
        return [each.status for each in self.of(OrderReported) if each.order_id == order_id]

    def fills(self) -> list[ExecutionReported]:
        return self.of(ExecutionReported)

    def instrument(self, symbol: str = "XMPLA") -> Instrument:
        return self.store.qualify(ContractSpec(symbol))

    def terms(self, action: str = "BUY", kind: str = "MKT", quantity: float = 100, **terms: Any) -> OrderTerms:
        order_id = self.store.next_order_id()
        return OrderTerms(order_id, terms.pop("order_ref", f"ref-{order_id}"), action, quantity, kind, **terms)

    def buy(self, kind: str = "MKT", **terms: Any) -> OrderTerms:
        made = self.terms("BUY", kind, **terms)
        self.store.place(self.instrument(), made)
        return made

    def sell(self, kind: str = "MKT", **terms: Any) -> OrderTerms:
        made = self.terms("SELL", kind, **terms)
        self.store.place(self.instrument(), made)
        return made

    def position(self) -> float:
        return sum(held.position for held in self.store.positions())

    def live(self) -> list[int]:
        """Ids of the orders that live at the gateway."""
        return [order.order_id for order in self.tws.call(lambda tws: tws.market.open_orders())]


@contextlib.contextmanager
def desk(*faults: str, start: bool = True, wait: bool = True, settings: Any = None, **options: Any) -> Iterator[Desk]:
    """A desk with faults; ``settings``: changes of the store's."""
    with gateway(*faults, **options) as tws:
        store = IBStore(replace(SETTINGS, port=tws.port, **(settings or {})), tws.tws.clock)
        try:
            if start:
                store.start(wait=wait)
            yield Desk(tws, store)
        finally:
            store.stop()
