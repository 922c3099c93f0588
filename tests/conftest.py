"""What every test shares: an own working folder, a quiet plotting backend, repeatable hypothesis examples."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

os.environ["MPLBACKEND"] = "Agg"  # before matplotlib is imported by whatever is under test

import backtrader as bt  # noqa: E402
import hypothesis  # noqa: E402
import pytest  # noqa: E402

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / "shared"

# A test that failed once must fail again on the next machine, so the examples are fixed;
# HYPOTHESIS_PROFILE=explore looks for new ones. No deadline: no test asserts a time.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("explore", deadline=None, database=None, max_examples=1_000, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(autouse=True)
def own_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings name ``results`` and ``state`` relative to the working folder: give each test its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def own_order_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that compare two runs set backtrader's global counter of orders back: none may inherit another's."""
    monkeypatch.setattr(bt.Order, "refbasis", itertools.count(1))


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real market data beside the repository; the test is skipped where there is none."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("no real market data: ../shared/data is not beside the repository")
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests read real market data: ``.ci/run`` insists that some did where the data is present."""
    counts = {
        outcome: sum(
            "real_data" in report.keywords
            for report in terminalreporter.stats.get(outcome, ())
            if outcome == "skipped" or report.when == "call"
        )
        for outcome in ("passed", "failed", "skipped")
    }
    if any(counts.values()):
        terminalreporter.write_line("real_data: " + ", ".join(f"{n} {outcome}" for outcome, n in counts.items()))
