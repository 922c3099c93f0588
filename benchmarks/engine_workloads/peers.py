"""Reversal in backtesting.py and vectorbt: the same signals, filled at the next open, same commission and size."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from engine_workloads.measure import Outcome

COMMISSION = 0.0001  # of the value of each fill
CASH = 100_000.0
HOW_TO_INSTALL = "not installed: pip install -e .[bench]"


def bands(close: pd.Series, period: int, dev: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper band by pandas, as a user of backtesting.py would write them."""
    rolling = close.rolling(period)
    mean, deviation = rolling.mean(), rolling.std(ddof=0)
    return (mean - dev * deviation).to_numpy(), (mean + dev * deviation).to_numpy()


def backtesting_reversal(frame: pd.DataFrame, period: int, dev: float, size: int) -> Callable[[], Outcome]:
    """Raises ImportError where backtesting.py is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from backtesting import Backtest, Strategy, backtesting

    backtesting._tqdm = lambda bars, **_: bars  # its bar of progress takes time, and the place of ours

    titled = frame.rename(columns=str.capitalize)

    class Reversal(Strategy):  # type: ignore[misc]
        def init(self) -> None:
            close = pd.Series(self.data.Close)
            self.low, self.high = self.I(lambda: np.array(bands(close, period, dev)), name="bands", plot=False)

        def next(self) -> None:
            close = self.data.Close[-1]
            if close < self.low[-1]:
                if not self.position.is_long:
                    self.position.close()
                    self.buy(size=size)
            elif close > self.high[-1] and not self.position.is_short:
                self.position.close()
                self.sell(size=size)

    def run() -> Outcome:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stats = Backtest(titled, Reversal, cash=CASH, commission=COMMISSION).run()
        trades = len(stats["_trades"])
        return Outcome(float(stats["_equity_curve"]["Equity"].iloc[-1]), orders=trades)

    return run


def vectorbt_reversal(frame: pd.DataFrame, period: int, dev: float, size: int) -> Callable[[], Outcome]:
    """Raises ImportError where vectorbt is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import vectorbt as vbt

    def run() -> Outcome:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = vbt.BBANDS.run(frame["close"], window=period, alpha=dev, ddof=0)
            close = frame["close"].to_numpy()
            below, above = close < made.lower.to_numpy(), close > made.upper.to_numpy()
            below[1:], above[1:] = below[:-1], above[:-1]  # filled on the next bar
            below[0] = above[0] = False
            portfolio = vbt.Portfolio.from_signals(
                frame["close"], entries=below, short_entries=above, price=frame["open"], size=float(size),
                fees=COMMISSION, init_cash=CASH, upon_opposite_entry="reverse", freq="1min",
            )  # fmt: skip
            return Outcome(float(portfolio.final_value()), orders=int(portfolio.orders.count()))

    return run
