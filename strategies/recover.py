"""After a restart: what a unit held, rebuilt from the broker's position and working orders."""

from __future__ import annotations

import datetime as dt
from typing import Any

import backtrader as bt

from core.orders import ExitReason, Role
from strategies.holding import Holding

_SLOTS = {Role.ENTRY: "entry", Role.STOP: "stop", Role.TARGET: "target", Role.EXIT: "exit"}

_ROUNDING = 1e-9  # units


def recover(strategy: Any) -> dict[str, Holding]:
    """Holdings of the strategy's datas that have a position or orders at work. Only for datas that no other strategy
    trades.

    The trade id of the protective orders tells the signal bar, and so the age that the time stop counts; without one
    the age begins now. A stop that has ended while nobody was there tells its price: the position is protected anew
    (``ProtectedOrders.mend``). That of a trade which is over tells nothing about units that were given to the unit.
    """
    found: dict[str, Holding] = {}
    for data in strategy.datas:
        size = float(strategy.getposition(data).size)
        orders = [order for order in strategy.broker.get_orders_open() if order.data is data]
        entry = next((order for order in orders if order.info.get("role") == Role.ENTRY), None)
        if size:
            is_long = size > 0
        elif entry is not None:
            is_long = entry.isbuy()
        else:
            left = next((order for order in orders if order.info.get("role") in _SLOTS), None)
            if left is None:
                continue
            is_long = not left.isbuy()  # what it was to close was taken back
        trade_orders = _orders_since_flat(strategy.broker, data, size) if size else []
        last_stop = _last_stop(trade_orders)
        begun = {order.ref: float(order.executed.size) for order in orders if order.executed.size}
        holding = Holding(
            data=data,
            trade=next((str(order.info.trade) for order in orders if order.info.get("trade")), ""),
            sign=1 if is_long else -1,
            reason="recovered",
            stop_reason=str(ExitReason.STOP),
            fills={0: size - sum(begun.values()), **begun},
            is_bare=last_stop is None and any(_has_entered(order) for order in trade_orders),
            is_taken_over=True,
        )
        for order in orders:
            slot = _SLOTS.get(order.info.get("role"))
            if slot == "stop" and holding.stop is not None:
                slot = "beside"
            if slot:
                setattr(holding, slot, order)
        if holding.stop is not None and holding.stop.isbuy() != is_long:
            holding.stop_price = float(holding.stop.created.price)
            holding.stop_reason = str(holding.stop.info.get("reason") or ExitReason.STOP)
        elif last_stop is not None and last_stop.isbuy() != is_long:
            holding.stop_price = float(last_stop.created.price)
            holding.stop_reason = str(last_stop.info.get("reason") or ExitReason.STOP)
            holding.trade = holding.trade or str(last_stop.info.get("trade") or "")
        if holding.target is not None:
            holding.target_price = float(holding.target.created.price)
        if holding.exit is not None:
            holding.exit_reason = str(holding.exit.info.get("reason") or ExitReason.SIGNAL)
        holding.entered = _first_bar_after(data, holding.trade) if size else 0
        strategy.log("recovered", data, trade=holding.trade, size=size, bars=holding.bars, stop=holding.stop_price)
        found[data._name] = holding
    return found


def _orders_since_flat(broker: Any, data: Any, size: float) -> list[Any]:
    """Orders of an earlier run that have made a position of ``size``, with what was to protect it, as they were sent;
    none where they do not explain it."""
    held, since = 0.0, []
    for order in getattr(broker, "carried_orders", ()):
        if order.data is data:
            held += float(order.executed.size)
            since.append(order)
            if abs(held) <= _ROUNDING:
                held, since = 0.0, []
    return since if abs(held - size) <= _ROUNDING else []


def _has_entered(order: Any) -> bool:
    return bool(order.info.get("role") == Role.ENTRY and order.executed.size)


def _last_stop(orders: list[Any]) -> Any:
    """The last protective stop of the trade that was entered last, also one that has ended; None without one."""
    entries = [order for order in orders if _has_entered(order)]
    if not entries:
        return None
    trade = entries[-1].info.get("trade")
    stops = [o for o in orders if o.info.get("role") == Role.STOP and o.info.get("trade") == trade]
    return stops[-1] if stops else None


def _first_bar_after(data: Any, trade: str) -> int:
    """``len(data)`` at the first bar after the signal that ``trade`` names, else now."""
    try:
        signal = dt.datetime.strptime(trade.rpartition("@")[2], "%Y%m%dT%H%M%S").replace(tzinfo=dt.UTC)
    except ValueError:
        return len(data)
    since = bt.date2num(signal.replace(tzinfo=None)) + 0.5 / 86400
    ago, kept = 0, data.datetime.idx  # a Cerebro that saves memory does not keep all bars
    while ago < kept and data.datetime[-(ago + 1)] > since:
        ago += 1
    return len(data) - ago
