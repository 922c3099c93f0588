"""Handing a broker's notifications to their strategies: ``Cerebro._brokernotify`` and ``Strategy._addnotification``.

Why it is exact: stock's steps in stock's order; trades are updated by stock's own method and copied as ``copy.copy``
does. With ``quicknotify`` stock's methods run as they are.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import backtrader as bt

from engine.lean.copies import copy_trade


def deliver(cerebro: bt.Cerebro, broker: Any) -> None:
    """Give each order to its owner."""
    quick, notifs = cerebro.p.quicknotify, broker.notifs
    while notifs:
        order = notifs.popleft()
        if order is None:
            return
        given = order.p
        owner = given.owner
        if owner is None:
            owner = cerebro.runningstrats[0]
        if quick or given.simulated:
            owner._addnotification(order, quicknotify=quick)
        else:
            add(owner, order)


def add(strategy: Any, order: Any) -> None:
    """``strategy._addnotification(order)``."""
    strategy._orderspending.append(order)
    if not order.executed.size:
        return
    data, tradeid = order.p.data, order.p.tradeid
    if data._compensate is not None:
        data = data._compensate
    trades = strategy._trades[data][tradeid]
    if trades:
        trade = trades[-1]
    else:
        trade = bt.Trade(data=data, tradeid=tradeid, historyon=strategy._tradehistoryon)
        trades.append(trade)
    pending, scheme = strategy._tradespending, order.comminfo
    executed = order.executed
    for bit in islice(executed.exbits, executed.p1, executed.p2):
        if bit is None:
            break
        if bit.closed:
            trade.update(order, bit.closed, bit.price, bit.closedvalue, bit.closedcomm, bit.pnl, comminfo=scheme)
            if trade.isclosed:
                pending.append(copy_trade(trade))
        if bit.opened:
            if trade.isclosed:
                trade = bt.Trade(data=data, tradeid=tradeid, historyon=strategy._tradehistoryon)
                trades.append(trade)
            trade.update(order, bit.opened, bit.price, bit.openedvalue, bit.openedcomm, bit.pnl, comminfo=scheme)
            if trade.isclosed:
                pending.append(copy_trade(trade))
        if trade.justopened:
            pending.append(copy_trade(trade))
