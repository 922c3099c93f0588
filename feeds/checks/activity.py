"""Rules about bars in which nothing happens: prices that stand still, volume that is not there. Reported only."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from feeds.checks.local import median_around
from feeds.checks.path import Path
from feeds.checks.rows import Rows
from feeds.checks.rule import Hit, Rule, hit, live_runs

# Bars of the same four prices in a row, with a range and without one. Of 225,000 daily rows of US stocks three repeat
# the row before and none two rows before; a bar without a range may be a halt, which lasts hours and seldom a week.
SAME = {"1d": (3, 5), "1h": (3, 14), "1m": (5, 120), "1s": (30, 7_200)}
SELDOM = 0.1  # share of bars without volume from which on they are one note
LITTLE = 0.05  # of the median volume around: half days have a third of a day


class Stale(Rule):
    """The same prices again and again; daily also one row copied with its volume."""

    name = "stale"
    severity = "warning"

    def find(self, rows: Rows) -> Iterator[Hit]:
        columns = list(rows.prices.values()) or list(rows.quotes or ())
        if len(rows.live) < 2:
            return
        same = np.logical_and.reduce([column[1:] == column[:-1] for column in columns])
        low, high = rows.extent
        moved = high > low
        copied = np.zeros(len(same), dtype=np.bool_)
        if rows.daily and rows.volume is not None:
            copied = same & moved[1:] & (rows.volume[1:] == rows.volume[:-1]) & (rows.volume[1:] > 0.0)
        least, least_flat = SAME[rows.bar]
        starts = np.flatnonzero(same & ~np.r_[False, same[:-1]])
        ends = np.flatnonzero(same & ~np.r_[same[1:], False]) + 2
        lengths = ends - starts
        long = lengths >= np.where(moved[starts], least, least_flat)
        long |= np.add.reduceat(copied, starts) > 0 if len(starts) else False
        for start, end in zip(starts[long].tolist(), ends[long].tolist(), strict=True):
            what = "the same prices and volume" if copied[start : end - 1].all() else "the same prices"
            yield hit(rows, rows.live[start:end], f"{end - start} bars of {what} in a row")


class ZeroVolume(Rule):
    """Bars without volume in a series that has volumes: a halt, or a row that was filled in."""

    name = "zero_volume"
    severity = "warning"

    def find(self, rows: Rows) -> Iterator[Hit]:
        if rows.volume is None:
            return
        none = rows.volume == 0.0
        count = int(np.count_nonzero(none))
        if count and (not rows.daily or count > SELDOM * len(none)):
            yield hit(rows, rows.live[none], f"{count} of {len(none)} bars have no volume: seldom traded", "note")
            return
        for run in live_runs(rows, none):
            yield hit(rows, run, "no volume in 1 bar" if len(run) == 1 else f"no volume in {len(run)} bars")


class VolumeGap(Rule):
    """Days with far less volume than the days around: often a part of the exchange's volume."""

    name = "volume_gap"
    severity = "warning"

    def find(self, rows: Rows) -> Iterator[Hit]:
        volume = Path(rows, rows.actions).volume if rows.daily else None
        if volume is None:
            return
        small = (volume > 0.0) & (volume < LITTLE * np.max(volume))
        for row in np.flatnonzero(small).tolist():
            usual = median_around(volume, row, row + 1, 20)
            if volume[row] < LITTLE * usual:
                detail = f"{volume[row] / usual:.1%} of the volume that is usual around"
                yield hit(rows, rows.live[row : row + 1], detail)
