"""Indicators: one file each, an exact ``next`` for live and a vectorised ``once`` for history, over one kernel."""

from indicators.adx import ADX
from indicators.atr import ATR
from indicators.base import ObservedIndicator
from indicators.bollinger import Bollinger
from indicators.cointegration import Cointegration
from indicators.correlation import Correlation
from indicators.half_life import HalfLife
from indicators.hedge_kalman import HedgeKalman
from indicators.hedge_ols import HedgeOLS
from indicators.hedge_tls import HedgeTLS
from indicators.hurst import Hurst
from indicators.keltner import Keltner
from indicators.realised_vol import RealisedVol
from indicators.regime import Regime
from indicators.rsi import RSI
from indicators.zscore import ZScore

SINGLE: tuple[type[ObservedIndicator], ...] = (
    Bollinger, RSI, ATR, ADX, Keltner, ZScore, RealisedVol, HalfLife, Hurst, Regime,
)  # fmt: skip
PAIRED: tuple[type[ObservedIndicator], ...] = (HedgeOLS, HedgeTLS, HedgeKalman, Cointegration, Correlation)
ALL: dict[str, type[ObservedIndicator]] = {indicator.__name__: indicator for indicator in SINGLE + PAIRED}

__all__ = [
    "ADX", "ALL", "ATR", "Bollinger", "Cointegration", "Correlation", "HalfLife", "HedgeKalman", "HedgeOLS",
    "HedgeTLS", "Hurst", "Keltner", "ObservedIndicator", "PAIRED", "RSI", "RealisedVol", "Regime", "SINGLE", "ZScore",
]  # fmt: skip
