"""A stretch of steps without a fill: what the account was worth on each of them, and where it stands afterwards."""

from __future__ import annotations

import datetime as dt
import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from books.leap_cash import CashPath
from books.leap_curve import OpenBook, Rows, rows_of
from books.leap_rehearsal import Recorded, rehearse

if TYPE_CHECKING:
    from books.leap import AccountLeaps

Shorts = Sequence[tuple[str, float]]  # book key, signed size: open shorts in the order in which the broker charges them


@dataclass(slots=True)
class Stretch:
    """What the account does on the steps ``[first, end)``, and, once committed, did.

    ``path`` is None for warm-up, on which nothing changes, and where the steps were rehearsed one by one
    (``recorded``). ``opened``: the open books as they were before it; ``closed``: what each book had earned in closed
    trades.
    """

    run: AccountLeaps
    first: int
    end: int
    shorts: Shorts
    path: CashPath | None
    opened: list[OpenBook]
    closed: list[float]
    recorded: Recorded | None = None
    _equity: list[float] | None = None

    def __len__(self) -> int:
        return self.end - self.first

    # -- equity -------------------------------------------------------------------------------------------------

    def rows(self, unit: str = "") -> Rows:
        """Equity, cash, exposures and the result of ``unit`` on each step."""
        return rows_of(self.run, [self], unit)

    def equity(self) -> list[float]:
        """Equity on each step, account currency. Not to be changed."""
        if self._equity is None:
            self._equity = self._worked_out()
        return self._equity

    def _worked_out(self) -> list[float]:
        path = self.path
        # rates that move, and more than two additions, whose order would matter, are for whole columns
        if path is None or len(self.opened) > 2 or not path.is_still or len(path.balances) > 2:
            equity: list[float] = self.rows().equity_eur.tolist()
            return equity
        cash = self._cash(path)
        if not self.opened:
            return cash if isinstance(cash, list) else [cash] * len(self)
        net, *others = [self._values(book) for book in self.opened]
        for other in others:
            net = [one + another for one, another in zip(net, other, strict=True)]
        if isinstance(cash, list):
            return [money + value for money, value in zip(cash, net, strict=True)]
        return [cash + value for value in net]

    def _values(self, book: OpenBook) -> list[float]:
        size, rate = book.size, self._rate(book)
        return [size * price * rate for price in self._prices(book)]

    def _cash(self, path: CashPath) -> float | list[float]:
        """Cash in the account's currency, one number where it does not change. For constant rates."""
        total, totals = 0.0, None
        for currency, balance in path.balances.items():
            rate = self.run.cash.fx.constant(currency) or 0.0
            if isinstance(balance, list):
                if totals is None:
                    totals = [total + each * rate for each in balance]
                else:
                    totals = [one + each * rate for one, each in zip(totals, balance, strict=True)]
            elif totals is None:
                total += balance * rate
            else:
                value = balance * rate
                totals = [one + value for one in totals]
        return total if totals is None else totals

    def _prices(self, book: OpenBook) -> list[float]:
        """The last price of a book at each step."""
        prices = self.run.steps.bars[self.run.account.books[book.key].symbol].closes[self.first : self.end]
        for at in range(book.first_bar - self.first):
            prices[at] = book.last_price
        return prices

    def _rate(self, book: OpenBook) -> float:
        return self.run.cash.fx.constant(self.run.account.books[book.key].currency) or 0.0

    # -- the account afterwards ---------------------------------------------------------------------------------

    def commit(self, end: int | None = None) -> None:
        """Put the account where it is after the steps ``[first, end)``; by default all of the stretch."""
        run, end = self.run, self.end if end is None else end
        if end <= self.first:
            return
        if end < self.end:
            again = run.leap(self.first, end, self.shorts)
            assert again is not None  # what could be leapt as a whole can be leapt in part
            again.commit()
            return
        run.stretches.append(self)
        if self.recorded is not None:
            rehearse(run, self.first, end, self.shorts, run.account)
        elif self.path is not None:
            self._settle(self.path)

    def _settle(self, path: CashPath) -> None:
        run, first, end = self.run, self.first, self.end
        account, steps, cash, fx = run.account, run.steps, run.account.cash, run.cash.fx
        cash.balances.update(path.final)
        cash.interest_eur, cash.cash_fx_eur, cash._marks = path.interest_eur, path.cash_fx_eur, path.marks
        passed = steps.days[end - 1] > steps.days[first - 1]
        if run.accrues and passed:
            cash._accrued = dt.date.fromordinal(steps.days[end - 1])
            cash._interest_told = cash.interest_eur
            self._pay(path)
        if len(account._rates) < len(account._currencies) or not fx.are_constant(account._currencies):
            account._rates = {currency: _at(fx.at_steps(currency), end - 1) for currency in account._currencies}
        for book in account.books.values():
            bars = steps.bars[book.symbol]
            if bars.count(first, end):
                book.last_price = bars.closes[end - 1]
        for opened in self.opened:
            self._age(opened)
        account.appraise(
            sum([balance * _at(fx.at_steps(c), end - 1) for c, balance in cash.balances.items() if balance])
        )

    def _pay(self, path: CashPath) -> None:
        """Add the borrow fees to the trades and to the costs, in the order in which they were charged."""
        account, fees = self.run.account, path.fees_eur
        if not fees:
            return
        for key, amounts in fees.items():
            costs = account.costs_by_unit[account.books[key].unit]
            costs["conversion"] += 0.0
            if len(fees) == 1:
                costs["borrow"] = functools.reduce(operator.add, amounts, costs["borrow"])
                account.costs["borrow"] = functools.reduce(operator.add, amounts, account.costs["borrow"])
        if len(fees) > 1:
            for row in zip(*fees.values(), strict=True):
                for key, amount in zip(fees, row, strict=True):
                    account.costs["borrow"] += amount
                    account.costs_by_unit[account.books[key].unit]["borrow"] += amount
        account.costs["conversion"] += 0.0

    def _age(self, opened: OpenBook) -> None:
        """Bars, borrow fees and excursions of an open trade."""
        run, first, end = self.run, opened.first_bar, self.end
        book = run.account.books[opened.key]
        bars, trade = run.steps.bars[book.symbol], book._require_open()
        if isinstance(opened.borrow, list):
            trade.borrow = opened.borrow[-1]
        if first == end:
            return
        trade.bars += bars.count(first, end)
        rate = run.cash.fx.at_steps(book.currency)
        if isinstance(rate, float):  # results rise and fall with prices: their ends are at the ends of the prices
            results = [
                opened.gross + opened.size * (price - opened.unslipped) * rate for price in bars.extremes(first, end)
            ]
        else:
            top, bottom, rates = bars.top[first:end], bars.bottom[first:end], np.asarray(rate[first:end])
            if bars.fresh is not None:  # a position sees prices when they are new
                rates, top, bottom = (each[bars.fresh[first:end]] for each in (rates, top, bottom))
            each = [opened.gross + opened.size * (prices - opened.unslipped) * rates for prices in (top, bottom)]
            results = [
                float(np.fmax.reduce(np.fmax(*each))), float(np.fmin.reduce(np.fmin(*each))),
            ]  # fmt: skip
        trade.mae = min(trade.mae, *results)
        trade.mfe = max(trade.mfe, *results)


def _at(rate: float | list[float], step: int) -> float:
    return rate if isinstance(rate, float) else rate[step]
