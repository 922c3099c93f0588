"""Closed and open trades of one strategy as rows of trades.csv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import backtrader as bt
import pandas as pd

from analyzers.wiring import Executions, account_of, info_of, rate_of, unit_of, utc_time
from books.trades import Fill, FillTime, TradeBook, TradeRow
from core.naming import symbol_of

COLUMNS = tuple(field.name for field in fields(TradeRow))


def trades_frame(rows: Sequence[TradeRow]) -> pd.DataFrame:
    """Return trade rows as a DataFrame with the columns of trades.csv; times are UTC, NaT while a trade is open."""
    frame = pd.DataFrame([asdict(row) for row in rows], columns=list(COLUMNS))
    for column in ("entry_time", "exit_time"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    return frame


class Trades(bt.Analyzer):
    """Trades of the strategy's unit: the rows of the account's books.

    With a stock broker the same books (``books.trades.TradeBook``) are kept here from the fills and bars, at the
    broker's own prices and commissions, currency rate 1: no slippage, borrow fee or currency result is known then.

    ``get_analysis()`` gives ``{"closed": [TradeRow], "open": [TradeRow]}``, closed ones in order of exit;
    ``frame()`` and ``open_frame()`` DataFrames with the columns of trades.csv.
    """

    def __init__(self) -> None:
        self._own = OwnBooks() if account_of(self.strategy.broker) is None else None

    def start(self) -> None:
        self._account: Any = account_of(self.strategy.broker)
        self._unit = unit_of(self.strategy)

    @property
    def leaps(self) -> bool:
        """With an account there is nothing to do on a bar; own books must be marked on each."""
        return self._account is not None

    def get_analysis(self) -> dict[str, list[TradeRow]]:
        if self._own is not None:
            return {"closed": list(self._own.closed), "open": self._own.open_trades()}
        closed = [row for row in self._account.trades if row.strategy == self._unit]
        opened = [row for row in self._account.open_trades() if row.strategy == self._unit]
        return {"closed": closed, "open": opened}

    def closed_since(self, seen: int) -> tuple[list[TradeRow], int]:
        """Return the rows closed after position ``seen`` and the position to ask from next; start with 0."""
        rows = self._account.trades if self._own is None else self._own.closed
        return [row for row in rows[seen:] if row.strategy == self._unit], len(rows)

    def frame(self) -> pd.DataFrame:
        """Return the closed trades."""
        return trades_frame(self.get_analysis()["closed"])

    def open_frame(self) -> pd.DataFrame:
        """Return the open trades, valued at the last mark; their exit time is NaT."""
        return trades_frame(self.get_analysis()["open"])


class OwnBooks(bt.Analyzer):
    """The books of a strategy at a stock broker: part of ``Trades``."""

    def create_analysis(self) -> None:
        self.closed: list[TradeRow] = []
        self._books: dict[Any, TradeBook] = {}  # data -> its trades
        self._lengths: dict[Any, int] = {}  # data -> bars marked
        self._executions = Executions()

    def start(self) -> None:
        self._broker: Any = self.strategy.broker
        self._unit = unit_of(self.strategy)

    def open_trades(self) -> list[TradeRow]:
        rows = (book.open_row(self._rate(data)) for data, book in self._books.items())
        return [row for row in rows if row is not None]

    def notify_order(self, order: Any) -> None:
        execution = self._executions.of(order)
        if execution is not None:
            self._fill(order, execution.size, execution.price, execution.commission)

    def next(self) -> None:
        for data, book in self._books.items():
            if book.size and len(data) != self._lengths.get(data):
                self._lengths[data] = len(data)
                book.mark(utc_time(data.datetime[0]), data.high[0], data.low[0], data.close[0], self._rate(data))

    def _rate(self, data: Any) -> float:
        return rate_of(self._broker, data) * self._broker.getcommissioninfo(data).p.mult

    def _fill(self, order: Any, size: float, price: float, commission: float) -> None:
        data = order.data
        if data not in self._books:
            self._books[data] = TradeBook(self._unit, symbol_of(data), "", funded_in_base=False)
        book = self._books[data]
        timing, when = _timing(data, price), utc_time(data.datetime[0])
        if timing is FillTime.CLOSE:
            book.see_range(when, data.high[0], data.low[0], self._rate(data))
        row = book.fill(
            Fill(
                book=f"{self._unit}/{symbol_of(data)}",
                when=when,
                size=size,
                price=price,
                unslipped_price=price,
                fees=commission / self._broker.getcommissioninfo(data).p.mult,  # fees are not multiplied
                rate=self._rate(data),
                timing=timing,
                reason=str(info_of(order, "reason")),
                trade=str(info_of(order, "trade")),
            )
        )
        if row is not None:
            self.closed.append(row)


def _timing(data: Any, price: float) -> FillTime:
    """Return when in the bar a stock broker filled: it says the price only."""
    if price == data.open[0]:
        return FillTime.OPEN
    return FillTime.CLOSE if price == data.close[0] else FillTime.INTRABAR
