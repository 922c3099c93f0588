"""How far the broker's numbers move away from the book's.

The account may hold more than this program trades with, so what counts is how the difference moves, from the first
time that both are known. Cash has to agree to the cent once a fill is in both; the broker's equity is valued at other
prices than the close of a bar, so it is compared roughly.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from books.account import Account
from core.events import Bus, DriftEvent
from live.values import ReportedAccount

CASH = 0.02  # currency units
EQUITY = 0.01  # fraction of the book's equity
PATIENCE = dt.timedelta(minutes=4)  # IBKR tells values every three minutes


@dataclass(slots=True)
class _Gap:
    """The difference that is known, and since when another one stands."""

    known: float
    other: float = 0.0
    since: dt.datetime | None = None


class DriftWatch:
    """``gaps``: name of a number -> reported less book, as it was first seen or told last."""

    def __init__(self, reported: ReportedAccount, bus: Bus) -> None:
        self._reported = reported
        self._bus = bus
        self._gaps: dict[str, _Gap] = {}

    @property
    def gaps(self) -> dict[str, float]:
        return {name: gap.known for name, gap in self._gaps.items()}

    def look(self, account: Account, when: dt.datetime) -> None:
        """Compare, after the account was marked. A difference counts once it has stood still for some minutes."""
        told = self._reported.cash
        for currency, balance in account.cash.balances.items():
            if currency in told:
                self._compare(f"cash {currency}", balance, told[currency], CASH, when)
        worth = self._reported.net_liquidation
        if worth is not None:
            self._compare("equity", account.equity_eur, worth, EQUITY * abs(account.equity_eur), when)

    def _compare(self, what: str, book: float, reported: float, tolerance: float, when: dt.datetime) -> None:
        now = reported - book
        gap = self._gaps.get(what)
        if gap is None:
            self._gaps[what] = _Gap(now)
        elif abs(now - gap.known) <= tolerance:
            gap.since = None
        elif gap.since is None or abs(now - gap.other) > tolerance:
            gap.since, gap.other = when, now
        elif when - gap.since >= PATIENCE:
            moved = now - gap.known
            self._gaps[what] = _Gap(now)
            self._bus.publish(DriftEvent(at=when, what=what, book=book, reported=reported, moved=moved))
