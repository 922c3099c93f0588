"""Slippage models: how much worse than the bar's price a market or stop order fills.

Limit orders do not slip. Results before slippage are kept apart (``gross_eur`` is at unslipped prices).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from core.settings import InstrumentSettings, SlippageSettings


class SlippageModel(Protocol):
    """Price and size of one fill. ``sign`` is +1 for a purchase; ``volume`` is the bar's, in units."""

    def price(self, sign: int, price: float, size: float, volume: float, instrument: InstrumentSettings) -> float:
        """Return the price after slippage; ``size`` > 0: units of this fill and of earlier ones in the same bar."""
        ...

    def fillable(self, size: float, volume: float, already_filled: float) -> float:
        """Return how many of ``size`` > 0 units this bar can fill, after ``already_filled`` in the same bar."""
        ...


class _Unlimited:
    """Fills everything at once."""

    def fillable(self, size: float, volume: float, already_filled: float) -> float:
        return size


class NoSlippage(_Unlimited):
    """Fills at the bar's price."""

    def price(self, sign: int, price: float, size: float, volume: float, instrument: InstrumentSettings) -> float:
        return price


@dataclass(frozen=True)
class BasisPoints(_Unlimited):
    """A constant fraction of the price."""

    bps: float

    def price(self, sign: int, price: float, size: float, volume: float, instrument: InstrumentSettings) -> float:
        return price * (1.0 + sign * self.bps / 10_000.0)


class HalfSpread(_Unlimited):
    """Half of the instrument's quoted spread (``instruments.X.half_spread_bps``)."""

    def price(self, sign: int, price: float, size: float, volume: float, instrument: InstrumentSettings) -> float:
        return price * (1.0 + sign * instrument.half_spread_bps / 10_000.0)


@dataclass(frozen=True)
class VolumeShare:
    """At most ``volume_limit`` of a bar's volume fills; the price moves by ``price_impact * share**2``.

    The model is zipline's ``VolumeShareSlippage``. A bar without volume fills nothing.
    """

    volume_limit: float
    price_impact: float

    def fillable(self, size: float, volume: float, already_filled: float) -> float:
        room = math.floor(volume * self.volume_limit) - already_filled
        return max(0.0, min(size, room))

    def price(self, sign: int, price: float, size: float, volume: float, instrument: InstrumentSettings) -> float:
        share = min(size / volume, self.volume_limit)
        return price * (1.0 + sign * self.price_impact * share * share)


def slippage_model(settings: SlippageSettings) -> SlippageModel:
    """Return the model that ``costs.slippage.model`` names."""
    match settings.model:
        case "none":
            return NoSlippage()
        case "bps":
            return BasisPoints(settings.bps)
        case "half_spread":
            return HalfSpread()
        case "volume_share":
            return VolumeShare(settings.volume_limit, settings.price_impact)
