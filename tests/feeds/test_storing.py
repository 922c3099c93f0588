"""How bars come in: by which exchange and currency, what is noted of them, what is kept in memory, when a pull ends."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.errors import CalendarError, CatalogError, HalflifeError, SettingsError, SourceAnswerError, UnknownNameError
from feeds.bars import RawBars, Request
from feeds.catalog import Catalog
from feeds.room import DataRoom, Storage
from feeds.sources.http import ClosedError, UnreachableError

HEADER = "date,open,high,low,close,volume\n"
DAYS = ("2018-12-20", "2018-12-21", "2018-12-24")  # of these New York, London and Tokyo have Thursday and Friday


def write(folder: Path, name: str, times: Sequence[str] = DAYS, close: float = 11.0) -> Path:
    (folder / name).write_text(HEADER + "".join(f"{time},10,12,9,{close},5\n" for time in times))
    return folder / name


def write_many(folder: Path, name: str, rows: Sequence[tuple[str, str]]) -> Path:
    lines = [f"{symbol},{time},10,12,9,11,5\n" for symbol, time in rows]
    (folder / name).write_text(f"symbol,{HEADER}" + "".join(lines))
    return folder / name


@pytest.fixture
def room(tmp_path: Path) -> DataRoom:
    return DataRoom(tmp_path / "catalog")


def told(room: DataRoom) -> list[tuple[str, str, str]]:
    return [(one.symbol, one.exchange, one.currency) for one in room.show().series]


class Service:
    """Three daily bars of anything; says of exchange and currency what it is told to."""

    name = "service"

    def __init__(self, exchange: str | None = None, currency: str | None = None) -> None:
        self.exchange, self.currency = exchange, currency
        self.asked: list[Request] = []
        self.frames: list[weakref.ref[pd.DataFrame]] = []
        self.error: HalflifeError | None = None

    def symbols(self) -> tuple[str, ...]:
        return ()

    def fetch(self, request: Request) -> RawBars:
        self.asked.append(request)
        if self.error is not None and request.symbol != "FIRST":
            raise self.error
        frame = pd.DataFrame(
            {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 5.0},
            index=pd.DatetimeIndex(DAYS, name="time"),
        )
        self.frames.append(weakref.ref(frame))
        return RawBars(request.symbol, request.bar, frame, "service", exchange=self.exchange, currency=self.currency)


# --- exchange and currency


@pytest.mark.parametrize(("name", "code"), [("NYSE", "XNYS"), ("XNAS", "XNYS"), ("LSE", "XLON"), ("XTKS", "XTKS")])
def test_an_alias_is_stored_as_the_code_of_its_calendar(tmp_path: Path, room: DataRoom, name: str, code: str) -> None:
    assert not room.import_files(write(tmp_path, "A.csv"), exchange=name).failures
    room.pull(Service(), "SAID", exchange=name)
    room.pull(Service(exchange=name), "KNOWN")
    assert {exchange for _, exchange, _ in told(room)} == {code}
    again = room.import_files(write(tmp_path, "A.csv"), exchange=name)
    assert not again.failures and again.total("unchanged") == 3


def test_new_series_are_of_new_york_in_dollars(tmp_path: Path, room: DataRoom) -> None:
    room.import_files(write(tmp_path, "A.csv"))
    room.pull(Service(), "B")
    assert told(room) == [("A", "XNYS", "USD"), ("B", "XNYS", "USD")]


def test_a_stored_series_goes_on_as_what_it_is(tmp_path: Path, room: DataRoom) -> None:
    """Of a file without symbols, of one with them beside a new symbol, and of a pull."""
    room.import_files(write(tmp_path, "VOD.csv", DAYS[:1]), exchange="XLON", currency="GBP")
    results = [
        room.import_files(write(tmp_path, "VOD.csv", DAYS[:2])),
        room.import_files(write_many(tmp_path, "both.csv", [("NEW", DAYS[0]), ("VOD", DAYS[0])])),
        room.pull(Service(), ["VOD", "OTHER"]),
    ]
    assert not [failure for result in results for failure in result.failures]
    assert told(room) == [("NEW", "XNYS", "USD"), ("OTHER", "XNYS", "USD"), ("VOD", "XLON", "GBP")]
    assert len(room.bars("VOD")) == 3


def test_one_of_both_may_be_said(tmp_path: Path, room: DataRoom) -> None:
    room.import_files(write(tmp_path, "VOD.csv"), exchange="XLON", currency="GBP")
    assert not room.import_files(write(tmp_path, "VOD.csv"), currency="GBP").failures
    assert not room.import_files(write(tmp_path, "VOD.csv"), exchange="LSE").failures
    for wrong, cure in (({"exchange": "XETR"}, "say --exchange XLON"), ({"currency": "EUR"}, "say --currency GBP")):
        (failed,) = room.import_files(write(tmp_path, "VOD.csv"), **wrong).failures
        assert isinstance(failed.error, CatalogError) and cure in str(failed.error)
        (failed,) = room.pull(Service(**wrong), "VOD").failures
        assert isinstance(failed.error, CatalogError) and cure in str(failed.error)


def test_series_go_on_under_the_code_of_the_alias_that_they_came_with(tmp_path: Path, room: DataRoom) -> None:
    frame = Service().fetch(Request("OLD")).frame[:1]
    with Catalog(room.folder) as catalog:
        catalog.append(RawBars("OLD", "1d", frame, "made", exchange="NYSE", currency="USD"))
    assert not room.import_files(write(tmp_path, "OLD.csv")).failures
    assert not room.pull(Service("XNYS"), "OLD").failures
    assert len(room.bars("OLD")) == 3 and told(room) == [("OLD", "XNYS", "USD")]


def test_a_source_that_knows_is_believed_rather_than_the_user(room: DataRoom) -> None:
    room.pull(Service("XLON", "GBP"), "VOD", exchange="XETR", currency="EUR")
    assert told(room) == [("VOD", "XLON", "GBP")]


def test_times_are_read_by_the_exchange_that_is_stored(tmp_path: Path, room: DataRoom) -> None:
    """15:00 UTC of the 20th is midnight and the 21st in Tokyo, and the morning of the 20th in New York."""
    room.import_files(write(tmp_path, "7203.csv", ["2018-12-19"]), exchange="XTKS", currency="JPY")
    late = ["2018-12-20T15:30:00Z"]
    room.import_files(write(tmp_path, "7203.csv", late), bar="1d")
    assert [f"{day:%d}" for day in room.bars("7203").index] == ["19", "21"]
    rows = [("IBM", "2018-12-23T15:30:00Z"), ("7203", "2018-12-24T15:30:00Z"), ("IBM", "2018-12-24T15:30:00Z")]
    assert not room.import_files(write_many(tmp_path, "both.csv", rows), bar="1d").failures
    assert [f"{day:%d}" for day in room.bars("7203").index] == ["19", "21", "25"]
    assert [f"{day:%d}" for day in room.bars("IBM").index] == ["23", "24"]
    assert not room.import_files(
        write(tmp_path, "7203.csv", ["2018-12-26T15:30:00Z"]), bar="1d", exchange="JPX"
    ).failures
    assert f"{room.bars('7203').index[-1]:%d}" == "27"


def test_the_last_bar_of_a_session_closes_with_the_stored_exchange(tmp_path: Path, room: DataRoom) -> None:
    """London closes at 16:30, half an hour into the bar that begins at 16:00."""
    room.import_files(write(tmp_path, "VOD.csv", ["2018-12-19T10:00Z"]), bar="1h", exchange="XLON", currency="GBP")
    room.import_files(write(tmp_path, "VOD.csv", ["2018-12-20T15:00Z", "2018-12-20T16:00Z"]), bar="1h", stamp="open")
    assert [f"{time:%H:%M}" for time in room.bars("VOD", "1h").index] == ["10:00", "16:00", "16:30"]


def test_a_timezone_is_proposed_by_the_stored_exchange(tmp_path: Path, room: DataRoom) -> None:
    room.import_files(write(tmp_path, "VOD.csv", ["2018-12-19T10:00Z"]), bar="1h", exchange="XLON", currency="GBP")
    (failed,) = room.import_files(write(tmp_path, "VOD.csv", ["2018-12-20 10:00", "2018-12-20 11:00"])).failures
    assert "say --tz Europe/London if that is it" in str(failed.error)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"exchange": "XNYC"}, CalendarError, "did you mean 'XNYS'"),
        ({"exchange": "nyse"}, CalendarError, "unknown exchange 'nyse'"),
        ({"exchange": ""}, CalendarError, "unknown exchange ''"),
        ({"currency": "usd"}, UnknownNameError, "currency usd does not exist; did you mean 'USD'"),
        ({"currency": "XXZ"}, UnknownNameError, "currency XXZ does not exist; give its code of ISO 4217"),
        ({"currency": "GBX"}, UnknownNameError, "divide the prices by 100, and say GBP"),
        ({"currency": ""}, UnknownNameError, "currency  does not exist"),
    ],
)
def test_what_no_exchange_and_no_currency_is_ends_it_before_anything_is_made(
    tmp_path: Path, room: DataRoom, options: dict[str, str], kind: type[HalflifeError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        room.import_files(write(tmp_path, "A.csv"), **options)  # type: ignore[arg-type]
    service = Service()
    with pytest.raises(kind, match=words):
        room.pull(service, "A", **options)  # type: ignore[arg-type]
    assert not service.asked and not room.folder.exists()


def test_an_unknown_timezone_ends_it_even_where_dates_need_none(tmp_path: Path, room: DataRoom) -> None:
    with pytest.raises(UnknownNameError, match="unknown timezone 'Mars/X'"):
        room.import_files(write(tmp_path, "A.csv"), timezone="Mars/X")
    assert not room.folder.exists()


@pytest.mark.parametrize(("exchange", "currency", "words"), [(None, "usd", "'USD'"), ("NYS", None, "unknown exchange")])
def test_a_source_with_words_of_its_own_fails_for_that_symbol(
    room: DataRoom, exchange: str | None, currency: str | None, words: str
) -> None:
    (failed,) = room.pull(Service(exchange, currency), "AAPL").failures
    assert words in str(failed.error) and "] AAPL: " in str(failed.error)


# --- symbols


@pytest.mark.parametrize(
    ("symbol", "cure"),
    [
        ("../../x", "symbol '../../x': a path is not the name of an instrument; write x"),
        ("/etc/AAPL", "write AAPL"),
        ("..\\AAPL", "write AAPL"),
        ("../..", "a path is not the name of an instrument; write a name"),
        ("EUR/USD", "write EUR.USD or EURUSD"),
        (" A", "without space around it"),
    ],
)
def test_symbols_that_are_none_get_the_cure_and_are_asked_of_nobody(
    tmp_path: Path, room: DataRoom, symbol: str, cure: str
) -> None:
    (failed,) = room.import_files(write(tmp_path, "A.csv"), symbol=symbol).failures
    assert isinstance(failed.error, CatalogError) and cure in str(failed.error)
    service = Service()
    (failed,) = room.pull(service, [symbol]).failures
    assert isinstance(failed.error, CatalogError) and cure in str(failed.error) and not service.asked


# --- notes on the exchange that was assumed


def prices(times: pd.DatetimeIndex, *, quotes: bool = False) -> pd.DataFrame:
    middle = 1.2 + np.cumsum(np.random.default_rng(7).normal(0, 0.001, len(times)))
    if quotes:
        return pd.DataFrame({"datetime": times, "bid": middle - 0.0001, "ask": middle + 0.0001})
    edges = {"high": middle + 0.002, "low": middle - 0.002}
    return pd.DataFrame({"datetime": times, "open": middle, **edges, "close": middle, "volume": 1.0})


def doubts(room: DataRoom, frame: pd.DataFrame, folder: Path, **options: Any) -> list[str]:
    frame.to_parquet(folder / "X.parquet", index=False)
    result = room.import_files(folder / "X.parquet", **options)
    assert not result.failures
    return [note for note in result.notes() if "no --exchange" in note]


SUNDAYS = pd.date_range("2018-01-01", "2018-12-30")
SUNDAYS = SUNDAYS[SUNDAYS.day_of_week != 5]  # daily bars of a currency have a short one on Sunday
WEEKDAYS = pd.bdate_range("2018-01-01", "2018-12-31")
HOURS = pd.date_range("2018-01-02", "2018-03-27", freq="h", tz="America/New_York")
HOURS = HOURS[
    ~(
        ((HOURS.day_of_week == 4) & (HOURS.hour > 17))
        | (HOURS.day_of_week == 5)
        | ((HOURS.day_of_week == 6) & (HOURS.hour < 18))
    )
]


@pytest.mark.parametrize(
    ("times", "quotes", "words"),
    [
        (SUNDAYS, False, ["stored as XNYS, on whose closed days bars are wrong; but many bars are of "]),
        (SUNDAYS, True, ["but these are quotes and many bars are of Saturdays or Sundays.", "--exchange 24/7 ("]),
        (SUNDAYS, False, ["so Saturdays will be missing; with 24/5 bars of Sundays would be of closed days)"]),
        (pd.date_range("2018-01-01", "2018-12-31"), False, ["--exchange 24/7 (every day is a session)."]),
        (WEEKDAYS, True, ["on whose closed days", "but these are quotes.", "--exchange 24/5 (every Monday to Friday"]),
        (pd.DatetimeIndex(DAYS), True, ["is stored as XNYS; but these are quotes.", "--exchange 24/5"]),
        (HOURS, False, ["many bars are of Saturdays or Sundays", "--exchange CMES (sessions from the evening of Sun"]),
    ],
)  # fmt: skip
def test_bars_that_are_hardly_of_new_york_are_said_to_be_stored_as_such(
    tmp_path: Path, room: DataRoom, times: pd.DatetimeIndex, quotes: bool, words: list[str]
) -> None:
    (note,) = doubts(room, prices(times, quotes=quotes), tmp_path)
    assert all(text in note for text in words), note
    assert told(room) == [("X", "XNYS", "USD")]
    assert doubts(room, prices(times, quotes=quotes), tmp_path) == []  # said once, of the new series


@pytest.mark.parametrize("exchange", ["XNYS", "24/7"])
def test_an_exchange_that_is_said_is_not_doubted(tmp_path: Path, room: DataRoom, exchange: str) -> None:
    assert doubts(room, prices(SUNDAYS, quotes=True), tmp_path, exchange=exchange) == []


def test_a_few_bars_of_weekends_are_stray_rows(tmp_path: Path, room: DataRoom) -> None:
    """Of 8 in 269 bars nothing is said, 2.97%; of 9 in 270 something is, 3.33%."""
    saturdays = pd.date_range("2018-01-06", periods=9, freq="7D")
    few = WEEKDAYS.union(saturdays[:8])
    assert len(few) == 269
    assert doubts(room, prices(few), tmp_path) == []
    assert len(doubts(DataRoom(tmp_path / "other"), prices(WEEKDAYS.union(saturdays)), tmp_path)) == 1


def test_the_evening_of_friday_is_no_saturday(tmp_path: Path, room: DataRoom) -> None:
    """After hours of Friday end at 20:00 in New York, which is 01:00 UTC of Saturday in winter."""
    times = pd.date_range("2018-01-05 16:00", "2018-01-05 20:00", freq="min", tz="America/New_York")
    assert doubts(room, prices(times), tmp_path) == []
    midnight = pd.date_range("2018-01-05 23:55", "2018-01-06 00:00", freq="min", tz="America/New_York")  # closes
    assert doubts(DataRoom(tmp_path / "other"), prices(midnight), tmp_path) == []


def test_bars_before_all_calendars_are_doubted_by_their_days(tmp_path: Path, room: DataRoom) -> None:
    (note,) = doubts(room, prices(pd.date_range("1980-01-01", "1980-12-31")), tmp_path)
    assert "stored as XNYS; but many bars are of Saturdays or Sundays" in note


def test_bars_without_an_exchange_that_are_pulled_are_doubted_too(room: DataRoom) -> None:
    class Coins(Service):
        def fetch(self, request: Request) -> RawBars:
            frame = prices(pd.date_range("2018-01-01", periods=60)).set_index("datetime").rename_axis("time")
            return RawBars(request.symbol, "1d", frame, "coins", exchange=self.exchange)

    assert any("no --exchange was said" in note for note in room.pull(Coins(), "A").notes())
    assert not room.pull(Coins("24/7"), "B").notes()


@pytest.mark.real_data
def test_daily_quotes_of_the_euro(shared_data: Path, room: DataRoom) -> None:
    """580 of its 3,487 rows are of Sundays, none of a Saturday; 83 more are of holidays in New York."""
    note = next(
        note for note in room.import_files(shared_data / "eurusd_daily.parquet").notes() if "no --exchange" in note
    )
    assert "these are quotes and many bars are of Saturdays or Sundays" in note and "--exchange 24/7" in note
    lost = {}
    for exchange in ("XNYS", "24/5", "CMES", "24/7"):
        other = DataRoom(room.folder.parent / exchange.replace("/", ""))
        assert not other.import_files(shared_data / "eurusd_daily.parquet", exchange=exchange).failures
        lost[exchange] = sum(f.rows for f in other.check().findings if f.rule == "closed_session")
    assert lost == {"XNYS": 663, "24/5": 580, "CMES": 593, "24/7": 0}


# --- many symbols


def test_the_listing_is_asked_once_for_an_import_and_a_pull(
    tmp_path: Path, room: DataRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, series = [], Catalog.series

    def counting(self: Catalog, bar: Any = None) -> Any:
        asked.append(bar)
        return series(self, bar)

    monkeypatch.setattr(Catalog, "series", counting)
    files = [write(tmp_path, f"S{number}.csv") for number in range(5)]
    assert len(room.import_files(files).stored) == 5 and len(asked) == 1
    assert len(room.pull(Service(), [f"S{number}" for number in range(5)]).stored) == 5 and len(asked) == 2


def test_what_an_import_stored_is_known_to_its_next_file(tmp_path: Path, room: DataRoom) -> None:
    """The second file brings quotes of A: nothing of it is stored, the new symbol neither."""
    first = write(tmp_path, "A.csv")
    quotes = tmp_path / "quotes.csv"
    quotes.write_text("symbol,date,bid,ask\nNEW,2018-12-20,1,2\nA,2018-12-20,1,2\n")
    result = room.import_files([first, quotes])
    assert len(result.failures) == 1 and "content trades" in str(result.failures[0].error)
    assert told(room) == [("A", "XNYS", "USD")]


def test_a_pull_goes_on_from_what_it_has_just_stored(room: DataRoom) -> None:
    service = Service()
    room.pull(service, ["A", "A"])
    assert [str(request.start) for request in service.asked] == ["None", "2018-12-17"]  # a week before the last bar


def test_no_bars_are_kept_in_memory(tmp_path: Path, room: DataRoom) -> None:
    service = Service()
    result = room.pull(service, ["A", "B"])
    gc.collect()
    assert len(result.stored) == 2 and [frame() for frame in service.frames] == [None, None]
    first, last = pd.Timestamp(DAYS[0]), pd.Timestamp(DAYS[-1])
    assert result.table().iloc[0].tolist() == ["A", "1d", "service", 3, 3, 0, 0, 0, first, last, ""]
    assert dataclasses.astuple(result.stored[1].bars) == ("B", "1d", "service", 3, first, last)
    result = room.import_files(write(tmp_path, "A.csv"))
    assert not [one for one in gc.get_referents(result.stored[0].bars) if isinstance(one, pd.DataFrame)]


# --- a service that answers nobody


@pytest.mark.parametrize("kind", [UnreachableError, ClosedError])
def test_a_pull_ends_where_the_service_answers_nobody(room: DataRoom, kind: type[ClosedError]) -> None:
    service = Service()
    service.error = kind("Service: nobody there; check the connection and try again later")
    steps: list[tuple[int, int]] = []
    result = room.pull(service, ["FIRST", "A", "B", "C"], progress=lambda done, total: steps.append((done, total)))
    assert [request.symbol for request in service.asked] == ["FIRST", "A"]
    assert result.not_asked == ("B", "C") and steps == [(0, 4), (1, 4)]
    (failed,) = result.failures
    assert failed.what == "A" and type(failed.error) is kind
    assert str(failed.error).endswith("try again later; 2 more symbols were not asked for")
    assert result.sentence() == "1 symbol: 3 bars added, 0 stored already, 1 failed, 2 not asked."
    assert not result.partial and [one.bars.symbol for one in result.stored] == ["FIRST"]


def test_the_last_symbol_leaves_none_unasked(room: DataRoom) -> None:
    service = Service()
    service.error = UnreachableError("Service: nobody there; check the connection and try again later")
    result = room.pull(service, ["A"])
    assert result.not_asked == () and str(result.failures[0].error).endswith("try again later")
    assert "not asked" not in result.sentence()


def test_a_symbol_that_the_service_fails_at_keeps_no_other_out(room: DataRoom) -> None:
    service = Service()
    service.error = SourceAnswerError("Service: an answer that cannot be right; try again later")
    result = room.pull(service, ["A", "FIRST", "B"])
    assert [request.symbol for request in service.asked] == ["A", "FIRST", "B"] and result.not_asked == ()


def test_adjust_ends_where_the_service_answers_nobody(room: DataRoom, tmp_path: Path) -> None:
    room.import_files([write(tmp_path, f"{name}.csv") for name in ("FIRST", "A", "B", "C")])
    minutes = write(tmp_path, "more.csv", ["2018-12-24 15:30Z", "2018-12-24 15:31Z", "2018-12-24 15:32Z"])
    room.import_files(minutes, stored_as="A")  # a second series of one symbol, which is asked for once
    service = Service()
    service.error = UnreachableError("Service: nobody there; check the connection and try again later")
    steps: list[tuple[int, int]] = []
    result = room.adjust(
        ["FIRST", "A", "B", "C"], source=service, progress=lambda done, total: steps.append((done, total))
    )
    assert [request.symbol for request in service.asked] == ["FIRST", "A"]
    assert result.not_asked == ("B", "C") and steps == [(0, 5), (1, 5)] and not result.partial
    (failed,) = result.failures
    assert str(failed.error).endswith("try again later; 2 more symbols were not asked for")
    assert [one.symbol for one in result.series] == ["FIRST"] and "; 2 not asked; " in result.sentence()


# --- out of the room


def test_files_are_known_by_their_kind(tmp_path: Path, room: DataRoom) -> None:
    prices(WEEKDAYS).to_parquet(tmp_path / "P.parquet")
    prices(WEEKDAYS).to_parquet(tmp_path / "Q.csv")  # the name does not say what it is
    room.import_files([tmp_path / "P.parquet", tmp_path / "Q.csv", write(tmp_path, "R.csv")])
    assert [one.source for one in room.show().series] == ["parquet:P.parquet", "parquet:Q.csv", "csv:R.csv"]


def test_bars_are_asked_for_with_dates_as_text(tmp_path: Path, room: DataRoom) -> None:
    room.import_files(write(tmp_path, "A.csv"))
    assert len(room.bars("A", start="2018-12-21")) == 2
    assert len(room.bars("A", end="2018-12-21")) == 2
    assert len(room.bars("A", start=pd.Timestamp("2018-12-24").date())) == 1
    with pytest.raises(SettingsError, match="1.12.2018 is no date; write it as 2015-12-31"):
        room.bars("A", start="1.12.2018")


def test_what_became_of_adj_close_is_told(tmp_path: Path) -> None:
    def imported(days: list[str], adjusted: list[float]) -> Storage:
        frame = pd.DataFrame({"date": days, **dict.fromkeys(("open", "high", "low", "close"), 10.0), "volume": 1})
        frame.assign(adj_close=adjusted).to_csv(tmp_path / "PAYS.csv", index=False)
        return DataRoom(tmp_path / "catalog").import_files(tmp_path / "PAYS.csv")

    imported(["2020-01-02", "2020-01-03", "2020-01-06"], [10.0, 10.0, 10.0])
    grown = imported(["2020-01-03", "2020-01-06", "2020-01-07"], [9.0, 9.0, 10.0])
    assert "1 bar added" in grown.sentence() and "2 with a newer adj_close" in grown.sentence()
    taken, older = grown.stored[0].notes
    assert taken.startswith("the adj_close of 2 stored bars") and older.startswith("1 stored bar outside of the file")


# --- a slow service, of which what is stored is not asked for again

OPENS = "2024-06-{day} 13:30"
WEEK = ("03", "04", "05", "06", "07")  # sessions of New York, 13:30 to 20:00 UTC


class Slow(Service):
    """Minutes of the sessions of a week; each as many as it is told."""

    name = "ibkr"

    def __init__(self, minutes: dict[str, int], source: str = "ibkr") -> None:
        super().__init__()
        self.minutes, self.source = minutes, source

    def fetch(self, request: Request) -> RawBars:
        self.asked.append(request)
        index = pd.DatetimeIndex([], tz="UTC")
        for day, count in self.minutes.items():
            if request.start is None or f"2024-06-{day}" >= str(request.start):
                index = index.append(pd.date_range(OPENS.format(day=day), periods=count + 1, freq="min", tz="UTC")[1:])
        prices = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 5.0}
        frame = pd.DataFrame(prices, index=index.rename("time").as_unit("us"))
        return RawBars(request.symbol, request.bar, frame, self.source, exchange="XNYS", currency="USD")


@pytest.mark.parametrize(
    ("stored", "start", "end", "asked"),
    [
        ({}, "2024-06-03", None, "2024-06-03"),
        ({"03": 390, "04": 390}, "2024-06-03", None, "2024-06-03"),  # the last one is compared, and a day before it
        ({"03": 390, "04": 390, "05": 390}, "2024-06-03", None, "2024-06-04"),
        ({"03": 390, "04": 390, "05": 100}, "2024-06-03", None, "2024-06-04"),  # broken off within it
        ({"03": 390, "04": 390, "05": 100, "06": 390, "07": 390}, "2024-06-03", None, "2024-06-04"),
        ({"03": 390, "04": 390, "06": 390, "07": 390}, "2024-06-03", None, "2024-06-03"),  # a session is missing
        ({"03": 390, "04": 390, "05": 390, "06": 390, "07": 390}, "2024-06-03", None, "2024-06-06"),
        ({"03": 390, "04": 390, "05": 390, "06": 390, "07": 390}, "2024-06-03", "2024-06-05", "2024-06-04"),
        ({"05": 390, "06": 390, "07": 390}, "2024-06-03", None, "2024-06-03"),  # nothing is known of what came before
        ({"03": 390, "04": 390}, "2024-06-06", None, "2024-06-06"),
        ({"03": 390, "04": 390, "05": 380}, "2024-06-01", None, "2024-06-04"),  # from a Saturday on
    ],
)
def test_a_slow_service_is_asked_for_what_is_not_stored_whole(
    room: DataRoom, stored: dict[str, int], start: str, end: str | None, asked: str
) -> None:
    if stored:
        room.pull(Slow(stored), "A", bar="1m")
    service = Slow(dict.fromkeys(WEEK, 390))
    result = room.pull(service, "A", start, end, "1m")
    assert [str(each.start) for each in service.asked] == [asked]
    assert any("since the catalog has what comes before" in note for note in result.notes()) == (asked != start)
    if end is None:
        assert len(room.bars("A", "1m")) == 390 * sum(f"2024-06-{day}" >= start or day in stored for day in WEEK)


def test_everything_is_asked_for_to_replace_it_or_where_another_source_had_it(room: DataRoom) -> None:
    whole = dict.fromkeys(WEEK, 390)
    room.pull(Slow(whole), "A", bar="1m")
    service = Slow(whole)
    room.pull(service, "A", "2024-06-03", bar="1m", replace=True)
    room.pull(Slow(whole, "csv:a.csv"), "B", bar="1m")
    room.pull(service, "B", "2024-06-03", bar="1m")
    assert [str(each.start) for each in service.asked] == ["2024-06-03", "2024-06-03"]
