"""Real-time bars and keepUpToDate: what streams is what the tape holds, and what the history says afterwards."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replayed.tapes import OPENING, quotes, trades
from replayed.world import asked, fed, frame_of, new_york, told, world

from gateway.data.history import History
from gateway.data.sample import EURUSD, XMPLA, XMPLB, Sample
from gateway.data.streams import Streams
from gateway.data.tape import Step
from gateway.refused import Refused

COLUMNS = ["open", "high", "low", "close", "volume", "count"]


def as_frame(bars: list[dict], rule: str | None = None) -> pd.DataFrame:
    """Real-time bars by their start, UTC; with ``rule`` put together by pandas; without those in which nobody
    traded."""
    frame = pd.DataFrame(bars, columns=["time", *COLUMNS])
    frame.index = pd.to_datetime(frame.pop("time"), unit="s", utc=True)
    frame = frame[frame["volume"] > 0]
    if rule is None:
        return frame
    grouped = frame.resample(rule).agg(
        {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum", "count": "sum"}
    )
    return grouped[grouped["volume"] > 0]


def next_five(when: dt.datetime) -> dt.datetime:
    """The end of the 5 seconds in which a step lies."""
    return dt.datetime.fromtimestamp(-(-int(when.timestamp()) // 5) * 5, dt.UTC)


@given(frame=trades())
def test_five_seconds_are_those_of_the_tape(frame: pd.DataFrame) -> None:
    tape, _, streams = world({XMPLA: frame})
    streams.real_time_bars("me", asked(), OPENING)
    answers = fed(streams, tape, OPENING)
    answers += streams.feed(Step(next_five(tape.last)))
    bars = told(answers, "realtimeBar")
    rows = frame.set_axis(frame.index - pd.Timedelta(seconds=1))
    rows["worth"] = (rows["high"] + rows["low"] + rows["close"]) / 3 * rows["volume"]
    grouped = rows.resample("5s")
    wanted = grouped.agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"})
    wanted["worth"] = grouped["worth"].sum()
    flat = wanted["volume"] == 0
    wanted["close"] = wanted["close"].ffill()
    assert [bar["time"] for bar in bars] == [int(at.timestamp()) for at in wanted.index]
    for bar, (_, row), is_flat in zip(bars, wanted.iterrows(), flat, strict=True):
        prices = (row["close"],) * 4 if is_flat else tuple(row[["open", "high", "low", "close"]])
        assert tuple(bar[name] for name in ("open", "high", "low", "close")) == prices
        assert bar["volume"] == row["volume"] and (bar["count"] == 0) == is_flat
        assert bar["wap"] == pytest.approx(row["close"] if is_flat else row["worth"] / row["volume"], abs=1e-8)


@given(seconds=st.sampled_from([5, 10, 30, 60, 300]), data=st.data())
@settings(max_examples=60)
def test_longer_bars_are_told_in_fives_that_make_them_again(seconds: int, data: st.DataObject) -> None:
    frame = data.draw(trades(seconds=seconds, most=12))
    tape, _, streams = world({XMPLA: frame}, seconds=seconds)
    streams.real_time_bars("me", asked(), OPENING)
    bars = as_frame(told(fed(streams, tape, OPENING), "realtimeBar"), f"{seconds}s")
    wanted = frame.set_axis(frame.index - pd.Timedelta(seconds=seconds))
    assert list(bars.index) == list(wanted.index)
    for name in ("open", "high", "low", "close", "volume"):
        assert bars[name].tolist() == wanted[name].tolist()
    assert bars["count"].tolist() == tape.bars[XMPLA].count.tolist()


@given(frame=trades(), late=st.integers(0, 100))
def test_who_comes_late_hears_the_same_from_the_next_bar_on(frame: pd.DataFrame, late: int) -> None:
    tape, _, streams = world({XMPLA: frame})
    streams.real_time_bars("early", asked(), OPENING)
    now = OPENING + dt.timedelta(seconds=late)
    fed(streams, tape, OPENING, now)
    streams.real_time_bars("late", asked(), now)
    answers = fed(streams, tape, now)
    early, late_ones = ([v for c, _, v in answers if c == who] for who in ("early", "late"))
    first = -(-int(now.timestamp()) // 5) * 5
    assert late_ones == [bar for bar in early if bar["time"] >= first]


@given(frame=quotes(), what=st.sampled_from(["BID", "ASK", "MIDPOINT"]))
def test_bars_of_quotes_are_those_of_the_history(frame: pd.DataFrame, what: str) -> None:
    tape, history, streams = world(quotes={XMPLA: frame})
    streams.real_time_bars("me", asked(whatToShow=what), OPENING)
    end = next_five(tape.last)
    answers = fed(streams, tape, OPENING)
    bars = told(answers + streams.feed(Step(end)), "realtimeBar")
    request = asked(whatToShow=what, barSizeSetting="5 secs", durationStr="3600 S", formatDate=2)
    try:
        rows = history.bars(request, end)["bars"]
    except Refused:
        rows = []
    names = ("open", "high", "low", "close", "volume", "wap")
    assert [(bar["time"], *(bar[name] for name in names), bar["count"]) for bar in bars] == [
        (int(row["date"]), *(row[name] for name in names), row["barCount"]) for row in rows
    ]


@given(
    frame=trades(),
    book=quotes(),
    begin=st.integers(0, 90),
    size=st.sampled_from(["5 secs", "15 secs", "1 min", "5 mins", "1 day", "1W"]),
    what=st.sampled_from(["TRADES", "MIDPOINT", "BID"]),
)
@settings(max_examples=40)
def test_an_update_is_what_the_history_shows_then(
    frame: pd.DataFrame, book: pd.DataFrame, begin: int, size: str, what: str
) -> None:
    tape, history, streams = world({XMPLA: frame}, {XMPLA: book})
    now = OPENING + dt.timedelta(seconds=begin)
    request = asked(barSizeSetting=size, whatToShow=what, keepUpToDate=True)
    streams.keep_up_to_date("me", request, history.shown(request, now), now)
    for step in [*tape.steps(now), Step(tape.last + dt.timedelta(seconds=5))]:
        rows = told(streams.feed(step), "historicalDataUpdate")
        if not rows:
            continue
        shown = history.bars(request, step.when)["bars"]
        if step.when.timestamp() % 5 == 0:
            assert rows[-1]["bar"] == shown[-1]
        else:  # of a bar that has ended before the step
            assert all(row["bar"] in shown for row in rows)


def test_updates_over_the_turn_of_the_minute(sample: Sample, history: History) -> None:
    """Every complete bar of the history was the last update of its time."""
    tape = sample.tape()
    streams = Streams(tape, history, history.book)
    now, end = new_york("2024-03-08 15:50:07"), new_york("2024-03-11 09:36:00")
    request = asked(keepUpToDate=True)
    streams.keep_up_to_date("me", request, history.shown(request, now), now)
    last = {row["bar"]["date"]: row["bar"] for row in told(fed(streams, tape, now, end), "historicalDataUpdate")}
    shown = history.bars(asked(durationStr="2 D"), end)["bars"]
    assert list(last.values()) == [row for row in shown if row["date"] >= "20240308 15:50:00"]
    assert len(last) == 10 + 6


def test_regular_hours_end_with_the_session(sample: Sample, history: History) -> None:
    tape = sample.tape()
    streams = Streams(tape, history, history.book)
    now = new_york("2024-03-08 15:59:00")
    streams.real_time_bars("me", asked(reqId=1), now)
    streams.real_time_bars("me", asked(EURUSD, reqId=2, whatToShow="MIDPOINT", useRTH=False), now)
    answers = fed(streams, tape, now, new_york("2024-03-11 09:31:00"))
    stock = told(answers, "realtimeBar", 1)
    times = [dt.datetime.fromtimestamp(bar["time"], dt.UTC) for bar in stock]
    assert times[:12] == [now + dt.timedelta(seconds=5 * at) for at in range(12)]
    assert times[12] == new_york("2024-03-11 09:30:00") and len(times) == 24
    pair = [bar["time"] for bar in told(answers, "realtimeBar", 2)]
    friday, sunday = new_york("2024-03-08 17:00:00"), new_york("2024-03-10 17:15:00")
    assert not [time for time in pair if friday.timestamp() <= time < sunday.timestamp()]
    assert int(friday.timestamp()) - 5 in pair


def test_nothing_is_told_before_the_first_trade_of_a_session() -> None:
    rows = [("2024-03-08 15:59:59", 5.0, 5.0, 5.0, 5.0, 100), ("2024-03-11 09:30:31", 6.0, 6.0, 6.0, 6.0, 100)]
    tape, _, streams = world({XMPLA: frame_of(rows)})
    streams.real_time_bars("me", asked(), new_york("2024-03-08 12:00:00"))
    bars = told(fed(streams, tape, tape.begin) + streams.feed(Step(new_york("2024-03-11 09:30:40"))), "realtimeBar")
    assert [(bar["open"], bar["volume"]) for bar in bars] == [(5.0, 100), (6.0, 100), (6.0, 0)]


def test_a_new_subscriber_hears_the_price_that_stands() -> None:
    rows = [("2024-03-08 09:30:01", 5.0, 5.0, 5.0, 5.0, 100), ("2024-03-08 09:31:00", 6.0, 6.0, 6.0, 6.0, 100)]
    tape, _, streams = world({XMPLA: frame_of(rows)})
    now = new_york("2024-03-08 09:30:52")
    streams.real_time_bars("me", asked(), now)
    assert [bar["open"] for bar in told(fed(streams, tape, now), "realtimeBar")] == [5.0]


def test_requests_end_and_errors(sample: Sample, history: History) -> None:
    tape = sample.tape()
    streams = Streams(tape, history, history.book)
    now = new_york("2024-03-08 10:00:00")
    step = next(tape.steps(now))
    assert streams.feed(step) == [] and len(streams) == 0 and not streams.has("me")
    streams.real_time_bars("me", asked(), now)
    assert streams.has("me") and not streams.has("you")
    with pytest.raises(Refused, match="102 Duplicate ticker ID"):
        streams.real_time_bars("me", asked(), now)
    streams.real_time_bars("you", asked(), now)
    streams.cancel_real_time_bars("me", 7)
    with pytest.raises(Refused, match="300 Can't find EId with tickerId:7"):
        streams.cancel_real_time_bars("me", 7)
    assert {client for client, *_ in fed(streams, tape, now, now + dt.timedelta(seconds=9))} == {"you"}
    for changes, number in (
        ({"contract": {"conId": 1}}, 200),
        ({"whatToShow": "OPTION_IMPLIED_VOLATILITY"}, 321),
        ({"contract": {"conId": EURUSD.con_id}}, 420),
    ):
        with pytest.raises(Refused, match=f"^{number} "):
            streams.real_time_bars("me", asked(**changes), now)
    request = asked(keepUpToDate=True)
    for req_id in range(50):
        streams.keep_up_to_date("me", request | {"reqId": req_id}, history.shown(request, now), now)
    with pytest.raises(Refused, match="322 .*Only 50 simultaneous API historical data requests allowed"):
        streams.keep_up_to_date("me", request | {"reqId": 50}, history.shown(request, now), now)
    with pytest.raises(Refused, match="322 .*Duplicate ticker ID for API historical data query: 7"):
        streams.keep_up_to_date("me", request, history.shown(request, now), now)
    [(client, name, values)] = streams.cancel_historical_data("me", 7)
    assert (client, name, values["errorCode"]) == ("me", "error", 162)
    assert values["errorString"].endswith("error message:API historical data query cancelled: 7")
    with pytest.raises(Refused, match="366 No historical data query found for ticker id:7"):
        streams.cancel_historical_data("me", 7)
    streams.drop("me")
    streams.drop("you")
    assert len(streams) == 0 and streams.feed(step) == []


def test_bars_of_hours_and_days_are_no_real_time_bars() -> None:
    rows = [("2024-03-08 09:30:00", 5.0, 5.0, 5.0, 5.0, 100)]
    for seconds in (3, 7_200, 23_400):
        _, _, streams = world({XMPLA: frame_of(rows, seconds)}, seconds=seconds)
        with pytest.raises(Refused, match="^420 Invalid Real-time Query:"):
            streams.real_time_bars("me", asked(), OPENING)


def test_old_clients_hear_lots() -> None:
    tape, _, streams = world({XMPLB: frame_of([("2024-03-08 09:30:01", 5.0, 5.0, 5.0, 5.0, 1_250)])})
    streams.real_time_bars("old", asked(XMPLB), OPENING, 157)
    streams.real_time_bars("new", asked(XMPLB), OPENING, 176)
    volumes = {client: values["volume"] for client, _, values in streams.feed(Step(OPENING))}
    assert volumes == {}
    answers = fed(streams, tape, OPENING) + streams.feed(Step(OPENING + dt.timedelta(seconds=5)))
    assert {client: values["volume"] for client, _, values in answers} == {"old": 12, "new": 1_250}
