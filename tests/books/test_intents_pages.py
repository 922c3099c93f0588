"""The pages on exactly once and qualification say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from books.intents_ref import OrderRef
from books.intents_states import HaltCause, OrderState
from books.qualification import Evidence, Qualification, Standard


@pytest.fixture(scope="module")
def exactly_once(repository: Path) -> str:
    return (repository / "docs" / "exactly_once.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def qualification(repository: Path) -> str:
    return (repository / "docs" / "qualification.md").read_text(encoding="utf-8")


def rows(page: str, heading: str) -> list[list[str]]:
    """Cells of the table that follows ``heading``."""
    table = page.split(f"| {heading} |", 1)[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_every_state_is_explained(exactly_once: str) -> None:
    named = [name for row in rows(exactly_once, "state") for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(named) == sorted(OrderState)


def test_every_cause_of_a_halt_has_its_row(exactly_once: str) -> None:
    assert {row[1].strip("`") for row in rows(exactly_once, "what halts")} == set(HaltCause)


def test_the_example_of_a_ref_is_one(exactly_once: str) -> None:
    text = re.search(r"^hl\.\S+$", exactly_once, re.MULTILINE)
    assert text is not None
    parts = OrderRef.parse(text[0])
    assert parts is not None and str(OrderRef.make("k7qp", "pairs:BAC-AIG", "G#12", "B", 1047)) == text[0]


def test_the_example_of_a_qualification_runs(qualification: str) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", qualification, re.DOTALL)
    exec(compile(code, "qualification.md", "exec"), {})
    assert Path("state/qualification.toml").is_file()


def test_every_key_of_a_qualification_is_explained(qualification: str) -> None:
    keys = {name for row in rows(qualification, "key") for name in re.findall(r"`\[?(\w+)", row[0])}
    assert keys == set(Qualification.model_fields)
    evidence = qualification.split("## The evidence", 1)[1]
    assert {n for row in rows(evidence, "key") for n in re.findall(r"`(\w+)`", row[0])} == set(Evidence.model_fields)


def test_thresholds_are_the_standard(qualification: str) -> None:
    standard = Standard()
    cells = {row[0].strip("`"): row[2] for row in rows(qualification.split("## The evidence", 1)[1], "key")}
    assert cells["sessions"] == f"at least {standard.min_sessions}"
    assert cells["trades"] == f"at least {standard.min_trades}"
    assert cells["deflated_sharpe"] == f"at least {standard.min_deflated_sharpe:g}"
    assert cells["pbo"] == f"at most {standard.max_pbo:g}"
    assert f"{standard.max_age_days} days" in cells["`first_session`, `last_session`".strip("`")]
