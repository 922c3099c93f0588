"""IBKR's market rules: prices in steps, sizes in increments.

Rounding never makes an order fill where it would not have filled: a limit to buy and the trigger of a stop to sell go
down, a limit to sell and the trigger of a stop to buy go up. So a limit is never worse than was decided, and a stop is
further away by less than a step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from engine.venue import VenueOrder
from stores import Instrument
from stores.records import PriceStep

_NEAR = 1e-6  # of a step: a price this close to one is meant to be it


def to_step(price: float, steps: Sequence[PriceStep], *, up: bool) -> float:
    """``price`` (> 0) on the steps of a market rule, upwards or downwards; never below the smallest step."""
    rounded = price
    for _ in range(2):  # rounded up, it can come into a range of larger steps
        step = increment(rounded, steps)
        count = price / step
        whole = math.ceil(count - _NEAR) if up else math.floor(count + _NEAR)
        rounded = round(max(whole, 1) * step, 10)
    return rounded


def increment(price: float, steps: Sequence[PriceStep]) -> float:
    """The step at a price."""
    found = steps[0].increment
    for each in steps:
        if price >= each.low_edge - 1e-12:
            found = each.increment
    return found


def steps_of(instrument: Instrument, rule: Sequence[PriceStep]) -> tuple[PriceStep, ...]:
    """The rule's steps in order, or the instrument's smallest step where there is no rule."""
    usable = sorted((each for each in rule if each.increment > 0.0), key=lambda each: each.low_edge)
    return tuple(usable) or (PriceStep(0.0, instrument.min_tick or 0.01),)


def smallest_size(instrument: Instrument) -> float:
    """What sizes are multiples of: whole shares of a stock, for the API takes no parts of them (10243)."""
    return max(instrument.size_increment, 1.0 if instrument.sec_type == "STK" else 0.0) or 1.0


def conforming(order: VenueOrder, instrument: Instrument, steps: Sequence[PriceStep]) -> VenueOrder:
    """The order with prices and size as IBKR takes them. Its quantity is 0 where it is below the smallest one."""
    is_buy = order.action == "BUY"
    size = smallest_size(instrument)
    quantity = round(math.floor(order.quantity / size + _NEAR) * size, 10)
    if quantity < instrument.min_size:
        quantity = 0.0
    limit, trigger, trail = order.limit_price, order.aux_price, order.trail_stop_price
    if limit is not None:
        limit = to_step(limit, steps, up=not is_buy)
    if trigger is not None:
        is_distance = order.kind.startswith("TRAIL")
        trigger = _distance(trigger, steps) if is_distance else to_step(trigger, steps, up=is_buy)
    if trail is not None:
        trail = to_step(trail, steps, up=is_buy)
    offset = None if order.limit_offset is None else _distance(order.limit_offset, steps)
    if (quantity, limit, trigger, trail, offset) == (
        order.quantity, order.limit_price, order.aux_price, order.trail_stop_price, order.limit_offset,
    ):  # fmt: skip
        return order
    return replace(
        order, quantity=quantity, limit_price=limit, aux_price=trigger, trail_stop_price=trail, limit_offset=offset
    )


def _distance(distance: float, steps: Sequence[PriceStep]) -> float:
    """A difference of prices in the smallest steps, to the nearest."""
    step = min(each.increment for each in steps)
    return round(max(round(distance / step), 1) * step, 10)
