"""Two calendars, late partners, replayed bars, and indicators of indicators."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import indicators as ind
from feeds import ColumnarData
from indicators import ALL, PAIRED, SINGLE

BARS = 150
SHORT: dict[Any, dict[str, Any]] = {
    ind.HedgeOLS: {"period": 20},
    ind.HedgeTLS: {"period": 20, "log": True},
    ind.HedgeKalman: {},
    ind.Cointegration: {"period": 30},
    ind.Correlation: {"period": 20},
}
PAIRS = pytest.mark.parametrize(("cls", "params"), SHORT.items(), ids=[cls.__name__ for cls in SHORT])
# Not "lean": with exactbars=1 stock backtrader itself loses its place when a data waits for another
STEPS = pytest.mark.parametrize("mode", ["next", "stream"])


@pytest.fixture(scope="module")
def whole(sp500: pd.DataFrame, nasdaq: pd.DataFrame) -> list[pd.DataFrame]:
    return [nasdaq.iloc[2_400 : 2_400 + BARS], sp500.iloc[2_400 : 2_400 + BARS]]


def without(frames: list[pd.DataFrame], *holes: Any) -> list[pd.DataFrame]:
    return [frame.drop(frame.index[list(hole)]) for frame, hole in zip(frames, holes, strict=True)]


def merged_by_time(frames: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """The bars that both have, as pandas joins them."""
    both = frames[0].merge(frames[1], left_index=True, right_index=True, suffixes=("", "_x"))
    return [both[list(frames[0].columns)], both.filter(like="_x").rename(columns=lambda name: name[:-2])]


def test_every_pair_indicator_is_tested() -> None:
    assert set(SHORT) == set(PAIRED)


@PAIRS
@STEPS
def test_two_calendars_are_matched_by_time(
    cls: Any, params: Any, mode: str, whole: list[pd.DataFrame], run: Any
) -> None:
    holes = {3, 40, 41, 42, 100}, {0, 40, 60, 61, 120, 149}
    frames = without(whole, *holes)
    once, stepped = run(cls, frames, params, "once"), run(cls, frames, params, mode)
    pd.testing.assert_frame_equal(once, stepped, rtol=1e-12, atol=0.0)
    common = merged_by_time(frames)
    expected = run(cls, common, params)
    first = cls.min_bars(params) + len(holes[1])  # bars of data0 that its first value may take
    kept = common[0].index[common[0].index >= once.index[first]]
    assert len(kept) > 50
    pd.testing.assert_frame_equal(once.loc[kept], expected.loc[kept])
    assert once.loc[once.index.difference(common[0].index)].isna().all(axis=None)


@PAIRS
@settings(max_examples=8)
@given(first=st.sets(st.integers(0, BARS - 1), max_size=60), second=st.sets(st.integers(0, BARS - 1), max_size=60))
def test_any_two_calendars_give_the_values_of_the_common_bars(
    cls: Any, params: Any, first: set[int], second: set[int], whole: list[pd.DataFrame], run: Any
) -> None:
    frames = without(whole, first, second)
    common = merged_by_time(frames)
    values = run(cls, frames, params)
    assert values.drop(common[0].index).isna().all(axis=None)
    if not len(common[0]):
        return
    expected = run(cls, common, params)
    # the minimum period counts bars of data0: never later than on the common bars alone
    pd.testing.assert_frame_equal(values.loc[common[0].index], expected.where(values.loc[common[0].index].notna()))
    late = expected.notna() & values.loc[common[0].index].isna()
    assert not late.any(axis=None)


@PAIRS
@pytest.mark.parametrize("mode", ["history", "once", "next"])
def test_datas_that_share_no_bar_give_no_value(
    cls: Any, params: Any, mode: str, whole: list[pd.DataFrame], run: Any
) -> None:
    shifted = whole[1].set_axis(whole[1].index + pd.Timedelta(hours=6))
    assert run(cls, [whole[0], shifted], params, mode).isna().all(axis=None)
    later = whole[1].set_axis(whole[1].index + pd.Timedelta(days=1_000))
    assert run(cls, [whole[0], later], params, mode).isna().all(axis=None)


@pytest.mark.parametrize("cls", SINGLE, ids=[cls.__name__ for cls in SINGLE])
def test_another_data_that_moves_alone_changes_nothing(cls: Any, sp500: pd.DataFrame, run: Any) -> None:
    daily = sp500.iloc[2_300 : 2_300 + cls.min_bars() + 20]
    clock = pd.DataFrame(
        {name: 1.0 for name in daily.columns},
        index=daily.index.union(daily.index + pd.Timedelta(hours=8)),
    )
    alone = run(cls, [daily])
    pd.testing.assert_frame_equal(run(cls, [daily, clock], mode="next"), alone, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("cls", SINGLE, ids=[cls.__name__ for cls in SINGLE])
def test_bar_that_is_replayed_ends_with_the_value_of_the_finished_bar(cls: Any, sp500: pd.DataFrame) -> None:
    daily = sp500.iloc[1_000:2_300] if cls is ind.Regime else sp500.iloc[1_000:1_700]

    def weekly(how: str) -> dict[float, tuple[float, ...]]:
        class Reader(bt.Strategy):
            def __init__(self) -> None:
                self.indicator = cls(self.data)
                self.seen: dict[float, tuple[float, ...]] = {}

            def next(self) -> None:
                self.seen[len(self.data)] = tuple(line[0] for line in self.indicator.lines)

        cerebro = bt.Cerebro(stdstats=False, preload=False, runonce=False)
        data = ColumnarData(dataname=daily, timeframe=bt.TimeFrame.Days)
        getattr(cerebro, how)(data, timeframe=bt.TimeFrame.Weeks)
        cerebro.addstrategy(Reader)
        seen: dict[float, tuple[float, ...]] = cerebro.run()[0].seen
        return seen

    resampled, replayed = weekly("resampledata"), weekly("replaydata")
    common = sorted(resampled.keys() & replayed.keys())[:-1]
    assert len(common) > 20
    np.testing.assert_allclose([replayed[i] for i in common], [resampled[i] for i in common], rtol=1e-12)


@pytest.mark.parametrize("mode", [{"runonce": True}, {"runonce": False}, {"exactbars": 1}], ids=str)
@pytest.mark.parametrize("outer", [ind.ZScore, ind.HalfLife, ind.RSI, ind.Bollinger])
@pytest.mark.parametrize("inner", [ind.HedgeOLS, ind.HedgeKalman])
def test_indicator_of_an_indicator_is_that_of_its_values(
    inner: Any, outer: Any, mode: Any, whole: list[pd.DataFrame], run: Any
) -> None:
    frames = whole if "exactbars" in mode else without(whole, {30, 31}, {60})

    class Nested(bt.Strategy):
        def __init__(self) -> None:
            self.hedge = inner(self.data0, self.data1, **SHORT[inner])
            self.outer = outer(self.hedge.lines.spread, period=10)
            self.seen: dict[int, float] = {}

        def next(self) -> None:
            self.seen[len(self.data) - 1] = self.outer.lines[0][0]

    cerebro = bt.Cerebro(stdstats=False, **mode)
    for frame in frames:
        cerebro.adddata(ColumnarData(dataname=frame))
    cerebro.addstrategy(Nested)
    strategy = cerebro.run()[0]
    got = pd.Series(strategy.seen)
    spread = run(inner, frames, SHORT[inner])["spread"].reset_index(drop=True).dropna()
    bars = pd.DataFrame({name: spread.to_numpy() for name in ("open", "high", "low", "close")})
    bars.index = frames[0].index[spread.index]
    expected = run(outer, [bars], {"period": 10}).iloc[:, 0].set_axis(spread.index)
    assert got.notna().sum() > 80
    both = got.index.intersection(expected.index)
    np.testing.assert_array_equal(got[both], expected[both])
    assert got.drop(both).isna().all()


def test_inputs_may_be_lines_of_datas(whole: list[pd.DataFrame], run: Any) -> None:
    class OnLines(bt.Strategy):
        def __init__(self) -> None:
            self.by_line = ind.HedgeOLS(self.data0.close, self.data1.close, period=20)
            self.by_data = ind.HedgeOLS(self.data0, self.data1, period=20)
            self.opens = ind.ZScore(self.data0.open)

        def next(self) -> None:
            np.testing.assert_array_equal(self.by_line.lines.beta[0], self.by_data.lines.beta[0])

    for runonce in (True, False):
        cerebro = bt.Cerebro(stdstats=False, runonce=runonce)
        for frame in without(whole, {10}, {20}):
            cerebro.adddata(ColumnarData(dataname=frame))
        cerebro.addstrategy(OnLines)
        strategy = cerebro.run()[0]
        opened = without(whole, {10}, {20})[0]
        opened = opened.assign(close=opened["open"])
        expected = run(ind.ZScore, [opened])["zscore"].to_numpy()
        np.testing.assert_array_equal(np.array(strategy.opens.lines.zscore.array), expected)


def test_registry_is_complete() -> None:
    assert set(ALL.values()) == {*SINGLE, *PAIRED}
