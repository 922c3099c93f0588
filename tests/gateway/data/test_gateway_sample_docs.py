"""What docs/gateway_sample.md shows runs, and its tables are those of the code."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.data.contracts import local_symbol
from gateway.data.sample import Sample, Truth


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "gateway_sample.md").read_text(encoding="utf-8")


def test_its_code_runs(page: str) -> None:
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(block, "docs/gateway_sample.md", "exec"), names)
    assert names["hedge_ratio"] == pytest.approx(1.4, abs=0.03) and names["p_value"] < 0.001
    assert names["bars"][0]["date"] == "20240607 09:30:00 US/Eastern"
    assert names["bars"][-1]["date"] == "20240610 09:55:00 US/Eastern" and len(names["bars"]) == 78 + 6


def test_its_tables_are_those_of_the_code(page: str, sample: Sample) -> None:
    truth = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", page, re.MULTILINE))
    assert {name: float(value) for name, value in truth.items()} == dataclasses.asdict(Truth())
    rows = re.findall(r"^\| (X\w+|EUR\.USD) \| ([\d, ]+) \|", page, re.MULTILINE)
    listed = {(symbol, int(number)) for symbol, numbers in rows for number in numbers.split(",")}
    assert listed == {(local_symbol(each), each.con_id) for each in sample.book().instruments}
