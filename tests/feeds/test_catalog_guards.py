"""What a catalog must not do by accident: build over bars, take text for prices, refuse the same exchange."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from core.errors import CalendarError, CatalogError, FeedError, UnknownNameError
from feeds.bars import COLUMNS, CorporateAction, RawBars
from feeds.catalog import Catalog
from feeds.room import DataRoom


def bars(close: float = 1.0, exchange: str | None = None, symbol: str = "AAPL") -> RawBars:
    index = pd.DatetimeIndex(["2020-01-02", "2020-01-03"], name="time").as_unit("us")
    return RawBars(symbol, "1d", pd.DataFrame(close, index=index, columns=COLUMNS), "made", exchange=exchange)


def test_an_index_that_is_no_sqlite_file_is_not_to_be_made_anew(tmp_path: Path) -> None:
    with Catalog(tmp_path / "catalog") as catalog:
        catalog.append(bars())
    (tmp_path / "catalog" / "catalog.sqlite").write_bytes(b"no index" * 1000)
    with pytest.raises(CatalogError, match="it is not a SQLite file .*; move it away and put a copy of it back"):
        Catalog(tmp_path / "catalog")


def test_what_desktops_leave_in_a_folder_does_not_keep_a_catalog_out(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").write_bytes(b"icons")
    with Catalog(tmp_path) as catalog:
        assert catalog.append(bars()).added == 2
    assert (tmp_path / ".DS_Store").read_bytes() == b"icons"


def test_aliases_of_an_exchange_are_the_same_exchange(tmp_path: Path) -> None:
    """exchange_calendars has one calendar for the exchanges of New York, and XNAS and NYSE as aliases of it."""
    with Catalog(tmp_path) as catalog:
        catalog.append(bars(exchange="XNYS"))
        for alias in ("XNAS", "NYSE"):
            assert catalog.append(bars(exchange=alias)).unchanged == 2
        assert catalog.get("AAPL", "1d").exchange == "XNYS"
        with pytest.raises(CatalogError, match="with exchange XNYS, made brings XETR"):
            catalog.append(bars(exchange="XETR"))


def test_an_exchange_like_no_other_gets_examples_instead_of_all_codes(tmp_path: Path) -> None:
    with Catalog(tmp_path) as catalog, pytest.raises(CalendarError, match="'Z3Z3'; give a code of .*, such as XNYS"):
        catalog.append(bars(exchange="Z3Z3"))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda f: f.assign(open="1.5"), "AAPL 1d: column open is (object|str), not numbers; convert it"),
        (lambda f: f.assign(volume=True), "AAPL 1d: column volume is bool, not numbers"),
        (lambda f: f.assign(close=f.index), "AAPL 1d: column close is datetime64"),
        (lambda f: pd.concat([f, f[["low"]]], axis=1), "AAPL 1d: two columns have one name"),
    ],
)
def test_only_numbers_are_prices(tmp_path: Path, broken: Callable[[pd.DataFrame], pd.DataFrame], message: str) -> None:
    with Catalog(tmp_path) as catalog:
        with pytest.raises(FeedError, match=message):
            catalog.append(RawBars("AAPL", "1d", broken(bars().frame), "made"))
        assert catalog.series() == ()


def test_numbers_of_other_types_are_stored_as_floats(tmp_path: Path) -> None:
    frame = bars(3.0).frame.astype({"open": "int64", "high": "float32", "low": "Float64", "volume": "Int64"})
    frame["volume"] = frame["volume"].mask([True, False])
    with Catalog(tmp_path) as catalog:
        catalog.append(RawBars("AAPL", "1d", frame, "made"))
        stored = catalog.raw("AAPL", "1d")
    assert (stored.dtypes == "float64").all()
    assert stored["volume"].isna().tolist() == [True, False]


def test_actions_of_a_symbol_without_bars_are_not_kept(tmp_path: Path) -> None:
    split = CorporateAction(dt.date(2020, 1, 3), "split", 2.0)
    none = RawBars(
        "AAPL", "1d", pd.DataFrame(columns=list(COLUMNS), index=pd.DatetimeIndex([])), "made", actions=(split,)
    )
    with Catalog(tmp_path) as catalog:
        catalog.append(none)
        assert catalog.acts() == ()
        with pytest.raises(UnknownNameError):
            catalog.actions("AAPL")
        catalog.append(bars())
        catalog.append(none)  # a pull that has a new split and no new bar
        assert catalog.actions("AAPL") == (split,)


def test_files_of_an_alias_of_the_stored_exchange_come_in(tmp_path: Path) -> None:
    with Catalog(tmp_path / "catalog") as catalog:
        catalog.append(bars(exchange="XNAS"))  # as Yahoo says it
    file = tmp_path / "AAPL.csv"
    file.write_text("date,open,high,low,close,volume\n2020-01-06,1,1,1,1,1\n")
    room = DataRoom(tmp_path / "catalog")
    assert room.import_files([file]).sentence() == "1 symbol: 1 bar added, 0 stored already."
    refused = room.import_files([file], exchange="XETR")
    assert "with exchange XNYS, csv:AAPL.csv brings XETR; say --exchange XNYS" in str(refused.failures[0].error)
