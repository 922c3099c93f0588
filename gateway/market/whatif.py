"""What an order would need and cost, before it is placed."""

from __future__ import annotations

import datetime as dt

from books.charges import FeeSchedule, OrderFees
from gateway.market import texts
from gateway.market.account import AccountState
from gateway.market.rows import cents
from gateway.market.terms import Terms
from gateway.market.texts import Notice
from gateway.model import Instrument, Values

_NEGLIGIBLE = 0.005  # a rounding is no lack of margin


def reference_price(state: AccountState, instrument: Instrument, terms: Terms) -> float | None:
    """The price at which an order is margined: its limit, its stop, or the last price; None: there is none."""
    for price in (terms.limit, terms.stop):
        if price is not None:
            return price
    return state.prices.get(instrument.con_id)


def margin_notice(
    state: AccountState, instrument: Instrument, terms: Terms, shares: float, when: dt.datetime
) -> Notice | None:
    """The rejection for want of margin, were ``shares`` of the order filled; None: there is enough, or it reduces."""
    price = reference_price(state, instrument, terms)
    if price is None or shares <= 0.0:
        return None
    held = state.held(instrument.con_id)
    if abs(held + terms.sign * shares) <= abs(held):
        return None
    needed, _ = state.margins(when, instrument, terms.sign * shares, price)
    equity = state.equity(when)
    if needed <= equity + _NEGLIGIBLE:
        return None
    return texts.margin(equity, needed, state.base)


def order_state(
    state: AccountState, schedule: FeeSchedule, instrument: Instrument, terms: Terms, when: dt.datetime
) -> Values:
    """The margins (strings, base currency) and the commission of a what-if order."""
    price = reference_price(state, instrument, terms)
    initial, maintenance = state.margins(when)
    equity = state.equity(when)
    told: Values = {"status": "PreSubmitted"}
    fee = 0.0
    initial_after, maintenance_after = initial, maintenance
    if price is not None:
        initial_after, maintenance_after = state.margins(when, instrument, terms.sign * terms.quantity, price)
        if instrument.sec_type != "CASH":
            charge = schedule.charge(OrderFees(), terms.quantity, price, terms.sign < 0, False, when)
            fee = charge.total
            told["commission"], told["commissionCurrency"] = fee, instrument.currency
    fee_base = fee * state.cash.fx.rate(instrument.currency, when)
    rows = (
        ("initMargin", initial, initial_after),
        ("maintMargin", maintenance, maintenance_after),
        ("equityWithLoan", equity, equity - fee_base),
    )
    for name, before, after in rows:
        told[name + "Before"] = cents(before)
        told[name + "Change"] = cents(after - before)
        told[name + "After"] = cents(after)
    return told
