"""The journal as a subscriber of the bus: what monitoring sees is on the disk too."""

from __future__ import annotations

import datetime as dt
from collections import deque
from typing import Any

from books.journal import Journal
from core.errors import LedgerError
from core.events import MonitorEvent

MOST_HELD = 10_000  # events that wait for the disk


class EventWriter:
    """``bus.subscribe(EventWriter(journal))`` appends every event under its kind.

    Where the journal cannot be written (a full disk) the bus reports it to the other subscribers, once. Events are
    held meanwhile, the newest ``MOST_HELD``, and written with the first one that can be.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._held: deque[tuple[str, dt.datetime, dict[str, Any]]] = deque(maxlen=MOST_HELD)

    def __call__(self, event: MonitorEvent) -> None:
        self._held.append((event.kind, event.at, event.payload()))
        try:
            self.journal.extend(self._held)
        except LedgerError:
            if len(self._held) == 1:
                raise
        except BaseException:
            self._held.pop()
            raise
        else:
            self._held.clear()
