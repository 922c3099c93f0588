"""Opens that are closes: counted by hand, and on every real series that there is."""

from __future__ import annotations

from pathlib import Path

import arch.data.nasdaq
import arch.data.sp500
import numpy as np
import pandas as pd
import pytest

from core.calendar import ExchangeCalendar
from feeds.checks import check_series
from feeds.open_close import OpenClose

CALENDAR = ExchangeCalendar("XNYS")


def of(frame: pd.DataFrame) -> OpenClose:
    return OpenClose.of(frame["open"].to_numpy(np.float64), frame["close"].to_numpy(np.float64))


def test_steps_are_counted() -> None:
    """Gaps of 1, 0, 2 and 4 beside moves of 2, 0, 1 and one that is not known."""
    opens, closes = np.array([10.0, 12.0, 12.0, 14.0, 9.0]), np.array([11.0, 12.0, 12.0, 13.0, np.nan])
    assert OpenClose.of(opens, closes) == OpenClose(1, 1)
    assert OpenClose.of(opens, closes) + OpenClose(2, 5) == OpenClose(3, 6)
    assert np.isnan(OpenClose.of(opens[:1], closes[:1]).share)
    assert OpenClose.of(np.full(3, np.inf), np.array([np.inf, 1.0, 1.0])) == OpenClose(0, 0)


@pytest.mark.parametrize(
    ("farther", "nearer", "exchanged"),
    [
        (29, 0, False),  # too few
        (30, 0, True),
        (70, 30, False),  # of 100 a share has a deviation of 0.05: 0.5 + 4 * 0.05 = 0.7
        (71, 29, True),
        (6_000, 4_000, False),  # of 10,000 four deviations are 0.02, and less than 0.6 is no exchange
        (6_001, 3_999, True),
    ],
)
def test_a_sign_test_of_four_deviations_and_at_least_three_bars_in_five(
    farther: int, nearer: int, exchanged: bool
) -> None:
    assert OpenClose(farther, nearer).exchanged is exchanged


def test_the_check_names_it_once_and_mends_nothing() -> None:
    """A bar opens where the one before closed, and the names are exchanged: 60 bars, at 100, 101, 102, ..."""
    days = CALENDAR.sessions(pd.Timestamp("2021-03-01").date(), pd.Timestamp("2021-05-25").date())[:60]
    close = 100.0 + np.arange(60)
    frame = pd.DataFrame(
        {"open": close + 1, "high": close + 2, "low": close - 1, "close": close, "volume": 1e6 + close},
        index=pd.DatetimeIndex(days, name="time"),
    )
    (finding,) = check_series("ABC", "1d", frame, CALENDAR)
    assert (finding.rule, finding.severity, finding.rows, finding.repair) == ("exchanged", "warning", 60, None)
    assert finding.detail == (
        "in 100% of the bars the open is farther from the close before it than the close is from the open before it: "
        "open and close look exchanged; remove it and import it with the right header"
    )
    right = frame.rename(columns={"open": "close", "close": "open"})
    assert check_series("ABC", "1d", right, CALENDAR) == []


@pytest.mark.parametrize("index", [arch.data.sp500, arch.data.nasdaq])
def test_indices_are_as_they_should_be(index) -> None:  # type: ignore[no-untyped-def]
    frame = index.load().rename(columns=str.lower)
    assert not of(frame).exchanged and of(frame).share < 0.5


@pytest.mark.real_data
def test_no_real_series_looks_exchanged_and_nearly_all_do_when_they_are(shared_data: Path) -> None:
    told = {}
    for name in ("us_equities_daily_2015_2017", "us_daily", "us_hour"):
        for symbol, frame in pd.read_parquet(shared_data / f"{name}.parquet").groupby("symbol"):
            told[name, symbol] = of(frame), of(frame.rename(columns={"open": "close", "close": "open"}))
    for symbol in ("bac", "aig", "spy"):
        frame = pd.read_parquet(shared_data / f"us_second_trades_{symbol}.parquet")
        told["second", symbol] = of(frame), of(frame)
    assert len(told) >= 449 and not any(right.exchanged for right, _ in told.values())
    stocks = [wrong.exchanged for (name, _), (_, wrong) in told.items() if name == "us_equities_daily_2015_2017"]
    assert len(stocks) == 442 and np.mean(stocks) > 0.95
