"""What every indicator promises, run over all of them."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import indicators
from core.errors import SettingsError, StrategyError, UnknownNameError
from indicators import ALL, PAIRED

# Name -> class and parameters: each class with its defaults, with a short window, and with each switch
VARIANTS: dict[str, tuple[Any, dict[str, Any]]] = {
    **{name: (cls, {}) for name, cls in ALL.items()},
    "Bollinger-5": (indicators.Bollinger, {"period": 5, "devs": 1.5}),
    "RSI-2": (indicators.RSI, {"period": 2}),
    "ATR-1": (indicators.ATR, {"period": 1}),
    "ADX-5": (indicators.ADX, {"period": 5}),
    "Keltner-1": (indicators.Keltner, {"period": 1, "atr_period": 1}),
    "Keltner-long-range": (indicators.Keltner, {"period": 5, "atr_period": 20}),
    "ZScore-2": (indicators.ZScore, {"period": 2}),
    "HalfLife-10": (indicators.HalfLife, {"period": 10}),
    "Hurst-short": (indicators.Hurst, {"period": 30, "min_lag": 1, "max_lag": 8}),
    "Regime-short": (indicators.Regime, {"period": 30, "slope": 5, "band": 0.01}),
    "HedgeOLS-log": (indicators.HedgeOLS, {"period": 20, "log": True}),
    "HedgeTLS-log": (indicators.HedgeTLS, {"period": 20, "log": True}),
    "HedgeKalman-log": (indicators.HedgeKalman, {"log": True}),
    "HedgeKalman-memory": (indicators.HedgeKalman, {"memory": 40}),
    "Cointegration-0": (indicators.Cointegration, {"period": 30, "maxlag": 0}),
    "Cointegration-3": (indicators.Cointegration, {"period": 60, "maxlag": 3, "log": True}),
    "Correlation-5": (indicators.Correlation, {"period": 5}),
}
BARS = 320  # more than any default window
ALL_VARIANTS = pytest.mark.parametrize(("cls", "params"), VARIANTS.values(), ids=VARIANTS)


@pytest.fixture(scope="module")
def bars(sp500: pd.DataFrame, nasdaq: pd.DataFrame) -> dict[int, list[pd.DataFrame]]:
    """Number of datas -> real bars from the middle of 2008."""
    first, second = nasdaq.iloc[2_300 : 2_300 + BARS], sp500.iloc[2_300 : 2_300 + BARS]
    return {1: [first], 2: [first, second]}


def frames_of(cls: Any, bars: dict[int, list[pd.DataFrame]]) -> list[pd.DataFrame]:
    return bars[cls._mindatas]


def test_registry_holds_every_public_indicator() -> None:
    public = {name for name in indicators.__all__ if isinstance(getattr(indicators, name), type)}
    assert public - {"ObservedIndicator"} == set(ALL)


@ALL_VARIANTS
@pytest.mark.parametrize("mode", ["next", "lean"])
def test_once_equals_next_in_all_modes(cls: Any, params: dict[str, Any], mode: str, bars: Any, run: Any) -> None:
    frames = frames_of(cls, bars)
    once, stepped = run(cls, frames, params, "once"), run(cls, frames, params, mode)
    assert once.notna().to_numpy().any()
    pd.testing.assert_frame_equal(once, run(cls, frames, params, "history"), check_exact=True)
    pd.testing.assert_frame_equal(once, stepped, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("cls", ALL.values(), ids=ALL)
def test_streamed_bars_give_the_same(cls: Any, bars: Any, run: Any) -> None:
    frames = frames_of(cls, bars)
    pd.testing.assert_frame_equal(run(cls, frames), run(cls, frames, mode="stream"), rtol=1e-12, atol=0.0)


@ALL_VARIANTS
def test_first_value_is_on_the_bar_of_the_minimum_period(cls: Any, params: Any, bars: Any, run: Any) -> None:
    values = run(cls, frames_of(cls, bars), params)
    first = cls.min_bars(params) - 1
    assert values.iloc[:first].isna().all(axis=None)
    assert values.iloc[first].notna().all()


@ALL_VARIANTS
@settings(max_examples=3)
@given(cut=st.integers(2, BARS - 1), factor=st.floats(0.5, 2.0))
def test_later_bars_never_change_earlier_values(
    cls: Any, params: Any, bars: Any, run: Any, cut: int, factor: float
) -> None:
    frames = frames_of(cls, bars)
    whole = run(cls, frames, params)
    truncated = run(cls, [frame.iloc[:cut] for frame in frames], params)
    pd.testing.assert_frame_equal(whole.iloc[:cut], truncated, check_exact=True)
    other = [frame.copy() for frame in frames]
    for frame in other:
        frame.iloc[cut:] *= factor
    pd.testing.assert_frame_equal(run(cls, other, params).iloc[:cut], truncated, check_exact=True)


@ALL_VARIANTS
@pytest.mark.parametrize("mode", ["history", "next"])
def test_bar_without_a_number_is_as_if_it_were_absent(cls: Any, params: Any, mode: str, bars: Any, run: Any) -> None:
    frames = [frame.copy() for frame in frames_of(cls, bars)]
    holes = [3, 4, 50, 200]
    frames[-1].loc[frames[-1].index[holes[:2]], ["high", "low", "close"]] = np.nan
    frames[-1].loc[frames[-1].index[holes[2]], ["close"]] = np.inf
    frames[0].loc[frames[0].index[holes[3]], ["close"]] = np.nan
    values = run(cls, frames, params, mode)
    kept = [frame.drop(frame.index[holes]) for frame in frames]
    assert values.iloc[holes].isna().all(axis=None)
    # the minimum period counts bars, so the first values after it may be later than without the holes
    expected = run(cls, kept, params, mode)
    rest = values.drop(values.index[holes])
    pd.testing.assert_frame_equal(rest.iloc[cls.min_bars(params) :], expected.iloc[cls.min_bars(params) :])


@ALL_VARIANTS
@pytest.mark.parametrize(("level", "mode"), [(0.1, "history"), (0.0, "history"), (100.0, "next")])
def test_constant_prices_raise_and_warn_nothing(
    cls: Any, params: Any, mode: str, level: float, bars: Any, run: Any
) -> None:
    flat = [frame.copy() for frame in frames_of(cls, bars)]
    for frame in flat:
        frame[:] = level
    with np.errstate(all="raise"):
        values = run(cls, flat, params, mode)
    undefined = {"percent_b", "position", "zscore", "rsi", "half_life", "hurst", "p_value", "t_stat", "correlation"}
    assert values[values.columns.intersection(list(undefined))].isna().all(axis=None)


@ALL_VARIANTS
def test_too_few_bars_give_no_value(cls: Any, params: Any, bars: Any, run: Any) -> None:
    short = [frame.iloc[: cls.min_bars(params) - 1] for frame in frames_of(cls, bars)]
    for mode in ("history", "once", "next"):
        values = run(cls, short, params, mode)
        assert len(values) and values.isna().all(axis=None)


@pytest.mark.parametrize("cls", ALL.values(), ids=ALL)
@pytest.mark.parametrize("runonce", [True, False])
def test_feeds_without_bars_raise_nothing(cls: Any, runonce: bool, bars: Any) -> None:
    class Reader(bt.Strategy):
        def __init__(self) -> None:
            cls(*self.datas)

    cerebro = bt.Cerebro(stdstats=False, runonce=runonce)
    for frame in frames_of(cls, bars):
        cerebro.adddata(bt.feeds.PandasData(dataname=frame.iloc[:0]))
    cerebro.addstrategy(Reader)
    cerebro.run()


@ALL_VARIANTS
@pytest.mark.parametrize("source", ["real", "random"])
def test_start_is_forgotten_after_the_declared_bars(
    cls: Any, params: Any, source: str, sp500: Any, nasdaq: Any, random_pair: Any, run: Any
) -> None:
    if not cls.forgets(params):
        pytest.skip("declares that it does not forget its start")
    pair = [nasdaq.iloc[2_000:3_500], sp500.iloc[2_000:3_500]] if source == "real" else list(random_pair)
    frames, settle = pair[: cls._mindatas], cls.settle_bars(params)
    whole = run(cls, frames, params)
    scale = whole.replace([np.inf, -np.inf], np.nan).abs().median()
    for skip in (137, 900):
        late = run(cls, [frame.iloc[skip:] for frame in frames], params).iloc[settle - 1 :]
        early = whole.loc[late.index]
        assert len(late) > 30
        error = (late - early).abs().where(late != early, 0.0)
        allowed = 1e-9 * np.maximum(early.abs().to_numpy(), scale.to_numpy())
        assert (error.to_numpy() <= allowed).all()


def test_kalman_filter_since_the_first_bar_does_not_forget_its_start(random_pair: Any, run: Any) -> None:
    assert not indicators.HedgeKalman.forgets()
    whole = run(indicators.HedgeKalman, list(random_pair))
    late = run(indicators.HedgeKalman, [frame.iloc[500:] for frame in random_pair])
    assert (late["beta"] - whole["beta"]).abs().iloc[-1] > 1e-6


@ALL_VARIANTS
def test_declared_bars_are_at_least_the_minimum_period(cls: Any, params: Any) -> None:
    assert cls.settle_bars(params) >= cls.min_bars(params) >= 1


@pytest.mark.parametrize("cls", ALL.values(), ids=ALL)
def test_misspelt_parameter_fails_with_the_nearest_name(cls: Any, bars: Any, run: Any) -> None:
    known = next(iter(cls.params._getpairs()))
    with pytest.raises(UnknownNameError, match=f"did you mean '{known}'"):
        run(cls, frames_of(cls, bars), {known + "s": 5})
    with pytest.raises(UnknownNameError, match=f"did you mean '{known}'"):
        cls.settle_bars({known + "s": 5})


@pytest.mark.parametrize("cls", ALL.values(), ids=ALL)
def test_impossible_parameters_fail_with_their_bounds(cls: Any, bars: Any, run: Any) -> None:
    frames = [frame.iloc[:2] for frame in frames_of(cls, bars)]
    for name, (kind, least) in cls.bounds.items():
        for value in (least - 1, "x", None, float("nan"), True if kind is int else float("inf")):
            with pytest.raises(SettingsError, match=name):
                run(cls, frames, {name: value})


@pytest.mark.parametrize(
    ("cls", "params"),
    [
        (indicators.Hurst, {"period": 20}),
        (indicators.Hurst, {"min_lag": 20}),
        (indicators.HedgeKalman, {"delta": 1.0}),
        (indicators.HedgeKalman, {"delta": 0.0}),
        (indicators.HedgeKalman, {"obs_var": 0.0}),
        (indicators.HedgeKalman, {"memory": 2}),
        (indicators.Cointegration, {"period": 10, "maxlag": 3}),
    ],
)
def test_contradictory_parameters_fail(cls: Any, params: Any, bars: Any, run: Any) -> None:
    with pytest.raises(SettingsError, match=cls.__name__):
        run(cls, frames_of(cls, bars), params)


def test_positional_parameter_fails(bars: Any, run: Any) -> None:
    class Positional(bt.Strategy):
        def __init__(self) -> None:
            indicators.RSI(self.data, 14)

    cerebro = bt.Cerebro()
    cerebro.adddata(bt.feeds.PandasData(dataname=bars[1][0]))
    cerebro.addstrategy(Positional)
    with pytest.raises(SettingsError, match="by name"):
        cerebro.run()


@pytest.mark.parametrize("cls", PAIRED)
def test_pair_indicator_needs_two_datas(cls: Any, bars: Any, run: Any) -> None:
    with pytest.raises(StrategyError, match="needs 2 datas, got 1"):
        run(cls, bars[1])


@pytest.mark.parametrize("cls", [indicators.ATR, indicators.ADX, indicators.Keltner])
def test_range_indicator_needs_high_and_low(cls: Any, bars: Any) -> None:
    class OnLine(bt.Strategy):
        def __init__(self) -> None:
            cls(self.data.close)

    cerebro = bt.Cerebro()
    cerebro.adddata(bt.feeds.PandasData(dataname=bars[1][0]))
    cerebro.addstrategy(OnLine)
    with pytest.raises(StrategyError, match="high"):
        cerebro.run()
