"""What an order would need and cost, before it is placed."""

from __future__ import annotations

import datetime as dt

from books.charges import FeeSchedule, OrderFees
from gateway.market.account import AccountState
from gateway.market.margin import reference_price
from gateway.market.rows import cents
from gateway.market.terms import Terms
from gateway.model import Instrument, Values


def order_state(
    state: AccountState, schedule: FeeSchedule, instrument: Instrument, terms: Terms, when: dt.datetime
) -> Values:
    """The margins (strings, base currency) and the commission of a what-if order."""
    price = reference_price(state, instrument, terms)
    initial, maintenance = state.margins(when)
    equity = state.equity(when)
    told: Values = {"status": "PreSubmitted"}
    fee_base = 0.0
    initial_after, maintenance_after = initial, maintenance
    if price is not None:
        initial_after, maintenance_after = state.margins(when, instrument, terms.sign * terms.quantity, price)
        if instrument.sec_type == "CASH":
            fee, currency = state.pair_commission(instrument, terms.quantity, when), state.base
        else:
            charge = schedule.charge(OrderFees(), terms.quantity, price, terms.sign < 0, False, when)
            fee, currency = charge.total, instrument.currency
        told["commission"], told["commissionCurrency"] = fee, currency
        fee_base = fee * state.cash.fx.rate(currency, when)
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
