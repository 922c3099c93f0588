"""Interactive Brokers as a venue: intent journal, store and reconciliation behind the contract of ``engine.venue``.

An order is written before it is sent, what is not known is asked and never sent again, fills are booked from executions
alone (docs/exactly_once.md). Everything happens in Cerebro's thread: the pump hands over what the store has heard, and
``play`` passes it on.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from books.intents import IntentJournal
from books.intents_order import Order
from books.intents_records import EPSILON, Execution
from books.intents_records import Carried as Taken
from books.intents_states import OPEN
from core.clock import Clock
from core.errors import IntentError, LedgerError
from core.events import Bus
from core.settings import Settings
from engine.venue import Carried, Filled, Report, VenueOrder
from live.hands import HandWatch
from live.instruments import qualify
from live.previews import Previews
from live.pump import EventPump
from live.shorts import ShortBook
from live.values import ReportedAccount
from live.venue_desk import VenueDesk
from live.venue_hearing import Hearing
from live.venue_orders import order_of, order_of_taken, ref_of
from live.venue_sending import Sender
from live.venue_sync import Reconciler
from stores import IBStore, Instrument
from stores.events import BarArrived


class IBVenue:
    """``engine.venue.Venue`` at IBKR.

    Make it after ``store.start()`` and before the first ``pump.pump``, so that it hears the first ``Synchronised``.
    ``blind``: why a symbol's data cannot be traded on, "" = they can. ``instruments``: symbol -> contract; None asks
    for them. ``shortable_ticks``: ask how many shares can be borrowed. Raises ContractError, StoreError.
    """

    def __init__(
        self,
        store: IBStore,
        journal: IntentJournal,
        *,
        settings: Settings,
        clock: Clock,
        bus: Bus,
        pump: EventPump,
        blind: Callable[[str], str] = lambda symbol: "",
        instruments: Mapping[str, Instrument] | None = None,
        shortable_ticks: bool = True,
    ) -> None:
        made = qualify(store, settings) if instruments is None else instruments
        self._desk = desk = VenueDesk(store, journal, settings, clock, bus, pump, made)
        self._blind = blind
        self.reported = ReportedAccount(journal.account, settings.account.currency, pump, clock)
        self._reconciler = Reconciler(desk)
        self._hearing = Hearing(desk, self._reconciler)
        self._shorts = ShortBook(store, pump, desk.deadlines, made) if shortable_ticks else None
        hands = HandWatch(desk, self._reconciler.look, self._hearing.cancel)
        self._sender = Sender(desk, self._hearing, Previews(desk, self.reported), self._shorts, hands)
        pump.on(BarArrived, self._bar_arrived)

    # -- state ----------------------------------------------------------------------------------------------------

    @property
    def is_reconciled(self) -> bool:
        """Whether journal and broker were compared since the last log-in: before, nothing is sent."""
        return self._reconciler.is_reconciled

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to ask. Instruments in doubt take no orders until then; halts may stand."""
        return self._reconciler.is_settled

    @property
    def doubts(self) -> tuple[str, ...]:
        """What is being asked about, a sentence each."""
        book = self._desk.journal.book
        unknown = [f"{o.intent.symbol}: the outcome of {o.ref} is not known ({o.why})" for o in book.in_doubt()]
        return (*(f"{each.symbol}: {each.text}" for each in self._reconciler.waiting), *unknown)

    @property
    def bus(self) -> Bus:
        """Where monitoring is told."""
        return self._desk.bus

    def now(self) -> dt.datetime:
        """The time by which orders are watched, UTC."""
        return self._desk.clock.now()

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return self._desk.instruments

    @property
    def killed(self) -> str:
        """Why the kill switch is latched; "" = it is not."""
        return self._desk.journal.killed

    def kill(self, why: str) -> None:
        """Latch the kill switch on the disk: no entries in this process and the next, until a person re-arms it."""
        if self.killed:
            return
        try:
            self._desk.journal.kill(why)
        except LedgerError as error:  # the gate holds in this process all the same
            self._desk.failed("kill switch", error)

    def order_ref(self, ref: int) -> str:
        """IBKR's orderRef of an order; "" where it is not known."""
        return self._desk.teller.order_ref(ref)

    def ref_of(self, order_ref: str) -> int | None:
        """The broker's ref of an orderRef."""
        return self._desk.teller.ref(order_ref)

    def working(self) -> tuple[str, ...]:
        """orderRefs of the orders that are not done."""
        return tuple(order.ref for order in self._desk.journal.book.open_orders())

    def strangers(self) -> dict[tuple[str, str], float]:
        """(unit, symbol) -> signed units that the journal has of units which the settings do not have."""
        book, units = self._desk.journal.book, self._desk.settings.units
        return {
            (unit, book.symbols.get(con_id, str(con_id))): size
            for (unit, con_id), size in book.unit_positions().items()
            if unit and unit not in units
        }

    # -- the contract ---------------------------------------------------------------------------------------------

    def open(self) -> Sequence[Carried]:
        """What the journal holds of the units of the settings."""
        desk, book = self._desk, self._desk.journal.book
        desk.is_open = True
        desk.queue.clear()
        executions: defaultdict[str, list[Execution]] = defaultdict(list)
        for seen in book.executions.values():
            if seen.ref and seen.execution.shares > EPSILON:
                executions[seen.ref].append(seen.execution)
        units = desk.settings.units
        carried = [
            (record.at, self._carried_units(record, place))
            for place, record in enumerate(book.taken)
            if record.unit in units
        ]
        for order in book.orders.values():
            if order.intent.unit in units:
                desk.teller.know(ref_of(order.intent), order.ref, order.quantity)
                carried.append((order.written, self._carried(order, executions[order.ref])))
        if self._shorts is not None:
            self._shorts.ask()
        return [each for _, each in sorted(carried, key=lambda pair: pair[0])]

    def _carried(self, order: Order, executions: Sequence[Execution]) -> Carried:
        desk = self._desk
        parent = desk.order(order.intent.parent_ref)
        made = order_of(order, ref_of(order.intent), ref_of(parent.intent) if parent else None)
        reports = desk.teller.history(desk.journal.book, order, executions)
        return Carried(made, tuple(reports), order.state in OPEN)

    def _carried_units(self, record: Taken, place: int) -> Carried:
        """Units that were adopted, or accepted into a unit's book: as a fill, at what they cost."""
        made = order_of_taken(record, place)
        fill: Report = Filled(
            ref=made.ref, when=record.at, exec_id=f"taken.{place}", quantity=abs(record.quantity),
            price=record.price if record.price is not None else self._price_of(record), is_estimate=True,
        )  # fmt: skip
        return Carried(made, (fill,), False)

    def _price_of(self, record: Taken) -> float:
        """Of units that were accepted without a price: what IBKR says that they cost, else the price in the journal
        that is nearest in time. Raises IntentError where there is none."""
        held = self.reported.positions.get(record.con_id)
        if held is not None and held.position * record.quantity > 0.0 and held.avg_cost > 0.0:
            return held.avg_cost
        book, con_id = self._desk.journal.book, record.con_id
        known = [
            (seen.execution.when, seen.execution.price)
            for seen in book.executions.values()
            if seen.execution.con_id == con_id and seen.execution.price > 0.0
        ]
        known += [(each.at, each.price) for each in book.taken if each.con_id == con_id and each.price]
        if known:
            return min(known, key=lambda told: abs(told[0] - record.at))[1]
        left = book.unit_size(record.unit, con_id)
        steps = [-left] if abs(left) > EPSILON else [record.quantity, -record.quantity]
        commands = " and then ".join(
            f"`halflife reconcile --accept {con_id} --quantity {step:.12g} --unit {record.unit} --price PRICE`"
            for step in steps
        )
        raise IntentError(
            f"{record.quantity:+.12g} {record.symbol} came into the book of {record.unit} on {record.at:%Y-%m-%d} "
            f"without a price, and nothing tells one since they are gone; say at which price they went: {commands}"
        )

    def play(
        self, until: dt.datetime | None, wake: Callable[[], dt.datetime | None]
    ) -> Iterator[tuple[dt.datetime, Sequence[Report]]]:
        """What has come since the last call; time passes by itself, so ``until`` says nothing here."""
        desk = self._desk
        while desk.queue:
            yield desk.queue.popleft()
        due, now = wake(), desk.clock.now()
        if due is not None and due <= now:
            yield now, ()

    def place(self, orders: Sequence[VenueOrder]) -> None:
        self._sender.place(orders)

    def cancel(self, ref: int, why: str) -> None:
        self._sender.cancel(ref, why)

    def modify(self, order: VenueOrder) -> None:
        self._sender.modify(order)

    def why_no_entries(self, symbol: str) -> str:
        """The connection, then the data. What the journal holds back is refused by ``place``."""
        store = self._desk.store
        if not store.is_ready:
            return store.why_not_ready()
        if not self.is_reconciled:
            return "orders, executions and positions have not been compared with the journal yet; wait until they are"
        return self._blind(symbol)

    def close(self) -> None:
        """Hear no more. Orders stay as they are; store and journal are their owner's."""
        self._desk.is_open = False
        self._desk.deadlines.clear()
        if self._shorts is not None:
            self._shorts.end()

    def _bar_arrived(self, event: BarArrived) -> None:
        self._desk.prices[event.con_id] = event.close
