"""A volatility index beside what is traded: the throttle sees live what it sees in a backtest, or says it cannot."""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from lived import desks, runs

from core.calendar import ExchangeCalendar
from core.events import ConnectionEvent
from core.settings import Settings
from feeds import History
from feeds.aggregate import aggregate
from gateway import Gateway
from gateway.data.history import History as Past
from gateway.data.sample import XMPLA, XMPLX
from gateway.data.tape import Tape
from live.record_files import records_of
from live.replay import replay

NYSE = ExchangeCalendar("XNYS")
END = dt.datetime(2024, 6, 12, 14, 30, tzinfo=dt.UTC)
COLUMNS = ["open", "high", "low", "close", "volume"]


def settings(series: str = "XMPLX", kind: str = "index", **throttle: Any) -> Settings:
    """Entries shrink as the index rises from 20 to 40, with its value of this very bar."""
    table = {"series": series, "lag": 0, "scale_above": 0.20, "stop_above": 0.40, "realised_sessions": 2} | throttle
    return desks.settings(
        {"reversion": desks.REVERSION},
        instruments={"XMPLA": {}, "XMPLB": {}, "XMPLX": {"kind": "index"}, series: {"kind": kind}},
        risk={"throttle": table},
        live={"fx": "settings"},
    )


@functools.cache
def index_seconds() -> pd.DataFrame:
    """The index each five seconds: up and down between 16 and 44 in twenty minutes, without volume."""
    ends = pd.date_range("2024-06-12 13:30:05", "2024-06-12 20:00:00", freq="5s", tz="UTC").as_unit("us")
    values = np.round(30.0 + 14.0 * np.sin(np.arange(len(ends)) * 2.0 * np.pi / 240.0), 2)
    frame = pd.DataFrame({name: values for name in COLUMNS[:4]}, index=ends)
    return frame.assign(volume=0.0, wap=values, count=0)


@functools.cache
def index_before() -> pd.DataFrame:
    """Its minutes of the days before: those that the stocks have."""
    index = desks.sample().frames[XMPLA][60].index
    return pd.DataFrame({name: 22.0 for name in COLUMNS[:4]}, index=index).assign(volume=0.0, wap=22.0, count=0)


def gateway_with_index(*faults: str) -> Gateway:
    made = desks.sample()
    tape = Tape(made.bars | {XMPLX: index_seconds()}, bar_seconds=1)
    book = made.book()
    return Gateway(
        tape, book, Past(tape, book, made.frames | {XMPLX: {60: index_before()}}), speed="max", faults=faults
    )


def history_with_index() -> History:
    plain = desks.history(until=END)
    seconds = index_seconds()[COLUMNS].loc[:END]
    frame = pd.concat([index_before()[COLUMNS], aggregate(seconds, "1m", NYSE)])
    return History({**plain.frames, "XMPLX": frame}, [], plain.begin, fine=plain.fine)


def test_the_throttle_of_an_index_is_that_of_the_backtest(tmp_path: Path) -> None:
    chosen = settings()
    expected = runs.backtest(chosen, history_with_index())
    with gateway_with_index() as gateway:
        lived = runs.live(chosen, gateway, END + dt.timedelta(seconds=3), tmp_path)
    assert lived.heard.decisions == expected.decisions and len(expected.orders) > 8
    sizes = {order.quantity for order in expected.orders if order.role == "entry"}
    assert max(sizes) > 1.5 * min(sizes)  # the throttle was at work, and has no other source here
    assert not [text for text in lived.told if "XMPLX" in text]
    assert lived.session.places is not None
    (folder,) = records_of(lived.session.places.days, "2024-06-12")
    assert replay(folder).is_same


def test_without_the_index_the_orders_would_be_others() -> None:
    """Control: the comparison depends on the index."""
    with_it, without_it = settings(), desks.settings({"reversion": desks.REVERSION}, risk={"throttle": {}})
    one = runs.backtest(with_it, history_with_index()).decisions
    assert one != runs.backtest(without_it, desks.history(until=END)).decisions


@pytest.mark.parametrize(
    ("series", "kind", "said"),
    [
        ("XMPLX", "index", "IBKR tells no bars of XMPLX before the start"),  # the sample has none of it
        ("XMPLY", "index", "instruments.XMPLY: IBKR knows no contract symbol=XMPLY sec_type=IND"),
        ("XMPLX", "stock", "instruments.XMPLX: IBKR knows no contract symbol=XMPLX sec_type=STK"),
    ],
)
def test_a_reference_that_cannot_be_had_is_named_and_not_waited_for(
    series: str, kind: str, said: str, tmp_path: Path
) -> None:
    chosen = settings(series, kind)
    plain = desks.history(until=END)
    expected = runs.backtest(chosen, History(plain.frames, [], plain.begin, fine=plain.fine))  # realised volatility
    made = desks.sample()
    tape, book = Tape(made.bars, bar_seconds=1), made.book()
    clocks = []
    with Gateway(tape, book, made.history(tape, book), speed="max") as gateway:
        lived = runs.live(
            chosen, gateway, END + dt.timedelta(seconds=3), tmp_path,
            each_bar=lambda when, broker: clocks.append((gateway.tws.clock.now() - when).total_seconds()),
        )  # fmt: skip
    (sentence,) = [text for text in lived.told if series in text]
    assert sentence.startswith(said)
    assert sentence.endswith(f"Without {series} the volatility throttle uses realised volatility.")
    assert max(clocks[-30:]) <= 1.0  # no bar was held back for it
    assert lived.heard.decisions == expected.decisions and expected.orders


def test_an_index_that_is_not_subscribed_to_is_named_and_not_waited_for(tmp_path: Path) -> None:
    fault = f"on reqRealTimeBars where contract.conId={XMPLX.con_id}: error 354; drop"
    clocks = []
    with gateway_with_index(fault) as gateway:
        lived = runs.live(
            settings(), gateway, END + dt.timedelta(seconds=3), tmp_path,
            each_bar=lambda when, broker: clocks.append((gateway.tws.clock.now() - when).total_seconds()),
        )  # fmt: skip
    (sentence,) = [text for text in lived.told if "XMPLX" in text]
    assert sentence == (
        "IBKR sends no market data of XMPLX, which is not subscribed to. Without XMPLX the volatility throttle uses "
        "realised volatility."
    )
    assert lived.heard.orders and max(clocks[-30:]) <= 1.0


def test_an_index_that_is_refused_after_a_reconnect_does_not_end_the_session(tmp_path: Path) -> None:
    """354 at the log-in of 09:38:30, while its history fails and is to be asked again; after 15 minutes it is back."""
    index = f"where contract.conId={XMPLX.con_id}"
    faults = (
        "at 09:36:30 exchange: refuse_logins 2m; close", f"on reqRealTimeBars {index} 2: error 354; drop",
        f"on reqHistoricalData {index} 4: error 322 busy; drop",
    )  # fmt: skip
    bars: list[dt.datetime] = []

    def note(when: dt.datetime, broker: Any) -> None:
        (data,) = [data for data in broker.cerebro.datas if data._name.endswith("XMPLX")]
        bars.append(bt.num2date(data.datetime[0]).replace(tzinfo=dt.UTC))

    with gateway_with_index(*faults) as gateway:
        lived = runs.live(settings(), gateway, END + dt.timedelta(seconds=3), tmp_path, each_bar=note)
    assert lived.summary.why.endswith("its time is over")
    assert lived.heard.orders
    today = {f"{each:%H:%M}" for each in bars if each.date() == END.date()}
    minutes = [f"{when:%H:%M}" for when in pd.date_range("2024-06-12 13:31", periods=60, freq="min")]
    assert [each for each in minutes if each not in today] == [f"13:{minute}" for minute in range(37, 54)]
    said = [event.text for event in lived.events if isinstance(event, ConnectionEvent) and "XMPLX" in event.text]
    refusal = "data of XMPLX: NOTSUBSCRIBED (Requested market data is not subscribed.)"
    assert said.count(refusal) == 1 and said[-2] == refusal and said[-1] == "data of XMPLX: LIVE"
    assert lived.session.places is not None
    (folder,) = records_of(lived.session.places.days, "2024-06-12")
    assert replay(folder).is_same
