"""Names of units, instruments and books, as ``engine.build`` writes them on the datas it makes.

A *unit* is one strategy instance with its own book, ``"meanrev:SPX"``; a *book key* is ``"unit/SYMBOL"``. Components
also work in a Cerebro that somebody else assembled, where datas carry none of these attributes.
"""

from __future__ import annotations

from typing import Any

REFERENCE_UNIT = "reference"  # the unit of datas that nobody trades, like a volatility index


def unit_of(data: Any) -> str:
    """Return the unit whose book the data belongs to; ``"account"`` for a data that has none."""
    return str(getattr(data, "unit", "") or "account")


def symbol_of(data: Any) -> str:
    """Return the instrument of a data: its ``symbol``, else its name in Cerebro."""
    return str(getattr(data, "symbol", "") or getattr(data, "_name", "") or f"data{getattr(data, '_id', '')}")


def book_key(data: Any) -> str:
    """Return ``"unit/SYMBOL"``."""
    return f"{unit_of(data)}/{symbol_of(data)}"
