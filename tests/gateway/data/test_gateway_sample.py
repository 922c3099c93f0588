"""The sample: reproducible, plausible, and with a truth that statsmodels finds again."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from replayed.world import NEW_YORK
from statsmodels.tsa.stattools import coint

from core.errors import CalendarError
from gateway.data.sample import EURUSD, TICK, XMPLA, XMPLB, Sample, Truth, make_sample


@pytest.fixture(scope="module")
def week() -> Sample:
    """Five sessions of one second."""
    return make_sample(dt.date(2024, 6, 10), seed=1, sessions=5, minute_days=1, daily_days=1)


def mid(sample: Sample, instrument: object) -> pd.Series:
    quotes = sample.quotes[instrument]
    return (quotes["bid"] + quotes["ask"]) / 2.0


def test_statsmodels_recovers_the_hedge_ratio(week: Sample) -> None:
    """OLS of one price on the other, and Engle and Granger's test; sampled each minute."""
    a, b = mid(week, XMPLA)[::60], mid(week, XMPLB)[::60]
    fit = sm.OLS(a, sm.add_constant(b)).fit()
    assert fit.params.iloc[1] == pytest.approx(week.truth.hedge_ratio, abs=0.03)
    assert fit.params.iloc[0] == pytest.approx(week.truth.intercept, abs=1.2)
    assert coint(a, b)[1] < 1e-6


def test_statsmodels_recovers_the_half_life_and_the_size_of_the_spread(week: Sample) -> None:
    """AR(1) of the true spread within the days, sampled each minute: half-life = ln 2 / -ln phi."""
    spread = mid(week, XMPLA) - week.truth.hedge_ratio * mid(week, XMPLB) - week.truth.intercept
    spread = spread[::60]
    day = spread.index.date
    now, before = spread[1:][day[1:] == day[:-1]], spread.shift(1)[1:][day[1:] == day[:-1]]
    phi = sm.OLS(now.to_numpy(), sm.add_constant(before.to_numpy())).fit().params[1]
    assert -60.0 * np.log(2.0) / np.log(phi) == pytest.approx(week.truth.half_life, rel=0.25)
    assert spread.std() == pytest.approx(week.truth.spread_std, rel=0.15)


@pytest.mark.parametrize("seed", range(2, 7))
def test_most_days_show_it_by_themselves(seed: int) -> None:
    sample = make_sample(dt.date(2024, 6, 12), seed, minute_days=0, daily_days=0)
    a, b = mid(sample, XMPLA)[::60], mid(sample, XMPLB)[::60]
    assert coint(a, b)[1] < 0.01
    assert sm.OLS(a, sm.add_constant(b)).fit().params.iloc[1] == pytest.approx(1.4, abs=0.25)
    assert coint(b, b[::-1].to_numpy())[1] > 0.01  # the leg by itself is a random walk


def test_another_truth(week: Sample) -> None:
    truth = Truth(hedge_ratio=0.8, intercept=20.0, half_life=120.0, spread_std=0.05)
    other = make_sample(dt.date(2024, 6, 12), truth=truth, minute_days=0, daily_days=0)
    fit = sm.OLS(mid(other, XMPLA), sm.add_constant(mid(other, XMPLB))).fit()
    assert fit.params.iloc[1] == pytest.approx(0.8, abs=0.05)


def test_a_day_is_a_function_of_seed_and_date() -> None:
    day = dt.date(2024, 3, 8)
    one, same, other = make_sample(day, 1), make_sample(day, 1, minute_days=1, daily_days=5), make_sample(day, 2)
    for instrument in (XMPLA, XMPLB):
        pd.testing.assert_frame_equal(one.bars[instrument], same.bars[instrument])
        pd.testing.assert_frame_equal(one.quotes[instrument], same.quotes[instrument])
        assert not one.quotes[instrument].equals(other.quotes[instrument])
    pd.testing.assert_frame_equal(one.frames[XMPLA][86_400].iloc[-1:], same.frames[XMPLA][86_400].iloc[-1:])
    # Numbers of another machine: this seed and day always give these
    first = one.bars[XMPLA].iloc[0]
    assert (first["open"], first["close"], first["volume"]) == (61.05, 61.07, 93060.0)


def test_bars_and_quotes_are_sound(week: Sample) -> None:
    for instrument in (XMPLA, XMPLB):
        bars, quotes = week.bars[instrument], week.quotes[instrument]
        assert (quotes["ask"] > quotes["bid"]).all() and (quotes[["bid_size", "ask_size"]] >= 100).all().all()
        assert (bars["volume"] >= 100 * bars["count"]).all() and (bars["count"] > 0).all()
        spread = (quotes["ask"] - quotes["bid"]) / TICK
        assert spread.between(0.99, 5.01).all() and 1.0 < spread.mean() < 3.0
        prices = bars[["open", "high", "low", "close"]].to_numpy() / TICK
        np.testing.assert_allclose(prices, np.round(prices), atol=1e-6)
        close, book = bars["close"], quotes.loc[bars.index]
        assert ((close >= book["bid"] - 1e-9) & (close <= book["ask"] + 1e-9)).all()
        assert bars["wap"].between(bars["low"] - 1e-9, bars["high"] + 1e-9).all()
        assert len(bars) > 0.8 * len(quotes)  # now and then a second goes by without a trade
    pair = week.quotes[EURUSD]
    assert (pair["ask"] > pair["bid"]).all() and pair["bid"].between(0.9, 1.3).all()


def test_volume_is_u_shaped(week: Sample) -> None:
    """Without the auctions the first and the last half hour trade more than twice as much as the one at noon."""
    bars = week.bars[XMPLB]
    local = bars.index.tz_convert(NEW_YORK)
    volume = bars["volume"].where(~local.strftime("%H:%M:%S").isin(["09:30:01", "16:00:00"]))
    halves = volume.groupby(((local - local.normalize()).total_seconds() - 34_200 - 1) // 1_800).mean()
    assert len(halves) == 13
    assert min(halves.iloc[0], halves.iloc[-1]) > 2 * halves.iloc[6]
    assert volume.isna().sum() == 10 and bars["volume"].max() > 20 * volume.median()


def test_earlier_days_lead_up_to_the_day() -> None:
    sample = make_sample(dt.date(2024, 3, 8), minute_days=3, daily_days=60)
    daily, minutes = sample.frames[XMPLB][86_400], sample.frames[XMPLB][60]
    assert len(daily) == 60 and len(minutes) == 3 * 390
    assert [f"{day:%m-%d}" for day in daily.index[-4:]] == ["03-04", "03-05", "03-06", "03-07"]
    by_day = minutes.groupby(minutes.index.date)
    last = daily.iloc[-3:]
    assert by_day["high"].max().tolist() == last["high"].tolist()
    assert by_day["volume"].sum().tolist() == last["volume"].tolist()
    gap = sample.bars[XMPLB]["open"].iloc[0] / daily["close"].iloc[-1] - 1.0
    assert abs(gap) < 0.03
    moves = np.log(daily["close"]).diff().dropna()
    assert moves.std() == pytest.approx(np.hypot(0.016, 0.004), rel=0.3)


def test_an_early_close_is_kept_and_a_closed_day_refused() -> None:
    sample = make_sample(dt.date(2024, 7, 3), minute_days=0, daily_days=0)
    assert len(sample.quotes[XMPLA]) == 3.5 * 3_600
    with pytest.raises(CalendarError, match="no session on 2024-07-04; the next one is 2024-07-05"):
        make_sample(dt.date(2024, 7, 4))
    assert make_sample(dt.date(2024, 7, 3), sessions=2, daily_days=0).days == (dt.date(2024, 7, 3), dt.date(2024, 7, 5))
