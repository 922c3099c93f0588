"""Files as vendors write them, a few lines of each, read without a word about them but the timezone."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import UnknownNameError
from feeds.bars import RawBars
from feeds.sources.files import FileFormat, read_file

YAHOO = """Date,Open,High,Low,Close,Adj Close,Volume
2018-12-24,148.149994,151.550003,146.589996,146.830002,142.305,37169200
2018-12-26,148.300003,157.229996,146.720001,157.169998,152.327,58582500
2018-12-27,,,,,,
"""
STOOQ_DAILY = """<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>
AAPL.US,D,20181224,000000,37.0375,37.8875,36.6475,36.7075,148676920,0
AAPL.US,D,20181226,000000,37.075,39.3075,36.68,39.2925,234330176,0
"""
STOOQ_HOURLY = """<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>
CDR,60,20181227,100000,146,147.5,145,147,1000,0
CDR,60,20181227,110000,147,148,146.5,146.5,900,0
CDR,60,20181227,120000,146.5,147,146,146.5,800,0
"""
NASDAQ = """Date,Close/Last,Volume,Open,High,Low
12/26/2018,$157.17,58582540,$148.30,$157.23,$146.72
12/24/2018,$146.83,37169230,$148.15,$151.55,$146.59
12/21/2018,"$1,150.73",95744380,"$1,156.86","$1,158.16","$1,149.63"
"""
INVESTING = """"Date","Price","Open","High","Low","Vol.","Change %"
"Dec 26, 2018","2,467.70","2,363.12","2,467.76","2,346.58","1.25M","4.96%"
"Dec 24, 2018","2,351.10","2,400.56","2,410.34","2,351.10","998.10K","-2.71%"
"Dec 21, 2018","2,416.62","2,465.38","2,504.41","2,408.55","-","-2.06%"
"""
ALPHA_VANTAGE = """timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient
2018-12-26,148.30,157.23,146.72,157.17,152.327,58582544,0.0000,1.0
2018-12-24,148.15,151.55,146.59,146.83,142.305,37169232,0.0000,1.0
"""
METATRADER = """<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<SPREAD>
2018.12.27\t14:31:00\t1.13925\t1.13941\t1.13911\t1.13930\t88\t7
2018.12.27\t14:32:00\t1.13930\t1.13952\t1.13930\t1.13950\t91\t6
2018.12.27\t14:33:00\t1.13950\t1.13955\t1.13940\t1.13941\t70\t6
"""
METASTOCK = """<TICKER>,<DTYYYYMMDD>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>
EURUSD,20181227,143100,1.13925,1.13941,1.13911,1.13930,4
EURUSD,20181227,143200,1.13930,1.13952,1.13930,1.13950,4
"""
POLYGON_FLAT = """ticker,volume,open,close,high,low,window_start,transactions
AAPL,38,155.84,156.0,156.1,155.8,1545921060000000000,5
AAPL,40,156.0,156.1,156.2,155.9,1545921120000000000,7
NA,12,3.0,3.1,3.2,2.9,1545921060000000000,1
NA,13,3.1,3.1,3.2,3.0,1545921120000000000,1
"""
DUKASCOPY = """Gmt time,Open,High,Low,Close,Volume
27.12.2018 14:31:00.000,1.13925,1.13941,1.13911,1.1393,412.5
27.12.2018 14:32:00.000,1.1393,1.13952,1.1393,1.1395,388.12
"""
TRADESTATION = """"Date","Time","Open","High","Low","Close","Up","Down","Vol"
12/27/2018,0931,155.84,156.77,155.5,156.1,10,20,30
12/27/2018,0932,156.1,156.2,155.9,156.0,10,20,30
"""


def read(folder: Path, text: str | bytes, name: str = "X.csv", **known) -> list[RawBars]:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_file(file, FileFormat(**known))


def test_yahoo_and_its_empty_row(tmp_path: Path) -> None:
    (bars,) = read(tmp_path, YAHOO, "AAPL.csv")
    assert (bars.symbol, bars.bar, bars.source, bars.adjusted) == ("AAPL", "1d", "csv:AAPL.csv", "raw")
    assert list(bars.frame.columns) == ["open", "high", "low", "close", "volume", "adj_close"]
    assert set(bars.frame.dtypes) == {np.dtype("float64")}
    assert bars.frame.index.name == "time" and bars.frame.index.dtype == "datetime64[us]"
    assert bars.frame.loc["2018-12-26"].tolist() == [148.300003, 157.229996, 146.720001, 157.169998, 58582500, 152.327]
    assert bars.frame.loc["2018-12-27"].isna().all()
    assert bars.notes == ()


def test_stooq_daily_says_its_ticker(tmp_path: Path) -> None:
    (bars,) = read(tmp_path, STOOQ_DAILY, "aapl_us_d.txt")
    assert (bars.symbol, bars.bar) == ("AAPL.US", "1d")
    assert list(bars.frame.index) == [pd.Timestamp("2018-12-24"), pd.Timestamp("2018-12-26")]
    assert bars.frame["volume"].tolist() == [148676920, 234330176]


def test_stooq_hourly_is_of_warsaw(tmp_path: Path) -> None:
    (bars,) = read(tmp_path, STOOQ_HOURLY, exchange="XWAR", timezone="Europe/Warsaw")
    assert (bars.symbol, bars.bar, bars.exchange) == ("CDR", "1h", "XWAR")
    assert list(bars.frame.index) == [pd.Timestamp(f"2018-12-27 {hour}:00Z") for hour in ("09", "10", "11")]


def test_nasdaq_prices_have_dollars_and_the_newest_row_comes_first(tmp_path: Path) -> None:
    (bars,) = read(tmp_path, NASDAQ)
    assert [str(day.date()) for day in bars.frame.index] == ["2018-12-26", "2018-12-24", "2018-12-21"]
    assert bars.frame["close"].tolist() == [157.17, 146.83, 1150.73]
    assert bars.frame["open"].tolist() == [148.30, 148.15, 1156.86]


def test_investing_writes_months_as_words_and_volumes_in_millions(tmp_path: Path) -> None:
    (bars,) = read(tmp_path, INVESTING)
    assert [str(day.date()) for day in bars.frame.index] == ["2018-12-26", "2018-12-24", "2018-12-21"]
    assert bars.frame["close"].tolist() == [2467.7, 2351.1, 2416.62]
    assert bars.frame["volume"].tolist()[:2] == [1_250_000.0, 998_100.0]
    assert np.isnan(bars.frame["volume"].iloc[2])


def test_months_in_full(tmp_path: Path) -> None:
    text = INVESTING.replace("Dec 26", "May 26").replace("Dec 24", "June 24").replace("Dec 21", "September 21")
    (bars,) = read(tmp_path, text)
    assert [day.month for day in bars.frame.index] == [5, 6, 9]


def test_alpha_vantage_has_an_adjusted_close(tmp_path: Path) -> None:
    (bars,) = read(tmp_path, ALPHA_VANTAGE)
    assert bars.frame["adj_close"].tolist() == [152.327, 142.305]
    assert bars.frame["close"].tolist() == [157.17, 146.83]


def test_metatrader_parts_date_and_time(tmp_path: Path) -> None:
    (bars,) = read(tmp_path, METATRADER, "EURUSD_M1.tsv", timezone="Europe/Athens")  # the clock of many brokers
    assert (bars.symbol, bars.bar) == ("EURUSD_M1", "1m")
    assert list(bars.frame.index) == [pd.Timestamp(f"2018-12-27 12:{minute}Z") for minute in (31, 32, 33)]
    assert bars.frame["volume"].tolist() == [88, 91, 70]


def test_metastock_parts_date_and_time_under_its_own_name(tmp_path: Path) -> None:
    (bars,) = read(tmp_path, METASTOCK, timezone="UTC")
    assert (bars.symbol, bars.bar) == ("EURUSD", "1m")
    assert list(bars.frame.index) == [pd.Timestamp(f"2018-12-27 14:{minute}Z") for minute in (31, 32)]


def test_polygon_flat_files_hold_many_symbols_and_the_start_of_bars_in_nanoseconds(tmp_path: Path) -> None:
    apple, nano = read(tmp_path, POLYGON_FLAT, stamp="open")
    assert (apple.symbol, nano.symbol) == ("AAPL", "NA")  # a real symbol, and no gap
    assert list(apple.frame.index) == list(nano.frame.index)
    assert list(apple.frame.index) == [pd.Timestamp(f"2018-12-27 14:{minute}Z") for minute in (32, 33)]
    assert apple.frame.iloc[0].tolist() == [155.84, 156.1, 155.8, 156.0, 38]


def test_dukascopy_says_that_its_times_are_of_greenwich(tmp_path: Path) -> None:
    (bars,) = read(tmp_path, DUKASCOPY)
    assert list(bars.frame.index) == [pd.Timestamp(f"2018-12-27 14:{minute}Z") for minute in (31, 32)]
    daily = DUKASCOPY.replace("14:31", "00:00").replace("27.12.2018 14:32", "28.12.2018 00:00")
    assert [str(time) for time in read(tmp_path, daily)[0].frame.index] == [
        "2018-12-27 00:00:00",
        "2018-12-28 00:00:00",
    ]


def test_tradestation_writes_times_of_day_in_four_digits(tmp_path: Path) -> None:
    (bars,) = read(tmp_path, TRADESTATION, timezone="America/New_York")
    assert list(bars.frame.index) == [pd.Timestamp(f"2018-12-27 14:{minute}Z") for minute in (31, 32)]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("day", ["1998-01-02", "2018-12-27"])  # nine digits of seconds, and ten
def test_times_since_1970(tmp_path: Path, unit: str, day: str) -> None:
    times = pd.DatetimeIndex([f"{day} 14:31", f"{day} 14:32", f"{day} 14:33"])
    numbers = (times - pd.Timestamp(0)) // pd.Timedelta(1, unit)
    text = "t,o,h,l,c,v\n" + "".join(f"{number},10,11,9,10,5\n" for number in numbers)
    (bars,) = read(tmp_path, text)
    assert bars.bar == "1m"
    assert list(bars.frame.index) == list(times.tz_localize("UTC"))


def test_a_second_more_or_less_than_nine_digits_is_one_unit(tmp_path: Path) -> None:
    """2001-09-09 01:46:40 UTC is second 1,000,000,000."""
    rows = "".join(f"{1_000_000_000 + step},10,11,9,10,5\n" for step in (-2, -1, 0, 1))
    (bars,) = read(tmp_path, "timestamp,open,high,low,close,volume\n" + rows)
    assert bars.bar == "1s"
    assert list(bars.frame.index) == list(pd.date_range("2001-09-09 01:46:38", periods=4, freq="s", tz="UTC"))


def test_one_symbol_of_many_is_taken_or_missed(tmp_path: Path) -> None:
    (bars,) = read(tmp_path, POLYGON_FLAT, symbol="NA")
    assert bars.symbol == "NA" and len(bars.frame) == 2
    with pytest.raises(UnknownNameError, match=r"X.csv: no rows of 'AAPLE'; did you mean 'AAPL'\?"):
        read(tmp_path, POLYGON_FLAT, symbol="AAPLE")
    with pytest.raises(UnknownNameError, match=r"no rows of 'MSFT'; it has AAPL, NA$"):
        read(tmp_path, POLYGON_FLAT, symbol="MSFT")


def test_rows_of_symbols_may_be_mixed_and_keep_their_order(tmp_path: Path) -> None:
    rows = [("B", 2, 20), ("A", 3, 30), ("B", 1, 10), ("A", 3, 31), ("B", 2, 21)]
    text = "symbol,date,open,high,low,close,volume\n"
    text += "".join(f"{symbol},2018-12-0{day},5,6,4,5,{volume}\n" for symbol, day, volume in rows)
    second, first = read(tmp_path, text)
    assert (second.symbol, second.frame["volume"].tolist()) == ("B", [20, 10, 21])
    assert (first.symbol, first.frame["volume"].tolist()) == ("A", [30, 31])  # a duplicate stays
    assert [time.day for time in first.frame.index] == [3, 3]


def test_symbols_stay_as_they_are_written(tmp_path: Path) -> None:
    text = "Ticker,Date,Open,High,Low,Close,Volume\n" + "".join(
        f"{symbol},2018-12-24,10,11,9,10,5\n" for symbol in ("0700", " BRK.B ", "TRUE", "nan", "1e5")
    )
    assert [bars.symbol for bars in read(tmp_path, text)] == ["0700", "BRK.B", "TRUE", "nan", "1e5"]


@pytest.mark.parametrize(
    ("name", "symbol"),
    [("SPY.csv", "SPY"), ("BRK.B.csv.gz", "BRK.B"), ("spy.us.txt", "spy.us"), ("EURUSD.TSV", "EURUSD"), ("X", "X")],
)
def test_a_file_without_a_column_of_symbols_is_named_by_its_symbol(tmp_path: Path, name: str, symbol: str) -> None:
    content = gzip.compress(YAHOO.encode()) if name.endswith("gz") else YAHOO.encode()
    assert [bars.symbol for bars in read(tmp_path, content, name)] == [symbol]
    assert [bars.symbol for bars in read(tmp_path, content, name, symbol="OTHER")] == ["OTHER"]


def test_quotes_without_prices_are_taken_at_their_middle(tmp_path: Path) -> None:
    text = (
        "datetime,bid,bid_size,ask,ask_size\n2018-12-24,1.10,5,1.20,6\n2018-12-26,1.30,5,1.20,6\n2018-12-27,1.3,5,,6\n"
    )
    (bars,) = read(tmp_path, text, "EURUSD.csv")
    assert list(bars.frame.columns) == ["open", "high", "low", "close", "volume", "bid", "ask", "bid_size", "ask_size"]
    np.testing.assert_allclose(bars.frame["close"], [1.15, 1.25, np.nan])  # crossed quotes stay crossed
    assert bars.frame["bid"].tolist() == [1.1, 1.3, 1.3]
    assert bars.frame[["bid_size", "ask_size"]].to_numpy().tolist() == [[5, 6], [5, 6], [5, 6]]
    assert bars.notes[0].startswith("EURUSD: the file holds quotes: ")


def test_quotes_beside_prices_are_kept(tmp_path: Path) -> None:
    text = "date,open,high,low,close,volume,bid,ask\n2018-12-24,10,11,9,10,5,9.9,10.1\n2018-12-26,10,11,9,10,5,,\n"
    (bars,) = read(tmp_path, text)
    assert bars.frame["bid"].tolist()[0] == 9.9 and bars.frame[["bid", "ask"]].iloc[1].isna().all()


def test_what_is_known_of_a_file_goes_with_its_bars(tmp_path: Path) -> None:
    (bars,) = read(tmp_path, YAHOO, currency="EUR", exchange="XETR", adjusted="split")
    assert (bars.currency, bars.exchange, bars.adjusted) == ("EUR", "XETR", "split")


@pytest.mark.parametrize(
    ("separator", "open_", "value"),
    [
        (";", "10,5", 10.5), ("\t", "10,5", 10.5), ("|", "10,5", 10.5), (";", "1.010,5", 1010.5),
        (";", "1.234.567,5", 1234567.5), (";", "10", 10.0), (";", "$10,5", 10.5), (";", "1,05e1", 10.5),
    ],
)  # fmt: skip
def test_decimal_commas(tmp_path: Path, separator: str, open_: str, value: float) -> None:
    lines = ["date;open;high;low;close;volume", f"24.12.2018;{open_};9000000,25;0,125;7,75;1.234"]
    (bars,) = read(tmp_path, "\n".join(lines).replace(";", separator))
    assert bars.frame.iloc[0].tolist() == [value, 9000000.25, 0.125, 7.75, 1234.0]


def test_semicolons_with_decimal_points_and_grouped_volumes(tmp_path: Path) -> None:
    text = "date;open;high;low;close;volume\n2018-12-24;10.5;11;9;10.25;1,234\n2018-12-26;10.5;11;9;10.25;12,345,678\n"
    (bars,) = read(tmp_path, text)
    assert bars.frame["open"].tolist() == [10.5, 10.5]
    assert bars.frame["volume"].tolist() == [1234, 12345678]


@pytest.mark.parametrize("gap", ["", "-", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "None"])
def test_empty_cells_are_gaps(tmp_path: Path, gap: str) -> None:
    (bars,) = read(
        tmp_path, f"date,open,high,low,close,volume\n2018-12-24,10,11,9,{gap},5\n2018-12-26,10,11,9,10,{gap}\n"
    )
    assert np.isnan(bars.frame["close"].iloc[0]) and np.isnan(bars.frame["volume"].iloc[1])
    assert bars.frame.isna().sum().sum() == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_encodings_and_ends_of_lines(tmp_path: Path, encoding: str, newline: str) -> None:
    text = f"\n  \n{YAHOO}".replace("\n", newline)
    for content in (text.encode(encoding), gzip.compress(text.encode(encoding))):
        (bars,) = read(tmp_path, content)
        assert len(bars.frame) == 3 and bars.frame["close"].iloc[0] == 146.830002
