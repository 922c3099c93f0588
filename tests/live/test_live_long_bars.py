"""Bars of an hour and of a day, over several sessions: live is what the backtest is, and each day replays by itself."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest
from lived import desks, runs

from core.calendar import ExchangeCalendar
from feeds import History
from feeds.aggregate import aggregate
from gateway import Gateway
from gateway.data.sample import XMPLA, XMPLB, make_sample
from gateway.data.tape import Tape
from live.record_files import records_of
from live.replay import replay

XNYS = ExchangeCalendar("XNYS")
COLUMNS = ["open", "high", "low", "close", "volume"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bar", "first", "sessions"),
    [("1h", dt.date(2024, 7, 2), 2), ("1d", dt.date(2024, 6, 26), 6)],  # over the early close of 2024-07-03
)
def test_long_bars_trade_as_in_the_backtest(bar: str, first: dt.date, sessions: int, tmp_path: Path) -> None:
    made = make_sample(first, 1, sessions=sessions, minute_days=60, daily_days=260)
    settings = desks.settings(
        desks.OFTEN, data={"source": "csv", "bar": bar, "matching_bar": "1s"}, live={"fx": "settings"}
    )
    frames, fine = {}, {}
    for each in (XMPLA, XMPLB):
        seconds = made.bars[each]
        seconds = seconds[XNYS.in_session(pd.DatetimeIndex(seconds.index))][COLUMNS].astype(float)
        if bar == "1h":
            before = aggregate(made.frames[each][60][COLUMNS].astype(float), bar, XNYS)
        else:
            before = made.frames[each][86_400][COLUMNS].astype(float)
            before.index = pd.DatetimeIndex([XNYS.close_of(stamp.date()) for stamp in before.index])
        fine[each.symbol] = seconds
        frames[each.symbol] = pd.concat([before, aggregate(seconds, bar, XNYS)])
    begin = min(frame.index[0] for frame in fine.values()).to_pydatetime()
    expected = runs.backtest(settings, History(frames, [], begin, fine=fine))
    tape, book = Tape({each: made.bars[each] for each in (XMPLA, XMPLB)}, bar_seconds=1), made.book()
    end = XNYS.close_of(made.days[-1])
    with Gateway(tape, book, made.history(tape, book), speed="max") as gateway:
        lived = runs.live(settings, gateway, end + dt.timedelta(seconds=100), tmp_path)
    last = max(expected.equity)
    sent = [order.decision for order in expected.orders if order.bar < last]
    assert [order.decision for order in lived.heard.orders if order.bar < last] == sent and len(sent) > 5
    marks = sorted(set(expected.equity) & set(lived.heard.equity))
    assert len(marks) >= sessions - 1
    assert [lived.heard.equity[bar] for bar in marks] == pytest.approx([expected.equity[bar] for bar in marks])
    days = lived.session.places.days
    for day in made.days:
        for folder in records_of(days, f"{day}"):
            again = replay(folder)
            assert again.is_same, again.difference
