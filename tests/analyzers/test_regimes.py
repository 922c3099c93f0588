"""Regime labels by hand, causal by truncation; metrics by regime and by period."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers import metrics
from analyzers.regimes import (
    BEAR,
    BULL,
    REGIMES,
    SIDEWAYS,
    UNLABELLED,
    Track,
    by_period,
    by_regime,
    regime_labels,
    split_by_regime,
)
from analyzers.trades import COLUMNS
from core.calendar import ExchangeCalendar
from core.errors import SettingsError
from core.settings import PeriodSettings, RegimeSettings

RULE = RegimeSettings(average_sessions=20, slope_sessions=2, band=0.02)


def closes(*values: float) -> pd.Series:
    index = pd.bdate_range("2024-01-02", periods=len(values), tz="UTC") + pd.Timedelta("21h")
    return pd.Series(values, index=index, dtype=float)


def walk(count: int, seed: int = 1) -> pd.Series:
    return closes(*(100 * np.cumprod(1 + np.random.default_rng(seed).normal(0, 0.02, count))))


def rule_by_hand(values: np.ndarray, at: int) -> str:
    """The rule of RegimeSettings, spelled out, at the close number ``at``."""
    if at < 20 + 2 - 1:
        return UNLABELLED
    average, before = values[at - 19 : at + 1].mean(), values[at - 21 : at - 1].mean()
    if values[at] > average * 1.02 and average > before:
        return BULL
    return BEAR if values[at] < average * 0.98 and average < before else SIDEWAYS


def test_labels_follow_the_rule_on_the_session_before() -> None:
    series = walk(120)
    labels = regime_labels(series, RULE)
    values = series.to_numpy()
    assert labels.tolist() == [UNLABELLED] + [rule_by_hand(values, at) for at in range(119)]
    assert set(labels) == {*REGIMES, UNLABELLED}


def test_a_rise_is_labelled_from_the_session_after_it() -> None:
    labels = regime_labels(closes(*[100.0] * 25, 110.0, 110.0), RULE)
    assert labels.iloc[-3:].tolist() == [SIDEWAYS, SIDEWAYS, BULL]


@given(st.integers(30, 79))
def test_labels_do_not_change_when_the_future_does(cut: int) -> None:
    series = walk(80)
    whole = regime_labels(series, RULE)
    pd.testing.assert_series_equal(regime_labels(series.iloc[:cut], RULE), whole.iloc[:cut])
    other = series.copy()
    other.iloc[cut:] *= 3.0  # session `cut` itself is still labelled by what came before it
    pd.testing.assert_series_equal(regime_labels(other, RULE).iloc[: cut + 1], whole.iloc[: cut + 1])


def test_a_session_that_the_benchmark_lacks_is_labelled_by_the_last_close_before_it() -> None:
    series = walk(60)
    sessions = pd.DatetimeIndex([series.index[-1].tz_localize(None).normalize() + pd.Timedelta(days=5)])
    assert regime_labels(series, RULE, sessions).tolist() == [rule_by_hand(series.to_numpy(), 59)]


def test_minute_bars_of_a_session_count_by_their_last() -> None:
    series = walk(60)
    noise = pd.Series(1e6, index=series.index - pd.Timedelta("3h"))
    pd.testing.assert_series_equal(
        regime_labels(pd.concat([series, noise]).sort_index(), RULE), regime_labels(series, RULE), check_freq=False
    )


def test_closes_that_are_not_finite_are_left_out() -> None:
    series = walk(60)
    holed = series.copy()
    holed.iloc[30] = math.nan
    expected = regime_labels(series.drop(series.index[30]), RULE, regime_labels(series, RULE).index)
    pd.testing.assert_series_equal(regime_labels(holed, RULE, pd.DatetimeIndex(expected.index)), expected)


def test_too_few_closes_label_nothing() -> None:
    assert set(regime_labels(walk(10), RULE)) == {UNLABELLED}
    assert regime_labels(closes(), RULE).empty


# ------------------------------------------------------------------ metrics by part


def make_track(values: list[float], **changes: object) -> Track:
    equity = closes(*values)
    rows = pd.DataFrame(
        {
            "strategy": "s",
            "trade_id": ["a", "b"],
            "entry_time": [equity.index[0], equity.index[2]],
            "exit_time": [equity.index[1], equity.index[3]],
            "net_eur": [10.0, -5.0],
        }
    ).reindex(columns=list(COLUMNS))
    settings: dict[str, object] = {"equity": equity, "trades": rows, "gross": None, "capital": 100.0}
    return Track(**(settings | changes))  # type: ignore[arg-type]


def days(series: pd.Series) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(series.index).tz_localize(None).normalize()


def test_by_regime_sorts_sessions_trades_and_fills() -> None:
    track = make_track([110.0, 121.0, 108.9, 108.9])
    fills = pd.Series([50.0, 70.0], index=track.equity.index[[0, 2]])
    track = Track(track.equity, track.trades, None, 100.0, traded_eur=fills)
    labels = pd.Series([BULL, BULL, BEAR, SIDEWAYS], index=days(track.equity))
    result = by_regime(track, labels)
    assert list(result) == [BULL, BEAR, SIDEWAYS]
    assert tuple(result[BULL]) == (*metrics.METRICS, "sessions")
    assert [result[name]["sessions"] for name in REGIMES] == [2, 1, 1]
    assert result[BULL]["final_equity_eur"] == pytest.approx(121.0)
    assert result[BEAR]["final_equity_eur"] == pytest.approx(100.0 - 12.1)
    assert result[BEAR]["max_drawdown"] == pytest.approx(0.10)
    assert [result[name]["trades"] for name in REGIMES] == [1, 1, 0]  # by the session of the entry
    assert result[BULL]["avg_trade_eur"] == 10.0
    assert result[BULL]["exposure"] == 0.5 and result[BEAR]["exposure"] == 1.0
    assert result[BULL]["turnover"] == pytest.approx(50 / 115.5 * 252 / 2)


def test_regime_parts_add_up_to_the_whole() -> None:
    track = make_track(list(1_000 + np.random.default_rng(2).normal(0, 5, 90).cumsum()), capital=1_000.0)
    result = by_regime(track, regime_labels(walk(90), RULE))
    won = [part["final_equity_eur"] - 1_000.0 for part in result.values()]
    assert sum(won) == pytest.approx(track.equity.iloc[-1] - 1_000.0)
    assert sum(part["sessions"] for part in result.values()) == 90
    assert UNLABELLED in result


def test_split_keeps_every_session_once() -> None:
    returns = pd.Series(np.arange(5.0), index=pd.bdate_range("2024-01-02", periods=5))
    parts = split_by_regime(returns, pd.Series([BULL, BEAR, BULL], index=returns.index[:3]))
    assert parts[BULL].tolist() == [0.0, 2.0] and parts[BEAR].tolist() == [1.0]
    assert parts[SIDEWAYS].empty and parts[UNLABELLED].tolist() == [3.0, 4.0]


def test_by_period_takes_the_first_return_from_the_equity_before_it() -> None:
    track = make_track([110.0, 121.0, 108.9, 108.9])  # from Tuesday, 2 January 2024
    periods = {"dip": PeriodSettings(start=dt.date(2024, 1, 4), end=dt.date(2024, 1, 31))}
    part = by_period(track, periods)["dip"]
    assert part["sessions"] == 2
    assert part["max_drawdown"] == pytest.approx(0.10)
    assert part["final_equity_eur"] == pytest.approx(108.9)
    assert (part["trades"], part["avg_trade_eur"]) == (1, -5.0)  # by the session of the exit


def test_a_period_of_the_whole_run_is_the_run() -> None:
    track = make_track(list(1_000 + np.random.default_rng(2).normal(0, 5, 60).cumsum()), capital=1_000.0)
    whole = {"all": PeriodSettings(start=dt.date(2000, 1, 1), end=dt.date(2030, 1, 1))}
    calendar = ExchangeCalendar("XNYS")
    for with_calendar in (None, calendar):
        cut = Track(track.equity, track.trades, None, 1_000.0, calendar=with_calendar)
        part = by_period(cut, whole)["all"]
        part.pop("sessions")
        expected = metrics.performance(track.equity, track.trades, None, 1_000.0, calendar=with_calendar)
        assert part == pytest.approx(expected, nan_ok=True)


def test_a_period_without_data_names_the_range() -> None:
    periods = {"covid": PeriodSettings(start=dt.date(2020, 2, 1), end=dt.date(2020, 4, 30))}
    with pytest.raises(SettingsError, match=r"periods\.covid.*2020-02-01 to 2020-04-30.*2024-01-02 to 2024-01-05"):
        by_period(make_track([110.0, 121.0, 108.9, 108.9]), periods)
