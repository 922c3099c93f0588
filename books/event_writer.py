"""The journal as a subscriber of the bus: what monitoring sees is on the disk too."""

from __future__ import annotations

from books.journal import Journal
from core.events import MonitorEvent


class EventWriter:
    """``bus.subscribe(EventWriter(journal))`` appends every event under its kind.

    Where the journal cannot be written (a full disk) the bus reports it to the other subscribers.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def __call__(self, event: MonitorEvent) -> None:
        self.journal.append(event.kind, event.at, event.payload())
