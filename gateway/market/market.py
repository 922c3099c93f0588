"""The market behind the gateway: orders in, executions out.

``place``, ``modify`` and ``cancel`` are what clients do; ``bar``, ``quote`` and ``advance`` are what time does;
what faults do is in ``Interventions``. Everything that happens is told to the listener, in the order in
which TWS tells it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from zoneinfo import ZoneInfo

from gateway.market import texts
from gateway.market.accounts import Accounts
from gateway.market.hours import hours
from gateway.market.interventions import Interventions, MarketError
from gateway.market.life import Life
from gateway.market.terms import AT_CLOSE, AT_MARKET, STOPS, MarketRules, NotTaken, Terms
from gateway.market.texts import Notice
from gateway.market.ticket import Ticket
from gateway.market.whatif import order_state
from gateway.model import Bar, Execution, Instrument, MarketListener, Order, Quote, Values

__all__ = ["Market", "MarketError"]

_INSTANT = dt.timedelta(microseconds=1)


class Market(Interventions):
    """Orders, matching and accounts of one gateway. Single-threaded, deterministic.

    ``rules``: market rules by id (``gateway.data``); an instrument whose rule is not there has its minTick throughout.
    ``prefix``: of execution ids, 8 hexadecimal digits; ``first_perm_id``: where permanent ids begin. ``zone``: the
    midnight at which a new day begins. ``order_limit``: working orders for one side of a contract in an account.
    ``cancel_seconds``: how long a cancel takes, during which the order can still fill. ``keep``,
    ``participation`` and ``standing``: see Life.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        accounts: Accounts,
        now: Callable[[], dt.datetime],
        listener: MarketListener,
        *,
        rules: MarketRules | None = None,
        prefix: str = "0000e0d5",
        first_perm_id: int = 1_000_000_001,
        zone: str = "US/Eastern",
        order_limit: int = 20,
        participation: float | None = None,
        standing: bool = False,
        cancel_seconds: float = 0.0,
        keep: int = 10_000,
    ) -> None:
        self.instruments = {instrument.con_id: instrument for instrument in instruments}
        self.accounts = accounts
        self.now = now
        self.life = Life(accounts, now, listener, prefix, keep, participation, standing)
        self.held_ids: set[tuple[int, int]] = set()
        self.on_shortable: Callable[[Instrument], None] = lambda instrument: None
        self.shortable = {con_id: instrument.shortable for con_id, instrument in self.instruments.items()}
        self._rules = rules or {}
        self._perm_id = first_perm_id - 1
        self._seq = 0
        self._zone = ZoneInfo(zone)
        self._order_limit = order_limit
        self._cancel_seconds = cancel_seconds
        accounts.open(now(), self.instruments.values())
        for instrument in self.instruments.values():
            self.life.exchange.book(instrument)  # calendars take a second to build: now, not at the first order
        self._midnight = self._next_midnight(now())

    # ------------------------------------------------------------------ what there is

    @property
    def orders(self) -> dict[int, Order]:
        """permId -> order, working or ended today."""
        return self.life.orders

    @property
    def executions(self) -> list[Execution]:
        """The executions of the current day as they stand: corrected ones in their last version, no busted ones."""
        return list(self.life.executions.values())

    def open_orders(self) -> list[Order]:
        """Orders that are not at an end, in the order in which they came; also those that are not transmitted."""
        return [ticket.order for ticket in self.life.tickets.values()]

    def completed_orders(self) -> list[Order]:
        """Orders that ended today after they were acknowledged."""
        return [order for order in self.life.orders.values() if order.status in ("Filled", "Cancelled", "Inactive")]

    def find(self, client_id: int, order_id: int) -> Order | None:
        """The order of a client, working or ended today."""
        return self.life.by_id.get((client_id, order_id))

    def last_price(self, instrument: Instrument) -> float | None:
        return self.accounts.prices.get(instrument.con_id)

    def new_order(
        self, client_id: int, order_id: int, account: str, instrument: Instrument, contract: Values, terms: Values
    ) -> Order:
        """Make an order with the next permId. An empty account is the only one there is, where there is only one."""
        self._perm_id += 1
        names = self.accounts.names
        account = account or (names[0] if len(names) == 1 else "")
        return Order(self._perm_id, client_id, order_id, account, instrument, contract, terms, placed=self.now())

    # ------------------------------------------------------------------ clients

    def place(self, order: Order, *, is_twin: bool = False) -> None:
        """Take a new order; whatever is wrong with it is told to the listener as IBKR's error.

        ``is_twin``: its id is another order's, which works on, but is found by the id no more.
        """
        life = self.life
        try:
            ticket = self._read(order, is_twin)
        except NotTaken as refused:
            order.status, order.ended = "Inactive", self.now()
            life.tell(order, refused.notice)
            return
        order.placed = order.placed or self.now()
        life.orders[order.perm_id] = order
        life.by_id[order.client_id, order.order_id] = order
        life.tickets[order.perm_id] = ticket
        life.working[order.account, order.instrument.con_id, ticket.terms.sign] += 1
        life.links.join(ticket)
        ticket.is_held = True
        if (order.client_id, order.order_id) in self.held_ids:
            ticket.is_frozen = True
        if ticket.terms.transmits:
            self._transmit(ticket)

    def _read(self, order: Order, is_twin: bool) -> Ticket:
        """Check an order as TWS does before it sends one on."""
        life, terms = self.life, order.terms
        if not is_twin and (order.client_id, order.order_id) in life.by_id:
            raise NotTaken(texts.DUPLICATE_ID)
        if order.account not in self.accounts:
            raise NotTaken(
                texts.invalid(f"Invalid account code '{order.account}'") if order.account else texts.NO_ACCOUNT
            )
        read = Terms(terms, order.instrument, self._rules)
        self._check_rate(order)
        parent = None
        if read.parent_id:
            found = life.by_id.get((order.client_id, read.parent_id))
            parent = life.tickets.get(found.perm_id) if found is not None else None
            if found is None or (parent is None and found.status != "Filled"):
                raise NotTaken(texts.NO_PARENT)
        self._seq += 1
        ticket = Ticket(order, read, self._seq, self.accounts[order.account].volume)
        if parent is not None:
            ticket.parent = parent
            if not parent.order.filled:
                ticket.waits_for.add("parent")
        self._preset(order, read)
        return ticket

    def _check_rate(self, order: Order) -> None:
        """Raise NotTaken where the books have no exchange rate for what the order would bring into them."""
        currency = self.accounts.unrated(order.instrument, self.now())
        if currency is not None:
            raise NotTaken(texts.no_rate(currency, self.accounts.base))

    def _preset(self, order: Order, read: Terms) -> None:
        """What TWS changes in an order before it goes on, with its warnings."""
        if not order.terms.get("tif"):
            order.terms["tif"] = "DAY"
            self.life.tell(order, texts.TIF_BY_PRESET)
        if read.is_outside and (read.kind in AT_MARKET or read.kind in AT_CLOSE or read.tif == "OPG"):
            read.is_outside = order.terms["outsideRth"] = False
            self.life.tell(order, texts.OUTSIDE_IGNORED)

    def _transmit(self, ticket: Ticket) -> None:
        """Send an order on, with the family that was held for it: the parent, then its children as they came."""
        parent = ticket.parent
        family = [ticket]
        if parent is not None and (parent.is_held or any(child.is_held for child in parent.children)):
            family = [parent, *parent.children] if parent.is_held else [c for c in parent.children if c.is_held]
        for member in family:
            if member.is_held and member.order.is_working:
                self._accept(member)

    def _accept(self, ticket: Ticket) -> None:
        """IBKR's servers take an order or reject it (201)."""
        notice = self._objection(ticket)
        if notice is not None:
            ticket.is_held = False
            self.life.end(ticket, "Inactive", notice, notice.text)
            return
        self.life.count_margin(ticket)
        self._begin(ticket)

    def _begin(self, ticket: Ticket) -> None:
        if ticket.parent is None and ticket.terms.sign < 0 and self._lacks_shares(ticket):
            ticket.waits_for.add("locate")
        self.life.begin(ticket)

    def _objection(self, ticket: Ticket) -> Notice | None:
        order, terms = ticket.order, ticket.terms
        if ticket.group in self.life.links.filled and ticket.group is not None:
            return texts.OCA_FILLED
        if self.life.working[order.account, order.instrument.con_id, terms.sign] > self._order_limit:
            return texts.too_many(self._order_limit)
        return self.life.lacks_margin(order, terms, ticket.group or ticket.seq, ticket)

    def modify(self, order: Order, contract: Values, terms: Values) -> None:
        """Change an order's terms; what is refused leaves it as it was. It loses its place in the queue.

        Its fees begin anew (IBKR counts a modified order as a new one).
        """
        life = self.life
        ticket = life.tickets.get(order.perm_id)
        if ticket is None:
            life.tell(order, texts.FILLED_ALREADY if order.status == "Filled" else texts.TOO_LATE)
            return
        try:
            read = self._check_change(ticket, contract, terms)
            notice = life.lacks_margin(order, read, ticket.group or ticket.seq, ticket)
            if notice is not None:
                raise NotTaken(notice)
        except NotTaken as refused:
            life.tell(order, refused.notice)
            return
        order.contract = contract
        order.terms = {**terms}
        if ticket.group is not None:
            order.terms["ocaType"] = ticket.oca_type
            order.terms["ocaGroup"] = ticket.group[1] if isinstance(ticket.group, tuple) else str(ticket.group)
        self._preset(order, read)
        was_triggered, same_stop = (
            ticket.is_triggered,
            read.stop == ticket.terms.stop and read.kind == ticket.terms.kind,
        )
        followed = ticket.followed()
        ticket.take(read)
        ticket.is_triggered = was_triggered and same_stop
        if followed is not None and read.stop is None and ticket.trails():
            ticket.follow(followed)  # a new distance, from the same price
        if ticket.is_held:
            if read.transmits:
                self._transmit(ticket)
            return
        self.life.count_margin(ticket)
        if order.filled:
            ticket.fees = type(ticket.fees)(ticket.fees.volume)
        life.timetable.remove(ticket)
        ticket.waits_for -= {"time", "locate", "conditions"}
        if ticket.is_live:
            life.exchange.remove(ticket)
            ticket.is_live = False
        if read.quantity <= order.filled:
            order.end_reason = f"Filled Size: {order.filled:.0f}"
            life.end(ticket, "Filled", None, order.end_reason)
            return
        self._seq += 1
        ticket.seq = self._seq
        ticket.has_rested = False
        self._begin(ticket)

    def _check_change(self, ticket: Ticket, contract: Values, terms: Values) -> Terms:
        order = ticket.order
        read = Terms(terms, order.instrument, self._rules)
        con_id = int(contract.get("conId") or 0) or order.instrument.con_id
        if con_id != order.instrument.con_id or read.sign != ticket.terms.sign:
            raise NotTaken(texts.OTHER_ORDER)
        if ticket.order.status == "PendingCancel":
            raise NotTaken(texts.TOO_LATE)
        if read.kind != ticket.terms.kind and "OPG" in (read.tif, ticket.terms.tif):
            raise NotTaken(texts.NO_NEW_TYPE)
        if read.quantity < order.filled:
            raise NotTaken(texts.invalid("The order size is less than the filled quantity"))
        if ticket.is_triggered and read.kind in STOPS and read.stop != ticket.terms.stop:
            raise NotTaken(texts.TRIGGERED_ALREADY)
        parent = ticket.parent
        if parent is not None and ticket.is_exit and not parent.order.is_working:
            most = order.filled + self.life.links.to_close(ticket)
            if read.quantity > max(most, ticket.terms.quantity):
                raise NotTaken(texts.beyond_parent(most))  # the rest would work for ever
        return read

    def cancel(self, order: Order) -> None:
        """PendingCancel, then Cancelled with error 202; the rest of its OCA group and its children go with it."""
        life = self.life
        ticket = life.tickets.get(order.perm_id)
        if ticket is None or order.status == "PendingCancel":
            life.tell(order, texts.too_late_to_cancel(order.order_id, order.status))
            return
        if not ticket.is_held:
            life.say(ticket, "PendingCancel")
            if self._cancel_seconds > 0.0:
                life.timetable.add(self.now() + dt.timedelta(seconds=self._cancel_seconds), "cancel", ticket)
                return
        life.end(ticket, "Cancelled", texts.CANCELLED, "Cancelled by Trader", by_trader=True)

    def cancel_all(self, client_id: int | None = None) -> None:
        """Global cancel: every order, or those of a client."""
        for ticket in list(self.life.tickets.values()):
            order = ticket.order
            if order.is_working and client_id in (None, order.client_id):
                if order.status == "PendingCancel":
                    self.life.tell(order, texts.not_cancellable(order.perm_id))
                else:
                    self.cancel(order)

    def what_if(self, order: Order, instead: Order | None = None) -> tuple[Values, Notice | None]:
        """The orderState of an order that is not placed, and the rejection that it would meet.

        ``instead``: a working order that it would modify. An order that TWS would not even preview is told as an error,
        with an empty orderState.
        """
        known = self.life.tickets.get(instead.perm_id) if instead is not None else None
        try:
            read = Terms(order.terms, order.instrument, self._rules)
            if order.account not in self.accounts:
                raise NotTaken(texts.NO_ACCOUNT)
            self._check_rate(order)
            if known is not None:
                read = self._check_change(known, order.contract, order.terms)
        except NotTaken as refused:
            return {}, refused.notice
        state = self.accounts[order.account]
        told = order_state(state, self.accounts.schedule(order.instrument), order.instrument, read, self.now())
        group = order.terms.get("ocaGroup")
        key = (order.account, group) if group else None
        return told, self.life.lacks_margin(order, read, known.group or key if known is not None else key, known)

    # ------------------------------------------------------------------ time

    @property
    def next_due(self) -> dt.datetime:
        """When ``advance`` next does something."""
        return min(self.life.timetable.due, self._midnight)

    def bar(self, instrument: Instrument, bar: Bar) -> None:
        """A completed bar. Give the quotes of the same step first, and the step before the clock leaves it."""
        if bar.end >= self.life.timetable.due:
            self.advance(bar.end)
        self.life.exchange.bar(instrument, bar)

    def quote(self, instrument: Instrument, quote: Quote) -> None:
        """A new quote."""
        if quote.when >= self.life.timetable.due:
            self.advance(quote.when)
        self.life.exchange.quote(instrument, quote)

    def advance(self, when: dt.datetime) -> None:
        """Let time pass: openings, closes, expiries, a new day. Before the prices of ``when``; what ends at ``when``
        ends after them."""
        life = self.life
        while when >= life.timetable.due:
            due, actions = life.timetable.pop()
            for action, ticket in actions:
                if ticket.order.is_working:
                    self._act(action, ticket, due)
        if when >= self._midnight:
            self._midnight = self._next_midnight(when)
            life.begin_day()
            for state in self.accounts:
                state.begin_day(when)

    def _act(self, action: str, ticket: Ticket, due: dt.datetime) -> None:
        life = self.life
        if action == "wake":
            life.stop_waiting(ticket, "time")
        elif action == "open":
            status = life.status_of(ticket)
            if ticket.order.status not in (status, "PendingCancel"):
                life.say(ticket, status)
        elif action == "close" and not ticket.is_frozen:
            price = self.accounts.prices.get(ticket.order.instrument.con_id)
            if ticket.is_live and price is not None:
                life.exchange.close_auction(ticket, price, due - _INSTANT)
            elif not ticket.is_live and ticket.terms.tif == "GTC":
                life.timetable.add(hours(ticket.order.instrument).next_close(due) + _INSTANT, "close", ticket)
            else:
                life.end(ticket, "Cancelled", texts.CANCELLED, "Expired")
        elif action == "cancel":
            life.end(ticket, "Cancelled", texts.CANCELLED, "Cancelled by Trader", by_trader=True)
        elif action == "expire":
            life.end(ticket, "Cancelled", texts.CANCELLED, "Expired")

    def _next_midnight(self, when: dt.datetime) -> dt.datetime:
        tomorrow = when.astimezone(self._zone).date() + dt.timedelta(days=1)
        return dt.datetime.combine(tomorrow, dt.time(), self._zone).astimezone(dt.UTC)
