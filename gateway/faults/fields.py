"""Which fields a message has and of what kind, by the layouts of the wire, and those of the tape's bars and quotes."""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from core.errors import FaultScriptError, did_you_mean
from gateway.model import Bar, Quote
from gateway.wire.layout import Flag, If, Inside, Layout, Repeat, Since, Switch
from gateway.wire.tables import answers, requests

_TOKEN = re.compile(r"(?P<name>[^:=@\s]+)(?::(?P<kind>\w+)(?P<optional>\??))?")
_LAYOUTS = {message.name: message.layout for message in (*answers.ANSWERS, *requests.REQUESTS)}
NUMBERS = frozenset({"float", "size", "whole", "offset"})
UNSETTABLE = frozenset({"dict", "rows", "bits", "tags"})
TRUTHS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Field:
    """A field: where it is, such as ``("order", "tif")``, its kind on the wire, whether it may have no value."""

    path: tuple[str, ...]
    kind: str = "str"
    is_optional: bool = False

    def __str__(self) -> str:
        return ".".join(self.path)

    def value(self, given: Any) -> Any:
        """``given``, a text or another field's value, as one of this field; ``FaultScriptError`` if it cannot be."""
        text = as_text(given)
        try:
            if self.kind in UNSETTABLE:
                raise ValueError
            if text == "" and self.is_optional:
                return None
            if self.kind == "int":
                return int(text)
            if self.kind in NUMBERS:
                number = float(text)
                if not math.isfinite(number):
                    raise ValueError
                return number
            return TRUTHS[text.lower()] if self.kind == "bool" else text
        except (ValueError, KeyError):
            raise FaultScriptError(f"{self} cannot be '{text}'; {_CURES.get(self.kind, 'give a number')}") from None


_CURES = {"int": "give a whole number", "bool": "give yes or no"} | dict.fromkeys(
    UNSETTABLE, "it holds several values, and a script sets single ones"
)


def as_text(value: Any) -> str:
    """A value as IBKR's texts show it: 100, not 100.0."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.10g}" if isinstance(value, float) else "" if value is None else str(value)


@functools.cache
def fields_of(message: str) -> tuple[Field, ...]:
    """The fields of a message; of repeated groups only the group."""
    found = _TAPE[message] if message in _TAPE else _walk(_LAYOUTS[message], ())
    return tuple({field.path: field for field in found}.values())


def _walk(layout: Layout, above: tuple[str, ...]) -> Iterator[Field]:
    if isinstance(layout, str):
        for token in layout.split():
            match = _TOKEN.match(token)
            if match is not None and not match["name"].startswith("#"):
                yield Field((*above, match["name"]), match["kind"] or "str", bool(match["optional"]))
        return
    for item in layout:
        if isinstance(item, str):
            yield from _walk(item, above)
        elif isinstance(item, Inside | Flag):
            yield Field((*above, item.name), "dict")
            yield from _walk(item.body, (*above, item.name))
        elif isinstance(item, Repeat):
            yield Field((*above, item.name), "rows")
        elif isinstance(item, If | Since):
            yield from _walk(item.body, above)
        elif isinstance(item, Switch):
            for body in item.cases.values():
                yield from _walk(body, above)


_TAPE = {
    name: [Field((each,)) for each in ("symbol", "conId", *(field.name for field in dataclasses.fields(kind)))]
    for name, kind in (("bar", Bar), ("quote", Quote))
}


def locate(message: str, name: str) -> Field:
    """The field of a name: ``order.tif``, or ``tif`` at the top or else further down.

    Raises:
        FaultScriptError: The message has no such field.
    """
    wanted, fields = tuple(name.split(".")), fields_of(message)
    found = [field for field in fields if field.path == wanted] or [f for f in fields if f.path[-1:] == wanted]
    if not found:
        raise FaultScriptError(f"{message} has no field '{name}'{did_you_mean(name, map(str, fields))}")
    return found[0]
