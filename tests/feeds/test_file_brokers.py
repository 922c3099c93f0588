"""Bars as Interactive Brokers' API writes times, and days with their month as a word."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from core.errors import FeedError
from feeds.sources.files import FileFormat, read_file

HEADER = "date,open,high,low,close,volume,average,barCount\n"
VALUES = ",1,3,1,2,10.0,1.5,1\n"
NEW_YORK = FileFormat(timezone="America/New_York")
HALF_PAST_NINE = pd.Timestamp("2018-12-24 14:30Z")


def times(folder: Path, stamps: list[str], form: FileFormat | None = None) -> pd.DatetimeIndex:
    file = folder / "ACME.csv"
    file.write_text(HEADER + "".join(stamp + VALUES for stamp in stamps))
    (bars,) = read_file(file, form)
    return pd.DatetimeIndex(bars.frame.index)


@pytest.mark.parametrize(
    ("first", "second", "form"),
    [
        ("20181224 09:30:00", "20181224 09:31:00", NEW_YORK),
        ("20181224  09:30:00", "20181224  09:31:00", NEW_YORK),
        ("20181224 09:30:00 US/Eastern", "20181224 09:31:00 US/Eastern", None),
        ("20181224 09:30:00 America/New_York", "20181224 09:31:00 America/New_York", FileFormat(timezone="UTC")),
        ("20181224 15:30:00 Europe/Berlin", "20181224 15:31:00 Europe/Berlin", None),
        ("2018-12-24 14:30:00 UTC", "2018-12-24 14:31:00 UTC", None),
        ("20181224-14:30:00", "20181224-14:31:00", FileFormat(timezone="UTC")),
        ("2018-12-24 09:30:00-05:00", "2018-12-24 09:31:00-05:00", None),
        ("1545661800", "1545661860", None),
    ],
)
def test_times_of_the_api(tmp_path: Path, first: str, second: str, form: FileFormat | None) -> None:
    assert list(times(tmp_path, [first, second], form)) == [HALF_PAST_NINE, HALF_PAST_NINE + pd.Timedelta("1min")]


def test_a_timezone_that_changes_or_is_none(tmp_path: Path) -> None:
    with pytest.raises(
        FeedError, match=r"line 3, column date: '20181224 09:31:00 MET/Zone' is not a time in US/Eastern"
    ):
        times(tmp_path, ["20181224 09:30:00 US/Eastern", "20181224 09:31:00 MET/Zone"])
    with pytest.raises(FeedError, match=r"line 3, column date: '20181224 09:31:00' is not a time in US/Eastern"):
        times(tmp_path, ["20181224 09:30:00 US/Eastern", "20181224 09:31:00"])
    with pytest.raises(
        FeedError, match=r"line 2, column date: '20181224 09:30:00 US/Estern' is not a time in a known timezone"
    ):
        times(tmp_path, ["20181224 09:30:00 US/Estern", "20181224 09:31:00 US/Estern"])


@pytest.mark.parametrize("stamps", [["24-Dec-2018", "2-Jan-2019"], ["24 December 2018", "02 January 2019"]])
def test_days_with_their_month_as_a_word(tmp_path: Path, stamps: list[str]) -> None:
    assert list(times(tmp_path, stamps)) == [pd.Timestamp("2018-12-24"), pd.Timestamp("2019-01-02")]
