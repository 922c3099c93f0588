"""Every indicator of backtrader gives the same bits under our Cerebro, whether it is vectorised or not."""

from __future__ import annotations

import math
import operator
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine
from engine.once import arrays
from engine.once.exact_sums import weighted_window_sums, window_sums
from engine.once.powers import power
from engine.once.windows import running_extreme

WITHOUT = {"LinePlotterIndicator", "PivotPoint", "FibonacciPivotPoint", "DemarkPivotPoint"}  # need other feeds
TWO_DATAS = {
    "CrossOver", "CrossUp", "CrossDown", "NonZeroDifference", "OLS_Slope_InterceptN", "OLS_BetaN",
    "OLS_TransformationN", "CointN",
}  # fmt: skip


def frame(seed: int = 5, bars: int = 330, ties: bool = False) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    close = 100.0 + np.cumsum(random.normal(0.0, 1.0, bars))
    if ties:
        close = np.round(close)
    opened = np.r_[close[0], close[:-1]]
    high, low = np.maximum(opened, close) + random.random(bars), np.minimum(opened, close) - random.random(bars)
    columns = {"open": opened, "high": high, "low": low, "close": close, "volume": random.integers(1, 99, bars) * 1.0}
    return pd.DataFrame(columns, index=pd.date_range("2020-01-01", periods=bars))


def names() -> list[str]:
    found = []
    for name, cls in vars(bt.indicators).items():
        if isinstance(cls, type) and issubclass(cls, bt.Indicator) and cls.__module__.startswith("backtrader.ind"):
            if name == cls.__name__ and not cls.aliased and not name.startswith("_") and name not in WITHOUT:
                found.append(name)
    return sorted(found)


def lines(kind: Any, name: str, table: pd.DataFrame) -> Any:
    """All lines of the indicator and of what it is made of, as bytes; or the error that it ends in."""

    class Holds(bt.Strategy):
        def __init__(self) -> None:
            cls = getattr(bt.indicators, name)
            datas = [self.data, bt.indicators.SMA(self.data, period=4)] if name in TWO_DATAS else [self.data]
            self.held = cls(*datas)

    cerebro = kind(stdstats=False)
    cerebro.adddata(bt.feeds.PandasData(dataname=table))
    cerebro.addstrategy(Holds)
    try:
        strategy = cerebro.run()[0]
    except Exception as error:
        return type(error), str(error)
    return list(bits(strategy.held))


def bits(thing: Any) -> Any:
    yield type(thing).__name__, [line.array.tobytes() for line in getattr(thing.lines, "lines", thing.lines)]
    for child in getattr(thing, "_lineiterators", {}).get(0, ()):
        yield from bits(child)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("name", names())
def test_indicator(name: str, ties: bool) -> None:
    table = frame(ties=ties)
    assert lines(engine.Cerebro, name, table) == lines(bt.Cerebro, name, table)


@pytest.mark.parametrize("bars", [0, 1, 5, 14])
@pytest.mark.parametrize("name", ["SMA", "EMA", "WMA", "RSI", "StdDev", "Highest", "ATR", "CrossOver"])
def test_too_few_bars(name: str, bars: int) -> None:
    if bars:
        table = frame(bars=bars)
        assert lines(engine.Cerebro, name, table) == lines(bt.Cerebro, name, table)


@pytest.mark.parametrize("hole", [float("nan"), float("inf"), 0.0, -0.0])
@pytest.mark.parametrize(
    "name", ["SMA", "EMA", "WMA", "RSI_Safe", "StdDev", "Highest", "Lowest", "KAMA", "FindFirstIndexHighest"]
)
def test_bars_that_are_no_numbers(name: str, hole: float) -> None:
    table = frame(bars=80)
    table.iloc[[20, 33, 34], :4] = hole
    assert lines(engine.Cerebro, name, table) == lines(bt.Cerebro, name, table)


def expressions(data: Any, other: Any) -> list[Any]:
    close, high = data.close, data.high
    made = [function(close, other) for function in (operator.add, operator.sub, operator.mul, operator.truediv)]
    made += [
        function(close, 3) for function in (operator.add, operator.pow, operator.floordiv, operator.lt, operator.ge)
    ]
    made += [3.5 - close, 100 / close, 2 * close, close == close(-1), close != high, -close, abs(close - 100.0)]
    made += [close(-3), close(2), pow(abs(close), 0.5), pow(close, 2), pow(close, 1.5), pow(close, -1)]
    made += [bt.And(close > other, high > 101.0), bt.Or(close > other, high > 101.0), bt.If(close > other, close, high)]
    made += [bt.Max(close, other, 100.0), bt.Min(close, other), bt.Sum(close, other), bt.Sum(close, other, high)]
    made += [bt.Cmp(close, other), bt.CmpEx(close, other, high, 1.0, other), bt.Any(close > other, high > 101.0)]
    made += [bt.All(close > other, high > 101.0), bt.DivByZero(close, close - high, zero=2.0)]
    made += [bt.DivZeroByZero(close - close(-1), high - high(-1), 7.0, 8.0)]
    return made


@pytest.mark.parametrize("ties", [False, True])
def test_operations_between_lines(ties: bool) -> None:
    class Holds(bt.Strategy):
        def __init__(self) -> None:
            self.held = expressions(self.data, bt.indicators.SMA(self.data, period=3))

    found = []
    for kind in (bt.Cerebro, engine.Cerebro):
        cerebro = kind(stdstats=False)
        cerebro.adddata(bt.feeds.PandasData(dataname=frame(ties=ties)))
        cerebro.addstrategy(Holds)
        found.append([line.array.tobytes() for line in cerebro.run()[0].held])
    assert found[0] == found[1]


def test_division_by_zero_raises_as_in_stock() -> None:
    class Divides(bt.Strategy):
        def __init__(self) -> None:
            self.held = self.data.close / (self.data.close - self.data.close(-1))

    table = frame(ties=True)
    for kind in (bt.Cerebro, engine.Cerebro):
        cerebro = kind(stdstats=False)
        cerebro.adddata(bt.feeds.PandasData(dataname=table))
        cerebro.addstrategy(Divides)
        with pytest.raises(ZeroDivisionError):
            cerebro.run()


@pytest.fixture
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns are worked out in pieces of seven bars, so that tests come across their seams."""
    monkeypatch.setattr(arrays, "_STRETCH", 7)


@pytest.mark.usefixtures("short_stretches")
@pytest.mark.parametrize(
    "name", ["SMA", "EMA", "WMA", "RSI", "BollingerBands", "Highest", "CrossOver", "Trix", "Vortex"]
)
def test_indicator_in_short_stretches(name: str) -> None:
    table = frame(bars=120)
    table.iloc[50:, :4] *= 1e-7  # numbers of each stretch need a grid of their own, those of one stretch a fine one
    assert lines(engine.Cerebro, name, table) == lines(bt.Cerebro, name, table)


@pytest.mark.usefixtures("short_stretches")
def test_operations_in_short_stretches() -> None:
    test_operations_between_lines(ties=True)


@pytest.mark.usefixtures("short_stretches")
def test_division_by_zero_in_a_late_stretch_raises_as_in_stock() -> None:
    test_division_by_zero_raises_as_in_stock()


numbers = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(numbers, min_size=1, max_size=40), st.integers(1, 12))
def test_window_sums_are_those_of_fsum(values: list[float], period: int) -> None:
    if period <= len(values):
        sums = window_sums(np.array(values), period)
        expected = [math.fsum(values[i : i + period]) for i in range(len(values) - period + 1)]
        assert sums is None or sums.tolist() == expected


@given(
    st.lists(st.floats(50.0, 150.0), min_size=5, max_size=40), st.lists(st.floats(0.01, 10.0), min_size=1, max_size=5)
)
def test_weighted_window_sums_are_those_of_fsum(values: list[float], weights: list[float]) -> None:
    sums = weighted_window_sums(np.array(values), weights)
    starts = range(len(values) - len(weights) + 1)
    expected = [math.fsum(map(operator.mul, values[i : i + len(weights)], weights)) for i in starts]
    assert sums is not None and sums.tolist() == expected


@given(st.lists(numbers, min_size=1, max_size=60), st.sampled_from([2.0, 0.5, 3.0, -1.0]))
def test_powers_are_those_of_python(values: list[float], exponent: float) -> None:
    found = power(np.array(values), exponent)
    if found is not None:
        assert found.tolist() == [pow(x, exponent) for x in values]


def test_powers_near_the_middle_between_two_floats() -> None:
    values = np.random.default_rng(2).normal(100.0, 5.0, 200_000)
    for exponent in (2.0, 0.5):
        found = power(np.abs(values), exponent)
        assert found is not None and found.tolist() == [pow(x, exponent) for x in np.abs(values).tolist()]


@given(st.lists(st.floats(min_value=0.0, allow_infinity=False), min_size=1, max_size=60), st.sampled_from([2.0, 0.5]))
def test_powers_of_the_smallest_and_largest(values: list[float], exponent: float) -> None:
    found = power(np.array(values), exponent)
    if found is not None:
        assert found.tolist() == [pow(x, exponent) for x in values]


@pytest.mark.parametrize("exponent", [2.0, 0.5])
def test_powers_beside_powers_of_two(exponent: float) -> None:
    exact = 2.0 ** np.arange(-60, 60)
    values = np.concatenate([exact, np.nextafter(exact, 0.0), np.nextafter(exact, np.inf), [0.0]])
    found = power(values, exponent)
    assert found is not None and found.tolist() == [pow(x, exponent) for x in values.tolist()]


def test_window_sums_over_many_stretches() -> None:
    random = np.random.default_rng(3)
    values = 100.0 * np.exp(np.cumsum(random.normal(0.0, 2e-3, 50_000)))  # over several powers of two
    values[40_000:40_100] = random.normal(0.0, 1e-3, 100)  # which take two integers each
    for period in (2, 20, 3_000):
        sums = window_sums(values, period)
        places = [0, 5, *range(16_000, 16_800, 7), *range(39_000, 40_120, 3), len(values) - period]
        places = [place for place in places if place <= len(values) - period]
        assert sums is not None and [sums[i] for i in places] == [math.fsum(values[i : i + period]) for i in places]


@given(st.lists(st.floats(1.0, 9.0), min_size=1, max_size=50), st.integers(1, 12))
def test_running_extremes(values: list[float], period: int) -> None:
    if period <= len(values):
        found = running_extreme(np.array(values), period, np.maximum)
        assert found.tolist() == [max(values[i : i + period]) for i in range(len(values) - period + 1)]
