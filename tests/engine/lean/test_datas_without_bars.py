"""A data without a bar: what stock does, with an error where stock has one."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import pandas as pd
import pytest
from beside import frame

import engine
from feeds import ColumnarData

NEVER = pd.Timestamp("2030-01-01").to_pydatetime()


class Looks(bt.Strategy):
    """Looks at its positions from the third bar on, of the empty data or of the other."""

    params = (("at", None),)

    def __init__(self) -> None:
        self.turns: list[Any] = []

    def prenext(self) -> None:
        self.turns.append(len(self))
        if self.p.at is not None and len(self) >= 3:
            self.turns.append(self.getposition(self.datas[self.p.at]).size)


def go(kind: Any, at: int | None, empty: int) -> tuple[str, Any]:
    cerebro = kind(stdstats=False)
    for place in range(2):
        begin = {"fromdate": NEVER} if place == empty else {}
        cerebro.adddata(ColumnarData(dataname=frame(place, 50), **begin))
    cerebro.addstrategy(Looks, at=at)
    cerebro.addanalyzer(bt.analyzers.DrawDown)
    said = ""
    try:
        cerebro.run()
    except IndexError as error:
        said = str(error)
    strategy = cerebro.runningstrats[0]
    return said, (strategy.turns, len(strategy), cerebro.broker.getcash(), repr(strategy.analyzers[0].get_analysis()))


@pytest.mark.parametrize("at", [None, 0, 1])
@pytest.mark.parametrize("empty", [0, 1])
def test_a_look_at_a_position_without_a_price(at: int | None, empty: int) -> None:
    stock = go(bt.Cerebro, at, empty)
    assert go(engine.Cerebro, at, empty) == stock
    assert bool(stock[0]) == (at == empty)
