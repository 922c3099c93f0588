"""Parquet files as pandas, Arrow and others write them."""

from __future__ import annotations

import datetime as dt
import decimal
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.errors import FeedEmptyError, FeedError, FeedSourceError
from feeds.bars import RawBars
from feeds.sources.columns import shortest_decimals
from feeds.sources.files import FileFormat, read_file

DAYS = pd.DatetimeIndex(["2018-12-24", "2018-12-26", "2018-12-27"])


def prices(**columns: object) -> pd.DataFrame:
    made = {"open": [10.0, 10.5, 11.0], "high": [12.0] * 3, "low": [9.0] * 3, "close": [10.25, 11.0, 11.5]}
    return pd.DataFrame(made | {"volume": [100, 200, 300]} | columns)


def read(folder: Path, table: pd.DataFrame | pa.Table, **known) -> RawBars:
    file = folder / "X.parquet"
    if isinstance(table, pd.DataFrame):
        table.to_parquet(file)
    else:
        pq.write_table(table, file)
    (bars,) = read_file(file, FileFormat(**known))
    return bars


@pytest.mark.parametrize(
    "times",
    [
        DAYS,
        DAYS.as_unit("ns"),
        DAYS.as_unit("s"),
        DAYS.tz_localize("UTC"),
        DAYS.tz_localize("Asia/Tokyo"),  # the day before in New York, but it says its day
        pd.Series(DAYS.date),
        DAYS.strftime("%Y-%m-%d"),
        DAYS.strftime("%Y%m%d").astype(int),
        DAYS.strftime("%d.%m.%Y"),
        pd.Series(DAYS.strftime("%Y-%m-%d")).astype("category"),
    ],
)
def test_dates_in_any_type(tmp_path: Path, times: object) -> None:
    bars = read(tmp_path, prices(date=times))
    assert bars.bar == "1d"
    assert list(bars.frame.index) == list(DAYS)
    assert bars.frame.index.dtype == "datetime64[us]"


@pytest.mark.parametrize("name", ["Date", "datetime", None])
def test_frames_saved_with_their_index(tmp_path: Path, name: str | None) -> None:
    frame = prices().set_axis(DAYS.rename(name), axis=0)
    assert list(read(tmp_path, frame).frame.index) == list(DAYS)


def test_symbols_and_dates_in_the_index(tmp_path: Path) -> None:
    frame = prices().set_axis(pd.MultiIndex.from_arrays([["A", "A", "B"], DAYS], names=["symbol", "date"]), axis=0)
    frame.to_parquet(tmp_path / "X.parquet")
    read_bars = read_file(tmp_path / "X.parquet")
    assert [(bars.symbol, list(bars.frame.index)) for bars in read_bars] == [("A", list(DAYS[:2])), ("B", [DAYS[2]])]


def test_frames_of_which_rows_were_left_out_keep_the_rest(tmp_path: Path) -> None:
    frame = prices(date=DAYS).drop(index=1)
    assert list(read(tmp_path, frame).frame.index) == [DAYS[0], DAYS[2]]


def test_a_date_and_a_time_of_day(tmp_path: Path) -> None:
    clocks = [dt.time(14, minute) for minute in (31, 32, 33)]
    bars = read(tmp_path, prices(date=[DAYS[0]] * 3, time=clocks), timezone="UTC")
    assert bars.bar == "1m"
    assert list(bars.frame.index) == [pd.Timestamp(f"2018-12-24 14:{minute}Z") for minute in (31, 32, 33)]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_moments_with_and_without_a_timezone(tmp_path: Path, unit: str) -> None:
    local = pd.DatetimeIndex([f"2018-12-24 09:{minute}" for minute in (31, 32, 33)]).as_unit(unit)
    expected = [pd.Timestamp(f"2018-12-24 14:{minute}Z") for minute in (31, 32, 33)]
    aware = local.tz_localize("America/New_York")
    assert list(read(tmp_path, prices(time=aware)).frame.index) == expected
    assert list(read(tmp_path, prices(time=local), timezone="America/New_York").frame.index) == expected
    with pytest.raises(FeedError, match="X.parquet, row 1: 2018-12-24 09:31:00 says no timezone"):
        read(tmp_path, prices(time=local))


@pytest.mark.parametrize(
    "column",
    [
        np.array([10, 11, 12], dtype="int32"),
        np.array([10, 11, 12], dtype="float16"),
        np.array([10, 11, 12], dtype="float32"),
        [decimal.Decimal(text) for text in ("10.00", "11.00", "12.00")],
        ["10", "11.0", "1.2e1"],
        pd.array([10, 11, 12], dtype="Int64"),
        pd.array([10, 11, 12], dtype="Float64"),
    ],
)
def test_prices_in_any_type(tmp_path: Path, column: object) -> None:
    bars = read(tmp_path, prices(date=DAYS, open=column))
    assert bars.frame["open"].dtype == np.float64
    assert bars.frame["open"].tolist() == [10.0, 11.0, 12.0]


def test_gaps_stay_gaps(tmp_path: Path) -> None:
    frame = prices(date=DAYS, open=[10.0, np.nan, 11.0], volume=pd.array([100, None, 300], dtype="Int64"))
    bars = read(tmp_path, frame.astype({"close": "float32"}).assign(low=pd.array([9, 9, None], dtype="Float32")))
    assert bars.frame.isna().sum().to_dict() == {"open": 1, "high": 0, "low": 1, "close": 0, "volume": 1}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_prices_are_refused(tmp_path: Path, dtype: str, value: float) -> None:
    with pytest.raises(FeedError, match=r"X.parquet, row 2, column close: '-?inf' is not a number"):
        read(tmp_path, prices(date=DAYS, close=np.array([10, value, 11], dtype=dtype)))


@pytest.mark.parametrize("times", [pd.DatetimeIndex(["2018-12-24", None, "2018-12-27"]), ["2018-12-24", None, "x"]])
def test_a_row_without_a_time_is_refused(tmp_path: Path, times: object) -> None:
    with pytest.raises(FeedError, match="X.parquet, row 2, column date: no value; write ISO 8601"):
        read(tmp_path, prices(date=times))


def test_two_columns_of_one_name_and_none_of_another(tmp_path: Path) -> None:
    columns = [pa.array([1.0])] * 5
    doubled = pa.Table.from_arrays(
        [pa.array(["2018-12-24"]), *columns], ["date", "open", "high", "low", "close", "Close"]
    )
    with pytest.raises(FeedError, match="X.parquet: two columns are named 'close'; rename or remove one"):
        read(tmp_path, doubled)
    with pytest.raises(FeedError, match="X.parquet: no column low in 'open,high,close,volume,date'; add it"):
        read(tmp_path, prices(date=DAYS).drop(columns="low"))


def test_no_rows_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(FeedEmptyError, match="X.parquet has columns and no bars; fill it or leave it out"):
        read(tmp_path, prices(date=DAYS).iloc[:0])
    buffer = io.BytesIO()
    prices(date=DAYS).to_parquet(buffer)
    for cut in (10, len(buffer.getvalue()) // 2, len(buffer.getvalue()) - 1):
        (tmp_path / "cut.parquet").write_bytes(buffer.getvalue()[:cut])
        with pytest.raises(FeedSourceError, match=r"cut.parquet: the Parquet file is damaged \(.*\); get it again"):
            read_file(tmp_path / "cut.parquet")


def test_the_name_of_a_file_does_not_say_what_it_is(tmp_path: Path) -> None:
    prices(date=DAYS).to_parquet(tmp_path / "X.csv", engine="pyarrow")
    assert len(read_file(tmp_path / "X.csv")[0].frame) == 3


# Single precision


def test_quoted_prices_come_back_from_single_precision(tmp_path: Path) -> None:
    bars = read(tmp_path, prices(date=DAYS, close=np.array([149.4, 0.0107, 1163.5], dtype="float32")))
    assert bars.frame["close"].tolist() == [149.4, 0.0107, 1163.5]
    assert any("32-bit prices were read as the shortest decimals" in note for note in bars.notes)


@given(hnp.arrays(np.float32, st.integers(0, 50), elements=st.floats(width=32)))
def test_the_shortest_decimals_are_the_same_32_bits(values: np.ndarray) -> None:
    short = shortest_decimals(values)
    assert short.dtype == np.float64
    back = short.astype(np.float32)
    known = ~np.isnan(values)
    assert (np.isnan(back) == ~known).all()
    np.testing.assert_array_equal(back[known].view(np.int32), values[known].view(np.int32))


@given(st.integers(1, 999_999), st.integers(0, 4))
def test_six_digits_are_no_more_than_six(digits: int, places: int) -> None:
    """FLT_DIG: single precision carries six decimal digits."""
    quoted = digits / 10**places
    assert shortest_decimals(np.array([quoted], dtype=np.float32)).tolist() == [quoted]
