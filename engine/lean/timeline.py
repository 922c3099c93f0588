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
Integers = np.ndarray[Any, np.dtype[np.int64]]
Rows = list[int]


def column(line: Any) -> Floats:
    """The values of a line that its holder can reach, as a copy."""
    return peek(line).copy()


def peek(line: Any) -> Floats:
    """The same not copied. It must be gone before anybody else has a turn: the line cannot grow as long as it lives."""
    values = np.frombuffer(line.array, dtype=np.float64) if len(line.array) else np.empty(0)
    return values[: line.buflen()]


def has_times(data: Any) -> bool:
    """Whether each bar of a data has a time."""
    times = peek(data.lines.datetime)
    return not len(times) or not np.isnan(times.min())  # which is NaN where any is


class Timeline:
    """``stamps[k]``: datetime of step k. ``rows[d][k]``: index of the bar of data d then, -1 before its first.

    ``shared``: all datas have the same datetimes, so index k belongs to step k. ``is_growing``: no datetime of a data
    is equal to, or before, its last.
    """

    def __init__(self, datas: list[Any]) -> None:
        times = [peek(data.lines.datetime) for data in datas]
        self.shared = all(np.array_equal(times[0], each) for each in times[1:])
        self.is_growing = all((each[1:] > each[:-1]).all() for each in times)
        self.rows: list[Rows] = []
        self.stamps: Floats
        if self.shared:
            self.stamps = times[0].copy()
        elif self.is_growing:
            self.stamps = np.unique(np.concatenate(times))
            self.rows = [(np.searchsorted(each, self.stamps, side="right") - 1).tolist() for each in times]
        else:
            self.stamps, self.rows = _walk(times)

    def stamp(self, step: int) -> float:
        return float(self.stamps[step])

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
