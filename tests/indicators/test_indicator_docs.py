"""The page on indicators says what the classes say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from indicators import ALL


@pytest.mark.parametrize("name", ALL)
def test_table_row_is_that_of_the_class(name: str, repository: Path) -> None:
    page = (repository / "docs" / "indicators.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| {name} \| (.*) \| (.*) \| (\d+) \| (\d+) \|$", page, re.MULTILINE)
    assert row, f"{name} has no row in docs/indicators.md"
    cls = ALL[name]
    assert row[1] == ", ".join(f"{key}={value}" for key, value in cls.params._getpairs().items())
    assert row[2] == ", ".join(cls.lines._getlines())
    assert (int(row[3]), int(row[4])) == (cls.min_bars(), cls.settle_bars())


@pytest.mark.parametrize("name", ALL)
def test_docstring_has_formula_lines_and_every_line_named(name: str) -> None:
    text = ALL[name].__doc__ or ""
    assert "Formula" in text and "Lines:" in text
    for line in ALL[name].lines._getlines():
        assert f"``{line}``" in text
