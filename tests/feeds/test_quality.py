"""Bars that nobody should trade on are refused: rule, first bars, count and cure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.errors import FeedEmptyError, FeedError, FeedOverlapError, FeedTooShortError
from feeds import check_bars, require_bars, require_overlap


def bars(count: int = 5, start: str = "2018-12-24") -> pd.DataFrame:
    index = pd.date_range(start, periods=count, freq="1D")
    closes = np.arange(10.0, 10.0 + count)
    return pd.DataFrame(
        {"open": closes - 0.5, "high": closes + 1, "low": closes - 1, "close": closes, "volume": 100}, index=index
    )


def with_value(column: str, row: int, value: Any) -> pd.DataFrame:
    frame = bars().astype("float64")
    frame.loc[frame.index[row], column] = value
    return frame


def test_good_bars_come_back_as_utc_floats_in_order() -> None:
    frame = bars()[["volume", "close", "low", "high", "open"]].rename(columns=str.title).assign(Note="x")
    checked = check_bars("SPX", frame)
    assert list(checked.columns) == ["open", "high", "low", "close", "volume"]
    assert set(map(str, checked.dtypes)) == {"float64"}
    assert str(checked.index.tz) == "UTC"
    assert checked["close"].tolist() == [10.0, 11.0, 12.0, 13.0, 14.0]
    assert frame.index.tz is None  # the caller's frame is untouched


def test_an_aware_index_is_converted() -> None:
    checked = check_bars("SPX", bars().tz_localize("America/New_York"))
    assert checked.index[0] == pd.Timestamp("2018-12-24 05:00", tz="UTC")


BAD: dict[str, tuple[pd.DataFrame, str]] = {
    "nan": (with_value("close", 1, np.nan), r"1 bar with NaN or infinite: 2018-12-25 00:00:00 UTC; .*drop"),
    "infinite": (with_value("volume", 2, np.inf), "NaN or infinite: 2018-12-26"),
    "zero": (with_value("low", 3, 0.0), "a price at or below 0: 2018-12-27"),
    "negative": (with_value("open", 3, -1.0), "a price at or below 0: 2018-12-27"),
    "negative volume": (with_value("volume", 0, -1.0), "negative volume: 2018-12-24"),
    "high below low": (with_value("high", 4, 12.0), "high below low: 2018-12-28"),
    "close above high": (with_value("close", 4, 15.5), r"close outside \[low, high\]: 2018-12-28"),
    "open below low": (with_value("open", 4, 12.5), r"open outside \[low, high\]: 2018-12-28"),
    "unsorted": (bars().iloc[[0, 2, 1, 3, 4]], r"earlier than the bar before it: 2018-12-25.*sort_index"),
    "duplicated": (
        bars().iloc[[0, 1, 1, 1, 2]],
        r"2 bars with the same time .*: 2018-12-25 .*, 2018-12-25 .*UTC; drop",
    ),
    "text": (
        bars().assign(close=["1", "2", "3", "4", "x"]),
        r"column close is of type (?:str|object), not numbers \('1'\)",
    ),
    "booleans": (bars().assign(close=True), "column close is of type bool"),
    "no volume": (bars().drop(columns="volume"), r"no column volume \(there are: open, high, low, close\)"),
    "two volumes": (bars().assign(Volume=1), "two columns named volume"),
    "no times": (bars().reset_index(drop=True), "index is a RangeIndex, not a DatetimeIndex"),
    "dates as text": (bars().set_axis(list("abcde")), "not a DatetimeIndex"),
    "NaT": (bars().set_axis(bars().index.where(bars().index.day != 25)), r"1 bar without a time \(NaT\)"),
    "all NaN": (
        bars() * np.nan,
        r"5 bars with NaN or infinite: 2018-12-24 .*, 2018-12-25 .*, 2018-12-26 .*, \.\.\. UTC",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_bars_are_refused_with_symbol_rule_bars_and_cure(case: str) -> None:
    frame, text = BAD[case]
    with pytest.raises(FeedError, match=text) as caught:
        check_bars("SPX", frame)
    assert "SPX: " in str(caught.value)
    assert isinstance(caught.value, ValueError)


REPAIRABLE = [case for case in BAD if case not in {
    "text", "booleans", "no volume", "two volumes", "no times", "dates as text", "NaT"
}]  # fmt: skip


@pytest.mark.parametrize("case", REPAIRABLE)
def test_who_knows_the_cure_says_it(case: str) -> None:
    with pytest.raises(FeedError) as caught:
        check_bars("SPX", BAD[case][0], cure="run the repair")
    assert str(caught.value).endswith("; run the repair")


def test_no_bars_are_refused() -> None:
    with pytest.raises(FeedEmptyError, match="SPX: no bars"):
        check_bars("SPX", bars(0))


def test_spreads_may_be_negative_where_it_is_allowed() -> None:
    frame = bars() * [-1.0, -1.0, -1.0, -1.0, 1.0]
    frame[["high", "low"]] = frame[["low", "high"]].to_numpy()
    assert len(check_bars("SPREAD", frame, allow_nonpositive=True)) == 5


def test_noise_of_a_factor_is_no_violation_and_nothing_is_repaired() -> None:
    frame = with_value("close", 4, 15.0 * (1 + 1e-12))
    assert check_bars("SPX", frame)["close"].iloc[4] == 15.0 * (1 + 1e-12)


def test_overlap_counts_shared_bars() -> None:
    frames = {"A": bars(5), "B": bars(5, start="2018-12-27")}
    assert require_overlap(["A", "B"], frames) == 2


def test_a_pair_without_a_shared_bar_is_refused() -> None:
    frames = {"A": bars(5), "B": bars(5, start="2020-01-01")}
    with pytest.raises(
        FeedOverlapError, match=r"A-B: not one bar in common \(A 2018-12-24 .* to 2018-12-28 .*, B 2020"
    ):
        require_overlap(["A", "B"], frames)


def test_too_few_bars_are_refused() -> None:
    frames = {"SPX": bars(5), "IXIC": bars(5, start="2018-12-26")}
    require_bars("meanrev", ["SPX"], frames, 5)
    with pytest.raises(FeedTooShortError, match="meanrev: 5 bars of SPX, but the indicators need 6"):
        require_bars("meanrev", ["SPX"], frames, 6)


def test_a_pair_has_the_bars_that_both_legs_share() -> None:
    frames = {"SPX": bars(5), "IXIC": bars(5, start="2018-12-26")}  # 24 to 28 and 26 to 30 December
    require_bars("pairs", ["SPX", "IXIC"], frames, 3)
    with pytest.raises(FeedTooShortError, match="pairs: 3 bars that SPX and IXIC share, but the indicators need 4"):
        require_bars("pairs", ["SPX", "IXIC"], frames, 4)
