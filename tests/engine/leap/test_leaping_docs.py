"""The strategy that docs/leaping.md shows runs, leaps, and passes ``verify``; one bar less in it is named."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from core.errors import EngineError

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "leaping.md").read_text(encoding="utf-8")
(BLOCK,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
COUNT = "self.entered + self.p.hold - len(self.data)"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    page = ModuleType("page_on_leaping")  # backtrader looks for the module of a strategy
    monkeypatch.setitem(sys.modules, page.__name__, page)
    return vars(page)


def test_the_strategy_of_the_page_leaps(names: dict[str, Any]) -> None:
    exec(BLOCK, names)
    orders = names["cerebro"].broker.orders
    assert len(orders) > 100
    assert {order.exectype for order in orders} == {0, 5}  # Market and StopTrail


def test_one_bar_more_in_its_count_is_named(names: dict[str, Any]) -> None:
    wrong = BLOCK.replace(COUNT, f"{COUNT} + 1")
    assert wrong != BLOCK
    with pytest.raises(EngineError, match=r"order \d+ .* wakes\(\) of Reversal leaves out bar \d+ of ES"):
        exec(wrong, names)
