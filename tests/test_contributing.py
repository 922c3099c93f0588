"""The strategy that CONTRIBUTING.md shows is one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from feeds import ColumnarData
from strategies import BookStrategy


def test_the_strategy_shown_trades_behind_a_stop(repository: Path) -> None:
    (code,) = re.findall(
        r"^```python\n(.*?)^```$", (repository / "CONTRIBUTING.md").read_text(), re.DOTALL | re.MULTILINE
    )
    shown: dict[str, Any] = {"__name__": __name__}
    exec(compile(code, "CONTRIBUTING.md", "exec", dont_inherit=True), shown)
    strategy = shown["Dip"]
    assert issubclass(strategy, BookStrategy)

    close = 100.0 + np.tile([0.1, -0.1], 50)
    close[40:42] = 98.0  # a dip of many deviations, over on bar 42
    index = pd.date_range("2020-01-01 21:00", periods=100, freq="B", tz="UTC")
    frame = pd.DataFrame({"open": close, "high": close, "low": close, "close": close, "volume": 1e6}, index=index)
    cerebro = bt.Cerebro()
    cerebro.adddata(ColumnarData(dataname=frame), name="X")
    orders: list[tuple[int, str, str, float]] = []

    class Told(strategy):  # type: ignore[misc, valid-type]
        def notify_order(self, order: bt.Order) -> None:
            if order.status in (order.Submitted, order.Completed):
                orders.append((len(self.data), order.getstatusname(), str(order.info.role), order.created.price or 0.0))
            super().notify_order(order)

    cerebro.addstrategy(Told)
    (ran,) = cerebro.run()
    done = [(bar, role) for bar, status, role, _ in orders if status == "Completed"]
    # closes are numbered from 0, bars from 1: the signal is on bar 41, the fill on 42; back at the mean on 43
    assert done == [(42, "entry"), (44, "exit")]
    assert [round(price, 2) for _, status, role, price in orders if (status, role) == ("Submitted", "stop")] == [93.1]
    assert not ran.position
