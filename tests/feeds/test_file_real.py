"""Real files, as their publishers wrote them: every row arrives, with its price to the last bit and its true time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from core.calendar import ExchangeCalendar
from core.errors import FeedError
from feeds.sources.files import FileFormat, read_file

pytestmark = pytest.mark.real_data

LOCAL = "America/New_York"
STARTS = FileFormat(timezone=LOCAL, stamp="open")
FILES = {
    "us_equities_daily_2015_2017": (FileFormat(), "1d", 442, 225_477),
    "us_daily": (FileFormat(), "1d", 4, 23_396),
    "us_hour": (STARTS, "1h", 2, 81_663),
    "eurusd_daily": (FileFormat(symbol="EURUSD", exchange="us_futures"), "1d", 1, 3_487),
    **{
        f"us_second_{kind}_{symbol}": (STARTS, "1s", 1, rows)
        for kind, symbol, rows in (
            ("trades", "spy", 39_058), ("trades", "bac", 25_718), ("trades", "aig", 10_369),
            ("quotes", "spy", 57_241), ("quotes", "bac", 38_294), ("quotes", "aig", 39_220),
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_row_of_every_file_arrives(shared_data: Path, name: str) -> None:
    form, size, symbols, rows = FILES[name]
    file = shared_data / f"{name}.parquet"
    table = pq.read_table(file)
    assert table.num_rows == rows
    read = read_file(file, form)
    assert {bars.bar for bars in read} == {size}
    assert len(read) == symbols
    if "symbol" in table.column_names:
        counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(table["symbol"]).to_pylist()}
        assert {bars.symbol: len(bars.frame) for bars in read} == counts
    for bars in read:
        own = table.filter(pc.equal(table["symbol"], bars.symbol)) if "symbol" in table.column_names else table
        for column in ("bid", "ask") if "bid" in table.column_names else ("open", "high", "low", "close", "volume"):
            stored = own[column].to_numpy()
            if stored.dtype == np.float64:
                np.testing.assert_array_equal(bars.frame[column], stored)
            else:
                np.testing.assert_array_equal(bars.frame[column].to_numpy().astype(stored.dtype), stored)


def test_single_precision_prices_are_the_decimals_that_were_quoted(shared_data: Path) -> None:
    file = shared_data / "us_equities_daily_2015_2017.parquet"
    table = pq.read_table(file)
    read = {bars.symbol: bars for bars in read_file(file)}
    bits = 0
    for symbol, bars in read.items():
        own = table.filter(pc.equal(table["symbol"], symbol))
        for column in ("open", "high", "low", "close", "adj_close"):
            stored = own[column].to_numpy()
            np.testing.assert_array_equal(
                bars.frame[column].to_numpy().astype(np.float32).view(np.int32), stored.view(np.int32)
            )
            bits += len(stored)
        # As Python's own shortest representation of each float32 has it
        if symbol == "AAP":
            assert list(bars.frame["open"]) == [float(str(value)) for value in own["open"].to_numpy()]
    assert bits == 5 * 225_477
    assert list(read["AAP"].frame.iloc[0]) == [149.4, 152.29, 148.48, 151.91, 1_563_000.0, 151.91]
    closes = pd.concat([bars.frame["close"] for bars in read.values()])
    assert ((closes * 100).round(6) % 1 == 0).mean() > 0.99  # cents
    assert all(any("32-bit prices" in note for note in bars.notes) for bars in read.values())


def test_hourly_bars_close_on_the_hour_and_with_their_session(shared_data: Path) -> None:
    """The file stamps bars with their start, in New York; its first bar of a day is 09:00 and opens at 09:30."""
    read = {bars.symbol: bars for bars in read_file(shared_data / "us_hour.parquet", STARTS)}
    spy = read["SPY"].frame
    assert spy.index[0] == pd.Timestamp("1998-01-02 15:00Z")
    assert list(spy.iloc[0]) == [97.31, 97.53, 97.03, 97.03, 384_500.0]
    calendar = ExchangeCalendar("XNYS")
    for bars in read.values():
        local = bars.frame.index.tz_convert(LOCAL)
        days = pd.Series(bars.frame.index, index=local.date)
        last = days.groupby(level=0).max()
        closes = {day: pd.Timestamp(calendar.close_of(day)) for day in last.index if calendar.is_session(day)}
        late = {day for day, close in closes.items() if last[day] > close}
        assert len(closes) > 5_500
        assert len(late) / len(closes) < 0.01, sorted(late)[:5]
    # 2018-12-24 and the day after Thanksgiving 2019 closed at 13:00
    for day in ("2018-12-24", "2019-11-29"):
        stamps = spy.index[spy.index.tz_convert(LOCAL).strftime("%Y-%m-%d") == day].tz_convert(LOCAL)
        assert f"{stamps[0]:%H:%M}" == "10:00"
        assert "13:00" in {f"{stamp:%H:%M}" for stamp in stamps}


def test_opens_that_are_closes_are_refused(shared_data: Path, tmp_path: Path) -> None:
    """Of all four symbols together, and of each alone; as published none is."""
    frame = pd.read_parquet(shared_data / "us_daily.parquet").rename(columns={"open": "close", "close": "open"})
    for name, own in [("all", frame), *frame.groupby("symbol")]:
        own.to_parquet(tmp_path / f"{name}.parquet")
        with pytest.raises(FeedError, match=rf"{name}.parquet: in [78]\d% of .*; open and close look exchanged"):
            read_file(tmp_path / f"{name}.parquet")


def test_daily_bars_are_labelled_by_their_date(shared_data: Path) -> None:
    for bars in read_file(shared_data / "us_daily.parquet"):
        assert bars.frame.index.tz is None
        assert (bars.frame.index == bars.frame.index.normalize()).all()
        assert bars.frame.index[0] == pd.Timestamp("1998-01-02")


def test_crossed_quotes_and_sundays_of_a_currency_are_kept(shared_data: Path) -> None:
    (bars,) = read_file(shared_data / "eurusd_daily.parquet", FileFormat(symbol="EURUSD"))
    assert bars.frame.index[1] == pd.Timestamp("2007-04-01")  # a Sunday
    assert list(bars.frame.loc["2007-03-30", ["bid", "ask"]]) == [1.33581, 1.33579]
    assert bars.frame.loc["2007-03-30", "close"] == (1.33581 + 1.33579) / 2
    assert (bars.frame["volume"] == 0.0).all()
