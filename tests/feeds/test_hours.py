"""Bars against the hours of their exchange. New York: 14:30 to 21:00 UTC in winter, to 18:00 on Christmas Eve."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from core.calendar import ExchangeCalendar
from core.config import load_settings
from core.errors import FeedError
from feeds import History, bars_in_session, load
from feeds.hours import by_hours, check_spacing

XNYS = ExchangeCalendar("XNYS")


def bars(*times: str) -> pd.DataFrame:
    index = pd.DatetimeIndex(times, tz="UTC")
    return pd.DataFrame(1.0, index=index, columns=["open", "high", "low", "close", "volume"])


def every(step: str, start: str = "2018-12-20 14:30", end: str = "2018-12-20 21:00") -> pd.DataFrame:
    return bars(*pd.date_range(start, end, freq=step).astype(str)[1:])


@pytest.mark.parametrize(
    ("exchange", "bar", "count"),
    [("XNYS", "1d", 1), ("XNYS", "1h", 7), ("XNYS", "1m", 390), ("XNYS", "1s", 23_400), ("XLON", "1m", 510)],
)
def test_bars_of_a_regular_session(exchange: str, bar: str, count: int) -> None:
    assert bars_in_session(bar, ExchangeCalendar(exchange)) == count


def test_the_close_is_in_the_session_and_the_open_is_not() -> None:
    times = ["2018-12-20 14:30", "2018-12-20 14:31", "2018-12-20 21:00", "2018-12-20 21:01", "2018-12-24 18:01"]
    kept, notes = by_hours("A", bars(*times), XNYS, "regular")
    assert list(kept.index.strftime("%H:%M")) == ["14:31", "21:00"]
    assert notes == ['A: 3 bars lie outside regular hours and were left out (data.hours = "regular").']
    kept, notes = by_hours("A", bars(*times), XNYS, "all")
    assert len(kept) == 5
    assert notes[0].startswith('A: 3 bars lie outside regular hours and were used (data.hours = "all"): stops and')
    assert by_hours("A", kept.iloc[1:3], XNYS, "all")[1] == []


@pytest.mark.parametrize(
    ("frame", "bar"),
    [
        (every("1min"), "1m"),
        (every("1h"), "1h"),
        (bars("2018-12-20 15:00", "2018-12-20 15:30", "2018-12-20 16:30", "2018-12-20 17:30"), "1h"),  # half an hour
        (bars("2018-12-20 15:00", "2018-12-20 15:01", "2018-12-20 15:09", "2018-12-20 15:17"), "1m"),  # thinly traded
        (bars("2018-12-20 15:00"), "1m"),
    ],
)
def test_bars_of_the_stated_size_pass(frame: pd.DataFrame, bar: str) -> None:
    check_spacing("A", frame, bar, XNYS)


@pytest.mark.parametrize(
    ("frame", "bar", "words"),
    [
        (bars("2018-12-20 21:00", "2018-12-21 21:00"), "1m", "the 2 bars have one bar a session, but data.bar is 1m"),
        (every("1h"), "1m", "A: the bars are 1:00:00 apart within a session .median., but data.bar is 1m"),
        (every("5min"), "1m", "0:05:00 apart"),
        (every("1min"), "1h", "0:01:00 apart within a session .median., but data.bar is 1h; set data.bar"),
        (every("1s", end="2018-12-20 14:40"), "1m", "0:00:01 apart"),
    ],
)
def test_bars_of_another_size_are_refused(frame: pd.DataFrame, bar: str, words: str) -> None:
    with pytest.raises(FeedError, match=words):
        check_spacing("A", frame, bar, XNYS)


def desk(folder: Path, times: list[str], *overrides: str) -> History:
    rows = "".join(f"{time},10,11,9,10,100\n" for time in times)
    for symbol in ("A", "B"):
        (folder / f"{symbol}.csv").write_text("date,open,high,low,close,volume\n" + rows)
    return load(
        load_settings(
            None,
            [
                "data.source=csv", f"data.folder={folder}", "instruments.A.kind=stock", "instruments.B.kind=stock",
                "strategies.meanrev.instruments=[A]", "strategies.pairs.pairs=[[A, B]]", "risk.throttle.series=''",
                "regimes.benchmark=A", *overrides,
            ],
        )
    )  # fmt: skip


def test_daily_bars_in_a_desk_of_minutes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        FeedError, match="A.csv holds dates without a time of day, but the bars are to be 1m; set data.b"
    ):
        desk(tmp_path, ["2018-12-20", "2018-12-21"], "data.bar=1m")
    with pytest.raises(FeedError, match="A: the 2 bars have one bar a session, but data.bar is 1m"):
        desk(tmp_path, ["2018-12-20 21:00", "2018-12-21 21:00"], "data.bar=1m")


def test_minutes_in_a_daily_desk_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"A.csv, line 3: one more bar of 2018-12-20, but .* daily; set data.bar"):
        desk(tmp_path, ["2018-12-20 15:00", "2018-12-20 15:01"])


def test_bars_before_the_open_are_left_out_unless_they_are_wanted(tmp_path: Path) -> None:
    times = ["2018-12-20 14:00", "2018-12-20 14:01", "2018-12-20 15:00", "2018-12-20 15:01", "2018-12-20 15:02"]
    history = desk(tmp_path, times, "data.bar=1m")
    assert [len(history.frames[symbol]) for symbol in "AB"] == [3, 3]
    assert 'A, B: 2 bars lie outside regular hours and were left out (data.hours = "regular").' in history.notes
    assert len(desk(tmp_path, times, "data.bar=1m", "data.hours=all").frames["A"]) == 5
