"""Where the store's events come out: a queue for the thread that trades, and listeners in the store's own thread."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

E = TypeVar("E")
Listener = Callable[[E], None]

logger = logging.getLogger(__name__)


class Outlet(Generic[E]):
    """Events in order of arrival. One thread reads them with ``get`` or ``drain``; listeners are called at once."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[E | None] = queue.SimpleQueue()
        self._listeners: list[Listener[E]] = []
        self._lock = threading.Lock()

    def put(self, event: E) -> None:
        """Called in the store's thread. A listener that raises is taken off, and the others are called all the same."""
        self._queue.put(event)
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:
                logger.exception("a listener of the store failed and is called no more; mend it")
                self.unlisten(listener)

    def wake(self) -> None:
        """Let a ``get`` that waits return None, from any thread: there is something else to do."""
        self._queue.put(None)

    def get(self, timeout: float | None = None) -> E | None:
        """The next event; None where none came within ``timeout`` seconds (None: wait for ever, 0: do not wait), and
        after ``wake``."""
        try:
            if timeout == 0:
                return self._queue.get_nowait()
            return self._queue.get(timeout=timeout)
        except queue.Empty:
            return None

    def drain(self) -> Iterator[E]:
        """All events that are there now."""
        while True:
            try:
                event = self._queue.get_nowait()
            except queue.Empty:
                return
            if event is not None:
                yield event

    def __len__(self) -> int:
        return self._queue.qsize()

    def listen(self, listener: Listener[E]) -> Callable[[], None]:
        """Call ``listener`` with each event, in the store's thread: it must be quick and must not call the store.
        Returns what takes it off again."""
        with self._lock:
            self._listeners = [*self._listeners, listener]
        return lambda: self.unlisten(listener)

    def unlisten(self, listener: Listener[E]) -> None:
        with self._lock:
            self._listeners = [each for each in self._listeners if each is not listener]
