"""Which bar of each data belongs to which step of a run.

Stock asks every data for its next datetime, takes the smallest, and advances the datas that have it. With all bars in
memory the answer is known before the run: here it is worked out once. Steps are counted from 0.

Why it is exact: datas whose datetimes only grow meet each other at equal floats and nowhere else, which is what a
sorted union of them gives. Any other datas are walked through with stock's own rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Rows = list[int]


def column(line: Any) -> Floats:
    """The values of a line that its holder can reach, as a copy."""
    values = np.frombuffer(line.array, dtype=np.float64) if len(line.array) else np.empty(0)
    return values[: line.buflen()].copy()


class Timeline:
    """``stamps[k]``: datetime of step k. ``rows[d][k]``: index of the bar of data d then, -1 before its first.

    ``shared``: all datas have the same datetimes, so index k belongs to step k. ``is_growing``: no datetime of a data
    is equal to, or before, its last.
    """

    def __init__(self, datas: list[Any]) -> None:
        times = [column(data.lines.datetime) for data in datas]
        self.is_walkable = not any(np.isnan(each).any() for each in times)
        self.shared = all(np.array_equal(times[0], each) for each in times[1:])
        self.is_growing = all((np.diff(each) > 0).all() for each in times)
        self.rows: list[Rows] = []
        if self.shared:
            stamps = times[0]
        elif self.is_growing:
            stamps = np.unique(np.concatenate(times))
            self.rows = [(np.searchsorted(each, stamps, side="right") - 1).tolist() for each in times]
        else:
            stamps, self.rows = _walk(times)
        self.stamps: list[float] = stamps.tolist()

    def row(self, data: int, step: int) -> int:
        """Index of the bar of a data at a step."""
        if step < 0:
            return -1
        return step if self.shared else self.rows[data][step]


def _walk(times: list[Floats]) -> tuple[Floats, list[Rows]]:
    """Stock's rule, for datas with equal or falling datetimes."""
    lists = [each.tolist() for each in times]
    at = [-1] * len(lists)
    stamps: list[float] = []
    rows: list[Rows] = [[] for _ in lists]
    while True:
        nexts = [each[i + 1] if i + 1 < len(each) else float("inf") for each, i in zip(lists, at, strict=True)]
        first = min(nexts)
        if first == float("inf"):
            return np.array(stamps), rows
        stamps.append(first)
        for d, stamp in enumerate(nexts):
            if stamp <= first:
                at[d] += 1
            rows[d].append(at[d])
