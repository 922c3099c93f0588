"""docs/engine.md against the code: the list of what is vectorised, reasons for stock's way, bad input."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import backtrader as bt
import pytest
from beside import frame

import engine
from engine.once.registry import CALCULATIONS
from feeds import ColumnarData

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "engine.md").read_text(encoding="utf-8")


def test_the_list_of_vectorised_indicators_is_the_register() -> None:
    section = PAGE.split("## Indicators computed at once")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ") and "`" in line]
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[2])]
    assert sorted(listed) == sorted(cls.__name__ for cls in CALCULATIONS)
    assert all(cls.__module__.startswith("backtrader.") for cls in CALCULATIONS)


@pytest.mark.parametrize(
    ("how", "word"), [("resampledata", "a data is resampled"), ("replaydata", "a data is replayed")]
)
def test_the_reason_says_whether_a_data_is_resampled_or_replayed(how: str, word: str) -> None:
    cerebro = engine.Cerebro(stdstats=False)
    data = ColumnarData(dataname=frame(bars=100))
    cerebro.adddata(data)
    getattr(cerebro, how)(data, timeframe=bt.TimeFrame.Weeks)
    cerebro.addstrategy(bt.Strategy)
    cerebro.run()
    (reason,) = cerebro.stepping_reasons
    assert reason.startswith(word)


@pytest.mark.parametrize("bars", [1, 2])
def test_a_data_of_one_or_two_bars(bars: int) -> None:
    class Counts(bt.Strategy):
        turns = 0

        def next(self) -> None:
            self.turns += 1
            self.buy()

    def go(kind: Any) -> Any:
        cerebro = kind(stdstats=False)
        cerebro.adddata(ColumnarData(dataname=frame(bars=bars)))
        cerebro.addstrategy(Counts)
        cerebro.addanalyzer(bt.analyzers.TimeReturn)
        (strategy,) = cerebro.run()
        return strategy.turns, cerebro.broker.getvalue(), repr(strategy.analyzers[0].get_analysis())

    assert go(engine.Cerebro) == go(bt.Cerebro)
