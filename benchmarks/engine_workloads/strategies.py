"""The strategies of the workloads, plain backtrader; every engine that takes backtrader strategies runs these.

``Reversal`` and ``Bracketed`` say on which bars they act (``core.leaping``). Stock never asks them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import backtrader as bt
import numpy as np


def whole(line: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A line over all bars, once the indicators are computed."""
    return np.frombuffer(line.array, dtype=np.float64)


def stepping(strategy: Any) -> Any:
    """The same strategy called on every bar: with a ``next`` of its own, what was declared does not count for it."""
    return type(strategy)(strategy.__name__, (strategy,), {"next": strategy.next, "__module__": strategy.__module__})


class Reversal(bt.Strategy):
    """A and B: long below the lower band, short above the upper one, always ``size`` once in the market."""

    params = (("period", 20), ("dev", 2.0), ("size", 1))

    def __init__(self) -> None:
        self.bands = bt.ind.BollingerBands(self.data.close, period=self.p.period, devfactor=self.p.dev)
        self.close_line, self.low_band, self.high_band = self.data.close, self.bands.bot, self.bands.top

    def next(self) -> None:
        close, held = self.close_line[0], self.position.size
        if close < self.low_band[0]:
            if held <= 0:
                self.buy(size=self.p.size - held)
        elif close > self.high_band[0] and held >= 0:
            self.sell(size=self.p.size + held)

    def wake_sets(self) -> dict[str, Any]:
        close = whole(self.close_line)
        return {"below": close < whole(self.low_band), "above": close > whole(self.high_band)}

    def wakes(self) -> Sequence[str]:
        held = self.position.size
        if not held:
            return ("below", "above")
        return ("above",) if held > 0 else ("below",)

    def leapt(self) -> None:
        """Nothing to catch up on: it keeps nothing of its own."""


class BandAndRsi(bt.Strategy):
    """C: long below the lower band while the RSI is low, out above the middle."""

    params = (("period", 20), ("dev", 1.4), ("rsi", 14), ("low", 42.0), ("size", 1))

    def __init__(self) -> None:
        self.bands = bt.ind.BollingerBands(self.data.close, period=self.p.period, devfactor=self.p.dev)
        self.rsi = bt.ind.RSI(self.data.close, period=self.p.rsi)

    def next(self) -> None:
        close = self.data.close[0]
        if not self.position.size:
            if close < self.bands.bot[0] and self.rsi[0] < self.p.low:
                self.buy(size=self.p.size)
        elif close > self.bands.mid[0]:
            self.close()


class RollingPair(bt.Strategy):
    """D: spread with a rolling hedge ratio, worked out by operations on lines; both legs at market."""

    params = (("window", 60), ("entry", 1.0), ("size", 2))

    def __init__(self) -> None:
        y, x = self.data0.close, self.data1.close
        mean_x, mean_y = bt.ind.SMA(x, period=self.p.window), bt.ind.SMA(y, period=self.p.window)
        cov = bt.ind.SMA(x * y, period=self.p.window) - mean_x * mean_y
        var = bt.ind.SMA(x * x, period=self.p.window) - mean_x * mean_x
        self.beta = cov / bt.Max(var, 1e-12)
        spread = y - self.beta * x
        deviation = bt.ind.StdDev(spread, period=self.p.window)
        self.z = (spread - bt.ind.SMA(spread, period=self.p.window)) / bt.Max(deviation, 1e-12)

    def next(self) -> None:
        z, held = self.z[0], self.position.size
        if not held:
            if z < -self.p.entry:
                self.buy(self.data0, size=self.p.size)
                self.sell(self.data1, size=self.p.size)
            elif z > self.p.entry:
                self.sell(self.data0, size=self.p.size)
                self.buy(self.data1, size=self.p.size)
        elif held * z > 0.0:
            self.close(self.data0)
            self.close(self.data1)


class Bracketed(bt.Strategy):
    """E: long below the lower band, with a stop and a target."""

    params = (("period", 20), ("dev", 3.03), ("stop", 0.004), ("target", 0.006), ("size", 1))

    def __init__(self) -> None:
        self.bands = bt.ind.BollingerBands(self.data.close, period=self.p.period, devfactor=self.p.dev)
        self.waiting = 0  # orders of the bracket that are not done

    def notify_order(self, order: Any) -> None:
        if not order.alive():
            self.waiting -= 1

    def next(self) -> None:
        if self.waiting or self.position.size:
            return
        close = self.data.close[0]
        if close < self.bands.bot[0]:
            stop, target = close * (1.0 - self.p.stop), close * (1.0 + self.p.target)
            self.buy_bracket(size=self.p.size, exectype=bt.Order.Market, stopprice=stop, limitprice=target)
            self.waiting = 3

    def wake_sets(self) -> dict[str, Any]:
        return {"below": whole(self.data.close) < whole(self.bands.bot)}

    def wakes(self) -> Sequence[str]:
        return () if self.waiting or self.position.size else ("below",)

    def leapt(self) -> None:
        """Nothing to catch up on: it keeps nothing of its own."""


class Churning(bt.Strategy):
    """The price of an order: one on every bar, or none."""

    params = (("orders", True),)

    def __init__(self) -> None:
        self.heard = 0

    def notify_order(self, order: Any) -> None:
        self.heard += 1

    def next(self) -> None:
        if self.p.orders:
            if self.position.size:
                self.sell(size=1)
            else:
                self.buy(size=1)


ANALYZERS = (  # class, its parameters
    (bt.analyzers.TradeAnalyzer, {}),
    (bt.analyzers.DrawDown, {}),
    (bt.analyzers.TimeReturn, {"timeframe": bt.TimeFrame.Days}),  # that of a minute is of no use to anybody
    (bt.analyzers.SharpeRatio, {}),
)
