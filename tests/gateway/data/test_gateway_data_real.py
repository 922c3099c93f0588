"""Real seconds of BAC and AIG, 7 and 8 October 2013: a tape of full days, history and streams against pandas."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest
from replayed.world import NEW_YORK, asked, new_york, told

from gateway.data.contracts import ContractBook
from gateway.data.history import History
from gateway.data.streams import Streams
from gateway.data.tape import Tape
from gateway.model import Instrument

pytestmark = pytest.mark.real_data
BAC, AIG = Instrument(10_098, "BAC"), Instrument(61_319_701, "AIG")


def seconds(folder: Path, kind: str, instrument: Instrument) -> pd.DataFrame:
    """A file of starts in New York as a frame of ends, UTC; crossed or locked quotes stay as they came."""
    frame = pd.read_parquet(folder / f"us_second_{kind}_{instrument.symbol.lower()}.parquet").drop(columns="symbol")
    index = pd.DatetimeIndex(frame.pop("datetime")).tz_localize(NEW_YORK).tz_convert("UTC") + pd.Timedelta(seconds=1)
    return frame.set_axis(index)


@pytest.fixture(scope="module")
def trades(shared_data: Path) -> dict[Instrument, pd.DataFrame]:
    return {each: seconds(shared_data, "trades", each) for each in (BAC, AIG)}


@pytest.fixture(scope="module")
def tape(shared_data: Path, trades: dict[Instrument, pd.DataFrame]) -> Tape:
    return Tape(trades, {each: seconds(shared_data, "quotes", each) for each in (BAC, AIG)}, bar_seconds=1)


def test_every_second_is_a_step(tape: Tape, trades: dict[Instrument, pd.DataFrame]) -> None:
    count = volume = 0
    streams = Streams(tape, History(tape, ContractBook((BAC, AIG))), ContractBook((BAC, AIG)))
    for step in tape.steps():
        assert streams.feed(step) == []
        count += len(step.bars)
        volume += step.bars[AIG].volume if AIG in step.bars else 0
    assert count == sum(map(len, trades.values())) and volume == trades[AIG]["volume"].sum()


@pytest.mark.parametrize("instrument", [BAC, AIG], ids=["BAC", "AIG"])
def test_minutes_of_the_history_and_of_the_stream(
    tape: Tape, trades: dict[Instrument, pd.DataFrame], instrument: Instrument
) -> None:
    history = History(tape, ContractBook((BAC, AIG)), fill=False)
    start, end = new_york("2013-10-07 09:30:00"), new_york("2013-10-07 16:00:00")
    rows = trades[instrument]
    rows = rows[(rows.index > start) & (rows.index <= end)]
    minutes = rows.set_axis(rows.index - pd.Timedelta(seconds=1)).resample("1min")
    wanted = minutes.agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"})
    wanted = wanted[wanted["volume"] > 0]
    shown = history.bars(asked(instrument, formatDate=2), end)["bars"]
    names = ["open", "high", "low", "close", "volume"]
    assert [int(bar["date"]) for bar in shown] == [int(at.timestamp()) for at in wanted.index]
    assert [[bar[name] for name in names] for bar in shown] == wanted[names].to_numpy().tolist()

    streams = Streams(tape, history, history.book)
    streams.real_time_bars("me", asked(instrument), start)
    bars = told([answer for step in tape.steps(start, end) for answer in streams.feed(step)], "realtimeBar")
    fives = pd.DataFrame(bars).set_index("time")
    fives.index = pd.to_datetime(fives.index, unit="s", utc=True)
    again = fives[fives["volume"] > 0].resample("1min")
    again = again.agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"})
    again = again[again["volume"] > 0]
    assert again.index.tolist() == wanted.index.tolist()
    assert again[names].to_numpy().tolist() == wanted[names].to_numpy().tolist()


def test_extended_hours_and_two_days(tape: Tape, trades: dict[Instrument, pd.DataFrame]) -> None:
    history = History(tape, ContractBook((BAC, AIG)))
    end = new_york("2013-10-08 21:00:00")
    daily = history.bars(asked(BAC, durationStr="2 D", barSizeSetting="1 day", useRTH=False), end)["bars"]
    days = trades[BAC].groupby((trades[BAC].index - dt.timedelta(seconds=1)).tz_convert(NEW_YORK).date)["volume"].sum()
    assert [bar["volume"] for bar in daily] == days.tolist() and [bar["date"] for bar in daily] == [
        "20131007",
        "20131008",
    ]
    regular = history.bars(asked(BAC, durationStr="2 D", barSizeSetting="1 day"), end)["bars"]
    assert all(inner["volume"] < outer["volume"] for inner, outer in zip(regular, daily, strict=True))
    assert history.head(asked(BAC), end) == "20131007-13:30:00"
    assert history.head(asked(BAC, useRTH=False), end) == "20131007-08:00:00"
