"""Market rules: steps by hand, and that rounding never makes an order fill where it would not have."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from atibkr.desk import BAR
from hypothesis import given
from hypothesis import strategies as st

from engine.venue import VenueOrder
from live.rules import conforming, increment, steps_of, to_step
from stores.records import PriceStep

RULE = (PriceStep(0.0, 0.0001), PriceStep(1.0, 0.01), PriceStep(100.0, 0.05))
STOCK: Any = SimpleNamespace(sec_type="STK", size_increment=0.0001, min_size=1.0, min_tick=0.01)
ORDER = VenueOrder(ref=1, unit="u", symbol="A", action="BUY", quantity=100, kind="LMT", tif="DAY", bar=BAR)


@pytest.mark.parametrize(
    ("price", "down", "up"),
    [
        (0.99994, 0.9999, 1.0), (1.019, 1.01, 1.02), (1.02, 1.02, 1.02), (99.996, 99.99, 100.0),
        (100.02, 100.0, 100.05),
        (0.1 + 0.2, 0.3, 0.3), (100.001, 100.0, 100.05), (0.00001, 0.0001, 0.0001),
    ],
)  # fmt: skip
def test_prices_are_on_steps(price: float, down: float, up: float) -> None:
    assert (to_step(price, RULE, up=False), to_step(price, RULE, up=True)) == (down, up)


@given(st.floats(0.01, 5_000.0), st.booleans())
def test_a_price_moves_by_less_than_a_step_to_its_side(price: float, up: bool) -> None:
    made = to_step(price, RULE, up=up)
    step = increment(made, RULE)
    assert abs(made - price) < step * (1 + 1e-6) and (
        made >= price - step * 1e-5 if up else made <= price + step * 1e-5
    )
    assert made / increment(made, RULE) == pytest.approx(round(made / increment(made, RULE)), abs=1e-6)
    assert to_step(made, RULE, up=up) == made


def test_each_price_goes_to_its_own_side() -> None:
    buy = replace(ORDER, kind="STP LMT", limit_price=1.019, aux_price=1.011)
    made = conforming(buy, STOCK, RULE)
    assert (made.limit_price, made.aux_price) == (1.01, 1.02)
    sell = conforming(replace(buy, action="SELL"), STOCK, RULE)
    assert (sell.limit_price, sell.aux_price) == (1.02, 1.01)


def test_a_distance_is_no_price() -> None:
    trail = replace(ORDER, kind="TRAIL LIMIT", aux_price=0.123456, limit_offset=0.00001, trail_stop_price=10.019)
    made = conforming(trail, STOCK, RULE)
    assert (made.aux_price, made.limit_offset, made.trail_stop_price) == (0.1235, 0.0001, 10.02)


def test_what_conforms_is_left_as_it_is() -> None:
    order = replace(ORDER, limit_price=10.01)
    assert conforming(order, STOCK, RULE) is order


def test_without_a_rule_the_smallest_tick_holds() -> None:
    assert steps_of(STOCK, ()) == (PriceStep(0.0, 0.01),)


def test_whole_shares_are_sent() -> None:
    assert conforming(replace(ORDER, quantity=10.7), STOCK, RULE).quantity == 10
    assert conforming(replace(ORDER, quantity=0.7), STOCK, RULE).quantity == 0
