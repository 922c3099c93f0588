"""ColumnarData against stock PandasData: the same bars, bit for bit, in every mode of Cerebro."""

from __future__ import annotations

import datetime as dt
import math
import pickle
import struct
import tracemalloc
from typing import Any

import backtrader as bt
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings

from core.errors import FeedEmptyError, FeedError
from feeds import BarArrays, ColumnarData
from feeds.datenum import date_numbers

naive = dt.datetime.fromisoformat  # backtrader's datetimes are naive UTC
EPOCH = naive("1970-01-01")


class Recorder(bt.Strategy):
    """Writes down all that a strategy can see of its datas, on every bar."""

    def __init__(self) -> None:
        self.average = bt.indicators.SMA(self.data.close, period=2)
        self.seen: list[Any] = []

    def prenext(self) -> None:
        self.next()

    def next(self) -> None:
        for data in self.datas:
            bar = [line[0] for line in data.lines] if len(data) else []
            self.seen.append((len(data), bits(bar), data.datetime.datetime(0) if len(data) else None))
            self.seen.append(bits([getattr(data, f"tick_{name}", None) for name in ("open", "close", "volume")]))
        self.seen.append((len(self), bits([self.average[0]])))


def bits(values: list[float | None]) -> bytes:
    """Doubles as bytes, so that NaN equals NaN and 0.0 differs from -0.0; None is no number."""
    return b"|".join(b"None" if value is None else struct.pack("<d", value) for value in values)


def frame_of(bars: int, *, freq: str = "1min", start: str = "2013-10-07 13:30", tz: str | None = None, seed: int = 7):
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.001, bars)))
    opens = close * (1.0 + rng.normal(0.0, 0.0005, bars))
    return pd.DataFrame(
        {
            "open": opens,
            "high": np.maximum(opens, close) * 1.0003,
            "low": np.minimum(opens, close) * 0.9997,
            "close": close,
            "volume": rng.integers(0, 10_000, bars),
        },
        index=pd.date_range(start, periods=bars, freq=freq, tz=tz),
    )


def run(
    data: Any, *, others: tuple[Any, ...] = (), how: str = "add", how_args: dict[str, Any] | None = None, **cerebro
):
    """What Recorder saw, and the bytes of every line of every data after the run."""
    graph = bt.Cerebro(stdstats=False, **cerebro)
    if how == "add":
        graph.adddata(data)
    elif how == "resample":
        graph.resampledata(data, **(how_args or {}))
    elif how == "replay":
        graph.replaydata(data, **(how_args or {}))
    for other in others:
        graph.adddata(other)
    graph.addstrategy(Recorder)
    (strategy,) = graph.run()
    return strategy.seen, [bits(list(line.array)) for feed in graph.datas for line in feed.lines]


MODES = {
    "preload and runonce": {},
    "next": {"runonce": False},
    "bar by bar": {"preload": False, "runonce": False},
    "preload is off, runonce on": {"preload": False},
    "exactbars 1": {"exactbars": 1},
    "exactbars -1": {"exactbars": -1},
    "exactbars -2": {"exactbars": -2},
    "look-ahead room": {"lookahead": 3},
    "old synchronisation": {"oldsync": True},
}
FEEDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "intraday": {"timeframe": bt.TimeFrame.Minutes},
    "from and to": {"fromdate": naive("2013-10-07 13:41"), "todate": naive("2013-10-07 14:02")},
    "from and to by date": {"fromdate": dt.date(2013, 10, 7), "todate": dt.date(2013, 10, 8)},
    "nothing before": {"todate": naive("2013-10-07 13:35")},
    "display timezone": {"tz": "America/New_York", "fromdate": naive("2013-10-07 09:50")},
    "input timezone": {"tzinput": "America/New_York"},
    "session end": {"sessionend": dt.time(16, 0), "timeframe": bt.TimeFrame.Minutes},
    "named": {"name": "SPX", "compression": 1},
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("params", FEEDS)
def test_columnar_equals_pandas_in_every_mode(mode: str, params: str) -> None:
    frame = frame_of(60)
    expected = run(bt.feeds.PandasData(dataname=frame, **FEEDS[params]), **MODES[mode])
    assert run(ColumnarData(dataname=frame, **FEEDS[params]), **MODES[mode]) == expected
    assert expected[0]  # the strategy saw something


@pytest.mark.parametrize("mode", ["preload and runonce", "next", "bar by bar", "exactbars 1"])
@pytest.mark.parametrize("how", ["resample", "replay"])
@pytest.mark.parametrize(
    "how_args",
    [
        {"timeframe": bt.TimeFrame.Minutes, "compression": 5},
        {"timeframe": bt.TimeFrame.Minutes, "compression": 7, "bar2edge": False, "rightedge": False},
        {"timeframe": bt.TimeFrame.Days},
    ],
    ids=["5 minutes", "7 minutes, not at the edge", "days"],
)
def test_columnar_equals_pandas_when_resampled_or_replayed(mode: str, how: str, how_args: dict[str, Any]) -> None:
    frame = frame_of(60, freq="17min")
    params: dict[str, Any] = {"timeframe": bt.TimeFrame.Minutes, "sessionend": dt.time(20, 0)}
    stock = run(bt.feeds.PandasData(dataname=frame, **params), how=how, how_args=how_args, **MODES[mode])
    assert run(ColumnarData(dataname=frame, **params), how=how, how_args=how_args, **MODES[mode]) == stock
    assert stock[0]


@pytest.mark.parametrize("mode", ["preload and runonce", "next", "bar by bar"])
def test_columnar_equals_pandas_with_clones_and_a_second_data_of_other_days(mode: str) -> None:
    first = frame_of(40, freq="1D", start="2018-01-01")
    second = frame_of(35, freq="1D", start="2018-01-06", seed=8).iloc[[0, 1, 4, 5, 6, 9, 20, 34]]

    def seen(kind: Any) -> Any:
        data = kind(dataname=first)
        return run(data, others=(kind(dataname=second), data.clone(), data.copyas("copy")), **MODES[mode])

    assert seen(ColumnarData) == seen(bt.feeds.PandasData)


@pytest.mark.parametrize("mode", ["preload and runonce", "bar by bar", "exactbars 1"])
def test_columnar_equals_pandas_with_filters(mode: str) -> None:
    frame = frame_of(60, freq="30min")

    def seen(kind: Any) -> Any:
        data = kind(dataname=frame, timeframe=bt.TimeFrame.Minutes, sessionstart=dt.time(9), sessionend=dt.time(17))
        data.addfilter(bt.filters.SessionFilter)
        return run(data, **MODES[mode])

    stock = seen(bt.feeds.PandasData)
    assert seen(ColumnarData) == stock
    assert len(stock[0]) < 60 * 3  # the filter took bars away


@pytest.mark.parametrize("mode", MODES)
def test_extra_lines_come_from_the_columns_of_their_name(mode: str) -> None:
    class StockData(bt.feeds.PandasData):
        lines = ("bid", "ask")
        params = (("bid", -1), ("ask", -1))

    class QuoteData(ColumnarData):
        lines = ("bid", "ask")

    frame = frame_of(30).assign(Bid=lambda f: f["close"] - 0.01, ask=lambda f: f["close"].where(f["volume"] > 5_000))
    assert run(QuoteData(dataname=frame), **MODES[mode]) == run(StockData(dataname=frame), **MODES[mode])


def test_a_second_run_of_the_same_data_gives_the_same_bars() -> None:
    data = ColumnarData(dataname=frame_of(30))
    graph = bt.Cerebro(stdstats=False)
    graph.adddata(data)
    graph.addstrategy(Recorder)
    first = graph.run()[0].seen
    assert graph.run()[0].seen == first
    assert len(data) == 30


def test_optimisation_in_processes_pickles_the_data() -> None:
    graph = bt.Cerebro(stdstats=False, maxcpus=1)
    data = ColumnarData(dataname=frame_of(30))
    graph.adddata(data)
    graph.run()
    again = pickle.loads(pickle.dumps(data))
    assert bits(list(again.lines.close.array)) == bits(list(data.lines.close.array))


def test_bound_lines_are_filled_as_in_stock() -> None:
    frame = frame_of(20)

    def bound(kind: Any) -> bytes:
        data = kind(dataname=frame)
        data.lines.close.addbinding(data.lines.openinterest)
        run(data)
        return bits(list(data.lines.openinterest.array))

    assert bound(ColumnarData) == bound(bt.feeds.PandasData)


columns = st.floats(min_value=-1e300, max_value=1e300) | st.just(math.nan)  # stock averages fail on infinity


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Any frame: times in any unit, in any zone or none, all kinds of numbers, columns in any order and case."""
    unit = draw(st.sampled_from(["s", "ms", "us", "ns"]))
    bounds = (EPOCH, naive("2100-01-01 00:00"))
    stamps = draw(st.lists(st.datetimes(*bounds), min_size=2, max_size=12))
    index = pd.DatetimeIndex(sorted(stamps)).as_unit(unit)
    zone = draw(st.sampled_from([None, "UTC", "America/New_York", "Asia/Kolkata", "Europe/Berlin"]))
    if zone:
        index = index.tz_localize("UTC").tz_convert(zone)
    names = draw(st.permutations(["open", "High", "LOW", "close", "volume"]))
    extra = ["OpenInterest"] if draw(st.booleans()) else []
    values = {name: draw(st.lists(columns, min_size=len(index), max_size=len(index))) for name in [*names, *extra]}
    frame = pd.DataFrame(values, index=index)
    kind = draw(st.sampled_from(["float64", "float32", "int64"]))
    with np.errstate(over="ignore"):
        frame["volume"] = frame["volume"].replace([np.inf, -np.inf], np.nan).fillna(0).clip(-1e9, 1e9).astype(kind)
    return frame


@settings(max_examples=60)
@given(frame=frames(), mode=st.sampled_from(sorted(MODES)), tz=st.sampled_from([None, "Asia/Tokyo"]))
def test_columnar_equals_pandas_on_any_frame(frame: pd.DataFrame, mode: str, tz: str | None) -> None:
    stock = run(bt.feeds.PandasData(dataname=frame, tz=tz), **MODES[mode])
    assert run(ColumnarData(dataname=frame, tz=tz), **MODES[mode]) == stock


@given(st.lists(st.datetimes(), min_size=1, max_size=50))
@example([naive("0001-01-01"), naive("9999-12-31 23:59:59.999999")])
def test_date_numbers_equal_date2num(stamps: list[dt.datetime]) -> None:
    micros = np.array([(stamp - EPOCH) // dt.timedelta(microseconds=1) for stamp in stamps], dtype=np.int64)
    assert bits(list(date_numbers(micros))) == bits([bt.date2num(stamp) for stamp in stamps])


def test_date_numbers_equal_date2num_on_every_minute_of_two_weeks() -> None:
    index = pd.date_range("2024-02-26", periods=14 * 1440, freq="1min")
    expected = [bt.date2num(stamp) for stamp in index.to_pydatetime()]
    assert bits(list(date_numbers(index.as_unit("us").asi8))) == bits(expected)


def test_date_numbers_equal_date2num_where_the_sum_is_a_tie() -> None:
    # Below 2**19 days (the year 1436) doubles are 2**-34 apart: 0.5 + k * 2**-35 is half-way. Microseconds cannot
    # say such fractions exactly, so the nearest ones are tried.
    epoch = (EPOCH - naive("1400-01-01 00:00")).days * 86_400_000_000
    micros = np.array([-epoch + round(86_400e6 * (0.5 + k / 2**35)) for k in range(1, 400, 2)], dtype=np.int64)
    stamps = [EPOCH + dt.timedelta(microseconds=int(us)) for us in micros]
    assert bits(list(date_numbers(micros))) == bits([bt.date2num(stamp) for stamp in stamps])


def test_a_stamp_in_another_zone_is_the_same_moment() -> None:
    new_york = frame_of(3, tz="America/New_York", start="2013-10-07 09:30")
    data = ColumnarData(dataname=new_york)
    run(data)
    assert bt.num2date(data.lines.datetime.array[0]) == naive("2013-10-07 13:30")


def test_shared_arrays_are_converted_once() -> None:
    arrays = BarArrays(frame_of(10))
    first, second = ColumnarData(dataname=arrays), ColumnarData(dataname=arrays)
    assert run(first) == run(second)
    assert arrays.datetime is first._arrays.datetime is second._arrays.datetime


def test_a_missing_volume_or_open_interest_is_nan_as_in_stock() -> None:
    frame = frame_of(5).drop(columns="volume")
    assert run(ColumnarData(dataname=frame)) == run(bt.feeds.PandasData(dataname=frame))


def test_memory_is_at_most_120_bytes_a_bar() -> None:
    frame = frame_of(100_000).astype("float64")
    data = ColumnarData(dataname=frame)
    graph = bt.Cerebro(stdstats=False)
    graph.adddata(data)
    data.setenvironment(graph)
    tracemalloc.start()
    try:
        data._start()
        data.preload()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert data.buflen() == 100_000
    assert peak / 100_000 <= 120.0


def bad_frames() -> dict[str, tuple[Any, type[FeedError], str]]:
    good = frame_of(4)
    return {
        "no frame": ([1, 2, 3], FeedError, "pandas DataFrame, got list"),
        "no times": (good.reset_index(drop=True), FeedError, "DatetimeIndex, got RangeIndex"),
        "no rows": (good.iloc[:0], FeedEmptyError, "no bars"),
        "NaT": (good.set_axis(good.index.insert(1, pd.NaT)[:4]), FeedError, "1 NaT"),
        "unsorted": (good.iloc[[1, 0, 2, 3]], FeedError, "sort_index"),
        "text": (good.assign(close="12.5"), FeedError, "'close' is of type str, not numbers"),
        "booleans": (good.assign(close=True), FeedError, "not numbers"),
        "no close": (good.drop(columns="close"), FeedError, "no column 'close'"),
        "misspelt": (good.rename(columns={"close": "clse"}), FeedError, "did you mean 'clse'"),
        "two closes": (good.assign(Close=1.0), FeedError, "two columns of the frame are named 'close'"),
    }


@pytest.mark.parametrize("case", bad_frames())
def test_a_frame_that_cannot_be_loaded_is_refused_when_the_feed_is_made(case: str) -> None:
    frame, kind, text = bad_frames()[case]
    with pytest.raises(kind, match=text):
        ColumnarData(dataname=frame)


def test_an_extra_line_without_its_column_is_refused() -> None:
    class SpreadData(ColumnarData):
        lines = ("spread",)

    with pytest.raises(FeedError, match="no column 'spread'"):
        SpreadData(dataname=frame_of(3))


def test_a_misspelt_parameter_is_refused() -> None:
    with pytest.raises(TypeError, match="fromdte"):
        ColumnarData(dataname=frame_of(3), fromdte=dt.date(2018, 1, 1))


def test_nullable_columns_load_with_nan() -> None:
    frame = frame_of(3).astype({"close": "Float64"})
    frame.iloc[1, 3] = pd.NA
    data = ColumnarData(dataname=frame)
    run(data)
    assert math.isnan(data.lines.close.array[1])
    assert data.lines.close.array[2] == frame["close"].iloc[2]
