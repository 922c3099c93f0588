"""The steps of a run and the bars of each symbol along them: what depends on data alone, worked out once.

A *step* is a moment at which any data of a run has a bar; steps are numbered from 0 and stretches of them are
half-open, ``[first, end)``. Books, gate and analyzers that leap over steps read their bars here.
"""

from __future__ import annotations

import datetime as dt
import functools
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
EPOCH_ORDINAL = 719_163  # of 1970-01-01, the base of backtrader's day numbers
_DAY_US = 86_400_000_000
_KEPT = 20_000  # moments
_SHORT = 100  # items for which a list is quicker than an array


class SymbolBars:
    """The bars of one symbol along the steps.

    ``rows``: for each step the bar's position in the columns, -1 before the first bar; a step on which it does not
    grow has no new bar. ``high``, ``low``, ``close`` are by step: of the last bar until then, NaN before the first.
    """

    def __init__(self, rows: Integers, high: Floats, low: Floats, close: Floats) -> None:
        plain = len(rows) == len(close) and bool((rows == np.arange(len(rows))).all())
        self.high, self.low, self.close = (
            column if plain else np.where(rows >= 0, column[rows], np.nan) for column in (high, low, close)
        )
        self.fresh: Flags | None = None  # steps with a new bar; None = all of them
        if not plain:
            self.fresh = np.diff(rows, prepend=-1) > 0
        self.is_finite = bool(np.isfinite(self.close).all())

    @functools.cached_property
    def closes(self) -> list[float]:
        """``close`` as a list: single items of it are cheap."""
        closes: list[float] = self.close.tolist()
        return closes

    @functools.cached_property
    def top(self) -> Floats:
        """Largest of high, low and close, those that are numbers."""
        return np.fmax(np.fmax(self.high, self.low), self.close)

    @functools.cached_property
    def bottom(self) -> Floats:
        """Smallest of high, low and close, those that are numbers."""
        return np.fmin(np.fmin(self.high, self.low), self.close)

    @functools.cached_property
    def _ends(self) -> tuple[list[float], list[float]]:
        """``top`` and ``bottom`` as lists; empty where one of them is no number."""
        top, bottom = self.top, self.bottom
        if np.isnan(top).any() or np.isnan(bottom).any():
            return [], []
        return top.tolist(), bottom.tolist()

    def extremes(self, first: int, end: int) -> tuple[float, float]:
        """Largest of ``top`` and smallest of ``bottom`` in a stretch, of those that are numbers."""
        tops, bottoms = self._ends
        if tops and end - first < _SHORT:
            return max(tops[first:end]), min(bottoms[first:end])
        return float(np.fmax.reduce(self.top[first:end])), float(np.fmin.reduce(self.bottom[first:end]))

    @functools.cached_property
    def _made(self) -> list[int]:
        """Bars before each step; one item more than there are steps."""
        fresh = np.ones(len(self.close), dtype=bool) if self.fresh is None else self.fresh
        return [0, *np.cumsum(fresh).tolist()]

    def count(self, first: int, end: int) -> int:
        """New bars in a stretch."""
        return end - first if self.fresh is None else self._made[end] - self._made[first]

    def last_until(self, step: int) -> int:
        """The last step up to this one with a new bar; -1 where there is none."""
        return step if self.fresh is None else bisect_left(self._made, self._made[step + 1]) - 1

    def first_in(self, first: int, end: int) -> int:
        """The first step of a stretch with a new bar; ``end`` where there is none."""
        if self.fresh is None:
            return first
        return first + int(np.argmax(self.fresh[first:end])) if self.count(first, end) else end


class Steps:
    """The steps of a run.

    ``numbers``: their backtrader day numbers, ascending. ``bars``: symbol -> its bars along them.
    """

    def __init__(self, numbers: Floats, bars: Mapping[str, SymbolBars]) -> None:
        self.numbers = numbers
        self.bars = dict(bars)
        self._moments: dict[int, dt.datetime] = {}  # step -> its moment, of those that were asked for lately
        self.cache: dict[Any, Any] = {}  # what others work out of these steps alone, by a key of theirs

    def __len__(self) -> int:
        return len(self.numbers)

    @functools.cached_property
    def moments(self) -> Integers:
        """Microseconds since 1970-01-01 UTC, as ``bt.num2date`` reads the numbers: cut off, a fringe rounded."""
        days = np.trunc(self.numbers)
        fraction, hours = np.modf(24.0 * (self.numbers - days))
        fraction, minutes = np.modf(60.0 * fraction)
        fraction, seconds = np.modf(60.0 * fraction)
        micros = (1e6 * fraction).astype(np.int64)
        micros[micros < 10] = 0
        micros[micros > 999_990] = 1_000_000
        whole = ((hours * 60.0 + minutes) * 60.0 + seconds).astype(np.int64)
        return (days.astype(np.int64) - EPOCH_ORDINAL) * _DAY_US + whole * 1_000_000 + micros

    @functools.cached_property
    def seconds(self) -> Floats:
        """``datetime.timestamp()`` of each step."""
        return self.moments / 1e6

    @functools.cached_property
    def days(self) -> list[int]:
        """Proleptic ordinal of the UTC date of each step."""
        ordinals: list[int] = (self.moments // _DAY_US + EPOCH_ORDINAL).tolist()
        return ordinals

    @functools.cached_property
    def days_passed(self) -> list[int]:
        """Calendar days since the step before; 0 on the first one and within a day."""
        days = np.asarray(self.days)
        passed: list[int] = np.diff(days, prepend=days[:1]).tolist()
        return passed

    def when(self, step: int) -> dt.datetime:
        """The moment of a step, aware UTC."""
        when = self._moments.get(step)
        if when is None:
            if len(self._moments) >= _KEPT:
                self._moments.clear()
            when = self._moments[step] = _EPOCH + dt.timedelta(microseconds=int(self.moments[step]))
        return when
