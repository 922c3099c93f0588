"""A closed trade is told once, over any number of sessions, and a session's table tells what that session did."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from lived.runs import Lived, live

from books.intents import read_book
from books.journal import EventKind, Journal
from core.errors import LedgerError
from core.events import ExceptionEvent, FillEvent
from core.settings import Settings
from gateway import Gateway
from live import session_events
from live.places import Places
from live.rehearsal import rehearsal_settings

PLACES = Places.of("state", "DU1234567")


def at(hour: int, minute: int) -> dt.datetime:
    """A moment of the sample's day, UTC. On it meanrev is short from 13:31 to 13:39 and long from 13:47 to 13:52, and
    the pair is held from 14:09 to 14:12."""
    return dt.datetime(2024, 6, 12, hour, minute, tzinfo=dt.UTC)


@pytest.fixture
def tws() -> Iterator[Gateway]:
    with Gateway.sample(speed="max") as gateway:
        yield gateway


@pytest.fixture
def settings() -> Settings:
    return rehearsal_settings()


def trades() -> list[dict[str, Any]]:
    with Journal(PLACES.events) as journal:
        return [event.payload for event in journal.read(EventKind.TRADE)]


def told(run: Lived) -> list[str]:
    return [text for text in run.told if " closed" in text and "until" not in text]


def table(run: Lived) -> list[tuple[int, int, int]]:
    """Orders, filled orders and closed trades of each unit."""
    return [(unit.orders, unit.fills, unit.trades) for unit in run.summary.units]


def test_restarts_tell_nothing_again_and_each_table_is_of_its_session(tws: Gateway, settings: Settings) -> None:
    runs = [live(settings, tws, until) for until in (at(13, 45), at(14, 5), at(14, 7), at(14, 20))]
    assert [(each["strategy"], each["instrument"], each["side"]) for each in trades()] == [
        ("meanrev", "XMPLA", "short"), ("meanrev", "XMPLA", "long"), ("pairs", "XMPLA", "long"),
        ("pairs", "XMPLB", "short"),
    ]  # fmt: skip
    assert [len(told(run)) for run in runs] == [1, 1, 0, 2]
    # A round trip is an entry, its stop and an exit, of which entry and exit fill
    assert [table(run) for run in runs] == [
        [(3, 2, 1), (0, 0, 0)], [(3, 2, 1), (0, 0, 0)], [(0, 0, 0), (0, 0, 0)], [(0, 0, 0), (6, 4, 2)],
    ]  # fmt: skip
    net = [sum(unit.closed_eur for unit in run.summary.units) for run in runs]
    assert [round(each, 2) for each in net] == [
        round(sum(trade["net_eur"] for trade in trades()[part]), 2)
        for part in (slice(0, 1), slice(1, 2), slice(0, 0), slice(2, 4))
    ]
    # Fees of each session, and of the account in its last one
    costs = [sum(unit.costs_eur for unit in run.summary.units) for run in runs]
    assert costs[2] == 0.0 and runs[-1].summary.costs_eur == pytest.approx(sum(costs), abs=0.02)
    assert runs[-1].summary.net_eur == pytest.approx(sum(net), abs=0.1)  # the rest is exchange rates


def test_a_trade_that_a_later_session_closes_is_told_by_it_with_its_whole_result(
    tws: Gateway, settings: Settings
) -> None:
    first, second, third = (live(settings, tws, until) for until in (at(13, 35), at(13, 45), at(13, 46)))
    assert (told(first), told(third)) == ([], []) and len(told(second)) == 1
    assert table(first)[0] == (2, 1, 0) and table(second)[0] == (1, 1, 1)
    (trade,) = trades()
    assert dt.datetime.fromisoformat(trade["entry_time"]) < at(13, 35) < dt.datetime.fromisoformat(trade["exit_time"])
    fills = [e for run in (first, second) for e in run.events if isinstance(e, FillEvent)]
    sold, bought = fills
    assert trade["size"] == sold.shares == bought.shares == 323.0
    gross = 323.0 * (sold.price - bought.price)  # USD
    fees = sum(cost.amount for cost in read_book(PLACES.intents).commissions.values())  # USD, both executions
    rate = trade["gross_eur"] / gross
    assert 0.8 < rate < 1.0 and trade["commission_eur"] == pytest.approx(fees * rate, abs=0.02)
    assert trade["net_eur"] == pytest.approx((gross - fees) * rate, abs=0.02)
    assert second.summary.units[0].closed_eur == pytest.approx(trade["net_eur"], abs=0.02)


def test_a_stop_that_fills_while_no_session_runs_is_told_by_the_next_one(tws: Gateway, settings: Settings) -> None:
    live(settings, tws, at(13, 35))

    def fill_the_stop(state: Any) -> None:
        (stop,) = state.market.open_orders()
        state.market.execute(stop)

    tws.call(fill_the_stop)
    second, third = live(settings, tws, at(13, 45)), live(settings, tws, at(13, 46))
    (text,) = told(second)
    assert "meanrev: short XMPLA closed at 2024-06-12 13:35 UTC, before this session, EUR " in text
    assert len(trades()) == 1 and not told(third)


def test_a_kill_between_the_fill_and_its_event_loses_nothing(
    tws: Gateway, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends where the trade is about to be written; the fill is in the intent journal by then."""

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(session_events.SessionEvents, "_closed", die)
        with pytest.raises(Killed):
            live(settings, tws, at(13, 45))
    assert trades() == []
    second, third = live(settings, tws, at(13, 46)), live(settings, tws, at(13, 46))
    assert len(trades()) == 1 and len(told(second)) == 1 and told(third) == []
    assert "13:39 UTC, before this session" in told(second)[0]
    assert table(second)[0] == (0, 0, 1)  # found closed, and told


def test_a_disk_that_is_full_for_a_while_costs_no_trade(
    tws: Gateway, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, is_full = Journal.extend, [True]

    def extend(journal: Journal, events: Any) -> list[int]:
        if is_full[0]:
            raise LedgerError("the disk is full; free space")
        return written(journal, events)

    monkeypatch.setattr(Journal, "extend", extend)

    def free_it(when: dt.datetime, broker: Any) -> None:
        is_full[0] = when < at(13, 50)

    live(settings, tws, at(14, 5), each_bar=free_it)  # one trade closes before, one after
    assert [each["side"] for each in trades()] == ["short", "long"]


@pytest.mark.slow
def test_a_new_event_journal_gets_the_trades_that_are_known(
    tws: Gateway, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(settings, tws, at(14, 20))
    before = trades()
    for file in PLACES.folder.glob("events.sqlite*"):
        file.unlink()
    monkeypatch.setattr(session_events, "FEW", 1)
    run = live(settings, tws, at(14, 22))
    names = [(each["strategy"], each["instrument"], each["trade_id"], each["exit_time"]) for each in trades()]
    assert sorted(names) == sorted((e["strategy"], e["instrument"], e["trade_id"], e["exit_time"]) for e in before)
    assert [text for text in run.told if "written into the event journal" in text] == [
        "meanrev: 2 trades closed before are written into the event journal",
        "pairs: 2 trades closed before are written into the event journal",
    ]
    assert table(run) == [(0, 0, 0), (0, 0, 0)]


@pytest.mark.slow
def test_an_event_journal_that_cannot_be_read_is_told_and_trading_goes_on(
    tws: Gateway, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(settings, tws, at(13, 45))

    def fail(*_: object) -> None:
        raise LedgerError("it is damaged; put a copy back")

    monkeypatch.setattr(Journal, "read", fail)
    run = live(settings, tws, at(14, 5))
    texts = [e.text for e in run.events if isinstance(e, ExceptionEvent) and e.where == "closed trades"]
    assert texts == ["trades that were closed before are not told: it is damaged; put a copy back"] * 2
    assert len(told(run)) == 1  # what it closes itself
