"""Market rules: the price increments that apply from a price on, by IBKR's number.

26 and 32 (US stocks, one cent) and 239 (currency pairs, half a pip) are those that ``reqMarketRule`` gives at IBKR, as
published by nautilus_trader's table of IB tick schemes. IBKR does not publish the others: numbers from 9001 on are
the gateway's own, for pairs in yen and for the tick-size bands of MiFID II (RTS 11, the most liquid shares).
"""

from __future__ import annotations

from decimal import Decimal

from gateway.refused import Refused

MARKET_RULES: dict[int, tuple[tuple[float, float], ...]] = {  # number -> (low edge, increment)
    26: ((0.0, 0.01),),
    32: ((0.0, 0.01),),
    239: ((0.0, 0.00005),),
    9001: ((0.0, 0.005),),
    9002: (
        (0.0, 0.0001),
        (1.0, 0.0002),
        (2.0, 0.0005),
        (5.0, 0.001),
        (10.0, 0.002),
        (20.0, 0.005),
        (50.0, 0.01),
        (100.0, 0.02),
        (200.0, 0.05),
        (500.0, 0.1),
        (1000.0, 0.2),
    ),
}


def price_increments(rule: int) -> list[dict[str, float]]:
    """The rows of ``marketRule``. Raises Refused (321) for a number that there is not."""
    if rule not in MARKET_RULES:
        raise Refused(321, f"Error validating request.-'cz' : cause - Market rule with id {rule} is not found")
    return [{"lowEdge": edge, "increment": increment} for edge, increment in MARKET_RULES[rule]]


def increment_at(rule: int, price: float) -> float:
    """The smallest step of a price, by its size. Raises KeyError for a number that there is not."""
    table = MARKET_RULES[rule]
    return next((increment for edge, increment in reversed(table) if abs(price) >= edge), table[0][1])


def on_grid(rule: int, price: float) -> bool:
    """Whether a price is a multiple of its increment."""
    return Decimal(repr(price)) % Decimal(repr(increment_at(rule, price))) == 0
