"""The account over stretches of steps without a fill: as if it had been funded, charged and marked on each of them.

``AccountLeaps`` belongs to one run. ``leap`` gives a ``Stretch``: what equity did on each step, without changing the
account; ``commit`` then puts the account, its cash and its books exactly where that many steps of ``accrue``,
``charge_borrow`` and ``mark`` would have. Committed stretches are kept, and ``rows`` values them all at once.
"""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from books.account import Account
from books.borrow import YEAR_DAYS, collateral_marks
from books.leap_cash import CashPath, CashRun, Short
from books.leap_curve import OpenBook, Rows, rows_of
from books.leap_rehearsal import Recorded, rehearse
from books.trades import TradeBook
from core.steps import Floats, Steps

Shorts = Sequence[tuple[str, float]]  # book key, signed size: open shorts in the order in which the broker charges them


class AccountLeaps:
    """The account of one run, in leaps.

    ``begin``: the first step that is not warm-up, on which the capital is paid in. ``accrues``: interest and borrow
    fees are charged. ``borrow_rates``: book key -> annual borrow rate. ``stretches``: those committed, in order.
    """

    def __init__(
        self,
        account: Account,
        steps: Steps,
        *,
        begin: int = 0,
        accrues: bool = True,
        borrow_rates: Mapping[str, float] | None = None,
    ) -> None:
        self.account = account
        self.steps = steps
        self.begin = begin
        self.accrues = accrues
        self.borrow_rates = dict(borrow_rates or {})
        self.cash = CashRun(account.cash, steps, accrues)
        self.stretches: list[Stretch] = []
        account.leaps = self

    def leap(self, first: int, end: int, shorts: Shorts = ()) -> Stretch | None:
        """The steps ``[first, end)`` without a fill; None where the account must go step by step.

        That is where stepping would raise, and on the first step that counts. A stretch ends there at the latest.
        """
        if first < self.begin:
            return Stretch(self, first, min(end, self.begin), shorts, None, (), ())
        account, steps = self.account, self.steps
        if not account._funded or first == 0 or end <= first:
            return None
        if self.accrues and (account.cash._accrued or dt.date.min).toordinal() != steps.days[first - 1]:
            return None
        charged = [] if not self.accrues else self._charged(first, end, shorts)
        if charged is None:
            return None
        if charged and account.cash.policy == "sweep" and any(s.currency != account.base for s in charged):
            return self._rehearsed(first, end, shorts)
        path = self.cash.path(first, end, self._held(first, end), charged, self._principal)
        if path is None:
            return None
        opened = tuple(self._opened(book, key, path, first, end) for key, book in account.books.items() if book.size)
        closed = tuple(book.closed_net_eur for book in account.books.values())
        return Stretch(self, first, end, shorts, path, opened, closed)

    def rows(self, unit: str, since: int = 0) -> Rows:
        """What the committed stretches, but for the first ``since``, were worth on each of their steps, in order; the
        result is that of ``unit``."""
        return rows_of(self, self.stretches[since:], unit)

    # -- what a stretch begins with -----------------------------------------------------------------------------

    def _principal(self) -> dict[str, float]:
        principal: dict[str, float] = {}
        for book in self.account.books.values():
            if book.size and not book.funded_in_base and book.currency != self.account.base:
                principal[book.currency] = principal.get(book.currency, 0.0) + book.principal
        return principal

    def _held(self, first: int, end: int) -> dict[str, list[float]]:
        """Collateral of shorts by step: at the last prices of the step before."""
        held: dict[str, list[float]] = {}
        if not self.accrues:
            return held
        for book in self.account.books.values():
            if book.size < 0.0:
                size, prices = book.size, self._last_prices(book, first, end)
                if book.currency in held:
                    rows = zip(held[book.currency], prices, strict=True)
                    held[book.currency] = [amount - size * price for amount, price in rows]
                else:
                    held[book.currency] = [0.0 - size * price for price in prices]
        return held

    def _last_prices(self, book: TradeBook, first: int, end: int) -> list[float]:
        """The last price before each step."""
        bars = self.steps.bars[book.symbol]
        prices = bars.closes[first - 1 : end - 1]
        if prices[0] != book.last_price:
            for at in range(min(bars.first_in(first, end), end - 1) - first + 1):
                prices[at] = book.last_price
        return prices

    def _charged(self, first: int, end: int, shorts: Shorts) -> list[Short] | None:
        """The borrow fees of a stretch; None where one of them cannot be charged."""
        if not shorts or self.steps.days[end - 1] == self.steps.days[first - 1]:
            return []
        charged = []
        for key, size in shorts:
            book = self.account.books[key]
            marks = self._collateral(book.symbol, book.currency)[first - 1 : end - 1]
            days = np.asarray(self.steps.days_passed[first:end])
            fees = abs(-size) * marks * self.borrow_rates[key] * days / YEAR_DAYS
            if not np.isfinite(fees[days > 0]).all():
                return None
            charged.append(Short(key, book.currency, np.where(days > 0, fees, 0.0).tolist()))
        return charged

    def _collateral(self, symbol: str, currency: str) -> Floats:
        cache, key = self.steps.cache, ("collateral", symbol, currency)
        if key not in cache:
            cache[key] = collateral_marks(self.steps.bars[symbol].close, currency)
        marks: Floats = cache[key]
        return marks

    def _opened(self, book: TradeBook, key: str, path: CashPath, first: int, end: int) -> OpenBook:
        trade = book._require_open()
        fees = path.fees_eur.get(key)
        bars = self.steps.bars[book.symbol]
        return OpenBook(
            key, book.size, book.price, book.unslipped_price, book.rate, trade.gross, trade.slippage,
            trade.commission, trade.fx,
            trade.borrow if fees is None else list(itertools.accumulate(fees, initial=trade.borrow))[1:],
            book.last_price, bars.first_in(first, end),
        )  # fmt: skip

    def _rehearsed(self, first: int, end: int, shorts: Shorts) -> Stretch:
        stretch = Stretch(self, first, end, shorts, None, (), ())
        stretch.recorded = rehearse(self, first, end, shorts)
        return stretch


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
    opened: tuple[OpenBook, ...]
    closed: tuple[float, ...]
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
        if path is None or len(self.opened) > 1 or self._moves(path):
            equity: list[float] = self.rows().equity_eur.tolist()
            return equity
        cash = self._cash(path)
        if not self.opened:
            return cash if isinstance(cash, list) else [cash] * len(self)
        book = self.opened[0]
        prices, size, rate = self._prices(book), book.size, self._rate(book)
        if isinstance(cash, list):
            return [money + size * price * rate for money, price in zip(cash, prices, strict=True)]
        return [cash + size * price * rate for price in prices]

    def _moves(self, path: CashPath) -> bool:
        """Whether an exchange rate is a series, or the order of more than two additions would matter."""
        fx = self.run.cash.fx
        return len(path.balances) > 2 or any(fx.constant(currency) is None for currency in path.balances)

    def _cash(self, path: CashPath) -> float | list[float]:
        """Cash in the account's currency, one number where it does not change. For constant rates."""
        total: Any = 0.0
        for currency, balance in path.balances.items():
            rate = self.run.cash.fx.constant(currency) or 0.0
            value: Any = [each * rate for each in balance] if isinstance(balance, list) else balance * rate
            if isinstance(total, list) and isinstance(value, list):
                total = [one + other for one, other in zip(total, value, strict=True)]
            elif isinstance(total, list):
                total = [one + value for one in total]
            elif isinstance(value, list):
                total = [total + other for other in value]
            else:
                total += value
        found: float | list[float] = total
        return found

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
        account._rates = {currency: _at(fx.at_steps(currency), end - 1) for currency in account._currencies}
        for book in account.books.values():
            bars = steps.bars[book.symbol]
            if bars.count(first, end):
                book.last_price = bars.closes[end - 1]
        for opened in self.opened:
            self._age(opened)
        account.appraise(sum(balance * _at(fx.at_steps(c), end - 1) for c, balance in cash.balances.items() if balance))

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
        top, bottom = bars.top[first:end], bars.bottom[first:end]
        if isinstance(rate, float):  # results rise and fall with prices: their ends are at the ends of the prices
            results = [
                opened.gross + opened.size * (float(price) - opened.unslipped) * rate
                for price in (np.fmax.reduce(top), np.fmin.reduce(bottom))
            ]
        else:
            rates = np.asarray(rate[first:end])
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
