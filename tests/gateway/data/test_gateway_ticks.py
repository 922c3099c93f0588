"""Tick by tick and historical ticks: they make the bars of the tape again."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from replayed.tapes import OPENING, quotes, trades
from replayed.world import fed, new_york, told, world

from gateway.data.historical_ticks import historical_ticks
from gateway.data.history import History
from gateway.data.sample import EURUSD, XMPLA, XMPLB, Sample
from gateway.data.streams import Streams
from gateway.data.trades import trades_of
from gateway.model import Bar, Instrument, Values
from gateway.refused import Refused

NOON = new_york("2024-03-08 12:00:00")


def by_tick(kind: str, instrument: Instrument = XMPLA, **changes: Any) -> Values:
    contract = {"conId": instrument.con_id}
    return {"reqId": 7, "contract": contract, "tickType": kind, "numberOfTicks": 0, "ignoreSize": False} | changes


def earlier(**changes: Any) -> Values:
    return {
        "reqId": 7, "contract": {"conId": XMPLA.con_id}, "startDateTime": "", "endDateTime": "", "numberOfTicks": 100,
        "whatToShow": "TRADES", "useRth": True, "ignoreSize": False,
    } | changes  # fmt: skip


def test_trades_of_a_bar_by_hand() -> None:
    def bar(*prices: float, volume: float, seconds: int = 1) -> list[tuple[int, float, float]]:
        end = OPENING + dt.timedelta(seconds=seconds)
        start = int(OPENING.timestamp())
        return [(t.time - start, t.price, t.size) for t in trades_of(Bar(OPENING, end, *prices, volume, prices[3], 4))]

    assert bar(5.0, 5.2, 4.9, 5.1, volume=403) == [(0, 5.0, 100), (0, 4.9, 100), (0, 5.2, 100), (0, 5.1, 103)]
    assert bar(5.1, 5.2, 4.9, 5.0, volume=400) == [(0, 5.1, 100), (0, 5.2, 100), (0, 4.9, 100), (0, 5.0, 100)]
    assert bar(5.0, 5.0, 5.0, 5.0, volume=70) == [(0, 5.0, 70)]
    assert bar(5.0, 5.1, 5.0, 5.1, volume=70, seconds=60) == [(0, 5.0, 35), (30, 5.1, 35)]
    assert bar(5.0, 5.1, 5.0, 5.0, volume=90) == [(0, 5.0, 30), (0, 5.1, 30), (0, 5.0, 30)]
    assert bar(5.0, 5.1, 5.0, 5.0, volume=0) == []


@given(frame=trades())
def test_trades_make_the_bars_again(frame: pd.DataFrame) -> None:
    frame["volume"] += 3  # from four shares on each price has one
    tape, _, streams = world({XMPLA: frame})
    streams.tick_by_tick("me", by_tick("AllLast"), OPENING)
    ticks = pd.DataFrame(told(fed(streams, tape, OPENING), "tickByTickAllLast"))
    bars = ticks.groupby("time").agg(
        open=("price", "first"),
        high=("price", "max"),
        low=("price", "min"),
        close=("price", "last"),
        volume=("size", "sum"),
    )
    wanted = frame.set_axis([int(at.timestamp()) - 1 for at in frame.index])
    assert bars.index.tolist() == wanted.index.tolist() and set(ticks["tickType"]) == {2}
    assert bars.to_numpy().tolist() == wanted.to_numpy().tolist()


@given(book=quotes())
def test_quotes_are_told_one_by_one(book: pd.DataFrame) -> None:
    tape, _, streams = world(quotes={XMPLA: book})
    streams.tick_by_tick("me", by_tick("BidAsk"), OPENING)
    streams.tick_by_tick("me", by_tick("MidPoint", reqId=8), OPENING)
    streams.tick_by_tick("me", by_tick("BidAsk", reqId=9, ignoreSize=True), OPENING)
    answers = fed(streams, tape, OPENING)
    rows = told(answers, "tickByTickBidAsk")
    known = book.copy()
    known.loc[known["bid"].isna(), ["bid", "bid_size"]] = 0.0
    known.loc[known["ask"].isna(), ["ask", "ask_size"]] = 0.0
    assert [
        [row[name] for name in ("bidPrice", "askPrice", "bidSize", "askSize")] for row in rows
    ] == known.to_numpy().tolist()
    assert [row["time"] for row in rows] == [int(at.timestamp()) for at in book.index]
    changed = known[(known[["bid", "ask"]] != known[["bid", "ask"]].shift()).any(axis=1)]
    assert len(told(answers, "tickByTickBidAsk", 9)) == len(changed)
    whole = changed[(changed["bid"] > 0) & (changed["ask"] > 0)]
    middles = [row["midPoint"] for row in told(answers, "tickByTickMidPoint", 8)]
    assert middles == pytest.approx(((whole["bid"] + whole["ask"]) / 2).tolist(), abs=1e-12)


def test_earlier_ticks_come_first(sample: Sample, history: History) -> None:
    streams = Streams(history.tape, history, history.book)
    answers = streams.tick_by_tick("me", by_tick("BidAsk", numberOfTicks=5), NOON)
    assert [name for _, name, _ in answers] == ["historicalTicksBidAsk"]
    rows = sample.quotes[XMPLA][: pd.Timestamp(NOON)].iloc[-5:]
    assert [tick["priceBid"] for tick in answers[0][2]["ticks"]] == rows["bid"].tolist()


def test_errors_and_limits_of_tick_by_tick(history: History) -> None:
    streams = Streams(history.tape, history, history.book, unsubscribed=[XMPLB])
    for request, number in (
        (by_tick("Trades"), 321),
        (by_tick("Last", contract={"conId": 1}), 200),
        (by_tick("Last", EURUSD), 10189),
        (by_tick("BidAsk", XMPLB), 10189),
    ):
        with pytest.raises(Refused, match=f"^{number} "):
            streams.tick_by_tick("me", request, NOON)
    for req_id in range(5):
        streams.tick_by_tick("me", by_tick("Last", reqId=req_id), NOON)
    with pytest.raises(Refused, match="10190 Max number of tick-by-tick requests has been reached"):
        streams.tick_by_tick("me", by_tick("Last"), NOON)
    with pytest.raises(Refused, match="102 Duplicate"):
        streams.tick_by_tick("me", by_tick("Last", reqId=4), NOON)
    streams.cancel_tick_by_tick("me", 4)
    with pytest.raises(Refused, match="300 Can't find EId with tickerId:4"):
        streams.cancel_tick_by_tick("me", 4)
    streams.drop("me")
    assert len(streams) == 0


def test_ticks_from_a_moment_on(sample: Sample, history: History) -> None:
    name, answer = historical_ticks(history, earlier(startDateTime="20240308 10:00:00", numberOfTicks=50), NOON)
    ticks = pd.DataFrame(answer["ticks"])
    assert name == "historicalTicksLast" and answer["reqId"] == 7 and answer["done"] is True
    start = int(new_york("2024-03-08 10:00:00").timestamp())
    assert ticks["time"].iloc[0] >= start and 50 <= len(ticks) < 55
    bars = sample.bars[XMPLA]
    seconds = bars.set_axis([int(at.timestamp()) - 1 for at in bars.index])
    shown = ticks.groupby("time")["size"].sum()
    assert shown.tolist() == seconds.loc[shown.index, "volume"].tolist()  # the last second is complete
    assert shown.index.tolist() == seconds.loc[start:].index[: len(shown)].tolist()


def test_ticks_before_a_moment(sample: Sample, history: History) -> None:
    _, answer = historical_ticks(history, earlier(endDateTime="20240308 10:00:00", numberOfTicks=1_000), NOON)
    ticks = answer["ticks"]
    end = int(new_york("2024-03-08 10:00:00").timestamp())
    assert 1_000 <= len(ticks) <= 1_004 and ticks[-1]["time"] < end
    assert [tick["time"] for tick in ticks] == sorted(tick["time"] for tick in ticks)
    _, future = historical_ticks(history, earlier(endDateTime="20300101 10:00:00"), NOON)
    assert future["ticks"][-1]["time"] < NOON.timestamp()
    _, nothing = historical_ticks(history, earlier(startDateTime="20300101 10:00:00"), NOON)
    assert nothing["ticks"] == []
    _, few = historical_ticks(history, earlier(endDateTime="20240308 09:30:02", numberOfTicks=1_000), NOON)
    assert {tick["time"] for tick in few["ticks"]} <= {int(OPENING.timestamp()) + at for at in (0, 1)}


def test_kinds_of_historical_ticks(sample: Sample, history: History) -> None:
    name, both = historical_ticks(history, earlier(endDateTime="20240308 10:00:00", whatToShow="BID_ASK"), NOON)
    rows = sample.quotes[XMPLA][: pd.Timestamp(new_york("2024-03-08 10:00:00"))].iloc[-100:]
    assert name == "historicalTicksBidAsk"
    assert [tick["priceAsk"] for tick in both["ticks"]] == rows["ask"].tolist()
    assert [tick["sizeBid"] for tick in both["ticks"]] == rows["bid_size"].tolist()
    name, middle = historical_ticks(history, earlier(endDateTime="20240308 10:00:00", whatToShow="MIDPOINT"), NOON)
    assert name == "historicalTicks"
    assert [tick["price"] for tick in middle["ticks"]] == ((rows["bid"] + rows["ask"]) / 2).round(8).tolist()
    _, changes = historical_ticks(
        history, earlier(endDateTime="20240308 10:00:00", whatToShow="BID_ASK", ignoreSize=True), NOON
    )
    assert len(changes["ticks"]) == 1 + (rows[["bid", "ask"]].diff().iloc[1:] != 0).any(axis=1).sum()
    evening = earlier(
        contract={"conId": EURUSD.con_id}, startDateTime="20240308 16:59:50", whatToShow="MIDPOINT", useRth=True
    )
    _, regular = historical_ticks(history, evening, new_york("2024-03-08 18:00:00"))
    assert len(regular["ticks"]) == 3  # 16:59:50, 16:59:55 and 17:00:00, the end of what came before


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({}, 10187),
        ({"startDateTime": "20240308 10:00:00", "endDateTime": "20240308 11:00:00"}, 10187),
        ({"startDateTime": "20240308 10:00:00", "numberOfTicks": 0}, 10187),
        ({"startDateTime": "20240308 10:00:00", "numberOfTicks": 1_001}, 10187),
        ({"startDateTime": "20240308 10:00:00", "whatToShow": "BID"}, 10187),
        ({"startDateTime": "yesterday"}, 321),
        ({"startDateTime": "20240308 10:00:00", "contract": {"conId": 1}}, 200),
    ],
)
def test_errors_of_historical_ticks(history: History, changes: dict[str, Any], number: int) -> None:
    with pytest.raises(Refused, match=f"^{number} "):
        historical_ticks(history, earlier(**changes), NOON)
