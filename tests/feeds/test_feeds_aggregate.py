"""Bars made of finer ones: by hand, against pandas, at once and one by one, at opens, closes and clock changes."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.calendar import ExchangeCalendar
from core.errors import FeedError
from feeds.aggregate import BarBuilder, BuiltBar, aggregate
from feeds.quality import COLUMNS

NYSE = ExchangeCalendar("XNYS")


def frame(rows: dict[str, tuple[float, float, float, float, float]]) -> pd.DataFrame:
    """Rows by the time of their close."""
    index = pd.DatetimeIndex([pd.Timestamp(each, tz="UTC") for each in rows])
    return pd.DataFrame([*rows.values()], index=index, columns=list(COLUMNS), dtype="float64")


def flat(*times: str) -> pd.DataFrame:
    return frame({each: (10.0, 10.0, 10.0, 10.0, 1.0) for each in times})


def stamps(bars: pd.DataFrame) -> list[str]:
    return [f"{each:%Y-%m-%d %H:%M:%S}" for each in bars.index]


def one_by_one(
    fine: pd.DataFrame, bar: str, seconds: int = 1, calendar: ExchangeCalendar | None = None
) -> list[BuiltBar]:
    """The bars of a builder, the last one completed by time."""
    builder, done = BarBuilder(bar, calendar), list[BuiltBar]()
    for end, row in zip(fine.index, fine.itertuples(index=False), strict=True):
        done += builder.add(end.to_pydatetime() - dt.timedelta(seconds=seconds), seconds, *row)
    due = builder.due
    return done + (builder.passed(due) if due is not None else [])


def same(bars: pd.DataFrame, built: list[BuiltBar]) -> None:
    assert [each.end for each in built] == list(bars.index.to_pydatetime())
    values = np.array([each[1:] for each in built], dtype=np.float64).reshape(-1, 5)
    assert values.tobytes() == np.ascontiguousarray(bars.to_numpy()).tobytes()


def test_a_minute_is_made_of_what_ended_after_the_last_stamp_and_not_after_its_own() -> None:
    fine = frame({
        "2024-06-12 14:00:00": (1.0, 1.5, 0.5, 1.2, 7.0),  # the last second of the minute that ends at 14:00
        "2024-06-12 14:00:01": (2.0, 2.5, 1.9, 2.2, 100.0),
        "2024-06-12 14:00:30": (2.2, 3.0, 2.1, 2.8, 50.0),
        "2024-06-12 14:01:00": (2.8, 2.9, 1.0, 1.1, 25.0),
        "2024-06-12 14:03:07": (5.0, 5.0, 5.0, 5.0, 1.0),  # nothing was traded from 14:01 to 14:02
    })  # fmt: skip
    bars = aggregate(fine, "1m")
    assert stamps(bars) == ["2024-06-12 14:00:00", "2024-06-12 14:01:00", "2024-06-12 14:04:00"]
    assert bars.to_numpy().tolist() == [
        [1.0, 1.5, 0.5, 1.2, 7.0], [2.0, 3.0, 1.0, 1.1, 175.0], [5.0, 5.0, 5.0, 5.0, 1.0],
    ]  # fmt: skip
    same(bars, one_by_one(fine, "1m"))


def test_hours_are_cut_at_the_open_and_at_the_close_of_the_session() -> None:
    fine = flat(
        "2024-06-12 13:10:00", "2024-06-12 13:30:00",  # before the open at 09:30 in New York
        "2024-06-12 13:30:01", "2024-06-12 14:00:00", "2024-06-12 14:00:01", "2024-06-12 20:00:00",
        "2024-06-12 20:00:01", "2024-06-12 20:30:00",  # after the close
    )  # fmt: skip
    cut = aggregate(fine, "1h", NYSE)
    assert stamps(cut) == [
        "2024-06-12 13:30:00", "2024-06-12 14:00:00", "2024-06-12 15:00:00", "2024-06-12 20:00:00",
        "2024-06-12 21:00:00",
    ]  # fmt: skip
    assert cut["volume"].tolist() == [2.0, 2.0, 1.0, 1.0, 2.0]
    assert stamps(aggregate(fine, "1h"))[0] == "2024-06-12 14:00:00" and len(aggregate(fine, "1h")) == 4
    same(cut, one_by_one(fine, "1h", calendar=NYSE))


def test_the_last_hour_of_london_ends_with_its_session() -> None:
    london = ExchangeCalendar("XLON")  # 08:00 to 16:30
    bars = aggregate(flat("2024-01-10 16:00:00", "2024-01-10 16:29:59", "2024-01-10 16:30:00"), "1h", london)
    assert stamps(bars) == ["2024-01-10 16:00:00", "2024-01-10 16:30:00"] and bars["volume"].tolist() == [1.0, 2.0]


def test_an_early_close_and_the_change_of_the_clock_are_the_calendar_s() -> None:
    fine = flat("2024-07-03 16:59:59", "2024-07-03 17:00:00", "2024-07-03 17:00:01")  # closes at 13:00 in New York
    days = aggregate(fine, "1d", NYSE)
    assert stamps(days) == ["2024-07-03 17:00:00"] and days["volume"].tolist() == [2.0]
    fine = flat("2024-03-08 14:29:00", "2024-03-08 21:00:00", "2024-03-11 13:30:01", "2024-03-11 20:00:00")
    days = aggregate(fine, "1d", NYSE)  # summer time began on 2024-03-10
    assert stamps(days) == ["2024-03-08 21:00:00", "2024-03-11 20:00:00"] and days["volume"].tolist() == [1.0, 2.0]
    same(days, one_by_one(fine, "1d", calendar=NYSE))


def test_a_bar_is_complete_with_its_last_second_or_when_time_has_passed() -> None:
    at = dt.datetime(2024, 6, 12, 14, 0, tzinfo=dt.UTC)
    builder = BarBuilder("1m")
    assert builder.due is None and builder.passed(at) == []
    assert builder.add(at, 5, 1.0, 2.0, 0.5, 1.5, 10.0) == []
    assert builder.due == at + dt.timedelta(minutes=1)
    assert builder.passed(at + dt.timedelta(seconds=59)) == []
    done = BuiltBar(at + dt.timedelta(minutes=1), 1.0, 2.0, 0.5, 1.5, 10.0)
    assert builder.passed(at + dt.timedelta(seconds=60)) == [done] and builder.due is None
    (last,) = builder.add(at + dt.timedelta(seconds=115), 5, 1.0, 1.0, 1.0, 1.0, 3.0)
    assert last.end == at + dt.timedelta(minutes=2)
    builder.add(at + dt.timedelta(seconds=130), 5, 1.0, 1.0, 1.0, 1.0, 3.0)
    with pytest.raises(FeedError, match="a bar that ends 2024-06-12 14:02:00"):
        builder.add(at + dt.timedelta(seconds=115), 5, 1.0, 1.0, 1.0, 1.0, 3.0)


def test_what_cannot_be_made_is_refused_with_the_cure() -> None:
    with pytest.raises(FeedError, match="'1s' cannot be made"):
        aggregate(flat("2024-06-12 14:00:00"), "1s")
    with pytest.raises(FeedError, match="give the calendar"):
        BarBuilder("1d")
    with pytest.raises(FeedError, match="sort them"):
        aggregate(flat("2024-06-12 14:00:01", "2024-06-12 14:00:00"), "1m")
    with pytest.raises(FeedError, match="no column volume"):
        aggregate(flat("2024-06-12 14:00:01").drop(columns="volume"), "1m")
    assert len(aggregate(flat().tz_localize(None), "1m", NYSE)) == 0


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_all_resolutions_and_naive_ones_are_understood(unit: Any) -> None:
    fine = flat("2024-06-12 13:59:59", "2024-06-12 14:00:00", "2024-06-12 14:00:01")
    fine.index = fine.index.tz_localize(None).as_unit(unit)
    bars = aggregate(fine, "1m")
    assert stamps(bars) == ["2024-06-12 14:00:00", "2024-06-12 14:01:00"] and str(bars.index.tz) == "UTC"


@pytest.mark.parametrize("size", ["1m", "1h"])
def test_a_session_of_seconds_is_what_pandas_makes_of_it(size: str) -> None:
    ends = pd.date_range("2024-06-12 13:30:01", "2024-06-12 20:00:00", freq="s", tz="UTC")
    random = np.random.default_rng(5)
    ends = ends[random.random(len(ends)) < 0.3]
    prices = 100.0 + np.cumsum(random.normal(0, 0.01, (len(ends), 1)), axis=0) + random.normal(0, 0.01, (len(ends), 4))
    fine = pd.DataFrame({"open": prices[:, 0], "high": prices.max(1), "low": prices.min(1), "close": prices[:, 3],
                         "volume": random.integers(1, 1000, len(ends)).astype(float)}, index=ends)  # fmt: skip
    rule = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    other = fine.resample({"1m": "1min", "1h": "1h"}[size], closed="right", label="right").agg(rule).dropna()
    pd.testing.assert_frame_equal(
        aggregate(fine, size, NYSE), other.set_axis(other.index.as_unit("us")), check_freq=False
    )


ROWS = st.lists(
    st.tuples(st.integers(0, 86_400 * 4), st.floats(1.0, 9.0), st.floats(1.0, 9.0), st.floats(0.0, 1e6)), max_size=80
)


@settings(max_examples=200, deadline=None)
@given(ROWS, st.sampled_from(["1m", "1h", "1d"]), st.booleans(), st.booleans())
def test_one_by_one_and_at_once_are_the_same(
    rows: list[tuple[int, float, float, float]], bar: str, cut: bool, whole: bool
) -> None:
    rows = sorted({row[0]: row for row in rows}.values())
    base = pd.Timestamp("2024-07-02 12:00", tz="UTC")  # over an early close and a holiday
    fine = pd.DataFrame(
        [(a, max(a, b), min(a, b), b, float(int(v)) if whole else v) for _, a, b, v in rows],
        index=pd.DatetimeIndex([base + pd.Timedelta(seconds=each[0]) for each in rows]) if rows else
        pd.DatetimeIndex([], tz="UTC"),
        columns=list(COLUMNS), dtype="float64",
    )  # fmt: skip
    calendar = NYSE if cut or bar == "1d" else None
    bars = aggregate(fine, bar, calendar)
    same(bars, one_by_one(fine, bar, calendar=calendar))
    if bar != "1d":
        assert bars["volume"].sum() == pytest.approx(fine["volume"].sum())
        again = aggregate(bars, bar, calendar)
        pd.testing.assert_frame_equal(again, bars)
