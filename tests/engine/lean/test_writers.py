"""Without a writer nobody is asked for a writer's page; with one, all are, as in stock."""

from __future__ import annotations

import io
from typing import Any

import backtrader as bt
import pandas as pd
import pytest

import engine
from feeds import ColumnarData


class Asked(bt.Analyzer):
    def create_analysis(self) -> None:
        self.times = 0

    def get_analysis(self) -> Any:
        self.times += 1
        return {"times": self.times}


@pytest.mark.parametrize("writer", [False, True])
@pytest.mark.parametrize(
    ("kind", "options"), [(engine.Cerebro, {}), (engine.Cerebro, {"lean": False}), (bt.Cerebro, {})]
)
def test_who_is_asked_at_the_end_of_a_run(kind: Any, options: dict[str, Any], writer: bool) -> None:
    frame = pd.DataFrame(
        {name: [1.0, 2.0, 3.0] for name in ("open", "high", "low", "close", "volume")},
        index=pd.date_range("2020-01-01", periods=3),
    )
    cerebro = kind(stdstats=False, **options)
    cerebro.adddata(ColumnarData(dataname=frame))
    cerebro.addstrategy(bt.Strategy)
    cerebro.addanalyzer(Asked)
    page = io.StringIO()
    if writer:
        cerebro.addwriter(bt.WriterFile, out=page)
    times = cerebro.run()[0].analyzers.asked.times
    is_lean = kind is engine.Cerebro and not options
    assert times == (0 if is_lean and not writer else 1)
    assert ("Analysis" in page.getvalue()) is writer
