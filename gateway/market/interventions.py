"""What neither clients nor time do to the market: halts, corrections, lost orders, splits."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable

from gateway.market import texts
from gateway.market.accounts import Accounts
from gateway.market.life import Life
from gateway.market.terms import MarketRules, Terms
from gateway.market.texts import Notice
from gateway.market.ticket import EPSILON, Ticket
from gateway.model import CommissionReport, Execution, Instrument, Order, Values


class MarketError(ValueError):
    """What a caller of the market asked for cannot be: an unknown order, a fill of more than an order's size."""


class Interventions:
    """The part of the market that faults drive."""

    life: Life
    accounts: Accounts
    now: Callable[[], dt.datetime]
    shortable: dict[int, float]  # con_id -> shares that can be borrowed
    on_shortable: Callable[[Instrument], None]  # told that their number has changed
    held_ids: set[tuple[int, int]]  # client id, order id of orders that are held as soon as they are placed
    _rules: MarketRules

    # ------------------------------------------------------------------ instruments

    def halt(self, instrument: Instrument) -> None:
        """Nothing of the instrument matches until it is resumed; orders are taken and cancelled as ever."""
        self.life.exchange.book(instrument).is_halted = True

    def resume(self, instrument: Instrument) -> None:
        """Matching goes on with the next price."""
        self.life.exchange.book(instrument).is_halted = False

    def is_halted(self, instrument: Instrument) -> bool:
        book = self.life.exchange.books.get(instrument.con_id)
        return book is not None and book.is_halted

    def set_shortable(self, instrument: Instrument, shares: float) -> None:
        """So many shares can be borrowed from now on; orders that were held for a locate go on where they suffice."""
        self.shortable[instrument.con_id] = shares
        self.on_shortable(instrument)
        for ticket in list(self.life.tickets.values()):
            if (
                ticket.order.instrument.con_id == instrument.con_id
                and "locate" in ticket.waits_for
                and not self._lacks_shares(ticket)
            ):
                self.life.stop_waiting(ticket, "locate")

    def _lacks_shares(self, ticket: Ticket) -> bool:
        """Whether a sale, with those that work already, needs more borrowed shares than there are.

        Of an OCA group the largest order counts, as one of them fills.
        """
        order = ticket.order
        instrument = order.instrument
        if instrument.sec_type == "CASH":
            return False
        sales = {ticket.group or ticket.seq: ticket.terms.quantity - order.filled}
        if self.life.working[order.account, instrument.con_id, -1] > 1:
            for other in self.life.exchange.book(instrument).tickets:
                if other.terms.sign < 0 and other.parent is None and other.order.account == order.account:
                    key = other.group or other.seq
                    sales[key] = max(sales.get(key, 0.0), other.terms.quantity - other.order.filled)
        shorted = sum(sales.values()) - max(self.accounts[order.account].held(instrument.con_id), 0.0)
        if shorted <= 0.0:
            return False
        borrowed = sum(max(-state.held(instrument.con_id), 0.0) for state in self.accounts)
        return shorted > self.shortable.get(instrument.con_id, instrument.shortable) - borrowed

    def split(self, instrument: Instrument, ratio: float) -> None:
        """``ratio`` new shares for one: positions and prices change, working orders are cancelled, as IBKR does."""
        for ticket in [t for t in self.life.tickets.values() if t.order.instrument.con_id == instrument.con_id]:
            self.life.end(ticket, "Cancelled", texts.CANCELLED, "Cancelled")
        for state in self.accounts:
            state.split(instrument.con_id, ratio)
        prices = self.accounts.prices
        if instrument.con_id in prices:
            prices[instrument.con_id] /= ratio

    # ------------------------------------------------------------------ orders

    def execute(self, order: Order, shares: float | None = None, price: float | None = None) -> Execution:
        """Fill an order whatever its status. None: what remains, at its limit or else the last price.

        Raises MarketError for more than remains, and where there is no price.
        """
        ticket = self.life.tickets.get(order.perm_id)
        if ticket is None:
            ticket = Ticket(
                order, Terms(order.terms, order.instrument, self._rules), 0, self.accounts[order.account].volume
            )
        left = ticket.terms.quantity - order.filled
        wanted = left if shares is None else shares
        if not 0.0 < wanted <= left + EPSILON:
            raise MarketError(
                f"order {order.order_id}: {wanted:g} of {left:g} shares cannot fill; give a part of what is left"
            )
        if price is None:
            price = ticket.limit or self.accounts.prices.get(order.instrument.con_id)
        if price is None:
            raise MarketError(f"order {order.order_id}: {order.instrument.symbol} has no price yet; give one")
        return self.life.fill(ticket, wanted, price, self.now())

    def refuse(self, order: Order, code: int, text: str, reject: Values | None = None) -> None:
        """End a working order as Inactive, with this error."""
        ticket = self._working(order)
        ticket.is_held = False
        self.life.end(ticket, "Inactive", Notice(code, text), text, reject=reject)

    def hold(self, order: Order) -> None:
        """Match it with nothing until it is released."""
        self._working(order).is_frozen = True

    def hold_id(self, client_id: int, order_id: int) -> None:
        """Hold the order of this id: the one that works, or the one that comes."""
        self.held_ids.add((client_id, order_id))
        order = self.life.by_id.get((client_id, order_id))
        if order is not None and order.is_working:
            self.hold(order)

    def release(self, order: Order) -> None:
        """Match it again, from the next price on."""
        ticket = self._working(order)
        self.held_ids.discard((order.client_id, order.order_id))
        ticket.is_frozen = False
        ticket.after = max(ticket.after, self.now()) if ticket.is_live else ticket.after

    def end_silently(self, order: Order) -> None:
        """Forget a working order without a word: it is neither open nor completed."""
        ticket = self._working(order)
        self.life.detach(ticket)
        order.status, order.ended = "Cancelled", self.now()
        self.life.orders.pop(order.perm_id, None)
        if self.life.by_id.get((order.client_id, order.order_id)) is order:
            del self.life.by_id[order.client_id, order.order_id]

    def _working(self, order: Order) -> Ticket:
        ticket = self.life.tickets.get(order.perm_id)
        if ticket is None:
            raise MarketError(f"order {order.order_id} of client {order.client_id} does not work: {order.status}")
        return ticket

    # ------------------------------------------------------------------ executions

    def execution(self, exec_id: str) -> Execution | None:
        """The execution of today with this id, in its last version, whichever version the id names."""
        return self.life.executions.get(exec_id.rpartition(".")[0])

    def correct(self, execution: Execution, price: float | None = None, shares: float | None = None) -> Execution:
        """Correct an execution of today: the same id with its last segment one higher, and its commission told anew.

        Raises MarketError for one that is not of today, and for a size beyond the order's.
        """
        base = execution.exec_id.rpartition(".")[0]
        current = self.life.executions.get(base)
        order = execution.order
        if current is None:
            raise MarketError(
                f"execution {execution.exec_id} is not of today, or forgotten; only those kept can be corrected"
            )
        shares = current.shares if shares is None else shares
        if not 0.0 <= shares <= current.shares + order.remaining + EPSILON:
            raise MarketError(f"execution {execution.exec_id} cannot become {shares:g} shares of {order.quantity:g}")
        version = int(current.exec_id.rpartition(".")[2]) + 1
        sign = 1.0 if current.side == "BOT" else -1.0
        state = self.accounts[order.account]
        realized = state.correct(order.instrument, base, sign * shares, price or current.price, self.now())
        fee = state.positions[order.instrument.con_id].fills[base][2]
        corrected = dataclasses.replace(
            current, exec_id=f"{base}.{version:02d}", shares=shares, price=price or current.price
        )
        at = order.executions.index(current)
        order.executions[at : at + 1] = [corrected] if shares else []
        if shares:
            self.life.executions[base] = corrected
        else:
            del self.life.executions[base]
        _recount(order)
        corrected.cum_qty, corrected.avg_price = order.filled, order.avg_fill_price
        listener = self.life.listener
        listener.executed(corrected)
        listener.order_changed(order)
        if shares and order.instrument.sec_type != "CASH":  # a pair's commission stands
            report = CommissionReport(corrected.exec_id, fee, order.instrument.currency, realized)
            listener.charged(corrected, report)
        return corrected

    def bust(self, execution: Execution) -> Execution:
        """Take an execution of today back, with its commission: a correction to 0 shares. The order stays as it is."""
        return self.correct(execution, shares=0.0)


def _recount(order: Order) -> None:
    """Filled and average price from the executions that stand."""
    order.filled = sum(execution.shares for execution in order.executions)
    value = sum(execution.shares * execution.price for execution in order.executions)
    order.avg_fill_price = value / order.filled if order.filled else 0.0
