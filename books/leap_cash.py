"""Cash along a stretch of steps without a fill: interest, borrow fees and revaluation, to the last bit as step by step.

Which additions depend on their order, and are therefore done in it: a balance takes each day's interest, then the fees;
``interest_eur`` and ``cash_fx_eur`` take what all currencies give, day by day. What never depends on another step,
the value of a position or the collateral of a short, is worked out for all steps at once by the callers.

Two ways through a stretch: ``steady`` where no exchange rate moves and each currency has at most one short, and
``general`` for the rest. ``steady`` gives up (None) where a balance passes the first tier of its interest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from books.cash import CashBook
from books.interest import CREDIT_FREE, DEBIT_SPREADS, OTHER_DEBIT_SPREAD, Interest, year_days
from books.rates import Rates
from core.errors import RateError
from core.steps import EPOCH_ORDINAL, Steps


class RatePath:
    """A table of rates along the steps of a run: at each step, and at 00:00 UTC of each day."""

    def __init__(self, rates: Rates, steps: Steps) -> None:
        self._rates = rates
        self._steps = steps
        self._constants: dict[str, float | None] = {}
        self._at_steps: dict[str, float | list[float]] = {}
        self._at_each: dict[str, list[float]] = {}
        self._at_days: dict[str, list[float]] = {}

    def constant(self, currency: str) -> float | None:
        """The rate where it never moves, else None. Raises RateError where there is none."""
        if currency not in self._constants:
            self._constants[currency] = self._rates.constant(currency)
        return self._constants[currency]

    def are_constant(self, currencies: Iterable[str]) -> bool:
        """Whether none of these rates moves. Raises RateError where there is none."""
        return None not in [self.constant(currency) for currency in currencies]

    def at_steps(self, currency: str) -> float | list[float]:
        """The rate at each step, one number where it is constant; NaN before the beginning of a series."""
        if currency not in self._at_steps:
            constant = self.constant(currency)
            self._at_steps[currency] = (
                self._rates.along(currency, self._steps.seconds).tolist() if constant is None else float(constant)
            )
        return self._at_steps[currency]

    def at_each_step(self, currency: str) -> list[float]:
        """The rate at each step, where it is constant too."""
        if currency not in self._at_each:
            at = self.at_steps(currency)
            self._at_each[currency] = [at] * len(self._steps) if isinstance(at, float) else at
        return self._at_each[currency]

    def at_days(self, currency: str) -> list[float]:
        """The rate at 00:00 UTC of each day from that of the first step on; NaN before the beginning of a series."""
        if currency not in self._at_days:
            days = np.arange(self._steps.days[0], self._steps.days[-1] + 1)
            constant = self._rates.constant(currency)
            self._at_days[currency] = (
                self._rates.along(currency, np.asarray((days - EPOCH_ORDINAL) * 86_400.0)).tolist()
                if constant is None
                else [float(constant)] * len(days)
            )
        return self._at_days[currency]


@dataclass(slots=True)
class Short:
    """The fees of an open short along a stretch, and the collateral that bears no interest."""

    key: str
    currency: str
    fees: list[float]  # by step, instrument currency; 0 where no day has passed


@dataclass(slots=True)
class CashPath:
    """Balances at each step of a stretch, and the sums after its last one."""

    balances: dict[str, float | list[float]]  # currency -> by step, one number where it does not change
    final: dict[str, float]
    interest_eur: float
    cash_fx_eur: float
    marks: dict[str, float]  # currency -> rate
    is_still: bool  # no exchange rate moves
    fees_eur: dict[str, list[float]] = field(default_factory=dict)  # book key -> by step, base currency


class CashRun:
    """A cash book along the steps of a run. ``accrues``: interest and fees are posted (costs are on)."""

    def __init__(self, cash: CashBook, steps: Steps, accrues: bool) -> None:
        self.cash = cash
        self.steps = steps
        self.fx = RatePath(cash.fx, steps)
        self.interest: Interest | None = cash.interest if accrues else None
        self.benchmarks = RatePath(self.interest.benchmarks, steps) if self.interest is not None else None

    def path(
        self,
        first: int,
        end: int,
        held: dict[str, list[float]],
        shorts: Sequence[Short],
        principal: Callable[[], dict[str, float]],
    ) -> CashPath | None:
        """Cash along ``[first, end)``; None where it must go step by step, because stepping would raise there.

        ``held``: currency -> collateral of shorts by step. ``principal``: currency -> cost of positions it finances.
        """
        try:
            found = self._steady(first, end, held, shorts)
            return found if found is not None else self._general(first, end, held, shorts, principal())
        except RateError:
            return None

    # -- no rate moves ------------------------------------------------------------------------------------------

    def _steady(self, first: int, end: int, held: dict[str, list[float]], shorts: Sequence[Short]) -> CashPath | None:
        cash, interest = self.cash, self.interest
        if not self.fx.are_constant(cash.balances):
            return None
        if len(shorts) > 1 and len({short.currency for short in shorts}) < len(shorts):
            return None
        path = CashPath(
            dict(cash.balances), dict(cash.balances), cash.interest_eur, cash.cash_fx_eur, cash._marks, is_still=True
        )
        steps = self.steps
        if steps.days[end - 1] == steps.days[first - 1]:
            return path
        fees = {short.currency: short.fees for short in shorts}
        bearing = [
            currency
            for currency, balance in cash.balances.items()
            if currency in fees or (interest is not None and (currency in held or interest.bears(balance)))
        ]
        if not bearing:
            return path
        passed = steps.days_passed[first:end]
        told: list[tuple[float, list[float]]] = []  # (mark, amounts) of the currencies that bear interest
        for currency in bearing:
            mark = cash._marks.get(currency, 1.0)
            own, own_fees = held.get(currency), fees.get(currency)
            amounts: list[float] = []
            grown = self._grow(currency, passed, own, own_fees, amounts)
            if grown is None:
                return None
            path.balances[currency], path.final[currency] = grown, grown[-1]
            told.append((mark, amounts))
        if len(told) == 1:
            mark, amounts = told[0]
            total = path.interest_eur
            for amount in amounts:
                total += amount * mark
            path.interest_eur = total
        else:
            days = zip(*(amounts for _, amounts in told), strict=True)
            marks = [mark for mark, _ in told]
            for row in days:
                for mark, amount in zip(marks, row, strict=True):
                    path.interest_eur += amount * mark
        for short in shorts:
            rate = self.fx.constant(short.currency) or 0.0
            path.fees_eur[short.key] = [fee * rate for fee in short.fees]
        return path

    def _grow(
        self,
        currency: str,
        passed: list[int],
        held: list[float] | None,
        fees: list[float] | None,
        amounts: list[float],
    ) -> list[float] | None:
        """The balance by step; ``amounts`` takes the interest of each day. None where a tier is passed."""
        balance = self.cash.balances[currency]
        grown: list[float] = []
        if self.interest is None:
            for fee in fees or ():
                balance += -fee
                grown.append(balance)
            return grown
        tier = DEBIT_SPREADS.get(currency, OTHER_DEBIT_SPREAD)[0]
        spread, lowest, year = tier.rate, -tier.up_to, year_days(currency)
        assert self.benchmarks is not None  # with interest
        if balance >= 0.0 and held is None:
            return None  # a credit that earns
        benchmark = self.benchmarks.constant(currency)
        if benchmark is None:
            return None
        rate = max(benchmark, 0.0)
        credit = self.interest.credit
        if held is None and fees is None:
            # Negative numbers round as positive ones do, so the sign of the debit can stay where it is
            for days in passed:
                while days > 0:
                    days -= 1
                    amount = (balance * rate + balance * spread) / year
                    balance += amount
                    amounts.append(amount)
                grown.append(balance)
            return grown if balance >= lowest else None
        for days, collateral, fee in zip(passed, held or [0.0] * len(passed), fees or [0.0] * len(passed), strict=True):
            for _ in range(days):
                base = balance - collateral
                if base < 0.0:
                    if base < lowest:
                        return None
                    amount = (base * rate + base * spread) / year
                    balance += amount
                    amounts.append(amount)
                elif credit and base > CREDIT_FREE:
                    return None
                else:
                    amounts.append(0.0)
            balance += -fee
            grown.append(balance)
        return grown

    # -- any case -----------------------------------------------------------------------------------------------

    def _general(
        self, first: int, end: int, held: dict[str, list[float]], shorts: Sequence[Short], principal: dict[str, float]
    ) -> CashPath:
        cash, steps, interest = self.cash, self.steps, self.interest
        balances, marks = dict(cash.balances), dict(cash._marks)
        earned, revalued = cash.interest_eur, cash.cash_fx_eur
        principal = {currency: amount for currency, amount in principal.items() if currency != cash.base}
        foreign = [currency for currency in {**balances, **principal} if currency != cash.base]
        at_steps = {currency: self.fx.at_each_step(currency) for currency in foreign}
        rows: dict[str, list[float]] = {currency: [] for currency in balances}
        fees_eur: dict[str, list[float]] = {short.key: [] for short in shorts}
        origin = steps.days[0]
        for step in range(first, end):
            at, passed = step - first, steps.days_passed[step]
            if passed and interest is not None and self.benchmarks is not None:
                today = steps.days[step] - origin
                for day in range(today - passed + 1, today + 1):
                    for currency, balance in list(balances.items()):
                        base = balance - (held[currency][at] if currency in held else 0.0)
                        if not interest.bears(base):
                            continue
                        amount = interest.of_day_at(currency, base, _known(self.benchmarks.at_days(currency)[day]))
                        if not amount:
                            continue
                        if currency != cash.base:
                            rate = _known(self.fx.at_days(currency)[day])
                            mark = marks[currency]
                            if rate != mark:
                                revalued += (balance + principal.get(currency, 0.0)) * (rate - mark)
                            marks[currency] = rate
                        balances[currency] = balance + amount
                        earned += amount * marks.get(currency, 1.0)
            for currency in foreign:
                rate = at_steps[currency][step]
                mark = marks.get(currency, rate)
                if rate != mark:
                    revalued += (balances.get(currency, 0.0) + principal.get(currency, 0.0)) * (rate - mark)
                marks[currency] = rate
            for short in shorts:
                if passed:
                    balances[short.currency] += -short.fees[at]
                rate = 1.0 if short.currency == cash.base else at_steps[short.currency][step]
                fees_eur[short.key].append(short.fees[at] * rate)
            for currency, row in rows.items():
                row.append(balances[currency])
        return CashPath(dict(rows), balances, earned, revalued, marks, self.fx.are_constant(balances), fees_eur)


def _known(rate: float) -> float:
    if rate != rate:
        raise RateError("the moment precedes the series")  # stepping there says it in full
    return rate
