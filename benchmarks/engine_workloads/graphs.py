"""Cerebro graphs of the workloads, for stock and for ours, and what they gave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import backtrader as bt
import pandas as pd
from engine_workloads.measure import Outcome
from engine_workloads.peers import CASH, COMMISSION

import engine
from engine import SimBroker
from feeds import ColumnarData


@dataclass(frozen=True)
class Parts:
    """The classes of an engine that runs backtrader strategies."""

    cerebro: Callable[..., Any]
    feed: Callable[..., Any]
    broker: Callable[..., Any]


STOCK = Parts(bt.Cerebro, bt.feeds.PandasData, bt.brokers.BackBroker)
OURS = Parts(getattr(engine, "Cerebro", bt.Cerebro), ColumnarData, SimBroker)


def graph(
    parts: Parts,
    frames: Sequence[pd.DataFrame],
    strategy: Any,
    analyzers: Sequence[tuple[Any, dict[str, Any]]] = (),
    **parameters: Any,
) -> Callable[[], Outcome]:
    """A function that builds the graph from frames and runs it: what a user's script does."""

    def run() -> Outcome:
        cerebro = parts.cerebro(stdstats=False)
        cerebro.setbroker(parts.broker())
        cerebro.broker.setcash(CASH)
        cerebro.broker.setcommission(commission=COMMISSION)
        for frame in frames:
            cerebro.adddata(parts.feed(dataname=frame, timeframe=bt.TimeFrame.Minutes))
        cerebro.addstrategy(strategy, **parameters)
        for analyzer, given in analyzers:
            cerebro.addanalyzer(analyzer, **given)
        strategies = cerebro.run()
        for analyzer in strategies[0].analyzers:
            analyzer.get_analysis()
        kept = sum(8 * len(line.array) for data in cerebro.datas for line in data.lines)
        return Outcome(float(cerebro.broker.getvalue()), len(cerebro.broker.orders), kept)

    return run
