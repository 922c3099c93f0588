"""Bollinger bands."""

from __future__ import annotations

from typing import Any

from indicators.base import Array, WindowIndicator
from indicators.windows import mean_std, ratio, windows


class Bollinger(WindowIndicator):
    """Bands of ``devs`` standard deviations about the moving average.

    Formula:
      - mid = mean(c, period); top, bot = mid +/- devs * std(c, period, ddof=0)
      - percent_b = (c - bot) / (top - bot); bandwidth = (top - bot) / mid

    Lines: ``mid``, ``top``, ``bot`` in the unit of the input; ``percent_b``, 0 at bot and 1 at top, NaN where
    the bands coincide; ``bandwidth``, fraction of mid.
    As TA-Lib BBANDS. See Bollinger, *Bollinger on Bollinger Bands*.
    """

    lines = ("mid", "top", "bot", "percent_b", "bandwidth")
    params = (
        ("period", 20),  # bars in the window, >= 2
        ("devs", 2.0),  # population standard deviations from mid to a band
    )
    plotinfo = {"subplot": False}
    plotlines = {"percent_b": {"_plotskip": True}, "bandwidth": {"_plotskip": True}}  # of another scale
    bounds = {"period": (int, 2), "devs": (float, 0.0)}

    @classmethod
    def kernel(cls, p: Any, *columns: Array) -> tuple[Array, ...]:
        (close,) = columns
        mid, std = mean_std(windows(close, p.period), ddof=0)
        top, bot = mid + p.devs * std, mid - p.devs * std
        return mid, top, bot, ratio(close[p.period - 1 :] - bot, top - bot), ratio(top - bot, mid)
