"""The parts of the live feed by themselves: stamps, doubts, requests for history, and how datas take steps."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from fed.playing import settings_of
from fed.telling import MINUTE, OPEN, Telling, instrument, piece
from hypothesis import given
from hypothesis import strategies as st

from core.calendar import ExchangeCalendar
from core.errors import FeedEmptyError, NotSentError, UnknownNameError
from feeds.aggregate import BuiltBar, aggregate
from live.aligning import Step
from live.backfill import Backfill, fetch, pieces
from live.feed import LiveData, LiveHistory, warm_steps
from live.grid import Grid
from live.hub import BarHub
from live.pump import EventPump
from live.status import Status
from live.validation import Doubt, what_is_wrong
from stores.records import HistoryBar

NYSE, LONDON = ExchangeCalendar("XNYS"), ExchangeCalendar("XLON")


def utc(text: str) -> dt.datetime:
    return pd.Timestamp(text, tz="UTC").to_pydatetime()


# -- stamps -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bar", "when", "after", "last"),
    [
        ("1m", "2024-07-03 13:30:00", "2024-07-03 13:31:00", "2024-07-02 20:00:00"),
        ("1m", "2024-07-03 13:31:00", "2024-07-03 13:32:00", "2024-07-03 13:31:00"),
        ("1m", "2024-07-03 13:31:59", "2024-07-03 13:32:00", "2024-07-03 13:31:00"),
        ("1m", "2024-07-03 16:59:59", "2024-07-03 17:00:00", "2024-07-03 16:59:00"),  # it closes at 13:00
        ("1m", "2024-07-03 17:00:00", "2024-07-05 13:31:00", "2024-07-03 17:00:00"),
        ("1m", "2024-07-04 15:00:00", "2024-07-05 13:31:00", "2024-07-03 17:00:00"),
        ("1h", "2024-07-03 13:30:00", "2024-07-03 14:00:00", "2024-07-02 20:00:00"),
        ("1h", "2024-07-03 14:30:00", "2024-07-03 15:00:00", "2024-07-03 14:00:00"),
        ("1d", "2024-07-03 15:00:00", "2024-07-03 17:00:00", "2024-07-02 20:00:00"),
        ("1d", "2024-07-03 17:00:00", "2024-07-05 20:00:00", "2024-07-03 17:00:00"),
        ("1m", "2024-03-10 12:00:00", "2024-03-11 13:31:00", "2024-03-08 21:00:00"),  # summer time
    ],
)
def test_stamps_are_those_of_sessions(bar: str, when: str, after: str, last: str) -> None:
    grid = Grid(bar, NYSE)
    assert grid.after(utc(when)) == utc(after) and grid.last_at(utc(when)) == utc(last)


def test_the_last_hour_of_london_is_half_of_one() -> None:
    grid = Grid("1h", LONDON)
    assert grid.after(utc("2024-01-10 16:00:00")) == utc("2024-01-10 16:30:00")
    assert grid.begin(utc("2024-01-10 16:30:00")) == utc("2024-01-10 16:00:00")
    assert grid.last_at(utc("2024-01-10 16:45:00")) == utc("2024-01-10 16:30:00")
    assert grid.is_open(utc("2024-01-10 08:00:00")) and not grid.is_open(utc("2024-01-10 16:30:00"))


@given(st.integers(0, 86_400 * 12), st.sampled_from(["1m", "1h", "1d"]), st.sampled_from([NYSE, LONDON]))
def test_stamps_are_those_of_the_bars_that_are_made(second: int, bar: str, calendar: ExchangeCalendar) -> None:
    when = utc("2024-06-28 00:00") + dt.timedelta(seconds=second)
    grid = Grid(bar, calendar)
    stamp, last = grid.after(when), grid.last_at(when)
    assert last <= when < stamp and grid.after(last) == stamp and grid.last_at(stamp) == stamp
    begin = grid.begin(stamp)
    inside = [begin + dt.timedelta(seconds=1), stamp]
    row = pd.DataFrame(1.0, index=pd.DatetimeIndex(inside), columns=["open", "high", "low", "close", "volume"])
    made = aggregate(row, bar, calendar)
    assert [*made.index] == [stamp] and made["volume"].item() == 2.0


# -- doubts -----------------------------------------------------------------------------------------------------------


def one(price: float, **changes: Any) -> Any:
    return piece(1, OPEN, price, **changes)


@pytest.mark.parametrize(
    ("bar", "says"),
    [
        (one(10.0), ""),
        (one(10.0, high=9.0), "do not hold"),
        (one(10.0, low=11.0), "do not hold"),
        (one(0.0), "a price of 0"),
        (one(10.0, low=-1.0), "a price of -1"),
        (one(float("nan")), "no number"),
        (one(10.0, volume=float("inf")), "no number"),
        (one(10.0, volume=-1.0), "its volume is -1"),
    ],
)
def test_a_bar_that_contradicts_itself_is_named(bar: Any, says: str) -> None:
    assert (says in what_is_wrong(bar)) if says else what_is_wrong(bar) == ""


def test_a_spike_is_in_doubt_until_three_calm_bars_have_come() -> None:
    doubt = Doubt(0.2)
    assert doubt.believes(one(10.0)) and doubt.believes(one(11.9)) and not doubt.why
    assert not doubt.believes(one(11.9, high=18.0)) and "a price 51% from 11.9" in doubt.why
    assert doubt.believes(one(12.0)) and doubt.believes(one(12.0)) and doubt.why
    assert doubt.believes(one(12.0)) and not doubt.why


def test_a_new_level_is_believed_once_it_holds_or_history_has_it() -> None:
    doubt = Doubt(0.2)
    assert doubt.believes(one(10.0))
    assert [doubt.believes(one(6.0)) for _ in range(4)] == [False, False, False, True] and not doubt.why
    doubt = Doubt(0.2)
    doubt.trust(10.0)
    assert not doubt.believes(one(14.0)) and doubt.why
    doubt.trust(14.0)
    assert not doubt.why and doubt.believes(one(14.1))
    assert not doubt.believes(one(20.0)) and not doubt.believes(one(9.0)) and not doubt.believes(one(20.0))
    doubt.trust(14.1)  # history knows of none of it
    assert doubt.why


# -- history ----------------------------------------------------------------------------------------------------------


def test_requests_are_in_seconds_within_a_session_and_in_weeks_over_several() -> None:
    grid = Grid("1m", NYSE)
    known, until = utc("2024-07-03 14:00:00"), utc("2024-07-03 14:05:00")
    assert list(pieces(grid, known, until)) == [(until, "360 S")]
    assert list(pieces(grid, utc("2024-07-02 20:00"), utc("2024-07-03 13:31"))) == [(utc("2024-07-03 13:31"), "120 S")]
    several = list(pieces(grid, utc("2024-06-20 20:00"), until))
    assert [duration for _, duration in several] == ["1 W"] * 3 and several[-1][0] == until
    assert all(b[0] - a[0] <= dt.timedelta(days=6) for a, b in zip(several, several[1:], strict=False))
    daily = Grid("1d", NYSE)
    assert list(pieces(daily, utc("2024-07-01 20:00"), utc("2024-07-03 17:00"))) == [(utc("2024-07-03 17:00"), "3 D")]
    assert [duration for _, duration in pieces(daily, utc("2022-01-03 21:00"), until)] == ["3 Y"]
    assert list(pieces(Grid("1h", NYSE), known, utc("2024-07-03 15:00"))) == [(utc("2024-07-03 15:00"), "7200 S")]


def test_a_lost_answer_is_asked_for_again_as_often_as_one_wants() -> None:
    store = Telling()
    store.truth[1], store.failures = [piece(1, OPEN, 10.0)], [True, True]
    store.clock.set(OPEN + MINUTE)
    grid = Grid("1m", NYSE)
    (row,) = fetch(store, instrument(1, "XMPLA"), grid, OPEN, OPEN + MINUTE, tries=3)
    assert row.close == 10.0 and len(store.asked) == 3
    store.failures = [True]
    with pytest.raises(TimeoutError):
        fetch(store, instrument(1, "XMPLA"), grid, OPEN, OPEN + MINUTE)


def test_what_waits_for_its_turn_keeps_no_history_waiting() -> None:
    store, turn, answers = Telling(), threading.Event(), list[Any]()
    store.clock.set(OPEN + MINUTE)
    store.truth[1] = [piece(1, OPEN, 10.0)]
    pump = EventPump(store)
    backfill = Backfill(store, pump)
    for number in range(20):
        backfill.run(lambda: turn.wait(60.0), f"stream {number}")
    backfill.ask(instrument(1, "XMPLA"), Grid("1m", NYSE), OPEN, OPEN + MINUTE, lambda *told: answers.append(told))
    for _ in range(200):
        if answers:
            break
        pump.pump(0.05)
    turn.set()
    backfill.stop()
    ((rows, why),) = answers
    assert [row.close for row in rows] == [10.0] and not why


# -- datas ------------------------------------------------------------------------------------------------------------


class Times(bt.Strategy):
    """Writes down which datas were fresh in each call."""

    params = (("seen", None),)

    def __init__(self) -> None:
        self.lengths = [0] * len(self.datas)

    def next(self) -> None:
        fresh = [len(data) > before for data, before in zip(self.datas, self.lengths, strict=True)]
        self.lengths = [len(data) for data in self.datas]
        when = bt.num2date(self.datetime[0])
        self.p.seen.append((f"{when:%H:%M}", "".join("x" if each else "-" for each in fresh)))

    prenext = next


def bar(minute: int, price: float = 10.0) -> BuiltBar:
    return BuiltBar(OPEN + minute * MINUTE, price, price, price, price, 1.0)


def hub_of(store: Telling, symbols: tuple[str, ...] = ("XMPLA", "XMPLB"), **settings: Any) -> BarHub:
    pump = EventPump(store, lockstep=True)
    instruments = {symbol: instrument(number, symbol) for number, symbol in enumerate(symbols, 1)}
    return BarHub(store, pump, settings=settings_of(**settings), instruments=instruments)  # type: ignore[arg-type]


def test_steps_reach_the_graph_one_by_one_whatever_the_order_of_the_datas() -> None:
    store = Telling()
    hub = hub_of(store)

    def steps() -> Iterator[Step]:
        yield Step(OPEN + MINUTE, {"XMPLB": bar(1)})
        yield Step(OPEN + 2 * MINUTE, {"XMPLA": bar(2)})
        yield Step(OPEN + 3 * MINUTE, {"XMPLA": bar(3), "XMPLB": bar(3)})
        yield Step(OPEN + 4 * MINUTE, {"XMPLB": bar(4)})
        hub.close()

    seen: list[tuple[str, str]] = []
    hub.start(dict.fromkeys(hub.members, (OPEN, 10.0)), steps())
    cerebro = bt.Cerebro(stdstats=False)
    for number, symbol in enumerate(("XMPLA", "XMPLB", "XMPLA")):
        data = LiveData(dataname=symbol, hub=hub, timeframe=bt.TimeFrame.Minutes)
        cerebro.adddata(data, name=f"{symbol}{number}")
    cerebro.addstrategy(Times, seen=seen)
    cerebro.run()
    assert seen == [("13:31", "-x-"), ("13:32", "x-x"), ("13:33", "xxx"), ("13:34", "-x-")]


def test_a_data_gives_backtraders_numbers_and_the_clocks_offset() -> None:
    store = Telling()
    hub = hub_of(store)
    history = LiveHistory({"XMPLA": pd.DataFrame()}, hub=hub)
    data = history.data("XMPLA", timeframe=bt.TimeFrame.Minutes)
    assert data.islive() and data._name == "XMPLA" and data.p.qcheck == 0.5
    assert data._timeoffset() < dt.timedelta(days=-365)  # the clock of the tape is in 2024
    hub.start(dict.fromkeys(hub.members, (OPEN, 10.0)), iter([Step(OPEN + MINUTE, {"XMPLA": bar(1)})]))
    data.setenvironment(bt.Cerebro())
    data._start()
    assert data.haslivedata()
    data.do_qcheck(True, 0.1)
    assert data._qcheck == 0.4 and data.next() is True
    assert data.datetime[0] == bt.date2num(dt.datetime(2024, 7, 3, 13, 31)) and np.isnan(data.openinterest[0])  # noqa: DTZ001
    assert [status for status, _, _ in data.get_notifications()] == [int(Status.DELAYED)]
    with pytest.raises(UnknownNameError, match="no live bars of 'XMPLC'"):
        history.data("XMPLC")


def test_warm_steps_are_all_bars_in_order() -> None:
    index = pd.date_range("2024-07-03 13:31", periods=3, freq="min", tz="UTC")
    rows = np.arange(15.0).reshape(3, 5)
    columns = ["open", "high", "low", "close", "volume"]
    frames = {"A": pd.DataFrame(rows, index=index, columns=columns)}
    frames["B"] = frames["A"].iloc[[1]] + 100.0
    steps = list(warm_steps(frames))
    assert [(step.when, sorted(step.bars)) for step in steps] == [
        (index[0], ["A"]), (index[1], ["A", "B"]), (index[2], ["A"]),
    ]  # fmt: skip
    assert steps[1].bars["B"] == (index[1], 105.0, 106.0, 107.0, 108.0, 109.0)
    assert all(step.is_warm and step.is_late for step in steps) and list(warm_steps({})) == []


def test_without_any_bar_before_the_start_nothing_begins() -> None:
    store = Telling()
    hub = hub_of(store)
    with pytest.raises(FeedEmptyError, match="XMPLA: IBKR has no 1m bars between"):
        LiveHistory.load(hub.settings, hub, warm_up=10)
    hub.close()


def test_history_that_is_refused_at_the_start_is_said() -> None:
    store = Telling()
    hub = hub_of(store)

    def refused(*args: Any, **kwargs: Any) -> list[HistoryBar]:
        raise NotSentError("there is no connection")

    store.history = refused  # type: ignore[method-assign]
    with pytest.raises(NotSentError, match="no connection"):
        LiveHistory.load(hub.settings, hub, warm_up=10)


def test_a_bar_that_history_does_not_have_yet_at_the_start_comes_live() -> None:
    store = Telling()
    store.clock.set(OPEN + 3 * MINUTE + dt.timedelta(seconds=4))
    for number in (1, 2):
        starts = [OPEN + minute * MINUTE for minute in range(3)]
        store.truth[number] = [piece(number, start, 10.0) for start in starts]
    store.lacks = [True]  # HMDS is behind, of XMPLA only
    hub = hub_of(store)
    history = LiveHistory.load(hub.settings, hub, warm_up=0)
    assert [len(history.frames[symbol]) for symbol in ("XMPLA", "XMPLB")] == [2, 3]
    assert history.begin == OPEN + 3 * MINUTE
    hub.desk.is_warm = False
    store.at(store.clock.now() + dt.timedelta(seconds=3), piece(1, OPEN + 3 * MINUTE, 10.0))
    store.at(OPEN + 4 * MINUTE + dt.timedelta(seconds=3), piece(1, OPEN + 4 * MINUTE, 10.0))
    while store.plan:
        hub.pump.pump(0.0)
    assert [(step.when, sorted(step.bars)) for step in hub.desk.steps][0] == (OPEN + 3 * MINUTE, ["XMPLA"])
    hub.close()
