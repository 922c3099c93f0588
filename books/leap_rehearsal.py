"""Steps one by one on a copy of the account: for the rare stretch in which foreign fees are swept day by day."""

from __future__ import annotations

import copy
import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from books.account import Account
from books.borrow import borrow_fee
from books.leap_curve import Rows
from core.steps import Floats

if TYPE_CHECKING:
    from books.leap import AccountLeaps
    from books.leap_stretch import Shorts

Recorded = tuple[Rows, dict[str, Floats]]  # and the results by unit


def rehearse(run: AccountLeaps, first: int, end: int, shorts: Shorts, account: Account | None = None) -> Recorded:
    """Step through ``[first, end)``; on a copy, unless the account itself is given."""
    account = account or _copied(run.account)
    steps = run.steps
    units = list(account.costs_by_unit)
    made: list[tuple[float, ...]] = []
    for step in range(first, end):
        when = steps.when(step)
        if steps.days_passed[step] > 0 and run.accrues:
            account.accrue(when)
            _charge(run, account, step, when, shorts)
        account.mark(
            when,
            {
                key: (float(bars.high[step]), float(bars.low[step]), bars.closes[step])
                for key, bars in ((key, steps.bars[book.symbol]) for key, book in account.books.items())
                if bars.count(step, step + 1)
            },
        )
        made.append(
            (
                account.equity_eur, account.cash_eur, account.gross_exposure_eur, account.net_exposure_eur,
                *(account.result_eur(unit) for unit in units),
            )
        )  # fmt: skip
    columns = np.array(made, dtype=float).reshape(end - first, 4 + len(units)).T
    rows = Rows(np.arange(first, end), columns[0], columns[1], columns[2], columns[3], np.zeros(end - first))
    return rows, dict(zip(units, columns[4:], strict=True))


def _charge(run: AccountLeaps, account: Account, step: int, when: dt.datetime, shorts: Shorts) -> None:
    for key, size in shorts:
        book = account.books[key]
        close, days = run.steps.bars[book.symbol].closes[step - 1], run.steps.days_passed[step]
        account.charge_borrow(key, borrow_fee(-size, close, run.borrow_rates[key], days, book.currency), when)


def _copied(account: Account) -> Account:
    """A copy that shares what steps without a fill do not change."""
    cash = account.cash
    shared: list[object] = [cash.fx, cash.interest, account.trades, account.traded_eur, account.leaps]
    return copy.deepcopy(account, {id(each): each for each in shared})
