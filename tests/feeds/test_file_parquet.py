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


def kind_of(value: object) -> str | None:
    return str(value.type) if isinstance(value, pa.Array) else None


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
    with pytest.raises(FeedError, match="X.parquet: no column low in 'open,high,close,volume,date'; rename"):
        read(tmp_path, prices(date=DAYS).drop(columns="low"))


def test_two_columns_of_exactly_one_name(tmp_path: Path) -> None:
    """pyarrow finds no column by its name in such a file; where the name is not known it is of no matter."""
    days, column = pa.array(DAYS), pa.array([1.0, 1.0, 1.0])
    names = ["date", "open", "high", "low", "close", "volume", "volume"]
    with pytest.raises(FeedError, match="X.parquet: two columns are named 'volume'; rename or remove one"):
        read(tmp_path, pa.Table.from_arrays([days, *[column] * 6], names))
    bars = read(tmp_path, pa.Table.from_arrays([days, *[column] * 6], [*names[:5], "note", "note"]))
    assert bars.frame["close"].tolist() == [1.0, 1.0, 1.0]


LONG_AGO = "'9999-12-27T00:00:00.*' is not a time between 1800 and 2200; write ISO 8601"


@pytest.mark.parametrize("unit", ["s", "ms", "us", "int96"])
@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_times_that_nanoseconds_do_not_reach(tmp_path: Path, unit: str, zone: str | None) -> None:
    """64 bits of nanoseconds end in 2262; int96 would come back as a day of 1816."""
    moments = [dt.datetime(2018, 12, 24), dt.datetime(2018, 12, 26), dt.datetime(9999, 12, 27)]  # noqa: DTZ001
    times = pa.array(moments, pa.timestamp("us" if unit == "int96" else unit, zone))
    table = pa.Table.from_pandas(prices()).append_column("date", times)
    pq.write_table(table, tmp_path / "X.parquet", use_deprecated_int96_timestamps=unit == "int96")
    with pytest.raises(FeedError, match=f"X.parquet, row 3, column date: {LONG_AGO}"):
        read_file(tmp_path / "X.parquet")


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
@pytest.mark.parametrize("zone", [None, "Asia/Tokyo"])
def test_the_first_and_the_last_day_that_are_times(tmp_path: Path, unit: str, zone: str | None) -> None:
    days = [dt.datetime(1800, 1, 1), dt.datetime(1800, 1, 2), dt.datetime(2199, 12, 31, 23)]  # noqa: DTZ001
    days = days if zone is None else [*days[:2], dt.datetime(2199, 12, 31)]  # noqa: DTZ001
    times = pa.array(pd.DatetimeIndex(days).tz_localize(zone), pa.timestamp(unit, zone))
    table = pa.Table.from_pandas(prices()).append_column("date", times)
    assert list(read(tmp_path, table, bar="1d").frame.index) == [pd.Timestamp(day).normalize() for day in days]
    for wrong in (dt.datetime(1799, 12, 31), dt.datetime(2200, 1, 1)):  # noqa: DTZ001
        times = pa.array(pd.DatetimeIndex([wrong] * 3).tz_localize(zone), pa.timestamp(unit, zone))
        with pytest.raises(FeedError, match="row 1, column date: .* is not a time between 1800 and 2200"):
            read(tmp_path, table.set_column(5, "date", times), bar="1d")


def test_int96_times_are_read(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(prices()).append_column("date", pa.array(DAYS.as_unit("us")))
    pq.write_table(table, tmp_path / "X.parquet", use_deprecated_int96_timestamps=True)
    (bars,) = read_file(tmp_path / "X.parquet")
    assert list(bars.frame.index) == list(DAYS)


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (pa.array([2**62] * 3, pa.timestamp("ms")), r"'\d{9}-.*' is not a time between .* \(3 rows in all\)"),
        (pa.array([2**62] * 3, pa.timestamp("ms", "Asia/Tokyo")), r"'\d{9}-.*' is not a time between 1800 and 2200"),
        (pa.array([2**63 - 1] * 3, pa.timestamp("ns", "+05:30")), "'2262-04-11T23:47:16.854775807' is not a time"),
        (pa.array([2**31 - 1] * 3, pa.date32()), "'5881580-07-11T00:00:00' is not a time"),  # Arrow's last day
        (pa.array([-(2**31)] * 3, pa.date32()), "'-5877641-06-23T00:00:00' is not a time"),
        (pa.array([253_402_300_800_000] * 3, pa.date64()), "'10000-01-01T00:00:00.*' is not a time"),
        (pa.array([[1]] * 3), "'list<element: int64>' is not a date"),
        (pa.array([1, 2, 3], pa.duration("ns")), r"'duration\[ns\]' is not a date"),
        (pa.array([1, 2, 3], pa.time32("s")), "'00:00:01' is not a date"),
        (pa.array([b"\xff"] * 3), "not UTF-8 text; write it as text"),
        (
            pa.array([86_400] * 3, pa.timestamp("s", "Mars/Olympus")),
            "unknown timezone 'Mars/Olympus'; write times in UTC",
        ),
    ],
    ids=kind_of,
)
def test_columns_that_can_be_no_times(tmp_path: Path, times: pa.Array, words: str) -> None:
    with pytest.raises(FeedError, match=f"X.parquet, (row 1, )?column date: {words}"):
        read(tmp_path, pa.Table.from_pandas(prices()).append_column("date", times))


@pytest.mark.parametrize(
    "column",
    [
        pa.array([{"a": 1}] * 3), pa.array([[("a", 1)]] * 3, pa.map_(pa.string(), pa.int64())), pa.array([b"x"] * 3),
        pa.array([253_402_300_800_000] * 3, pa.timestamp("ms", "UTC")), pa.array([True] * 3),
        pa.array(["9" * 400] * 3),
    ],
    ids=kind_of,
)  # fmt: skip
def test_columns_that_can_be_no_prices(tmp_path: Path, column: pa.Array) -> None:
    table = pa.Table.from_pandas(prices(date=DAYS).drop(columns="open")).append_column("open", column)
    with pytest.raises(FeedError, match="X.parquet, row 1, column open: .* is not a number"):
        read(tmp_path, table)


@pytest.mark.parametrize("column", [pa.array([["A"]] * 3), pa.array([1.5] * 3), pa.array([b"\xff"] * 3)], ids=kind_of)
def test_columns_that_can_be_no_symbols(tmp_path: Path, column: pa.Array) -> None:
    with pytest.raises(FeedError, match="X.parquet, column symbol: .*; write (them|it) as text"):
        read(tmp_path, pa.Table.from_pandas(prices(date=DAYS)).append_column("symbol", column))


def test_text_that_is_not_marked_as_text(tmp_path: Path) -> None:
    """Some writers leave the mark out, and numbers of Tokyo are symbols."""
    days = [f"{day:%Y-%m-%d}".encode() for day in DAYS]
    for dates in (pa.array(days), pa.array(days, pa.large_binary()), pa.array(days, pa.binary(10)),
                  pa.array(days).dictionary_encode()):  # fmt: skip
        bars = read(tmp_path, pa.Table.from_pandas(prices(symbol=[7203] * 3)).append_column("date", dates))
        assert bars.symbol == "7203" and list(bars.frame.index) == list(DAYS)


@pytest.mark.parametrize("kind", ["category", "string", "object"])
def test_symbols_in_any_type_of_text(tmp_path: Path, kind: str) -> None:
    prices(date=DAYS, symbol=pd.Series(["A", "B", "A"]).astype(kind)).to_parquet(tmp_path / "X.parquet")
    assert [(bars.symbol, len(bars.frame)) for bars in read_file(tmp_path / "X.parquet")] == [("A", 2), ("B", 1)]


def test_what_stands_in_columns_without_a_known_name_is_of_no_matter(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(prices(date=DAYS))
    for name, column in (
        ("a", pa.array([2**31 - 1] * 3, pa.date32())), ("b", pa.array([1] * 3, pa.timestamp("s", "Mars/Olympus"))),
        ("c", pa.array([[[1]]] * 3)), ("d", pa.array([1] * 3, pa.time64("ns"))), ("e", pa.array([b"\xff"] * 3)),
    ):  # fmt: skip
        table = table.append_column(name, column)
    assert len(read(tmp_path, table).frame) == 3


def test_times_of_day_are_cut_to_microseconds(tmp_path: Path) -> None:
    clocks = pa.array([52_260_000_000_001, 52_320_000_000_001, 52_380_000_000_001], pa.time64("ns"))  # 14:31 and 1 ns
    table = pa.Table.from_pandas(prices(date=[DAYS[0]] * 3)).append_column("time", clocks)
    bars = read(tmp_path, table, timezone="UTC")
    assert list(bars.frame.index) == [pd.Timestamp(f"2018-12-24 14:{minute}Z") for minute in (31, 32, 33)]


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (b"", "Parquet magic bytes not found in footer. Either the file is corrupted or this is not a parquet file"),
        ((40).to_bytes(4, "little") + b"PAR1", "Couldn't deserialize thrift: don't know what type"),
    ],
)
def test_the_reason_of_a_file_that_is_none_ends_with_a_word(tmp_path: Path, end: bytes, reason: str) -> None:
    (tmp_path / "FAKE.parquet").write_bytes(b"PAR1" + b"hello garbage" * 20 + end)
    with pytest.raises(FeedSourceError) as caught:
        read_file(tmp_path / "FAKE.parquet")
    assert str(caught.value).endswith(f"FAKE.parquet: the Parquet file is damaged ({reason}); get it again")


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
