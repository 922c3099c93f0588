"""Points of the protocol between a live process and the broker at which the process is killed, as with kill -9."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from books.intents import IntentJournal
from live import state as live_state
from live.hub import BarHub
from live.venue import IBVenue
from stores import IBStore

# name -> (owner, method, whether before or after it)
POINTS: dict[str, tuple[Any, str, str]] = {
    "connected, nothing asked": (IBStore, "start", "after"),
    "reconciled, not written": (IntentJournal, "settle", "before"),
    "reconciled and written": (IntentJournal, "settle", "after"),
    "a bar released, nobody has decided": (BarHub, "_delivered", "after"),
    "decided, not written": (IntentJournal, "intend", "before"),
    "written, not sent": (IntentJournal, "intend", "after"),
    "one order of a bracket or pair sent": (IBStore, "place", "after"),
    "sent, not noted": (IntentJournal, "sent", "before"),
    "sent and noted": (IntentJournal, "sent", "after"),
    "acknowledged, not noted": (IntentJournal, "reported", "before"),
    "filled, not booked": (IntentJournal, "execution", "before"),
    "filled and booked, nobody told": (IntentJournal, "execution", "after"),
    "commission told, not booked": (IntentJournal, "commission", "before"),
    "cancel written, not sent": (IntentJournal, "cancelling", "after"),
    "cancel sent": (IBStore, "cancel", "after"),
    "venue opened after a restart": (IBVenue, "open", "after"),
    "state of the day not kept": (live_state, "write_state", "before"),
    "state of the day kept": (live_state, "write_state", "after"),
}
RARE = {"cancel written, not sent", "cancel sent"}  # by the guard of pairs; else OCA groups cancel


def arm(point: str, count: int) -> None:
    """Kill this process at the ``count``-th time that it comes to a point."""
    owner, name, side = POINTS[point]
    original: Callable[..., Any] = getattr(owner, name)
    left = count

    def die() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if side == "before":
            die()
        result = original(*args, **kwargs)
        if side == "after":
            die()
        return result

    setattr(owner, name, wrapped)
