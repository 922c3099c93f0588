"""Commission schemes of runs under way: whoever writes into one is told on first.

The values of all bars are worked out from the parameters of a scheme, so what was before a write must be worked out
before it (``desk.Book.unplain``). A scheme is often that of several brokers: stock gives the same default to all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from engine.lean.cursor import set_class, watching_class

_lock = threading.RLock()
_told: dict[int, list[Callable[[], None]]] = {}  # id of a scheme, or of its parameters -> who is told of writes


def _write(thing: Any, name: str, value: Any) -> None:
    for tell in list(_told.get(id(thing), ())):
        tell()
    object.__setattr__(thing, name, value)


def attend(schemes: Iterable[Any], tell: Callable[[], None]) -> Callable[[], None]:
    """Have ``tell`` called before each write into one of the schemes, until what this returns is called."""
    things = [thing for scheme in schemes for thing in (scheme, scheme.p)]
    with _lock:
        for thing in things:
            if id(thing) not in _told:
                _told[id(thing)] = []
                set_class(thing, watching_class(type(thing), _write, {}))
            _told[id(thing)].append(tell)

    def leave() -> None:
        with _lock:
            for thing in things:
                _told[id(thing)].remove(tell)
                if not _told[id(thing)]:
                    del _told[id(thing)]
                    set_class(thing, thing.__class__)

    return leave
