"""The worst case of an account: pure functions over its positions and orders.

Every working order may fill or not, whatever the others do, with two exceptions: of an OCA group only one fills, and
the children of a bracket fill only after their parent. The worst case is taken over all those outcomes.

- ``openings``: the part of each order that opens exposure instead of reducing its book's position.
- ``worst_case``: gross and net exposure of the account, netted over the books of an instrument.
- ``trade_side``: notional and risk of what one book would hold in one direction.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.orders import AccountView, OrderView, PositionView

TOLERANCE = 1e-9  # relative; an order sized exactly to a limit or to a position is within it


@dataclass(slots=True)
class Opening:
    """The part of an order that opens new exposure, units of the instrument."""

    order: OrderView
    units: float


@dataclass(slots=True)
class Exposure:
    """Worst case of an account, account currency."""

    gross: float  # sum over instruments of the larger side of the instrument's net
    net_long: float  # largest sum of the instruments' nets
    net_short: float  # smallest one, signed
    books: frozenset[str]  # books that hold a position or may come to hold one


@dataclass(slots=True)
class TradeSide:
    """What one book would hold in one direction, account currency."""

    notional: float
    risk: float


@dataclass(slots=True)
class _Slot:
    """Orders of one book and one direction of which at most one fills."""

    orders: tuple[OrderView, ...]
    size: float  # of the largest one, less what it only reduces once its parent has filled


def standing_size(order: OrderView, by_ref: Mapping[int, OrderView]) -> float:
    """Units of an order that act on today's position.

    A child first closes what its parent is still to open, so while the parent has r units unfilled, a child of size s
    acts on today's position with max(0, s - r) only: nothing before the parent's first fill, all of it after the last.
    """
    parent = _open_parent(order, by_ref)
    return order.size if parent is None else max(0.0, order.size - parent.size)


def _open_parent(order: OrderView, by_ref: Mapping[int, OrderView]) -> OrderView | None:
    """The parent that ``order`` protects and that is still to fill, None for any other order."""
    parent = by_ref.get(order.parent) if order.parent is not None else None
    if parent is None or parent.book != order.book or parent.sign != -order.sign:
        return None
    return parent


def _slots(orders: Sequence[OrderView], by_ref: Mapping[int, OrderView], sign: int) -> list[_Slot]:
    """Orders of a book that point in one direction, grouped so that one of each group fills; in order of arrival.

    One OCA group is one slot, and so are the children of one parent: backtrader and IBKR both cancel the siblings.
    """
    pointing = [order for order in orders if order.sign == sign]
    if len(pointing) < 2:
        return [_Slot((order,), standing_size(order, by_ref)) for order in pointing]
    groups: list[tuple[set[int], list[OrderView]]] = []  # who shares a key: orders, brackets and OCA groups have theirs
    for order in pointing:
        keys = {3 * order.ref}
        if order.parent is not None:
            keys.add(3 * order.parent + 1)
        if order.group is not None:
            keys.add(3 * order.group + 2)
        members = [order]
        joined = [group for group in groups if group[0] & keys]
        for group in reversed(joined):
            keys |= group[0]
            members = group[1] + members
        if joined:
            groups[groups.index(joined[0])] = (keys, members)
            groups = [group for group in groups if group not in joined[1:]]
        else:
            groups.append((keys, members))
    return [_Slot(tuple(members), max(standing_size(o, by_ref) for o in members)) for _, members in groups]


def openings(batch: Sequence[OrderView], account: AccountView) -> list[Opening]:
    """What the orders of a batch open, one after the other; empty when every one of them only reduces.

    An order reduces when it is opposite in sign to its book's position and within what other orders leave of it to
    reduce. Orders of its own OCA group take nothing from it, since only one of them fills. A child reduces first what
    its parent opens; a parent that only reduces leaves its children nothing, so that they open.
    """
    sizes = {position.book: position.size for position in account.positions}
    orders = _standing(batch, account)
    by_ref = {order.ref: order for order in (*orders, *batch)}
    found = []
    for order in batch:
        units = _opened(order, sizes.get(order.book, 0.0), orders, by_ref)
        if not units <= TOLERANCE * order.size:  # so that a size that is not a number opens
            found.append(Opening(order, units))
        orders.append(order)
    return found


def _opened(order: OrderView, held: float, earlier: Sequence[OrderView], by_ref: Mapping[int, OrderView]) -> float:
    """Units that ``order`` opens in a book that holds ``held``, after the ``earlier`` orders."""
    room = 0.0
    if held * order.sign < 0.0:
        book_orders = [o for o in earlier if o.book == order.book and o.ref != order.ref]
        others = [s for s in _slots([*book_orders, order], by_ref, order.sign) if order not in s.orders]
        room = max(0.0, abs(held) - math.fsum(slot.size for slot in others))
    parent = _open_parent(order, by_ref)
    if parent is not None and held * order.sign < 0.0:
        return standing_size(order, by_ref) - room
    if parent is not None:
        at = next((i for i, o in enumerate(earlier) if o.ref == parent.ref), len(earlier))
        return order.size - _opened(parent, held, earlier[:at], by_ref)
    return order.size - room


def worst_case(positions: Iterable[PositionView], orders: Sequence[OrderView]) -> Exposure:
    """Gross and net exposure over all outcomes of the orders, netted over the books of each instrument.

    For an instrument with net position n the long side is n plus all buys that may fill and the short side n less all
    sells that may fill; its exposure is the larger of the two in absolute value. Fills count at the order's worst
    price; where fills turn the net around, what is left over counts at the highest of their prices.
    """
    by_ref = {order.ref: order for order in orders}
    held: dict[str, list[PositionView]] = {}  # symbol -> positions
    by_book: dict[str, list[OrderView]] = {}  # book -> orders
    for position in positions:
        held.setdefault(position.symbol, []).append(position)
    for order in orders:
        by_book.setdefault(order.book, []).append(order)
    slots: dict[str, tuple[list[_Slot], list[_Slot]]] = {symbol: ([], []) for symbol in held}  # symbol -> buys, sells
    books = {p.book for each in held.values() for p in each if p.size != 0.0}
    for book, book_orders in by_book.items():
        buys, sells = slots.setdefault(book_orders[0].symbol, ([], []))
        for sign, side in ((1, buys), (-1, sells)):
            standing = [slot for slot in _slots(book_orders, by_ref, sign) if slot.size > 0.0]
            if standing:
                side.extend(standing)
                books.add(book)

    gross = net_long = net_short = 0.0
    for symbol, (buys, sells) in slots.items():
        net_units = math.fsum(p.size for p in held.get(symbol, ()))
        net_value = math.fsum(p.size * p.price * p.rate for p in held.get(symbol, ()))
        high = _side_value(net_units, net_value, buys)
        low = -_side_value(-net_units, -net_value, sells)
        gross += max(abs(high), abs(low))
        net_long += high
        net_short += low
    return Exposure(gross, net_long, net_short, frozenset(books))


def _side_value(net_units: float, net_value: float, slots: Sequence[_Slot]) -> float:
    """Value of a net position after all ``slots`` have filled in its positive direction."""
    if not slots:
        return net_value
    values = [(slot.size, max(o.worst_price * o.rate for o in slot.orders)) for slot in slots]
    if not net_units < 0.0:
        return net_value + math.fsum(units * value for units, value in values)
    left = net_units + math.fsum(units for units, _ in values)
    if left <= 0.0:
        return left * (net_value / net_units)
    return left * max(value for _, value in values)


def trade_side(book: str, sign: int, account: AccountView, orders: Sequence[OrderView]) -> TradeSide:
    """Notional and risk of what ``book`` would hold in the direction ``sign`` if all its orders that way fill.

    The position counts when it points that way; if it points the other way, orders first reduce it, in order of
    arrival, and count with what is left of them. An order risks the way from its worst price to its protective stop,
    a position the way from its last price to the stops that work for it; what no stop covers risks its notional.
    """
    by_ref = {order.ref: order for order in orders}
    position = next((p for p in account.positions if p.book == book), None)
    book_orders = [order for order in orders if order.book == book]
    notional = risk = to_reduce = 0.0
    if position is not None:
        if position.size * sign > 0.0:
            notional = abs(position.size) * position.price * position.rate
            risk = _position_risk(position, _slots(book_orders, by_ref, -sign), by_ref)
        else:
            to_reduce = abs(position.size)
    for slot in _slots(book_orders, by_ref, sign):
        reduced = min(to_reduce, slot.size)
        to_reduce -= reduced
        units = slot.size - reduced
        if units > 0.0:
            notional += units * max(o.worst_price * o.rate for o in slot.orders)
            risk += units * max(_unit_risk(o, book_orders) for o in slot.orders)
    return TradeSide(notional, risk)


def _unit_risk(order: OrderView, book_orders: Sequence[OrderView]) -> float:
    """Loss of one unit between the worst entry and the stop; its whole value where no stop covers it."""
    stops = [
        o
        for o in book_orders
        if o.parent == order.ref and o.sign == -order.sign and (order.worst_price - o.worst_price) * order.sign > 0.0
    ]
    if stops:
        covered = min(1.0, max(stop.size for stop in stops) / order.size)
        distance = max(abs(order.worst_price - stop.worst_price) for stop in stops)
    elif order.stop_price is not None and (order.worst_price - order.stop_price) * order.sign > 0.0:
        covered, distance = 1.0, abs(order.worst_price - order.stop_price)
    else:  # no stop, or one on the wrong side of the entry
        covered, distance = 0.0, 0.0
    return (covered * distance + (1.0 - covered) * order.worst_price) * order.rate


def _position_risk(position: PositionView, reductions: Sequence[_Slot], by_ref: Mapping[int, OrderView]) -> float:
    """Loss of a position between its last price and the stops that work for it."""
    sign = math.copysign(1.0, position.size)
    uncovered = abs(position.size)
    risk = 0.0
    for slot in reductions:
        stops = [o for o in slot.orders if (position.price - o.worst_price) * sign > 0.0]
        if stops:
            covered = min(uncovered, max(standing_size(o, by_ref) for o in stops))
            risk += covered * max(abs(position.price - o.worst_price) for o in stops)
            uncovered -= covered
    return (risk + uncovered * position.price) * position.rate


def _standing(batch: Sequence[OrderView], account: AccountView) -> list[OrderView]:
    """Working orders other than those of the batch itself."""
    refs = {order.ref for order in batch}
    return [order for order in account.working if order.ref not in refs]


def with_batch(batch: Sequence[OrderView], account: AccountView) -> tuple[list[OrderView], list[OrderView]]:
    """The working orders without and with the batch, each order once."""
    before = _standing(batch, account)
    return before, [*before, *batch]
