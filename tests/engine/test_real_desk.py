"""A desk on real shares (IBM, Bank of America) and a real EURUSD series: the account against a ledger kept by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import engine
from core.config import load_settings

pytestmark = pytest.mark.real_data

FIRST, LAST = "2010-01-04", "2017-12-29"  # no splits of either share; dividends are ignored on both sides

DESK = """
name = "shares"
execution = "{execution}"

[data]
source = "csv"
folder = "{folder}"

[instruments.IBM]
schedule = "ibkr_us_tiered"
borrow_rate = 0.01
[instruments.BAC]
schedule = "ibkr_us_fixed"
borrow_rate = 0.03

[strategies.meanrev]
strategy = "MeanReversion"
instruments = ["IBM", "BAC"]
allotment = 0.5

[strategies.pairs]
strategy = "PairsTrading"
pairs = [["IBM", "BAC"]]
allotment = 0.5
parameters = {{ coint_max = 0.0, correlation_min = 0.0, half_life_max = 60.0 }}

[costs.slippage]
model = "bps"
bps = 2.0

[costs.fx]
policy = "{policy}"
rates = {{}}
files = {{ USD = "eur_for_usd.csv" }}

[risk]
max_daily_loss_eur = 900.0

[risk.protections]
cooldown_sessions = 3

[risk.throttle]
scale_above = 0.20
stop_above = 0.40

[report]
bootstrap_samples = 200
"""


@pytest.fixture(scope="module")
def folder(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CSV files of the shares and of the rate: mid of bid and ask, Sunday rows left out, 17:00 New York."""
    target = tmp_path_factory.mktemp("desk")
    daily = pd.read_parquet(shared_data / "us_daily.parquet")
    for symbol in ("IBM", "BAC"):
        bars = daily[(daily["symbol"] == symbol) & daily["datetime"].between(FIRST, LAST)].drop(columns="symbol")
        bars.rename(columns={"datetime": "date"}).to_csv(target / f"{symbol}.csv", index=False)
    rates = pd.read_parquet(shared_data / "eurusd_daily.parquet").set_index("datetime")
    rates = rates[rates.index.day_of_week < 5]
    mid = 2.0 / (rates["bid"] + rates["ask"])
    mid.rename("rate").rename_axis("date").to_csv(target / "eur_for_usd.csv")
    return target


def desk(folder: Path, execution: str, policy: str) -> Path:
    file = folder / f"{execution}-{policy}.toml"
    file.write_text(DESK.format(folder=folder, execution=execution, policy=policy))
    return file


@pytest.mark.parametrize(("execution", "policy"), [("next_open", "borrow"), ("next_close", "sweep")])
def test_the_account_is_what_a_ledger_kept_by_hand_says(folder: Path, execution: str, policy: str) -> None:
    result = engine.backtest(load_settings(desk(folder, execution, policy)))
    assert result.trades.groupby("strategy")["trade_id"].nunique().min() >= 5
    assert result.summary["reconciliation"]["unexplained_eur"] == pytest.approx(0.0, abs=0.005)

    # 1. Fills alone give the position of each book; closed books are flat, open ones are the open trades.
    filled = result.orders[result.orders["filled"] > 0]
    signed = filled["filled"] * np.where(filled["side"] == "buy", 1.0, -1.0)
    held = signed.groupby([filled["unit"], filled["instrument"]]).sum()
    opened = result.open_trades.set_index(["strategy", "instrument"])["size"]
    assert held[held != 0].abs().to_dict() == opened.to_dict()

    # 2. Under "borrow", dollars and euros kept by hand: what was paid and received, valued at the last rate.
    if policy == "borrow":
        rate = pd.read_csv(folder / "eur_for_usd.csv", parse_dates=["date"]).set_index("date")["rate"]
        last = float(rate.asof(pd.Timestamp(LAST)))
        fees = filled["commission_eur"] / rate.asof(filled["done"].dt.tz_localize(None)).to_numpy()
        dollars = -(signed * filled["average_price"]).sum() - fees.sum()
        closes = {symbol: bars["close"].iloc[-1] for symbol, bars in result.bars.items()}
        positions = sum(size * closes[symbol] for (_, symbol), size in held.items())
        by_hand = 100_000.0 + (dollars + positions) * last
        unbooked = result.costs["borrow"] - result.costs["interest_eur"]  # charged daily, at the rates of their days
        assert result.equity["equity_eur"].iloc[-1] == pytest.approx(by_hand - unbooked, abs=0.1 * unbooked)


def test_slippage_and_fees_are_what_the_settings_say(folder: Path) -> None:
    result = engine.backtest(load_settings(desk(folder, "next_open", "borrow")))
    filled = result.orders[(result.orders["filled"] > 0) & (result.orders["kind"] == "Market")]
    opens = pd.concat(
        {symbol: bars["open"] for symbol, bars in result.bars.items()}, names=["instrument", "done"]
    ).rename("open")
    joined = filled.join(opens, on=["instrument", "done"])
    worse = np.where(joined["side"] == "buy", joined["average_price"], -joined["average_price"])
    bar = np.where(joined["side"] == "buy", joined["open"], -joined["open"])
    assert np.allclose((worse - bar) / joined["open"], 0.0002)
    fixed = filled[filled["instrument"] == "BAC"]
    rates = fixed["value_eur"] / (fixed["filled"] * fixed["average_price"])
    commission = np.minimum(np.maximum(1.0, 0.005 * fixed["filled"]), 0.01 * fixed["filled"] * fixed["average_price"])
    assert (fixed["commission_eur"] / rates >= commission - 1e-9).all()  # regulatory fees come on top
    assert (fixed["commission_eur"] / rates <= commission + 0.0001 * fixed["filled"] * fixed["average_price"]).all()


def test_the_throttle_and_the_cooldown_were_at_work(folder: Path) -> None:
    result = engine.backtest(load_settings(desk(folder, "next_open", "borrow")))
    assert {str(event.kind) for event in result.events} >= {"throttle"}
    stops = result.trades[result.trades["exit_reason"] == "stop"]
    entries = result.trades["entry_time"]
    for _, stop in stops.iterrows():
        same = entries[(result.trades["instrument"] == stop["instrument"]) & (entries > stop["exit_time"])]
        sessions = result.equity.index.searchsorted(same) - result.equity.index.searchsorted(stop["exit_time"])
        assert (sessions > 3).all()
