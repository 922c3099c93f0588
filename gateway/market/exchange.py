"""Where orders meet prices: a completed bar, or a quote.

Bars, pessimistic where the path inside is not known:

1. At the open: market orders, then stops that the open has passed, then limits that it satisfies, all at the open.
   Children of what fills here live at once, and are asked in the same way.
2. In the range: stops at their stop, before limits at their limit. Children of what fills here meet the next bar.
3. At the close of the session: market- and limit-on-close orders, at the close.

Quotes: a buy meets the ask, a sell the bid, up to the size shown, market orders first, then limits by price. Stops are
triggered by the side that they would trade at. An instrument whose quote came within a bar is not matched against the
bar. An order never meets a bar that began before it lived.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING

from gateway.market import texts
from gateway.market.hours import Hours, hours
from gateway.market.terms import AT_CLOSE, STOPS
from gateway.market.ticket import NEVER, Ticket, at_open, in_range, marketable, reached, whole
from gateway.model import Bar, Instrument, Quote

if TYPE_CHECKING:
    from gateway.market.life import Life

_INSTANT = dt.timedelta(microseconds=1)


class Book:
    """What lives in one instrument, and its last quote with the sizes that are left of it."""

    __slots__ = ("ask_left", "bid_left", "hours", "is_halted", "quote", "tickets")

    def __init__(self, instrument: Instrument) -> None:
        self.hours: Hours = hours(instrument)
        self.tickets: list[Ticket] = []
        self.is_halted = False
        self.quote: Quote | None = None
        self.bid_left = self.ask_left = 0.0


class Exchange:
    """The books of all instruments. ``begun``: when the bar that is matched began, regular hours at the earliest."""

    def __init__(self, life: Life, prices: dict[int, float], participation: float | None, standing: bool) -> None:
        self._life = life
        self._prices = prices
        self._participation = participation
        self._standing = standing
        self.books: dict[int, Book] = {}  # con_id -> book
        self.begun = NEVER

    def book(self, instrument: Instrument) -> Book:
        found = self.books.get(instrument.con_id)
        if found is None:
            found = self.books[instrument.con_id] = Book(instrument)
        return found

    def add(self, ticket: Ticket) -> None:
        book = self.book(ticket.order.instrument)
        book.tickets.append(ticket)

    def remove(self, ticket: Ticket) -> None:
        self.books[ticket.order.instrument.con_id].tickets.remove(ticket)

    # ------------------------------------------------------------------ bars

    def bar(self, instrument: Instrument, bar: Bar) -> None:
        """Match a completed bar."""
        con_id = instrument.con_id
        book = self.books.get(con_id)
        if con_id not in self._prices and bar.close == bar.close:
            self._life.first_price(instrument, bar.open)
        if book is None or not book.tickets or book.is_halted or not bar.close == bar.close:
            if bar.close == bar.close:
                self._prices[con_id] = bar.close
            return
        self._match_bar(book, bar, book.quote is not None and book.quote.when > bar.start)
        self._prices[con_id] = bar.close

    def _match_bar(self, book: Book, bar: Bar, was_quoted: bool) -> None:
        session = book.hours.session(bar.start)
        is_regular = bar.end > session.open and bar.start < session.close
        if not is_regular and bar.end <= session.first:
            return  # nobody trades
        self.begun = begun = max(bar.start, session.open) if is_regular else bar.start
        left = math.inf if self._participation is None else whole(bar.volume * self._participation)

        def meets(ticket: Ticket) -> bool:
            if not ticket.is_live or ticket.is_frozen or ticket.after > begun:
                return False
            if not is_regular and not ticket.terms.is_outside:
                return False
            return ticket.auction is None or ticket.auction <= begun

        # 1. The open
        asked: set[int] = set()
        while not was_quoted:
            offers = []
            for ticket in book.tickets:
                if ticket.seq not in asked and meets(ticket) and ticket.terms.kind not in AT_CLOSE:
                    asked.add(ticket.seq)
                    price = at_open(ticket, bar)
                    if price is not None:
                        offers.append((_rank(ticket), ticket.seq, ticket, price))
            if not offers:
                break
            for rank, _, ticket, price in sorted(offers, key=_turn):
                if meets(ticket):
                    left -= self._trade(ticket, price, left, begun, rank == 2 and ticket.has_rested, True)
        # 2. The range
        offers = []
        for ticket in () if was_quoted else list(book.tickets):
            if meets(ticket) and ticket.terms.kind not in AT_CLOSE:
                if ticket.auction is not None or ticket.terms.tif in ("IOC", "FOK"):
                    self._expire_at_once(ticket)
                    continue
                price = in_range(ticket, bar)
                if price is not None:
                    offers.append((_rank(ticket), ticket.seq, ticket, price))
                elif ticket.is_triggered and ticket.order.status == "PreSubmitted":
                    self._life.say(ticket, "Submitted")
        for rank, _, ticket, price in sorted(offers, key=_turn):
            if meets(ticket):
                left -= self._trade(ticket, price, left, bar.end, rank == 2, False)
        # 3. The close
        if is_regular and bar.end >= session.close:
            for ticket in [t for t in book.tickets if t.terms.kind in AT_CLOSE]:
                if meets(ticket):
                    self.close_auction(ticket, bar.close, bar.end)
        for ticket in book.tickets:
            if ticket.after <= begun:
                ticket.has_rested = True

    def _trade(
        self, ticket: Ticket, price: float, left: float, when: dt.datetime, adds: bool, is_at_open: bool
    ) -> float:
        """Fill what is offered; return how much that was."""
        wanted = ticket.open_shares
        shares = min(wanted, left)
        if ticket.terms.is_whole and shares < ticket.terms.quantity - ticket.order.filled:
            return 0.0
        if shares > 0.0:
            self._life.fill(ticket, shares, price, when, adds, is_at_open)
        return shares

    def _expire_at_once(self, ticket: Ticket) -> None:
        """An order for this moment only (IOC, FOK, OPG) ends with what it has."""
        self._life.end(ticket, "Cancelled", texts.CANCELLED, "Cancelled")

    def close_auction(self, ticket: Ticket, price: float, when: dt.datetime) -> None:
        """Fill an on-close order at the closing price, or end it where its limit or a halt does not allow that."""
        terms = ticket.terms
        if self.book(ticket.order.instrument).is_halted:
            self._expire_at_once(ticket)
        elif terms.kind == "MOC" or (terms.limit is not None and marketable(terms.sign, price, terms.limit)):
            shares = ticket.open_shares
            if shares > 0.0:
                self._life.fill(ticket, shares, price, when)
        else:
            self._expire_at_once(ticket)

    # ------------------------------------------------------------------ quotes

    def quote(self, instrument: Instrument, quote: Quote) -> None:
        """Match a quote."""
        book = self.book(instrument)
        book.quote = quote
        book.bid_left, book.ask_left = whole(quote.bid_size), whole(quote.ask_size)
        bid, ask = quote.bid, quote.ask
        if instrument.con_id not in self._prices:
            for price in (ask, bid):  # the one at which more is paid, or the only one
                if price == price and price > 0.0:
                    self._life.first_price(instrument, price)
                    break
        if bid == bid and ask == ask and bid > 0.0:
            self._prices[instrument.con_id] = (bid + ask) / 2.0
        if book.tickets and not book.is_halted:
            self._match_quote(book, quote, book.tickets)

    def meet_standing(self, ticket: Ticket) -> None:
        """Match a new order with what is left of the quote that stands, where that is wanted."""
        if self._standing:
            book = self.book(ticket.order.instrument)
            if book.quote is not None and not book.is_halted and ticket.is_live:
                self._match_quote(book, book.quote, [ticket], self._life.now())

    def _match_quote(self, book: Book, quote: Quote, tickets: list[Ticket], when: dt.datetime | None = None) -> None:
        when = when or quote.when
        last = when - _INSTANT  # a price stamped with its end belongs to what was until then
        session = book.hours.session(last)
        is_regular = session.open <= last < session.close
        if not is_regular and last < session.first:
            return
        offers = []
        for ticket in tickets:
            terms = ticket.terms
            if ticket.is_frozen or terms.kind in AT_CLOSE:
                continue
            if not is_regular and not terms.is_outside:
                continue
            if ticket.auction is not None and ticket.auction > last:
                continue
            price = quote.ask if terms.sign > 0 else quote.bid
            if price == price and price > 0.0:
                limit = _limit_at(ticket, price)
                if ticket.is_triggered and ticket.order.status == "PreSubmitted":
                    self._life.say(ticket, "Submitted")
                if limit is not None:
                    offers.append((-math.inf if limit == math.inf else -limit * terms.sign, ticket.seq, ticket, price))
            if not ticket.has_rested or ticket.auction is not None:
                offers.append((math.inf, ticket.seq, ticket, math.nan))  # after all: what does not rest ends
        offers.sort(key=_turn)
        for rank, _, ticket, price in offers:
            if not ticket.is_live:
                continue
            if rank == math.inf:
                ticket.has_rested = True
                if ticket.auction is not None or ticket.terms.tif in ("IOC", "FOK"):
                    self._expire_at_once(ticket)
                continue
            is_buy = ticket.terms.sign > 0
            left = book.ask_left if is_buy else book.bid_left
            done = self._trade(ticket, price, left, when, ticket.has_rested and rank > -math.inf, False)
            if is_buy:
                book.ask_left -= done
            else:
                book.bid_left -= done


def _limit_at(ticket: Ticket, price: float) -> float | None:
    """The limit at which an order trades at ``price``, infinity for the market; None: it does not trade."""
    terms = ticket.terms
    kind, sign = terms.kind, terms.sign
    if kind in STOPS and not ticket.is_triggered:
        if ticket.trails():
            ticket.follow(price)
        if ticket.stop is None or not reached(sign, price, ticket.stop):
            return None
        ticket.is_triggered = True
    if kind in ("MKT", "STP", "TRAIL"):
        return math.inf
    limit = ticket.limit
    return limit if limit is not None and marketable(sign, price, limit) else None


def _rank(ticket: Ticket) -> int:
    """Market orders, then stops, then limits."""
    kind = ticket.terms.kind
    return 0 if kind == "MKT" else 1 if kind in STOPS else 2


def _turn(offer: tuple[float, int, Ticket, float]) -> tuple[float, int]:
    return offer[0], offer[1]
