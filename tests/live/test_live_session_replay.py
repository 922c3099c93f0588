"""A recorded day gives the same orders again; what differs is named with its bar."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from lived.records import sealed

from core.calendar import ExchangeCalendar
from core.errors import RecordError
from core.orders import Refusal
from core.settings import Settings
from engine import build
from engine.market_venue import MarketVenue
from engine.venue import Accepted, Carried, Charged, Corrected, Ended, Filled, VenueOrder, VenueRefused
from engine.venue_broker import VenueBroker
from feeds import History
from feeds.aggregate import aggregate
from gateway.data.sample import XMPLA, XMPLB, make_sample
from live.record_files import read_record, records_of
from live.record_lines import (
    Asked,
    Cancelled,
    End,
    Failed,
    Modified,
    Placed,
    Rated,
    Told,
    Turn,
    carried_of,
    carried_values,
    end_line,
    more_line,
    read_line,
    to_line,
)
from live.recording import START, TURNS, Recorder, RecordingVenue, new_folder
from live.rehearsal import rehearsal_settings
from live.replay import Replayed, replay

DAY = dt.date(2024, 6, 12)
COLUMNS = ["open", "high", "low", "close", "volume"]
BEGIN = dt.datetime(2024, 6, 12, 13, 31, tzinfo=dt.UTC)  # close of the first minute
HOURS = 4  # of the day


@pytest.fixture(scope="module")
def history() -> History:
    """The sample's morning: minutes for the strategies, seconds for the market."""
    sample, calendar = make_sample(DAY, 1), ExchangeCalendar("XNYS")
    frames, fine = {}, {}
    for instrument in (XMPLA, XMPLB):
        seconds = sample.bars[instrument][COLUMNS].astype(float)
        seconds = seconds[seconds.index <= BEGIN + dt.timedelta(hours=HOURS)]
        before = sample.frames[instrument][60][COLUMNS].astype(float)
        frames[instrument.symbol] = pd.concat([before, aggregate(seconds, "1m", calendar)])
        fine[instrument.symbol] = seconds
    return History(frames, [], BEGIN, fine=fine)


@pytest.fixture(scope="module")
def settings() -> Settings:
    return rehearsal_settings()


class Moody(MarketVenue):
    """A market that cannot be sent to at times, and is blind now and then."""

    sent = 0
    asked = 0

    def place(self, orders: Any) -> None:
        self.sent += 1
        if self.sent == 2:
            raise VenueRefused(Refusal.NOT_SENT, "the connection was lost")
        super().place(orders)

    def why_no_entries(self, symbol: str) -> str:
        self.asked += 1
        return "no bar for 20 s" if self.asked == 4 else ""


class OneRecord:
    """``Records`` of a run within one day."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def first(self) -> Recorder:
        return self.recorder

    def is_over(self, bar: dt.datetime | None) -> bool:
        return False

    def next(self, last: dt.datetime, bar: dt.datetime | None) -> tuple[Recorder, dt.datetime]:
        raise AssertionError("the day is not over")


def recorded(settings: Settings, history: History, folder: Path) -> Any:
    """Run the day with a recorder; return its broker."""
    about = {
        "settings": settings.model_dump(mode="json"), "begin": BEGIN.isoformat(), "code_version": "test", "state": None,
    }  # fmt: skip
    venue = RecordingVenue(Moody(settings, history), OneRecord(Recorder(folder, about)), BEGIN)
    broker = VenueBroker(venue, settings=settings)
    cerebro = build(settings, history, broker)
    venue.watch(cerebro.datas)
    cerebro.run()
    return broker


@pytest.fixture(scope="module")
def folder(settings: Settings, history: History, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("days") / "2024-06-12" / "133000"
    recorded(settings, history, place)
    return place


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """The record, to be changed."""
    place = tmp_path / "copy"
    place.mkdir()
    for name in (START, TURNS):
        (place / name).write_bytes((folder / name).read_bytes())
    return place


def orders_in(folder: Path) -> list[VenueOrder]:
    turns = read_record(folder).turns
    return [order for turn in turns for entry in turn.entries if isinstance(entry, Placed) for order in entry.orders]


def edit(folder: Path, change: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Change the first turn that ``change`` wants to change; return it."""
    turns = turns_in(folder)
    for values in turns:
        if change(values):
            (folder / TURNS).write_text(sealed(json.dumps(each) for each in turns), encoding="utf-8")
            return values
    raise AssertionError("no turn is as wanted")


def turns_in(folder: Path) -> list[dict[str, Any]]:
    """Lines of a record, with what happened in a turn in that turn's."""
    turns: list[dict[str, Any]] = []
    for line in (folder / TURNS).read_text(encoding="utf-8").splitlines():
        values = json.loads(line)
        if "more" in values:
            turns[-1].setdefault("entries", []).extend(values["more"])
        else:
            turns.append(values)
    return turns


def placed_in(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [order for entry in values.get("entries", ()) for order in entry.get("placed", ())]


# -- a day ------------------------------------------------------------------------------------------------------------


def test_a_day_gives_the_same_orders_again(folder: Path) -> None:
    orders = orders_in(folder)
    assert {order.unit for order in orders} == {"meanrev", "pairs"} and len(orders) > 20
    result = replay(folder)
    assert result.is_same, result
    assert result.orders == len(orders)
    assert result.bars == 3 * 390 + HOURS * 60 + 1  # three sessions before, and the bars of this morning
    assert "recorded with halflife test" in result.code


def test_progress_ends_where_it_is_whole(folder: Path) -> None:
    told: list[tuple[int, int]] = []
    bars = replay(folder, progress=lambda done, total: told.append((done, total))).bars
    assert told[-1] == (bars, bars) and all(done <= total == bars for done, total in told)
    assert len(told) > 10


def test_the_record_holds_what_was_refused_and_how_blind_it_was(folder: Path) -> None:
    entries = [entry for turn in read_record(folder).turns for entry in turn.entries]
    assert [entry.refused for entry in entries if isinstance(entry, Placed) and entry.refused] == [
        (Refusal.NOT_SENT, "the connection was lost")
    ]
    assert [entry.why for entry in entries if isinstance(entry, Asked)] == ["no bar for 20 s", ""]


def test_another_bar_is_named_with_the_order_that_it_changes(copy: Path) -> None:
    def higher(values: dict[str, Any]) -> bool:
        ours = [order for order in placed_in(values) if order["unit"] == "meanrev" and order["role"] == "entry"]
        if ours:
            for bar in values["bars"].values():
                bar[4] += 25.0  # the close: the deviation that was traded is none any more
                bar[2] = max(bar[2], bar[4])
        return bool(ours)

    changed = edit(copy, higher)
    result = replay(copy)
    assert not result.is_same
    assert result.when == dt.datetime.strptime(changed["at"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=dt.UTC)
    assert "recorded: " in result.difference and "XMPLA MKT DAY (meanrev" in result.difference


def test_an_order_of_that_day_that_is_not_given_now_is_a_difference(copy: Path) -> None:
    def more(values: dict[str, Any]) -> bool:
        if placed_in(values):
            return False
        if not values.get("bars") or values["at"] < "2024-06-12 14":
            return False
        order = dict(unit="meanrev", symbol="XMPLA", action="BUY", quantity=7.0, kind="MKT", tif="DAY")
        values.setdefault("entries", []).append({"placed": [{"ref": 1, "bar": "2024-06-12T14:00:00+00:00", **order}]})
        return True

    changed = edit(copy, more)
    result = replay(copy)
    assert result.difference == "recorded: BUY 7 XMPLA MKT DAY (meanrev); now: nothing"
    assert result.when is not None and f"{result.when:%Y-%m-%d %H:%M:%S}" == changed["at"]


def test_other_parameters_are_a_difference(copy: Path) -> None:
    start = json.loads((copy / START).read_text(encoding="utf-8"))
    start["settings"]["strategies"]["meanrev"]["parameters"]["zscore_entry"] = 1.5
    (copy / START).write_text(json.dumps(start), encoding="utf-8")
    assert not replay(copy).is_same


def test_a_line_that_was_cut_by_a_kill_is_left_out(copy: Path) -> None:
    text = (copy / TURNS).read_text(encoding="utf-8")
    (copy / TURNS).write_text(text[:-100], encoding="utf-8")
    result: Replayed = replay(copy)
    assert result.is_same and result.orders > 0


# -- files ------------------------------------------------------------------------------------------------------------


def test_a_damaged_record_says_where(copy: Path) -> None:
    lines = (copy / TURNS).read_text(encoding="utf-8").splitlines(keepends=True)
    lines[4] = '{"bars": {"meanrev/XMPLA": [1.0]}}\n'
    (copy / TURNS).write_text("".join(lines), encoding="utf-8")
    with pytest.raises(RecordError, match=r"turns\.jsonl: damaged \(ValueError: line 5: a bar has six numbers"):
        replay(copy)


def test_a_line_that_is_no_turn_is_damage(copy: Path) -> None:
    lines = (copy / TURNS).read_text(encoding="utf-8").splitlines(keepends=True)
    for wrong, said in (('{"nope": 1}\n', "line 501: a turn has no nope"), ("3\n", "line 501: it is not a turn")):
        (copy / TURNS).write_text("".join([*lines[:500], wrong, *lines[501:]]), encoding="utf-8")
        with pytest.raises(RecordError, match=rf"damaged \(ValueError: {said}"):
            replay(copy)


def test_a_line_that_was_lost_or_changed_is_damage(copy: Path) -> None:
    lines = (copy / TURNS).read_text(encoding="utf-8").splitlines(keepends=True)
    for changed in ([*lines[:500], *lines[501:]], [*lines[:500], lines[500].replace("1", "2", 1), *lines[501:]]):
        (copy / TURNS).write_text("".join(changed), encoding="utf-8")
        with pytest.raises(RecordError, match="its lines are not those that were written"):
            replay(copy)
    (copy / TURNS).write_text("".join([*lines, lines[1]]), encoding="utf-8")
    with pytest.raises(RecordError, match=rf"line {len(lines)} is the end, and more lines follow"):
        replay(copy)


def test_settings_of_a_record_that_are_damaged_are_told_in_a_sentence(copy: Path) -> None:
    start = json.loads((copy / START).read_text(encoding="utf-8"))
    start["settings"]["account"]["capital"] = "much"
    (copy / START).write_text(json.dumps(start), encoding="utf-8")
    with pytest.raises(RecordError, match=r"its settings are damaged \(.*account\.capital") as told:
        replay(copy)
    assert "pydantic" not in str(told.value) and "\n" not in str(told.value)


def test_a_record_without_a_line_has_nothing_to_compare(copy: Path) -> None:
    (copy / TURNS).write_text("", encoding="utf-8")
    with pytest.raises(RecordError, match="ends while indicators settled, before anything was traded"):
        replay(copy)


def test_a_record_of_a_newer_version_names_it(copy: Path) -> None:
    start = json.loads((copy / START).read_text(encoding="utf-8"))
    (copy / START).write_text(json.dumps(start | {"format": 9, "code_version": "9.0"}), encoding="utf-8")
    with pytest.raises(RecordError, match=r"has format 9, this halflife reads up to 2; .*\(9\.0\)"):
        read_record(copy)


def test_days_are_found_by_date_and_by_folder(tmp_path: Path) -> None:
    days = tmp_path / "days"
    with pytest.raises(RecordError, match="no record of a day; `halflife live` makes one"):
        records_of(days, "2024-06-12")
    when = dt.datetime(2024, 6, 12, 13, 29, 5, tzinfo=dt.UTC)
    for _ in range(2):
        recorder = Recorder(new_folder(days / "2024-06-12", when), {})
        recorder.begin((), {})
        recorder.close()
    runs = records_of(days, "2024-06-12")
    assert [run.name for run in runs] == ["132905", "132905-2"]
    assert records_of(days, str(runs[0])) == [runs[0]] and records_of(days, str(runs[0].parent)) == runs
    with pytest.raises(RecordError, match=r"2024-06-13: no record of a day; there are 2024-06-12"):
        records_of(days, "2024-06-13")


def test_a_disk_that_fills_up_ends_the_record_and_nothing_else(tmp_path: Path) -> None:
    told: list[str] = []
    recorder = Recorder(tmp_path / "run", {}, told.append)
    assert recorder._file is not None
    recorder._file.close()
    recorder._file = open("/dev/full", "w", encoding="utf-8")  # noqa: SIM115 - the recorder closes it
    turn = Turn(entries=[Rated("USD", 0.9)])
    recorder.write([turn])
    recorder.write([turn])
    recorder.more(Rated("USD", 0.8))
    recorder.close(is_whole=True)
    assert len(told) == 1 and "No space left" in told[0] and "the record of this day ends here" in told[0]


def test_a_record_that_cannot_begin_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match=r"cannot be written .*live\.record = false"):
        Recorder(tmp_path / "file" / "run", {})


# -- lines ------------------------------------------------------------------------------------------------------------

AT = dt.datetime(2024, 6, 12, 14, 0, 0, 250_000, tzinfo=dt.UTC)
ORDER = VenueOrder(
    ref=3, unit="pairs", symbol="XMPLA", action="SELL", quantity=10.0, kind="TRAIL LIMIT", tif="GTD", bar=AT,
    limit_price=1.1, aux_price=0.1, trail_stop_price=1.2, trailing_percent=2.0, limit_offset=0.05, good_till=AT,
    parent=2, oca_group="group", role="stop", trade="t", leg="y", reason="disaster_stop",
)  # fmt: skip
PLAIN = VenueOrder(ref=4, unit="u", symbol="X", action="BUY", quantity=1.0, kind="MKT", tif="DAY", bar=AT)
REPORTS = (
    Accepted(ref=3, when=AT),
    Filled(ref=3, when=AT, exec_id="e.01", quantity=4.0, price=0.1 + 0.2, adds_liquidity=True, is_quoted=False),
    Corrected(ref=3, when=AT, exec_id="e.02", corrects="e.01", quantity=0.0, price=0.3),
    Charged(ref=3, when=AT, exec_id="e.01", fees=1.05, currency="USD"),
    Ended(ref=3, when=AT, how="margin", code=201, text="no\nmargin"),
)


def test_every_line_reads_back_to_what_was_written() -> None:
    turn = Turn(
        {"pairs/XMPLA": (738_000.5, 1.0, 2.0, 0.5, 0.1 + 0.2, 100.0)},
        [
            Rated("USD", 0.91), Told(AT, REPORTS), Told(AT, ()), Placed((ORDER, PLAIN)),
            Placed((PLAIN,), (Refusal.BLIND, "why")), Cancelled(3, "time"), Modified(ORDER), Asked("XMPLA", "blind"),
            Failed("ValueError", "a\nb", "pairs.py:3"),
        ],
    )  # fmt: skip
    whole = to_line(turn, "2024-06-12 14:00:00")
    apart = [to_line(Turn(turn.bars)), *(more_line([entry]) for entry in turn.entries)]
    for lines in ([whole], apart):
        read = list[Turn]()
        assert not any("\n" in line or read_line(line, read) for line in lines) and read == [turn]
    read = []
    assert not read_line(to_line(Turn()), read) and read == [Turn()]
    assert read_line(end_line(End(True, "abc")), read) == End(True, "abc") and read == [Turn()]
    with pytest.raises(ValueError, match="it goes on with a turn that has not begun"):
        read_line(more_line([Cancelled(3, "time")]), [])


def test_orders_of_before_read_back() -> None:
    carried = (Carried(ORDER, REPORTS, True), Carried(PLAIN, (), False))
    assert carried_of(json.loads(json.dumps(carried_values(carried)))) == carried
