"""Whether an account has the margin for an order, with all that may fill beside it.

What works already is counted as if it were filled, of each instrument the side that needs more; of an OCA group, which
one order ends, the largest. Exits of a bracket close what their parent opens and are not counted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from gateway.market import texts
from gateway.market.account import AccountState
from gateway.market.terms import Terms
from gateway.market.texts import Notice
from gateway.market.ticket import Ticket
from gateway.model import Instrument

_NEGLIGIBLE = 0.005  # a rounding is no lack of margin


def reference_price(state: AccountState, instrument: Instrument, terms: Terms) -> float | None:
    """The price at which an order is margined: its limit, its stop, or the last price; None: there is none."""
    for price in (terms.limit, terms.stop):
        if price is not None:
            return price
    return state.prices.get(instrument.con_id)


@dataclass(frozen=True, slots=True)
class Asked:
    """``shares`` > 0 that may be bought or sold. ``key``: of its OCA group, or its own."""

    key: Hashable
    instrument: Instrument
    sign: int
    shares: float
    price: float

    @classmethod
    def of(cls, ticket: Ticket) -> Asked | None:
        """What is left of a working order that was found to have its margin; None for another."""
        if ticket.margined_at is None:
            return None
        order, terms = ticket.order, ticket.terms
        left = terms.quantity - order.filled
        return cls(ticket.group or ticket.seq, order.instrument, terms.sign, left, ticket.margined_at)


@dataclass(slots=True)
class _Sides:
    """Shares and value that working orders may buy and sell of an instrument."""

    instrument: Instrument
    bought: float = 0.0
    bought_value: float = 0.0
    sold: float = 0.0
    sold_value: float = 0.0

    def add(self, asked: Asked) -> None:
        if asked.sign > 0:
            self.bought += asked.shares
            self.bought_value += asked.shares * asked.price
        else:
            self.sold += asked.shares
            self.sold_value += asked.shares * asked.price


def margin_notice(state: AccountState, asked: Asked, working: Iterable[Ticket], when: dt.datetime) -> Notice | None:
    """The rejection of ``asked`` for want of margin; None: there is enough, or it only reduces the position.

    ``working``: the orders beside it, of all accounts.
    """
    if asked.shares <= 0.0:
        return None
    sides = _sides(state, asked, working, when)
    own = sides[asked.instrument.con_id]
    held = state.held(asked.instrument.con_id)
    if abs(held + (own.bought if asked.sign > 0 else -own.sold)) <= abs(held):
        return None
    needed = 0.0
    for con_id in {**state.positions, **sides}:
        position, side = state.positions.get(con_id), sides.get(con_id)
        instrument = side.instrument if side is not None else state.positions[con_id].instrument
        if con_id == asked.instrument.con_id:
            value = held * asked.price
        else:
            value = state.value(position) if position is not None and position.quantity else 0.0
        worst = state.margin.initial(instrument, value)
        if side is not None:
            worst = max(
                state.margin.initial(instrument, value + side.bought_value),
                state.margin.initial(instrument, value - side.sold_value),
            )
        if worst:
            needed += worst * state.cash.fx.rate(instrument.currency, when)
    equity = state.equity(when)
    return None if needed <= equity + _NEGLIGIBLE else texts.margin(equity, needed, state.base)


def _sides(state: AccountState, asked: Asked, working: Iterable[Ticket], when: dt.datetime) -> dict[int, _Sides]:
    largest: dict[Hashable, tuple[float, Asked]] = {}
    others = (Asked.of(ticket) for ticket in working if ticket.order.account == state.name)
    for one in (asked, *others):
        if one is None:
            continue
        value = one.shares * one.price * state.cash.fx.rate(one.instrument.currency, when)
        known = largest.get(one.key)
        if known is None or value > known[0]:
            largest[one.key] = value, one
    sides = {asked.instrument.con_id: _Sides(asked.instrument)}
    for _, one in largest.values():
        con_id = one.instrument.con_id
        if con_id not in sides:
            sides[con_id] = _Sides(one.instrument)
        sides[con_id].add(one)
    return sides
