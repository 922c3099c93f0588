"""Exchange rates that follow the currency pairs which the market trades."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from books.rates import Rates
from gateway.model import Instrument


class PairRates(Rates):
    """Rates of the books, but for currencies whose pair with the base has a price: that price, as it stands now.

    A pair is quoted in units of its second currency, ``EUR.USD`` at 1.25 = USD at 0.80 for a base of EUR; either may
    be the base. ``prices``: con_id -> last price, the middle of bid and ask where there is one. ``others`` holds for
    every other currency, and for these until their pair has a price.
    """

    def __init__(self, others: Rates, prices: Mapping[int, float], instruments: Iterable[Instrument]) -> None:
        super().__init__(others.base, others.constants)
        self.series = others.series
        self._others = others
        self._prices = prices
        self._inverse: dict[str, int] = {}  # currency -> con_id of base.currency
        self._direct: dict[str, int] = {}  # currency -> con_id of currency.base
        for pair in instruments:
            if pair.sec_type == "CASH" and pair.symbol == self.base != pair.currency:
                self._inverse[pair.currency] = pair.con_id
            elif pair.sec_type == "CASH" and pair.currency == self.base != pair.symbol:
                self._direct[pair.symbol] = pair.con_id

    def rate(self, currency: str, when: dt.datetime) -> float:
        """Units of the base for one of ``currency``: a pair's as it stands, another as of ``when``.

        Raises RateError where there is none.
        """
        con_id = self._inverse.get(currency)
        if con_id is not None:
            price = self._prices.get(con_id)
            if price:
                return 1.0 / price
        elif (con_id := self._direct.get(currency)) is not None:
            price = self._prices.get(con_id)
            if price:
                return price
        return self._others.rate(currency, when)

    def constant(self, currency: str) -> float | None:
        """None for a currency that has a pair: its rate moves, or will."""
        if currency in self._inverse or currency in self._direct:
            return None
        return self._others.constant(currency)
