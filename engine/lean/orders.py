"""Making an order: ``OrderBase.__init__`` without the detours of backtrader's metaclass.

Why it is exact: an order has the attributes that stock gives it, with the same values; a rare one (a trailing stop, a
date of expiry) is still computed by stock's own lines. The end of the session is a float made once for each day of a
data, as long as it is clear on which side of it the order was made.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from typing import Any

from backtrader.order import Order, OrderData, SellOrder
from backtrader.utils import AutoOrderedDict

_new = object.__new__
_CREATED, _MARKET = Order.Created, Order.Market
_TRAILING = (Order.StopTrail, Order.StopTrailLimit)
_A_SECOND = 1.0 / 86_400.0
_DAYS_END = dt.time(23, 59, 59, 9999)  # as backtrader writes it


class SessionEnds:
    """Moments of the day on which an order is made, as ``OrderBase`` works them out."""

    def __init__(self) -> None:
        self._known: dict[tuple[dt.time, int], float] = {}  # (time, day) -> day number of that moment

    def of(self, data: Any, stamp: float) -> float:
        """The end of the session: ``dteos``."""
        end = self._later(data, stamp, data.p.sessionend)
        if end is not None:
            return end
        made = data.datetime.datetime(0)
        after = _at(made, data.p.sessionend)
        if after < made:
            after += dt.timedelta(days=1)
        return float(data.date2num(after))

    def of_day(self, data: Any, stamp: float) -> float:
        """The end of the day: ``valid`` of an order for the day."""
        end = self._later(data, stamp, _DAYS_END)
        if end is not None:
            return end
        return float(data.date2num(dt.datetime.combine(data.datetime.date(), _DAYS_END)))

    def _later(self, data: Any, stamp: float, time: dt.time) -> float | None:
        """A time of the day, clearly later than ``stamp``; None where it is not clear."""
        line = data.datetime
        if data._tz is not None or line._tz is not None:
            return None
        key = (time, int(stamp))
        end = self._known.get(key)
        if end is None:
            start = line.datetime(0)
            if start.toordinal() != key[1]:
                return None
            self._known[key] = end = float(data.date2num(_at(start, time)))
        return end if stamp < end - _A_SECOND else None


def _at(day: dt.datetime, time: dt.time) -> dt.datetime:
    return day.replace(hour=time.hour, minute=time.minute, second=time.second, microsecond=time.microsecond)


def make(
    cls: type[Any], ends: SessionEnds, owner: Any, data: Any, size: float, price: Any, limit: Any, kind: Any,
    valid: Any, tradeid: Any, amount: Any, percent: Any, parent: Any, transmit: bool, histnotify: bool,
) -> Any:  # fmt: skip
    """``cls(owner=owner, ...)`` for BuyOrder and SellOrder; ``limit``: pricelimit, ``kind``: exectype, ``amount`` and
    ``percent``: of a trail. Attributes are set one by one: dictionaries of such objects share their keys."""
    p = _new(cls.params)
    p.owner, p.data, p.size, p.price, p.pricelimit = owner, data, size, price, limit
    p.exectype, p.valid, p.tradeid, p.oco, p.trailamount, p.trailpercent = kind, valid, tradeid, None, amount, percent
    p.parent, p.transmit, p.simulated, p.histnotify = parent, transmit, False, histnotify
    order = _new(cls)
    order.params = order.p = p
    order.ref = next(Order.refbasis)
    order.broker, order.info, order.comminfo, order.triggered = None, AutoOrderedDict(), None, False
    order._active, order.status, order._plimit = parent is None, _CREATED, limit
    if kind is None:
        order.exectype = kind = _MARKET
    if cls is SellOrder:
        order.size = size = -size
    close, stamp = data.close[0], data.datetime[0]
    created = _data(stamp, size, close if not price and not limit else price, limit, 0, close, amount, percent)
    order.created = created
    if kind in _TRAILING:
        order._limitoffset = created.price - created.pricelimit
        price = created.price
        created.price = float("inf" * order.isbuy() or "-inf")
        order.trailadjust(price)
    else:
        order._limitoffset = 0.0
    order.executed = _data(None, 0, 0.0, 0.0, size, 0.0, 0.0, 0.0)
    order.position = 0
    if valid is not None:
        _expires(order, valid, data, ends)
    order.dteos = ends.of(data, stamp)
    return order


def _data(
    stamp: float | None, size: float, price: float, limit: Any, left: float, close: float, amount: Any, percent: Any
) -> Any:
    """``OrderData(...)``."""
    made = _new(OrderData)
    made.pclose, made.exbits, made.p1, made.p2 = close, deque(), 0, 0
    made.dt, made.size, made.remsize = stamp, size, left
    made.price, made.pricelimit = limit if limit and not price else price, limit if limit else price
    made.trailamount, made.trailpercent, made._plimit = amount, percent, limit
    made.value, made.comm, made.margin, made.pnl, made.psize, made.pprice = 0.0, 0.0, None, 0.0, 0, 0
    return made


def _expires(order: Any, valid: Any, data: Any, ends: SessionEnds) -> None:
    """What ``OrderBase`` does with ``valid``; a number stays what it is."""
    if isinstance(valid, dt.date):
        order.valid = data.date2num(valid)
    elif isinstance(valid, dt.timedelta):
        if valid == Order.DAY:
            order.valid = ends.of_day(data, order.created.dt)
        else:
            order.valid = data.date2num(data.datetime.datetime() + valid)
    elif valid:
        data.datetime[0] + valid  # stock fails here where it is no number
