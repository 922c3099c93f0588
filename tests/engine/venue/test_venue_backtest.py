"""Backtests with ``matching = "ibkr"`` from settings to results: bars of a catalog, both strategies, refusals."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core.checks import cross_problems
from core.config import settings_hash
from core.errors import HalflifeError
from core.explain import Problem
from core.settings import Settings
from engine import backtest
from engine.report import write_results
from feeds import load
from feeds.bars import RawBars
from feeds.catalog import Catalog
from gateway.data.sample import XMPLA, XMPLB, make_sample

COLUMNS = ["open", "high", "low", "close", "volume"]
DAYS = dt.date(2024, 3, 7), dt.date(2024, 3, 8)
PAIR = {
    "coint_max": 0.0, "hedge_period": 30, "zscore_period": 30, "correlation_min": 0.0, "half_life_max": 60.0,
    "leg_timeout": 5,
}  # fmt: skip


@pytest.fixture(scope="module")
def seconds() -> dict[str, pd.DataFrame]:
    sample = make_sample(DAYS[0], 3, sessions=2, minute_days=0, daily_days=1)
    return {each.symbol: sample.bars[each][COLUMNS].astype(float) for each in (XMPLA, XMPLB)}


@pytest.fixture
def catalog(seconds: dict[str, pd.DataFrame]) -> Path:
    with Catalog("catalog") as made:
        for symbol, frame in seconds.items():
            index = pd.DatetimeIndex(frame.index, name="time").as_unit("us")
            made.append(
                RawBars(symbol, "1s", frame.set_axis(index), "test", currency="USD", exchange="XNYS", adjusted="total")
            )
    return Path("catalog")


def _count(frame: pd.DataFrame, day: dt.date) -> int:
    return int((pd.DatetimeIndex(frame.index).date == day).sum())


def desk(**changes: Any) -> Settings:
    tables: dict[str, Any] = {
        "name": "venue",
        "matching": "ibkr",
        "data": {"source": "catalog", "bar": "1m", "start": "2024-03-08", **changes.pop("data", {})},
        "strategies": {
            "meanrev": {"strategy": "MeanReversion", "instruments": ["XMPLA"], "allotment": 0.5},
            "pairs": {
                "strategy": "PairsTrading", "pairs": [["XMPLA", "XMPLB"]], "allotment": 0.5, "parameters": PAIR,
            },
        },
        "risk": {"throttle": {"enabled": False}, "max_trade_risk": 0.5, "max_net_exposure": 2.0},
    }  # fmt: skip
    return Settings.model_validate({**tables, **changes})


def test_both_strategies_trade_on_seconds_of_a_catalog(catalog: Path) -> None:
    result = backtest(desk())
    assert set(result.trades["strategy"]) == {"meanrev", "pairs"} and len(result.trades) > 10
    filled = result.orders[result.orders["filled"] > 0]
    entries = filled[filled["role"] == "entry"]
    # decided at a minute's close, filled by the seconds after it, not a minute later
    waited = (pd.to_datetime(entries["done"]) - pd.to_datetime(entries["created"])).dt.total_seconds()
    assert waited.between(0, 10).all() and len(entries)
    assert any("XMPLA, XMPLB: the bars of 1m are made of those of 1s." in note for note in result.notes)
    assert 'Orders were filled on bars of 1s, as the paper gateway fills them (matching = "ibkr").' in result.notes
    assert len(set(result.notes)) == len(result.notes) and result.summary["run"]["matching"] == "ibkr"
    equity, costs = result.equity["equity_eur"], result.costs
    earned = result.trades["net_eur"].sum() + result.open_trades["net_eur"].sum()
    assert equity.iloc[-1] - 100_000 == pytest.approx(earned + costs["interest_eur"] + costs["cash_fx_eur"])
    folder = write_results(result, Path("results/venue"), pictures=False)
    assert (folder / "trades.csv").exists()


def test_engines_agree(catalog: Path) -> None:
    fast, stock = (backtest(desk(engine=engine)) for engine in ("fast", "stock"))
    pd.testing.assert_frame_equal(fast.equity, stock.equity, check_exact=True)
    pd.testing.assert_frame_equal(fast.trades, stock.trades, check_exact=True)


def test_fine_bars_are_those_of_the_range_and_the_hash_knows_them(catalog: Path) -> None:
    history = load(desk(), warm_up=30)
    assert history.begin is not None and history.frames["XMPLA"].index[0] < history.begin
    assert all(frame.index[0] >= pd.Timestamp("2024-03-08 14:30", tz="UTC") for frame in history.fine.values())
    without = dataclasses.replace(history, fine={})
    assert history.hash != without.hash


def test_a_catalog_without_fine_bars_is_said(seconds: dict[str, pd.DataFrame]) -> None:
    from feeds.aggregate import aggregate

    with Catalog("catalog") as made:
        for symbol, frame in seconds.items():
            minutes = aggregate(frame, "1m")
            index = pd.DatetimeIndex(minutes.index, name="time").as_unit("us")
            made.append(
                RawBars(
                    symbol, "1m", minutes.set_axis(index), "test", currency="USD", exchange="XNYS", adjusted="total"
                )
            )
    with pytest.raises(HalflifeError, match="XMPLA with bars of 1m, not of 1s"):
        backtest(desk())


def test_csv_files_hold_the_fine_bars(seconds: dict[str, pd.DataFrame]) -> None:
    Path("bars").mkdir()
    for symbol, frame in seconds.items():
        frame.rename_axis("time").to_csv(f"bars/{symbol}.csv")
    instruments = {symbol: {"currency": "USD"} for symbol in seconds}
    history = load(desk(data={"source": "csv", "folder": "bars"}, instruments=instruments))
    assert (len(history.frames["XMPLA"]), len(history.fine["XMPLA"])) == (390, _count(seconds["XMPLA"], DAYS[1]))
    assert history.frames["XMPLA"]["volume"].sum() == history.fine["XMPLA"]["volume"].sum()
    assert load(desk(data={"source": "csv", "folder": "bars"}, instruments=instruments)).hash == history.hash


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"execution": "next_close"}, 'execution = "next_close" is for matching = "bar"'),
        ({"data": {"bar": "1s"}}, 'data.matching_bar = "1s" is not finer than data.bar = "1s"'),
        ({"data": {"matching_bar": "1d"}}, 'data.matching_bar = "1d" is not finer'),
        (
            {"data": {"source": "sample", "bar": "1d"}, "instruments": {"XMPLA": {}, "XMPLB": {}}},
            "the sample has daily",
        ),
    ],
)
def test_settings_that_contradict_are_named_with_the_cure(changes: dict[str, Any], words: str) -> None:
    problems = [problem.text for problem in cross_problems(desk(**changes)) if isinstance(problem, Problem)]
    assert any(words in text for text in problems)


def test_matching_on_bars_has_no_such_problems() -> None:
    assert not cross_problems(desk(matching="bar", execution="next_close"))
    assert settings_hash(desk()) != settings_hash(desk(matching="bar"))
