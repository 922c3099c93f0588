"""Entry families of mean reversion: each says how far the price is stretched from its mean, in its own unit."""

from __future__ import annotations

from typing import Any, ClassVar

from indicators import RSI, Bollinger, Keltner, ObservedIndicator, ZScore


class EntryFamily:
    """``stretch`` is below 0 under the mean: long from ``-entry`` down, out from ``-exit`` up; short mirrored."""

    indicator: ClassVar[type[ObservedIndicator]]

    @staticmethod
    def settings(p: Any) -> dict[str, Any]:
        """Parameters of the indicator."""
        raise NotImplementedError

    @staticmethod
    def stretch(indicator: Any, p: Any) -> float:
        """Signed distance from the mean on this bar; NaN where the indicator has no value."""
        raise NotImplementedError

    @staticmethod
    def levels(p: Any) -> tuple[float, float]:
        """``(entry, exit)`` in the unit of ``stretch``, exit < entry."""
        raise NotImplementedError


class BollingerEntry(EntryFamily):
    """%b below ``bollinger_entry`` (above 1 less it), out at ``bollinger_exit``. Unit: widths of the band."""

    indicator = Bollinger

    @staticmethod
    def settings(p: Any) -> dict[str, Any]:
        return {"period": p.bollinger_period, "devs": p.bollinger_devs}

    @staticmethod
    def stretch(indicator: Any, p: Any) -> float:
        return float(indicator.lines.percent_b[0]) - 0.5

    @staticmethod
    def levels(p: Any) -> tuple[float, float]:
        return 0.5 - p.bollinger_entry, 0.5 - p.bollinger_exit


class ZScoreEntry(EntryFamily):
    """z-score of the close against its moving average. Unit: standard deviations."""

    indicator = ZScore

    @staticmethod
    def settings(p: Any) -> dict[str, Any]:
        return {"period": p.zscore_period}

    @staticmethod
    def stretch(indicator: Any, p: Any) -> float:
        return float(indicator.lines.zscore[0])

    @staticmethod
    def levels(p: Any) -> tuple[float, float]:
        return p.zscore_entry, p.zscore_exit


class RSIEntry(EntryFamily):
    """RSI below ``rsi_entry`` (above 100 less it), out at ``rsi_exit``. Unit: RSI points from 50."""

    indicator = RSI

    @staticmethod
    def settings(p: Any) -> dict[str, Any]:
        return {"period": p.rsi_period}

    @staticmethod
    def stretch(indicator: Any, p: Any) -> float:
        return float(indicator.lines.rsi[0]) - 50.0

    @staticmethod
    def levels(p: Any) -> tuple[float, float]:
        return 50.0 - p.rsi_entry, 50.0 - p.rsi_exit


class KeltnerEntry(EntryFamily):
    """Close outside the Keltner channel, out ``keltner_exit`` from its middle. Unit: average true ranges."""

    indicator = Keltner

    @staticmethod
    def settings(p: Any) -> dict[str, Any]:
        return {"period": p.keltner_period, "atr_period": p.keltner_atr_period, "mult": p.keltner_mult}

    @staticmethod
    def stretch(indicator: Any, p: Any) -> float:
        return (float(indicator.lines.position[0]) - 0.5) * 2.0 * float(p.keltner_mult)

    @staticmethod
    def levels(p: Any) -> tuple[float, float]:
        return p.keltner_mult, p.keltner_exit


ENTRIES: dict[str, type[EntryFamily]] = {
    "bollinger": BollingerEntry,
    "zscore": ZScoreEntry,
    "rsi": RSIEntry,
    "keltner": KeltnerEntry,
}
