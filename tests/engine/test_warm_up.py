"""Bars before data.start settle indicators and nothing else."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import engine
from core.config import load_settings
from core.errors import FeedEmptyError
from engine.build import bars_needed
from engine.notes import entries_from, entry_notes
from feeds import load

START = dt.date(2015, 1, 5)


def desk(folder: Path, *overrides: str):
    return load_settings(
        None,
        [
            "data.source=csv", f"data.folder={folder}", "account.capital=100000",
            'instruments={A={currency="EUR",schedule="ibkr_eu_fixed"},B={currency="EUR",schedule="ibkr_eu_fixed"}}',
            'strategies={one={strategy="MeanReversion",instruments=["A"],allotment=0.5,parameters={adx_max=0.0}},'
            'pair={strategy="PairsTrading",pairs=[["A","B"]],allotment=0.5,'
            'parameters={coint_max=0.0,correlation_min=0.0,half_life_max=60.0}}}',
            "risk.throttle.series=''", "regimes.benchmark=A", "periods={}", "report.bootstrap_samples=100",
            "execution=next_open", "costs.interest.credit=true", *overrides,
        ],
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two series that revert to a common walk, on every weekday of 2013 to 2016."""
    place, rng = tmp_path_factory.mktemp("bars"), np.random.default_rng(11)
    days = pd.bdate_range("2013-01-02", "2016-12-30")
    common = np.cumsum(rng.normal(0, 0.005, len(days)))
    for symbol in "AB":
        own = np.zeros(len(days))
        for t in range(1, len(days)):
            own[t] = 0.85 * own[t - 1] + rng.normal(0, 0.012)
        close = 50 * np.exp(common + own)
        columns = {"open": close, "high": close * 1.003, "low": close * 0.997, "close": close, "volume": 1e6}
        frame = pd.DataFrame(columns)
        frame.set_axis(days.rename("date"), axis=0).to_csv(place / f"{symbol}.csv")
    return place


def test_the_range_alone_is_traded_counted_and_reported(folder: Path) -> None:
    result = engine.backtest(desk(folder, f"data.start={START}"))
    assert result.equity.index[0].date() == START
    assert all(bars.index[0].date() == START for bars in result.bars.values())
    assert result.orders["created"].min() >= result.equity.index[0]
    assert result.summary["data"]["symbols"]["A"]["first"].startswith("2015-01-05")
    # indicators that had to settle within the range could not have traded in its first weeks
    assert result.trades["entry_time"].min() < pd.Timestamp("2015-03-01", tz="UTC")
    assert result.summary["strategies"]["one"]["entries_from"] == "2015-01-05"
    assert not [note for note in result.notes if "entries are possible" in note]


def test_interest_begins_with_the_range(folder: Path) -> None:
    """90,000 EUR, what exceeds 10,000, earn 2% - 0.5%: 3.75 EUR a day, from the night of the 5th on."""
    result = engine.backtest(desk(folder, f"data.start={START}", "data.end=2015-01-07", "risk.enabled=false",
                                  "strategies.one.parameters.bollinger_entry=-9.0", "strategies.pair.allotment=0.1",
                                  "strategies.pair.parameters.entry_z=30.0",
                                  "strategies.pair.parameters.stop_z=40.0"))  # fmt: skip
    assert result.orders.empty
    assert list(result.equity["equity_eur"]) == pytest.approx([100_000.0, 100_003.75, 100_007.50], abs=0.01)


def test_what_is_decided_is_what_the_whole_history_decides(folder: Path) -> None:
    """With all bars before, signals of the range are those of a desk that began in 2013, once both are flat."""
    warm = engine.backtest(desk(folder, f"data.start={START}"))
    whole = engine.backtest(desk(folder))
    later = pd.Timestamp("2015-03-01", tz="UTC")
    times = [
        r.trades[(r.trades["strategy"] == "one") & (r.trades["entry_time"] >= later)]["entry_time"].tolist()
        for r in (warm, whole)
    ]
    assert len(times[0]) > 5 and times[0] == times[1]


def test_where_there_are_no_earlier_bars_it_is_said(folder: Path) -> None:
    settings = desk(folder, "periods={early={start=2013-01-02,end=2013-01-31},later={start=2015-01-02,end=2015-12-31}}")
    history = load(settings)
    assert history.begin is None
    needed = bars_needed(settings, "one")
    index = history.frames["A"].index
    assert entries_from(settings, history)["one"] == index[needed - 1]
    notes = entry_notes(settings, history)
    day = f"{index[needed - 1]:%Y-%m-%d}"
    wanted = f"one: entries are possible from {day}; the indicators need {needed} bars to settle."
    assert wanted in notes
    assert [note for note in notes if note.startswith("The period")] == [
        "The period early (2013-01-02 to 2013-01-31) ends before any strategy could enter; "
        "its figures say nothing about them."
    ]


def test_only_so_many_bars_are_loaded(folder: Path) -> None:
    settings = desk(folder, f"data.start={START}")
    history = load(settings, warm_up=100)
    before = history.frames["A"].index < history.begin
    assert 100 <= before.sum() <= 115
    assert load(settings).begin is None and len(load(settings).frames["A"]) == (~before).sum()


def test_bars_of_the_warm_up_alone_are_no_bars(folder: Path) -> None:
    with pytest.raises(FeedEmptyError, match="no bars from 2017-02-01"):
        load(desk(folder, "data.start=2017-02-01"), warm_up=100)
