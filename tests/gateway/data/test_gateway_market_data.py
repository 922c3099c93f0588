"""Market data: first answers, ticks as they change, generic ticks, snapshots, delayed data, limits."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replayed.tapes import OPENING, quotes, trades
from replayed.world import fed, frame_of, new_york, told, world

from gateway.data.board import Board
from gateway.data.history import History
from gateway.data.sample import EURUSD, XMPLA, XMPLB, XMPLX, Sample
from gateway.data.streams import Streams
from gateway.data.tape import Step
from gateway.model import Instrument, Values
from gateway.refused import Refused

NOON = new_york("2024-03-08 12:00:00")


def line(instrument: Instrument = XMPLA, **changes: Any) -> Values:
    return {"reqId": 7, "contract": {"conId": instrument.con_id}, "genericTickList": "", "snapshot": False} | changes


@pytest.fixture
def streams(sample: Sample, history: History) -> Streams:
    return Streams(history.tape, history, history.book)


def values_of(answers: list, field: str = "price") -> dict[int, Any]:
    """The last value by type of tick."""
    return {v["tickType"]: v[field] for _, _, v in answers if "tickType" in v and field in v}


def test_the_shares_that_can_be_borrowed_are_those_of_the_moment(streams: Streams) -> None:
    shortable: dict[int, float] = {XMPLB.con_id: 5.0}
    streams.shortable = shortable
    asks = line(genericTickList="236")
    assert values_of(streams.market_data("me", asks, NOON), "size")[89] == XMPLA.shortable
    streams.market_data("other", line(), NOON)  # does not ask for them
    for shares, level in ((0.0, 1.0), (999.0, 2.0), (1_000.0, 3.0)):
        shortable[XMPLA.con_id] = shares
        told = streams.inventory(XMPLA)
        assert {client for client, *_ in told} == {"me"}
        assert (values_of(told, "size"), values_of(told, "value")) == ({89: shares}, {46: level})
    late = streams.market_data("late", asks, NOON)
    assert values_of(late, "size")[89] == 1_000.0
    assert streams.inventory(XMPLB) == []


def test_the_first_answers(sample: Sample, streams: Streams) -> None:
    answers = streams.market_data("me", line(), NOON)
    assert [name for _, name, _ in answers[:2]] == ["tickReqParams", "marketDataType"]
    assert answers[0][2] == {"reqId": 7, "minTick": 0.01, "bboExchange": "9c0001", "snapshotPermissions": 3}
    assert answers[1][2] == {"reqId": 7, "marketDataType": 1}
    assert {client for client, *_ in answers} == {"me"}
    day = sample.bars[XMPLA][: pd.Timestamp(NOON)]
    quote = sample.quotes[XMPLA].loc[pd.Timestamp(NOON)]
    prices, sizes = values_of(answers), values_of(answers, "size")
    assert (prices[1], prices[2], sizes[0], sizes[3]) == tuple(quote[["bid", "ask", "bid_size", "ask_size"]])
    assert (prices[4], prices[6], prices[7], prices[14]) == (
        day["close"].iloc[-1],
        day["high"].max(),
        day["low"].min(),
        day["open"].iloc[0],
    )
    assert prices[9] == sample.frames[XMPLA][86_400]["close"].iloc[-1]
    assert sizes[8] == day["volume"].sum()
    assert values_of(answers, "value") == {45: str(int(day.index[-1].timestamp()) - 1), 49: 0.0}


def test_ticks_tell_what_has_changed() -> None:
    bars = frame_of(
        [
            ("2024-03-08 09:30:00", 5.0, 5.1, 4.9, 5.0, 300),
            ("2024-03-08 09:30:01", 5.0, 5.0, 5.0, 5.0, 100),
            ("2024-03-08 09:30:02", 5.2, 5.3, 5.2, 5.3, 100),
        ]
    )
    tape, _, streams = world({XMPLA: bars})
    assert values_of(streams.market_data("me", line(), OPENING)) == {}
    steps = [streams.feed(step) for step in tape.steps()]
    assert [values_of(step) for step in steps] == [
        {1: 4.99, 2: 5.01, 4: 5.0, 14: 5.0, 6: 5.1, 7: 4.9},  # without quotes bid and ask are a tick beside the last
        {},
        {1: 5.29, 2: 5.31, 4: 5.3, 6: 5.3},
    ]
    assert [values_of(step, "size")[8] for step in steps] == [300, 400, 500]
    assert next(v for _, _, v in steps[0] if v["tickType"] == 4) == {
        "reqId": 7,
        "tickType": 4,
        "price": 5.0,
        "size": 100.0,
        "attrib": {"canAutoExecute": True, "pastLimit": False, "preOpen": False},
    }


def test_quotes_tell_sizes_alone_and_a_side_that_has_gone() -> None:
    times = pd.DatetimeIndex([OPENING + dt.timedelta(seconds=at) for at in (1, 2, 3)])
    book = pd.DataFrame(
        {"bid": [5.0, 5.0, math.nan], "ask": 5.02, "bid_size": [100.0, 300.0, 0.0], "ask_size": 200.0}, index=times
    )
    tape, _, streams = world(quotes={XMPLA: book})
    streams.market_data("me", line(), OPENING)
    steps = [[(v["tickType"], v.get("price"), v["size"]) for *_, v in streams.feed(step)] for step in tape.steps()]
    assert steps == [
        [(1, 5.0, 100), (0, None, 100), (2, 5.02, 200), (3, None, 200)],
        [(0, None, 300)],
        [(1, -1.0, 0.0), (0, None, 0.0)],
    ]


@given(frame=trades(), book=quotes(), first=st.integers(0, 60), last=st.integers(0, 120))
@settings(max_examples=60)
def test_a_board_that_has_listened_is_one_that_comes_then(
    frame: pd.DataFrame, book: pd.DataFrame, first: int, last: int
) -> None:
    tape, history, _ = world({XMPLA: frame}, {XMPLA: book})
    start = OPENING + dt.timedelta(seconds=first)
    end = start + dt.timedelta(seconds=last)
    board = Board(XMPLA, history, start)
    for step in tape.steps(start, end):
        board.hear(step.bars.get(XMPLA), step.quotes.get(XMPLA))
    fresh = Board(XMPLA, history, end)
    for mine, other in zip(board.standing(), fresh.standing(), strict=True):
        assert mine.name == other.name and mine.generic == other.generic
        for key, value in mine.values.items():
            assert value == other.values[key] or (key == "value" and mine.generic in (233, 294, 295, 375))


def test_a_new_session_begins_anew(sample: Sample, streams: Streams) -> None:
    streams.market_data("me", line(), new_york("2024-03-08 15:59:50"))
    fed(streams, sample.tape(), new_york("2024-03-08 15:59:50"), new_york("2024-03-08 20:00:00"))
    answers = fed(streams, sample.tape(), new_york("2024-03-08 20:00:00"), new_york("2024-03-11 09:30:01"))
    first = sample.bars[XMPLA][pd.Timestamp("2024-03-11", tz="UTC") :].iloc[0]
    friday = sample.bars[XMPLA][: pd.Timestamp("2024-03-09", tz="UTC")]["close"].iloc[-1]
    prices = values_of(answers)
    assert (prices[9], prices[14], prices[6], prices[7]) == (friday, first["open"], first["high"], first["low"])
    assert values_of(answers, "size")[8] == first["volume"]


def test_generic_ticks(sample: Sample, streams: Streams) -> None:
    asks = line(genericTickList="233,236,165, 293,294,295,232,318,104,375,mdoff,258")
    answers = streams.market_data("me", asks, NOON)
    answers += fed(streams, sample.tape(), NOON, NOON + dt.timedelta(seconds=30))
    values, prices, sizes = values_of(answers, "value"), values_of(answers), values_of(answers, "size")
    day = sample.bars[XMPLA][: pd.Timestamp(NOON + dt.timedelta(seconds=30))]
    last, size, millis, volume, vwap, single = values[48].split(";")
    assert (float(last), int(volume), single) == (day["close"].iloc[-1], day["volume"].sum(), "true")
    assert float(vwap) == pytest.approx((day["wap"] * day["volume"]).sum() / day["volume"].sum(), abs=1e-7)
    assert int(millis) == (int(day.index[-1].timestamp()) - 1) * 1_000 and int(size) > 0
    assert values[77] == values[48]
    assert values[46] == 3.0 and sizes[89] == 10_000_000
    assert values[54] == day["count"].sum()
    minute = day[day.index > day.index[-1] - pd.Timedelta(seconds=60)]
    assert (values[55], values[56]) == (minute["count"].sum(), minute["volume"].sum())
    daily = sample.frames[XMPLA][86_400]
    quarter = daily[daily.index > daily.index[-1] - pd.Timedelta(weeks=13)]
    assert (prices[15], prices[16]) == (quarter["low"].min(), quarter["high"].max())
    assert (prices[19], prices[20]) == (daily["low"].min(), daily["high"].max())
    assert sizes[21] == math.floor(daily["volume"].mean())
    returns = daily["close"].iloc[-31:].pipe(lambda closes: closes.map(math.log).diff().dropna())
    assert values[23] == pytest.approx(returns.std() * math.sqrt(252), abs=1e-12)
    assert prices[57] == prices[4]
    quote = sample.quotes[XMPLA].loc[pd.Timestamp(NOON + dt.timedelta(seconds=30))]
    assert quote["bid"] <= prices[37] <= quote["ask"]


def test_who_comes_later_may_want_other_generic_ticks(sample: Sample, streams: Streams) -> None:
    streams.market_data("plain", line(), NOON)
    assert values_of(streams.market_data("later", line(genericTickList="233"), NOON), "value")[48]
    answers = fed(streams, sample.tape(), NOON, NOON + dt.timedelta(seconds=9))
    assert {client for client, _, v in answers if v["tickType"] == 48} == {"later"}
    streams.cancel_market_data("later", 7)
    answers = fed(streams, sample.tape(), NOON + dt.timedelta(seconds=9), NOON + dt.timedelta(seconds=18))
    assert answers and not [v for *_, v in answers if v["tickType"] == 48]


def test_without_generic_ticks_there_are_none(sample: Sample, streams: Streams) -> None:
    answers = streams.market_data("me", line(), NOON) + fed(
        streams, sample.tape(), NOON, NOON + dt.timedelta(seconds=9)
    )
    assert {v["tickType"] for _, _, v in answers if "tickType" in v} <= {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 45, 49}


def test_bad_generic_ticks(streams: Streams) -> None:
    for text in ("999", "233,13", "abc", "162", "292:"):
        with pytest.raises(Refused, match="^321 .*Incorrect generic tick list of"):
            streams.market_data("me", line(genericTickList=text), NOON)
    with pytest.raises(Refused) as refused:
        streams.market_data("me", line(genericTickList="999"), NOON)
    assert refused.value.text.startswith(
        "Error validating request.-'bQ' : cause - Incorrect generic tick list of 999.  Legal ones for (STK) are: "
        "100(Option Volume),101(Option Open Interest),105(Average Opt Volume),106(impvolat),165(Misc. Stats),"
        "221/220(Creditman Mark Price),225(Auction),232/221(Pl Price),233(RTVolume),236(inventory),258/47(Fundamentals)"
    )
    streams.market_data("me", line(XMPLX, genericTickList="162"), NOON)


def test_a_snapshot_ends(sample: Sample, streams: Streams) -> None:
    answers = streams.market_data("me", line(snapshot=True), NOON)
    assert answers[-1] == ("me", "tickSnapshotEnd", {"reqId": 7}) and values_of(answers)[4] > 0
    assert len(streams) == 0 and fed(streams, sample.tape(), NOON, NOON + dt.timedelta(seconds=9)) == []
    with pytest.raises(Refused, match="321 .*Snapshot market data subscription is not applicable to generic ticks"):
        streams.market_data("me", line(snapshot=True, genericTickList="233"), NOON)


def test_pairs_have_quotes_and_middle_extremes(sample: Sample, streams: Streams) -> None:
    answers = streams.market_data("me", line(EURUSD), NOON)
    prices = values_of(answers)
    rows = sample.quotes[EURUSD][: pd.Timestamp(NOON)]
    middle = ((rows["bid"] + rows["ask"]) / 2).round(8)
    assert set(prices) == {1, 2, 6, 7, 9} and prices[6] == middle.max() and prices[7] == middle.min()
    assert set(values_of(answers, "size")) == {0, 1, 2, 3, 6, 7, 9}  # no volume


def test_a_pair_of_bars_has_bid_and_ask_but_no_last() -> None:
    bars = frame_of([("2024-03-08 09:30:00", 1.1, 1.1, 1.1, 1.1, 0), ("2024-03-08 09:30:01", 1.1, 1.2, 1.1, 1.2, 0)])
    tape, _, streams = world({EURUSD: bars})
    now = OPENING + dt.timedelta(seconds=1)
    answers = streams.market_data("me", line(EURUSD), now)
    assert values_of(answers) == {1: 1.09995, 2: 1.10005, 6: 1.1, 7: 1.1}
    assert values_of(fed(streams, tape, now)) == {1: 1.19995, 2: 1.20005, 6: 1.2}


def test_delayed_data(sample: Sample, history: History) -> None:
    streams = Streams(history.tape, history, history.book, unsubscribed=[XMPLA])
    with pytest.raises(Refused) as refused:
        streams.market_data("me", line(), NOON)
    assert refused.value.number == 354 and refused.value.text.startswith("Requested market data is not subscribed.")
    streams.set_data_type("me", 3)
    answers = streams.market_data("me", line(genericTickList="233"), NOON)
    assert answers[0][1:] == (
        "error",
        {
            "reqId": 7,
            "errorCode": 10167,
            "errorString": "Requested market data is not subscribed. Displaying delayed market data.",
            "advancedOrderRejectJson": "",
        },
    )
    assert told(answers, "marketDataType") == [{"reqId": 7, "marketDataType": 3}]
    ago = NOON - dt.timedelta(minutes=15)
    quote, day = sample.quotes[XMPLA].loc[pd.Timestamp(ago)], sample.bars[XMPLA][: pd.Timestamp(ago)]
    assert (values_of(answers)[66], values_of(answers)[67]) == (quote["bid"], quote["ask"])
    assert values_of(answers, "size")[74] == day["volume"].sum()
    later = fed(streams, sample.tape(), NOON, NOON + dt.timedelta(minutes=1))
    assert {v["tickType"] for _, _, v in later} <= {66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 88}
    ago += dt.timedelta(minutes=1)
    assert values_of(later, "size")[74] == sample.bars[XMPLA][: pd.Timestamp(ago)]["volume"].sum()
    assert told(streams.market_data("me", line(XMPLB, reqId=8), NOON), "marketDataType", 8)[0]["marketDataType"] == 1
    with pytest.raises(Refused, match="321 .*Invalid market data type 5"):
        streams.set_data_type("me", 5)


def test_frozen_data_while_the_exchange_is_closed(streams: Streams) -> None:
    night = new_york("2024-03-09 12:00:00")
    assert told(streams.market_data("me", line(), night), "marketDataType")[0]["marketDataType"] == 1
    streams.set_data_type("me", 2)
    answers = streams.market_data("me", line(reqId=8), night)
    assert told(answers, "marketDataType", 8)[0]["marketDataType"] == 2 and 4 in values_of(answers)


def test_a_halt_is_told(streams: Streams) -> None:
    streams.market_data("me", line(), NOON)
    streams.market_data("you", line(XMPLB), NOON)
    assert streams.halt(XMPLA, True) == [("me", "tickGeneric", {"reqId": 7, "tickType": 49, "value": 1.0})]
    assert streams.halt(XMPLA, False)[0][2]["value"] == 0.0
    assert streams.halt(EURUSD, True) == []


def test_limits_and_ends(streams: Streams) -> None:
    with pytest.raises(Refused, match="^200 "):
        streams.market_data("me", line(contract={"conId": 1}), NOON)
    for req_id in range(100):
        streams.market_data("me", line(reqId=req_id), NOON)
    with pytest.raises(Refused, match="102 Duplicate ticker ID"):
        streams.market_data("me", line(), NOON)
    with pytest.raises(Refused, match="101 Max number of tickers has been reached"):
        streams.market_data("you", line(), NOON)
    streams.cancel_market_data("me", 7)
    streams.market_data("you", line(), NOON)
    with pytest.raises(Refused, match="300 Can't find EId with tickerId:7"):
        streams.cancel_market_data("me", 7)
    streams.drop("me")
    assert len(streams) == 1
    assert {client for client, *_ in streams.feed(next(streams.tape.steps(NOON)))} == {"you"}
    streams.drop("you")
    assert streams.feed(Step(NOON)) == []


def test_old_clients_are_told_lots(sample: Sample, streams: Streams) -> None:
    new = streams.market_data("new", line(genericTickList="233"), NOON, 163)
    old = streams.market_data("old", line(genericTickList="233"), NOON, 162)
    assert values_of(old, "size") == {kind: size // 100 for kind, size in values_of(new, "size").items()}
    volumes = [int(values_of(answers, "value")[48].split(";")[3]) for answers in (new, old)]
    assert volumes[1] == volumes[0] // 100
    pair = streams.market_data("old", line(EURUSD, reqId=8), NOON, 162)
    assert values_of(pair, "size")[0] == sample.quotes[EURUSD].loc[: pd.Timestamp(NOON), "bid_size"].iloc[-1]
