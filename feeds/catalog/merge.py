"""Rows that are brought against rows that are stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from feeds.bars import COLUMNS, EXTRAS
from feeds.catalog.frames import joined

Times = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_NEWER = "adj_close"  # a column that a source computes anew whenever a share pays: the latest one is the one to keep


@dataclass(frozen=True)
class Merged:
    """``frame``: the rows to store, sorted by time; None where the stored ones stay as they are."""

    frame: pd.DataFrame | None
    added: int = 0  # rows
    unchanged: int = 0  # rows
    differing: int = 0  # times, of which more differs than adj_close
    readjusted: int = 0  # times, of which adj_close alone differs: the newer one is taken
    replaced: pd.DataFrame | None = None  # stored rows that gave way
    left: int = 0  # stored rows of times that were not brought
    ratios: Floats | None = None  # close brought over close stored, for each time in both


def merge(stored: pd.DataFrame, brought: pd.DataFrame, *, replace: bool) -> Merged:
    """Rows of times that are not stored are added. Those of stored times are compared, and change nothing unless
    ``replace``, or unless adj_close alone differs. Both frames are sorted by their column ``time``; rows of one time
    are in their order.

    Values are compared in the columns of ``brought``; NaN equals NaN.
    """
    if stored.empty:
        return Merged(brought, added=len(brought))
    have, come = stored["time"].to_numpy(), brought["time"].to_numpy()
    known, met = np.isin(come, have), np.isin(have, come)
    new, both = brought[~known], brought[known]
    old = stored[met]
    odd, newer = _differing(old, both)
    gives_way = odd if replace else newer
    frame, replaced = None, None
    if len(gives_way):
        replaced = stored[np.isin(have, gives_way)]
        pieces = [stored[~np.isin(have, gives_way)], new, brought[np.isin(come, gives_way)]]
        frame = joined(pieces).sort_values("time", kind="stable", ignore_index=True)
    elif len(new):
        frame = joined([stored, new]).sort_values("time", kind="stable", ignore_index=True)
    return Merged(
        frame, added=len(new), unchanged=int(np.count_nonzero(~np.isin(both["time"].to_numpy(), odd))),
        differing=len(odd) - len(newer), readjusted=len(newer), replaced=replaced, left=len(stored) - len(old),
        ratios=_ratios(old, both),
    )  # fmt: skip


def row_numbers(times: Times) -> Times:
    """For sorted times the number of each row among those of its time, from 0."""
    if not len(times):
        return np.empty(0, dtype=np.int64)
    position = np.arange(len(times))
    starts = np.r_[True, times[1:] != times[:-1]]
    return position - np.maximum.accumulate(np.where(starts, position, 0))


def _differing(old: pd.DataFrame, new: pd.DataFrame) -> tuple[Times, Times]:
    """Times whose rows in ``new`` are not, one by one, those in ``old``; and those of them of which adj_close alone
    differs. Both have rows of the same times only."""
    if old.empty:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    shared = [name for name in (*COLUMNS, *EXTRAS) if name in old and name in new]
    for name in EXTRAS:  # a column that only the rows brought have is a difference where it holds something
        if name in new and name not in old:
            old = old.assign(**{name: np.nan})
            shared.append(name)
    first, second = (_numbered(frame, shared) for frame in (old, new))
    index = first.index if first.index.equals(second.index) else first.index.union(second.index)
    a, b = (frame.reindex(index).to_numpy() for frame in (first, second))
    unlike = ~((a == b) | (np.isnan(a) & np.isnan(b)))
    lone = ~index.isin(first.index) | ~index.isin(second.index)  # a row too many or too few
    others = [at for at, name in enumerate(shared) if name != _NEWER]
    times = index.get_level_values(0).to_numpy()
    odd = np.unique(times[unlike.any(axis=1) | lone])
    more = np.unique(times[unlike[:, others].any(axis=1) | lone])
    return odd, np.setdiff1d(odd, more, assume_unique=True)


def _numbered(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    times = frame["time"].to_numpy()
    return frame[columns].set_axis(pd.MultiIndex.from_arrays([times, row_numbers(times)]), axis=0)


def _ratios(old: pd.DataFrame, new: pd.DataFrame) -> Floats | None:
    if old.empty:
        return None
    closes = [frame.drop_duplicates("time")["close"].to_numpy() for frame in (old, new)]
    with np.errstate(all="ignore"):
        ratios: Floats = closes[1] / closes[0]
    return ratios
