"""Entry families of mean reversion: each says how far the price is stretched from its mean, in its own unit."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from core.steps import Floats
from indicators import RSI, Bollinger, Keltner, ObservedIndicator, ZScore


class EntryFamily:
    """``stretch`` is below 0 under the mean: long from ``-entry`` down, out from ``-exit`` up; short mirrored."""

    indicator: ClassVar[type[ObservedIndicator]]
    line: ClassVar[str]  # of the indicator

    @staticmethod
    def settings(p: Any) -> dict[str, Any]:
        """Parameters of the indicator."""
        raise NotImplementedError

    @staticmethod
    def formula(value: Any, p: Any) -> Any:
        """Signed distance from the mean at a value of the line, or at each of many; NaN where it has none."""
        raise NotImplementedError

    @classmethod
    def stretch(cls, indicator: Any, p: Any) -> float:
        """Signed distance from the mean on this bar."""
        return float(cls.formula(float(getattr(indicator.lines, cls.line)[0]), p))

    @classmethod
    def stretches(cls, indicator: Any, p: Any) -> Floats:
        """Signed distance from the mean on every bar, once the indicator is computed."""
        values: Floats = cls.formula(np.array(getattr(indicator.lines, cls.line).array), p)
        return values

    @staticmethod
    def levels(p: Any) -> tuple[float, float]:
        """``(entry, exit)`` in the unit of ``stretch``, exit < entry."""
        raise NotImplementedError


class BollingerEntry(EntryFamily):
    """%b below ``bollinger_entry`` (above 1 less it), out at ``bollinger_exit``. Unit: widths of the band."""

    indicator = Bollinger
    line = "percent_b"

    @staticmethod
    def settings(p: Any) -> dict[str, Any]:
        return {"period": p.bollinger_period, "devs": p.bollinger_devs}

    @staticmethod
    def formula(value: Any, p: Any) -> Any:
        return value - 0.5

    @staticmethod
    def levels(p: Any) -> tuple[float, float]:
        return 0.5 - p.bollinger_entry, 0.5 - p.bollinger_exit


class ZScoreEntry(EntryFamily):
    """z-score of the close against its moving average. Unit: standard deviations."""

    indicator = ZScore
    line = "zscore"

    @staticmethod
    def settings(p: Any) -> dict[str, Any]:
        return {"period": p.zscore_period}

    @staticmethod
    def formula(value: Any, p: Any) -> Any:
        return value

    @staticmethod
    def levels(p: Any) -> tuple[float, float]:
        return p.zscore_entry, p.zscore_exit


class RSIEntry(EntryFamily):
    """RSI below ``rsi_entry`` (above 100 less it), out at ``rsi_exit``. Unit: RSI points from 50."""

    indicator = RSI
    line = "rsi"

    @staticmethod
    def settings(p: Any) -> dict[str, Any]:
        return {"period": p.rsi_period}

    @staticmethod
    def formula(value: Any, p: Any) -> Any:
        return value - 50.0

    @staticmethod
    def levels(p: Any) -> tuple[float, float]:
        return 50.0 - p.rsi_entry, 50.0 - p.rsi_exit


class KeltnerEntry(EntryFamily):
    """Close outside the Keltner channel, out ``keltner_exit`` from its middle. Unit: average true ranges."""

    indicator = Keltner
    line = "position"

    @staticmethod
    def settings(p: Any) -> dict[str, Any]:
        return {"period": p.keltner_period, "atr_period": p.keltner_atr_period, "mult": p.keltner_mult}

    @staticmethod
    def formula(value: Any, p: Any) -> Any:
        return (value - 0.5) * 2.0 * float(p.keltner_mult)

    @staticmethod
    def levels(p: Any) -> tuple[float, float]:
        return p.keltner_mult, p.keltner_exit


ENTRIES: dict[str, type[EntryFamily]] = {
    "bollinger": BollingerEntry,
    "zscore": ZScoreEntry,
    "rsi": RSIEntry,
    "keltner": KeltnerEntry,
}
