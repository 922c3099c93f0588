"""Operations between lines, delays and the logic of ``backtrader.functions``.

Why it is exact: one IEEE operation for each bar, the one that Python does. Python raises where it divides by zero, so
then stock's own loop runs, and raises on the bar on which it does.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from backtrader import functions
from backtrader.linebuffer import LineOwnOperation, LinesOperation, PseudoArray, _LineDelay, _LineForward

from engine.once.arrays import Floats, constant, operand, stretches, target, view
from engine.once.powers import power
from engine.once.registry import calculates

Operand = Floats | float
_BINARY: dict[Any, Callable[[Any, Any], Any]] = {
    operator.__add__: np.add,
    operator.__sub__: np.subtract,
    operator.__mul__: np.multiply,
    operator.__lt__: np.less,
    operator.__gt__: np.greater,
    operator.__le__: np.less_equal,
    operator.__ge__: np.greater_equal,
    operator.__eq__: np.equal,
    operator.__ne__: np.not_equal,
}
_UNARY: dict[Any, Callable[[Any], Any]] = {
    operator.__neg__: np.negative,
    operator.__abs__: np.abs,
    bool: lambda values: values != 0.0,
}


def _write(line: Any, start: int, end: int, sources: tuple[Any, ...], function: Callable[..., Any]) -> bool:
    """Write ``function(*values of sources)`` if all can be had; None from the function is no result.

    Without a result at the end stock's loop writes over what was written.
    """
    values = [operand(source, start, end) for source in sources]
    written = target(line, start, end, *sources)
    if written is None or any(each is None for each in values):
        return False
    with np.errstate(all="ignore"):
        for stretch in stretches(end - start):
            result = function(*(each if isinstance(each, float) else each[stretch] for each in values))  # type: ignore[index]
            if result is None:
                return False
            written[stretch] = result
    return True


@calculates(LinesOperation)
def operation(line: Any, start: int, end: int) -> bool:
    if line.btime:
        return False
    function = _BINARY.get(line.operation)
    if function is None:
        function = {operator.__truediv__: _divide, operator.__pow__: _power}.get(line.operation)
    return function is not None and _write(line, start, end, (line.a, line.b), function)


def _divide(left: Operand, right: Operand) -> Any:
    return None if np.any(np.equal(right, 0.0)) else np.divide(left, right)


def _power(base: Operand, exponent: Operand) -> Any:
    if isinstance(base, float) or not isinstance(exponent, float):
        return None
    return power(base, exponent)


@calculates(LineOwnOperation)
def own_operation(line: Any, start: int, end: int) -> bool:
    function = _UNARY.get(line.operation)
    return function is not None and _write(line, start, end, (line.a,), function)


@calculates(_LineDelay)
def delay(line: Any, start: int, end: int) -> bool:
    written = target(line, start, end, line.a)
    if written is None or type(line.ago) is not int:
        return False
    value: Floats | float | None
    if isinstance(line.a, PseudoArray):
        value = constant(line.a.wrapped) if isinstance(line.a.wrapped, int | float) else None
    else:
        value = operand(line.a, start + line.ago, end + line.ago)
    if value is None:
        return False
    written[:] = value
    return True


@calculates(_LineForward)
def forward(line: Any, start: int, end: int) -> bool:
    if type(line.ago) is not int or isinstance(line.a, PseudoArray):
        return False
    written, values = target(line, start - line.ago, end - line.ago, line.a), view(line.a)
    if written is None or values is None or len(values) < end or start >= end:
        return False
    written[:] = values[start:end]
    return True


@calculates(functions.Max, functions.Min)
def extreme(line: Any, start: int, end: int) -> bool:
    better = np.greater if type(line) is functions.Max else np.less

    def choose(*values: Operand) -> Any:
        best = values[0]
        for value in values[1:]:  # Python keeps the first unless a later one is better
            best = np.where(better(value, best), value, best)
        return best

    return _write(line, start, end, tuple(line.args), choose)


@calculates(functions.And, functions.Or)
def both(line: Any, start: int, end: int) -> bool:
    if len(line.args) < 2 or line.flogic.keywords:
        return False
    combine = np.logical_and if type(line) is functions.And else np.logical_or
    return _write(line, start, end, tuple(line.args), lambda *values: _reduced(combine, values))


@calculates(functions.Any, functions.All)
def any_or_all(line: Any, start: int, end: int) -> bool:
    combine = np.logical_or if type(line) is functions.Any else np.logical_and
    return _write(line, start, end, tuple(line.args), lambda *values: _reduced(combine, values))


def _reduced(combine: Callable[[Any, Any], Any], values: tuple[Operand, ...]) -> Any:
    truth = np.not_equal(values[0], 0.0)
    for value in values[1:]:
        truth = combine(truth, np.not_equal(value, 0.0))
    return truth


@calculates(functions.Sum)
def pair_sum(line: Any, start: int, end: int) -> bool:
    if len(line.args) != 2:
        return False  # a sum of two is rounded once by one addition; of more it is not

    def add(left: Operand, right: Operand) -> Any:
        total = np.add(left, right)
        return total + 0.0 if np.isfinite(total).all() else None

    return _write(line, start, end, tuple(line.args), add)


@calculates(functions.If)
def choice(line: Any, start: int, end: int) -> bool:
    return _write(
        line, start, end, (line.cond, line.a, line.b), lambda cond, a, b: np.where(np.not_equal(cond, 0.0), a, b)
    )


@calculates(functions.Cmp)
def compare(line: Any, start: int, end: int) -> bool:
    return _write(
        line, start, end, (line.a, line.b), lambda a, b: np.greater(a, b).astype(float) - np.less(a, b).astype(float)
    )


@calculates(functions.CmpEx)
def compare_and_choose(line: Any, start: int, end: int) -> bool:
    return _write(
        line,
        start,
        end,
        (line.a, line.b, line.r1, line.r2, line.r3),
        lambda a, b, less, same, more: np.where(np.less(a, b), less, np.where(np.greater(a, b), more, same)),
    )


def _are_lines(*things: Any) -> bool:
    return all(hasattr(thing, "array") and not isinstance(thing, PseudoArray) for thing in things)


@calculates(functions.DivByZero)
def guarded_division(line: Any, start: int, end: int) -> bool:
    if not _are_lines(line.a, line.b) or not isinstance(line.zero, int | float):
        return False
    zero = float(line.zero)
    return _write(line, start, end, (line.a, line.b), lambda a, b: np.where(b != 0.0, a / b, zero))


@calculates(functions.DivZeroByZero)
def twice_guarded_division(line: Any, start: int, end: int) -> bool:
    numbers = (line.single, line.dual)
    if not _are_lines(line.a, line.b) or not all(isinstance(number, int | float) for number in numbers):
        return False
    single, dual = map(float, numbers)
    return _write(
        line,
        start,
        end,
        (line.a, line.b),
        lambda a, b: np.where(b == 0.0, np.where(a == 0.0, dual, single), a / b),
    )
