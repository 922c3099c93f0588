"""Rules about rows that stand apart and return: single wrong prices, and rows of another company.

What tells them from a crash or a rally: the price comes back to where it was, nothing was traded on the way out or
back, and no more was traded than usual. A real crash stays, or is traded through, or has the volume of news.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from feeds.checks.local import scale_at, scales_at
from feeds.checks.path import LARGE, Path
from feeds.checks.rows import Rows
from feeds.checks.rule import Hit, Positions, Rule, hit

DEVIATIONS = 12.0  # robust ones, both out and back
LEAST = {"1d": 0.03, "1h": 0.02, "1m": 0.01, "1s": 0.005}  # log return below which nothing is called a spike
LONGEST = 3  # bars of a spike; more are a block
CANCELS = 0.25  # of the way out may be left after the way back
FACTOR = np.log(2.0)  # a block under half or twice the price is not told from a market
DRIFT = 10.0  # deviations, times the root of the bars, that a price may drift unseen: news may fall into the block


class Spike(Rule):
    """One to three bars at a price that is left and regained at once."""

    name = "spike"
    severity = "error"
    repair = "drop"

    def find(self, rows: Rows) -> Iterator[Hit]:
        if len(rows.live) < 3:
            return
        path = Path(rows, rows.actions)
        least = LEAST[rows.bar]
        steps = np.flatnonzero(np.abs(path.returns) >= least) + 1
        done = -1
        for row, back in zip(steps.tolist(), self._backs(path, steps, least).tolist(), strict=True):
            if row > done and back:
                done = back
                if self._gaps(path, row, back) or abs(path.returns[row - 1]) >= LARGE:
                    yield self._hit(rows, path, row, back)

    def _gaps(self, path: Path, row: int, back: int) -> bool:
        """Whether nothing was traded between the spike and its surroundings."""
        return path.apart(row) and path.apart(back)

    def _backs(self, path: Path, first: Positions, least: float) -> Positions:
        """For each spike that may begin at ``first``: the first row after it; 0 where there is none."""
        before, away = path.level[first - 1], path.returns[first - 1]
        backs, nearest = np.zeros_like(first), np.full(len(first), np.inf)
        for bars in range(1, LONGEST + 1):
            back = np.minimum(first + bars, len(path.level) - 1)
            home = path.returns[back - 1]
            nearest = np.minimum(nearest, np.abs(path.level[back - 1] - before))  # of the bars of the spike
            returned = (backs == 0) & (first + bars < len(path.level)) & (np.abs(home) >= least) & (home * away <= 0.0)
            returned &= np.abs(path.level[back] - before) <= CANCELS * np.minimum(np.abs(away), np.abs(home))
            at = np.flatnonzero(returned)
            bound = DEVIATIONS * scales_at(path.returns, first[at], back[at])
            clear = np.minimum(np.abs(home), nearest)[at] >= np.maximum(bound, least)
            backs[at[clear]] = back[at[clear]]
        return backs

    def _hit(self, rows: Rows, path: Path, row: int, back: int) -> Hit:
        at = rows.live[row:back]
        before, price, after = rows.price[row - 1], rows.price[row], rows.price[back]
        detail = f"{price:g} between {before:g} and {after:g}"
        doubt = ""
        if not self._gaps(path, row, back):
            doubt = "but it was traded on the way"
        elif path.traded_more(row, row, back) or path.traded_more(back, row, back):
            doubt = "but the volume is that of news"
        elif not rows.in_hours[at].all() and rows.known[at].all():
            doubt = "but outside of hours, where single trades are far off"
        if doubt:
            large = abs(path.returns[row - 1]) >= LARGE
            return hit(rows, at, f"{detail}, {doubt}: kept", "warning" if large else "note")
        return hit(rows, at, f"{detail}: it leaves and returns at once, with a gap on both sides", drop=True)


class ForeignRows(Rule):
    """A block of rows at another price level, as another company's rows under this symbol."""

    name = "foreign_rows"
    severity = "error"
    repair = "drop"

    def find(self, rows: Rows) -> Iterator[Hit]:
        if len(rows.live) < LONGEST + 3:
            return
        # Actions read from adj_close come from these very rows: the edge of a block looks like a split there
        path = Path(rows, [action for action in rows.actions if action.source != "adj_close"])
        steps = np.flatnonzero(np.abs(path.returns) >= 0.9 * FACTOR) + 1
        blocks, done = [], 0
        for row in steps.tolist():
            if row > done and (back := self._back(path, row, steps)):
                blocks.append((row, back))
                done = back
        strange = sum(back - row for row, back in blocks)
        for row, back in blocks:
            yield self._hit(rows, path, row, back, most=2 * strange >= len(rows.live))

    def _back(self, path: Path, row: int, steps: Positions) -> int:
        """The first row after the block that begins at ``row``; 0 where there is none."""
        before, away = path.level[row - 1], path.returns[row - 1]
        if abs(away) < FACTOR or not path.apart(row):
            return 0
        for back in steps[steps > row + LONGEST].tolist():
            left = abs(path.level[back] - before)
            home = path.returns[back - 1]
            if home * away > 0.0 or left > CANCELS * abs(away) or not path.apart(back):
                continue
            scale = scale_at(path.returns, row, back)
            if abs(away) >= DEVIATIONS * scale and left <= DRIFT * scale * np.sqrt(back - row + 1.0):
                return int(back)
        return 0

    def _hit(self, rows: Rows, path: Path, row: int, back: int, *, most: bool) -> Hit:
        factor = float(np.exp(path.returns[row - 1]))
        ratio = f"{factor:.3g}" if factor > 1.0 else f"1/{1.0 / factor:.3g}"
        detail = f"{back - row} bars at {ratio} of the price before ({rows.price[row - 1]:g}), which then returns"
        at = rows.live[row:back]
        if most:
            return hit(rows, at, f"{detail}; as they are most of the series, which rows are the other "
                                 "company's is not known: kept", "warning")  # fmt: skip
        if path.traded_more(row, row, back) or path.traded_more(back, row, back):
            return hit(rows, at, f"{detail}, but the volume at an edge is that of news: kept", "warning")
        mixed = [edge for edge, inside in ((row - 1, row), (back, back - 1)) if self._mixed(rows, path, edge, inside)]
        if mixed:
            at = rows.live[min(row, *mixed) : max(back, *(edge + 1 for edge in mixed))]
            dates = ", ".join(f"{rows.stamp(int(rows.us[rows.live[edge]])):%Y-%m-%d}" for edge in mixed)
            detail = f"{detail}; {dates} has the adj_close of these rows and goes with them"
        return hit(rows, at, f"{detail}: rows of another company", drop=True)

    def _mixed(self, rows: Rows, path: Path, edge: int, inside: int) -> bool:
        """Whether the row beside a block has the block's adj_close: it is made of both companies."""
        adjusted = rows.column("adj_close")
        if adjusted is None or not adjusted[edge] > 0.0:
            return False
        apart = abs(path.level[edge] - path.level[inside])
        beyond = 2 * edge - inside  # the row on the other side of the edge
        if 0 <= beyond < len(adjusted) and adjusted[beyond] > 0.0:
            own = np.log(adjusted[beyond] / rows.price[beyond]) - np.log(adjusted[edge] / rows.price[edge])
            if abs(own) < CANCELS * apart:  # adj_close stands so to the close there too: adjusted for later splits
                return False
        return bool(abs(np.log(adjusted[edge] / rows.price[inside])) < CANCELS * apart)
