"""Files that cannot be bars are refused whole: file, line, value and cure are named, and nothing is guessed."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import CalendarError, FeedEmptyError, FeedError, FeedSourceError, HalflifeError, UnknownNameError
from feeds.sources.files import FileFormat, read_file

HEADER = "date,open,high,low,close,volume\n"
ROW = "2018-12-24,10.0,12.0,9.0,11.0,1000\n"
NEXT = "2018-12-26,10.0,12.0,9.0,11.0,1000\n"
ZIPPED = gzip.compress((HEADER + ROW + NEXT).encode(), mtime=0)  # names of tests hold it: the same in all workers
MANY = [(f"2018-{month:02d}-{day:02d}", day) for month in (10, 11) for day in range(1, 16)]  # 30 rows


def in_parquet() -> bytes:
    buffer = io.BytesIO()
    pd.read_csv(io.StringIO(HEADER + ROW)).to_parquet(buffer)
    return buffer.getvalue()


def refused(
    folder: Path, content: str | bytes, form: FileFormat | None = None, name: str = "ACME.csv"
) -> HalflifeError:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(HalflifeError) as caught:
        read_file(file, form)
    return caught.value


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"", FeedEmptyError, "is empty"),
        (b"\n \r\n\t\n", FeedEmptyError, "is empty"),
        (b"\xef\xbb\xbf", FeedEmptyError, "is empty"),
        (gzip.compress(b"", mtime=0), FeedEmptyError, "is empty"),
        (HEADER, FeedEmptyError, "has a header and no bars"),
        (HEADER.strip(), FeedEmptyError, "has a header and no bars"),
        (HEADER + "\n\n", FeedEmptyError, "has a header and no bars"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", FeedSourceError, "binary file"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(range(256)), FeedSourceError, "binary file"),
        (b"PK\x03\x04" + bytes(range(256)), FeedSourceError, "zip archive or an Excel workbook"),
        ((HEADER + ROW).encode() + b"2018-12-26,1,1,1,1,\0\n", FeedSourceError, "binary file"),
        (ZIPPED[:-12], FeedSourceError, "gzip file is damaged"),
        (ZIPPED[:20] + bytes([ZIPPED[20] ^ 255]) + ZIPPED[21:], FeedSourceError, "gzip file is damaged"),
        (ZIPPED + b"junk", FeedSourceError, "gzip file is damaged"),
        (in_parquet()[:-9], FeedSourceError, "Parquet file is damaged"),
        (b"PAR1" + bytes(100), FeedSourceError, "Parquet file is damaged"),
        (b"PAR1", FeedSourceError, "Parquet file is damaged"),
        (b"<!DOCTYPE html>\n<html><body>Log in</body></html>\n", FeedSourceError, "is a web page or XML, not a tab"),
        (b"\n<?xml version='1.0'?>\n<bars/>\n", FeedSourceError, "is a web page or XML, not a table"),
        (
            HEADER.encode() + "2018-12-24,1,1,1,1,1é\n".encode("latin-1"),
            FeedSourceError,
            "line 2: not UTF-8 text.*save the file as UTF-8",
        ),
        ((HEADER + ROW).encode("utf-16")[:-1], FeedSourceError, "not UTF-16 text"),
        ((HEADER + ROW).encode("utf-32"), FeedSourceError, "binary file|not UTF"),
    ],
)
def test_what_is_not_text_with_rows(
    tmp_path: Path, content: str | bytes, kind: type[HalflifeError], words: str
) -> None:
    error = refused(tmp_path, content)
    assert type(error) is kind
    assert "ACME.csv" in str(error)
    with pytest.raises(kind, match=words):
        raise error


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ((HEADER + ROW).replace(",", " "), "line 1: 'date open .*' is not separated by commas.*; separate"),
        ((HEADER + ROW).replace(",", "^"), "line 1: .* is not separated by commas"),
        ('{"status": "ERROR",\n"error": "unknown key"}\n', "line [12]: "),
        (ROW + NEXT, "line 1: values where the names of the columns should be .*put a header before them: date,"),
        (
            "date,open,high,low\n2018-12-24,1,1,1\n",
            "line 1: no column close in 'date,open,high,low'; rename the column .*, or",
        ),
        (
            "Datum;Open;Hoch;Tief;Schluss\n2018-12-24;1;1;1;1\n",
            "line 1: no column date .*, high, low, close in .* as in date,",
        ),
        ("\n\nopen,high,low,close\n1,1,1,1\n", r"line 3: no column date \(or datetime, timestamp\) in"),
        ("date,open,high,low,Close,close\n2018-12-24,1,1,1,1,1\n", "line 1: two columns are named 'close'; rename"),
        (HEADER + ROW + "2018-12-26,1,1,1,1,1,1\n" + NEXT, "line 3: 7 values, but the header has 6; give every line"),
        (HEADER + "2018-12-24,1,1,1,1,1,1\n", "line 2: 7 values, but the header has 6"),
        (HEADER + "2018-12-24,10,5,11,0,9,0,10,5,1000\n", "line 2: 10 values, but the header has 6"),
        (HEADER + ROW + "\n2018-12-26,1,1\n" + NEXT, "line 4: 3 values, but the header has 6"),
        (HEADER + ROW + "2018-12-26,1,1,1,1", "line 3: 5 values, but the header has 6"),
        (HEADER + ROW + '2018-12-26,"1",1\n', "line 3: 3 values, but the header has 6"),
        (HEADER + ROW + '2018-12-26,"1,1,1,1,1\n' + NEXT, "line 3: .*close the quotes"),
        ("symbol," + HEADER + "A," + ROW + "," + NEXT, "line 3, column symbol: no value; fill it in"),
    ],
)
def test_rows_and_headers_that_do_not_fit(tmp_path: Path, text: str, words: str) -> None:
    error = refused(tmp_path, text)
    assert isinstance(error, FeedError)
    with pytest.raises(FeedError, match=f"ACME.csv, {words}"):
        raise error


@pytest.mark.parametrize(
    "value",
    ["abc", "1,234", "12.34.56", "0x10", "1_000", "(5)", "5%", "1.5M", "inf", "-inf", "1e999", "True", "10:30", "١٢"],
)
def test_prices_that_are_no_plain_number(tmp_path: Path, value: str) -> None:
    """1,234 may be a thousand or a decimal comma; 1,234.50 can only be one."""
    error = refused(tmp_path, f'{HEADER}{ROW}\n2018-12-26,10,12,9,"{value}",5\n2018-12-27,10,12,9,"{value}",5\n')
    assert isinstance(error, FeedError)
    assert "ACME.csv, line 4, column close: " in str(error)
    assert "is not a number (2 lines in all); write plain numbers" in str(error)


@pytest.mark.parametrize("digits", [309, 400])
def test_a_whole_number_that_no_float_holds(tmp_path: Path, digits: int) -> None:
    """In a column of whole numbers, where pandas keeps an int."""
    error = refused(tmp_path, HEADER + f"2018-12-24,10,12,9,11,5\n2018-12-26,10,12,9,{'9' * digits},5\n")
    assert f"ACME.csv, line 3, column close: '{'9' * 80}...' is not a number; write" in str(error)


def test_thousands_are_read_where_they_can_be_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "ACME.csv"
    file.write_text(HEADER + '2018-12-26,"1,234.50","1,300.00","1,200.25","$1,250.75","1,234"\n')
    (bars,) = read_file(file)
    assert list(bars.frame.iloc[0]) == [1234.5, 1300.0, 1200.25, 1250.75, 1234.0]


@pytest.mark.parametrize("value", ["10.5", "1.2345", "10,5,0"])
def test_a_decimal_point_among_decimal_commas_is_no_number(tmp_path: Path, value: str) -> None:
    """Taken for a mark of thousands it would make 105 of 10.5."""
    rows = "".join(f"2018-12-{day};10,5;11,25;9,75;10,5;100\n" for day in (24, 26, 27))
    error = refused(tmp_path, HEADER.replace(",", ";") + rows + f"2018-12-28;{value};11,25;9,75;10,5;100\n")
    assert f"line 5, column open: '{value}' is not a number" in str(error)


@pytest.mark.parametrize(
    ("dates", "words"),
    [
        (["2018-01-31", "02/01/2018"], r"line 3, .* '02/01/2018' is not a date as those before it \('2018-01-31'\)"),
        (["02/01/2018", "2018-01-31"], "line 3, column date: '2018-01-31' is not a date"),
        (["31/01/2018", "02/13/2018"], "line 3, column date: '02/13/2018' is not a date"),
        (["01/02/2018", "02/02/2018"], "line 2, column date: '01/02/2018' may be day and month.*say --date-order"),
        (["01.02.2018", "02.02.2018"], "line 2, column date: '01.02.2018' may be day and month"),
        (["1/31/18", "2/1/18"], "line 2, column date: '1/31/18' is not a date"),
        (["2018-01-31", "2018-02-30"], "line 3, column date: '2018-02-30' is not a date"),
        (["31/01/2018", "31/02/2018"], "line 3, column date: '31/02/2018' is not a date"),
        (["2018-01-31", "soon"], "line 3, column date: 'soon' is not a date"),
        (["2018-01-31", "now"], "line 3, column date: 'now' is not a date"),
        (["2018-01-31", "today"], "line 3, column date: 'today' is not a date"),
        (["2018-01-31", "2018-02"], "line 3, column date: '2018-02' is not a date"),
        (["2018", "2019"], "line 2, column date: '2018' is not a date"),
        (["43458", "43459"], "line 2, column date: '43458' is not a date"),
        (["-5", "-4"], "line 2, column date: '-5' is not a date"),
        (["2018-01-31", "9999-12-31"], "line 3, column date: '9999-12-31' is not a time between 1800 and 2200"),
        (["9999999999999999999", "9999999999999999999"], "line 2, column date: '9{19}' is not a time between"),
        (["99999999999999999999", "99999999999999999999"], "line 2, column date: '9{20}' is not a date"),
        (["2018-01-31", ""], "line 3, column date: no value"),
        (["2018-01-31", "2018-02-01T10:00Z"], "line 3.*'2018-02-01T10:00Z' has an offset"),
        (["2018-02-01T10:00+01:00", "2018-02-01 11:00"], "line 3.*'2018-02-01 11:00' has no offset"),
        (["2018-02-01 10:00:00", "2018-02-01T11:00:00+1"], r"line 3: '2018-02-01T11:00:00\+1' has an offset"),
        (["2018-02-01 10:00", "2018-02-01 11:00 +100"], r"line 3, column date: '2018-02-01 11:00 \+100' is not a date"),
        (
            ["2018-02-01 10:00 +100", "2018-02-01 11:00 +100"],
            r"line 2, column date: '2018-02-01 10:00 \+100' is not a da",
        ),
        (["2018-02-01T10+01", "20180201T100000"], "line 3: '20180201T100000' has no offset"),
        (["Jan 31, 2018", "2018-02-01"], "line 3, column date: '2018-02-01' is not a date as those before it"),
    ],
)
def test_dates_that_are_none_or_may_be_two(tmp_path: Path, dates: list[str], words: str) -> None:
    rows = "".join(f'"{date}",10,12,9,11,5\n' for date in dates)
    error = refused(tmp_path, HEADER + rows)
    with pytest.raises(FeedError, match=f"ACME.csv, {words}"):
        raise error


@pytest.mark.parametrize(("order", "month"), [("dmy", 2), ("mdy", 1)])
def test_the_order_of_day_and_month_may_be_said(tmp_path: Path, order, month: int) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "ACME.csv"
    file.write_text(HEADER + "01/02/2018,10,12,9,11,5\n")
    (bars,) = read_file(file, FileFormat(date_order=order))
    assert bars.frame.index[0].month == month
    error = refused(tmp_path, HEADER + ("02/13/2018" if order == "dmy" else "13/02/2018") + ",10,12,9,11,5\n",
                    FileFormat(date_order=order))  # fmt: skip
    assert "line 2, column date: " in str(error) and "is not a date" in str(error)


def test_one_row_proves_the_order_of_all(tmp_path: Path) -> None:
    file = tmp_path / "ACME.csv"
    file.write_text(HEADER + "01/02/2018,10,12,9,11,5\n02/13/2018,10,12,9,11,5\n")
    (bars,) = read_file(file)
    assert list(bars.frame.index) == [pd.Timestamp("2018-01-02"), pd.Timestamp("2018-02-13")]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("date,open,low,high,close,volume", "high and low look exchanged"),
        ("date,low,high,open,close,volume", "open and low look exchanged"),
        ("date,open,high,close,low,volume", "low and close look exchanged"),
        ("date,open,high,low,volume,close", "close and volume look exchanged"),
        ("date,volume,high,low,close,open", "open and volume look exchanged"),
    ],
)
def test_names_of_columns_that_are_exchanged(tmp_path: Path, names: str, words: str) -> None:
    rows = "".join(
        f"{date},{10 + day / 8},{12 + day},{9 - day / 8},{11 + day / 4},{1000 * day}\n" for date, day in MANY
    )
    error = refused(tmp_path, names + "\n" + rows)
    assert isinstance(error, FeedError)
    assert f"ACME.csv: in 100% of the rows a price lies outside low to high; {words}" in str(error)
    assert "correct the header" in str(error)


def test_open_and_close_that_are_exchanged(tmp_path: Path) -> None:
    """A bar opens near the close before it: at 10, 11, 12, ... after closes of 10, 11, 12, ... . Newest first, too."""
    days = pd.bdate_range("2018-01-01", periods=40)
    rows = [f"{day:%Y-%m-%d},{10 + at},{12 + at},{9 + at},{11 + at},5\n" for at, day in enumerate(days)]
    wrong = HEADER.replace("open", "x").replace("close", "open").replace("x", "close")
    for ordered in (rows, rows[::-1]):
        assert "open and close look exchanged" in str(refused(tmp_path, wrong + "".join(ordered)))
        (tmp_path / "ACME.csv").write_text(HEADER + "".join(ordered))
        assert len(read_file(tmp_path / "ACME.csv")[0].frame) == 40


def test_open_and_close_of_a_walk_that_are_exchanged(tmp_path: Path) -> None:
    """Nights with half the move of days, as US stocks have them."""
    rng = np.random.default_rng(20181224)
    steps = rng.normal(size=500) * np.tile([0.5, 1.0], 250)
    walk = (100 + np.cumsum(steps)).round(2).reshape(250, 2)  # open and close of each day
    prices = {"open": walk[:, 0], "high": walk.max(axis=1), "low": walk.min(axis=1), "close": walk[:, 1]}
    frame = pd.DataFrame({"date": pd.bdate_range("2018-01-01", periods=250).strftime("%Y-%m-%d"), **prices})
    frame.to_csv(tmp_path / "ACME.csv", index=False)
    assert len(read_file(tmp_path / "ACME.csv")[0].frame) == 250
    frame.rename(columns={"open": "close", "close": "open"}).to_csv(tmp_path / "ACME.csv", index=False)
    with pytest.raises(FeedError, match="open and close look exchanged: .*; correct the header"):
        read_file(tmp_path / "ACME.csv")


@pytest.mark.parametrize("seed", range(8))
def test_a_price_that_goes_to_and_fro_by_a_tick_is_not_refused(tmp_path: Path, seed: int) -> None:
    """Half of its moves are 0, and so are half of its gaps: the median of either is 0 or a tick by chance."""
    ticks = np.random.default_rng(seed).integers(0, 2, (60, 2)) / 100 + 10
    days = pd.bdate_range("2018-01-01", periods=60)
    rows = [f"{day:%Y-%m-%d},{a},10.02,9.99,{b},5\n" for day, (a, b) in zip(days, ticks, strict=True)]
    (tmp_path / "ACME.csv").write_text(HEADER + "".join(rows))
    assert len(read_file(tmp_path / "ACME.csv")[0].frame) == 60


def test_bid_and_ask_that_are_exchanged(tmp_path: Path) -> None:
    rows = "".join(f"{date},{1 + day / 100},{0.99 + day / 100}\n" for date, day in MANY)
    assert "bid and ask look exchanged" in str(refused(tmp_path, "date,bid,ask\n" + rows))


@pytest.mark.parametrize(
    ("form", "rows", "kind", "words"),
    [
        (FileFormat(exchange="XNY"), ROW, CalendarError, "unknown exchange 'XNY'; did you mean 'XNYS'"),
        (
            FileFormat(timezone="America/NewYork"),
            ROW.replace("24,", "24 10:00,") + ROW.replace("24,", "24 11:00,"),
            UnknownNameError,
            "unknown timezone 'America/NewYork'; did you mean 'America/New_York'",
        ),
        (FileFormat(bar="1m"), ROW + NEXT, FeedError, "dates without a time of day, but the bars are to be 1m"),
        (
            FileFormat(bar="1d"),
            ROW.replace("24,", "24T10:00Z,") + ROW.replace("24,", "24T11:00Z,"),
            FeedError,
            "line 3: one more bar of 2018-12-24, but bars are to be daily",
        ),
        (
            None,
            "".join(ROW.replace("24,", f"24T15:{minute:02d}Z,") for minute in range(0, 60, 5)),
            FeedError,
            r"0:05:00 apart \(median\), which is no bar size that is known.*--bar",
        ),
        (
            FileFormat(bar="1h"),
            "".join(ROW.replace("24,", f"24T15:{minute:02d}Z,") for minute in range(0, 60, 5)),
            FeedError,
            "0:05:00 or a multiple apart, but they are to be 1h",
        ),
        (None, ROW.replace("24,", "24T15:00Z,"), FeedError, "--bar"),
        (
            None,
            ROW.replace("24,", "24 10:00,") + ROW.replace("24,", "24 11:00,"),
            FeedError,
            "line 2: 2018-12-24 10:00:00 says no timezone; say --tz America/New_York if that is it, or --tz UTC",
        ),
    ],
)
def test_what_the_user_says_and_the_file_does_not(
    tmp_path: Path, form: FileFormat | None, rows: str, kind: type[HalflifeError], words: str
) -> None:
    error = refused(tmp_path, HEADER + rows, form)
    assert type(error) is kind
    with pytest.raises(kind, match=words):
        raise error


def test_a_symbol_that_the_file_does_not_have(tmp_path: Path) -> None:
    text = f"symbol,{HEADER}AAPL,{ROW}IBM,{ROW}"
    error = refused(tmp_path, text, FileFormat(symbol="AAPLE"))
    assert isinstance(error, UnknownNameError)
    assert "no rows of 'AAPLE'; did you mean 'AAPL'?" in str(error)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "ACME.csv").write_text(HEADER + ROW)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(FeedSourceError, match=r"ACNE.csv does not exist; did you mean 'ACME.csv'"):
        read_file(tmp_path / "ACNE.csv")
    with pytest.raises(FeedSourceError, match=r"nowhere.*ACME.csv does not exist; correct the path"):
        read_file(tmp_path / "nowhere" / "ACME.csv")
    with pytest.raises(FeedSourceError, match=r"folder.csv is a folder; name the files in it: .*folder.csv/\*.csv"):
        read_file(tmp_path / "folder.csv")
    with pytest.raises(FeedSourceError, match="cannot be read"):
        read_file("\0.csv")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_rights(tmp_path: Path) -> None:
    file = tmp_path / "ACME.csv"
    file.write_text(HEADER + ROW)
    file.chmod(0)
    with pytest.raises(FeedSourceError, match=r"cannot be read \(Permission denied\); correct the path or its rights"):
        read_file(file)


def test_a_file_without_rights_as_the_system_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(FeedSourceError, match=r"cannot be read \(Permission denied\); correct the path or its rights"):
        read_file(tmp_path / "ACME.csv")


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["2018-12-24"], dtype="datetime64[us]"),
        pd.Series([[1.0, 2.0]]),
        pd.Series([{"a": 1.0}]),
        pd.Series([True]),
        pd.Series(["ten"]),
        pd.Series([pd.Timedelta("1D")]),
    ],
    ids=["times", "lists", "structs", "yes and no", "text", "durations"],
)
def test_parquet_columns_of_other_kinds_than_numbers(tmp_path: Path, column: pd.Series) -> None:
    frame = pd.DataFrame({"date": ["2018-12-24"], "open": column, "high": [12.0], "low": [9.0], "close": [11.0]})
    frame.to_parquet(tmp_path / "ACME.parquet")
    with pytest.raises(FeedError, match=r"ACME.parquet, row 1, column open: .* is not a number"):
        read_file(tmp_path / "ACME.parquet")


def test_a_parquet_file_by_name_only(tmp_path: Path) -> None:
    assert isinstance(refused(tmp_path, b"hello\n", name="ACME.parquet"), FeedSourceError | FeedError)


def test_text_in_parquet_that_is_no_utf_8(tmp_path: Path) -> None:
    """A flipped bit of an uncompressed page without a checksum is seen in text alone."""
    frame = pd.DataFrame(
        {"symbol": ["ACMEACME"], "date": ["2018-12-24"], **dict.fromkeys(["open", "high", "low"], [1.0])}
    )
    buffer = io.BytesIO()
    frame.assign(close=1.0).to_parquet(buffer, compression=None)
    error = refused(tmp_path, buffer.getvalue().replace(b"ACMEACME", b"ACME\xffCME"), name="ACME.parquet")
    assert isinstance(error, FeedSourceError)
    assert "the Parquet file is damaged" in str(error)


def test_damaged_parquet_files_are_never_another_error_and_never_other_bars(tmp_path: Path) -> None:
    whole = in_parquet()
    (tmp_path / "whole.parquet").write_bytes(whole)
    (bars,) = read_file(tmp_path / "whole.parquet", FileFormat(symbol="X"))
    for at in range(4, len(whole), 7):
        damaged = bytearray(whole)
        damaged[at] ^= 0x5A
        (tmp_path / "damaged.parquet").write_bytes(damaged)
        try:
            read_file(tmp_path / "damaged.parquet", FileFormat(symbol="X"))
        except HalflifeError as error:
            assert "damaged.parquet" in str(error)
    assert len(bars.frame) == 1
