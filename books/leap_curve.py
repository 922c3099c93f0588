"""Equity, cash, exposures and results on every step of many stretches at once.

Stretches with the same open books are valued together: what was constant in each is spread over its steps, and the
formulas of ``Account.mark`` and ``TradeBook.result_eur`` are taken operation by operation, so each number is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.steps import Floats, Integers

if TYPE_CHECKING:
    from books.leap import AccountLeaps
    from books.leap_stretch import Stretch

RECORDED = ""  # in the place of a key: stretches whose rows are known


@dataclass(slots=True)
class OpenBook:
    """An open book as it was before a stretch."""

    key: str
    size: float
    price: float
    unslipped: float
    rate: float  # at entry
    gross: float
    slippage: float
    commission: float
    fx: float
    borrow: float | list[float]  # of the trade so far, by step where it is charged
    last_price: float
    first_bar: int  # the first step with a new bar


@dataclass(slots=True)
class Rows:
    """One item for each step. Money in the account's currency."""

    steps: Integers
    equity_eur: Floats
    cash_eur: Floats
    gross_exposure_eur: Floats
    net_exposure_eur: Floats
    result_eur: Floats  # of one unit

    @classmethod
    def empty(cls, steps: Integers) -> Rows:
        return cls(steps, *(np.zeros(len(steps)) for _ in range(5)))

    def put(self, at: Integers, other: Rows) -> None:
        for name in ("equity_eur", "cash_eur", "gross_exposure_eur", "net_exposure_eur", "result_eur"):
            getattr(self, name)[at] = getattr(other, name)


def rows_of(run: AccountLeaps, stretches: Sequence[Stretch], unit: str) -> Rows:
    """Value stretches of a run; rows are in the order of the stretches."""
    counts = np.array([stretch.end - stretch.first for stretch in stretches], dtype=np.int64)
    rows = Rows.empty(_steps_of(stretches, counts))
    groups: dict[tuple[str, ...], int] = {}  # keys of the open books -> number of the group
    kinds = [
        groups.setdefault(
            (RECORDED,) if stretch.path is None else tuple([book.key for book in stretch.opened]), len(groups)
        )
        for stretch in stretches
    ]
    kind_of_row = np.repeat(np.array(kinds, dtype=np.int64), counts)
    for keys, kind in groups.items():
        members = [stretch for stretch, its in zip(stretches, kinds, strict=True) if its == kind]
        at = np.flatnonzero(kind_of_row == kind)
        if keys == (RECORDED,):
            for stretch in members:
                own, at = at[: len(stretch)], at[len(stretch) :]
                rows.put(own, _recorded(run, stretch, unit))
        else:
            rows.put(at, _Group(run, members, rows.steps[at]).rows(unit))
    return rows


def _steps_of(stretches: Sequence[Stretch], counts: Integers) -> Integers:
    firsts = np.array([stretch.first for stretch in stretches], dtype=np.int64)
    before = np.cumsum(counts) - counts
    return np.repeat(firsts - before, counts) + np.arange(int(counts.sum()))


def _recorded(run: AccountLeaps, stretch: Stretch, unit: str) -> Rows:
    if stretch.recorded is not None:
        rows = Rows.empty(stretch.recorded[0].steps)
        rows.put(np.arange(len(stretch)), stretch.recorded[0])
        rows.result_eur = stretch.recorded[1].get(unit, np.zeros(len(stretch)))
        return rows
    rows = Rows.empty(np.arange(stretch.first, stretch.end))  # warm-up: the capital lies there
    rows.equity_eur[:] = rows.cash_eur[:] = run.account.capital
    return rows


class _Group:
    """Stretches with the same open books."""

    def __init__(self, run: AccountLeaps, stretches: Sequence[Stretch], steps: Integers) -> None:
        self.run = run
        self.stretches = stretches
        self.steps = steps
        self.counts = np.array([len(stretch) for stretch in stretches])

    def spread(self, values: Sequence[float]) -> Floats:
        """One number for each stretch, over its steps."""
        return np.repeat(np.array(values), self.counts)

    def flat(self, values: Sequence[float | list[float]]) -> Floats:
        """The same where a stretch may have a number for each step."""
        if not any(isinstance(value, list) for value in values):
            return self.spread([value for value in values if not isinstance(value, list)])
        items: list[float] = []
        for value, count in zip(values, self.counts.tolist(), strict=True):
            items.extend(value if isinstance(value, list) else [value] * count)
        return np.array(items)

    def rate(self, currency: str) -> float | Floats:
        rate = self.run.cash.fx.at_steps(currency)
        return rate if isinstance(rate, float) else np.asarray(rate)[self.steps]

    def rows(self, unit: str) -> Rows:
        count = len(self.steps)
        paths = [stretch.path for stretch in self.stretches if stretch.path is not None]
        cash = _sum(
            [
                self.flat([path.balances.get(currency, 0.0) for path in paths]) * self.rate(currency)
                for currency in self.run.account.cash.balances
            ],
            count,
        )
        values: list[Floats] = []
        results: dict[str, Floats] = {}
        for number, opened in enumerate(self.stretches[0].opened):
            book = self.run.account.books[opened.key]
            every = [stretch.opened[number] for stretch in self.stretches]
            rate, price, size = self.rate(book.currency), self._prices(every), self.spread([o.size for o in every])
            values.append(size * price * rate)
            if book.unit == unit:
                results[opened.key] = self._net(every, price, size, rate, book.funded_in_base)
        net = _sum(values, count)
        gross = _sum([np.abs(value) for value in values], count)
        terms = []
        for number, (key, book) in enumerate(self.run.account.books.items()):
            if book.unit == unit:
                closed = self.spread([stretch.closed[number] for stretch in self.stretches])
                terms.append(closed + results[key] if key in results else closed + 0.0)
        return Rows(self.steps, cash + net, cash, gross, net, _sum(terms, count))

    def _prices(self, every: Sequence[OpenBook]) -> Floats:
        bars = self.run.steps.bars[self.run.account.books[every[0].key].symbol]
        prices = bars.close[self.steps]
        if bars.fresh is None:
            return prices
        start = 0
        for opened, stretch, count in zip(every, self.stretches, self.counts.tolist(), strict=True):
            prices[start : start + opened.first_bar - stretch.first] = opened.last_price
            start += count
        return prices

    def _net(self, every: Sequence[OpenBook], price: Floats, size: Floats, rate: float | Floats, swept: bool) -> Floats:
        """``TradeBook.open_row(rate).net_eur``, operation by operation."""
        paid = self.spread([o.price for o in every])
        gross = size * (price - self.spread([o.unslipped for o in every]))
        slipped = size * (price - paid)
        fx: float | Floats = 0.0
        if swept:
            fx = size * paid * (rate - self.spread([o.rate for o in every]))
        gross_eur = self.spread([o.gross for o in every]) + gross * rate
        slippage = self.spread([o.slippage for o in every]) + (gross - slipped) * rate
        fx = self.spread([o.fx for o in every]) + fx
        charged = self.spread([o.commission for o in every])
        net: Floats = gross_eur - charged - self.flat([o.borrow for o in every]) - slippage + fx
        return net


def _sum(terms: Sequence[Floats], count: int) -> Floats:
    """``sum`` of each row. Of two numbers it is their sum; of more, Python's own, which since 3.12 is no plain one."""
    if len(terms) > 2:
        return np.array([sum(row) for row in zip(*(term.tolist() for term in terms), strict=True)])
    total = np.zeros(count)
    for term in terms:
        total = total + term
    return total
