"""What IBKR reports of the account: values, cash by currency, exchange rates, positions.

Sizes and results come from the book; these numbers are held beside it, and the differences are told.
"""

from __future__ import annotations

import datetime as dt
import math

from books.rates import Rates
from core.clock import Clock
from core.settings import FxSettings
from live.pump import EventPump
from live.reconcile_store import CURRENCY_PAIR
from stores.events import AccountValueReported, PositionReported

BASE = "BASE"  # IBKR's currency of sums over all currencies


class ReportedAccount:
    """``base``: the account's currency. Numbers are None until IBKR has told them."""

    def __init__(self, account: str, base: str, pump: EventPump, clock: Clock) -> None:
        self.account = account
        self.base = base
        self.positions: dict[int, PositionReported] = {}  # conId -> position
        self.quoted: dict[str, float] = {}  # currency -> rate of the pair, where no ExchangeRate is told
        self.updated: dt.datetime | None = None
        self._clock = clock
        self._values: dict[tuple[str, str], str] = {}  # tag, currency -> IBKR's text
        self._cash: dict[str, float] = {}
        self._rates: dict[str, float] = {}
        self._kept = {"CashBalance": self._cash, "ExchangeRate": self._rates}  # what is read for each bar
        pump.on(AccountValueReported, self._value_told)
        pump.on(PositionReported, self._position_told)

    def value(self, tag: str, currency: str = "") -> float | None:
        """A number by IBKR's tag; without ``currency`` in the account's own."""
        for key in ((tag, currency or self.base), *(() if currency else ((tag, ""), (tag, BASE)))):
            text = self._values.get(key)
            if text is not None:
                return _number(text)
        return None

    @property
    def net_liquidation(self) -> float | None:
        return self.value("NetLiquidation")

    @property
    def cash(self) -> dict[str, float]:
        """Currency -> CashBalance."""
        return dict(self._cash)

    @property
    def rates(self) -> dict[str, float]:
        """The account's currency for one unit: ExchangeRate, or what the pair was quoted at until it is told."""
        return self.quoted | self._rates

    def rate(self, currency: str) -> float | None:
        if currency == self.base:
            return 1.0
        rate = self._rates.get(currency, self.quoted.get(currency))
        return rate if rate else None

    def _value_told(self, event: AccountValueReported) -> None:
        if event.account == self.account:
            self._values[event.tag, event.currency] = event.value
            kept, number = self._kept.get(event.tag), _number(event.value)
            if kept is not None and event.currency not in (BASE, ""):
                if number is None:
                    kept.pop(event.currency, None)
                else:
                    kept[event.currency] = number
            self.updated = self._clock.now()

    def _position_told(self, event: PositionReported) -> None:
        if event.account != self.account or event.contract.sec_type == CURRENCY_PAIR:
            return
        if event.position:
            self.positions[event.contract.con_id] = event
        else:
            self.positions.pop(event.contract.con_id, None)


class BrokerRates(Rates):
    """Exchange rates as IBKR tells them (``live.rates`` asks at the start); those of the settings where it does not."""

    def __init__(self, settings: FxSettings, base: str, reported: ReportedAccount) -> None:
        super().__init__(base, settings.rates, settings.files)
        self._reported = reported

    def rate(self, currency: str, when: dt.datetime) -> float:
        return self._reported.rate(currency) or super().rate(currency, when)

    def constant(self, currency: str) -> float | None:
        """The rate of the base alone never moves."""
        return 1.0 if currency == self.base else None

    def describe(self, currency: str) -> str:
        told = self._reported.rate(currency)
        return f"IBKR, {told:g}" if told else super().describe(currency)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
