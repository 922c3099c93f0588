"""Adjusted by publicly listed events, raw prices of 23 years agree with the factor files of another system."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feeds.actions import adjust, read_actions
from feeds.bars import CorporateAction

pytestmark = pytest.mark.real_data

FACTS = Path(__file__).parent / "data"
SYMBOLS = ("AAPL", "BAC", "IBM", "SPY")

# Where the factor files have another amount than was paid: ex-date -> amount of the factor file.
CENTS = {  # The files know these to the cent only (often rounded up)
    "BAC": {"2016-08-31": 0.08, "2016-11-30": 0.08, "2017-03-01": 0.08},  # paid: 0.075
    "SPY": {
        "2013-03-15": 0.70, "2013-06-21": 0.84, "2013-09-20": 0.84, "2013-12-20": 0.99, "2014-03-21": 0.83,
        "2014-06-20": 0.94, "2014-09-19": 0.94, "2014-12-19": 1.14, "2015-03-20": 0.94, "2015-06-19": 1.04,
        "2015-09-18": 1.04, "2015-12-18": 1.22, "2016-03-18": 1.05, "2016-06-17": 1.08, "2016-09-16": 1.09,
        "2016-12-16": 1.33, "2017-03-17": 1.04, "2017-06-16": 1.18, "2017-09-15": 1.23, "2017-12-15": 1.36,
        "2018-03-16": 1.10, "2018-06-15": 1.25, "2018-09-21": 1.33,
    },
}  # fmt: skip
MILLS = {  # Here our lists are the coarser ones: mills, where the file has a tenth of one
    "SPY": {
        "1998-03-20": 0.3134, "1998-09-18": 0.3585, "1998-12-18": 0.3918, "1999-03-19": 0.3199, "1999-09-17": 0.3722,
        "2000-12-15": 0.4113, "2001-12-21": 0.3928, "2006-12-15": 0.7926, "2010-03-19": 0.4804, "2011-12-16": 0.7701,
    },
}  # fmt: skip
DIFFERENT = {
    "SPY": {"1998-06-19": 0.348, "2001-09-21": 0.370}
}  # lists say 0.352 and 0.369; which is right is not known

# The bars of BAC are those of the old BankAmerica until it merged with NationsBank on 1998-09-30; the factor file's
# reference closes are NationsBank's, whose history the new company kept (68.81 where the bars have 78.00).
MERGED = dt.date(1998, 9, 2)  # the last ex-date before


@pytest.fixture(scope="module")
def bars(shared_data: Path) -> dict[str, pd.DataFrame]:
    table = pd.read_parquet(shared_data / "us_daily.parquet")
    return {
        str(symbol): rows.set_index("datetime")[["open", "high", "low", "close", "volume"]]
        for symbol, rows in table.groupby("symbol")
    }


def _file(shared_data: Path, symbol: str) -> pd.DataFrame:
    """Rows of the factor file: price and split factor up to and including a date, the close of that date."""
    rows = pd.read_csv(
        shared_data / "factors" / f"{symbol.lower()}.csv", header=None, names=["date", "price", "split", "close"]
    )
    return rows.set_index(pd.to_datetime(rows.pop("date").astype(str)))


def _listed(symbol: str) -> tuple[CorporateAction, ...]:
    return read_actions(FACTS / f"actions_{symbol.lower()}.csv")[symbol]


def _as_the_file(symbol: str, actions: tuple[CorporateAction, ...]) -> list[CorporateAction]:
    """The listed actions with the amounts of the factor file where these are known to differ."""
    amounts = {day: value for table in (CENTS, MILLS, DIFFERENT) for day, value in table.get(symbol, {}).items()}
    return [
        replace(action, value=amounts.get(str(action.ex_date), action.value)) if action.kind == "dividend" else action
        for action in actions
    ]


def _truth(raw: pd.DataFrame, file: pd.DataFrame) -> pd.Series:
    """Closes by the factor file. Its split factors are rounded to 7 decimals: 0.0178571 stands for 1/56."""
    exact = [float(Fraction(value).limit_denominator(112)) for value in file["split"]]
    assert np.allclose(exact, file["split"], rtol=0, atol=0.5000001e-7)
    row = file.index.searchsorted(raw.index, side="left")
    return raw["close"] * file["price"].to_numpy()[row] * np.asarray(exact)[row]


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_listed_events_are_those_of_the_factor_file(
    symbol: str, shared_data: Path, bars: dict[str, pd.DataFrame]
) -> None:
    file, index = _file(shared_data, symbol), bars[symbol].index
    found: dict[tuple[dt.date, str], float] = {}
    for (day, before), (_, after) in zip(file[1:-1].iterrows(), file[2:].iterrows(), strict=True):
        ex_date = index[index.searchsorted(day, side="right")].date()
        if before["split"] != after["split"]:
            found[ex_date, "split"] = round(after["split"] / before["split"], 3)
        if before["price"] != after["price"]:
            found[ex_date, "dividend"] = before["close"] * (1 - before["price"] / after["price"])
    listed = _as_the_file(symbol, _listed(symbol))
    assert {(action.ex_date, action.kind) for action in listed} == set(found)
    for action in listed:
        # Two factors of 7 decimals, the smaller above 0.5, know an amount to close * 2e-7
        tolerance = 200 * 2e-7 if action.kind == "split" else 2e-7 * file["close"].asof(pd.Timestamp(action.ex_date))
        assert found[action.ex_date, action.kind] == pytest.approx(action.value, rel=0, abs=tolerance), action


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_every_close_agrees_with_the_factor_file_to_1e_6(
    symbol: str, shared_data: Path, bars: dict[str, pd.DataFrame]
) -> None:
    raw = bars[symbol]
    ours = adjust(raw, _as_the_file(symbol, _listed(symbol)), have="raw", want="total")["close"]
    apart = (ours / _truth(raw, _file(shared_data, symbol)) - 1).abs()
    if symbol == "BAC":
        apart = apart[raw.index >= pd.Timestamp(MERGED)]
    assert len(apart) > 5_600
    assert apart.max() < 1e-6


def test_ibm_and_apple_agree_by_the_lists_alone(shared_data: Path, bars: dict[str, pd.DataFrame]) -> None:
    for symbol in ("IBM", "AAPL"):
        raw = bars[symbol]
        ours = adjust(raw, _listed(symbol), have="raw", want="total")["close"]
        assert (ours / _truth(raw, _file(shared_data, symbol)) - 1).abs().max() < 1e-6


@pytest.mark.parametrize("symbol", ["BAC", "SPY"])
def test_what_was_paid_differs_from_the_factor_file_by_its_rounding_and_no_more(
    symbol: str, shared_data: Path, bars: dict[str, pd.DataFrame]
) -> None:
    raw, listed = bars[symbol], _listed(symbol)
    start = pd.Timestamp(MERGED) if symbol == "BAC" else raw.index[0]
    ours = adjust(raw, listed, have="raw", want="total")["close"]
    apart = (ours / _truth(raw, _file(shared_data, symbol)) - 1).abs()[raw.index >= start]
    bound = sum(
        abs(one.value - other.value) / (raw["close"].asof(pd.Timestamp(one.ex_date) - pd.Timedelta(days=1)) - 2)
        for one, other in zip(listed, _as_the_file(symbol, listed), strict=True)
    )
    assert 1e-6 < apart.max() < bound < 1e-3


def test_before_the_merger_the_factor_file_of_bac_is_of_another_company(
    shared_data: Path, bars: dict[str, pd.DataFrame]
) -> None:
    raw, file = bars["BAC"]["close"], _file(shared_data, "BAC")
    # Stockton Record, 1998-04-14: NationsBank closed at 80 7/8, BankAmerica at 91 1/8
    assert raw["1998-04-13"] == pytest.approx(91.125, abs=0.1)
    days = pd.to_datetime(["1998-03-03", "1998-06-02", "1998-09-01"])
    assert (raw[days].to_numpy() > 1.08 * file["close"][days].to_numpy()).all()
    later = file.index[(file.index > pd.Timestamp(MERGED)) & (file.index <= raw.index[-1])]
    assert (raw[later] - file["close"][later]).abs().max() < 0.005
    # With NationsBank's closes under the three dividends of 0.38 every date of 1998 agrees too
    ours = adjust(bars["BAC"], _as_the_file("BAC", _listed("BAC")), have="raw", want="total")["close"]
    for day in days:
        ours[raw.index <= day] *= (1 - 0.38 / file["close"][day]) / (1 - 0.38 / raw[day])
    assert (ours / _truth(bars["BAC"], file) - 1).abs().max() < 1e-6


def test_split_mode_takes_the_splits_alone(bars: dict[str, pd.DataFrame]) -> None:
    for symbol in SYMBOLS:
        raw, listed = bars[symbol], _listed(symbol)
        shares = 1.0
        for action in listed:
            shares *= action.value if action.kind == "split" else 1.0
        split = adjust(raw, listed, have="raw", want="split")
        assert split["close"].iloc[0] == pytest.approx(raw["close"].iloc[0] / shares, rel=1e-14)
        assert split["volume"].iloc[0] == pytest.approx(raw["volume"].iloc[0] * shares, rel=1e-14)
        back = adjust(split, listed, have="split", want="raw")
        pd.testing.assert_frame_equal(back, raw.astype(float), rtol=1e-12)
