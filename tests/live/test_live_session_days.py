"""A run of several days leaves a record for each trading day, which is named by its date and replayed by itself."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from lived import desks, runs
from lived.records import sealed

from core.calendar import ExchangeCalendar
from core.settings import Settings
from engine import build
from engine.build import resolve
from engine.market_venue import MarketVenue
from engine.venue import Filled, VenueOrder
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
from live.replay import ReplayBroker, replay
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


class Marks:
    """A ``VenueListener``: bar -> equity, and the result of each unit."""

    def __init__(self, broker: Any) -> None:
        self._broker = broker
        self.of: dict[dt.datetime, tuple[float, ...]] = {}

    def sent(self, orders: Any) -> None:
        """Not looked at."""

    cancelled = reported = lambda self, *arguments: None

    def marked(self, when: dt.datetime, equity_eur: float) -> None:
        account = self._broker.account
        self.of[when] = (equity_eur, account.result_eur("reversion"), account.result_eur("pair"))


@pytest.fixture(scope="module")
def run(history: History, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Marks]:
    """The records of a run in which each day ends with the first bar of the next, and what it was worth."""
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
    marks = Marks(broker)
    broker.listeners.append(marks)
    cerebro = build(made, history, broker)
    venue.watch(cerebro.datas)
    cerebro.run()
    return place, marks


@pytest.fixture(scope="module")
def days(run: tuple[Path, Marks]) -> Path:
    return run[0]


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


def test_a_day_goes_on_with_what_the_run_was_worth(run: tuple[Path, Marks], monkeypatch: pytest.MonkeyPatch) -> None:
    """Borrow fees of trades that are over and the interest of the night count for the sizes of the day."""
    days, expected = run
    replayed: list[Marks] = []

    class Marked(ReplayBroker):
        def init(self) -> None:
            super().init()
            replayed.append(Marks(self))
            self.listeners = [replayed[-1]]

    monkeypatch.setattr("live.replay.ReplayBroker", Marked)
    for day in DAYS:
        assert replay(only(days, day)).is_same
        found = {when: worth for when, worth in replayed[-1].of.items() if when.date() == day}
        assert len(found) > 70
        for when, worth in found.items():
            assert worth == pytest.approx(expected.of[when], rel=1e-11), when


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
    (tmp_path / TURNS).write_text(sealed(lines), encoding="utf-8")
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
