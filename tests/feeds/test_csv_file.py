"""CSV files that a run reads, good and bad. Errors name the file and the line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.config import load_settings
from core.errors import FeedEmptyError, FeedError, FeedSourceError
from feeds import load
from feeds.bars import BarSize, Request
from feeds.sources.files import CsvSource

HEADER = "Date,Open,High,Low,Close,Volume\n"
ROW = "2018-12-24,10.0,11.0,9.0,10.5,1000\n"


def read(tmp_path: Path, text: str | bytes, bar: BarSize = "1d") -> tuple[pd.DataFrame, list[str]]:
    (tmp_path / "SPX.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    bars = CsvSource(str(tmp_path), {}).fetch(Request("SPX", bar))
    return bars.frame, list(bars.notes)


def loaded(tmp_path: Path, text: str, *overrides: str):
    (tmp_path / "SPX.csv").write_text(text, encoding="utf-8")
    settings = load_settings(
        None,
        [
            "data.source=csv",
            f"data.folder={tmp_path}",
            "strategies.meanrev.instruments=[SPX]",
            "strategies.pairs.pairs=[[SPX, IXIC]]",
            "risk.throttle.series=''",
            "instruments.IXIC.file=SPX.csv",
            *overrides,
        ],
    )
    return load(settings)


def test_columns_in_any_order_and_case(tmp_path: Path) -> None:
    frame, notes = read(tmp_path, "Close,volume,LOW, high ,Open,Date,Remark\n10.5,1000,9,11,10,2018-12-24,hm\n")
    assert frame.iloc[0].to_dict() == {"open": 10.0, "high": 11.0, "low": 9.0, "close": 10.5, "volume": 1000.0}
    assert frame.index[0] == pd.Timestamp("2018-12-24")
    assert notes == []


@pytest.mark.parametrize(
    ("text", "bar", "moment"),
    [
        ("2018-12-24", "1d", "2018-12-24"),
        ("20181224", "1d", "2018-12-24"),
        ("2018-12-24 14:30", "1d", "2018-12-24"),
        ("2018-12-24 14:30", "1m", "2018-12-24 14:30Z"),
        ("2018-12-24T14:30:00.250", "1s", "2018-12-24 14:30:00.250Z"),
        ("2018-12-24T14:30:00Z", "1m", "2018-12-24 14:30Z"),
        ("2018-12-24 09:30:00-05:00", "1h", "2018-12-24 14:30Z"),
        ("2018-12-24 15:30+0100", "1m", "2018-12-24 14:30Z"),
        ('"2018-12-24"', "1d", "2018-12-24"),
    ],
)
def test_times_are_iso_8601(tmp_path: Path, text: str, bar: BarSize, moment: str) -> None:
    frame, _ = read(tmp_path, HEADER + ROW.replace("2018-12-24", text), bar)
    assert frame.index[0] == pd.Timestamp(moment)


@pytest.mark.parametrize("name", ["date", "Datetime", "TIMESTAMP", "time"])
def test_the_time_column_has_several_names(tmp_path: Path, name: str) -> None:
    assert len(read(tmp_path, HEADER.replace("Date", name) + ROW)[0]) == 1


def test_byte_order_mark_crlf_and_blank_lines_are_no_matter(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbf" + (HEADER + ROW + "\n" + ROW.replace("24", "26") + "\n\n").replace("\n", "\r\n").encode()
    assert list(read(tmp_path, text)[0].index.day) == [24, 26]


def test_floats_are_read_exactly(tmp_path: Path) -> None:
    frame, _ = read(tmp_path, HEADER + "2018-12-24,0.1,0.30000000000000004,0.1,0.1,1e3\n")
    assert frame["high"].iloc[0] == 0.1 + 0.2


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("", FeedEmptyError, r"SPX.csv is empty"),
        ("\n\n", FeedEmptyError, r"SPX.csv is empty"),
        (HEADER, FeedEmptyError, "has a header and no bars"),
        (HEADER + "\n\n", FeedEmptyError, "has a header and no bars"),
        (ROW, FeedError, r"line 1: values where the names of the columns should be .*put a header before them: date,"),
        ("Date,Open,High,Low\n2018-12-24,1,1,1\n", FeedError, "line 1: no column close in .*add one"),
        ((HEADER + ROW).replace(",", "^"), FeedError, "line 1: .*separate the columns by commas"),
        ("Datum;Open\n1;2\n", FeedError, r"line 1: no column date \(or datetime, timestamp\), high, low, close in"),
        (
            HEADER + ROW + "\n" + ROW.replace("24", "26") + ROW.replace("24", "20"),
            FeedError,
            "line 5: '2018-12-20' is earlier than the line before; sort the lines by time, the oldest first",
        ),
        (HEADER + ROW.replace("24", "26") + ROW, FeedError, "SPX.csv: the newest bar comes first; sort the lines"),
        (
            HEADER + ROW + ROW + ROW.replace("24", "26") * 2,
            FeedError,
            r"line 3: '2018-12-24' is the time of the line before, too \(2 lines in all\); keep one line of each time",
        ),
        (HEADER + ROW + "2018-12-26,10,11,9,ten,5\n", FeedError, r"line 3, column Close: 'ten' is not a number"),
        (HEADER + ROW + "\n\n2018-12-26,10,11,9,,5\n", FeedError, "line 5, column Close: no value"),
        (HEADER + ROW + '2018-12-26,"1,000",11,9,10,5\n', FeedError, r"line 3, column Open: '1,000' is not a number"),
        (
            HEADER + "x,1,1,1,1,1\n" + ROW + "y,1,1,1,1,1\n",
            FeedError,
            r"line 2, column Date: 'x' is .*\(2 lines in all\)",
        ),
        (
            HEADER + ROW + "24/12/2018,1,1,1,1,1\n",
            FeedError,
            r"line 3, column Date: '24/12/2018' is not a date.*; write ISO",
        ),
        (HEADER + ROW + "2018-02-30,1,1,1,1,1\n", FeedError, "line 3, column Date: '2018-02-30' is not a date"),
        (HEADER + ROW + ",1,1,1,1,1\n", FeedError, "line 3, column Date: no value"),
        (HEADER + ROW + "2018-12-26T10:00Z,1,1,1,1,1\n", FeedError, "line 3: '2018-12-26T10:00Z' has an offset"),
        (HEADER + ROW + "2018-12-26,1,1,1,1,1,1,1\n", FeedError, "line 3.*as many values as the header"),
        (HEADER + "2018-12-24,1,1,1,1,1,7\n", FeedError, "as many values as the header"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", FeedSourceError, "is a binary file"),
        (HEADER.encode() + b"2018-12-24,1,1,1,1,\xff\xfe\n", FeedSourceError, "line 2: not UTF-8 text"),
    ],
)
def test_what_cannot_be_read_is_refused_with_file_and_line(
    tmp_path: Path, text: str | bytes, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=f"(?s){words}") as caught:
        read(tmp_path, text)
    assert "SPX.csv" in str(caught.value)


def test_a_missing_file_is_named_with_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "SPXX.csv").write_text(HEADER + ROW)
    settings = load_settings(None, ["data.source=csv", f"data.folder={tmp_path}"])
    with pytest.raises(FeedSourceError, match=r"SPX.csv does not exist; did you mean 'SPXX'"):
        load(settings)


def test_a_folder_in_place_of_a_file_and_no_folder_at_all(tmp_path: Path) -> None:
    (tmp_path / "SPX.csv").mkdir()
    with pytest.raises(FeedSourceError, match="SPX: .*SPX.csv is a folder; name the files in it"):
        CsvSource(str(tmp_path), {}).fetch(Request("SPX"))
    with pytest.raises(FeedSourceError, match="no file to read; set data.folder or instruments.SPX.file"):
        load(load_settings(None, ["data.source=csv"]))


def test_daily_bars_are_stamped_with_the_close_of_the_exchange(tmp_path: Path) -> None:
    rows = [ROW.replace("2018-12-24", day) for day in ("2018-12-24", "2018-12-25", "2018-12-27")]
    history = loaded(tmp_path, HEADER + "".join(rows))
    assert list(history.frames["SPX"].index) == [pd.Timestamp("2018-12-24 18:00Z"), pd.Timestamp("2018-12-27 21:00Z")]
    assert "SPX, IXIC: bars of 1 day without a session were left out (2018-12-25)." in history.notes
    assert "SPX, IXIC: 1 session has no bar (2018-12-26)." in history.notes


def test_daily_bars_with_an_offset_are_of_the_exchange_date(tmp_path: Path) -> None:
    history = loaded(tmp_path, HEADER + ROW.replace("2018-12-24", "2018-12-25T02:00:00Z"))  # 21:00 of the 24th
    assert list(history.frames["SPX"].index) == [pd.Timestamp("2018-12-24 18:00Z")]


def test_london_bars_close_in_london(tmp_path: Path) -> None:
    history = loaded(tmp_path, HEADER + ROW.replace("2018-12-24", "2018-07-02"), "instruments.SPX.exchange=XLON",
                     "instruments.IXIC.exchange=XLON")  # fmt: skip
    assert list(history.frames["SPX"].index) == [pd.Timestamp("2018-07-02 15:30Z")]


def test_intraday_bars_without_an_offset_are_utc(tmp_path: Path) -> None:
    rows = "".join(ROW.replace("2018-12-24", f"2018-12-24 14:{minute}:00") for minute in (31, 32))
    history = loaded(tmp_path, HEADER + rows, "data.bar=1m")
    assert list(history.frames["SPX"].index) == [pd.Timestamp("2018-12-24 14:31Z"), pd.Timestamp("2018-12-24 14:32Z")]
    assert "SPX, IXIC: times in the file say no timezone and were read as UTC." in history.notes


@pytest.mark.parametrize(("time", "bar"), [("2018-12-24T14:31:00Z", "1m"), ("2018-12-24", "1d")])
def test_times_that_leave_nothing_open_need_no_note(tmp_path: Path, time: str, bar: BarSize) -> None:
    assert read(tmp_path, HEADER + ROW.replace("2018-12-24", time), bar)[1] == []


def test_a_file_without_volume_says_so(tmp_path: Path) -> None:
    frame, notes = read(tmp_path, "date,open,high,low,close\n2018-12-24,10,11,9,10\n")
    assert frame["volume"].tolist() == [0.0]
    assert notes == ["SPX: the file has no volume, so it is 0 and volume-share slippage would fill nothing."]


def test_unadjusted_prices_are_named(tmp_path: Path) -> None:
    text = "Date,Open,High,Low,Close,Adj Close,Volume\n2018-12-24,10,11,9,10,5,1\n2018-12-26,10,11,9,10,10,1\n"
    _, notes = read(tmp_path, text)
    assert len(notes) == 1 and "not adjusted (the adjusted close differs on 50% of bars)" in notes[0]


@pytest.mark.real_data
def test_real_daily_bars_load_and_their_defects_are_named(tmp_path: Path, shared_data: Path) -> None:
    table = pd.read_parquet(shared_data / "us_equities_daily_2015_2017.parquet")
    nike = table[table["symbol"] == "NKE"].drop(columns="symbol").rename(columns={"adj_close": "Adj Close"})
    prices = ["open", "high", "low", "close", "Adj Close"]
    nike[prices] = nike[prices].astype("float64").round(2)
    history = loaded(tmp_path, nike.assign(date=nike["date"].dt.strftime("%Y-%m-%d")).to_csv(index=False))
    frame = history.frames["SPX"]
    days = pd.DatetimeIndex(frame.index.tz_convert("America/New_York").date)
    np.testing.assert_array_equal(frame["close"], nike.set_index("date")["close"][days])
    # a split on 2015-12-24: the file's adjusted close differs on the day before it, and on no other day
    assert any("SPX, IXIC: prices are not adjusted" in note for note in history.notes)
    assert len(frame) + sum(day not in days for day in nike["date"]) == len(nike)
