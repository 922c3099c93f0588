"""Rules about bars that are not there. They are reported; nothing is ever invented in their place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feeds.checks.rows import DAY, Rows
from feeds.checks.rule import Flags, Hit, Rule, hit, runs
from feeds.hours import SECONDS

SPARSE = 0.9  # of the bars a session could have: below it, bars without a trade are what is normal
COARSE = 5.0  # sessions from bar to bar, median, from which on bars are not daily: weeks with a holiday have 4
SIZES = {"weekly": (6, 8), "monthly": (28, 31), "quarterly": (89, 92), "yearly": (365, 366)}  # days from bar to bar
ENOUGH_SESSIONS = 5  # after so many, a time of day that mostly has no bar is a pause of the exchange

Numbers = npt.NDArray[np.int64]


class NotDaily(Rule):
    """Weekly or monthly bars that are stored as daily ones: their gaps are no missing sessions."""

    name = "not_daily"
    severity = "warning"
    as_it_came = True

    def find(self, rows: Rows) -> Iterator[Hit]:
        if rows.spacing < COARSE:
            return
        days = float(np.median(np.diff(np.unique(rows.us)))) / DAY
        size = next((name for name, (least, most) in SIZES.items() if least <= days <= most), "other")
        detail = (
            f"bars come once in {rows.spacing:g} sessions of {rows.calendar.code}: {size} bars? A run takes each for "
            "a day; remove it and import daily ones, unless that is meant. Missing sessions are not counted"
        )
        yield hit(rows, rows.live, detail)


class MissingSession(Rule):
    """Sessions between the first and the last bar without a single one."""

    name = "missing_session"
    severity = "warning"
    as_it_came = True

    def find(self, rows: Rows) -> Iterator[Hit]:
        present = np.unique(rows.session[rows.counted])
        if not len(present) or rows.spacing >= COARSE:
            return
        absent = np.setdiff1d(np.arange(present[0], present[-1]), present, assume_unique=True)
        for run in runs(absent):
            times = rows.session_days[run] if rows.daily else _us(rows.calendar.hours_of(run)[1])
            noun = "session" if len(run) == 1 else "sessions"
            detail = f"no bar in {len(run)} {noun} of {rows.calendar.code}"
            yield Hit(int(times[0]), int(times[-1]), len(run), detail)


class MissingBars(Rule):
    """Intraday bars that are missing inside a session, between the first and the last bar of the series."""

    name = "missing_bars"
    severity = "warning"
    as_it_came = True

    def find(self, rows: Rows) -> Iterator[Hit]:
        if rows.daily or not rows.counted.any():
            return
        grid = _grid(rows)
        missing = ~grid.there & grid.expected()
        by_session = np.add.reduceat(missing.astype(np.int64), grid.starts)
        if not by_session.any():
            return
        if rows.bar == "1s" or float(np.median(1.0 - by_session / grid.lengths)) < SPARSE:
            at = np.flatnonzero(missing)
            share = 1.0 - len(at) / len(missing)
            detail = f"{share:.0%} of the bars of the sessions are there: few trades, not a fault"
            yield Hit(int(grid.times[at[0]]), int(grid.times[at[-1]]), len(at), detail, "note")
            return
        for session in np.flatnonzero(by_session).tolist():
            start, length = int(grid.starts[session]), int(grid.lengths[session])
            at = start + np.flatnonzero(missing[start : start + length])
            detail = f"{len(at)} of {length} bars of the session missing"
            yield Hit(int(grid.times[at[0]]), int(grid.times[at[-1]]), len(at), detail)


@dataclass(frozen=True)
class _Grid:
    """All slots in which bars could end, session after session, in one line."""

    starts: Numbers  # of each session: its first slot in the line
    lengths: Numbers  # of each session
    of_day: Numbers  # of each slot: its number within a whole session
    times: Numbers  # of each slot: its end, not after the close of its session; microseconds
    there: Flags  # of each slot: whether it has a bar

    def expected(self) -> Flags:
        """Whether the time of day of a slot has bars in most sessions: a midday pause has none."""
        if len(self.starts) < ENOUGH_SESSIONS:
            return np.ones(len(self.there), dtype=np.bool_)
        have = np.bincount(self.of_day, weights=self.there.astype(np.float64))
        return (2.0 * have >= np.bincount(self.of_day))[self.of_day]


def _grid(rows: Rows) -> _Grid:
    """Slots are multiples of the bar size, from the phase that most bars share: hours may count from 9:00 or 9:30."""
    us, of_bar = rows.us[rows.counted], rows.session[rows.counted]
    size = SECONDS[rows.bar] * 1_000_000
    phases, counts = np.unique(us % size, return_counts=True)
    phase = int(phases[np.argmax(counts)])
    sessions = np.unique(of_bar)
    opens, closes = (_us(index) for index in rows.calendar.hours_of(sessions))
    opening, last = _slots(opens + 1, size, phase), _slots(closes, size, phase)
    first = opening.copy()
    first[0], last[-1] = _slots(us[:1], size, phase)[0], _slots(us[-1:], size, phase)[0]
    lengths = last - first + 1
    starts = np.cumsum(lengths) - lengths
    slot = np.arange(int(lengths.sum())) + np.repeat(first - starts, lengths)
    there = np.zeros(len(slot), dtype=np.bool_)
    number = np.searchsorted(sessions, of_bar)
    there[starts[number] + _slots(us, size, phase) - first[number]] = True
    times = np.minimum(slot * size + phase, np.repeat(closes, lengths))
    return _Grid(starts, lengths, slot - np.repeat(opening, lengths), times, there)


def _slots(us: Numbers, size: int, phase: int) -> Numbers:
    """The slot in which a bar with this close ends: the last bar of a session may close before its slot does."""
    return -((phase - us) // size)


def _us(index: object) -> Numbers:
    """Times of an index in microseconds since 1970."""
    return np.asarray(index, dtype="datetime64[us]").astype(np.int64)
