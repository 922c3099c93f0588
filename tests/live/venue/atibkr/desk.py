"""IBKR's venue on a paper gateway whose time stands still; it can be killed and started again on the same journal."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from books.intents import IntentJournal
from books.intents_order import Order
from core.errors import StoreError, UnansweredError
from core.events import Bus, Connection, ConnectionEvent, MonitorEvent
from core.settings import Settings
from engine.venue import Carried, Report, VenueOrder
from gateway import Gateway
from gateway.data.sample import Sample, make_sample
from live.pump import EventPump
from live.venue import IBVenue
from stores import IBStore, StoreSettings

START = dt.datetime(2024, 6, 12, 13, 59, 59, tzinfo=dt.UTC)
OPEN = dt.datetime(2024, 6, 12, 14, 0, tzinfo=dt.UTC)  # 10:00 in New York
BAR = dt.datetime(2024, 6, 12, 13, 59, tzinfo=dt.UTC)
ACCOUNT = "DU1234567"
PATIENCE = 20.0  # real seconds that a test waits for what must come
STORE = StoreSettings(
    login_timeout=1.0, answer_timeout=5.0, history_timeout=5.0, start_timeout=15.0, heartbeat=0.0,
    heartbeat_timeout=0.3, backoff_first=0.02, backoff_most=0.05, backoff_jitter=0.0, resubscribe_after=0.0,
    messages_per_second=0,
)  # fmt: skip
R = TypeVar("R", bound=Report)
E = TypeVar("E", bound=MonitorEvent)


@functools.cache
def sample(sessions: int) -> Sample:
    return make_sample(OPEN.date(), 1, sessions=sessions)


def settings(**live: Any) -> Settings:
    """Two units on the sample's pair: ``rev`` trades XMPLA, ``pair`` both."""
    return Settings.model_validate(
        {
            "data": {"bar": "1m"},
            "instruments": {"XMPLA": {}, "XMPLB": {}},
            "strategies": {
                "rev": {"strategy": "MeanReversion", "instruments": ["XMPLA"], "allotment": 0.5},
                "pair": {"strategy": "PairsTrading", "pairs": [["XMPLA", "XMPLB"]], "allotment": 0.5},
            },
            "live": {"what_if_eur": 0.0} | live,
        }
    )


@dataclass
class Desk:
    """``reports``: all that the venue has told in this life; ``bus``: what monitoring heard."""

    tws: Gateway
    settings: Settings
    store_settings: StoreSettings
    options: dict[str, Any]
    reports: list[Report] = field(default_factory=list)
    heard: list[MonitorEvent] = field(default_factory=list)
    carried: tuple[Carried, ...] = ()
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    # -- life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect, open the journal, reconcile, begin."""
        self.reports, self.heard = [], []
        self.store = IBStore(replace(self.store_settings, port=self.tws.port), self.tws.tws.clock).start()
        self.journal = IntentJournal(
            "intents.sqlite", self.store.account, client_id=1, clock=self.store.clock, journal_id="test"
        )
        self.pump = EventPump(self.store)
        bus = Bus()
        bus.subscribe(self.heard.append)
        self.venue = IBVenue(
            self.store, self.journal, settings=self.settings, clock=self.store.clock, bus=bus, pump=self.pump,
            **self.options,
        )  # fmt: skip
        self.until(lambda: self.venue.is_reconciled)
        self.carried = tuple(self.venue.open())

    def crash(self) -> None:
        """Nothing is said and nothing is noted any more."""
        self.store.stop()
        self.journal.close()

    def restart(self) -> None:
        self.crash()
        self.start()

    # -- time -----------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """What is there is handled and played."""
        self.pump.pump(0)
        for _, reports in self.venue.play(None, lambda: None):
            self.reports += reports

    def settle(self) -> None:
        """All that was sent before has been dealt with, looks included."""
        with contextlib.suppress(StoreError, UnansweredError):
            for _ in range(6):  # a look has four questions
                self.store.current_time()
        self.turn()
        self.turn()

    def after(self, seconds: float, step: float = 0.0) -> None:
        """Time passes, in one step or in several, and all that comes of it has come."""
        self.settle()
        for _ in range(round(seconds / step) if step else 1):
            self.tws.advance(seconds=step or seconds)
            self.settle()

    def until(self, what: Callable[[], object], why: str = "") -> None:
        """Wait in real time."""
        end = time.monotonic() + PATIENCE
        while not what():
            self.turn()
            assert time.monotonic() < end, why or [str(each)[:200] for each in self.reports[-10:]]
            time.sleep(0.005)

    def reconnected(self) -> None:
        """The connection was lost, and stands again; in real time, as the store counts its pauses."""
        self.until(lambda: Connection.LOST in [event.state for event in self.on_bus(ConnectionEvent)])
        self.until(lambda: self.store.is_ready and self.venue.is_reconciled)

    # -- orders ---------------------------------------------------------------------------------------------------

    def order(self, action: str = "BUY", kind: str = "MKT", quantity: float = 100, **terms: Any) -> VenueOrder:
        given = {
            "ref": next(self.numbers), "unit": "rev", "symbol": "XMPLA", "action": action, "quantity": quantity,
            "kind": kind, "tif": "DAY", "bar": BAR, "role": "entry", "trade": "rev@20240612T135900", "reason": "test",
        }  # fmt: skip
        return VenueOrder(**(given | terms))  # type: ignore[arg-type]

    def place(self, *orders: VenueOrder) -> tuple[VenueOrder, ...]:
        self.venue.place(orders)
        self.settle()
        return orders

    def buy(self, kind: str = "MKT", **terms: Any) -> VenueOrder:
        return self.place(self.order("BUY", kind, **terms))[0]

    def bracket(
        self, quantity: float = 100, stop: float = 50.0, target: float = 500.0, **terms: Any
    ) -> list[VenueOrder]:
        """A long entry at market with its stop and target, which are one OCA group."""
        entry = self.order(quantity=quantity, **terms)
        exits = {"tif": "GTC", "parent": entry.ref, "oca_group": f"g{entry.ref}", "trade": entry.trade} | terms
        return [
            entry,
            self.order("SELL", "STP", quantity, aux_price=stop, **(exits | {"role": "stop"})),
            self.order("SELL", "LMT", quantity, limit_price=target, **(exits | {"role": "target"})),
        ]

    # -- looking --------------------------------------------------------------------------------------------------

    def of(self, ref: int | VenueOrder, kind: type[R] = Report) -> list[R]:  # type: ignore[assignment]
        number = ref.ref if isinstance(ref, VenueOrder) else ref
        return [report for report in self.reports if report.ref == number and isinstance(report, kind)]

    def names(self, ref: int | VenueOrder) -> list[str]:
        return [type(report).__name__ for report in self.of(ref)]

    def on_bus(self, kind: type[E]) -> list[E]:
        return [event for event in self.heard if isinstance(event, kind)]

    def known(self, order: VenueOrder) -> Order:
        """The journal's order."""
        return self.journal.book.orders[self.venue.order_ref(order.ref)]

    def at_gateway(self) -> list[Any]:
        """Orders that live at the gateway."""
        return self.tws.call(lambda tws: list(tws.market.open_orders()))

    def held(self, symbol: str = "XMPLA") -> float:
        """The position at the gateway."""
        con_id = self.venue.instruments[symbol].con_id
        return self.tws.call(lambda tws: sum(account.held(con_id) for account in tws.accounts))


@contextlib.contextmanager
def desk(*faults: str, live: dict[str, Any] | None = None, store: Any = None, **options: Any) -> Iterator[Desk]:
    """A venue on a gateway with faults. ``live`` and ``store``: of the settings; ``options``: of IBVenue."""
    sessions, accounts = options.pop("sessions", 1), options.pop("accounts", None)
    seed, attend = options.pop("seed", None), options.pop("attend", None)
    made = sample(sessions)
    tape, book = made.tape(), made.book()
    tws = Gateway(
        tape, book, made.history(tape, book), faults=faults, speed="still", start=START, accounts=accounts, seed=seed
    )
    if attend is not None:
        attend(tws.tws)
    with tws:
        tws.advance(to=OPEN)
        at = Desk(tws, settings(**(live or {})), replace(STORE, **(store or {})), options)
        at.start()
        try:
            yield at
        finally:
            at.crash()
