"""Real signals to real processes: nothing computed is lost, nothing is left half, and nobody reads a traceback."""

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

import pytest

from engine.report.folder import STALE

REPOSITORY = Path(__file__).resolve().parent.parent
FILES = {"summary.json", "equity.csv", "trades.csv", "orders.csv", "settings.toml", "report.html"}
NOTHING_YET = "Stopped; there are no results yet."
QUICK = ("--set", "report.tear_sheet=false", "--set", "report.bootstrap_samples=100")
SHORT = ("--set", "data.start=2014-01-01")  # for what happens after the run
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the state of processes in /proc")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the sample desk with results in ``out/cut``; the process answers signals when it is returned."""
    runs: list[subprocess.Popen[str]] = []

    def start(*more: str) -> subprocess.Popen[str]:
        run = subprocess.Popen(
            [sys.executable, REPOSITORY / "run_backtest.py", "--out", "out/cut", *QUICK, *more],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, cwd=tmp_path,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        runs.append(run)
        status = Path(f"/proc/{run.pid}/status")
        wait_for(run, lambda: catches(status, signal.SIGTERM))
        return run

    yield start
    for run in runs:
        run.kill()
        run.communicate()


def catches(status: Path, number: int) -> bool:
    caught = re.search(r"^SigCgt:\s*(\w+)$", status.read_text(), re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


def wait_for(run: subprocess.Popen[str], what: Callable[[], object], pause: float = 0.002) -> None:
    while not what():
        assert run.poll() is None, run.communicate()
        time.sleep(pause)


def end(run: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = run.communicate(timeout=120)
    return run.returncode, out, err


def check_whole(folder: Path) -> dict[str, object]:
    """A results folder has every table and links to nothing that is not there; returns the ``run`` of its summary."""
    names = {path.name for path in folder.iterdir()}
    assert names >= FILES
    page = (folder / "report.html").read_text(encoding="utf-8")
    linked = set(re.findall(r'<a href="([\w.]+)">\1</a>', page))
    assert linked == names - {"report.html"}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # no draft
    summary: dict[str, dict[str, object]] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return summary["run"]


# --- before the first bar


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.3, 0.9])
def test_a_signal_while_libraries_are_imported_ends_the_run_with_one_line(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path, seconds: float, number: int
) -> None:
    run = start()
    time.sleep(seconds)
    early = not (tmp_path / "state" / "trials.sqlite").exists()  # else this machine is quick: it runs already
    run.send_signal(number)
    code, out, err = end(run)
    assert code == 130, err
    assert "Traceback" not in err
    if early:
        assert out == "" and err.strip().splitlines()[-1].strip() == NOTHING_YET
        assert not (tmp_path / "out" / "cut").exists()


def test_ctrl_c_at_any_moment_leaves_results_or_says_that_there_are_none(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    run = start()
    ledger = tmp_path / "state" / "trials.sqlite"
    wait_for(run, ledger.exists)
    time.sleep(0.5)
    for _ in range(4):  # as an impatient person does
        if run.poll() is None:
            run.send_signal(signal.SIGINT)
        time.sleep(0.01)
    code, out, err = end(run)
    assert code == 130, err
    assert "Traceback" not in err
    folder = tmp_path / "out" / "cut"
    if NOTHING_YET in err:
        assert not folder.exists()
    else:
        assert check_whole(folder)["partial"] is True
        assert "PARTIAL RESULTS" in out and "Partial results: " in out


def test_sigterm_gives_partial_results(start: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    run = start()
    wait_for(run, (tmp_path / "state" / "trials.sqlite").exists)
    time.sleep(0.5)
    run.send_signal(signal.SIGTERM)
    code, out, err = end(run)
    assert code == 130, err
    assert "Partial results: " in out
    assert check_whole(tmp_path / "out" / "cut")["partial"] is True
    assert (tmp_path / "out" / "cut" / "equity_drawdown.png").exists() and "left out" not in err  # asked once only


# --- while results are written


def test_ctrl_c_while_tables_are_written_costs_the_pictures_only(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    run = start(*SHORT)
    wait_for(run, lambda: list(tmp_path.glob("out/.cut.*.tmp")))
    for _ in range(3):
        run.send_signal(signal.SIGINT)
        time.sleep(0.02)
    code, out, err = end(run)
    assert code == 130, err
    assert "pictures were left out, the rest of the results is there" in err and "Traceback" not in err
    assert f"Results: {tmp_path / 'out' / 'cut'}" in out
    assert check_whole(tmp_path / "out" / "cut")["partial"] is False
    assert list((tmp_path / "out" / "cut").glob("*.png")) == []
    assert "The pictures were not drawn" in (tmp_path / "out" / "cut" / "report.html").read_text(encoding="utf-8")


def test_ctrl_c_while_pictures_are_drawn_keeps_those_that_are_whole(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    run = start(*SHORT)
    wait_for(run, lambda: list(tmp_path.glob("out/.cut.*.tmp/*.png")))
    run.send_signal(signal.SIGINT)
    time.sleep(0.05)
    if run.poll() is None:
        run.send_signal(signal.SIGINT)
    code, out, err = end(run)
    assert code == 130, err
    assert "pictures were left out" in err and "Traceback" not in err
    folder = tmp_path / "out" / "cut"
    assert check_whole(folder)["partial"] is False
    pictures = list(folder.glob("*.png"))
    assert len(pictures) < 6
    assert all(path.read_bytes().endswith(b"IEND\xaeB`\x82") for path in pictures)
    assert "Ctrl-C left out the pictures" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_draft_carries_the_process_that_writes_it(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    run = start(*SHORT)
    wait_for(run, lambda: list(tmp_path.glob("out/.cut.*.tmp")))
    run.kill()
    run.wait()
    (left,) = tmp_path.glob("out/.cut.*.tmp")
    stale = STALE.fullmatch(left.name)
    assert stale is not None and int(stale[1]) == run.pid


# --- a full disk


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)], capture_output=True)
    if mount.returncode:
        pytest.skip("a tiny disk needs the right to mount")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_fills_up_under_log_and_ledger_loses_no_results(
    start: Callable[..., subprocess.Popen[str]], tiny_disk: Path, tmp_path: Path
) -> None:
    run = start("--set", f"paths.state={tiny_disk}")
    code, out, err = end(run)
    text = " ".join(err.replace("│", " ").split())
    assert code == 2, err
    assert "Traceback" not in err and "Portfolio" in out and "Results: " in out
    assert "[HL602]" in text and text.count("[HL603]") == 1
    assert check_whole(tmp_path / "out" / "cut")["partial"] is False
    assert len(list((tmp_path / "out" / "cut").glob("*.png"))) == 6
