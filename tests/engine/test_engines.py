"""The engine that runs a desk moves no number of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import backtrader as bt
import pytest
from typer.testing import CliRunner

import commands
import engine
from core.config import load_settings, settings_hash

CUTS = ["data.start=1999-01-04", "data.end=2006-12-29"]
TIMES = ("seconds", "bars_per_second")


def facts(folder: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    for name in TIMES:
        assert summary["run"].pop(name) > 0
    return summary


def test_both_engines_write_the_same_summary_but_for_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = {}
    for name in ("fast", "stock"):
        arguments = ["backtest", "--engine", name, "--out", name, "--set", f"paths.state=state-{name}"]
        outcome = CliRunner().invoke(commands.app, [*arguments, *(word for cut in CUTS for word in ("--set", cut))])
        assert outcome.exit_code == 0, outcome.output
        assert f"bars a second (engine: {name})" in outcome.stdout
        found[name] = facts(tmp_path / name)
    assert found["fast"]["run"]["orders"] > 100
    assert found["fast"] == found["stock"]


def test_the_engine_is_no_part_of_what_moves_results() -> None:
    fast, stock = (load_settings(None, [f"engine={name}"]) for name in ("fast", "stock"))
    assert settings_hash(fast) == settings_hash(stock)


def test_the_desk_of_the_sample_leaps(tmp_path: Path) -> None:
    from engine.build import bars_needed
    from feeds import load

    settings = load_settings(None, [*CUTS, f"paths.state={tmp_path}"])
    loaded = load(settings, warm_up=bars_needed(settings))
    cerebro = engine.build(settings, loaded, engine.SimBroker(settings=settings))
    assert isinstance(cerebro, engine.Cerebro)
    cerebro.run()
    assert cerebro.leaping_obstacles == [] and cerebro.stepping_reasons[:1] != ["the parameter lean is off"]
    bars = len(loaded.frames["SPX"])
    assert 0 < cerebro.landings < bars
    stock = engine.build(settings.model_copy(update={"engine": "stock"}), loaded, engine.SimBroker(settings=settings))
    assert type(stock) is bt.Cerebro
