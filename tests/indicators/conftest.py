"""Real and random bars, and a plain Cerebro around one indicator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import arch.data.nasdaq
import arch.data.sp500
import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from feeds import ColumnarData

Run = Callable[..., pd.DataFrame]

# The ways through backtrader: all of history at once, and three that go bar by bar.
# "history" is "once" without the loop over bars: the lines as they are when the first bar comes.
MODES: dict[str, dict[str, Any]] = {
    "history": {"runonce": True, "preload": True},
    "once": {"runonce": True, "preload": True},
    "next": {"runonce": False, "preload": True},
    "stream": {"runonce": False, "preload": False},
    "lean": {"exactbars": 1},
}


def _index(module: Any) -> pd.DataFrame:
    frame = module.load().rename(columns=str.lower)
    return frame[["open", "high", "low", "close", "volume"]].astype(float)


@pytest.fixture(scope="session")
def sp500() -> pd.DataFrame:
    return _index(arch.data.sp500)


@pytest.fixture(scope="session")
def nasdaq() -> pd.DataFrame:
    return _index(arch.data.nasdaq)


@pytest.fixture(scope="session")
def random_pair() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two cointegrated random walks of 1,500 bars whose volatility is ten times higher in the last third."""
    rng = np.random.default_rng(20_240_901)
    size = 1_500
    scale = np.where(np.arange(size) < 1_000, 0.002, 0.02)
    x = 50.0 * np.exp(np.cumsum(rng.normal(0.0, 1.0, size) * scale))
    gap = np.zeros(size)
    for i in range(1, size):
        gap[i] = 0.9 * gap[i - 1] + rng.normal(0.0, 0.3)
    y = 30.0 + 1.5 * x + gap
    frames = []
    for close in (y, x):
        reach = close * scale * rng.uniform(0.1, 1.0, size)
        opens = close + reach * rng.uniform(-1.0, 1.0, size)
        frames.append(
            pd.DataFrame(
                {
                    "open": opens,
                    "high": np.maximum(opens, close) + reach,
                    "low": np.minimum(opens, close) - reach,
                    "close": close,
                    "volume": 1_000.0,
                },
                index=pd.bdate_range("2010-01-04", periods=size),
            )  # fmt: skip
        )
    return frames[0], frames[1]


@pytest.fixture(scope="session")
def run() -> Run:
    """``run(indicator, frames, params, mode)``: a frame of the lines on the bars of the first frame.

    Values are those that a strategy reads at ``[0]`` when the bar is the current one.
    """

    def run(
        make: Any, frames: list[pd.DataFrame], params: Mapping[str, Any] | None = None, mode: str = "history"
    ) -> pd.DataFrame:
        class Reader(bt.Strategy):
            def __init__(self) -> None:
                self.indicator = make(*self.datas[: max(1, make._mindatas)], **(params or {}))
                self.seen: dict[int, tuple[float, ...]] = {}

            def next(self) -> None:
                if mode == "history":
                    self.env.runstop()
                elif len(self.data):
                    self.seen[len(self.data) - 1] = tuple(line[0] for line in self.indicator.lines)

            prenext = next

        cerebro = bt.Cerebro(stdstats=False, **MODES[mode])
        for frame in frames:
            cerebro.adddata(ColumnarData(dataname=frame))
        cerebro.addstrategy(Reader)
        strategy = cerebro.run()[0]
        names = list(strategy.indicator.lines.getlinealiases())
        if mode == "history":
            columns = [np.array(line.array) for line in strategy.indicator.lines]
            return pd.DataFrame(np.transpose(columns), index=frames[0].index, columns=names)
        seen = strategy.seen
        return pd.DataFrame([seen[i] for i in sorted(seen)], index=frames[0].index[sorted(seen)], columns=names)

    return run
