"""``halflife gateway`` as its user runs it: a real process, real signals, and every wrong option."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from faulty.wire import XMPLA, Client, named
from typer.testing import CliRunner

from commands import app
from feeds.bars import RawBars
from feeds.catalog import Catalog
from gateway import Gateway

REPOSITORY = Path(__file__).resolve().parents[2]
DAY = "2024-06-12"


@contextmanager
def running(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], int, list[str]]]:
    """The command, its port, and the lines with which it began."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import halflife; halflife.main()", "gateway", "--port", "0", *options],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}, cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    lines: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            if line.startswith("Ctrl-C"):
                break
        found = re.search(r"TWS on 127\.0\.0\.1:(\d+)", "\n".join(lines))
        assert found is not None, (lines, process.stderr and process.stderr.read())
        yield process, int(found[1]), lines
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_tells_what_it_serves_and_who_comes_and_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path, "--speed", "max") as (process, port, lines):
        assert any("XMPLA = 5 + 1.4 XMPLB" in line for line in lines)
        assert "  EURUSD, quotes of 5 seconds" in lines
        assert any(f"from {DAY} 13:29" in line for line in lines)  # a minute before the open
        with Client(port, 5) as client:
            client.tell("reqRealTimeBars", reqId=1, contract=XMPLA, barSize=5, whatToShow="TRADES", useRTH=True)
            client.place(client.next_id)
            assert named(client.sync() + client.sync(), "execDetails")
            process.send_signal(number)
            out, error = process.communicate(timeout=20)
            client.rest()
            assert client.is_closed
    assert process.returncode == 0
    assert error == ""
    assert "client 5 connected" in out
    assert "Stopped: 1 orders and 1 executions on the last day." in out
    log = (tmp_path / "state" / "gateway.log").read_text()
    assert "client_connected" in log


def test_faults_are_played(tmp_path: Path) -> None:
    with running(tmp_path, "--speed", "max", "--fault", "order_dropped") as (_, port, _lines), Client(port) as client:
        client.tell("reqRealTimeBars", reqId=1, contract=XMPLA, barSize=5, whatToShow="TRADES", useRTH=True)
        client.place(client.next_id)
        assert not named(client.sync() + client.sync(), "openOrder", "execDetails")


def test_several_accounts(tmp_path: Path) -> None:
    options = ("--speed", "max", "--account", "DU1=5000", "--account", "DF22=7000.5")
    with running(tmp_path, *options) as (_, port, lines), Client(port) as client:
        assert any("paper accounts DU1, DF22 in EUR" in line for line in lines)
        (managed,) = named(client.login, "managedAccounts")
        assert managed["accountsList"] == "DU1,DF22"
        client.tell("reqAccountSummary", reqId=1, groupName="All", tags="TotalCashValue")
        rows = named(client.until("accountSummaryEnd"), "accountSummary")
        assert {row["account"]: float(row["value"]) for row in rows} == {"DU1": 5000.0, "DF22": 7000.5}


def test_a_day_of_the_catalog(tmp_path: Path) -> None:
    moments = pd.date_range(f"{DAY} 13:31", periods=20, freq="1min", tz="UTC", name="time")
    bars = pd.DataFrame({"open": 10.0, "high": 10.5, "low": 9.5, "close": 10.0, "volume": 1_000.0}, index=moments)
    with Catalog(tmp_path / "bars") as catalog:
        catalog.append(RawBars("ACME", "1m", bars, "test", exchange="XNYS", currency="USD"))
    options = ("--data", "ACME", "--catalog", str(tmp_path / "bars"), "--speed", "max")
    with running(tmp_path, *options) as (_, port, lines), Client(port) as client:
        assert any("ACME, USD, XNYS: 20 bars of 1m" in line for line in lines)
        assert any("no EURUSD, as it is not among the symbols" in line for line in lines)
        assert any(f"from {DAY} 13:29" in line for line in lines)
        contract = {"symbol": "ACME", "secType": "STK", "exchange": "SMART", "currency": "USD"}
        client.tell("reqRealTimeBars", reqId=1, contract=contract, barSize=5, whatToShow="TRADES", useRTH=True)
        (details,) = named(_details(client, contract), "contractDetails")
        assert details["contract"]["primaryExchange"] == "NYSE"
        client.tell("placeOrder", orderId=client.next_id, contract=contract, order={
            "action": "BUY", "totalQuantity": 1, "orderType": "MKT", "tif": "DAY", "transmit": True,
        })  # fmt: skip
        fills = named(client.sync() + client.sync(), "execDetails")
        assert [fill["execution"]["price"] for fill in fills] == [10.0]


def _details(client: Client, contract: dict[str, object]) -> list[tuple[str, dict[str, object]]]:
    client.tell("reqContractDetails", reqId=2, contract=contract)
    return client.until("contractDetailsEnd")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--date", "June"), "'June' is no day; write YYYY-MM-DD"),
        (("--date", "2024-06-15"), "XNYS has no session on 2024-06-15; the next one is 2024-06-17"),
        (("--speed", "fast"), "'fast' is none; give 1 for real time"),
        (("--speed", "0"), "'0' is none"),
        (("--time", "9.30"), "'9.30' is none; write HH:MM"),
        (("--host", "0.0.0.0"), "asks nobody for a password"),
        (("--data", "BAC"), "there is no catalog"),
        (("--data", ","), "names no symbol"),
        (("--data", "BAC", "--bar", "5m"), "'5m' is none; give one of 1s, 1m, 1h, 1d"),
        (("--bar", "1m"), "--bar is of the catalog, and the sample is generated"),
        (("--catalog", "bars"), "--catalog is of the catalog, and the sample is generated"),
        (("--quotes", "BAC=BACQ"), "--quotes is of the catalog, and the sample is generated"),
        (("--data", "BAC", "--quotes", "BACQ"), "'BACQ' is none; write SYMBOL=SERIES, as BAC=BACQ"),
        (("--data", "BAC", "--quotes", "BAK=BACQ"), "BAK is not among the symbols of --data"),
        (("--seed", "-1"), "greater than or equal to 0"),
        (("--days", "100000"), "is too much of the sample; it has 30 sessions at most"),
        (("--date", "1990-01-05"), "leaves no room for the 60 sessions before it; the sample begins on 1990-03-28"),
        (("--time", "20:30"), "is not before the end of what is played, 2024-06-12 20:00:00 US/Eastern"),
        (("--time", "25:00"), "'25:00' is none; write HH:MM"),
        (("--capital", "inf"), "an account begins with EUR 1 to 1,000,000,000,000"),
        (("--capital", "nan"), "an account begins with EUR 1 to 1,000,000,000,000"),
        (("--capital", "0.5"), "an account begins with EUR 1"),
        (("--account", "DU1"), "--account 'DU1': an account begins with EUR 1"),
        (("--account", "my,one=5"), "'my,one' is no account; write NAME=EUR, as DU1234567=100000"),
        (("--account", "DU1=5", "--account", "DU1=6"), "DU1 is there already"),
        (("--account", "DU1=5", "--capital", "6"), "--capital is of the one account that there is without --account"),
        (("--fault", "order_droped"), "did you mean 'order_dropped'"),
        (("--fault", "on orderStatus twice drop"), "script, line 1: no ': '"),
    ],
)
def test_wrong_options_are_one_panel_with_the_cure(options: tuple[str, ...], text: str) -> None:
    result = CliRunner().invoke(app, ["gateway", "--port", "0", *options])
    said = " ".join(result.stderr.replace("│", " ").split())
    assert result.exit_code == 2
    assert text in said
    assert "Traceback" not in said


def test_a_port_that_is_taken() -> None:
    with Gateway.sample(speed="still") as other:
        result = CliRunner().invoke(app, ["gateway", "--port", str(other.port)])
    assert result.exit_code == 2
    assert f"port {other.port} of 127.0.0.1 is in use" in " ".join(result.stderr.replace("│", " ").split())


def test_a_day_without_bars_names_the_days_that_there_are(tmp_path: Path) -> None:
    moments = pd.date_range(f"{DAY} 13:31", periods=20, freq="1min", tz="UTC", name="time")
    bars = pd.DataFrame({"open": 10.0, "high": 10.5, "low": 9.5, "close": 10.0, "volume": 1_000.0}, index=moments)
    with Catalog(tmp_path / "bars") as catalog:
        catalog.append(RawBars("ACME", "1m", bars, "test", exchange="XNYS", currency="USD"))
    options = ["--data", "ACME", "--catalog", str(tmp_path / "bars"), "--date", "2024-06-13"]
    result = CliRunner().invoke(app, ["gateway", "--port", "0", *options])
    said = " ".join(result.stderr.replace("│", " ").split())
    assert result.exit_code == 2
    assert "no trades of 1m on 2024-06-13; the catalog has 2024-06-12 to 2024-06-12" in said
