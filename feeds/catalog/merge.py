"""Rows that are brought against rows that are stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from feeds.bars import COLUMNS, EXTRAS
from feeds.catalog.frames import joined


@dataclass(frozen=True)
class Merged:
    """``frame``: the rows to store, sorted by time; None where the stored ones stay as they are."""

    frame: pd.DataFrame | None
    added: int = 0  # rows
    unchanged: int = 0  # rows
    differing: int = 0  # times
    replaced: pd.DataFrame | None = None  # stored rows that gave way


def merge(stored: pd.DataFrame, brought: pd.DataFrame, *, replace: bool) -> Merged:
    """Rows of times that are not stored are added. Those of stored times are compared, and change nothing unless
    ``replace``. Both frames are sorted by their column ``time``; rows of one time are in their order.

    Values are compared in the columns of ``brought``; NaN equals NaN.
    """
    if stored.empty:
        return Merged(brought, added=len(brought))
    have, come = stored["time"].to_numpy(), brought["time"].to_numpy()
    known = np.isin(come, have)
    both = brought[known]
    old = stored[np.isin(have, come)] if len(both) else stored.iloc[:0]
    odd = _differing(old, both)
    new = brought[~known]
    unchanged = int(np.count_nonzero(~np.isin(both["time"].to_numpy(), odd)))
    replaced = stored[np.isin(have, odd)] if replace and len(odd) else None
    if new.empty and replaced is None:
        return Merged(None, unchanged=unchanged, differing=len(odd))
    kept = stored if replaced is None else stored[~np.isin(have, odd)]
    pieces = [kept, new] if replaced is None else [kept, new, brought[np.isin(come, odd)]]
    frame = joined(pieces).sort_values("time", kind="stable", ignore_index=True)
    return Merged(frame, added=len(new), unchanged=unchanged, differing=len(odd), replaced=replaced)


def row_numbers(times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """For sorted times the number of each row among those of its time, from 0."""
    if not len(times):
        return np.empty(0, dtype=np.int64)
    position = np.arange(len(times))
    starts = np.r_[True, times[1:] != times[:-1]]
    return position - np.maximum.accumulate(np.where(starts, position, 0))


def _differing(old: pd.DataFrame, new: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Times whose rows in ``new`` are not, one by one, those in ``old``. Both have rows of the same times only."""
    if old.empty:
        return np.empty(0, dtype=np.int64)
    shared = [name for name in (*COLUMNS, *EXTRAS) if name in old and name in new]
    for name in EXTRAS:  # a column that only the rows brought have is a difference where it holds something
        if name in new and name not in old:
            old = old.assign(**{name: np.nan})
            shared.append(name)
    frames = []
    for frame in (old, new):
        times = frame["time"].to_numpy()
        numbered = pd.MultiIndex.from_arrays([times, row_numbers(times)])
        frames.append(frame[shared].set_axis(numbered, axis=0))
    first, second = frames
    if first.index.equals(second.index):
        a, b = first.to_numpy(), second.to_numpy()
        odd = ~((a == b) | (np.isnan(a) & np.isnan(b))).all(axis=1)
        return np.unique(first.index.get_level_values(0).to_numpy()[odd])
    index = first.index.union(second.index)
    a, b = (frame.reindex(index).to_numpy() for frame in frames)
    odd = ~((a == b) | (np.isnan(a) & np.isnan(b))).all(axis=1)
    odd |= ~index.isin(first.index) | ~index.isin(second.index)  # a row too many or too few
    return np.unique(index.get_level_values(0).to_numpy()[odd])
