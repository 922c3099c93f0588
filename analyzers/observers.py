"""Observers: what a chart of Cerebro, or a live session, shows of the account. Money in EUR."""

from __future__ import annotations

from typing import Any

import backtrader as bt

from analyzers.wiring import Executions, account_of, position_values


class AccountObserver(bt.Observer):
    """Base: one reading of the account on each bar of the strategy, the first bars included."""

    _stclock = True
    plotinfo = {"plot": True, "subplot": True}

    def start(self) -> None:
        self._broker: Any = self._owner.broker
        self._account: Any = account_of(self._broker)

    def equity(self) -> float:
        """Return the liquidation value of the account, EUR."""
        return float(self._account.equity_eur if self._account is not None else self._broker.getvalue())


class Equity(AccountObserver):
    """Account equity. Lines: ``equity``, EUR."""

    lines: Any = ("equity",)

    def next(self) -> None:
        self.lines.equity[0] = self.equity()


class Drawdown(AccountObserver):
    """Fall of equity from its peak. Lines: ``drawdown``, fraction of the peak (0.10 = 10%), >= 0."""

    lines: Any = ("drawdown",)

    def start(self) -> None:
        super().start()
        self._peak = self.equity()

    def next(self) -> None:
        equity = self.equity()
        self._peak = max(self._peak, equity)
        self.lines.drawdown[0] = 1.0 - equity / self._peak if self._peak > 0.0 else 0.0


class Exposure(AccountObserver):
    """Open positions of the account (stock broker: of the strategy's datas) over its equity.

    Lines: ``gross``, ``net``: multiples of equity; NaN without positive equity.
    """

    lines: Any = ("gross", "net")

    def next(self) -> None:
        account = self._account
        if account is not None:
            gross, net = account.gross_exposure_eur, account.net_exposure_eur
        else:
            gross, net = position_values(self._broker, self._owner.datas)
        equity = self.equity()
        self.lines.gross[0] = gross / equity if equity > 0.0 else float("nan")
        self.lines.net[0] = net / equity if equity > 0.0 else float("nan")


class EntriesExits(bt.Observer):
    """Marks on the price of a data where positions were opened and closed.

    For each data with ``cerebro.addobservermulti(EntriesExits)``. Lines, prices in the instrument's currency, NaN on
    bars without a fill: ``entry_long``, ``entry_short``, ``exit``; of several fills of a kind on a bar the last.
    A fill that reverses a position marks its exit and the new entry.
    """

    lines: Any = ("entry_long", "entry_short", "exit")
    plotinfo = {"plot": True, "subplot": False, "plotlinelabels": True}
    plotlines = {
        "entry_long": {"marker": "^", "markersize": 8.0, "color": "green", "ls": ""},
        "entry_short": {"marker": "v", "markersize": 8.0, "color": "red", "ls": ""},
        "exit": {"marker": "x", "markersize": 8.0, "color": "black", "ls": ""},
    }

    def __init__(self) -> None:  # backtrader does not call start of an observer that is added for each data
        self._executions = Executions()
        self._size = 0.0

    def next(self) -> None:
        for order in self._owner._orderspending:  # what the strategy was notified of on this bar
            execution = self._executions.of(order) if order.data is self.data else None
            if execution is None:
                continue
            before, self._size = self._size, self._size + execution.size
            if before * execution.size < 0.0:
                self.lines.exit[0] = execution.price
            if abs(self._size) > abs(before) or before * self._size < 0.0:
                entry = self.lines.entry_long if self._size > 0.0 else self.lines.entry_short
                entry[0] = execution.price
