"""What the parts of IBKR's venue share: store, journal, who is told, and what waits to be told."""

from __future__ import annotations

import datetime as dt
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from books.intents import IntentJournal
from books.intents_order import Order
from books.intents_records import Commission, Execution, Halted
from books.intents_states import OrderState
from core.calendar import ExchangeCalendar
from core.clock import Clock
from core.errors import CalendarError, LedgerError
from core.events import Bus, ExceptionEvent, FillEvent, HaltEvent, OrderEvent
from core.settings import Settings
from engine.venue import Corrected, Filled, Report
from live.deadlines import Deadlines
from live.pump import EventPump
from live.reconcile_commands import mends
from live.venue_reports import Teller
from stores import IBStore, Instrument

logger = logging.getLogger(__name__)


class VenueDesk:
    """``queue``: moments with the reports that the broker has not heard yet. ``is_open``: somebody hears them."""

    def __init__(
        self,
        store: IBStore,
        journal: IntentJournal,
        settings: Settings,
        clock: Clock,
        bus: Bus,
        pump: EventPump,
        instruments: Mapping[str, Instrument],
    ) -> None:
        self.store = store
        self.journal = journal
        self.settings = settings
        self.clock = clock
        self.bus = bus
        self.pump = pump
        self.instruments = dict(instruments)
        self.deadlines = Deadlines(pump)
        self.teller = Teller(self.day_end)
        self.prices: dict[int, float] = {}  # conId -> last close
        self.queue: deque[tuple[dt.datetime, list[Report]]] = deque()
        self.is_open = False
        self.is_journal_sound = True  # it holds all that is true, as far as is known
        self.on_unwritten: Callable[[], None] = lambda: None  # called whenever the journal could not be written
        self._is_halt_told = False  # that no order can go out, since none can be written
        self._states: dict[str, tuple[OrderState, float]] = {}  # orderRef -> state and filled as the bus heard them
        self._calendars: dict[str, ExchangeCalendar] = {}

    # -- orders ---------------------------------------------------------------------------------------------------

    def order(self, order_ref: str) -> Order | None:
        return self.journal.book.by_ref(order_ref) if order_ref else None

    def day_end(self, symbol: str, written: dt.datetime) -> dt.datetime:
        """When a DAY order that was written at a time ends: the close of that session."""
        exchange = self.settings.instruments[symbol].exchange
        calendar = self._calendars.setdefault(exchange, ExchangeCalendar(exchange))
        try:
            return calendar.close_of(calendar.session_of(written))
        except CalendarError:
            logger.warning("the calendar of %s does not know %s; a DAY order that ends is taken as cancelled",
                           exchange, written)  # fmt: skip
            return dt.datetime.max.replace(tzinfo=dt.UTC)

    # -- telling --------------------------------------------------------------------------------------------------

    def put(self, reports: Sequence[Report], when: dt.datetime | None = None) -> None:
        """Let the broker hear this."""
        if reports and self.is_open:
            self.queue.append((when or self.clock.now(), list(reports)))

    def tell(self, order_ref: str, roots: Iterable[str] = (), *, after: Sequence[Report] = ()) -> None:
        """Let broker and bus hear what is new of an order; ``after``: reports that come behind it."""
        now = self.clock.now()
        reports = [*self.teller.news(self.journal.book, order_ref, now, roots), *after] if self.is_open else []
        self.put(reports, now)
        order = self.order(order_ref)
        if order is None:
            return
        for report in reports:
            if isinstance(report, Filled | Corrected):
                self._publish_fill(order, report)
        self._publish_order(order)

    def charge(self, cost: Commission) -> None:
        """Let the broker hear what an execution has cost."""
        if self.is_open:
            now = self.clock.now()
            self.put(self.teller.charge(self.journal.book, cost, now), now)

    def tell_unwritten(self, order_ref: str, execution: Execution) -> None:
        """A fill that the journal could not take in is real all the same."""
        reports = self.teller.execution(order_ref, execution)
        self.put(reports)
        order = self.order(order_ref)
        for report in reports:
            if order is not None and isinstance(report, Filled | Corrected):
                self._publish_fill(order, report)

    def _publish_order(self, order: Order) -> None:
        if self._states.get(order.ref) == (order.state, order.filled):
            return
        self._states[order.ref] = order.state, order.filled
        intent, terms = order.intent, order.terms
        price = terms.limit_price if terms.limit_price is not None else terms.aux_price
        self.bus.publish(
            OrderEvent(
                at=self.clock.now(), ref=order.ref, unit=intent.unit, symbol=intent.symbol, action=intent.action,
                quantity=order.quantity, filled=order.filled, state=str(order.state), role=str(intent.role),
                price=price, text=self.teller.reasons.get(order.ref, (0, order.why))[1],
            )
        )  # fmt: skip

    def _publish_fill(self, order: Order, report: Filled | Corrected) -> None:
        intent = order.intent
        self.bus.publish(
            FillEvent(
                at=self.clock.now(), ref=order.ref, unit=intent.unit, symbol=intent.symbol, action=intent.action,
                shares=report.quantity, price=report.price, exec_id=report.exec_id,
                is_correction=isinstance(report, Corrected),
                is_estimated=isinstance(report, Filled) and report.is_estimate,
            )
        )  # fmt: skip

    def halted(self, halts: Iterable[Halted]) -> None:
        """Tell of halts that were written just now."""
        for halt in halts:
            logger.error("halted: %s %s (%s): %s", halt.symbol, halt.con_id, halt.cause, halt.why)
            self.bus.publish(
                HaltEvent(
                    at=self.clock.now(), symbol=halt.symbol, cause=str(halt.cause), text=halt.why,
                    expected=halt.expected, found=halt.found, commands=mends(halt, self.journal.book),
                )
            )  # fmt: skip

    def failed(self, where: str, error: BaseException | str) -> None:
        """Tell of something that somebody must look at."""
        logger.error("%s: %s", where, error)
        name = type(error).__name__ if isinstance(error, BaseException) else "unanswered"
        self.bus.publish(ExceptionEvent(at=self.clock.now(), where=where, error=name, text=str(error)))

    @contextmanager
    def writing(self, where: str) -> Iterator[None]:
        """Go on where the journal cannot be written: what the broker did is true all the same, and it comes back with
        the next reconciliation. New orders fail by themselves meanwhile."""
        try:
            yield
        except LedgerError as error:
            self.unwritten(where, error)

    def unwritten(self, where: str, error: LedgerError) -> None:
        """The journal could not be written: told once, until it can be again."""
        self.is_journal_sound = False
        self.on_unwritten()
        if self._is_halt_told:
            logger.info("%s: %s", where, error)
            return
        self._is_halt_told = True
        self.failed(where, error)
        text = f"what is not in the intent journal is not sent, exits neither; protective orders work on: {error}"
        self.bus.publish(HaltEvent(at=self.clock.now(), symbol="", cause="journal", text=text))

    def written(self) -> None:
        """A reconciliation is in the journal: it holds what is true."""
        self.is_journal_sound = True
        if self._is_halt_told:
            self._is_halt_told = False
            text = "the intent journal can be written again"
            self.bus.publish(
                HaltEvent(at=self.clock.now(), symbol="", cause="journal", text=text, is_released=True)
            )  # fmt: skip
