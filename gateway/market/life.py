"""The life of orders: acknowledged, live, filled, ended, in the sequence in which TWS tells it."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict, deque
from collections.abc import Callable, Hashable

from gateway.market import texts
from gateway.market.accounts import Accounts
from gateway.market.exchange import Exchange
from gateway.market.hours import Phase, hours, local_text
from gateway.market.links import Links
from gateway.market.margin import Asked, margin_notice, reference_price
from gateway.market.terms import AT_CLOSE, STOPS, Terms
from gateway.market.texts import Notice
from gateway.market.ticket import EPSILON, NEVER, Ticket
from gateway.market.timetable import Timetable
from gateway.model import CommissionReport, Execution, Instrument, MarketListener, Order, Values

_INSTANT = dt.timedelta(microseconds=1)  # what ends at a moment ends after the prices of that moment


class Life:
    """Working orders, what has become of the day's others, and every change of either.

    ``prefix``: of all execution ids, 8 hexadecimal digits. ``keep``: how many ended orders, and how many executions, of
    today are kept at most; the oldest are forgotten first, so that a long run needs no more memory. ``participation``:
    the fraction of a bar's volume that orders can fill; None: bars fill any size. ``standing``: orders meet the quote
    that stands when they come, instead of the tape's next one.
    """

    def __init__(
        self,
        accounts: Accounts,
        now: Callable[[], dt.datetime],
        listener: MarketListener,
        prefix: str,
        keep: int,
        participation: float | None,
        standing: bool,
    ) -> None:
        self.accounts = accounts
        self.now = now
        self.listener = listener
        self.prefix = prefix
        self.keep = keep
        self.exchange = Exchange(self, accounts.prices, participation, standing)
        self.links = Links(self)
        self.timetable = Timetable()
        self.tickets: dict[int, Ticket] = {}  # permId -> working order
        self.orders: dict[int, Order] = {}  # permId -> order, working or ended today
        self.by_id: dict[tuple[int, int], Order] = {}  # client id, order id -> the same
        self.executions: dict[str, Execution] = {}  # base id -> execution of today as it stands
        self.working: defaultdict[tuple[str, int, int], int] = defaultdict(int)  # account, con_id, sign -> orders
        self._count = 0
        self._ended: deque[int] = deque()  # permIds of today's ended orders

    # ------------------------------------------------------------------ telling

    def say(self, ticket: Ticket, status: str) -> None:
        order = ticket.order
        order.status = status
        order.why_held = ticket.why_held if status == "PreSubmitted" else ""
        self.listener.order_changed(order)

    def tell(self, order: Order, notice: Notice, reject: Values | None = None) -> None:
        self.listener.told(order, notice.code, notice.text, reject)

    def status_of(self, ticket: Ticket) -> str:
        """``Submitted`` for what works at the exchange, ``PreSubmitted`` for what IBKR keeps until its time comes."""
        terms = ticket.terms
        if ticket.waits_for or terms.kind in AT_CLOSE or terms.tif == "OPG":
            return "PreSubmitted"
        if terms.kind in STOPS and not ticket.is_triggered:
            return "PreSubmitted"
        return "Submitted" if self.is_open_for(ticket) else "PreSubmitted"

    def is_open_for(self, ticket: Ticket) -> bool:
        phase = hours(ticket.order.instrument).phase(self.now())
        return phase is Phase.REGULAR or (phase is Phase.EXTENDED and ticket.terms.is_outside)

    # ------------------------------------------------------------------ beginning

    def begin(self, ticket: Ticket) -> None:
        """A transmitted order is accepted: acknowledge it, and let it live unless it waits."""
        now, terms, order = self.now(), ticket.terms, ticket.order
        ticket.is_held = False
        if terms.good_after is not None and terms.good_after > now:
            ticket.waits_for.add("time")
        if terms.is_conditional:
            ticket.waits_for.add("conditions")  # which are not evaluated: it is kept, and never fires
        self.schedule(ticket)
        self.warn_closed(ticket)
        if ticket.waits_for:
            self.say(ticket, "PreSubmitted")
            if "locate" in ticket.waits_for:
                self.tell(order, texts.LOCATING)
            return
        ticket.is_live = True
        ticket.after = now
        self.exchange.add(ticket)
        self.say(ticket, self.status_of(ticket))
        self.exchange.meet_standing(ticket)

    def schedule(self, ticket: Ticket) -> None:
        """Enter an order's times into the timetable."""
        terms = ticket.terms
        begins = max(self.now(), terms.good_after or self.now())
        trading = hours(ticket.order.instrument)
        if "time" in ticket.waits_for:
            self.timetable.add(begins, "wake", ticket)
        if terms.tif == "OPG":
            ticket.auction = trading.next_open(begins)
            self.timetable.add(trading.next_close(ticket.auction) + _INSTANT, "expire", ticket)
        elif terms.kind in AT_CLOSE:
            self.timetable.add(trading.next_close(begins) + _INSTANT, "close", ticket)
        elif terms.tif == "GTD" and terms.good_till is not None:
            self.timetable.add(terms.good_till + _INSTANT, "expire", ticket)
        elif terms.tif != "GTC":
            ends = trading.session(begins).last if terms.is_outside else trading.next_close(begins)
            self.timetable.add(ends + _INSTANT, "expire", ticket)

    def warn_closed(self, ticket: Ticket) -> None:
        """Where the market is closed for an order, say until when (399), and wake it then."""
        if ticket.terms.tif == "OPG" or "parent" in ticket.waits_for or self.is_open_for(ticket):
            return
        order, trading, now = ticket.order, hours(ticket.order.instrument), self.now()
        opens = trading.next_first(now) if ticket.terms.is_outside else trading.next_open(now)
        self.timetable.add(opens, "open", ticket)
        instrument = order.instrument
        venue = instrument.primary_exchange
        if instrument.trading_class and venue == "NASDAQ":
            venue = f"{venue}.{instrument.trading_class}"
        text = local_text(opens, instrument.time_zone)
        side = order.terms["action"]
        self.tell(order, texts.waits_for_open(side, ticket.terms.quantity, instrument.symbol, venue, text))

    def stop_waiting(self, ticket: Ticket, reason: str, is_at_open: bool = False) -> None:
        """One reason to wait is gone; without another the order lives.

        ``is_at_open``: from the open of the bar under way (its parent filled there), else from now on.
        """
        ticket.waits_for.discard(reason)
        if ticket.is_held or not ticket.order.is_working:
            return
        if not ticket.waits_for and not ticket.is_live:
            ticket.is_live = True
            ticket.after = self.exchange.begun if is_at_open else self.now()
            self.exchange.add(ticket)
        self.say(ticket, self.status_of(ticket))

    # ------------------------------------------------------------------ margin

    def lacks_margin(self, order: Order, terms: Terms, key: Hashable, known: Ticket | None) -> Notice | None:
        """The rejection for want of margin of an order with these terms, beside all that works but ``known``, which it
        is. An order without any price is asked again when there is one; the exit of a bracket needs none."""
        state = self.accounts[order.account]
        if known is not None and known.is_exit:
            return None
        price = reference_price(state, order.instrument, terms)
        if price is None:
            return None
        left = terms.quantity - (known.order.filled if known is not None else 0.0)
        asked = Asked(key, order.instrument, terms.sign, left, price)
        return margin_notice(state, asked, (t for t in self.tickets.values() if t is not known), self.now())

    def count_margin(self, ticket: Ticket) -> None:
        """An order that the account has the margin for is counted when others come."""
        order = ticket.order
        state = self.accounts[order.account]
        ticket.margined_at = None if ticket.is_exit else reference_price(state, order.instrument, ticket.terms)

    def first_price(self, instrument: Instrument, price: float) -> None:
        """An instrument has its first price: now it is known what margin its orders need; some are rejected."""
        for ticket in list(self.tickets.values()):
            order, terms = ticket.order, ticket.terms
            if order.instrument.con_id != instrument.con_id or ticket.is_held or ticket.is_exit:
                continue
            if ticket.margined_at is not None or not order.is_working:  # its parent was rejected here
                continue
            left = terms.quantity - order.filled
            asked = Asked(ticket.group or ticket.seq, instrument, terms.sign, left, price)
            notice = margin_notice(self.accounts[order.account], asked, self.tickets.values(), self.now())
            if notice is not None:
                self.end(ticket, "Inactive", notice, notice.text)
            else:
                ticket.margined_at = price

    # ------------------------------------------------------------------ fills

    def fill(
        self,
        ticket: Ticket,
        shares: float,
        price: float,
        when: dt.datetime,
        adds: bool = False,
        is_at_open: bool = False,
    ) -> Execution:
        """Fill ``shares`` > 0 at ``price``: execution, order status, commission, in this order; then what follows."""
        order, terms = ticket.order, ticket.terms
        instrument = order.instrument
        before = order.filled
        left = terms.quantity - before
        total = before + shares
        order.filled = total
        order.avg_fill_price = (order.avg_fill_price * before + price * shares) / total
        order.last_fill_price = price
        self._count += 1
        base = f"{self.prefix}.{self._count:08x}.01"
        execution = Execution(
            base + ".01",
            order,
            when,
            shares,
            price,
            "BOT" if terms.sign > 0 else "SLD",
            total,
            order.avg_fill_price,
            _venue(order),
            1 if adds else 2,
        )
        order.executions.append(execution)
        self.executions[base] = execution
        if len(self.executions) > self.keep:
            self._forget_execution()
        accounts = self.accounts
        fee, currency, realized = accounts.states[order.account].fill(
            instrument, accounts.schedule(instrument), ticket.fees, base, terms.sign * shares, price, adds, when
        )
        listener = self.listener
        listener.executed(execution)
        was_working = order.is_working
        is_done = left - shares <= EPSILON
        if is_done:
            order.status, order.why_held, order.ended = "Filled", "", when
            order.end_reason = f"Filled Size: {total:.0f}"
            if was_working:
                self.detach(ticket)
        elif was_working and order.status != "PendingCancel":
            order.status, order.why_held = "Submitted", ""
        listener.order_changed(order)
        listener.charged(execution, CommissionReport(execution.exec_id, fee, currency, realized))
        self.links.after_fill(ticket, shares, left, is_at_open)
        if is_done and was_working:
            self.links.after_end(ticket, False)
        return execution

    def resize(self, ticket: Ticket, rest: float) -> None:
        """Leave so many shares of an order to be filled; without any it is cancelled."""
        order = ticket.order
        if rest <= EPSILON:
            self.end(ticket, "Cancelled", texts.CANCELLED, "Cancelled by OCA group")
        elif order.filled + rest < ticket.terms.quantity - EPSILON:
            ticket.terms.quantity = order.terms["totalQuantity"] = order.filled + rest
            if not ticket.is_held:
                self.listener.order_changed(order)

    # ------------------------------------------------------------------ ends

    def end(
        self,
        ticket: Ticket,
        status: str,
        notice: Notice | None,
        reason: str,
        by_trader: bool = False,
        reject: Values | None = None,
    ) -> None:
        """End an order: its status, then the notice, then what hangs on it."""
        order = ticket.order
        if not order.is_working:
            return
        order.ended, order.end_reason = self.now(), reason
        self.detach(ticket)
        if ticket.is_held:
            status, notice = "ApiCancelled", None  # it never left TWS
        self.say(ticket, status)
        if notice is not None:
            self.tell(order, notice, reject)
            if status == "Inactive":
                self.listener.order_changed(order)  # TWS says so twice
        self.links.after_end(ticket, by_trader)

    def detach(self, ticket: Ticket) -> None:
        """Take an order out of everything that works."""
        order = ticket.order
        self.tickets.pop(order.perm_id, None)
        self.timetable.remove(ticket)
        if ticket.is_live:
            self.exchange.remove(ticket)
            ticket.is_live = False
        key = (order.account, order.instrument.con_id, ticket.terms.sign)
        self.working[key] -= 1
        if not self.working[key]:
            del self.working[key]
        ticket.after = NEVER
        self._ended.append(order.perm_id)
        if len(self._ended) > self.keep:
            self._forget_order(self._ended.popleft())

    def _forget_order(self, perm_id: int) -> None:
        order = self.orders.pop(perm_id, None)
        if order is not None and self.by_id.get((order.client_id, order.order_id)) is order:
            del self.by_id[order.client_id, order.order_id]

    def _forget_execution(self) -> None:
        base = next(iter(self.executions))
        order = self.executions.pop(base).order
        self.accounts.states[order.account].positions[order.instrument.con_id].settle(base)

    def begin_day(self) -> None:
        """Forget what ended before today: executions, completed orders, their ids."""
        self.executions.clear()
        self.links.filled.clear()
        self._ended.clear()
        for perm_id, order in list(self.orders.items()):
            if not order.is_working:
                self._forget_order(perm_id)


def _venue(order: Order) -> str:
    """Where a SMART order fills: IBKR names the venue, and so do we, the primary one."""
    exchange = str(order.contract.get("exchange") or order.instrument.exchange)
    return order.instrument.primary_exchange if exchange == "SMART" else exchange
