"""A run of several days leaves a record for each trading day, which is named by its date and replayed by itself."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from lived import desks, runs

from core.calendar import ExchangeCalendar
from core.errors import RecordError
from core.settings import Settings
from engine import build
from engine.build import resolve
from engine.market_venue import MarketVenue
from engine.venue import Carried, Filled, VenueOrder
from engine.venue_broker import VenueBroker
from feeds import History
from feeds.aggregate import aggregate
from gateway import Gateway
from gateway.data.sample import XMPLA, XMPLB, make_sample
from gateway.data.tape import Tape
from live.places import Places
from live.record_days import DayRecords, marks_of
from live.record_files import read_record, records_of
from live.record_lines import Placed
from live.recording import START, TURNS, RecordingVenue
from live.replay import replay
from live.state import taken_state

FIRST = dt.date(2024, 7, 2)
DAYS = [dt.date(2024, 7, 2), dt.date(2024, 7, 3), dt.date(2024, 7, 5)]  # an early close, a holiday
COLUMNS = ["open", "high", "low", "close", "volume"]
XNYS = ExchangeCalendar("XNYS")


def settings() -> Settings:
    """Both strategies, as often as possible; interest and borrow fees are paid for every night."""
    return resolve(desks.settings(desks.OFTEN, live={"fx": "settings"}))


@pytest.fixture(scope="module")
def history() -> History:
    """Three sessions without the middle of the day."""
    sample = make_sample(FIRST, 1, sessions=3, minute_days=8)
    assert list(sample.days) == DAYS
    frames, fine = {}, {}
    for instrument in (XMPLA, XMPLB):
        seconds = sample.bars[instrument][COLUMNS].astype(float)
        kept = [
            (seconds.index <= opens + dt.timedelta(minutes=45)) & (seconds.index > opens)
            | (seconds.index > closes - dt.timedelta(minutes=30)) & (seconds.index <= closes)
            for opens, closes in ((XNYS.close_of(day).replace(hour=13, minute=30), XNYS.close_of(day)) for day in DAYS)
        ]
        seconds = seconds[kept[0] | kept[1] | kept[2]]
        before = sample.frames[instrument][60][COLUMNS].astype(float)
        frames[instrument.symbol] = pd.concat([before, aggregate(seconds, "1m", XNYS)])
        fine[instrument.symbol] = seconds
    begin = dt.datetime(2024, 7, 2, 13, 31, tzinfo=dt.UTC)
    return History(frames, [], begin, fine=fine)


@pytest.fixture(scope="module")
def days(history: History, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of a run in which each day ends with the first bar of the next."""
    place, made = tmp_path_factory.mktemp("days"), settings()
    about = {"settings": made.model_dump(mode="json"), "code_version": "test", "killed": ""}

    def take(when: dt.datetime) -> dict[str, Any]:
        assert broker.account is not None
        return {"state": taken_state(broker, when, ""), "books": marks_of(broker.account, when)}

    assert history.begin is not None
    records = DayRecords(
        place, made, about, begin=history.begin, state=None, now=lambda: XNYS.close_of(FIRST), take=take,
        failed=pytest.fail,
    )  # fmt: skip
    venue = RecordingVenue(MarketVenue(made, history), records, history.begin)
    broker = VenueBroker(venue, settings=made)
    cerebro = build(made, history, broker)
    venue.watch(cerebro.datas)
    cerebro.run()
    return place


def only(days: Path, day: dt.date) -> Path:
    (folder,) = records_of(days, f"{day}")
    return folder


def placed_in(folder: Path) -> list[VenueOrder]:
    turns = read_record(folder).turns
    return [order for turn in turns for entry in turn.entries if isinstance(entry, Placed) for order in entry.orders]


def held_by(folder: Path) -> dict[str, float]:
    """Book -> units with which a day begins."""
    held: dict[str, float] = {}
    for each in read_record(folder).carried:
        key = f"{each.order.unit}/{each.order.symbol}"
        for report in each.reports:
            if isinstance(report, Filled):
                held[key] = held.get(key, 0.0) + each.order.sign * report.quantity
    return {key: units for key, units in held.items() if units}


def check_days(days: Path, sent: int) -> None:
    """Each day is a record that replays to the same orders; together they are all orders that were ``sent``."""
    assert sorted(folder.name for folder in days.iterdir()) == [f"{day}" for day in DAYS]
    compared = 0
    for day in DAYS:
        folder = only(days, day)
        record, result = read_record(folder), replay(folder)
        assert record.is_whole and record.about["session"] == f"{day}"
        assert {order.bar.date() for order in placed_in(folder)} == {day}
        assert result.is_same and not result.failure, result
        assert result.orders == len(placed_in(folder)) > 20
        assert result.when == XNYS.close_of(day)
        compared += result.orders
        (start,) = {min(bar[0] for bar in turn.bars.values()) for turn in record.turns[:1]}
        assert start  # the bars on which indicators settle are in it
    assert compared == sent
    units = {key.partition("/")[0] for day in DAYS[1:] for key in held_by(only(days, day))}
    assert units == {"reversion", "pair"}  # both held something over a night


# -- a run ------------------------------------------------------------------------------------------------------------


def test_each_day_of_a_run_is_a_record_that_replays_by_itself(days: Path) -> None:
    check_days(days, sum(len(placed_in(only(days, day))) for day in DAYS))
    first, second, third = (read_record(only(days, day)) for day in DAYS)
    assert not first.carried and len(third.carried) > len(second.carried) > 20
    assert any(each.is_working for each in second.carried)  # the stops of what is held
    assert second.about["state"]["account"]["accrued_on"] == DAYS[0].toordinal()
    spans = [
        {day for turn in record.turns for day in {turn_day(turn.bars)} if day is not None}
        for record in (first, second, third)
    ]
    for session, span in zip(DAYS, spans, strict=True):
        assert max(span) == session
    assert len(spans[2]) <= len(spans[0])  # a day holds the days before as far as indicators need them, and no more


def turn_day(bars: dict[str, tuple[float, ...]]) -> dt.date | None:
    return dt.date.fromordinal(int(next(iter(bars.values()))[0])) if bars else None


def test_what_differs_on_the_second_day_is_found_there(days: Path, tmp_path: Path) -> None:
    folder = only(days, DAYS[1])
    lines = (folder / TURNS).read_text(encoding="utf-8").splitlines()
    number, line = next(
        (number, line) for number, line in enumerate(lines) if '"placed"' in line and '"role":"entry"' in line
    )
    before = next(json.loads(each) for each in reversed(lines[:number]) if '"at"' in each)
    values = json.loads(line)
    order = values["more"][0]["placed"][0]
    order["quantity"] += 1
    lines[number] = json.dumps(values)
    (tmp_path / TURNS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / START).write_bytes((folder / START).read_bytes())
    result = replay(tmp_path)
    assert result.when is not None and f"{result.when:%Y-%m-%d %H:%M:%S}" == before["at"]
    assert result.when.date() == DAYS[1]
    recorded, now = result.difference.split("; now: ")
    assert recorded.startswith(f"recorded: {order['action']} {order['quantity']:g} {order['symbol']} MKT DAY")
    assert now.startswith(f"{order['action']} {order['quantity'] - 1:g} {order['symbol']} MKT DAY")


@pytest.mark.slow
def test_a_live_session_of_three_days_replays_day_by_day(tmp_path: Path) -> None:
    sample = make_sample(FIRST, 1, sessions=3, minute_days=8)
    tape, book = Tape({each: sample.bars[each] for each in (XMPLA, XMPLB)}, bar_seconds=1), sample.book()
    end = XNYS.close_of(DAYS[-1]) + dt.timedelta(seconds=100)
    with Gateway(tape, book, sample.history(tape, book), speed="max") as gateway:
        lived = runs.live(settings(), gateway, end, tmp_path)
    check_days(Places.of(str(tmp_path), "DU1234567").days, len(lived.heard.orders))


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
    first, second = read_lines(only(place, FIRST)), read_lines(only(place, DAYS[1]))
    assert [(line.get("at"), line.get("opens"), "more" in line) for line in first] == [
        ("2024-07-02 19:58:00", None, False), (None, True, False), ("2024-07-02 20:00:00", None, False),
        (None, None, True), (None, None, False),
    ]  # fmt: skip
    assert [(line.get("at"), line.get("opens")) for line in second] == [
        ("2024-07-02 19:58:00", None), ("2024-07-02 20:00:00", None), (None, True), ("2024-07-03 13:31:00", None),
        (None, None),
    ]  # fmt: skip
    assert [each["order"]["ref"] for each in json.loads((only(place, DAYS[1]) / START).read_text())["carried"]] == [5]


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
