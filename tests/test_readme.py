"""What the README shows can be run."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import commands
from core.config import load_settings

REPOSITORY = Path(__file__).resolve().parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
FAST = ("--set", "report.tear_sheet=false", "--set", "report.bootstrap_samples=100")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """The README's settings, with bars for them: two random walks with a common part."""
    (settings,) = blocks("toml")
    (tmp_path / "mine.toml").write_text(settings, encoding="utf-8")
    (tmp_path / "bars").mkdir()
    sessions = pd.bdate_range("2015-01-01", periods=700)
    rng = np.random.default_rng(3)
    common = rng.normal(0, 0.01, 700).cumsum()
    for symbol in ("EWA", "EWC"):
        close = 25 * np.exp(common + rng.normal(0, 0.004, 700))
        frame = pd.DataFrame({"date": sessions.strftime("%Y-%m-%d"), "open": close, "high": close, "low": close})
        frame.assign(close=close, volume=1e6).to_csv(tmp_path / "bars" / f"{symbol}.csv", index=False)
    return tmp_path


def test_commands_run_on_the_settings_shown(desk: Path) -> None:
    lines = [
        shlex.split(line) for block in blocks("bash") for line in block.splitlines() if "halflife backtest" in line
    ]
    assert len(lines) == 2
    for program, *arguments in lines:
        assert program == ".venv/bin/halflife"
        outcome = CliRunner().invoke(commands.app, [*arguments, *FAST])
        assert outcome.exit_code == 0, outcome.stderr
    assert len(list((desk / "results").iterdir())) == 2
    resolved = load_settings(desk / "results" / "smaller-account" / "settings.toml")
    assert resolved.account.capital == 30_000
    assert resolved.strategies["pairs"].parameters["hedge"] == "kalman"


def test_commands_of_the_data_room_run(desk: Path) -> None:
    (desk / "bars").rename(desk / "prices")
    lines = [line for block in blocks("bash") for line in block.splitlines() if "halflife data" in line]
    assert [line.split()[2] for line in lines] == ["import", "check", "repair", "adjust", "show"]
    for line in lines:
        program, *arguments = shlex.split(line, comments=True)
        assert program == ".venv/bin/halflife"
        files = sorted(str(file) for argument in arguments if "*" in argument for file in desk.glob(argument))
        given = [argument for argument in arguments if "*" not in argument] + files
        outcome = CliRunner().invoke(commands.app, given)
        left = "check" in arguments  # its exit code says that errors are left
        assert outcome.exit_code == 0 or (left and outcome.exit_code == 2 and "╭" not in outcome.stderr), line
    assert (desk / "ewa.png").read_bytes().startswith(b"\x89PNG")


def test_the_rehearsal_shown_runs(tmp_path: Path) -> None:
    (line,) = [line for block in blocks("bash") for line in block.splitlines() if "halflife live" in line]
    program, *arguments = shlex.split(line)
    assert (program, arguments) == (".venv/bin/halflife", ["live", "--rehearse"])
    outcome = CliRunner().invoke(commands.app, [*arguments, "--until", "09:45"])
    assert outcome.exit_code == 0, outcome.stderr
    assert "meanrev" in outcome.stdout and "by the broker" in outcome.stdout
    assert len(list((tmp_path / "state" / "rehearsals").iterdir())) == 1


def test_notebook_lines_run(tmp_path: Path) -> None:
    (code,) = blocks("python")
    *body, last = ast.parse(code).body
    names: dict[str, Any] = {}
    exec(compile(ast.Module(body, []), "README.md", "exec"), names)
    assert isinstance(last, ast.Expr)
    shown = eval(compile(ast.Expression(last.value), "README.md", "eval"), names)
    assert shown["count"].sum() > 0
    # "Its answer is no: ... lose a little"
    target = names["result"].summary["daily_target"]
    assert target["mean_interval_eur"][1] < target["target_eur"]
    assert -5 < target["mean_eur"] < 0
    promised = set(re.findall(r"^\| `([\w.]+\.(?:html|json|csv|toml))` \|", README, re.MULTILINE))
    written = {path.name for path in (tmp_path / "results" / "first").iterdir()}
    assert len(promised) == 6 and promised <= written
    assert "tear_sheet.png" in written and (tmp_path / "state" / "trials.sqlite").exists()


def test_first_screen_has_the_picture_of_a_report() -> None:
    head = README.splitlines()[:24]
    assert any(line.startswith("![") and "docs/images/report.png" in line for line in head)
    picture = (REPOSITORY / "docs/images/report.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) < 400_000


def test_layers_table_names_every_folder() -> None:
    named = set(re.findall(r"`(\w+)/`", README.split("## How it works")[1].split("## What to know")[0]))
    assert named == {path.parent.name for path in REPOSITORY.glob("*/__init__.py")}
