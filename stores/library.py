"""The one seam over the client library: ib_async where it is installed, else ib_insync, whose API it continues.

Of the library only the wire is used: its ``Client`` (socket, handshake, encoding) and the records that its decoder
makes. Its ``IB`` and ``Wrapper`` are not: they keep a state of orders of their own, which calls live orders cancelled
(errors 110, 399, 10349), differently in both libraries, and hide recovered fills, repeated statuses and corrections.
``HALFLIFE_IB_LIBRARY`` names the library to use, which is for tests.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
import os
import threading
from collections.abc import Callable
from logging import LoggerAdapter
from types import ModuleType
from typing import Any

from stores.errors import LibraryError

VARIABLE = "HALFLIFE_IB_LIBRARY"
NAMES = ("ib_async", "ib_insync")
UNSET_DOUBLE = 1.7976931348623157e308
UNSET_INTEGER = 2147483647

_loaded: dict[str, ModuleType] = {}
_lock = threading.Lock()


def library_name() -> str:
    """The library that is used. Raises LibraryError where none is installed, or one is asked for that is not."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted and wanted not in NAMES:
        raise LibraryError(f"{VARIABLE}={wanted} names no client library; use one of {', '.join(NAMES)}")
    for name in (wanted,) if wanted else NAMES:
        if importlib.util.find_spec(name) is not None:
            return name
    raise LibraryError(
        f"{wanted or 'neither ib_async nor ib_insync'} is installed, so Interactive Brokers cannot be spoken to; "
        f"run `pip install {wanted or 'ib_async'}`"
    )


def load() -> ModuleType:
    """The library, imported once. Its event kit asks for an event loop while it is imported: it gets one."""
    name = library_name()
    with _lock:
        if name not in _loaded:
            _loaded[name] = _imported(name)
        return _loaded[name]


def _imported(name: str) -> ModuleType:
    """Import it in a thread of its own, so that no thread of ours keeps the loop that the import makes."""
    made: list[ModuleType] = []
    failed: list[BaseException] = []

    def run() -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            made.append(importlib.import_module(name))
        except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread
            failed.append(error)
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    thread = threading.Thread(target=run, name="halflife-ib-import")
    thread.start()
    thread.join()
    if failed:
        raise LibraryError(f"{name} is installed but cannot be imported ({failed[0]}); reinstall it") from failed[0]
    return made[0]


def new_client(wrapper: object, lost: Callable[[str], None]) -> Any:
    """A client of the wire that calls ``wrapper``, and ``lost`` when a message could not be decoded.

    The decoder only logs those. Its own throttle is off, since ``stores.pacing`` does that.
    """
    client = load().client.Client(wrapper)
    client.MaxRequests = 0
    client.decoder.logger = _Watched(client.decoder.logger, lost)
    return client


class _Watched(LoggerAdapter):  # type: ignore[type-arg]
    """The decoder's logger, which also tells of what was lost."""

    def __init__(self, logger: logging.Logger, lost: Callable[[str], None]) -> None:
        super().__init__(logger, {})
        self._lost = lost

    def exception(self, msg: object, *args: object, **options: Any) -> None:
        super().exception(msg, *args, **options)
        self._lost(str(msg)[:200])


def is_unset(value: float) -> bool:
    """Whether a number is one of IBKR's marks for none."""
    return value != value or value in (UNSET_DOUBLE, UNSET_INTEGER)
