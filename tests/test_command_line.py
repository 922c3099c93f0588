"""The command line: the same run from both entries, readable errors, Ctrl-C that keeps what there is."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import commands
import engine
from commands import backtest
from core.config import load_settings
from core.errors import ResultsError

REPOSITORY = Path(__file__).resolve().parent.parent
FILES = ("summary.json", "equity.csv", "trades.csv", "orders.csv", "settings.toml", "report.html")

SETTINGS = """
name = "small"
execution = "next_close"

[data]
source = "csv"
folder = "bars"

[instruments.AAA]
[instruments.BBB]

[strategies.meanrev]
strategy = "MeanReversion"
instruments = ["AAA"]
allotment = 0.5

[strategies.pairs]
strategy = "PairsTrading"
pairs = [["AAA", "BBB"]]
allotment = 0.5

[regimes]
benchmark = "AAA"

[report]
bootstrap_samples = 100
tear_sheet = false
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Settings of a small desk on two series that move together, 700 sessions of 2015 to 2017."""
    rng = np.random.default_rng(1)
    sessions = pd.bdate_range("2015-01-01", periods=700)
    common = np.cumsum(rng.normal(0, 0.01, 700))
    (tmp_path / "bars").mkdir()
    for symbol in ("AAA", "BBB"):
        apart = np.zeros(700)
        for i in range(1, 700):
            apart[i] = 0.9 * apart[i - 1] + rng.normal(0, 0.008)
        close = 100 * np.exp(common + apart)
        frame = pd.DataFrame({"open": close, "high": close * 1.01, "low": close * 0.99, "close": close, "volume": 1e6})
        frame.insert(0, "date", sessions.strftime("%Y-%m-%d"))
        frame.to_csv(tmp_path / "bars" / f"{symbol}.csv", index=False)
    file = tmp_path / "small.toml"
    file.write_text(SETTINGS, encoding="utf-8")
    return file


def command(arguments: Sequence[str | Path], script: str = "run_backtest.py", **more: str) -> subprocess.Popen[str]:
    """Start a script of the repository in the working folder of the test."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **more}
    return subprocess.Popen(
        [sys.executable, REPOSITORY / script, *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def invoke(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr (boxes taken off and lines joined) of the command line in this process."""
    outcome = CliRunner().invoke(commands.app, [str(argument) for argument in arguments])
    text = " ".join(outcome.stderr.replace("│", " ").split())
    return outcome.exit_code, outcome.stdout, text


# --- a run


def test_script_and_command_give_the_same_results(small: Path, tmp_path: Path) -> None:
    run = command([small, "--set", "account.capital=50000", "--out", "script"])
    out, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    script = tmp_path / "script"
    assert all((script / name).stat().st_size for name in FILES)
    summary = json.loads((script / "summary.json").read_text(encoding="utf-8"))
    assert set(summary["strategies"]) == {"meanrev", "pairs"}
    assert "capital = 50000" in (script / "settings.toml").read_text(encoding="utf-8")
    assert all(text in out for text in ("meanrev", "pairs", "Portfolio", str(script)))
    assert "Traceback" not in err
    assert (tmp_path / "state" / "trials.sqlite").exists()

    code, _, shown = invoke("backtest", small, "--set", "account.capital=50000", "--set", "paths.results=here")
    assert code == 0, shown
    (folder,) = (tmp_path / "here").iterdir()
    assert folder.name.startswith("small-20") and folder.name.endswith("Z")
    for name in ("equity.csv", "trades.csv"):
        assert (folder / name).read_bytes() == (script / name).read_bytes()


def test_version_is_that_of_the_package() -> None:
    code, out, _ = invoke("version")
    assert (code, out) == (0, "halflife 0.1.0\n")


def test_runs_of_one_second_have_a_folder_each(small: Path, tmp_path: Path) -> None:
    settings = load_settings(small)
    claims = [backtest._claim(settings, None) for _ in range(4)]  # faster than a second, before any has written
    assert len({place for place, _ in claims}) == len({name for _, name in claims}) == 4
    stems = [place.name for place, _ in claims]
    assert [stem for stem in stems if re.fullmatch(r"small-\d{8}T\d{6}Z-\d", stem)]
    result = engine.backtest(settings)
    written = [backtest._write(result, place, pictures=False, renamed=True)[0] for place, _ in claims]
    assert written == [place for place, _ in claims]
    # A run of another state folder may still have taken the name
    late, whole = backtest._write(result, claims[0][0], pictures=False, renamed=True)
    assert late.name == f"{stems[0]}-5" and not whole
    assert (late / "summary.json").exists()


def test_log_and_journal_of_a_run_have_its_name(small: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert invoke("backtest", small, "--out", f"{_}/mine")[0] == 0
    assert {path.name for path in (tmp_path / "state" / "logs").iterdir()} == {"mine.log", "mine-2.log"}
    assert {path.name for path in (tmp_path / "state" / "journals").glob("*.sqlite")} == {
        "mine.sqlite", "mine-2.sqlite",
    }  # fmt: skip


# --- start-up

MODULES = """
import sys
sys.argv = ["halflife", *sys.argv[1:]]
import halflife
try:
    halflife.main()
except SystemExit:
    pass
sys.stdout.write(" ".join(["MODULES", *sys.modules]))
"""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["backtest", "--help"], ["version"], ["backtest", "--set", "acount.capital=1"]]
)
def test_help_and_a_misspelt_key_wait_for_no_big_library(arguments: list[str]) -> None:
    run = subprocess.run(
        [sys.executable, "-c", MODULES, *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    modules = set(run.stdout.split("MODULES ")[1].split())
    assert "commands" in modules
    assert not modules & {"pandas", "numpy", "backtrader", "exchange_calendars", "scipy", "matplotlib", "engine"}


def test_help_shows_no_type_for_a_flag() -> None:
    for arguments in (["--help"], ["backtest", "--help"], ["trials", "--help"], ["version", "--help"]):
        code, out, _ = invoke(*arguments)
        assert code == 0 and "--help" in out and "bool" not in out


# --- the trial ledger


def test_trials_lists_every_run_and_counts_distinct_ones(small: Path, tmp_path: Path) -> None:
    for capital in ("50000", "50000", "60000"):
        changes = (f"account.capital={capital}", "paths.state=kept", "strategies.pairs.parameters.entry_z=1.75")
        arguments = [part for change in changes for part in ("--set", change)]
        assert invoke("backtest", small, *arguments)[0] == 0
    code, out, err = invoke("trials", "--state", "kept")
    assert code == 0, err
    listed, counted = out.split("Distinct trials")
    assert listed.count("portfolio") == listed.count("meanrev") == listed.count("pairs ") == 3
    assert "MeanReve" in listed and "Sharpe" in listed
    shown = "".join(re.findall(r"[\w=./]+", listed))  # columns wrap
    assert "entry_z=1.75" in shown and "hedge_period" not in shown  # a default
    times = re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d", listed)
    assert len(times) == 9 and times == sorted(times)
    (row,) = [line for line in counted.splitlines() if re.search(r"\b[0-9a-f]{8}\b", line)]
    assert re.findall(r"\d+", row.split("│")[2]) == ["2"]  # 50000 twice is one
    hashes = {line.split("│")[-2].strip() for line in listed.splitlines() if "│ small" in line}
    assert hashes == {row.split("│")[1].strip()}


def test_trials_without_a_ledger_is_a_clear_error(tmp_path: Path) -> None:
    code, out, err = invoke("trials", "--state", "nowhere")
    assert code == 2 and out == ""
    assert "HL602" in err and "there is no trial ledger nowhere/trials.sqlite" in err and "--state" in err
    assert not (tmp_path / "nowhere").exists()


# --- errors: one panel, exit code 2, nothing written


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.toml"], ["HL100", "nowhere.toml", "no such settings file"]),
        (["--set", "acount.capital=1"], ["HL101", "did you mean 'account'?"]),
        (["--set", "account.capital"], ["HL100", "a.b=value"]),
        (["--set", "strategies.meanrev.strategy=MeanRevesion"], ["HL101", "did you mean 'MeanReversion'?"]),
        (["--set", "strategies.meanrev.parameters.perod=5"], ["HL101", "perod"]),
        (["--set", "data.source=smple"], ["HL101", "did you mean 'sample'?"]),
        (["--engine", "stok"], ["HL700", "did you mean 'stock'?"]),
    ],
)
def test_error_is_one_readable_panel(arguments: list[str], words: list[str], tmp_path: Path) -> None:
    code, out, err = invoke("backtest", *arguments)
    assert code == 2
    assert all(word in err for word in words), err
    assert "Traceback" not in err and out == ""
    assert not list((tmp_path / "results").glob("*"))


def test_debug_shows_where_an_error_comes_from() -> None:
    run = command(["nowhere.toml", "--debug"], TERM="dumb")
    _, err = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "Traceback" in err and "load_settings" in err and "HL100" in err


def test_existing_folder_refuses_before_the_run(small: Path, tmp_path: Path) -> None:
    kept = tmp_path / "old" / "notes.txt"
    kept.parent.mkdir()
    kept.write_text("mine", encoding="utf-8")
    code, _, err = invoke("backtest", small, "--out", "old")
    assert code == 2 and "HL601" in err
    assert kept.read_text(encoding="utf-8") == "mine" and list(kept.parent.iterdir()) == [kept]
    assert not (tmp_path / "state").exists()  # the run was not counted: it never began


def test_folder_below_a_file_refuses_before_the_run(small: Path, tmp_path: Path) -> None:
    code, _, err = invoke("backtest", small, "--out", small / "results")
    assert code == 2 and "HL600" in err
    assert not (tmp_path / "state").exists()


def test_results_survive_a_folder_that_fills_up_after_the_check(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spare").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "spare"))
    result = engine.backtest(load_settings(small))
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / "of somebody else").touch()  # made while the run computed
    with pytest.raises(ResultsError, match=r"holds files(.|\n)*written to .*spare.* instead"):
        backtest._write(result, tmp_path / "late")
    assert len(list((tmp_path / "spare").glob("*/late/summary.json"))) == 1


# --- Ctrl-C


def test_interrupt_gives_partial_results_that_say_so(tmp_path: Path) -> None:
    run = command(["--out", "cut", "--set", "report.tear_sheet=false"])
    ledger = tmp_path / "state" / "trials.sqlite"
    while not ledger.exists():  # it is opened when the run begins
        assert run.poll() is None, run.communicate()
        time.sleep(0.02)
    time.sleep(0.5)  # between the ledger and the first bar lies the handler of Ctrl-C
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=120)
    assert run.returncode == 130, err
    assert "PARTIAL RESULTS" in out and "Partial results: " in out
    summary = json.loads((tmp_path / "cut" / "summary.json").read_text(encoding="utf-8"))
    assert summary["run"]["partial"] is True
    assert summary["run"]["bars"] < summary["data"]["symbols"]["SPX"]["bars"]
    assert "partial" in (tmp_path / "cut" / "report.html").read_text(encoding="utf-8").lower()
