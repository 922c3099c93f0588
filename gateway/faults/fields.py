"""Which fields a message has, by the layouts of the wire, and those of the tape's bars and quotes."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator

from core.errors import did_you_mean
from gateway.faults.errors import ScriptError
from gateway.model import Bar, Quote
from gateway.wire.layout import Flag, If, Inside, Layout, Repeat, Since, Switch
from gateway.wire.tables import answers, requests

Path = tuple[str, ...]
_NAME = re.compile(r"[^:=@\s]+")
_TAPE = {
    name: [("symbol",), ("conId",), *((field.name,) for field in dataclasses.fields(kind))]
    for name, kind in (("bar", Bar), ("quote", Quote))
}
_LAYOUTS = {message.name: message.layout for message in (*answers.ANSWERS, *requests.REQUESTS)}


@functools.cache
def paths_of(message: str) -> tuple[Path, ...]:
    """The fields of a message as paths: ``("order", "tif")``; those of repeated groups only as the group."""
    found = _TAPE[message] if message in _TAPE else _walk(_LAYOUTS[message], ())
    return tuple(dict.fromkeys(found))


def _walk(layout: Layout, above: Path) -> Iterator[Path]:
    if isinstance(layout, str):
        for token in layout.split():
            name = _NAME.match(token)
            if name is not None and not name[0].startswith("#"):
                yield (*above, name[0])
        return
    for item in layout:
        if isinstance(item, str):
            yield from _walk(item, above)
        elif isinstance(item, Inside | Flag):
            yield (*above, item.name)
            yield from _walk(item.body, (*above, item.name))
        elif isinstance(item, Repeat):
            yield (*above, item.name)
        elif isinstance(item, If | Since):
            yield from _walk(item.body, above)
        elif isinstance(item, Switch):
            for body in item.cases.values():
                yield from _walk(body, above)


def locate(message: str, field: str) -> Path:
    """Where a field is: ``order.tif`` there; ``tif`` at the top or else further down.

    Raises:
        ScriptError: The message has no such field.
    """
    wanted, paths = tuple(field.split(".")), paths_of(message)
    if wanted in paths:
        return wanted
    deeper = [path for path in paths if path[-1:] == wanted]
    if not deeper:
        raise ScriptError(f"{message} has no field '{field}'{did_you_mean(field, {'.'.join(path) for path in paths})}")
    return deeper[0]
