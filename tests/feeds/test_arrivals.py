"""What bars say as they come in: dates of the future, weeks under the name of days, exchanged columns."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.clock import VirtualClock
from core.errors import FeedError
from feeds.bars import RawBars, Request
from feeds.room import DataRoom
from feeds.room.arrivals import doubt_bars
from feeds.sources.files import read_file

FRIDAYS = pd.date_range("2015-01-02", periods=60, freq="W-FRI")
MONTHS = pd.date_range("2010-01-31", periods=60, freq="ME")  # of which ends are on Saturdays and Sundays
DAYS = pd.bdate_range("2015-01-05", periods=60)


def bars(times: pd.DatetimeIndex, bar: str = "1d") -> RawBars:
    values = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 5.0}
    return RawBars("ACME", bar, pd.DataFrame(values, index=times.rename("time")), "csv:ACME.csv")  # type: ignore[arg-type]


def write(file: Path, times: pd.DatetimeIndex) -> Path:
    bars(times).frame.rename_axis("date").to_csv(file)
    return file


def notes(folder: Path, times: pd.DatetimeIndex, **options: str) -> list[str]:
    result = DataRoom(folder / "catalog").import_files(write(folder / "ACME.csv", times), **options)
    assert not result.failures and result.total("added") == len(times)
    return list(result.notes())


def test_ordinary_bars_say_nothing(tmp_path: Path) -> None:
    assert notes(tmp_path, DAYS) == []
    assert list(doubt_bars(bars(DAYS[:0]), "XNYS")) == []


def test_a_column_without_a_value_is_told_and_brought_later(tmp_path: Path) -> None:
    room, file = DataRoom(tmp_path / "catalog"), tmp_path / "ACME.csv"
    bars(DAYS).frame.assign(close=np.nan, volume=np.nan).rename_axis("date").to_csv(file)
    assert list(room.import_files(file).notes()) == [
        "not one bar has a close or a volume, and no run takes such bars: bring it, with --replace."
    ]
    again = room.import_files(write(file, DAYS), replace=True)
    assert again.total("replaced") == len(DAYS) and not again.notes()
    assert {finding.rule for finding in room.check().findings}.isdisjoint({"missing_price", "negative_volume"})


def test_days_of_the_future_are_told_and_stored(tmp_path: Path) -> None:
    later = pd.bdate_range("2190-01-04", periods=3)
    (note,) = notes(tmp_path, DAYS.append(later))
    assert note.startswith("3 bars of the future (now it is ")
    assert note.endswith("or the year read wrongly? If so, remove it and import it with the right dates.")
    assert "2190" in f"{DataRoom(tmp_path / 'catalog').show().series[0].last}"


@pytest.mark.parametrize(
    ("bar", "last", "told"),
    [
        ("1d", "2024-06-20", False),  # the session that is under way in New York
        ("1d", "2024-06-21", True),
        ("1h", "2024-06-20 15:00Z", False),  # began at 14:00
        ("1h", "2024-06-20 16:30Z", True),
    ],
)
def test_the_session_that_is_under_way_is_not_of_the_future(bar: str, last: str, told: bool) -> None:
    clock = VirtualClock(dt.datetime(2024, 6, 20, 14, 30, tzinfo=dt.UTC))
    found = list(doubt_bars(bars(pd.DatetimeIndex([last]), bar), "XNYS", clock))
    assert [note.partition(" (")[0] for note in found] == ["1 bar of the future"] * told


@pytest.mark.parametrize(("times", "name"), [(FRIDAYS, "5 sessions of XNYS: weekly"), (MONTHS, ": monthly")])
def test_weeks_and_months_that_are_said_to_be_days_are_told(tmp_path: Path, times: pd.DatetimeIndex, name: str) -> None:
    """That the ends of months are on weekends is no sign of another exchange."""
    (note,) = notes(tmp_path, times, bar="1d")
    assert note.startswith("bars come once in ") and f"{name} bars? A run takes each for a day; remove it and" in note


@pytest.mark.parametrize(("times", "days"), [(FRIDAYS, 7), (MONTHS, 31)])
def test_weeks_and_months_are_refused_where_nobody_says_that_they_are_days(
    tmp_path: Path, times: pd.DatetimeIndex, days: int
) -> None:
    words = rf"ACME.csv: the bars are {days} days apart \(median\): weekly or longer ones, .*; bring daily bars"
    with pytest.raises(FeedError, match=words):
        read_file(write(tmp_path / "ACME.csv", times))


class Muddled:
    """A service whose opens are closes: they rise by 1 a day."""

    name = "muddled"

    def symbols(self) -> tuple[str, ...]:
        return ()

    def fetch(self, request: Request) -> RawBars:
        close = 100.0 + np.arange(len(DAYS))
        values = {"open": close + 1, "high": close + 2, "low": close - 1, "close": close, "volume": 5.0}
        return RawBars(request.symbol, "1d", pd.DataFrame(values, index=DAYS.rename("time")), self.name)


def test_open_and_close_that_a_service_exchanges_are_told(tmp_path: Path) -> None:
    result = DataRoom(tmp_path / "catalog").pull(Muddled(), ["ACME", "BOLT"])
    (note,) = (note for note in result.notes() if "exchanged" in note)
    assert note.startswith("in 100% of the bars the open is farther from the close before it")
    assert result.notes()[note] == ["ACME", "BOLT"]
