"""Cheaper garbage collections while a run makes thousands of orders that all live on.

Only when Python looks for cycles changes, not what it finds. The thresholds of the process are put back when the last
of the runs that go on at the same time ends, unless somebody has set others meanwhile.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# New objects are looked at while they are in the cache, where it costs next to nothing; those that lived on, rarely
_RARELY = (2_000, 1_000, 100)
_lock = threading.Lock()
_runs: list[tuple[int, int, int]] = []  # thresholds found by each run under way


@contextmanager
def fewer_collections() -> Iterator[None]:
    with _lock:
        _runs.append(gc.get_threshold())
        if gc.get_threshold()[0]:
            gc.set_threshold(*_RARELY)
    try:
        yield
    finally:
        with _lock:
            found = _runs.pop()
            if not _runs and gc.get_threshold() == _RARELY:
                _grow_old()
                gc.set_threshold(*found)


def _grow_old() -> None:
    """Put what lives on among the old objects without looking at each; the next full collection does."""
    if not gc.get_freeze_count():
        gc.freeze()
        gc.unfreeze()
