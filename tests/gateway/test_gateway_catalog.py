"""Series of the catalog as the gateway plays them: trades, quotes with their sizes, or both, in hours of sessions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pytest
from faulty.wire import Client, named

from commands.gateway_data import Served, catalog
from core.errors import CatalogError, SettingsError
from feeds.bars import RawBars
from feeds.catalog import Catalog
from feeds.room import DataRoom
from gateway import Gateway
from gateway.data.sample import EURUSD

# New York is four hours behind UTC on these days
EVENING = "2024-06-11 20:00:00"
ACME = {"symbol": "ACME", "secType": "STK", "exchange": "SMART", "currency": "USD"}
ROWS = (  # time in New York, bid, bid size, ask, ask size
    ("2024-06-11 09:31:00", 9.7, 500, 9.8, 500),
    (EVENING, 9.8, 500, 9.9, 500),
    ("2024-06-11 20:00:01", 9.8, 500, 9.9, 500),  # after the extended hours
    ("2024-06-12 03:00:00", 1.0, 1, 99.0, 1),  # before them
    ("2024-06-12 08:00:00", 9.9, 300, 10.0, 300),
    ("2024-06-12 09:30:05", 9.9, 300, 10.0, 200),
    ("2024-06-12 09:30:06", 9.9, 300, 10.1, 400),
    ("2024-06-12 20:00:00", 9.9, 300, 10.0, 300),  # 00:00 UTC of the day after
)


def _import(folder: Path, rows: Iterable[tuple[object, ...]], symbol: str, columns: str) -> None:
    file = folder / f"{symbol}.csv"
    file.write_text("\n".join([f"datetime,{columns}", *(",".join(map(str, row)) for row in rows)]))
    told = DataRoom(folder / "bars").import_files([file], symbol=symbol, bar="1s", timezone="America/New_York")
    assert not told.failures


def _quotes(folder: Path, symbol: str = "ACME") -> None:
    _import(folder, ROWS, symbol, "bid,bid_size,ask,ask_size")


def _trades(folder: Path) -> None:
    rows = [(f"2024-06-12 09:30:0{second}", 10, 10, 10, 10, 50) for second in range(1, 9)]
    _import(folder, rows, "ACME", "open,high,low,close,volume")


def _serve(folder: Path, *symbols: str, **options: object) -> Served:
    return catalog(folder / "bars", symbols or ["ACME"], None, options.pop("days", 1), None, **options)  # type: ignore[arg-type]


def test_a_day_of_quotes_begins_before_its_own_open_and_ends_with_its_extended_hours(tmp_path: Path) -> None:
    _quotes(tmp_path)
    served = _serve(tmp_path)
    assert (served.day, served.start) == (dt.date(2024, 6, 12), dt.datetime(2024, 6, 12, 13, 29, tzinfo=dt.UTC))
    steps = list(served.tape.steps(dt.datetime(2024, 6, 12, tzinfo=dt.UTC) + dt.timedelta(hours=6)))
    assert [f"{step.when:%d %H:%M:%S}" for step in steps] == [
        "12 12:00:00", "12 13:30:05", "12 13:30:06", "13 00:00:00",
    ]  # fmt: skip
    assert served.lines[0] == "ACME, USD, XNYS: 4 quotes of 1s"


def test_between_two_sessions_nothing_is_played(tmp_path: Path) -> None:
    _quotes(tmp_path)
    served = catalog(tmp_path / "bars", ["ACME"], dt.date(2024, 6, 11), 2, None)
    assert [f"{step.when:%d %H:%M:%S}" for step in served.tape.steps()] == [
        "11 13:31:00", "12 00:00:00", "12 12:00:00", "12 13:30:05", "12 13:30:06", "13 00:00:00",
    ]  # fmt: skip


def test_quotes_fill_with_the_sizes_that_they_have_and_are_no_trades(tmp_path: Path) -> None:
    _quotes(tmp_path)
    served = _serve(tmp_path)
    assert not served.tape.bars and not any(served.history.frames.values())
    made = Gateway(served.tape, served.book, served.history, speed="still", start=served.start)
    with made, Client(made.port) as client:
        _daily(client, 7, "TRADES")
        (error,) = named(client.sync(), "error")
        assert (error["reqId"], error["errorCode"]) == (7, 162)
        _daily(client, 8, "BID")
        (answer,) = named(client.sync(), "historicalData")
        assert [row["close"] for row in answer["bars"]] == [9.7]  # of the day before
        client.tell("placeOrder", orderId=client.next_id, contract=ACME, order={
            "action": "BUY", "totalQuantity": 500, "orderType": "MKT", "tif": "DAY", "transmit": True,
        })  # fmt: skip
        client.settle()
        made.advance(to=dt.datetime(2024, 6, 12, 13, 31, tzinfo=dt.UTC))
        fills = [row["execution"] for row in named(client.sync(), "execDetails")]
        assert [(float(fill["shares"]), fill["price"]) for fill in fills] == [(200.0, 10.0), (300.0, 10.1)]


def _daily(client: Client, req_id: int, what: str) -> None:
    client.tell(
        "reqHistoricalData", reqId=req_id, contract=ACME, endDateTime="", durationStr="1 D", barSizeSetting="1 day",
        whatToShow=what, useRTH=True, formatDate=1, keepUpToDate=False,
    )  # fmt: skip


@pytest.mark.parametrize("named_apart", [False, True])
def test_trades_and_quotes_are_played_together(tmp_path: Path, named_apart: bool) -> None:
    if named_apart:
        _trades(tmp_path)
        _quotes(tmp_path, "ACMEQ")
        served = _serve(tmp_path, quotes={"ACME": "ACMEQ"})
    else:  # two bar sizes of one symbol
        _quotes(tmp_path)
        moments = pd.date_range("2024-06-12 13:31", periods=8, freq="1min", tz="UTC", name="time")
        bars = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), 10.0) | {"volume": 50.0}, index=moments)
        with Catalog(tmp_path / "bars") as opened:
            opened.append(RawBars("ACME", "1m", bars, "test", exchange="XNYS", currency="USD"))
        served = _serve(tmp_path)
    (acme,) = served.book.instruments
    assert served.lines[0] == f"ACME, USD, XNYS: 8 bars of {'1s' if named_apart else '1m'} and 4 quotes of 1s"
    assert (acme in served.tape.bars, acme in served.tape.quotes) == (True, True)


def test_quotes_without_sizes_have_the_one_that_is_named(tmp_path: Path) -> None:
    _import(tmp_path, [(row[0], row[1], row[3]) for row in ROWS], "ACME", "bid,ask")
    served = _serve(tmp_path)
    assert served.lines[0] == "ACME, USD, XNYS: 4 quotes of 1s, 4 of them without sizes: 1,000 shares are taken"
    (columns,) = served.tape.quotes.values()
    assert set(columns.bid_size.tolist()) == set(columns.ask_size.tolist()) == {1_000.0}


def test_the_pair_is_there_where_it_has_quotes(tmp_path: Path) -> None:
    _trades(tmp_path)
    assert EURUSD not in _serve(tmp_path).book.instruments
    _import(
        tmp_path, [("2024-06-12 09:30:01", 1.08, 1.0801), ("2024-06-12 09:30:02", 1.08, 1.0801)], "EURUSD", "bid,ask"
    )
    served = _serve(tmp_path, "ACME", "EURUSD")
    assert EURUSD in served.tape.quotes and EURUSD not in served.tape.bars
    assert not any("no EURUSD" in line for line in served.lines)


def test_orders_in_a_currency_without_a_rate_are_named(tmp_path: Path) -> None:
    _trades(tmp_path)
    moments = pd.date_range("2024-06-12 08:01", periods=8, freq="1min", tz="UTC", name="time")
    bars = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), 10.0) | {"volume": 50.0}, index=moments)
    with Catalog(tmp_path / "bars") as opened:
        opened.append(RawBars("PLC", "1m", bars, "test", exchange="XLON", currency="GBP"))
    served = _serve(tmp_path, "ACME", "PLC")
    assert served.lines[-1] == "no exchange rate of GBP: orders of PLC are rejected"
    assert served.start == dt.datetime(2024, 6, 12, 7, 59, tzinfo=dt.UTC)  # long after London's open


def test_what_cannot_be_chosen_says_so(tmp_path: Path) -> None:
    _trades(tmp_path)
    with pytest.raises(SettingsError, match="ACME is a series of trades"):
        _serve(tmp_path, quotes={"ACME": "ACME"})
    with pytest.raises(SettingsError, match=r"--days 100000 reaches beyond .* where the calendar ends"):
        _serve(tmp_path, days=100_000)
    _import(tmp_path, [("2024-06-12 09:30:01", 1, 1, 1, 1, 0), ("2024-06-12 09:30:02", 1, 1, 1, 1, 0)], "EURUSD",
            "open,high,low,close,volume")  # fmt: skip
    with pytest.raises(CatalogError, match="EURUSD has no bids and asks"):
        _serve(tmp_path, "EURUSD")
