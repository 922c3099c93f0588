"""``TradeAnalyzer`` from the trades of a run."""

from __future__ import annotations

from typing import Any


def replay_trades(analyzer: Any, trades: list[Any]) -> None:
    """Tell an analyzer of trades, in their order."""
    for trade in trades:
        analyzer._notify_trade(trade)
