"""Rules about the times of bars: twice the same, and where the exchange was closed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from feeds.checks.local import NEIGHBOURS, scale_at
from feeds.checks.rows import Rows
from feeds.checks.rule import Hit, Positions, Rule, Values, hit, live_runs

WRONG_CALENDAR = 0.25  # share of rows on closed days: 24/7 markets have 31% on XNYS, Sunday rows of currencies are 17%
ORDINARY = 6.0  # deviations from the neighbours within which a row may well be right
CLEARLY = 5.0  # times as far as that, and as the other row, is plainly wrong


class Duplicate(Rule):
    """Several rows of one time."""

    name = "duplicate"
    severity = "error"
    repair = "drop"

    def find(self, rows: Rows) -> Iterator[Hit]:
        us = rows.us[rows.live]
        starts = np.flatnonzero(np.r_[True, np.diff(us) != 0])
        sizes = np.diff(np.r_[starts, len(us)])
        for start, size in zip(starts[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
            yield self._at(rows, np.arange(start, start + size))

    def _at(self, rows: Rows, group: Positions) -> Hit:
        """``group``: numbers among the live rows."""
        table = np.vstack([column[rows.live[group]] for column in rows.now.values()])
        count = f"{len(group)} rows of one time"
        if all(np.array_equal(table[:, 0], table[:, other], equal_nan=True) for other in range(1, len(group))):
            return self._keep(rows, group, 0, f"{count}, equal to each other; one is kept")
        price = rows.price[group]
        if np.ptp(price) == 0.0 and rows.volume is not None:
            kept = len(group) - 1 - int(np.argmax(rows.volume[group][::-1]))
            return self._keep(rows, group, kept, f"{count} with the same close; the one with the larger volume is kept")
        away = _distance(rows, group)
        nearest = int(np.argmin(away))
        if np.all(np.delete(away, nearest) > CLEARLY * max(away[nearest], ORDINARY)):
            prices = ", ".join(f"{value:g}" for value in price)
            return self._keep(
                rows, group, nearest, f"{count} that differ (close {prices}); the one that fits its neighbours is kept"
            )
        return self._keep(
            rows, group, len(group) - 1, f"{count} that differ; the last is kept, as a correction would be"
        )

    def _keep(self, rows: Rows, group: Positions, kept: int, detail: str) -> Hit:
        positions = rows.live[group]
        return Hit(
            int(rows.us[positions[0]]), int(rows.us[positions[0]]), len(group), detail,
            drop=tuple(np.delete(positions, kept).tolist()),
        )  # fmt: skip


class ClosedSession(Rule):
    """Rows of days on which the exchange was closed. Bars before and after hours are a note."""

    name = "closed_session"
    severity = "error"
    repair = "drop"

    def find(self, rows: Rows) -> Iterator[Hit]:
        live = rows.live
        days, sessions = rows.local_day[live], rows.session_days
        near = np.minimum(np.searchsorted(sessions, days), len(sessions) - 1)
        closed = rows.known[live] & ~rows.in_hours[live] & (sessions[near] != days)
        code = rows.calendar.code
        if len(live) > 10 and np.count_nonzero(closed) > WRONG_CALENDAR * len(live):
            at = live[closed]
            yield hit(rows, at, f"{len(at)} of {len(live)} bars on days without a session of {code}: "
                                "the exchange is probably another one, and nothing is dropped", "warning")  # fmt: skip
        else:
            for run in live_runs(rows, closed):
                yield hit(rows, run, f"no session of {code} on {_span(rows, run)}", drop=True)
        extended = live[rows.known[live] & ~rows.in_hours[live] & ~closed]
        if len(extended):
            yield hit(rows, extended, f"{len(extended)} bars before or after the hours of {code}", "note")
        beyond = live[~rows.known[live]]
        if len(beyond):
            yield hit(rows, beyond, f"the calendar of {code} does not reach {len(beyond)} bars: not judged", "note")


def _distance(rows: Rows, group: Positions) -> Values:
    """How far the prices of each row lie from the rows before and after the group, in ordinary moves."""
    first, last = int(group[0]), int(group[-1]) + 1
    around = [number for number in (first - 1, last) if 0 <= number < len(rows.price)]
    if not around:
        return np.ones(len(group))
    low, high = (np.log(column[group])[:, None] for column in rows.extent)
    level = np.log(rows.price[around])
    away = np.maximum(np.abs(low - level), np.abs(high - level)).min(axis=1)
    start = max(first - NEIGHBOURS - 1, 0)
    returns = np.diff(np.log(rows.price[start : last + NEIGHBOURS + 1]))
    return away / scale_at(returns, first - start, last - start)


def _span(rows: Rows, at: Positions) -> str:
    first, last = (f"{rows.stamp(int(rows.us[position])):%Y-%m-%d}" for position in (at[0], at[-1]))
    return first if first == last else f"{first} to {last}"
