"""Which record a moment belongs to, and how one day's record follows another's."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lived import desks

from core.errors import RecordError
from core.settings import Settings
from engine.build import resolve
from engine.venue import Carried, VenueOrder
from live.record_days import DayRecords
from live.record_files import read_record, records_of
from live.recording import START, TURNS, RecordingVenue

FIRST, SECOND = dt.date(2024, 7, 2), dt.date(2024, 7, 3)


def settings() -> Settings:
    return resolve(desks.settings(live={"fx": "settings"}))


def only(days: Path, day: dt.date) -> Path:
    (folder,) = records_of(days, f"{day}")
    return folder


# -- which day it is --------------------------------------------------------------------------------------------------


def at(day: int, hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime(2024, 7, day, hour, minute, tzinfo=dt.UTC)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "days"


class Now:
    def __init__(self, when: dt.datetime) -> None:
        self.when = when

    def __call__(self) -> dt.datetime:
        return self.when


def records_from(days: Path, now: Now, begin: dt.datetime) -> DayRecords:
    made = settings()
    return DayRecords(
        days, made, {"settings": made.model_dump(mode="json")}, begin=begin, state=None, now=now,
        take=lambda when: {"at": when.isoformat()},
        failed=pytest.fail,
    )  # fmt: skip


def test_a_process_that_starts_in_the_evening_belongs_to_the_day_that_it_trades(place: Path) -> None:
    now = Now(at(3, 0, 30))  # 20:30 in New York on the 2nd
    records = records_from(place, now, at(3, 13, 31))
    recorder = records.first()
    recorder.begin((), {})
    recorder.close()
    assert only(place, dt.date(2024, 7, 3)) == place / "2024-07-03" / "003000"
    for when in (at(3, 0, 30), at(3, 13, 30), at(3, 17, 0)):
        now.when = when
        assert not records.is_over(None) and not records.is_over(when)


@pytest.mark.parametrize(
    ("when", "is_over"),
    [
        (at(3, 17, 0), False),  # the early close
        (at(3, 23, 0), False),
        (at(4, 12, 0), False),  # a holiday
        (at(5, 3, 59), False),
        (at(5, 4, 0), True),  # midnight in New York
        (at(5, 13, 30), True),
    ],
)
def test_a_day_is_over_at_the_midnight_before_the_next_one(place: Path, when: dt.datetime, is_over: bool) -> None:
    now = Now(when)
    records = records_from(place, now, at(3, 13, 31))
    assert records.is_over(None) is is_over
    if is_over:
        recorder, since = records.next(at(3, 17), None)
        assert recorder.folder == place / "2024-07-05" / f"{when:%H%M%S}"
        recorder.begin((), {})
        about = json.loads((recorder.folder / START).read_text(encoding="utf-8"))
        assert (about["session"], about["begin"], about["at"]) == (
            "2024-07-05", "2024-07-03T17:00:01+00:00", "2024-07-03T17:00:00+00:00",
        )  # fmt: skip
        recorder.close()
        # six sessions before it, for few bars and a few gaps: 06-26 and on, so what lies after the close of 06-25
        assert since.date() == dt.date(2024, 6, 25)
        assert not records.is_over(None)


def test_the_first_bar_of_a_day_ends_the_one_before(place: Path) -> None:
    records = records_from(place, Now(at(2, 20)), at(2, 13, 31))
    assert not records.is_over(at(2, 20)) and records.is_over(at(3, 13, 31))
    recorder, _ = records.next(at(2, 20), at(3, 13, 31))
    assert recorder.folder.parent.name == "2024-07-03"
    recorder.close()


def test_runs_of_a_day_are_in_the_order_in_which_they_began(place: Path) -> None:
    now, begun = Now(at(2, 23, 30)), []
    for when in (at(2, 23, 30), at(3, 13, 40), at(3, 14, 0)):  # the first one on the evening before
        now.when = when
        recorder = records_from(place, now, max(at(3, 13, 31), when)).first()
        recorder.begin((), {})
        recorder.close()
        begun.append(recorder.folder)
    assert records_of(place, "2024-07-03") == begun


ORDER = VenueOrder(ref=5, unit="unit", symbol="X", action="BUY", quantity=10.0, kind="MKT", tif="DAY", bar=at(2, 20))


# -- a turn without a bar ---------------------------------------------------------------------------------------------


class Bars:
    """A data with bars at these minutes of two days."""

    _name = "unit/X"

    def __init__(self) -> None:
        self.numbers: list[float] = []
        self.datetime = self.open = self.high = self.low = self.close = self.volume = self

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, ago: int) -> float:
        return self.numbers[ago - 1]


class Quiet:
    """A venue at which nothing happens."""

    def open(self) -> list[Carried]:
        return []

    def play(self, until: Any, wake: Any) -> Iterator[Any]:
        return iter(())

    def place(self, orders: Any) -> None:
        """It takes everything."""

    def close(self) -> None:
        """Nothing is open."""


def test_a_day_begins_before_its_first_bar_and_without_one(place: Path) -> None:
    now, bars = Now(at(2, 19, 58)), Bars()
    venue = RecordingVenue(Quiet(), records_from(place, now, at(2, 19, 59)), at(2, 19, 59))  # type: ignore[arg-type]
    venue.watch([bars])  # type: ignore[list-item]

    def come(day: int, hour: int, minute: int) -> None:
        bars.numbers.append(at(day, hour, minute).toordinal() + (hour * 60 + minute) / 1440)

    def turn() -> None:
        assert not list(venue.play(None, lambda: None))

    come(2, 19, 58)
    venue.open()
    turn()
    come(2, 20, 0)
    turn()
    venue.place([ORDER])
    now.when = at(3, 4)
    turn()
    come(3, 13, 31)
    turn()
    venue.close()
    first, second = read_lines(only(place, FIRST)), read_lines(only(place, SECOND))
    assert [(line.get("at"), line.get("opens"), "more" in line) for line in first] == [
        ("2024-07-02 19:58:00", None, False), (None, True, False), ("2024-07-02 20:00:00", None, False),
        (None, None, True), (None, None, False),
    ]  # fmt: skip
    assert [(line.get("at"), line.get("opens")) for line in second] == [
        ("2024-07-02 19:58:00", None), ("2024-07-02 20:00:00", None), (None, True), ("2024-07-03 13:31:00", None),
        (None, None),
    ]  # fmt: skip
    assert [each["order"]["ref"] for each in json.loads((only(place, SECOND) / START).read_text())["carried"]] == [5]


def read_lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / TURNS).read_text(encoding="utf-8").splitlines()]


def test_a_day_whose_record_cannot_begin_is_told_and_trading_goes_on(place: Path) -> None:
    now, bars, told = Now(at(2, 19, 58)), Bars(), list[str]()
    records = records_from(place, now, at(2, 19, 59))
    venue = RecordingVenue(Quiet(), records, at(2, 19, 59), failed=told.append)  # type: ignore[arg-type]
    venue.watch([bars])  # type: ignore[list-item]
    bars.numbers.append(at(2, 20).toordinal() + 1200 / 1440)
    venue.open()
    (place / "2024-07-03").touch()
    now.when = at(3, 4)
    for _ in range(2):
        assert not list(venue.play(None, lambda: None))
        venue.place([ORDER])
    venue.close()
    assert len(told) == 1 and "the record of this day cannot be written" in told[0]
    assert read_record(only(place, FIRST)).is_whole
    with pytest.raises(RecordError, match="no record of a day; there are 2024-07-02"):
        records_of(place, "2024-07-04")
