"""What docs/data.md shows can be run, in its order; services excepted, which need a network."""

from __future__ import annotations

import datetime as dt
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import commands
from core.calendar import ExchangeCalendar
from core.config import load_settings
from engine import backtest

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = (REPOSITORY / "docs" / "data.md").read_text(encoding="utf-8")
NETWORK = ("--source yahoo", "--source polygon", "--source ibkr")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """The files that the page names: CALM, ACME with a 2:1 split and a bar of Good Friday, minutes of SPY."""
    days = pd.DatetimeIndex(ExchangeCalendar("XNYS").sessions(dt.date(2014, 1, 2), dt.date(2016, 12, 30)))
    rng = np.random.default_rng(5)
    (tmp_path / "prices").mkdir()
    for symbol in ("ACME", "CALM"):
        close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, len(days))))
        frame = pd.DataFrame({"open": close, "high": close * 1.01, "low": close * 0.99, "close": close}, index=days)
        frame = frame.round(2).assign(volume=rng.integers(10_000, 90_000, len(days)))
        if symbol == "ACME":
            frame["adj_close"] = frame["close"]
            frame.loc[:"2015-07-14", ["open", "high", "low", "close"]] *= 2
            frame = pd.concat([frame, frame.loc[["2015-04-02"]].set_axis(pd.to_datetime(["2015-04-03"]))])
        frame.sort_index().rename_axis("date").to_csv(tmp_path / "prices" / f"{symbol}.csv")
    (tmp_path / "splits.csv").write_text("symbol,ex_date,kind,value\nCALM,2015-06-10,dividend,0.25\n", encoding="utf-8")
    times = pd.date_range("2015-03-09 09:30", periods=390, freq="1min")
    close = 200 + np.cumsum(rng.normal(0, 0.02, 390)).round(2)
    minutes = pd.DataFrame({"time": times, "open": close, "high": close, "low": close, "close": close, "volume": 100})
    (tmp_path / "ticks").mkdir()
    minutes.to_csv(tmp_path / "ticks" / "SPY.csv", index=False)
    return tmp_path


def test_commands_settings_and_notebook_lines_run(prices: Path) -> None:
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    ran = 0
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "halflife"
        if any(source in line for source in NETWORK):
            continue
        given = [
            str(file)
            for argument in arguments
            for file in (sorted(prices.glob(argument)) if "*" in argument else [argument])
        ]
        outcome = CliRunner().invoke(commands.app, given)
        left = given[:2] == ["data", "check"]  # which says that errors are left
        assert outcome.exit_code in ((0, 2) if left else (0,)), (line, outcome.stderr)
        assert "Traceback" not in outcome.output and (not left or not outcome.stderr.count("error"))
        ran += 1
    assert ran == len(lines) - 4
    assert (prices / "acme.png").exists() and (prices / "found.csv").exists()

    (settings,) = blocks("toml")
    (prices / "desk.toml").write_text(settings, encoding="utf-8")
    result = backtest(load_settings(prices / "desk.toml", ["report.bootstrap_samples=100"]))
    assert any("adjusted for 1 split" in note for note in result.notes)

    (code,) = blocks("python")
    names: dict[str, Any] = {}
    exec(compile(code.replace(", progress=True", ""), "data.md", "exec"), names)
    assert len(names["bars"]) == 756


def test_every_command_and_every_option_of_import_is_described() -> None:
    for name in ("import", "pull", "check", "repair", "adjust", "show", "export", "remove"):
        assert f"halflife data {name}" in PAGE
        outcome = CliRunner().invoke(commands.app, ["data", name, "--help"])
        for option in set(re.findall(r"--[a-z-]+", outcome.stdout)):
            assert option in PAGE, (name, option)
