"""The sample source against the files of arch and the sessions of New York, counted by hand."""

from __future__ import annotations

import datetime as dt

import arch.data.nasdaq
import arch.data.sp500
import arch.data.vix
import numpy as np
import pandas as pd
import pytest

from core.config import load_settings
from core.errors import FeedError, UnknownNameError
from feeds import Request, load
from feeds.sample import SampleSource


@pytest.fixture(scope="module")
def history():
    return load(load_settings())


@pytest.mark.parametrize(("symbol", "file"), [("SPX", arch.data.sp500), ("IXIC", arch.data.nasdaq)])
def test_bars_are_those_of_the_file(history, symbol: str, file) -> None:
    raw = file.load()
    frame = history.frames[symbol]
    assert len(frame) == 5031
    for name in ("Open", "High", "Low", "Close"):
        np.testing.assert_array_equal(frame[name.lower()], raw[name] / 10)  # a tenth of the index
    np.testing.assert_array_equal(frame["volume"], raw["Volume"])


def test_bars_are_stamped_with_the_close_of_new_york(history) -> None:
    index = history.frames["SPX"].index
    assert index[0] == pd.Timestamp("1999-01-04 21:00", tz="UTC")  # 16:00 in winter
    assert pd.Timestamp("2018-07-02 20:00", tz="UTC") in index  # 16:00 in summer
    assert pd.Timestamp("2018-07-03 17:00", tz="UTC") in index  # 13:00 before Independence Day
    assert index.is_monotonic_increasing and index.is_unique


def test_vix_loses_its_46_gaps_and_ends_with_the_market(history) -> None:
    vix = history.frames["VIX"]
    raw = arch.data.vix.load()["vix"]
    assert raw.isna().sum() == 46
    assert len(vix) == len(raw) - 46 - 2  # two days of 2019: the indices end in 2018
    assert vix.loc["2018-12-24 18:00:00+00:00"].tolist() == [36.07] * 4 + [0.0]  # half a day before Christmas
    assert "VIX: 46 rows of the file hold no value and were dropped." in history.notes


def test_notes_say_what_is_wrong_with_the_sample(history) -> None:
    text = "\n".join(history.notes)
    raw = arch.data.sp500.load()
    stale = (raw["Open"] == raw["Close"].shift())[1:]
    share = stale[stale.index < "2006"].mean()
    assert f"SPX: the open equals the previous close on {share:.0%} of days until 2005" in text
    assert "IXIC: the open" not in text  # its opens are real
    for words in ("SPX, IXIC: an index cannot be bought", "survivorship", "IXIC: 2 bars have a volume of 0"):
        assert words in text


def test_notes_speak_of_the_bars_that_are_used() -> None:
    late = "\n".join(load(load_settings(None, ["data.start=2015-01-01"])).notes)
    assert "open equals" not in late
    warned = "\n".join(load(load_settings(None, ["execution=next_open"])).notes)
    assert 'set execution = "next_close"' in warned


def test_the_range_is_inclusive_and_of_sessions() -> None:
    settings = load_settings(None, ["data.start=2018-12-22", "data.end=2018-12-26"])
    frame = load(settings).frames["SPX"]
    assert list(frame.index.date) == [dt.date(2018, 12, 24), dt.date(2018, 12, 26)]


def test_other_bar_sizes_are_refused() -> None:
    with pytest.raises(FeedError, match="daily bars only"):
        load(load_settings(None, ["data.bar=1m"]))


def test_an_unknown_symbol_of_the_source_is_named() -> None:
    with pytest.raises(UnknownNameError, match="no symbol 'SPY'; did you mean 'SPX'"):
        SampleSource().fetch(Request("SPY"))


def test_the_source_gives_bars_by_the_date_of_their_session() -> None:
    source = SampleSource()
    bars = source.fetch(Request("SPX", start=dt.date(2018, 12, 22), end=dt.date(2018, 12, 26)))
    assert list(source.symbols()) == ["SPX", "IXIC", "VIX"]
    assert (bars.symbol, bars.bar, bars.source, bars.adjusted) == ("SPX", "1d", "sample", "raw")
    assert list(bars.frame.columns) == ["open", "high", "low", "close", "volume"]
    assert bars.frame.index.equals(pd.DatetimeIndex(["2018-12-24", "2018-12-26"]).as_unit("us"))
    assert (str(bars.frame.index.dtype), bars.frame.index.name) == ("datetime64[us]", "time")
    assert bars.notes[0].startswith("S&P 500 (SPX): a tenth of the index's level")
    assert not SampleSource().fetch(Request("VIX")).notes[0].startswith("The sample")  # its level is what it is
