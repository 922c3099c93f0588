"""The account: cash by currency and one trade book for each (unit, instrument), valued in the base currency.

The simulated and the live broker keep the same account, so results mean the same in both. Identity, to the cent::

    equity - capital = sum(closed trades' net) + sum(open trades' net) + interest_eur + cash_fx_eur

where ``cash_fx_eur`` is the revaluation of foreign balances. Under ``fx.policy = "borrow"`` a position's principal
and the debit that financed it cancel, so the balance that is revalued is cash plus principal; see ``books.trades``.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from books.cash import CashBook
from books.fees import Charge
from books.trades import Fill, TradeBook, TradeRow
from core.errors import EngineError
from core.settings import Settings

if TYPE_CHECKING:
    from books.leap import AccountLeaps

Costs = defaultdict[str, float]  # kind or currency -> amount


class Account:
    """Cash, positions, trades and costs of one account.

    ``capital``: base currency at the start. ``cash``: the cash book, empty. ``initial_margin``: fraction of gross
    exposure that equity must cover. Money in properties is in the base currency at the last mark.
    """

    def __init__(self, capital: float, cash: CashBook, initial_margin: float) -> None:
        self.capital = capital
        self.cash = cash
        self.initial_margin = initial_margin
        self.books: dict[str, TradeBook] = {}  # "unit/SYMBOL" -> its trades and position
        self.trades: list[TradeRow] = []  # closed, in order of exit
        self.costs: Costs = defaultdict(float)  # kind -> base currency, cumulative, > 0 is paid
        self.costs_by_unit: dict[str, Costs] = {}  # unit -> kind -> base currency
        self.traded_eur: dict[str, float] = defaultdict(float)  # unit -> value of all fills, base currency
        self.equity_eur = self.cash_eur = capital
        self.gross_exposure_eur = self.net_exposure_eur = 0.0
        self.leaps: AccountLeaps | None = None  # of a run that leaps over bars
        self._funded = False
        self._rates: dict[str, float] = {}  # currency -> rate at the last mark
        self._currencies: dict[str, None] = {}  # of the books
        self._books_of: defaultdict[str, list[TradeBook]] = defaultdict(list)  # unit -> its books

    @classmethod
    def from_settings(cls, settings: Settings) -> Account:
        """The account that the settings describe, not yet funded."""
        cash = CashBook.from_settings(settings.account.currency, settings.costs)
        return cls(settings.account.capital, cash, settings.account.initial_margin)

    @property
    def base(self) -> str:
        return self.cash.base

    def open_book(self, unit: str, symbol: str, currency: str) -> TradeBook:
        """Make the book of ``symbol`` for ``unit``; EngineError if it exists."""
        key = f"{unit}/{symbol}"
        if key in self.books:
            raise EngineError(f"book {key} is opened twice; every unit of the settings needs its own name")
        self.books[key] = TradeBook(unit, symbol, currency, self.cash.policy == "sweep" and currency != self.base)
        self._currencies[currency] = None
        self._books_of[unit].append(self.books[key])
        self.costs_by_unit.setdefault(unit, defaultdict(float))
        return self.books[key]

    def fund(self, when: dt.datetime) -> None:
        """Pay in the capital, at the first bar."""
        if not self._funded:
            self._funded = True
            self.cash.post(self.base, self.capital, when)

    def rate(self, currency: str, when: dt.datetime) -> float:
        """Base currency for one unit of ``currency``."""
        return 1.0 if currency == self.base else self.cash.fx.rate(currency, when)

    def fill(self, fill: Fill, charge: Charge) -> TradeRow | None:
        """Book an execution and its fees; return the trade that it closed."""
        book = self.books[fill.book]
        self._revalue(fill.when)
        size, price, rate, total = fill.size, fill.price, fill.rate, charge.total
        self.cash.post(book.currency, -size * price - total, fill.when)
        conversion = self.cash.sweep(book.currency, fill.when)
        if conversion or fill.fees != total:
            fill = replace(fill, fees=total, conversion_eur=conversion)
        row = book.fill(fill)
        slippage = size * (price - fill.unslipped_price)
        self._pay(
            book.unit,
            commission=charge.commission * rate,
            exchange=charge.exchange * rate,
            clearing=charge.clearing * rate,
            regulatory=charge.regulatory * rate,
            slippage=slippage * rate,
            conversion=conversion,
        )
        self.traded_eur[book.unit] += abs(size) * price * rate
        if row is not None:
            self.trades.append(row)
        return row

    def recharge(self, fill: Fill, fees: float, when: dt.datetime) -> None:
        """The fees of ``fill``, which is booked, are ``fees`` in all, instrument currency; ``fill`` is changed."""
        more = fees - fill.fees
        if not more:
            return
        book = self.books[fill.book]
        self._revalue(when)
        self.cash.post(book.currency, -more, when)
        conversion = self.cash.sweep(book.currency, when)
        more_eur = more * self.rate(book.currency, when)
        row = None if book.is_of_open(fill.when) else self._row_of(fill)
        if row is not None or book.is_of_open(fill.when):
            book.pay_more(row, more_eur, conversion)
        self._pay(book.unit, commission=more_eur, conversion=conversion)
        fill.fees = fees

    def correct(self, fill: Fill, size: float, price: float, unslipped: float, when: dt.datetime) -> list[Fill]:
        """The execution of ``fill``, which is booked, was ``size`` units (signed, 0: it is taken back) at ``price``.

        The fees of one that is taken back are given back. Money is exact whatever came in between: where the trade of
        the fill is over, compensating fills are booked. Returns the fills that stand for it now.
        """
        book = self.books[fill.book]
        if not size:
            self.recharge(fill, 0.0, when)
        self._revalue(when)
        rate = self.rate(book.currency, when)
        undo = replace(fill, when=when, size=-fill.size, fees=0.0, rate=rate)
        self.traded_eur[book.unit] -= abs(fill.size) * fill.price * fill.rate
        self._pay(book.unit, slippage=-fill.size * (fill.price - fill.unslipped_price) * fill.rate)
        redone = replace(fill, size=size, price=price, unslipped_price=unslipped, rate=rate, conversion_eur=0.0)
        self._pay(book.unit, slippage=size * (price - unslipped) * rate)
        self.traded_eur[book.unit] += abs(size) * price * rate
        self.cash.post(book.currency, fill.size * fill.price - size * price, when)
        conversion = self.cash.sweep(book.currency, when)
        self._pay(book.unit, conversion=conversion)
        last, rows = book.last_price, []
        if book.take_back(fill, rate):
            book.pay_more(None, 0.0, conversion)
            if size:
                rows.append(book.fill(replace(redone, fees=0.0)))
            rows.append(book.drop_empty(when, fill.reason))
        else:
            rows.append(book.fill(replace(undo, conversion_eur=conversion)))
            if size:
                rows.append(book.fill(replace(redone, fees=0.0)))
            book.last_price = last
        self.trades += [row for row in rows if row is not None]
        return [redone] if size else []

    def _row_of(self, fill: Fill) -> TradeRow | None:
        """The row of the closed trade to which a fill belongs."""
        book = self.books[fill.book]
        for row in reversed(self.trades):
            if row.strategy == book.unit and row.instrument == book.symbol and row.entry_time <= fill.when:
                return row
        return None

    def charge_borrow(self, key: str, fee: float, when: dt.datetime) -> None:
        """Charge a borrow fee, in the instrument's currency, to the open short of book ``key``."""
        book = self.books[key]
        self._revalue(when)
        fee_eur = fee * self.rate(book.currency, when)
        self.cash.post(book.currency, -fee, when)
        conversion = self.cash.sweep(book.currency, when)
        book.charge_borrow(fee_eur, conversion)
        self._pay(book.unit, borrow=fee_eur, conversion=conversion)

    def accrue(self, when: dt.datetime) -> None:
        """Post interest for the days since the last call. Proceeds of shorts are collateral and earn nothing.

        Call it before the first fill of a new day, so that the balances are last night's.
        """
        held: dict[str, float] = {}
        for book in self.books.values():
            if book.size < 0.0:
                held[book.currency] = held.get(book.currency, 0.0) - book.size * book.last_price
        self.cash.accrue(when, held)

    def mark(self, when: dt.datetime, bars: Mapping[str, tuple[float, float, float]]) -> None:
        """End of a bar: ``bars`` maps book keys that have a new bar to its (high, low, close)."""
        self._revalue(when)
        self._rates = {currency: self.rate(currency, when) for currency in self._currencies}
        for key, (high, low, close) in bars.items():
            book = self.books[key]
            book.mark(when, high, low, close, self._rates[book.currency])
        self.appraise(self.cash.value(when))

    def appraise(self, cash_eur: float) -> None:
        """Value positions at their last prices and rates, beside cash of this value."""
        self.cash_eur = cash_eur
        values = [b.size * b.last_price * self._rates[b.currency] for b in self.books.values() if b.size]
        self.net_exposure_eur = sum(values)
        self.gross_exposure_eur = sum([abs(v) for v in values])
        self.equity_eur = self.cash_eur + self.net_exposure_eur

    @property
    def available_eur(self) -> float:
        """Equity that no position needs as initial margin."""
        return self.equity_eur - self.initial_margin * self.gross_exposure_eur

    @property
    def interest_eur(self) -> float:
        """Interest received less paid, cumulative."""
        return self.cash.interest_eur

    @property
    def cash_fx_eur(self) -> float:
        """Revaluation of foreign balances, cumulative."""
        return self.cash.cash_fx_eur

    def open_trades(self) -> list[TradeRow]:
        """Rows of the positions that are open, valued at the last mark."""
        rows = (book.open_row(self._rates.get(book.currency, 1.0)) for book in self.books.values())
        return [row for row in rows if row is not None]

    def result_eur(self, unit: str) -> float:
        """Net result of ``unit``, realised and open, since the start."""
        rates = self._rates
        return sum([book.result_eur(rates.get(book.currency, 1.0)) for book in self._books_of.get(unit, ())])

    def principal(self) -> dict[str, float]:
        """Currency -> cost of the positions that it finances, where its rate may move."""
        principal: dict[str, float] = {}
        for book in self.books.values():
            if book.size and not book.funded_in_base and self.cash.moves(book.currency):
                principal[book.currency] = principal.get(book.currency, 0.0) + book.principal
        return principal

    def _revalue(self, when: dt.datetime) -> None:
        if not self.cash.is_still(self._currencies.keys()):
            self.cash.revalue(when, self.principal())

    def _pay(self, unit: str, **costs: float) -> None:
        total, own = self.costs, self.costs_by_unit[unit]
        for kind, amount in costs.items():
            total[kind] += amount
            own[kind] += amount
