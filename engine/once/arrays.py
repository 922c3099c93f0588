"""Lines as numpy arrays, and what a calculation needs to know before it may use them."""

from __future__ import annotations

import array
from collections.abc import Iterator
from typing import Any

import numpy as np
from backtrader.linebuffer import PseudoArray

Floats = np.ndarray[Any, np.dtype[np.float64]]
_INTEGERS_IN_A_FLOAT = 1 << 53
_STRETCH = 16_384  # bars at once: what is worked out on the way stays in the processor's cache


def stretches(count: int, at_least: int = 0) -> Iterator[slice]:
    """The places ``[0, count)`` in pieces of ``at_least`` or more."""
    size = max(_STRETCH, at_least)
    for first in range(0, count, size):
        yield slice(first, min(first + size, count))


def view(line: Any) -> Floats | None:
    """The array of a line (or of the first line of a series), not copied; None where it is not an array of floats.

    Writing into it writes into the line. It must be gone before the line grows.
    """
    values = line.array
    if type(values) is not array.array or values.typecode != "d" or not len(values):
        return None
    return np.frombuffer(values, dtype=np.float64)


def operand(thing: Any, start: int, end: int) -> Floats | float | None:
    """Values ``[start:end]`` of a line, or a constant; None where stock has to deal with it."""
    if isinstance(thing, PseudoArray):
        thing = thing.wrapped
    if isinstance(thing, bool | int | float):
        return constant(thing)
    if not hasattr(thing, "array"):
        return None
    values = view(thing)
    return None if values is None or start < 0 or len(values) < end else values[start:end]


def constant(value: Any) -> float | None:
    """A number that Python's arithmetic with floats takes as this float."""
    if isinstance(value, int) and abs(value) > _INTEGERS_IN_A_FLOAT:
        return None
    return float(value)


def target(line: Any, start: int, end: int, *sources: Any) -> Floats | None:
    """Where values ``[start:end]`` of a line are written; None where the line cannot take them or reads from itself."""
    values = view(line)
    if values is None or not 0 <= start < end <= len(values):
        return None
    if any(getattr(source, "array", None) is line.array for source in sources):
        return None
    return values[start:end]


def has_negative_zero(values: Floats) -> bool:
    """Whether ``max`` and ``min`` could give the zero of another sign than Python's."""
    return bool((np.signbit(values) & (values == 0.0)).any())
