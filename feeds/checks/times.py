"""Rules about the times of bars: twice the same, where the exchange was closed, and dates that cannot be right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from feeds.checks.gaps import COARSE
from feeds.checks.local import scales_at
from feeds.checks.rows import Rows
from feeds.checks.rule import Flags, Hit, Positions, Rule, Values, hit, live_runs

WRONG_CALENDAR = 0.25  # share of rows on closed days: 24/7 markets have 31% on XNYS, Sunday rows of currencies are 17%
ORDINARY = 6.0  # deviations from the neighbours within which a row may well be right
CLEARLY = 5.0  # times as far as that, and as the other row, is plainly wrong
_DATES_CURE = "If so, remove it and import it with the right dates"
FIRST_YEAR = 1900  # daily bars hardly reach further back, and 1899-12-30 is day 0 of spreadsheets


class Duplicate(Rule):
    """Several rows of one time."""

    name = "duplicate"
    severity = "error"
    repair = "drop"

    def find(self, rows: Rows) -> Iterator[Hit]:
        us = rows.us[rows.live]
        starts = np.flatnonzero(np.r_[True, np.diff(us) != 0])
        sizes = np.diff(np.r_[starts, len(us)])
        groups = _Groups.of(starts[sizes > 1], sizes[sizes > 1])
        if not len(groups.starts):
            return
        positions, prices = rows.live[groups.members].tolist(), rows.price[groups.members].tolist()
        answers = (groups.equal(rows), groups.busiest(rows), groups.fitting(rows), us[groups.starts], groups.sizes)
        end = 0
        for equal, busiest, fitting, time, size in zip(*(answer.tolist() for answer in answers), strict=True):
            begin, end = end, end + size
            count = f"{size} rows of one time"
            if equal:
                kept, detail = 0, f"{count}, equal to each other; one is kept"
            elif busiest >= 0:
                kept, detail = busiest, f"{count} with the same close; the one with the larger volume is kept"
            elif fitting >= 0:
                differing = ", ".join(f"{value:g}" for value in prices[begin:end])
                detail = f"{count} that differ (close {differing}); the one that fits its neighbours is kept"
                kept = fitting
            else:
                kept, detail = size - 1, f"{count} that differ; the last is kept, as a correction would be"
            group = positions[begin:end]
            del group[kept]
            yield Hit(time, time, size, detail, drop=tuple(group))


@dataclass(frozen=True)
class _Groups:
    """Live rows that share their time with others. Rows of a group are counted from 0."""

    starts: Positions  # of each group: its first row among the live ones
    sizes: Positions  # of each group
    members: Positions  # all rows of all groups among the live ones, in their order
    firsts: Positions  # of each group: its first row among the members

    @classmethod
    def of(cls, starts: Positions, sizes: Positions) -> _Groups:
        firsts = np.cumsum(sizes) - sizes
        return cls(starts, sizes, np.arange(sizes.sum()) + np.repeat(starts - firsts, sizes), firsts)

    def equal(self, rows: Rows) -> Flags:
        """Whether all rows of a group are the same."""
        same = np.ones(len(self.members), dtype=np.bool_)
        for column in rows.now.values():
            values = column[rows.live[self.members]]
            of_first = np.repeat(values[self.firsts], self.sizes)
            same &= (values == of_first) | (np.isnan(values) & np.isnan(of_first))
        return np.logical_and.reduceat(same, self.firsts)

    def busiest(self, rows: Rows) -> Positions:
        """The last row of each group of one close with its largest volume; -1 where closes differ or volumes lack."""
        if rows.volume is None:
            return np.full(len(self.starts), -1)
        price, volume = rows.price[self.members], rows.volume[self.members]
        one = np.maximum.reduceat(price, self.firsts) == np.minimum.reduceat(price, self.firsts)
        most = np.repeat(np.maximum.reduceat(volume, self.firsts), self.sizes)
        return np.where(one, np.maximum.reduceat(np.where(volume == most, self._number, -1), self.firsts), -1)

    def fitting(self, rows: Rows) -> Positions:
        """The row of each group that lies at its neighbours while no other one does; -1 where there is none."""
        away = self._distance(rows)
        least = np.minimum.reduceat(away, self.firsts)
        bound = CLEARLY * np.maximum(least, ORDINARY)
        far = np.add.reduceat((away > np.repeat(bound, self.sizes)).astype(np.intp), self.firsts)
        nearest = np.where(away == np.repeat(least, self.sizes), self._number, len(self.members))
        return np.where(far == self.sizes - 1, np.minimum.reduceat(nearest, self.firsts), -1)

    @property
    def _number(self) -> Positions:
        """Of each member: which row of its group it is."""
        return np.arange(len(self.members)) - np.repeat(self.firsts, self.sizes)

    def _distance(self, rows: Rows) -> Values:
        """How far the prices of each member lie from the rows before and after its group, in ordinary moves.

        0 where there is no saying what is ordinary, or where nothing moves.
        """
        log, last = np.log(rows.price), self.starts + self.sizes
        low, high = (np.log(column[self.members]) for column in rows.extent)
        away = np.full(len(self.members), np.nan)
        for beside, there in ((self.starts - 1, self.starts > 0), (last, last < len(log))):
            level = np.repeat(np.where(there, log[np.where(there, beside, 0)], np.nan), self.sizes)
            away = np.fmin(away, np.maximum(np.abs(low - level), np.abs(high - level)))
        scale = scales_at(np.diff(log), self.starts, last)
        return np.nan_to_num(away / np.repeat(np.where(scale > 0.0, scale, np.inf), self.sizes), nan=0.0)


class OddDate(Rule):
    """Bars of the future, and of times before all markets: dates that were read wrongly. They are kept."""

    name = "odd_date"
    severity = "warning"
    as_it_came = True

    def find(self, rows: Rows) -> Iterator[Hit]:
        early = rows.us < np.datetime64(f"{FIRST_YEAR}-01-01", "us").astype(np.int64)
        now = f"{rows.asked:%Y-%m-%d}" if rows.daily else f"{rows.asked:%Y-%m-%d %H:%M} UTC"
        for odd, what in (
            (early, f"before {FIRST_YEAR}: was the year read wrongly?"),
            (rows.future, f"of the future (now it is {now}): were day and month exchanged, or the year read wrongly?"),
        ):
            at = np.flatnonzero(odd)
            if len(at):
                yield hit(rows, at, f"{_bars(len(at))} {what} {_DATES_CURE}")


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
        if rows.spacing >= COARSE and closed.any():
            at = live[closed]
            yield hit(rows, at, f"{len(at)} of {len(live)} bars on days without a session of {code}, as the labels of "
                                "weeks and months may be: nothing is dropped", "warning")  # fmt: skip
        elif len(live) > 10 and np.count_nonzero(closed) > WRONG_CALENDAR * len(live):
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
            first, last = rows.calendar.first, rows.calendar.last
            detail = f"{_bars(len(beyond))} not judged: the calendar of {code} reaches from {first} to {last} alone"
            yield hit(rows, beyond, detail, "note")


def _span(rows: Rows, at: Positions) -> str:
    first, last = (f"{rows.stamp(int(rows.us[position])):%Y-%m-%d}" for position in (at[0], at[-1]))
    return first if first == last else f"{first} to {last}"


def _bars(count: int) -> str:
    return "1 bar" if count == 1 else f"{count} bars"
