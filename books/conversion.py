"""What it costs to convert one currency into another: a spot order, or IBKR's automatic conversion."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Protocol

from books.charges import MonthlyVolume
from books.rates import Rates
from books.tiers import Tiers, blended, tier_at, tiers
from core.settings import FxSettings

SPOT_TIERS: Tiers = tiers((1e9, 0.000020), (2e9, 0.000015), (5e9, 0.000010), above=0.000008)  # USD a month
SPOT_MINIMUMS = (2.00, 1.50, 1.25, 1.00)  # USD an order, by the tier in which the month stands


class Conversion(Protocol):
    """One way to convert. ``cost`` is a quote; ``book`` tells that the conversion was done."""

    def cost(self, currency: str, amount: float, fx: Rates, when: dt.datetime) -> float:
        """Return what converting ``amount`` of ``currency`` costs, >= 0, in the base currency of ``fx``."""

    def book(self, currency: str, amount: float, fx: Rates, when: dt.datetime) -> None:
        """Count the conversion towards the month."""


@dataclass(frozen=True, slots=True)
class SpotConversion:
    """A spot order: basis points of the value by marginal monthly tiers, with a minimum for each order.

    Tiers and minimum are in USD, so ``fx`` needs a rate of USD; RateError if it has none.
    """

    volume: MonthlyVolume = field(default_factory=MonthlyVolume)

    def cost(self, currency: str, amount: float, fx: Rates, when: dt.datetime) -> float:
        usd = fx.rate("USD", when)
        value = abs(amount) * fx.rate(currency, when) / usd
        traded = self.volume.of("spot", when)
        return max(blended(SPOT_TIERS, value, traded), SPOT_MINIMUMS[tier_at(SPOT_TIERS, traded)]) * usd

    def book(self, currency: str, amount: float, fx: Rates, when: dt.datetime) -> None:
        self.volume.add("spot", when, abs(amount) * fx.rate(currency, when) / fx.rate("USD", when))


@dataclass(frozen=True, slots=True)
class AutoConversion:
    """Automatic conversion at a marked-up rate: a fraction of the value, no minimum."""

    markup: float = 0.0003

    def cost(self, currency: str, amount: float, fx: Rates, when: dt.datetime) -> float:
        return abs(amount) * fx.rate(currency, when) * self.markup

    def book(self, currency: str, amount: float, fx: Rates, when: dt.datetime) -> None:
        """A markup has no tiers: nothing to count."""


def conversion(fx: FxSettings) -> Conversion:
    """Return the conversion that the settings name."""
    return AutoConversion(fx.auto_markup) if fx.conversion == "auto" else SpotConversion()
