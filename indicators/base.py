"""What all indicators share: how bars become observations, and the two ways through backtrader.

An *observation* is a bar of data0 on which every input has a finite value (a positive one, where logarithms are
taken); for two datas also a bar that both have at the same time. Other bars give NaN and leave no trace: the next
observation carries on as if they had not been. So a hole in the data costs one value, not a window of them and not
everything after it.

``next`` (a bar at a time, live) and ``once`` (all of history) call the same kernel on the same observations; no
indicator reads another's lines in ``next``, because sub-indicators do not advance when backtrader runs ``once``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import backtrader as bt
import numpy as np

from core.errors import SettingsError, StrategyError, UnknownNameError, did_you_mean
from indicators.recall import RECALL, digest

Array = np.ndarray[Any, np.dtype[np.float64]]
Row = tuple[float, ...]

CHUNK = 24_000  # window elements held at a time, so that several temporaries stay in a core's own cache


class ObservedIndicator(bt.Indicator):
    """Base of all indicators. A subclass declares inputs, bounds of its parameters, and a kernel."""

    inputs: ClassVar[tuple[tuple[int, str], ...]] = ((0, ""),)  # (data number, line); "" = the data's first line
    bounds: ClassVar[dict[str, tuple[type, float]]] = {"period": (int, 2)}  # parameter -> (type, least value)

    positive: ClassVar[bool] = False  # prices must be above 0, as they must be with a parameter ``log``

    # ---- declared by subclasses ------------------------------------------------------------------

    @classmethod
    def window(cls, p: Any) -> int:
        """Observations that the first value needs, with the parameters ``p``."""
        return int(p.period)

    @classmethod
    def settle(cls, p: Any) -> int:
        """Observations after which the start of the series matters less than 1e-9 of the value."""
        return cls.window(p)

    # ---- public ----------------------------------------------------------------------------------

    @classmethod
    def settle_bars(cls, params: Any = None) -> int:
        """Bars until the start-up effect is below 1e-9 relative.

        ``params`` is a mapping, a backtrader params object or None; what it does not name has its default.
        """
        return cls.settle(cls._filled(params))

    @classmethod
    def forgets(cls, params: Any = None) -> bool:
        """Whether the start of the series ever ceases to matter; if not, ``settle_bars`` is a convention."""
        return True

    @classmethod
    def min_bars(cls, params: Any = None) -> int:
        """Bars until the first value: the indicator's minimum period on a plain data."""
        return cls.window(cls._filled(params))

    @classmethod
    def _filled(cls, params: Any) -> SimpleNamespace:
        values = dict(cls.params._getpairs())
        if params is not None:
            given = params if isinstance(params, Mapping) else params._getkwargs()
            for name in given:
                if name not in values:
                    raise UnknownNameError(f"{cls.__name__} has no parameter '{name}'{did_you_mean(name, values)}")
            values.update(given)
        return SimpleNamespace(**values)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        name = type(self).__name__
        known = self.p._getkwargs()
        for key in kwargs:
            raise UnknownNameError(f"{name} has no parameter '{key}'{did_you_mean(key, known)}")
        if args:
            raise SettingsError(f"{name} takes its parameters by name, got {args!r}; parameters: {', '.join(known)}")
        for key, (kind, least) in self.bounds.items():
            value = known[key]
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if kind is int and not whole:
                raise SettingsError(f"{name}: {key} = {value!r} is not a whole number")
            if kind is float and not (whole or (isinstance(value, float) and math.isfinite(value))):
                raise SettingsError(f"{name}: {key} = {value!r} is not a finite number")
            if value < least:
                raise SettingsError(f"{name}: {key} = {value!r} is below its least value {least}")
        self.check(self.p)
        needed = 1 + max(number for number, _ in self.inputs)
        if len(self.datas) < needed:
            raise StrategyError(f"{name} needs {needed} datas, got {len(self.datas)}; pass {name}(y, x, ...)")
        self._sources = [self._input(number, line) for number, line in self.inputs]
        feeds = [_feed(self.datas[number], name) for number in range(needed)] if needed > 1 else []
        self._clocks = [feed.lines.datetime for feed in feeds]  # times to be matched; none for a single data
        self._partners = feeds[1:]
        self._log = bool(getattr(self.p, "log", False))  # kernels then get natural logarithms
        self._positive = self.positive or self._log
        self._bar = -1  # length of this indicator at the bar that the pending observation belongs to
        self._reset()
        self.addminperiod(self.window(self.p))

    @classmethod
    def check(cls, p: Any) -> None:
        """Raise SettingsError where parameters contradict each other. The default accepts."""

    def _input(self, number: int, line: str) -> Any:
        lines = self.datas[number].lines
        if not line:
            return lines[0]
        if not hasattr(lines, line):
            raise StrategyError(f"{type(self).__name__} needs a data with high, low and close; '{line}' is missing")
        return getattr(lines, line)

    # ---- a bar at a time -------------------------------------------------------------------------

    def _row(self) -> Row | None:
        """The observation of the current bar, or None where there is none."""
        if self._clocks:
            if not all(len(partner) for partner in self._partners):
                return None
            now = self._clocks[0][0]
            if any(clock[0] != now for clock in self._clocks[1:]):
                return None
        row = tuple(source[0] for source in self._sources)
        if not all(map(math.isfinite, row)) or (self._positive and min(row) <= 0.0):
            return None
        return tuple(map(math.log, row)) if self._log else row

    def prenext(self) -> None:
        self._observe()

    def next(self) -> None:
        values = self._observe()
        if values is not None:
            for line, value in zip(self.lines, values, strict=True):
                line[0] = value

    def _observe(self) -> Row | None:
        # backtrader calls next again on the same bar when another data moves alone, when the partner's bar of this
        # time arrives late (live), and on each tick of a replayed bar: until the bar is over it is provisional
        row, length = self._row(), len(self)
        if length != self._bar:
            self._bar = length
            self._commit()
        return None if row is None else self._update(row)

    def _reset(self) -> None:
        raise NotImplementedError

    def _commit(self) -> None:
        raise NotImplementedError

    def _update(self, row: Row) -> Row | None:
        raise NotImplementedError

    # ---- all of history --------------------------------------------------------------------------

    def oncestart(self, start: int, end: int) -> None:
        """Nothing: ``once`` covers the first value too."""

    def once(self, start: int, end: int) -> None:
        size = len(self.lines[0].array)
        columns = [np.array(source.array, dtype=float) for source in self._sources]
        clocks = [np.array(clock.array, dtype=float) for clock in self._clocks]
        ends = [partner.buflen() for partner in self._partners]
        key = (type(self), *self.p._getkwargs().items(), start, size, *ends, digest([*columns, *clocks]))
        known = RECALL.get(key)
        if known is None:
            known = self._computed(start, size, columns, clocks)
            RECALL.put(key, known)
        at, *lines = known
        for line, values in zip(self.lines, lines, strict=True):
            np.frombuffer(line.array, dtype=float)[at] = values

    def _computed(self, start: int, size: int, columns: list[Array], clocks: list[Array]) -> tuple[Any, ...]:
        """The bars that have values, and the values of each line on them."""
        if clocks:
            first, second = clocks
            at, partner = _matched(first[:size], second[: self._partners[0].buflen()])
            picks = [partner if number else at for number, _ in self.inputs]
            columns = [column[pick] for column, pick in zip(columns, picks, strict=True)]
        else:
            at = np.arange(size)
            columns = [column[:size] for column in columns]
        usable = np.logical_and.reduce([np.isfinite(column) for column in columns])
        if self._positive:
            usable &= np.logical_and.reduce([column > 0.0 for column in columns])
        at, columns = at[usable], [column[usable] for column in columns]
        if self._log:  # numpy's logarithm may differ from math's in the last bit
            columns = [np.array([math.log(value) for value in column.tolist()]) for column in columns]
        written = at >= start - 1  # start is the minimum period; its own bar is the one before
        if not written.any():
            return (at[written], *(np.zeros(0) for _ in self.lines))
        return (at[written], *(values[written] for values in self._batch(columns)))

    def _batch(self, columns: list[Array]) -> list[Array]:
        """Values of each line on each observation, NaN where there are too few before it."""
        raise NotImplementedError


class WindowIndicator(ObservedIndicator):
    """An indicator whose value depends on its last ``window`` observations and on nothing else."""

    @classmethod
    def kernel(cls, p: Any, *columns: Array) -> tuple[Array, ...]:
        """Values of each line for each full window of the columns (m values give m - window + 1)."""
        raise NotImplementedError

    def _reset(self) -> None:
        self._size = self.window(self.p)
        self._count = 0  # observations that are over
        self._pending = False
        self._ring = np.full((len(self.inputs), 2 * self._size), np.nan)  # written twice: any window is one slice

    def _commit(self) -> None:
        self._count += self._pending
        self._pending = False

    def _update(self, row: Row) -> Row | None:
        size, slot = self._size, self._count % self._size
        self._ring[:, slot] = self._ring[:, slot + size] = row
        self._pending = True
        if self._count + 1 < size:
            return None
        start = (slot + 1) % size
        with np.errstate(all="ignore"):
            values = self.kernel(self.p, *self._ring[:, start : start + size])
        return tuple(float(value[0]) for value in values)

    def _batch(self, columns: list[Array]) -> list[Array]:
        size, count = self.window(self.p), len(columns[0])
        out = [np.full(count, np.nan) for _ in range(self.size())]
        step = max(64, CHUNK // size)
        for first in range(0, count - size + 1, step):
            last = min(first + step, count - size + 1)
            with np.errstate(all="ignore"):
                values = self.kernel(self.p, *(column[first : last + size - 1] for column in columns))
            for line, value in zip(out, values, strict=True):
                line[first + size - 1 : last + size - 1] = value
        return out


class RecursiveIndicator(ObservedIndicator):
    """An indicator that carries a state from observation to observation."""

    @classmethod
    def initial(cls, p: Any) -> tuple[Any, ...]:
        """The state before the first observation. States are tuples and are never changed in place."""
        raise NotImplementedError

    @classmethod
    def recurse(cls, p: Any, state: tuple[Any, ...], *columns: list[float]) -> tuple[list[Row], tuple[Any, ...]]:
        """Rows of line values for each observation of the columns, and the state after the last."""
        raise NotImplementedError

    def _reset(self) -> None:
        self._settled = self._state = self.initial(self.p)  # before and after the current bar

    def _commit(self) -> None:
        self._settled = self._state

    def _update(self, row: Row) -> Row | None:
        rows, self._state = self.recurse(self.p, self._settled, *([value] for value in row))
        return rows[0]

    def _batch(self, columns: list[Array]) -> list[Array]:
        rows, _ = self.recurse(self.p, self.initial(self.p), *(column.tolist() for column in columns))
        return list(np.array(rows, dtype=float).reshape(len(rows), self.size()).T)


def _feed(data: Any, name: str) -> Any:
    """The data that carries the time of ``data``, which may be a line or an indicator."""
    seen = data
    for _ in range(32):
        if hasattr(seen.lines, "datetime"):
            return seen
        seen = getattr(seen, "_clock", None) or getattr(seen, "_owner", None)
        if seen is None:
            break
    raise StrategyError(f"{name}: an input has no datetime, so two datas cannot be matched by time; pass datas")


def _matched(first: Array, second: Array) -> tuple[Any, Any]:
    """Indices of the bars that both have at the same time (backtrader's day numbers, ascending)."""
    if first.shape == second.shape and np.array_equal(first, second):
        both = np.arange(len(first))
        return both, both
    if not len(second):
        return np.arange(0), np.arange(0)
    partner = np.minimum(np.searchsorted(second, first), len(second) - 1)
    at = np.flatnonzero(second[partner] == first)
    return at, partner[at]
