"""Rules about moves that may be real: reported with what speaks for an error, never repaired."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from feeds.checks.local import median_around, scales_at
from feeds.checks.path import LARGE, Path
from feeds.checks.rows import Rows
from feeds.checks.rule import Hit, Rule, hit
from feeds.open_close import OpenClose

JUMP_DEVIATIONS = 6.0
SPLITS = {1.5: "3:2", 4.0 / 3.0: "4:3"} | {
    float(n): f"{n}:1" for n in (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 50)
}
NEAR_SPLIT = 0.03  # log distance to the ratio: one ordinary day of a stock
NEAR_SPLIT_DEVIATIONS = 2.5
OPEN_NEAR_SPLIT = 0.06  # at the open, where the close is near: news may come with the split
LEAST_WICK = {"1d": 0.10, "1h": 0.05, "1m": 0.03, "1s": 0.02}  # log
WICK_RANGES = 4.0  # times the median of log(high / low) around


class Jump(Rule):
    """A large move from close to close that no corporate action explains: a crash, a rally, or an unknown split."""

    name = "jump"
    severity = "note"

    def find(self, rows: Rows) -> Iterator[Hit]:
        if len(rows.live) < 2:
            return
        path = Path(rows, rows.actions)
        large = np.flatnonzero(np.abs(path.returns) >= LARGE) + 1
        scales = scales_at(path.returns, large, large + 1)
        for row, scale in zip(large.tolist(), scales.tolist(), strict=True):
            move = float(path.returns[row - 1])
            if np.isfinite(scale) and abs(move) < JUMP_DEVIATIONS * scale:
                continue
            detail = f"{rows.price[row - 1]:g} to {rows.price[row]:g} ({np.expm1(move):+.0%})"
            split = self._split(rows, path, row, scale if np.isfinite(scale) else 0.0)
            at = rows.live[row : row + 1]
            if split:
                yield hit(rows, at, f"{detail}, close to a {split} split that is not among the actions", "warning")
            else:
                yield hit(rows, at, f"{detail}: news, or a split or spin-off at an odd ratio; no action explains it")

    def _split(self, rows: Rows, path: Path, row: int, scale: float) -> str:
        """The split that a move looks like, as text: ratio near, open there at once, volume as usual; else empty."""
        move = float(path.returns[row - 1])
        near = max(NEAR_SPLIT, NEAR_SPLIT_DEVIATIONS * scale)
        opened = move
        if "open" in rows.prices:
            opened = float(np.log(rows.prices["open"][row]) + path.shift[row] - path.level[row - 1])
        ratio = min(SPLITS, key=lambda ratio: abs(abs(move) - np.log(ratio)))
        off, off_at_open = (abs(abs(value) - np.log(ratio)) for value in (move, opened))
        exact = off <= NEAR_SPLIT and off_at_open <= OPEN_NEAR_SPLIT
        if opened * move < 0.0 or not (exact or max(off, off_at_open) <= near):
            return ""
        if path.volume is not None:
            usual = median_around(path.volume, row, row + 1) * (ratio if move < 0.0 else 1.0)
            if path.volume[row] > 3.0 * usual:
                return ""
        return SPLITS[ratio] if move < 0.0 else ":".join(reversed(SPLITS[ratio].split(":")))


class Wick(Rule):
    """A high or low far beyond open and close and beyond the bars before and after: a bad print or a flash crash."""

    name = "wick"
    severity = "warning"

    def find(self, rows: Rows) -> Iterator[Hit]:
        if len(rows.prices) < 4 or len(rows.live) < 3:
            return
        path = Path(rows, rows.actions)
        opens, closes = (np.log(rows.prices[name]) + path.shift for name in ("open", "close"))
        tops, bottoms = np.maximum(opens, closes), np.minimum(opens, closes)
        over = path.high - np.maximum.reduce([tops, _beside(path.high, 1), _beside(path.high, -1)])
        under = np.minimum.reduce([bottoms, _beside(path.low, 1), _beside(path.low, -1)]) - path.low
        spans = path.high - path.low
        for row in np.flatnonzero(np.maximum(over, under) >= LEAST_WICK[rows.bar]).tolist():
            far = max(over[row], under[row])
            if far >= WICK_RANGES * median_around(spans, row, row + 1):
                side, way = ("high", "above") if over[row] >= under[row] else ("low", "below")
                beyond = abs(np.expm1(far if side == "high" else -far))
                had = ", ".join(f"{name} {rows.prices[name][row]:g}" for name in (side, "open", "close"))
                detail = f"{had}: {beyond:.0%} {way} all around; stops would fill there"
                yield hit(rows, rows.live[row : row + 1], detail)


class Exchanged(Rule):
    """Opens that are closes, and closes that are opens: columns under each other's names."""

    name = "exchanged"
    severity = "warning"

    def find(self, rows: Rows) -> Iterator[Hit]:
        if not {"open", "close"} <= rows.prices.keys():
            return
        steps = OpenClose.of(rows.prices["open"], rows.prices["close"])
        if steps.exchanged:
            detail = (
                f"in {steps.share:.0%} of the bars the open is farther from the close before it than the close is from "
                "the open before it: open and close look exchanged; remove it and import it with the right header"
            )
            yield hit(rows, rows.live, detail)


def _beside(values: npt.NDArray[np.float64], step: int) -> npt.NDArray[np.float64]:
    """Values of the row before (1) or after (-1); the row's own where there is none."""
    moved = np.roll(values, step)
    moved[0 if step > 0 else -1] = values[0 if step > 0 else -1]
    return moved
