"""The account over stretches of steps without a fill: as if it had been funded, charged and marked on each of them.

``AccountLeaps`` belongs to one run. ``leap`` gives a ``Stretch``: what equity did on each step, without changing the
account; ``commit`` then puts the account, its cash and its books exactly where that many steps of ``accrue``,
``charge_borrow`` and ``mark`` would have. Committed stretches are kept, and ``rows`` values them all at once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from books.account import Account
from books.borrow import YEAR_DAYS, collateral_marks
from books.leap_cash import CashPath, CashRun, Short
from books.leap_curve import OpenBook, Rows, rows_of
from books.leap_rehearsal import rehearse
from books.leap_stretch import Shorts, Stretch
from books.trades import TradeBook
from core.steps import Steps


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
            return Stretch(self, first, min(end, self.begin), shorts, None, [], [])
        account, steps = self.account, self.steps
        if not account._funded or first == 0 or end <= first:
            return None
        if self.accrues and account.cash.accrued_on != steps.days[first - 1]:
            return None
        charged = [] if not self.accrues else self._charged(first, end, shorts)
        if charged is None:
            return None
        if charged and account.cash.policy == "sweep" and any(s.currency != account.base for s in charged):
            return self._rehearsed(first, end, shorts)
        path = self.cash.path(first, end, self._held(first, end), charged, account.principal)
        if path is None:
            return None
        opened = [self._opened(book, key, path, first, end) for key, book in account.books.items() if book.size]
        closed = [book.closed_net_eur for book in account.books.values()]
        return Stretch(self, first, end, shorts, path, opened, closed)

    def rows(self, unit: str, since: int = 0) -> Rows:
        """What the committed stretches, but for the first ``since``, were worth on each of their steps, in order; the
        result is that of ``unit``."""
        return rows_of(self, self.stretches[since:], unit)

    # -- what a stretch begins with -----------------------------------------------------------------------------

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
            days, shares, rate = self.steps.days_passed[first:end], abs(-size), self.borrow_rates[key]
            fees = [
                shares * mark * rate * passed / YEAR_DAYS if passed > 0 else 0.0
                for mark, passed in zip(marks, days, strict=True)
            ]
            if not all(map(math.isfinite, fees)):
                return None
            charged.append(Short(key, book.currency, fees))
        return charged

    def _collateral(self, symbol: str, currency: str) -> list[float]:
        cache, key = self.steps.cache, ("collateral", symbol, currency)
        if key not in cache:
            cache[key] = collateral_marks(self.steps.bars[symbol].close, currency).tolist()
        marks: list[float] = cache[key]
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
        stretch = Stretch(self, first, end, shorts, None, [], [])
        stretch.recorded = rehearse(self, first, end, shorts)
        return stretch
