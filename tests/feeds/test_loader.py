"""From settings to checked bars: names, ranges, references, hash, shared arrays."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from core.calendar import ExchangeCalendar
from core.config import load_settings
from core.errors import (
    CalendarError,
    FeedEmptyError,
    FeedError,
    FeedOverlapError,
    HalflifeError,
    SettingsError,
    UnknownNameError,
)
from feeds import SOURCES, RawBars, Request, load
from feeds.history import History, of_days, stamped_with_close, within
from feeds.loader import merged

HEADER = "date,open,high,low,close,volume\n"


def desk(folder: Path, *overrides: str, symbols: str = "[A, B]"):
    """Settings of two CSV instruments in ``folder``."""
    return load_settings(
        None,
        [
            "data.source=csv",
            f"data.folder={folder}",
            "instruments.A.kind=stock",
            "instruments.B.kind=stock",
            f"strategies.meanrev.instruments={symbols}",
            "strategies.pairs.pairs=[[A, B]]",
            "risk.throttle.series=''",
            "regimes.benchmark=A",
            *overrides,
        ],
    )


def write(folder: Path, symbol: str, days: list[str], price: float = 10.0) -> None:
    rows = "".join(f"{day},{price},{price + 1},{price - 1},{price},100\n" for day in days)
    (folder / f"{symbol}.csv").write_text(HEADER + rows, encoding="utf-8")


def test_traded_symbols_and_references_are_loaded(tmp_path: Path) -> None:
    for symbol in ("A", "B", "V", "M"):
        write(tmp_path, symbol, ["2018-12-24", "2018-12-26"])
    settings = desk(
        tmp_path,
        "instruments.V.kind=index",
        "instruments.M.kind=index",
        "risk.throttle.series=V",
        "regimes.benchmark=M",
    )
    assert list(load(settings).frames) == ["A", "B", "V", "M"]


def test_a_volatility_index_without_bars_in_the_range_is_left_out_with_a_note(tmp_path: Path) -> None:
    for symbol in ("A", "B"):
        write(tmp_path, symbol, ["2012-01-03", "2012-01-04"])
    write(tmp_path, "V", ["2018-12-24"])
    settings = desk(tmp_path, "instruments.V.kind=index", "risk.throttle.series=V", "data.end=2013-01-01")
    history = load(settings)
    assert list(history.frames) == ["A", "B"]
    assert "V has no bars in the range, so the volatility throttle uses realised volatility." in history.notes


def test_an_unknown_source_is_named() -> None:
    with pytest.raises(UnknownNameError, match="data.source = 'sampel' does not exist; did you mean 'sample'"):
        load(load_settings(None, ["data.source=sampel"]))


def test_a_symbol_that_the_source_does_not_have_is_named() -> None:
    settings = load_settings(None, ["instruments.SPXX.kind=index", "strategies.meanrev.instruments=[SPXX]"])
    with pytest.raises(UnknownNameError, match="source 'sample' has no symbol 'SPXX'; did you mean 'SPX'"):
        load(settings)


def test_a_range_without_bars_is_refused(tmp_path: Path) -> None:
    for symbol in ("A", "B"):
        write(tmp_path, symbol, ["2018-12-24"])
    with pytest.raises(FeedEmptyError, match="A: no bars from 2019-01-01 to the end; widen"):
        load(desk(tmp_path, "data.start=2019-01-01"))


def test_a_pair_without_overlap_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "A", ["2018-12-24"])
    write(tmp_path, "B", ["2018-12-26"])
    with pytest.raises(FeedOverlapError, match="A-B: not one bar in common"):
        load(desk(tmp_path))


def test_bad_bars_of_any_source_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "A", ["2018-12-24", "2018-12-24"])
    write(tmp_path, "B", ["2018-12-24"])
    with pytest.raises(FeedError, match="line 3: '2018-12-24' is the time of the line before, too; keep one line"):
        load(desk(tmp_path))


def test_dates_before_the_calendar_are_refused_and_not_dropped(tmp_path: Path) -> None:
    for symbol in ("A", "B"):
        write(tmp_path, symbol, ["1975-01-02", "2018-12-24"])
    with pytest.raises(CalendarError, match="1975-01-02 is outside the calendar of XNYS"):
        load(desk(tmp_path))
    assert len(load(desk(tmp_path, "data.start=1990-01-01")).frames["A"]) == 1


PRICES = ["open", "high", "low", "close", "volume"]


class Constant:
    """Three minutes of one price, and what was asked of it."""

    name = "constant"

    def __init__(self, **said: str) -> None:
        self.asked: list[Request] = []
        self.said = said
        self.closed = False

    def symbols(self):
        return ("A", "B")

    def fetch(self, request: Request) -> RawBars:
        self.asked.append(request)
        index = pd.date_range("2018-12-24 14:31", periods=3, freq="1min", tz="UTC")
        frame = pd.DataFrame(1.0, index=index, columns=PRICES)
        notes = (f"{request.symbol}: constant prices.",)
        return RawBars(request.symbol, request.bar, frame, self.name, notes=notes, **self.said)


def test_a_new_source_plugs_into_the_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Constant()
    monkeypatch.setitem(SOURCES, "constant", lambda settings: made)
    history = load(desk(tmp_path, "data.source=constant", "data.bar=1m", "data.end=2018-12-24"))
    assert history.notes[-1] == "A, B: constant prices."  # said of both, so it is said once
    assert len(history.frames["B"]) == 3
    assert made.asked == [Request(symbol, "1m", None, dt.date(2018, 12, 24), "XNYS") for symbol in ("A", "B")]


def test_a_source_that_holds_something_open_is_left_even_when_loading_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Held(Constant):
        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.closed = True

    for bar, works in (("1m", True), ("1h", False)):
        made = Held()
        monkeypatch.setitem(SOURCES, "held", lambda settings, made=made: made)
        settings = desk(tmp_path, "data.source=held", f"data.bar={bar}")
        if works:
            load(settings)
        else:
            with pytest.raises(FeedError, match="0:01:00 apart within a session"):
                load(settings)
        assert made.closed


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"currency": "EUR"}, 'instruments.A.currency = "USD", but source \'constant\' has A with "EUR"'),
        ({"exchange": "XETR"}, 'instruments.A.exchange = "XNYS", but source \'constant\' has A with "XETR"'),
        ({"exchange": "NYSE", "currency": "USD"}, None),  # another name of the same exchange
    ],
)
def test_what_the_source_knows_better_than_the_settings_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, str], words: str | None
) -> None:
    monkeypatch.setitem(SOURCES, "constant", lambda settings: Constant(**said))
    settings = desk(tmp_path, "data.source=constant", "data.bar=1m")
    if words is None:
        assert len(load(settings).frames) == 2
    else:
        with pytest.raises(SettingsError, match=words):
            load(settings)


@pytest.mark.parametrize(
    ("index", "kind", "words"),
    [([], FeedEmptyError, "A: no bars from the beginning"), ([0, 1], FeedError, "A: the index is a .*, not a Date")],
)
def test_a_source_that_breaks_its_promise_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: list[int], kind: type[Exception], words: str
) -> None:
    class Broken(Constant):
        def fetch(self, request):
            return RawBars(request.symbol, request.bar, pd.DataFrame(1.0, index=index, columns=PRICES), "broken")

    monkeypatch.setitem(SOURCES, "broken", lambda settings: Broken())
    with pytest.raises(kind, match=words):
        load(desk(tmp_path, "data.source=broken"))


def test_notes_that_say_the_same_of_several_symbols_become_one() -> None:
    notes = [
        "A: no volume.",
        "Of all.",
        "B: no volume.",
        "B: 2 gaps.",
        "Of all.",
        "A: no volume.",
        "C: no volume.",
        "R: x.",
    ]
    assert merged(notes, "ABC") == ["A, B, C: no volume.", "Of all.", "B: 2 gaps.", "R: x."]


def test_the_hash_is_of_the_bars_alone() -> None:
    frame = pd.DataFrame({"close": [1.0, 2.0]}, index=pd.date_range("2018-12-24", periods=2, tz="UTC"))
    first = History({"A": frame, "B": frame}, ["a note"]).hash
    assert first == History({"B": frame.copy(), "A": frame}).hash
    assert first == History({"A": frame.set_axis(frame.index.as_unit("ns")), "B": frame}).hash
    for other in (frame + 1e-12, frame.shift(freq="1s"), frame.iloc[:1], frame.rename(columns={"close": "open"})):
        assert History({"A": other, "B": frame}).hash != first
    assert len(first) == 64


def test_datas_are_new_and_share_the_arrays() -> None:
    history = load(load_settings(None, ["data.start=2018-06-01"]))
    first, second = history.data("SPX"), history.data("SPX", name="meanrev/SPX", timeframe=bt.TimeFrame.Days)
    assert first is not second
    assert (first._name, second._name) == ("SPX", "meanrev/SPX")
    assert first.p.dataname is second.p.dataname
    graph = bt.Cerebro(stdstats=False)
    graph.adddata(first)
    graph.adddata(second)
    graph.run()
    np.testing.assert_array_equal(first.lines.close.array, history.frames["SPX"]["close"])
    np.testing.assert_array_equal(second.lines.close.array, history.frames["SPX"]["close"])
    first.lines.close.array[0] = 0.0  # writing into one feed changes neither the other nor the frame
    assert second.lines.close.array[0] == history.frames["SPX"]["close"].iloc[0] != 0.0
    with pytest.raises(UnknownNameError, match="'SPY' were loaded; did you mean 'SPX'"):
        history.data("SPY")


def test_within_keeps_the_moments_of_whole_sessions() -> None:
    calendar = ExchangeCalendar("XNYS")
    times = ["2018-12-21 21:00", "2018-12-21 21:01", "2018-12-24 18:00", "2018-12-24 18:01", "2018-12-26 21:00"]
    frame = pd.DataFrame({"close": range(5)}, index=pd.DatetimeIndex(times, tz="UTC"))
    day = dt.date(2018, 12, 24)  # closes at 18:00; the evening of the session before belongs to it
    assert within(frame, calendar, day, day)["close"].tolist() == [1, 2]
    assert within(frame, calendar, None, day)["close"].tolist() == [0, 1, 2]
    assert within(frame, calendar, dt.date(2018, 12, 25), None)["close"].tolist() == [3, 4]
    assert within(frame, calendar, None, None)["close"].tolist() == [0, 1, 2, 3, 4]
    assert within(frame, calendar, dt.date(1980, 1, 1), dt.date(2100, 1, 1))["close"].tolist() == [0, 1, 2, 3, 4]
    assert within(frame, calendar, None, dt.date(1980, 1, 1)).empty
    assert within(frame, calendar, dt.date(2100, 1, 1), None).empty


def test_of_days_keeps_both_ends() -> None:
    frame = pd.DataFrame({"close": [3, 1, 2]}, index=pd.to_datetime(["2018-07-05", "2018-07-03", "2018-07-04"]))
    assert of_days(frame, dt.date(2018, 7, 4), None)["close"].tolist() == [3, 2]  # as they are, in order or not
    assert of_days(frame, None, dt.date(2018, 7, 4))["close"].tolist() == [1, 2]
    assert of_days(frame, None, None) is frame


def test_daily_bars_get_the_close_and_lose_holidays() -> None:
    frame = pd.DataFrame({"close": [1, 2, 3]}, index=pd.to_datetime(["2018-07-03", "2018-07-04", "2018-07-05"]))
    stamped, left_out = stamped_with_close(frame, ExchangeCalendar("XNYS"), None, None)
    assert list(stamped.index) == [pd.Timestamp("2018-07-03 17:00Z"), pd.Timestamp("2018-07-05 20:00Z")]
    assert left_out == [dt.date(2018, 7, 4)]


def test_all_errors_of_loading_have_one_root(tmp_path: Path) -> None:
    with pytest.raises(HalflifeError):
        load(desk(tmp_path))
