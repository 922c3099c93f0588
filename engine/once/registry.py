"""Class -> vectorised calculation. Looked up by exact class: a subclass may calculate something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Calculation = Callable[[Any, int, int], bool]  # (indicator, start, end) -> whether it was done
CALCULATIONS: dict[type, Calculation] = {}


def vectorised(indicator: Any) -> Calculation | None:
    """The calculation for exactly this class, None where it runs its own ``once``."""
    return CALCULATIONS.get(type(indicator))


def calculates(*classes: type) -> Callable[[Calculation], Calculation]:
    """Register a calculation for classes."""

    def register(function: Calculation) -> Calculation:
        for cls in classes:
            CALCULATIONS[cls] = function
        return function

    return register
