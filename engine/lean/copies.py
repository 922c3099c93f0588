"""Copies of orders and trades as stock makes them, without the ``copy`` module.

``copy.copy`` of these objects makes an instance without ``__init__`` and updates its ``__dict__``; this gives it a copy
of the ``__dict__``, which is the same at half the price.
"""

from __future__ import annotations

from typing import Any

import backtrader as bt
from backtrader.order import OrderData

_new = object.__new__
_PLAIN = (bt.order.BuyOrder, bt.order.SellOrder)


def clone_order(order: bt.Order) -> bt.Order:
    """``order.clone()``: own ``executed`` with the fills since the last clone marked, all else shared."""
    cls, executed = order.__class__, order.executed  # a resting order may be watched: its copies are not
    if cls not in _PLAIN or type(executed) is not OrderData:
        return order.clone()
    executed.p1, executed.p2 = executed.p2, len(executed.exbits)
    its = _new(OrderData)
    its.__dict__ = executed.__dict__.copy()
    state = order.__dict__.copy()
    state["executed"] = its
    clone = _new(cls)
    clone.__dict__ = state
    return clone


def copy_trade(trade: bt.Trade) -> Any:
    """``copy.copy(trade)``."""
    copied = _new(type(trade))
    copied.__dict__ = trade.__dict__.copy()
    return copied
