"""The accounts that a gateway manages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping

from books.cash import CashBook
from books.fees import FeeSchedule, get_schedule
from books.interest import Interest
from books.rates import Rates
from core.errors import RateError, UnknownNameError, did_you_mean
from core.settings import FeeSettings, FxSettings
from gateway.market.account import AccountState, MarginRates
from gateway.market.pair_rates import PairRates
from gateway.model import Instrument

DEFAULT = {"DU1234567": 100_000.0}  # a paper account, base currency EUR
_FREE = get_schedule("none")


class Accounts:
    """Accounts by name, with the fees, exchange rates and last prices that they share.

    ``capital``: name -> money at the start, base currency. ``rates``: units of ``base`` for one unit of a currency
    (default: those of the settings); currencies whose pair with the base is traded follow the pair. ``fees``:
    third-party fees. ``interest``: None = none accrues.
    """

    def __init__(
        self,
        capital: Mapping[str, float] | None = None,
        base: str = "EUR",
        rates: Rates | None = None,
        *,
        margin: MarginRates | None = None,
        fees: FeeSettings | None = None,
        interest: Interest | None = None,
    ) -> None:
        self.base = base
        self.rates = rates or Rates.exchange(FxSettings(), base)
        self.margin = margin or MarginRates()
        self.fees = fees or FeeSettings()
        self.interest = interest
        self.prices: dict[int, float] = {}  # con_id -> last price
        self.states: dict[str, AccountState] = {}  # name -> account
        self._capital = dict(capital or DEFAULT)
        self._schedules: dict[int, FeeSchedule] = {}  # con_id -> schedule

    def open(self, when: dt.datetime, instruments: Iterable[Instrument] = ()) -> None:
        """Fund the accounts; the market, which trades these ``instruments``, does that once."""
        self.rates = PairRates(self.rates, self.prices, instruments)
        for name, capital in self._capital.items():
            if name not in self.states:
                cash = CashBook(self.base, "borrow", self.rates, interest=self.interest)
                self.states[name] = AccountState(name, capital, cash, self.prices, self.margin, when)

    @property
    def names(self) -> list[str]:
        """In the order in which managedAccounts tells them."""
        return list(self._capital)

    def __getitem__(self, name: str) -> AccountState:
        """Raises UnknownNameError for an account that does not exist."""
        state = self.states.get(name)
        if state is None:
            raise UnknownNameError(f"no account {name!r}{did_you_mean(name, self._capital)}")
        return state

    def __contains__(self, name: str) -> bool:
        return name in self.states

    def __iter__(self) -> Iterator[AccountState]:
        return iter(self.states.values())

    def unrated(self, instrument: Instrument, when: dt.datetime) -> str | None:
        """The currency of an instrument that has no exchange rate as of ``when``; None: the books can hold it."""
        currencies = [instrument.currency]
        if instrument.sec_type == "CASH":
            currencies += [instrument.symbol, "USD"]  # the commission is in dollars
        for currency in currencies:
            try:
                self.rates.rate(currency, when)
            except RateError:
                return currency
        return None

    def schedule(self, instrument: Instrument) -> FeeSchedule:
        """The fee schedule of an instrument; currency pairs have IBKR's spot commission instead."""
        found = self._schedules.get(instrument.con_id)
        if found is None:
            if instrument.sec_type == "CASH":
                found = _FREE
            else:
                found = get_schedule(instrument.schedule, self.fees, instrument.currency)
            self._schedules[instrument.con_id] = found
        return found
