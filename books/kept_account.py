"""An account that goes on after a restart: what no order tells is put away and taken up again."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from books.account import Account


class KeptAccount(Account):
    """``unfilled``: currency -> interest and borrow fees so far, received > 0.

    Fills and their fees are booked anew from the intent journal. A run that leaps over bars does not keep this.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.unfilled: dict[str, float] = defaultdict(float)
        self.borrowed_eur: dict[str, float] = defaultdict(float)  # book -> borrow fees so far, paid > 0

    def charge_borrow(self, key: str, fee: float, when: dt.datetime) -> None:
        super().charge_borrow(key, fee, when)
        currency = self.books[key].currency
        self.unfilled[currency] -= fee
        self.borrowed_eur[key] += fee * self.rate(currency, when)

    def accrue(self, when: dt.datetime) -> None:
        before = dict(self.cash.balances)
        super().accrue(when)
        for currency, balance in self.cash.balances.items():
            self.unfilled[currency] += balance - before.get(currency, 0.0)

    def state(self) -> dict[str, Any]:
        """As JSON can hold it. ``accrued_on``: the date up to which interest is posted, proleptic ordinal."""
        return {
            "unfilled": dict(self.unfilled),
            "interest_eur": self.cash.interest_eur,
            "borrow_eur": {unit: costs["borrow"] for unit, costs in self.costs_by_unit.items() if costs["borrow"]},
            "borrow_eur_by_book": dict(self.borrowed_eur),
            "accrued_on": self.cash.accrued_on,
        }

    def restore(self, state: Mapping[str, Any], when: dt.datetime) -> None:
        """Continue where ``state`` was taken; before the first fill is booked."""
        for currency, amount in state["unfilled"].items():
            self.cash.post(currency, amount, when)
            self.unfilled[currency] += amount
        self.cash.continue_from(state["accrued_on"], state["interest_eur"])
        for unit, paid in state["borrow_eur"].items():
            if unit in self.costs_by_unit:
                self._pay(unit, borrow=paid)
        for key, paid in state.get("borrow_eur_by_book", {}).items():
            if key in self.books:
                self.books[key].closed_net_eur -= paid
                self.borrowed_eur[key] += paid
