"""What indicators were computed to lately: runs of a sweep ask for the same ones on the same bars again and again.

An indicator over all of history is a function of its class, its parameters and its input columns. Columns count by
their contents (a BLAKE2 digest), so whoever changed a bar gets it computed anew. The least recently used go first.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

MOST_BYTES = 64_000_000  # kept in all
MOST_OF_ONE = MOST_BYTES // 4


class Recall:
    """Values of lines by what they were computed from."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[Array, ...]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> tuple[Array, ...] | None:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: Hashable, values: Iterable[Array]) -> None:
        arrays = tuple(values)
        size = sum(array.nbytes for array in arrays)
        if size > MOST_OF_ONE:
            return
        for array in arrays:
            array.flags.writeable = False
        with self._lock:
            if key not in self._kept:
                self._kept[key] = arrays
                self._bytes += size
            while self._bytes > MOST_BYTES:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= sum(array.nbytes for array in oldest)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._bytes = 0


def digest(columns: Iterable[Array]) -> bytes:
    """The contents of columns, in short."""
    made = hashlib.blake2b(digest_size=16)
    for column in columns:
        made.update(len(column).to_bytes(8, "little"))
        made.update(np.ascontiguousarray(column).data)
    return made.digest()


RECALL = Recall()
