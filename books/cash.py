"""Cash by currency, as in an IBKR margin account: nothing converts by itself, debits pay interest.

How the books add up, exactly: each currency has a *mark*, the rate at which it was last valued. Whatever
changes a balance first revalues what was there from the mark to the rate of the moment, and only then adds the flow at
that same rate. So for any sequence of calls, with flows taken at the rate of their moment,

    value(end) - value(start) = sum of flows - conversion costs + interest_eur + cash_fx_eur

holds as an identity and no flow is ever revalued for the time before it came. The *principal* of positions
that a currency's debit financed is revalued along with the balance (it cancels the debit): then the identity holds for
balances plus principal.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Set
from typing import Literal

from books.conversion import AutoConversion, Conversion, conversion
from books.interest import Interest
from books.rates import Rates
from core.errors import EngineError
from core.settings import CostSettings

MAX_COST_SHARE = 0.10  # of a balance; where converting costs more, sweep leaves the balance until it has grown


class CashBook:
    """Balances by currency, valued in the base currency.

    ``fx``: exchange rates with the same base. ``policy``: ``"borrow"`` leaves foreign balances as they are,
    ``"sweep"`` lets ``sweep`` convert them through ``converter`` (default: free). ``interest``: None = none accrues.
    ``interest_eur`` (received > 0), ``conversion_eur`` (paid > 0) and ``cash_fx_eur`` are cumulative, base currency.
    """

    def __init__(
        self,
        base: str,
        policy: Literal["borrow", "sweep"],
        fx: Rates,
        *,
        converter: Conversion | None = None,
        interest: Interest | None = None,
    ) -> None:
        if fx.base != base:
            raise EngineError(f"the cash book is in {base} but its exchange rates are in {fx.base!r}; use one base")
        self.base = base
        self.policy = policy
        self.fx = fx
        self.converter = converter or AutoConversion(0.0)
        self.interest = interest
        self.balances: dict[str, float] = {}  # currency -> balance
        self.interest_eur = 0.0
        self.conversion_eur = 0.0
        self.cash_fx_eur = 0.0
        self._principal: dict[str, float] = {}  # currency -> cost of the positions that it finances
        self._marks: dict[str, float] = {}  # currency -> rate at which it was last valued
        self._accrued: dt.date | None = None  # interest is posted up to this date
        self._interest_told = 0.0
        self._still = {base}  # currencies whose mark no longer moves

    @classmethod
    def from_settings(cls, base: str, costs: CostSettings, folder: str = "") -> CashBook:
        """Make the book that the settings describe; ``folder`` is where relative names of rate files begin.

        ``costs.enabled = false``: no interest, and conversions are free.
        """
        fx = Rates.exchange(costs.fx, base, folder)
        if not costs.enabled:
            return cls(base, costs.fx.policy, fx)
        interest = Interest(
            Rates.benchmarks(costs.interest, folder), costs.interest.credit, costs.interest.credit_spread
        )
        return cls(base, costs.fx.policy, fx, converter=conversion(costs.fx), interest=interest)

    def post(self, currency: str, amount: float, when: dt.datetime) -> None:
        """Add ``amount`` (paid < 0) to the balance of ``currency`` at the rate of ``when``.

        Raises EngineError for an amount that is not finite, RateError where the currency has no rate.
        """
        if not math.isfinite(amount):
            raise EngineError(f"cash flow of {amount} {currency} on {when:%Y-%m-%d}; a fill or fee is not finite")
        if currency not in self._still:
            self._mark(currency, when)
        self.balances[currency] = self.balances.get(currency, 0.0) + amount
        if self._accrued is None:
            self._accrued = when.date()

    def sweep(self, currency: str, when: dt.datetime) -> float:
        """Convert the balance of ``currency`` into the base currency; return the cost in base currency, >= 0.

        Does nothing and costs nothing under ``"borrow"``, for the base currency, and for a balance of which the
        cost would be more than a tenth (``MAX_COST_SHARE``).
        """
        if self.policy != "sweep" or currency == self.base:
            return 0.0
        amount = self.balances.get(currency, 0.0)
        if amount == 0.0:
            return 0.0
        value = amount * self.fx.rate(currency, when)
        cost = self.converter.cost(currency, amount, self.fx, when)
        if cost > MAX_COST_SHARE * abs(value):
            return 0.0
        self.converter.book(currency, amount, self.fx, when)
        self.post(currency, -amount, when)
        self.balances[currency] = 0.0
        self.post(self.base, value - cost, when)
        self.conversion_eur += cost
        return cost

    @property
    def accrued_on(self) -> int:
        """Proleptic ordinal of the date up to which interest is posted; 0 before the first."""
        return self._accrued.toordinal() if self._accrued is not None else 0

    def continue_from(self, accrued_on: int, interest_eur: float) -> None:
        """Interest is posted up to that date (proleptic ordinal, 0 = never), and was so much in all."""
        self._accrued = dt.date.fromordinal(accrued_on) if accrued_on else None
        self.interest_eur = self._interest_told = interest_eur

    def accrue(self, when: dt.datetime, held: Mapping[str, float] | None = None) -> float:
        """Post interest for each calendar day since the last one; return it in base currency, received > 0.

        A day's interest is on the balances as they stand, at benchmark and exchange rate as of 00:00 UTC of that day,
        and is posted in its own currency. Call it before the first posting of a new day, so that they are last
        night's balances. ``held``: currency -> collateral in the balance that bears no interest (short proceeds).
        """
        today = when.date()
        if self._accrued is None:
            self._accrued = today
        if self.interest is not None and self._accrued < today:
            kept = held or {}
            for ordinal in range(self._accrued.toordinal() + 1, today.toordinal() + 1):
                bearing = [
                    (currency, base)
                    for currency, balance in self.balances.items()
                    if self.interest.bears(base := balance - kept.get(currency, 0.0))
                ]
                if not bearing:
                    break  # nor does any on the days after this one
                day = dt.datetime.combine(dt.date.fromordinal(ordinal), dt.time(), dt.UTC)
                for currency, base in bearing:
                    amount = self.interest.of_day_at(currency, base, self.interest.benchmarks.rate(currency, day))
                    if amount:
                        self.post(currency, amount, day)
                        self.interest_eur += amount * self._marks.get(currency, 1.0)
        self._accrued = max(self._accrued, today)
        received, self._interest_told = self.interest_eur - self._interest_told, self.interest_eur
        return received

    def revalue(self, when: dt.datetime, extra: Mapping[str, float] | None = None) -> float:
        """Take all foreign balances and ``extra`` from their last rates to those of ``when``; return the gain.

        ``extra``: currency -> principal of the open positions financed in it, as it was since the last posting or
        revaluation; None = as at the last call. The gain, base currency, is added to ``cash_fx_eur``.
        """
        if extra is not None:
            self._principal = {c: amount for c, amount in extra.items() if c != self.base}
        before = self.cash_fx_eur
        for currency in {**self.balances, **self._principal}:
            if currency not in self._still:
                self._mark(currency, when)
        return self.cash_fx_eur - before

    def value(self, when: dt.datetime) -> float:
        """Return all balances in base currency at the rates of ``when``."""
        return sum([balance * self.fx.rate(currency, when) for currency, balance in self.balances.items() if balance])

    def is_still(self, currencies: Set[str]) -> bool:
        """Whether no rate of a balance, and none of these, moves any more: then there is nothing to revalue."""
        still = self._still
        return self.balances.keys() <= still and currencies <= still and not self._principal

    def moves(self, currency: str) -> bool:
        """Whether the rate of a currency may still move."""
        return currency not in self._still

    def _mark(self, currency: str, when: dt.datetime) -> None:
        rate = self.fx.rate(currency, when)
        mark = self._marks.get(currency, rate)
        if rate != mark:
            held = self.balances.get(currency, 0.0) + self._principal.get(currency, 0.0)
            self.cash_fx_eur += held * (rate - mark)
        self._marks[currency] = rate
        if self.fx.constant(currency) is not None:
            self._still.add(currency)
