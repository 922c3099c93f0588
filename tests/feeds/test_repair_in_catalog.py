"""What is proposed for raw bars is what readers of a catalog see, and the raw bars stay."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.calendar import ExchangeCalendar
from feeds.bars import RawBars
from feeds.catalog import Catalog
from feeds.checks import check_series, propose_repairs
from feeds.quality import check_bars

CALENDAR = ExchangeCalendar("XNYS")
PRICES = ["open", "high", "low", "close"]


def dirty() -> pd.DataFrame:
    """A hundred calm days (closes of 100, 101, 100, 99 and again) with one defect of every kind that is repaired."""
    days = CALENDAR.sessions(dt.date(2021, 3, 1), dt.date(2021, 12, 31))[:100]
    close = 100.0 + np.tile([0.0, 1.0, 0.0, -1.0], 25)
    columns = {"open": close + 0.1, "high": close + 1.0, "low": close - 1.0, "close": close}
    frame = pd.DataFrame({**columns, "volume": 1e6 + 1e3 * np.arange(100.0)})
    frame.index = pd.DatetimeIndex(np.array(days, dtype="datetime64[us]"), name="time")
    frame["bid"], frame["ask"] = close - 0.01, close + 0.01
    frame.loc[frame.index[5], "close"] = np.nan
    frame.loc[frame.index[10], "low"] = -1.0
    frame.loc[frame.index[15], "volume"] = np.nan
    frame.loc[frame.index[20], ["high", "low"]] = [99.0, 101.0]
    frame.loc[frame.index[25], ["bid", "ask"]] = [100.02, 99.98]
    frame.loc[frame.index[30], "bid"] = 130.0
    frame.loc[frame.index[40], PRICES] *= 1.5
    frame.loc[frame.index[60:70], PRICES] *= 0.2
    closed = frame.iloc[[24]].set_axis(pd.DatetimeIndex(["2021-04-02"]))  # Good Friday
    return pd.concat([frame, frame.iloc[[45, 45]], closed]).sort_index(kind="stable").rename_axis("time")


def test_readers_see_the_repaired_bars_and_the_raw_ones_stay(tmp_path: Path) -> None:
    raw = dirty()
    with Catalog(tmp_path / "catalog") as catalog:
        catalog.append(RawBars("ABC", "1d", raw, "test"))
        stored = catalog.raw("ABC", "1d")
        repairs = propose_repairs("ABC", "1d", stored, CALENDAR)
        assert {(repair.rule, repair.action) for repair in repairs} == {
            ("missing_price", "drop"), ("nonpositive_price", "drop"), ("negative_volume", "set"), ("duplicate", "drop"),
            ("closed_session", "drop"), ("high_low", "set"), ("crossed_quotes", "set"), ("spike", "drop"),
            ("foreign_rows", "drop"),
        }  # fmt: skip
        assert catalog.add_repairs("ABC", "1d", repairs) == len(repairs)
        assert catalog.add_repairs("ABC", "1d", propose_repairs("ABC", "1d", catalog.raw("ABC", "1d"), CALENDAR)) == 0
        seen = catalog.bars("ABC", "1d")
        assert len(seen) == 103 - 16  # NaN, negative, two copies, a holiday, a spike, ten of another company
        assert propose_repairs("ABC", "1d", seen, CALENDAR) == []
        assert "error" not in {finding.severity for finding in check_series("ABC", "1d", seen, CALENDAR)}
        check_bars("ABC", seen)  # a run accepts them
        assert seen.loc["2021-03-29", ["high", "low", "volume"]].tolist() == [101.0, 99.0, 1_020_000.0]
        assert seen.loc["2021-04-06", ["bid", "ask"]].tolist() == [99.98, 100.02]
        assert seen.loc["2021-04-13", ["bid", "ask"]].isna().all()
        assert seen.loc["2021-03-22", "volume"] == 0.0
        pd.testing.assert_frame_equal(catalog.raw("ABC", "1d"), stored)
        assert catalog.undo_repairs("ABC", "1d") == len(repairs)
        pd.testing.assert_frame_equal(catalog.bars("ABC", "1d"), stored)


@pytest.mark.real_data
def test_nee_read_from_a_catalog_is_nextera_alone(tmp_path: Path, shared_data: Path) -> None:
    rows = pd.read_parquet(shared_data / "us_equities_daily_2015_2017.parquet")
    frame = rows[rows["symbol"] == "NEE"].drop(columns="symbol").set_index("date").astype(float).rename_axis("time")
    with Catalog(tmp_path / "catalog") as catalog:
        catalog.append(RawBars("NEE", "1d", frame, "test"))
        catalog.add_repairs("NEE", "1d", propose_repairs("NEE", "1d", catalog.raw("NEE", "1d"), CALENDAR))
        seen = catalog.bars("NEE", "1d")
        assert (len(frame), len(seen)) == (len(frame), len(frame) - 157)
        assert seen["close"].min() > 90.0
        assert (seen["adj_close"] / seen["close"] - 1.0).abs().max() < 0.02  # dividends, and no false split
        assert propose_repairs("NEE", "1d", seen, CALENDAR) == []
