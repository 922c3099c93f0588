"""Whole backtests on bars of the catalog: the same as from files, and what splits and dividends do to them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import engine
from core.calendar import ExchangeCalendar
from core.config import dump_toml, load_settings, settings_hash
from core.settings import Settings
from engine.results import RunResult
from feeds.bars import CorporateAction, RawBars
from feeds.catalog import Catalog

FIRST, LAST = dt.date(2012, 1, 3), dt.date(2015, 12, 31)
SPLIT = dt.date(2015, 3, 2)
PAYDAY = dt.date(2014, 6, 2)


def swings(seed: int) -> pd.DataFrame:
    """Prices that swing around 200 with a half-life of some three weeks: something to revert to."""
    days = ExchangeCalendar("XNYS").sessions(FIRST, LAST)
    random = np.random.default_rng(seed)
    steps, level = random.normal(0.0, 0.012, len(days)), np.zeros(len(days))
    for i in range(1, len(days)):
        level[i] = 0.95 * level[i - 1] + steps[i]
    close = 200.0 * np.exp(level)
    opens = np.append(close[0], close[:-1]) * np.exp(random.normal(0.0, 0.002, len(days)))
    high = np.maximum(opens, close) * (1.0 + np.abs(random.normal(0.0, 0.004, len(days))))
    low = np.minimum(opens, close) * (1.0 - np.abs(random.normal(0.0, 0.004, len(days))))
    columns = {"open": opens, "high": high, "low": low, "close": close, "volume": np.full(len(days), 1e6)}
    return pd.DataFrame(columns, index=pd.DatetimeIndex(days, name="time").as_unit("us"))


def store(symbol: str, frame: pd.DataFrame, *actions: CorporateAction) -> None:
    with Catalog("catalog") as catalog:
        catalog.append(RawBars(symbol, "1d", frame, "made", currency="USD", exchange="XNYS", actions=actions))


def desk(*symbols: str, pairs: list[list[str]] | None = None, **changes: Any) -> Settings:
    strategies: dict[str, Any] = {
        "meanrev": {
            "strategy": "MeanReversion", "instruments": list(symbols), "allotment": 0.5,
            "parameters": {"adx_max": 0.0, "time_stop": 0.0, "stop": "fraction"},
        }
    }  # fmt: skip
    if pairs:
        strategies["pairs"] = {
            "strategy": "PairsTrading", "pairs": pairs, "allotment": 0.5,
            "parameters": {"coint_max": 0.0, "correlation_min": 0.0, "half_life_max": 200.0},
        }  # fmt: skip
    tables: dict[str, Any] = {"data": {"source": "catalog"}, "strategies": strategies}
    tables |= {"report": {"bootstrap_samples": 100, "tear_sheet": False}}
    return Settings.model_validate({**tables, **changes})


def from_catalog(adjustment: str, *symbols: str, end: dt.date | None = None, **changes: Any) -> RunResult:
    data = {"source": "catalog", "adjustment": adjustment, "end": end}
    return engine.backtest(desk(*symbols, data=data, **changes))


def test_symbols_of_the_catalog_trade_without_tables_and_as_from_files(tmp_path: Path) -> None:
    """Both strategies, bit by bit: trades, orders, equity and the hash of the bars."""
    for seed, symbol in enumerate(("AAA", "BRK.B", "CCC")):
        frame = swings(seed)
        store(symbol, frame)
        (tmp_path / "files").mkdir(exist_ok=True)
        frame.rename_axis("date").to_csv(tmp_path / "files" / f"{symbol}.csv")
    names = ("AAA", "BRK.B")
    stored = from_catalog("raw", *names, pairs=[["AAA", "CCC"]])
    files = engine.backtest(
        desk(
            *names, pairs=[["AAA", "CCC"]], data={"source": "csv", "folder": str(tmp_path / "files")},
            instruments={symbol: {} for symbol in ("AAA", "BRK.B", "CCC")},
        )
    )  # fmt: skip
    assert stored.trades.groupby("strategy")["trade_id"].nunique().min() >= 5
    for name in ("trades", "orders", "equity"):
        one, other = (getattr(result, name).drop(columns="ref", errors="ignore") for result in (stored, files))
        pd.testing.assert_frame_equal(one, other, check_exact=True)  # refs count on from run to run
    assert stored.summary["data"]["hash"] == files.summary["data"]["hash"]
    assert {one.exchange for one in stored.settings.instruments.values()} == {"XNYS"}


def test_the_settings_of_a_result_run_again_and_are_equal(tmp_path: Path) -> None:
    store("BRK.B", swings(1))
    result = from_catalog("total", "BRK.B", end=dt.date(2013, 12, 31))
    (tmp_path / "settings.toml").write_text(dump_toml(result.settings), encoding="utf-8")
    again = load_settings(tmp_path / "settings.toml")
    assert again == result.settings and settings_hash(again) == settings_hash(result.settings)
    repeated = engine.backtest(again)
    assert repeated.settings == result.settings
    assert repeated.summary["run"]["settings_hash"] == result.summary["run"]["settings_hash"]
    pd.testing.assert_frame_equal(repeated.trades, result.trades, check_exact=True)


def split_prices() -> pd.DataFrame:
    """Bars as they were printed: ten for one on SPLIT."""
    frame = swings(5)
    before = frame.index < pd.Timestamp(SPLIT)
    scaled = frame.mul(np.where(before, 10.0, 1.0), axis=0)
    return scaled.assign(volume=frame["volume"] / np.where(before, 10.0, 1.0))


def on_split_day(result: RunResult) -> int:
    """Orders that were made or filled on the day of the split or the next session."""
    times = pd.concat([result.orders["created"], result.orders["done"]])
    return int(times.between(pd.Timestamp(SPLIT, tz="UTC"), pd.Timestamp(SPLIT, tz="UTC") + pd.Timedelta(days=2)).sum())


def test_a_split_is_traded_on_as_a_crash_unless_it_is_adjusted_for() -> None:
    store("AAA", split_prices(), CorporateAction(SPLIT, "split", 10.0, "file"))
    brave = {"risk": {"enabled": False}}  # volatility would stop the entry
    raw, split, total = (from_catalog(mode, "AAA", **brave) for mode in ("raw", "split", "total"))
    assert on_split_day(raw) > 0
    assert on_split_day(split) == 0 == on_split_day(total)
    assert any("closes are" in note or "close is" in note for note in raw.notes if "more than 40%" in note)
    assert not any("more than 40%" in note for note in split.notes)
    pd.testing.assert_frame_equal(split.trades, total.trades, check_exact=True)  # there is no dividend


def test_adjusted_prices_trade_as_prices_that_never_had_a_split() -> None:
    store("AAA", split_prices(), CorporateAction(SPLIT, "split", 10.0, "file"))
    store("BBB", swings(5))
    adjusted, plain = from_catalog("split", "AAA"), from_catalog("raw", "BBB")
    columns = ["side", "size", "entry_time", "exit_time", "exit_reason"]
    pd.testing.assert_frame_equal(adjusted.trades[columns], plain.trades[columns], check_exact=True)
    np.testing.assert_allclose(adjusted.trades["net_eur"], plain.trades["net_eur"], rtol=1e-9)


@pytest.mark.parametrize("adjustment", ["split", "total"])
def test_a_later_split_and_dividend_change_nothing_but_the_scale(adjustment: str) -> None:
    """No look-ahead: cut before them, the desk takes the same trades at the same times with the same money.

    Before the split one share is worth ten later ones, so sizes are a tenth, rounded down to whole shares. Costs are
    off: commissions by the share and ticks do not scale.
    """
    frame = split_prices()
    store(
        "AAA", frame, CorporateAction(SPLIT, "split", 10.0, "file"), CorporateAction(PAYDAY, "dividend", 3.0, "file")
    )  # fmt: skip
    money: dict[str, Any] = {"costs": {"enabled": False}, "account": {"capital": 10_000_000.0}}
    tick = {"instruments": {"AAA": {"tick": 1e-9}}}
    cut = from_catalog(adjustment, "AAA", end=SPLIT - dt.timedelta(days=1), **money, **tick)
    whole = from_catalog(adjustment, "AAA", **money, **tick)
    known = whole.trades["exit_time"] < pd.Timestamp(SPLIT, tz="UTC")
    earlier = whole.trades[known].reset_index(drop=True)
    assert len(cut.trades) >= 10
    columns = ["side", "entry_time", "exit_time", "exit_reason"]
    pd.testing.assert_frame_equal(cut.trades[columns], earlier[columns], check_exact=True)
    np.testing.assert_allclose(cut.trades["entry_price"], 10.0 * earlier["entry_price"], rtol=1e-9)
    assert (np.abs(10.0 * cut.trades["size"] - earlier["size"]) <= 10.0).all()
    np.testing.assert_allclose(cut.trades["net_eur"], earlier["net_eur"], rtol=0.02, atol=50.0)


def test_a_dividend_is_a_loss_only_where_it_is_not_adjusted_for() -> None:
    """3 of 200 paid on PAYDAY: held over it, the price of "split" falls by it and that of "total" does not."""
    frame = swings(7).assign(open=200.0, high=200.0, low=200.0, close=200.0)
    frame.loc[frame.index >= pd.Timestamp(PAYDAY), ["open", "high", "low", "close"]] = 197.0
    store("AAA", frame, CorporateAction(PAYDAY, "dividend", 3.0, "file"))
    from feeds import load

    def closes(adjustment: str) -> pd.Series[float]:
        return load(desk("AAA", data={"source": "catalog", "adjustment": adjustment})).frames["AAA"]["close"]

    assert closes("split").pct_change().min() == pytest.approx(-3.0 / 200.0)
    np.testing.assert_allclose(closes("total"), 197.0, rtol=1e-12)
