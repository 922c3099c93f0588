"""docs/costs.md says what the code does: its worked examples are computed and every schedule is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from books.fees import SCHEDULES, get_schedule
from core.settings import FeeSettings


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "costs.md").read_text(encoding="utf-8")


def test_worked_examples_of_the_page(page: str) -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| ibkr")
    ]
    assert len(rows) >= 8
    for name, shares, price, commission, _ in rows:
        assert get_schedule(name).quote(float(shares), float(price)).commission == pytest.approx(float(commission)), (
            name
        )


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_every_schedule_is_on_the_page_with_its_minimum(page: str, name: str) -> None:
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}`")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    schedule = SCHEDULES[name]
    assert float(cells[3]) == schedule.minimum
    assert cells[1] == (schedule.currency or "any")


def test_default_fees_are_those_of_the_page(page: str) -> None:
    fees = FeeSettings()
    assert f"`costs.fees.as_of` ({fees.as_of})" in page
    for rate in (fees.sec_per_value, fees.finra_taf_per_share, fees.cat_per_share, fees.nyse_pass_through):
        assert f"{rate:.7f}".rstrip("0") in page
