"""Fields of a message by name: found, written into a text, changed in a copy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from core.errors import FaultScriptError, did_you_mean
from gateway.faults.fields import TRUTHS, as_text, locate
from gateway.model import Values

REFERENCE = re.compile(r"\$([A-Za-z]\w*(?:\.\w+)*)")


class AbsentError(LookupError):
    """What an action needs is not there: a field, a value that fits, an order, an execution."""


def _paths(values: Values) -> Iterator[tuple[str, ...]]:
    yield from ((key,) for key in values)
    for key, value in values.items():
        if isinstance(value, dict):
            yield from ((key, inner) for inner in value)


def path_of(values: Values, name: str) -> tuple[str, ...]:
    """Where a field is: ``order.tif`` there, ``tif`` at the top or else one level down."""
    if "." in name:
        wanted = tuple(name.split("."))
        if wanted in _paths(values):
            return wanted
    elif name in values:
        return (name,)
    else:
        for path in _paths(values):
            if path[-1] == name:
                return path
    raise AbsentError(f"no field '{name}'{did_you_mean(name, {'.'.join(path) for path in _paths(values)})}")


def get(values: Values, name: str) -> Any:
    """The field's value; ``AbsentError`` if there is none of the name."""
    found: Any = values
    for key in path_of(values, name):
        found = found[key]
    return found


def render(text: str, values: Values) -> Any:
    """``$field`` alone is the field's value; within a text it is written out."""
    if match := REFERENCE.fullmatch(text):
        return get(values, match[1])
    return REFERENCE.sub(lambda match: as_text(get(values, match[1])), text)


def changed(message: str, values: Values, fields: dict[str, Any]) -> Values:
    """A copy of the message's values with some fields different, each where the message has it."""
    copy = dict(values)
    for name, new in fields.items():
        try:
            field = locate(message, name)
            value = field.value(new)
        except FaultScriptError as error:
            raise AbsentError(error.args[0]) from None
        *above, last = field.path
        inner = copy
        for key in above:
            inner[key] = dict(inner.get(key) or {})
            inner = inner[key]
        inner[last] = value
    return copy


def equal(value: Any, text: str) -> bool:
    """Whether a field has the value that a condition names: numbers as numbers, yes/no for true/false.

    A field without a value equals the empty text.
    """
    if value is None:
        return text == ""
    if isinstance(value, bool):
        return TRUTHS.get(text.lower()) is value
    if isinstance(value, int | float):
        try:
            return float(text) == value
        except ValueError:
            return False
    return str(value) == text
