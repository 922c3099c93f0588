"""Interactive Brokers as a source of bars: pieces, what is stored, and how a pull goes on where it was broken off."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stored.desk import SETTINGS, gateway
from typer.testing import CliRunner

import commands
import feeds.sources.ibkr as module
from core.calendar import ExchangeCalendar
from core.errors import FeedEmptyError, FeedError, SettingsError
from feeds.aggregate import aggregate
from feeds.bars import Request
from feeds.room.room import DataRoom
from feeds.sources import ibkr_pieces
from feeds.sources.http import ClosedError
from feeds.sources.ibkr import IbkrSource, from_environment
from feeds.sources.ibkr_pieces import pieces
from gateway import Gateway
from stores.records import HistoryBar

DAY = dt.date(2024, 6, 11)


FRIDAY = dt.date(2024, 6, 7)  # the sample's minutes begin here: three sessions up to DAY


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day for each piece: June 7 to 11 are five."""
    monkeypatch.setitem(ibkr_pieces._STEPS, "1m", ("1 D", dt.timedelta(days=1)))


def source(tws: Gateway, **settings: Any) -> IbkrSource:
    made = replace(SETTINGS, port=tws.port, client_id=90, is_trading=False, **settings)
    return IbkrSource(settings=made, clock=tws.tws.clock)


def test_pieces_cover_a_range_and_seconds_leave_closed_hours_out() -> None:
    calendar = ExchangeCalendar("XNYS")
    start, end = dt.datetime(2024, 1, 1, tzinfo=dt.UTC), dt.datetime(2024, 2, 1, tzinfo=dt.UTC)
    minutes = list(pieces("1m", start, end, calendar))
    assert [(each.end - start).days for each in minutes] == [5, 10, 15, 20, 25, 30, 31]
    assert {each.duration for each in minutes} == {"1 W"} and minutes[-1].end == end
    seconds = list(pieces("1s", start, dt.datetime(2024, 1, 4, tzinfo=dt.UTC), calendar))
    assert len(seconds) == 2 * 13  # January 2 and 3: 6.5 hours each
    assert seconds[0].end == dt.datetime(2024, 1, 2, 15, 0, tzinfo=dt.UTC)
    assert list(pieces("1s", end, end, calendar)) == []


def test_minutes_are_labelled_by_their_close_and_days_by_their_date() -> None:
    with gateway() as tws, source(tws) as ibkr:
        got = ibkr.fetch(Request("XMPLA", "1m", DAY, DAY))
        assert len(got.frame) == 390 and got.frame.index.is_monotonic_increasing and got.frame.index.is_unique
        assert str(got.frame.index[0]) == "2024-06-11 13:31:00+00:00"
        assert str(got.frame.index[-1]) == "2024-06-11 20:00:00+00:00"
        assert (got.currency, got.exchange, got.adjusted, got.content) == ("USD", "XNYS", "split", "trades")
        assert got.adjusted_until == dt.date(2024, 6, 12)
        days = ibkr.fetch(Request("XMPLA", "1d", dt.date(2024, 6, 3), DAY))
        assert [str(each.date()) for each in days.frame.index] == [
            "2024-06-03", "2024-06-04", "2024-06-05", "2024-06-06", "2024-06-07", "2024-06-10", "2024-06-11",
        ]  # fmt: skip
        minute = got.frame
        assert days.frame.loc["2024-06-11", "high"] == minute["high"].max()
        assert days.frame.loc["2024-06-11", "close"] == minute["close"].iloc[-1]


def test_hours_are_labelled_by_the_clock_for_the_session_cuts_the_first() -> None:
    """As ``feeds.aggregate`` and live bars have them; IBKR's first hour begins at the open, 09:30."""
    calendar = ExchangeCalendar("XNYS")
    with gateway() as tws, source(tws) as ibkr:
        hours = ibkr.fetch(Request("XMPLA", "1h", DAY, DAY)).frame
        minutes = ibkr.fetch(Request("XMPLA", "1m", DAY, DAY)).frame
    assert [f"{each:%H:%M}" for each in hours.index] == [
        "14:00", "15:00", "16:00", "17:00", "18:00", "19:00", "20:00",
    ]  # fmt: skip
    made = aggregate(minutes, "1h", calendar)
    assert list(made.index) == list(hours.index) and list(made["close"]) == list(hours["close"])
    assert hours["volume"].iloc[0] == minutes["volume"].iloc[:30].sum()


def test_an_hour_that_an_early_close_cuts_ends_with_it() -> None:
    calendar = ExchangeCalendar("XLON")  # open to 16:30, and to 12:30 on 2024-12-24
    starts = [dt.datetime(2024, 12, 23, 16, tzinfo=dt.UTC), dt.datetime(2024, 12, 24, 12, tzinfo=dt.UTC)]
    rows: module.Rows = {start: HistoryBar(start, 1.0, 1.0, 1.0, 1.0, 5.0, 1.0, 1) for start in starts}
    assert [f"{each:%d %H:%M}" for each in module._frame(rows, "1h", calendar).index] == ["23 16:30", "24 12:30"]


@pytest.mark.usefixtures("small_pieces")
def test_pieces_that_overlap_give_each_bar_once() -> None:
    with gateway() as tws, source(tws) as ibkr:
        got = ibkr.fetch(Request("XMPLA", "1m", FRIDAY, DAY))
        assert len(got.frame) == 3 * 390 and got.frame.index.is_unique and got.frame.index.is_monotonic_increasing


def test_a_bar_that_is_not_over_for_half_an_hour_is_left_out() -> None:
    with gateway() as tws, source(tws) as ibkr:
        tws.advance(seconds=3600)
        got = ibkr.fetch(Request("XMPLA", "1m", dt.date(2024, 6, 12), None))
        assert len(got.frame) == 60 and str(got.frame.index[-1]) == "2024-06-12 14:30:00+00:00"
        assert "30 bars were left out" in " ".join(got.notes)


def test_a_currency_pair_is_of_quotes() -> None:
    with gateway() as tws, source(tws) as ibkr:
        got = ibkr.fetch(Request("EUR.USD", "1h", dt.date(2024, 6, 10), DAY))
        assert (got.content, got.adjusted, got.exchange, got.currency) == ("quotes", "raw", "24/5", "USD")
        assert len(got.frame) > 10 and (got.frame["volume"] == 0.0).all()


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(
    "fault", ["drop_middle:message=historicalData,n=2", "history_pacing:n=2", "on reqHistoricalData 3: close before"]
)
def test_a_fault_on_the_way_changes_nothing(fault: str) -> None:
    wanted = Request("XMPLA", "1m", FRIDAY, DAY)
    with gateway() as tws, source(tws) as ibkr:
        whole = ibkr.fetch(wanted)
    with gateway(fault) as tws, source(tws) as ibkr:
        got = ibkr.fetch(wanted)
    assert got.frame.equals(whole.frame) and got.notes == whole.notes == ()


@pytest.mark.usefixtures("small_pieces")
def test_a_pull_that_breaks_off_stores_what_came_and_the_next_goes_on(tmp_path: Path) -> None:
    room = DataRoom(tmp_path / "catalog")
    with gateway("on reqHistoricalData 3: refuse_logins 60; close before") as tws:
        broken = source(tws, history_timeout=0.5)
        first = room.pull(broken, "XMPLA", "2024-06-07", "2024-06-11", "1m")
        assert len(first.stored) == 1 and "broken off before" in " ".join(first.stored[0].notes)
        have = first.stored[0].appended.added
        assert 0 < have < 390 * 3
        tws.advance(seconds=120)
        second = room.pull(source(tws), "XMPLA", end="2024-06-11", bar="1m")
        assert second.stored[0].appended.differing == 0 and second.failures == ()
        assert have + second.stored[0].appended.added == 390 * 3


@pytest.mark.usefixtures("small_pieces")
def test_the_same_pull_goes_on_where_it_was_broken_off(tmp_path: Path) -> None:
    """Five days of New York, of which the weekend has no bars: three sessions, a request for each day."""
    room = DataRoom(tmp_path / "catalog")
    words = ("XMPLA", "2024-06-07", "2024-06-11", "1m")
    with gateway("on reqHistoricalData 3: refuse_logins 60; close before") as tws:
        first = room.pull(source(tws, history_timeout=0.5), *words)
        assert "broken off before 2024-06-10" in " ".join(first.stored[0].notes)
        assert first.stored[0].appended.added == 390  # the Friday
        tws.advance(seconds=120)
        second = room.pull(source(tws), *words)
        (stored,) = second.stored
        assert stored.appended.added == 2 * 390 and stored.appended.differing == 0
        whole = room.pull(source(tws), *words).stored[0]  # nothing is missing: the last days are compared
        assert whole.appended.added == 0 and 390 <= whole.appended.unchanged < 3 * 390
        assert "asked for from 2024-06-10 on, since the catalog has what comes before" in whole.notes[0]
        again = room.pull(source(tws), *words, replace=True).stored[0]
        assert again.appended.unchanged == 3 * 390 and again.notes == ()


@pytest.mark.usefixtures("small_pieces")
def test_an_interrupt_stores_what_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = module._asked
    calls: list[int] = []

    def interrupt(*values: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return asked(*values)

    monkeypatch.setattr(module, "_asked", interrupt)
    room = DataRoom(tmp_path / "catalog")
    with gateway() as tws:
        result = room.pull(source(tws), ["XMPLA", "XMPLB"], "2024-06-07", "2024-06-11", "1m")
    assert result.partial and [each.bars.symbol for each in result.stored] == ["XMPLA"]
    assert result.stored[0].appended.added > 0 and "interrupted before" in " ".join(result.stored[0].notes)


def test_where_nobody_answers_the_rest_is_not_asked(tmp_path: Path) -> None:
    room = DataRoom(tmp_path / "catalog")
    made = IbkrSource(settings=replace(SETTINGS, port=1, start_timeout=0.2))
    result = room.pull(made, ["A", "B", "C"])
    assert result.not_asked == ("B", "C") and "nothing listens on 127.0.0.1:1" in str(result.failures[0].error)
    assert isinstance(result.failures[0].error, ClosedError)


def test_symbols_and_ranges_that_cannot_be_are_refused_with_the_cure() -> None:
    with gateway() as tws, source(tws) as ibkr:
        with pytest.raises(FeedError, match="IBKR knows no contract symbol=NOPE"):
            ibkr.fetch(Request("NOPE"))
        with pytest.raises(FeedEmptyError, match="no bars between"):
            ibkr.fetch(Request("XMPLA", "1d", dt.date(2025, 1, 1)))
        with pytest.raises(FeedEmptyError, match="no bars between"):
            ibkr.fetch(Request("XMPLA", "1d", None, dt.date(1999, 1, 1)))


def test_the_command_pulls_into_the_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with gateway(speed=1) as tws:
        monkeypatch.setenv("IBKR_PORT", str(tws.port))
        words = [
            "data",
            "pull",
            "--source",
            "ibkr",
            "XMPLA",
            "--bar",
            "1m",
            "--from",
            "2024-06-10",
            "--to",
            "2024-06-11",
        ]
        outcome = CliRunner().invoke(commands.app, [*words, "--catalog", str(tmp_path / "catalog")])
        assert outcome.exit_code == 0, outcome.stderr
        assert "780 bars added" in outcome.output


def test_the_environment_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IBKR_PORT", "7497")
    assert (from_environment().host, from_environment().port, from_environment().client_id) == ("127.0.0.1", 7497, 90)
    monkeypatch.setenv("IBKR_CLIENT_ID", "x")
    with pytest.raises(SettingsError, match="IBKR_CLIENT_ID is 'x'"):
        from_environment()
