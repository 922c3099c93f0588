"""Analyzers and observers, and the metrics of a result.

The backtrader components are imported here; functions by their module (``from analyzers.metrics import performance``),
since their libraries take a second to load and a live session does not need them.
"""

from analyzers.equity import Equity
from analyzers.journal import JournalWriter
from analyzers.orders import OrderLog
from analyzers.trades import Trades, trades_frame

__all__ = ["Equity", "JournalWriter", "OrderLog", "Trades", "trades_frame"]
