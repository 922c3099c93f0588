"""Making an order: ``OrderBase.__init__`` without the detours of backtrader's metaclass.

Why it is exact: an order has the attributes that stock gives it, with the same values; a rare one (a trailing stop, a
date of expiry) is still computed by stock's own lines. The end of the session is a float made once for each day of a
data, as long as it is clear on which side of it the order was made.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from typing import Any

from backtrader.order import BuyOrder, Order, OrderData, SellOrder
from backtrader.utils import AutoOrderedDict

_new = object.__new__
_DEFAULTS = dict(BuyOrder.params._getitems())
_CREATED, _MARKET = Order.Created, Order.Market
_TRAILING = (Order.StopTrail, Order.StopTrailLimit)
_A_SECOND = 1.0 / 86_400.0


class SessionEnds:
    """The end of the session in which an order is made, as ``OrderBase`` has it: ``dteos``."""

    def __init__(self) -> None:
        self._known: dict[tuple[dt.time, int], float] = {}  # (end of sessions, day) -> end of its session

    def of(self, data: Any, stamp: float) -> float:
        if data._tz is not None or data.lines.datetime._tz is not None:
            return self._computed(data)
        key = (data.p.sessionend, int(stamp))
        end = self._known.get(key)
        if end is None:
            start = data.lines.datetime.datetime(0)
            if start.toordinal() != key[1]:
                return self._computed(data)
            self._known[key] = end = float(data.date2num(_at(start, data.p.sessionend)))
        if stamp < end - _A_SECOND:
            return end
        return self._computed(data)

    def _computed(self, data: Any) -> float:
        made = data.datetime.datetime(0)
        end = _at(made, data.p.sessionend)
        if end < made:
            end += dt.timedelta(days=1)
        return float(data.date2num(end))


def _at(day: dt.datetime, time: dt.time) -> dt.datetime:
    return day.replace(hour=time.hour, minute=time.minute, second=time.second, microsecond=time.microsecond)


def make(cls: type[Any], given: dict[str, Any], ends: SessionEnds) -> Any:
    """``cls(**given)`` for BuyOrder and SellOrder; ``given`` has every parameter that a broker passes."""
    data, kind, size = given["data"], given["exectype"], given["size"]
    parameters = _new(cls.params)
    parameters.__dict__ = {**_DEFAULTS, **given}
    order = _new(cls)
    price, limit = given["price"], given["pricelimit"]
    state: dict[str, Any] = {
        "params": parameters, "p": parameters, "ref": next(Order.refbasis), "broker": None, "info": AutoOrderedDict(),
        "comminfo": None, "triggered": False, "_active": given["parent"] is None, "status": _CREATED, "_plimit": limit,
    }  # fmt: skip
    order.__dict__ = state
    if kind is None:
        state["exectype"] = kind = _MARKET
    if cls is SellOrder:
        state["size"] = size = -size
    close = data.close[0]
    stamp = data.datetime[0]
    state["created"] = created = _data(
        stamp, size, close if not price and not limit else price, limit, 0, close, given["trailamount"],
        given["trailpercent"],
    )  # fmt: skip
    if kind in _TRAILING:
        state["_limitoffset"] = created.price - created.pricelimit
        price = created.price
        created.price = float("inf" * order.isbuy() or "-inf")
        order.trailadjust(price)
    else:
        state["_limitoffset"] = 0.0
    state["executed"] = _data(None, 0, 0.0, 0.0, size, 0.0, 0.0, 0.0)
    state["position"] = 0
    if given["valid"] is not None:
        _expires(order, given["valid"], data)
    state["dteos"] = ends.of(data, stamp)
    return order


def _data(
    stamp: float | None, size: float, price: float, limit: Any, left: float, close: float, amount: Any, percent: Any
) -> Any:
    """``OrderData(...)``."""
    made = _new(OrderData)
    made.__dict__ = {
        "pclose": close, "exbits": deque(), "p1": 0, "p2": 0, "dt": stamp, "size": size, "remsize": left,
        "price": limit if limit and not price else price, "pricelimit": limit if limit else price,
        "trailamount": amount, "trailpercent": percent, "_plimit": limit, "value": 0.0, "comm": 0.0, "margin": None,
        "pnl": 0.0, "psize": 0, "pprice": 0,
    }  # fmt: skip
    return made


def _expires(order: Any, valid: Any, data: Any) -> None:
    """What ``OrderBase`` does with ``valid``; a number stays what it is."""
    if isinstance(valid, dt.date):
        order.valid = data.date2num(valid)
    elif isinstance(valid, dt.timedelta):
        if valid == Order.DAY:
            last = dt.datetime.combine(data.datetime.date(), dt.time(23, 59, 59, 9999))
        else:
            last = data.datetime.datetime() + valid
        order.valid = data.date2num(last)
    elif valid:
        data.datetime[0] + valid  # stock fails here where it is no number
