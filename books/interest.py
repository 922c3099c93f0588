"""Interest on cash balances: benchmark plus a spread that falls by tiers, blended, for each calendar day.

Debits pay benchmark + spread; a negative benchmark counts as 0. Credits earn nothing unless switched on: then
benchmark - spread on what is above the first 10,000. Which tiers are from IBKR's pages and which are assumed
is in docs/costs.md.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from books.rates import Rates
from books.tiers import Tiers, blended, tiers

CREDIT_FREE = 10_000.0  # of a credit balance that earns nothing, in its own currency

DEBIT_SPREADS: dict[str, Tiers] = {  # currency -> spread by level of the debit
    "USD": tiers((100_000, 0.015), (1_000_000, 0.010), (50_000_000, 0.0075), above=0.005),
    "GBP": tiers((80_000, 0.015), (800_000, 0.010), (38_000_000, 0.0075), above=0.005),
    "EUR": tiers((90_000, 0.015), (900_000, 0.010), (45_000_000, 0.0075), above=0.005),
    "CHF": tiers((90_000, 0.015), (900_000, 0.010), (45_000_000, 0.0075), above=0.005),
}
OTHER_DEBIT_SPREAD: Tiers = tiers(above=0.015)  # currencies without tiers here: the dearest tier throughout

YEAR_365 = frozenset({"GBP", "AUD", "CAD", "HKD", "NZD", "SGD", "ZAR"})


def year_days(currency: str) -> int:
    """Return the days of the interest year: 365 for the sterling family, else 360."""
    return 365 if currency in YEAR_365 else 360


def debit_interest(currency: str, debit: float, benchmark: float) -> float:
    """Return what a debit of ``debit`` > 0 costs for one day, >= 0, in ``currency``. ``benchmark``: annual fraction."""
    spread = blended(DEBIT_SPREADS.get(currency, OTHER_DEBIT_SPREAD), debit)
    return (debit * max(benchmark, 0.0) + spread) / year_days(currency)


def credit_interest(currency: str, credit: float, benchmark: float, spread: float) -> float:
    """Return what a credit of ``credit`` > 0 earns for one day, >= 0, in ``currency``."""
    return max(credit - CREDIT_FREE, 0.0) * max(benchmark - spread, 0.0) / year_days(currency)


@dataclass(frozen=True, slots=True)
class Interest:
    """Interest as the settings have it: benchmarks by currency, credits on or off."""

    benchmarks: Rates
    credit: bool = False
    credit_spread: float = 0.005

    def bears(self, balance: float) -> bool:
        """Whether a balance, of any currency, costs or earns interest."""
        return balance < 0.0 or (self.credit and balance > CREDIT_FREE)

    def of_day(self, currency: str, balance: float, when: dt.datetime) -> float:
        """Return one day's interest on ``balance`` in ``currency``: received > 0, paid < 0.

        Raises RateError where a balance that bears interest has no benchmark as of ``when``.
        """
        if self.bears(balance):
            return self.of_day_at(currency, balance, self.benchmarks.rate(currency, when))
        return 0.0

    def of_day_at(self, currency: str, balance: float, benchmark: float) -> float:
        """The same for a balance that bears interest, at a benchmark that is known."""
        if balance < 0.0:
            return -debit_interest(currency, -balance, benchmark)
        return credit_interest(currency, balance, benchmark, self.credit_spread)
