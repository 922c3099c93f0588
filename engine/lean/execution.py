"""Filling an order: ``BackBroker._execute`` with the formulas of a plain commission scheme written out.

Why it is exact: the operations and their order are stock's, ``CommInfoBase`` and ``Position.pseudoupdate`` inlined.
What is left out is nothing for a plain scheme: interest is 0, cash is not adjusted, and leverage and multiplier stand
where stock has them. ``desk`` lets only plain schemes come here.
"""

from __future__ import annotations

from typing import Any

from backtrader.comminfo import CommInfoBase
from backtrader.order import Order, OrderExecutionBit

from engine.lean.equity import state_of

_new = object.__new__
_PERCENT = CommInfoBase.COMM_PERC


def scheme_of(broker: Any, data: Any) -> Any:
    """``broker.getcommissioninfo(data)``."""
    schemes = broker.comminfo
    return schemes[data._name] if data._name in schemes else schemes[None]


def split(held: float, average: float, size: float, price: float) -> tuple[float, float, float, float]:
    """``Position.update``: size and price after it, and how much of ``size`` opens and closes."""
    after = held + size
    if not after:
        return after, 0.0, 0, size
    if not held:
        return after, price, size, 0
    if (held > 0) == (size > 0):
        return after, (average * held + size * price) / after, size, 0
    if (held > 0) == (after > 0):
        return after, average, 0, size
    return after, price, after, -held


def commission(scheme: Any, size: float, price: float) -> float:
    rate = scheme.p.commission
    return abs(size) * rate * price if scheme._commtype == _PERCENT else abs(size) * rate  # type: ignore[no-any-return]


def cash_after(broker: Any, order: Any, cash: float, held: list[float]) -> float:
    """Cash were the order filled at its own price; ``held``: size and price of the position, moved on."""
    scheme = scheme_of(broker, order.p.data)
    price = order.created.price
    held[0], held[1], opened, closed = split(held[0], held[1], order.executed.remsize, price)
    shortcash, leverage = broker.p.shortcash, scheme.p.leverage
    if closed:
        value = -closed * price if shortcash else abs(closed) * price
        if value > 0:
            value /= leverage
        cash += value + 0 * scheme._stocklike
        cash -= commission(scheme, closed, price)
    if opened:
        value = opened * price if shortcash else abs(opened) * price
        if value > 0:
            value /= leverage
        cash -= value
        cash -= commission(scheme, opened, price)
    return cash


def fill(broker: Any, order: Any, ago: int, price: float, dtcoc: float | None) -> None:
    """Fill all that is left of an order at a price, as far as the cash reaches."""
    data, book = order.p.data, broker._book
    scheme = scheme_of(broker, data)
    shortcash, leverage = broker.p.shortcash, scheme.p.leverage
    state = broker.__dict__
    position = broker.positions[data]
    average = position.price
    psize, pprice, opened, closed = split(position.size, average, order.executed.remsize, price)
    pnl = -closed * (price - average) * scheme.p.mult
    cash = state["cash"]
    closed_value = closed_fee = opened_value = opened_fee = 0.0
    if closed:
        closed_value = -closed * average if shortcash else abs(closed) * average
        freed = closed_value
        if closed_value > 0:
            freed /= leverage
        cash += freed + pnl * scheme._stocklike
        closed_fee = commission(scheme, closed, price)
        cash -= closed_fee
        cash += 0.0
        state["cash"] = cash
    wanted = opened
    if opened:
        opened_value = opened * price if shortcash else abs(opened) * price
        taken = opened_value
        if opened_value > 0:
            taken /= leverage
        cash -= taken
        opened_fee = commission(scheme, opened, price)
        cash -= opened_fee
        if cash < 0.0:
            opened = 0
            opened_value = opened_fee = 0.0
        else:
            if abs(psize) > abs(opened):
                cash += 0.0
            position.adjbase = price
            state["cash"] = cash
    size = closed + opened
    if size:
        if not opened and "adjbase" not in state_of(position):
            position.adjbase = book.price_before(data)
        position.update(size, price)
        book.own(data, position, data.datetime[0])
        if closed:
            state["d_credit"].pop(data, None)
            closed_fee += 0.0
        values = (closed, closed_value, closed_fee, opened, opened_value, opened_fee)
        execute(order, dtcoc or data.datetime[ago], size, price, values, scheme.p.margin, pnl, psize, pprice)
        order.comminfo = scheme
        broker.notify(order)
        leave_group(broker, order)
    if wanted and not opened:
        order.margin()
        broker.notify(order)
        broker._ococheck(order)
        broker._bracketize(order, cancel=True)


def leave_group(broker: Any, order: Any) -> None:
    """``_ococheck`` of an order that no longer is among those at rest: alone in its group it cancels none."""
    ref, leaders = order.ref, broker._ocos
    leader = leaders.get(leaders[ref])
    if broker._ocol.get(leader) == [ref] and not broker._book.repeats:
        del broker._ocol[leader]
    else:
        broker._ococheck(order)


def execute(
    order: Any,
    stamp: float,
    size: float,
    price: float,
    values: tuple[float, float, float, float, float, float],
    margin: Any,
    pnl: float,
    psize: float,
    pprice: float,
) -> None:
    """``Order.execute``; ``values``: closed, its value and fee, opened, its value and fee."""
    closed, closed_value, closed_fee, opened, opened_value, opened_fee = values
    value, fee = closed_value + opened_value, closed_fee + opened_fee
    bit = _new(OrderExecutionBit)
    bit.dt, bit.size, bit.price, bit.closed, bit.opened = stamp, size, price, closed, opened
    bit.closedvalue, bit.openedvalue = closed_value, opened_value
    bit.closedcomm, bit.openedcomm = closed_fee, opened_fee
    bit.value, bit.comm, bit.pnl, bit.psize, bit.pprice = value, fee, pnl, psize, pprice
    done = order.executed
    done.exbits.append(bit)
    done.remsize -= size
    done.dt = stamp
    before = done.size * done.price
    done.size += size
    done.price = (before + size * price) / done.size
    done.value += value
    done.comm += fee
    done.pnl += pnl
    done.psize, done.pprice = psize, pprice
    done.margin = margin
    order.status = Order.Partial if done.remsize else Order.Completed
