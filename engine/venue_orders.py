"""backtrader's orders in IBKR's words.

=============== ============ ==================================================================
backtrader      orderType    prices
=============== ============ ==================================================================
Market          MKT
Close           MOC
Limit           LMT          limit = price
Stop            STP          aux = price
StopLimit       STP LMT      aux = price, limit = pricelimit
StopTrail       TRAIL        aux = trailamount, or percent = 100 * trailpercent; stop = price
StopTrailLimit  TRAIL LIMIT  as TRAIL, offset = distance of the limit behind the stop
=============== ============ ==================================================================

``valid``: None is GTC, ``Order.DAY`` is DAY, a date, time, duration or number of days is GTD (UTC, a bare date to its
end).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import backtrader as bt

from core.errors import EngineError
from core.naming import symbol_of, unit_of
from engine.venue import VenueOrder

Order = bt.Order
KINDS = {
    Order.Market: "MKT",
    Order.Close: "MOC",
    Order.Limit: "LMT",
    Order.Stop: "STP",
    Order.StopLimit: "STP LMT",
    Order.StopTrail: "TRAIL",
    Order.StopTrailLimit: "TRAIL LIMIT",
}  # exectype -> IBKR's orderType
TYPES = {kind: exectype for exectype, kind in KINDS.items()}
LIMITED = frozenset({"LMT", "STP LMT", "TRAIL LIMIT"})  # never filled beyond a limit
_DAY_NUMBERS = 100_000.0  # a number of days above this is a moment, backtrader's day number


def to_tick(price: float, tick: float) -> float:
    """The price on the instrument's grid that is next to it."""
    return float(round(round(price / tick) * tick, 10))


def venue_order(order: bt.Order, bar: dt.datetime, oca_group: str, leg: str, parent: int | None = None) -> VenueOrder:
    """``order`` as it is sent. ``bar``: close of the bar on which it was decided; ``parent``: the venue's ref of its
    parent where that is not backtrader's. Raises EngineError for a type that IBKR does not have."""
    kind = KINDS.get(order.exectype)
    if kind is None:
        raise EngineError(f"order {order.ref}: {order.getordername()} is no type that IBKR knows")
    tif, good_till = _validity(order, bar)
    if parent is None and order.parent is not None:
        parent = order.parent.ref
    return VenueOrder(
        ref=order.ref,
        unit=unit_of(order.data),
        symbol=symbol_of(order.data),
        action="BUY" if order.isbuy() else "SELL",
        quantity=abs(float(order.created.size)),
        kind=kind,
        tif=tif,
        bar=bar,
        good_till=good_till,
        parent=parent,
        oca_group=oca_group,
        role=str(order.info.get("role", "")),
        trade=str(order.info.get("trade", "")),
        leg=leg,
        reason=str(order.info.get("reason", "")),
        **_prices(order, kind),
    )


def _prices(order: bt.Order, kind: str) -> dict[str, float]:
    tick = float(order.data.instrument.tick)
    created = order.created
    if kind == "LMT":
        return {"limit_price": to_tick(created.price, tick)}
    if kind == "STP":
        return {"aux_price": to_tick(created.price, tick)}
    if kind == "STP LMT":
        return {"aux_price": to_tick(created.price, tick), "limit_price": to_tick(created.pricelimit, tick)}
    if kind not in ("TRAIL", "TRAIL LIMIT"):
        return {}
    prices = {"trail_stop_price": to_tick(created.price, tick)}
    if order.trailpercent and not order.trailamount:
        prices["trailing_percent"] = round(100.0 * float(order.trailpercent), 10)
    else:
        prices["aux_price"] = float(order.trailamount or 0.0)
    if kind == "TRAIL LIMIT":
        behind = -order._limitoffset if order.isbuy() else order._limitoffset
        prices["limit_offset"] = to_tick(behind, tick)
    return prices


def _validity(order: bt.Order, bar: dt.datetime) -> tuple[str, dt.datetime | None]:
    valid: Any = order.p.valid
    if valid is None:
        return "GTC", None
    if order.exectype == Order.Close or valid == Order.DAY or valid == 0:
        return "DAY", None
    if isinstance(valid, dt.datetime):
        return "GTD", valid.replace(tzinfo=dt.UTC) if valid.tzinfo is None else valid.astimezone(dt.UTC)
    if isinstance(valid, dt.date):
        return "GTD", dt.datetime.combine(valid, dt.time(23, 59, 59), dt.UTC)
    if isinstance(valid, dt.timedelta):
        return "GTD", bar + valid
    if valid >= _DAY_NUMBERS:
        return "GTD", bt.num2date(valid).replace(tzinfo=dt.UTC)
    return "GTD", bar + dt.timedelta(days=float(valid))


def restored(terms: VenueOrder, owner: bt.Strategy, data: bt.AbstractDataBase, parent: bt.Order | None) -> bt.Order:
    """backtrader's order for one of an earlier run. Its ref is a new one."""
    make = bt.order.BuyOrder if terms.action == "BUY" else bt.order.SellOrder
    percent = terms.trailing_percent
    price = terms.limit_price if terms.kind == "LMT" else terms.aux_price
    if terms.kind.startswith("TRAIL"):
        price = terms.trail_stop_price
    order: bt.Order = make(
        owner=owner,
        data=data,
        size=terms.quantity,
        price=price,
        pricelimit=terms.limit_price if terms.kind == "STP LMT" else None,
        exectype=TYPES[terms.kind],
        valid=Order.DAY if terms.tif == "DAY" else None,
        trailamount=terms.aux_price if terms.kind.startswith("TRAIL") else None,
        trailpercent=percent / 100.0 if percent is not None else None,
        parent=parent,
    )
    order.valid = None  # it ends when the venue says so
    order.created.dt = bt.date2num(terms.bar.replace(tzinfo=None))
    if price is not None:
        order.created.price = price
    about = {"role": terms.role, "trade": terms.trade, "reason": terms.reason}
    order.addinfo(**{key: value for key, value in about.items() if value})
    return order


def changed(order: VenueOrder, tick: float, size: float | None, price: float | None, limit: float | None) -> VenueOrder:
    """The terms of a modification. ``size``: total units, > 0; ``price``: backtrader's; ``limit``: of a stop-limit.

    Raises EngineError for a price that the type of order does not have.
    """
    wanted: dict[str, float] = {}
    if size is not None:
        wanted["quantity"] = float(size)
    if price is not None:
        names = {"LMT": "limit_price", "STP": "aux_price", "STP LMT": "aux_price"}
        name = names.get(order.kind, "trail_stop_price" if order.kind.startswith("TRAIL") else "")
        if not name:
            raise EngineError(f"order {order.ref}: {order.kind} has no price to change; leave 'price' out")
        wanted[name] = to_tick(price, tick)
    if limit is not None:
        if order.kind != "STP LMT":
            raise EngineError(f"order {order.ref}: {order.kind} has no limit beside its price; leave 'limit' out")
        wanted["limit_price"] = to_tick(limit, tick)
    return replace(order, **wanted)  # type: ignore[arg-type]
