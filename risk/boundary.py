"""The gate at the boundary of a broker: what both brokers do with backtrader orders before they go out.

An order and its children arrive one by one; the bracket is complete when one with ``transmit`` arrives. The legs of a
pair carry ``info.batch`` and ``info.batch_size`` and are judged together, when the last leg is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import backtrader as bt

from core.naming import book_key, symbol_of, unit_of
from core.orders import OrderView, PositionView, Refusal, Role

_STOPS = frozenset({bt.Order.Stop, bt.Order.StopTrail})
_LIMITS = frozenset({bt.Order.StopLimit, bt.Order.StopTrailLimit})

RateOf = Callable[[bt.AbstractDataBase], float]  # account currency for one unit of the instrument's currency
CloseOf = Callable[[bt.AbstractDataBase], float]  # the last close that is known


def last_close(data: bt.AbstractDataBase) -> float:
    return float(data.close[0])


def closes_parent(order: bt.Order) -> bool:
    """Whether ``order`` is a child that closes what its parent opens, and not a further entry or another data's."""
    parent = order.parent
    return parent is not None and parent.data is order.data and parent.isbuy() != order.isbuy()


class OcaGroups:
    """Which orders cancel each other: order ref -> group.

    The exits of one bracket form the group ``-parent``, a stop or target that was put back without its parent begins
    the group ``-ref``; an order made with ``oco=other`` joins the other's group. The exits in a group below zero share
    one size.
    """

    def __init__(self) -> None:
        self._groups: dict[int, int] = {}  # order ref -> group

    def add(self, order: bt.Order, oco: bt.Order | None) -> None:
        if oco is not None:
            self._groups[order.ref] = self._groups[oco.ref]
        elif closes_parent(order):
            self._groups[order.ref] = -order.parent.ref
        else:
            alone = order.parent is None and order.info.get("role", None) in (Role.STOP, Role.TARGET)
            self._groups[order.ref] = -order.ref if alone else order.ref

    def of(self, order: bt.Order) -> int:
        return self._groups[order.ref]


def worst_price(order: bt.Order, close_of: CloseOf = last_close) -> float:
    """Return the price the gate assumes: limit price, trigger, or the last close for a market order.

    The last close, too, where it is worse and the order would fill there at once: a sale whose limit is below it, a
    purchase whose trigger is.
    """
    created, close = order.created, close_of(order.data)
    if order.exectype in (bt.Order.Market, bt.Order.Close):
        return close
    if order.exectype in _LIMITS:
        triggered = order.triggered or created.price >= close
        return max(float(created.pricelimit), close) if order.issell() and triggered else float(created.pricelimit)
    at_once = order.issell() if order.exectype == bt.Order.Limit else order.isbuy() and order.exectype in _STOPS
    return max(float(created.price), close) if at_once else float(created.price)


def protective_stop(parent: bt.Order, batch: Iterable[bt.Order]) -> float | None:
    """Return the trigger of the stop that protects ``parent``, or None if the batch holds none."""
    for child in batch:
        if child.parent is not None and child.parent.ref == parent.ref and child.exectype in _STOPS:
            return float(child.created.price)
    return None


def order_view(
    order: bt.Order,
    groups: OcaGroups,
    rate: float,
    batch: Iterable[bt.Order] = (),
    close_of: CloseOf = last_close,
) -> OrderView:
    """Return ``order`` as the gate sees it; ``batch`` holds the children that come with it."""
    data, parent, sign = order.data, order.parent, 1 if order.isbuy() else -1
    unit, symbol, instrument = unit_of(data), symbol_of(data), getattr(data, "instrument", None)
    return OrderView(
        ref=order.ref,
        book=f"{unit}/{symbol}",
        unit=unit,
        symbol=symbol,
        sign=sign,
        size=float(order.executed.remsize) * sign,
        worst_price=worst_price(order, close_of),
        rate=rate,
        stop_price=protective_stop(order, batch),
        parent=None if parent is None else parent.ref,
        group=groups.of(order),
        shortable=instrument is None or instrument.shortable,
    )


def position_views(
    positions: Mapping[bt.AbstractDataBase, bt.Position], rate_of: RateOf, close_of: CloseOf = last_close
) -> tuple[PositionView, ...]:
    """Return the open positions, at the last close."""
    return tuple(
        [
            PositionView(
                book=book_key(data),
                unit=unit_of(data),
                symbol=symbol_of(data),
                size=float(position.size),
                price=close_of(data),
                rate=rate_of(data),
            )
            for data, position in positions.items()
            if position.size
        ]
    )


class BatchRoom:
    """Holds the brackets of a batch until all of them are there.

    ``receive`` returns the orders to judge together: at once for a bracket of its own, and with the last bracket for
    a batch. ``leftovers`` empties the room: brackets whose partners did not come in the same bar.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, list[list[bt.Order]]] = {}  # batch id -> its brackets so far

    def receive(self, bracket: Sequence[bt.Order]) -> list[bt.Order]:
        info = bracket[0].info
        if "batch" not in info:
            return list(bracket)
        brackets = self._waiting.setdefault(str(info["batch"]), [])
        brackets.append(list(bracket))
        if len(brackets) < int(info["batch_size"]):
            return []
        return [order for waiting in self._waiting.pop(str(info["batch"])) for order in waiting]

    @property
    def is_waiting(self) -> bool:
        return bool(self._waiting)

    def leftovers(self) -> list[bt.Order]:
        orders = [o for brackets in self._waiting.values() for bracket in brackets for o in bracket]
        self._waiting.clear()
        return orders

    def __iter__(self) -> Iterator[bt.Order]:
        return (o for brackets in self._waiting.values() for bracket in brackets for o in bracket)

    def drop(self, order: bt.Order) -> list[bt.Order]:
        """Forget the whole batch that ``order`` waits in and return its orders; empty if it does not wait."""
        for key, brackets in self._waiting.items():
            if any(o.ref == order.ref for bracket in brackets for o in bracket):
                return [o for bracket in self._waiting.pop(key) for o in bracket]
        return []


def is_entry(order: bt.Order, position_size: float) -> bool:
    """Whether ``order`` opens or adds: by its role, else by its direction against its parent or the position."""
    role = order.info.get("role", None)
    if role:
        return bool(role == Role.ENTRY)
    return not closes_parent(order) and position_size * (1 if order.isbuy() else -1) >= 0.0


def mark_refused(order: bt.Order, refusal: Refusal, detail: str) -> None:
    """Write the reason on the order, where its owner, the order log and the journal read it."""
    order.addinfo(refusal=refusal, refusal_detail=detail)
