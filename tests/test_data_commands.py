"""``halflife data``: screens of 100 columns, one red panel, exit codes that say what is left to be done."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

import commands
from core.calendar import ExchangeCalendar

REPOSITORY = Path(__file__).resolve().parent.parent
SESSIONS = pd.DatetimeIndex(
    ExchangeCalendar("XNYS").sessions(pd.Timestamp("2015-01-02").date(), pd.Timestamp("2015-12-31").date())
)


def walk(seed: int) -> pd.DataFrame:
    """Clean daily bars of 2015."""
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, len(SESSIONS))))
    frame = pd.DataFrame({"open": close, "high": close * 1.01, "low": close * 0.99, "close": close}, index=SESSIONS)
    return frame.round(2).assign(volume=rng.integers(1_000, 9_000, len(SESSIONS))).rename_axis("date")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """CALM.csv is clean; ACME.csv has a tenfold price, a bar of Good Friday, and a 2:1 split told by adj_close."""
    walk(2).to_csv(tmp_path / "CALM.csv")
    frame = walk(1)
    before = frame.index < "2015-07-15"
    frame = frame.assign(adj_close=frame["close"])
    frame.loc[before, ["open", "high", "low", "close"]] *= 2
    frame.loc["2015-03-10", ["open", "high", "low", "close", "adj_close"]] *= 10
    holiday = frame.loc[["2015-04-02"]].set_axis(pd.to_datetime(["2015-04-03"]))
    pd.concat([frame, holiday]).sort_index().rename_axis("date").to_csv(tmp_path / "ACME.csv")
    return tmp_path


def data(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout, and stderr with boxes taken off and lines joined."""
    outcome = CliRunner().invoke(commands.app, ["data", *map(str, arguments)])
    assert "Traceback" not in outcome.output
    assert max(len(line) for line in outcome.stdout.splitlines() or [""]) <= 100
    return outcome.exit_code, outcome.stdout, " ".join(outcome.stderr.replace("│", " ").split())


# --- the whole way


def test_from_files_to_adjusted_bars(files: Path, tmp_path: Path) -> None:
    code, out, err = data("import", "ACME.csv", "CALM.csv")
    assert code == 0 and "2 symbols: 505 bars added, 0 stored already." in out and "2/2" in err
    assert (tmp_path / "catalog").is_dir()  # paths.catalog

    code, out, _ = data("check")
    assert code == 2  # errors are left
    assert re.search(r"error +spike +1 +1 +1 +1 +ACME", out) and "closed_session" in out and "data repair" in out

    code, out, _ = data("repair", "--dry-run")
    assert code == 0 and "nothing was changed" in out
    assert data("check")[0] == 2
    code, out, _ = data("repair")
    assert code == 0 and "2 rows dropped" in out and "the raw bars are kept" in out
    assert "ACME 2015-03-10" in " ".join(out.split())  # the example of the rule
    assert data("check")[0] == 0
    assert data("check", "--raw")[0] == 2

    code, out, _ = data("adjust")
    assert code == 0 and re.search(r"ACME +2015-07-15 +split +2 +adj_close", out)
    assert "1 split of 1 of 2 symbols" in out

    code, out, _ = data("show")
    assert code == 0 and re.search(r"CALM +1d +252 +2015-01-02 +2015-12-31 +100\.0%", out)
    code, out, _ = data("show", "ACME", "--plot", "acme.png")
    assert code == 0 and "251 of 252 sessions" in out and "foreign" not in out
    assert all(word in out for word in ("Coverage by year", "Repairs", "What was done", "Last bars", "acme.png"))
    assert (tmp_path / "acme.png").read_bytes().startswith(b"\x89PNG")

    code, out, _ = data("export", "ACME", "--to", "out", "--adjust", "split")
    assert code == 0 and "251 bars, repaired, adjusted for splits" in out
    exported = pd.read_csv(tmp_path / "out" / "ACME.csv", index_col="date")
    assert exported.loc["2015-07-14", "close"] == pytest.approx(walk(1).loc["2015-07-14", "close"], rel=1e-12)

    code, out, _ = data("repair", "--undo")
    assert code == 0 and "2 repairs of 1 series taken back" in out
    assert data("check")[0] == 2


def test_second_import_says_that_all_is_there(files: Path) -> None:
    data("import", "CALM.csv")
    assert "0 bars added, 252 stored already" in data("import", "CALM.csv")[1]
    frame = walk(2)
    frame.iloc[5, 3] = frame.iloc[5, 2]
    frame.to_csv("CALM.csv")
    code, out, _ = data("import", "CALM.csv")
    assert code == 0 and "1 differ and were kept as stored" in out and "--replace" in out
    assert "1 replaced" in data("import", "CALM.csv", "--replace")[1]


def test_pull_of_the_sample(tmp_path: Path) -> None:
    code, out, err = data("pull", "--source", "sample", "SPX", "SPY", "--from", "2018-06-01", "--catalog", "here")
    assert code == 2 and "did you mean 'SPX'" in err
    assert re.search(r"SPX +1d +147 +147", out) and "1 failed" in out
    assert (tmp_path / "here").is_dir() and not (tmp_path / "catalog").exists()
    code, out, _ = data("pull", "--source", "sample", "SPX", "--catalog", "here")
    assert code == 0 and "0 bars added" in out


def test_remove_asks(files: Path) -> None:
    data("import", "CALM.csv")
    outcome = CliRunner().invoke(commands.app, ["data", "remove", "CALM"], input="n\n")
    assert outcome.exit_code == 0 and "252 bars of CALM" in outcome.stdout and "Nothing was removed" in outcome.stdout
    assert data("show")[0] == 0
    assert data("remove", "CALM", "--yes")[0] == 0
    assert data("show")[0] == 2


def test_remove_without_an_answer_removes_nothing_and_says_how_to_do_without(files: Path) -> None:
    data("import", "CALM.csv")
    code, out, err = data("remove", "CALM")  # of which the input has ended
    assert code == 2 and "nobody answered, so nothing was removed; --yes removes without asking" in err
    assert "Aborted" not in out + err and data("show")[0] == 0


def test_ctrl_c_at_the_question_is_a_stop(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(question: str) -> bool:
        """As typer does it."""
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise typer.Abort from None

    data("import", "CALM.csv")
    monkeypatch.setattr("typer.confirm", stop)
    code, _, err = data("remove", "CALM")
    assert code == 130 and "Stopped; what was stored before stays" in err
    assert data("show")[0] == 0


def test_everything_is_written_where_it_is_asked_for(files: Path, tmp_path: Path) -> None:
    data("import", "ACME.csv", "--out", "import.csv")
    assert pd.read_csv(tmp_path / "import.csv")["added"].tolist() == [253]
    data("check", "--out", "found.json")
    rows = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert {"spike", "closed_session"} <= {row["rule"] for row in rows} and rows[0]["symbol"] == "ACME"
    data("repair", "--dry-run", "--out", "repairs.csv")
    assert pd.read_csv(tmp_path / "repairs.csv")["action"].tolist() == ["drop", "drop"]
    code, _, err = data("check", "--out", "found.xlsx")
    assert code == 2 and "[HL600]" in err and ".csv or .json" in err


def test_a_listing_of_many_says_where_the_rest_is(tmp_path: Path) -> None:
    frames = [walk(seed).reset_index().assign(symbol=f"S{seed:03d}") for seed in range(70)]
    pd.concat(frames).to_csv(tmp_path / "many.csv", index=False)
    code, out, _ = data("import", "many.csv")
    assert code == 0 and len(out.splitlines()) < 10
    code, out, _ = data("show")
    assert out.count("100.0%") == 60 and "... and 10 more" in out


# --- errors: one panel, exit code 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check"], ["HL205", "no catalog in catalog", "halflife data import", "--catalog"]),
        (["import", "nowhere.csv"], ["nowhere.csv"]),
        (["import", "CALM.csv", "--bar", "1w"], ["HL101", "bar size 1w", "1d, 1h, 1m, 1s"]),
        (["import", "CALM.csv", "--exchange", "XNYC"], ["HL300", "XNYC"]),
        (["import", "CALM.csv", "--adjusted", "totl"], ["HL101", "did you mean 'total'?"]),
        (["import", "CALM.csv", "--stamp", "opn"], ["HL101", "did you mean 'open'?"]),
        (["import", "CALM.csv", "--symbol", "EUR/USD"], ["HL205", "EURUSD"]),
        (["pull", "--source", "yaho", "SPY"], ["HL101", "did you mean 'yahoo'?"]),
        (["pull", "--source", "sample", "SPX", "--from", "1.1.2018"], ["HL100", "1.1.2018", "2015-12-31"]),
        (["pull", "--source", "yahoo"], ["HL100", "name those"]),
        (["pull", "--source", "polygon", "SPY"], ["HL102", "POLYGON_API_KEY"]),
    ],
)
def test_error_is_one_panel_and_nothing_is_made(
    arguments: list[str], words: list[str], files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POLYGON_API_KEY", raising=False)
    code, _, err = data(*arguments)
    assert code == 2 and err.count("╭─ error") == 1, err
    assert all(word in err for word in words), err
    assert not list((files / "catalog").rglob("*.parquet"))


@pytest.mark.parametrize("command", ["check", "repair", "adjust", "show"])
def test_misspelt_symbol_is_guessed(command: str, files: Path) -> None:
    data("import", "CALM.csv")
    code, _, err = data(command, "CALN")
    assert code == 2 and "[HL101]" in err and "did you mean 'CALM'?" in err


def test_several_bad_files_are_one_panel_each_with_its_name(files: Path) -> None:
    (files / "empty.csv").touch()
    (files / "binary.csv").write_bytes(bytes(range(256)))
    code, out, err = data("import", "empty.csv", "CALM.csv", "binary.csv")
    assert code == 2 and "252 bars added" in out and "2 failed" in out
    assert err.count("2 errors") == 1 and "empty.csv" in err and "binary.csv" in err
    assert "CALM" in data("show")[1]


def test_one_failure_has_its_name_where_its_error_does_not_say_it(files: Path) -> None:
    data("import", "CALM.csv")
    Path("pay.csv").write_text("symbol,ex_date,kind,value\nCALM,2015-06-10,dividend,900\n", encoding="utf-8")
    assert "error ─" in data("adjust", "--events", "pay.csv")[2]
    assert "CALM 1d [HL207] dividend of 900 on 2015-06-10" in data("adjust", "--events", "pay.csv")[2]
    Path("NOTHING.csv").touch()
    assert data("import", "NOTHING.csv")[2].count("NOTHING.csv") == 1


def test_plot_needs_one_series(files: Path) -> None:
    data("import", "CALM.csv", "ACME.csv")
    code, _, err = data("show", "--plot", "all.png")
    assert code == 2 and "name one symbol" in err and not (files / "all.png").exists()


# --- help and start-up


COMMANDS = ("import", "pull", "check", "repair", "adjust", "show", "export", "remove")


def test_help_names_every_command_and_no_type_of_a_flag() -> None:
    code, out, _ = data("--help")
    assert code == 0 and all(f" {name} " in out for name in COMMANDS)
    for name in COMMANDS:
        code, out, _ = data(name, "--help")
        assert code == 0 and "--catalog" in out and "--debug" in out and "bool" not in out


@pytest.mark.parametrize("arguments", [["data", "--help"], ["data", "import", "--help"], ["data"]])
def test_help_waits_for_no_big_library(arguments: list[str]) -> None:
    code = "import sys\nfrom commands import app\ntry:\n    app(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
    code += "sys.stdout.write(' '.join(['MODULES', *sys.modules]))"
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    modules = set(run.stdout.split("MODULES ")[1].split())
    assert "commands.data" in modules
    assert not modules & {"pandas", "numpy", "pyarrow", "requests", "yfinance", "exchange_calendars", "matplotlib"}


# --- Ctrl-C


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts ``halflife`` in the folder of the test."""
    runs: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        code = "import sys, halflife; sys.argv = ['halflife', *sys.argv[1:]]; halflife.main()"
        run = subprocess.Popen(
            [sys.executable, "-c", code, *arguments], env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, cwd=tmp_path,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        runs.append(run)
        return run

    yield start
    for run in runs:
        run.kill()
        run.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_keeps_what_was_stored_and_says_so(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: int
) -> None:
    frames = [walk(seed).reset_index().assign(symbol=f"S{seed:03d}") for seed in range(400)]
    pd.concat(frames).to_parquet(tmp_path / "many.parquet", index=False)
    run = start("data", "import", "many.parquet")
    while not list(tmp_path.glob("catalog/bars/1d/*")):  # the first symbol is being stored
        assert run.poll() is None, run.communicate()
        time.sleep(0.005)
    for _ in range(3):  # as an impatient person does
        run.send_signal(number)
        time.sleep(0.01)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 130, err
    assert "Traceback" not in err and "Stopped; what was stored before stays in the catalog." in err
    said = int(re.search(r"(\d+) symbols?:", out)[1])  # type: ignore[index]
    assert 1 <= said < 400
    listed = data("show", "--out", "listing.csv")
    assert listed[0] == 0 and len(pd.read_csv("listing.csv")) == said
    again = data("import", "many.parquet")
    assert again[0] == 0 and f"{said * 252:,} stored already" in again[1]


def test_a_signal_before_anything_is_stored_says_that_there_is_nothing(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    run = start("data", "pull", "--source", "sample")
    status = Path(f"/proc/{run.pid}/status")
    if not status.exists():
        pytest.skip("reads the state of processes in /proc")
    while not int(re.search(r"^SigCgt:\s*(\w+)$", status.read_text(), re.MULTILINE)[1], 16) >> 14 & 1:  # type: ignore[index]
        time.sleep(0.002)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 130 and out == "" and "Stopped; there are no results yet." in err
    assert not (tmp_path / "catalog").exists()
