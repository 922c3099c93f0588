"""What is due at which moment: openings, closes, expiries."""

from __future__ import annotations

import datetime as dt
import heapq

from gateway.market.ticket import NEVER, Ticket


class Timetable:
    """Orders and the moments at which something is due for them.

    ``due``: the next moment. Orders that end are taken out, so nothing but what works is kept.
    """

    def __init__(self) -> None:
        self.due = NEVER
        self._heap: list[dt.datetime] = []
        self._at: dict[dt.datetime, dict[tuple[str, int], Ticket]] = {}  # moment -> (action, permId) -> order

    def add(self, when: dt.datetime, action: str, ticket: Ticket) -> None:
        found = self._at.get(when)
        if found is None:
            found = self._at[when] = {}
            heapq.heappush(self._heap, when)
            self.due = self._heap[0]
        found[action, ticket.seq] = ticket
        if when not in ticket.due:
            ticket.due.append(when)

    def remove(self, ticket: Ticket) -> None:
        """Forget everything that is due for an order."""
        for when in ticket.due:
            found = self._at.get(when)
            if found is not None:
                for action in ACTIONS:
                    found.pop((action, ticket.seq), None)
        ticket.due.clear()

    def pop(self) -> tuple[dt.datetime, list[tuple[str, Ticket]]]:
        """What is due at the next moment, in the order of actions and orders."""
        when = heapq.heappop(self._heap)
        found = self._at.pop(when)
        self.due = self._heap[0] if self._heap else NEVER
        for ticket in found.values():
            if when in ticket.due:
                ticket.due.remove(when)
        return when, [(key[0], found[key]) for key in sorted(found, key=_rank)]


ACTIONS = ("wake", "open", "cancel", "close", "expire")  # in the order in which they act at one moment


def _rank(key: tuple[str, int]) -> tuple[int, int]:
    return ACTIONS.index(key[0]), key[1]
