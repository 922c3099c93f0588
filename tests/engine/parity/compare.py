"""The first difference of two event logs, named by bar and kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from parity.engines import OURS, STOCK, Engine
from parity.programme import Programme
from parity.running import run
from parity.tape import ACCOUNT, DATA, FIELDS, Floats

BEFORE = 3  # events shown before the difference


@dataclass(frozen=True)
class Difference:
    """``kind`` is that of stock's event, ``what`` the field in it, ``bar`` (strategy, length)."""

    kind: str
    what: str
    bar: Any
    stock: str
    ours: str
    before: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"first difference: {self.kind} on bar {self.bar}, {self.what}"]
        lines += [f"  before: {event}" for event in self.before]
        return "\n".join([*lines, f"  stock:  {self.stock}", f"  ours:   {self.ours}"])


def first_difference(stock: list[Any], ours: list[Any]) -> Difference | None:
    """None when the logs are equal to the last bit."""
    for number, (left, right) in enumerate(zip(stock, ours, strict=False)):
        if repr(left) != repr(right):
            return _described(stock, number, left, right)
    if len(stock) == len(ours):
        return None
    number = min(len(stock), len(ours))
    left = stock[number] if len(stock) > number else ("(no event)", None, ())
    right = ours[number] if len(ours) > number else ("(no event)", None, ())
    return _described(stock, number, left, right)


def compare(programme: Programme, ours: Engine = OURS, stock: Engine = STOCK) -> Difference | None:
    """Run it under both and compare."""
    return first_difference(run(programme, stock), run(programme, ours))


def assert_same(programme: Programme, ours: Engine = OURS, stock: Engine = STOCK) -> None:
    difference = compare(programme, ours, stock)
    assert difference is None, f"{programme!r}\n{difference}"


def _described(stock: list[Any], number: int, left: Any, right: Any) -> Difference:
    before = tuple(_brief(event) for event in stock[max(0, number - BEFORE) : number])
    if left[:2] != right[:2] or len(left[2]) != len(right[2]):
        return Difference(left[0], "another event", left[1], _brief(left), _brief(right), before)
    path, a, b = _leaf(left[2], right[2], FIELDS.get(left[0], ()))
    owner = "".join(f"{part}, " for part in left[2][: {"line": 2, "analysis": 1, "analyzer": 1}.get(left[0], 0)])
    return Difference(left[0], owner + path, left[1], _shown(a), _shown(b), before)


NAMES = {"account": ACCOUNT, "created": DATA, "executed": DATA}


def _leaf(a: Any, b: Any, names: tuple[str, ...]) -> tuple[str, Any, Any]:
    """Path to the first value that differs, and both values."""
    if isinstance(a, Floats) and isinstance(b, Floats):
        if len(a.numbers) != len(b.numbers):
            return "count", len(a.numbers), len(b.numbers)
        at = next(i for i in range(len(a.numbers)) if a.numbers[i].tobytes() != b.numbers[i].tobytes())
        return f"value {at}", a.numbers[at].item(), b.numbers[at].item()
    if not isinstance(a, (tuple, list)) or type(a) is not type(b) or len(a) != len(b):
        return "", a, b
    for number, (left, right) in enumerate(zip(a, b, strict=True)):
        if repr(left) != repr(right):
            name = names[number] if number < len(names) else str(number)
            if _is_entry(left) and _is_entry(right) and left[0] == right[0]:
                name, left, right = left[0], left[1], right[1]
            path, x, y = _leaf(left, right, NAMES.get(name, ()))
            return f"{name}.{path}" if path else name, x, y
    return "", a, b


def _is_entry(value: Any) -> bool:
    """Whether it is a key of a mapping with its value."""
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)


def _shown(value: Any) -> str:
    text = repr(value) + (f" ({value.hex()})" if isinstance(value, float) else "")
    return text if len(text) <= 1000 else text[:1000] + "..."


def _brief(event: Any) -> str:
    text = f"{event[0]} {event[1]} {event[2]!r}"
    return text if len(text) <= 240 else text[:240] + "..."
