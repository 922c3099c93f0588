"""Corporate actions of 442 real stocks, recovered from the adj_close of a file that marks some of them wrongly."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feeds.actions import Recovered, adjust, read_adj_close

pytestmark = pytest.mark.real_data

# First day at the new price: NKE, HRL, MPC, RAI, SSNC and TTC as announced, the others as their bars show
SPLITS = {
    "AFSI": ("2016-02-03", 2.0), "BAM": ("2015-05-13", 1.5), "GIL": ("2015-03-30", 2.0), "HRL": ("2016-02-10", 2.0),
    "IART": ("2017-01-04", 2.0), "IDXX": ("2015-06-16", 2.0), "INFY": ("2015-06-25", 2.0), "MPC": ("2015-06-11", 2.0),
    "NKE": ("2015-12-24", 2.0), "RAI": ("2015-09-01", 2.0), "SSNC": ("2016-06-27", 2.0), "TTC": ("2016-09-19", 2.0),
}  # fmt: skip
SPIN_OFFS = {
    "MAS": "2015-07-01",  # TopBuild
    "NI": "2015-07-02",  # Columbia Pipeline Group
    "Z": "2015-08-17",  # two class C shares for one of class A; the symbol went over to class C
}
SPECIALS = {  # cash
    "AFG": ("2016-11-21", 1.00), "EQR": ("2016-03-01", 8.00), "F": ("2016-01-27", 0.40), "TDG": ("2016-10-20", 24.00),
}  # fmt: skip
DOUBTFUL = {
    "HSBC": ["2016-03-02"],  # 1.55; HSBC paid 0.21 on each of the five shares of an ADS: 1.05
    "KIM": ["2015-06-05", "2015-06-08"],  # a row whose volume is a hundredth of the usual
    "NEE": ["2016-11-22", "2016-11-29", "2017-01-31"],  # rows of another company
    "WIN": ["2015-04-27"],  # spin-off of CS&L and a reverse split 1:6 on one day; adj_close has the first alone
}
UNMARKED = {  # adj_close says nothing: class C shares, two spin-offs with 1:3, a spin-off, two spin-offs with 1:3
    "UA": "2016-04-08", "HLT": "2017-01-04", "CUZ": "2016-10-07", "RRD": "2016-10-03",
}  # fmt: skip


@pytest.fixture(scope="module")
def table(shared_data: Path) -> pd.DataFrame:
    return pd.read_parquet(shared_data / "us_equities_daily_2015_2017.parquet").sort_values(["symbol", "date"])


@pytest.fixture(scope="module")
def frames(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(symbol): rows.set_index("date").drop(columns="symbol") for symbol, rows in table.groupby("symbol")}


@pytest.fixture(scope="module")
def found(frames: dict[str, pd.DataFrame]) -> dict[str, Recovered]:
    return {symbol: read_adj_close(frame) for symbol, frame in frames.items()}


def _dates(found: dict[str, Recovered], kind: str) -> dict[str, list[str]]:
    dates = {
        symbol: [str(action.ex_date) for action in one.actions if action.kind == kind] for symbol, one in found.items()
    }
    return {symbol: days for symbol, days in dates.items() if days}


def test_the_form_is_known_of_every_symbol(found: dict[str, Recovered], table: pd.DataFrame) -> None:
    differs = table[table["close"] != table["adj_close"]]
    assert differs["symbol"].nunique() == 300
    assert Counter(one.form for one in found.values()) == {"spot": 300, "none": 142}
    assert {symbol for symbol, one in found.items() if one.form == "spot"} == set(differs["symbol"])


def test_every_marked_row_becomes_an_action_or_a_doubt(found: dict[str, Recovered], table: pd.DataFrame) -> None:
    following = table.groupby("symbol")["date"].shift(-1)
    marked = table.assign(ex_date=following)[table["close"] != table["adj_close"]]
    assert len(marked) == 2180
    expected = {(row.symbol, row.ex_date.date()) for row in marked.itertuples()}
    actions = {(symbol, action.ex_date) for symbol, one in found.items() for action in one.actions}
    doubtful = {(symbol, doubt.ex_date) for symbol, one in found.items() for doubt in one.doubtful}
    assert not actions & doubtful
    assert actions | doubtful == expected
    kinds = Counter(action.kind for one in found.values() for action in one.actions)
    assert kinds == {"dividend": 2158, "split": 12, "spin_off": 3}
    assert len(doubtful) == 7


def test_splits_are_these_twelve(found: dict[str, Recovered]) -> None:
    assert _dates(found, "split") == {symbol: [day] for symbol, (day, _) in SPLITS.items()}
    for symbol, (_, ratio) in SPLITS.items():
        assert [action.value for action in found[symbol].actions if action.kind == "split"] == [ratio]


def test_spin_offs_and_special_dividends(found: dict[str, Recovered]) -> None:
    assert _dates(found, "spin_off") == {symbol: [day] for symbol, day in SPIN_OFFS.items()}
    for symbol, (day, paid) in SPECIALS.items():
        values = [action.value for action in found[symbol].actions if str(action.ex_date) == day]
        assert values == [pytest.approx(paid, abs=1e-9)]


def test_apple_paid_what_it_announced(found: dict[str, Recovered]) -> None:
    assert [(str(action.ex_date), action.value) for action in found["AAPL"].actions] == [
        ("2015-05-07", 0.52), ("2015-08-06", 0.52), ("2015-11-05", 0.52), ("2016-02-04", 0.52),
        ("2016-05-05", 0.57), ("2016-08-04", 0.57), ("2016-11-03", 0.57), ("2017-02-09", 0.57),
    ]  # fmt: skip


def test_amounts_are_those_of_the_columns(found: dict[str, Recovered], table: pd.DataFrame) -> None:
    after = table.assign(ex_date=table.groupby("symbol")["date"].shift(-1)).set_index(["symbol", "ex_date"])
    for symbol, one in found.items():
        for action in one.actions:
            if action.kind != "split":
                row = after.loc[(symbol, pd.Timestamp(action.ex_date))]
                # Single precision: half a unit in the last place of each of the two prices
                error = (float(row["close"]) + float(row["adj_close"])) * 2.0**-24 + 1e-6
                assert abs(float(row["close"]) - float(row["adj_close"]) - action.value) <= error


def test_doubtful_steps_are_named_and_not_taken(found: dict[str, Recovered]) -> None:
    assert {
        symbol: [str(doubt.ex_date) for doubt in one.doubtful] for symbol, one in found.items() if one.doubtful
    } == DOUBTFUL
    for symbol, days in DOUBTFUL.items():
        assert not {str(action.ex_date) for action in found[symbol].actions} & set(days)
        assert [note[:10] for note in found[symbol].notes] == days
    assert sum(len(one.notes) for one in found.values()) == 7


def test_what_the_file_does_not_mark_is_not_invented(
    found: dict[str, Recovered], frames: dict[str, pd.DataFrame]
) -> None:
    for symbol, day in UNMARKED.items():
        frame = frames[symbol]
        row = frame.index.get_loc(pd.Timestamp(day))
        before = frame.iloc[row - 1]
        assert before["close"] == before["adj_close"]
        assert abs(np.log(frame["open"].iloc[row] / before["close"])) > 0.3
        assert day not in {str(action.ex_date) for action in found[symbol].actions}


def test_adjusted_closes_do_not_jump_at_the_actions(
    found: dict[str, Recovered], frames: dict[str, pd.DataFrame]
) -> None:
    for symbol in [*SPLITS, *SPIN_OFFS, *SPECIALS]:
        frame, actions = frames[symbol], found[symbol].actions
        total = adjust(frame, actions, have="raw", want="total")
        for action in actions:
            row = frame.index.get_loc(pd.Timestamp(action.ex_date))
            assert abs(np.log(total["open"].iloc[row] / total["close"].iloc[row - 1])) < 0.06, (symbol, action)
