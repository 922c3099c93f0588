"""Tying the objects of a run to cursors, and giving them back.

A line is tied only where stock would move it in step with its cursor, from "before the first bar". Whatever
moves, replaces or (in a data) writes a line by hand first unties the whole run: every line gets the index and length
that stock would have given it, and the run goes on in stock's way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backtrader.feed import AbstractDataBase
from backtrader.indicator import Indicator
from backtrader.linebuffer import LineBuffer
from backtrader.lineseries import Lines, LineSeries

from engine.lean.cursor import Cursor, LeanData, LeanDataLine, LeanLine, LeanSeries, lean_class, remembered, set_class

_LINE_METHODS = (
    "__getitem__", "__setitem__", "__len__", "set", "get", "get_idx", "set_idx", "home", "forward", "backwards",
    "rewind", "advance", "buflen", "reset",
)  # fmt: skip
_SERIES_METHODS = ("__getitem__", "__len__", "forward", "backwards", "rewind", "advance", "home", "reset")


def _has_stock(cls: type, stock: type, names: tuple[str, ...]) -> bool:
    return all(getattr(cls, name) is getattr(stock, name) for name in names)


@remembered
def _is_plain_line(cls: Any) -> bool:
    return _has_stock(cls, LineBuffer, _LINE_METHODS) and cls.idx is LineBuffer.idx


@remembered
def _is_plain_series(cls: Any, lines: Any) -> bool:
    stock = next((base for base in (AbstractDataBase, Indicator) if issubclass(cls, base)), LineSeries)
    return _has_stock(cls, stock, _SERIES_METHODS) and _has_stock(lines, Lines, _SERIES_METHODS)


def can_tie(holder: Any) -> bool:
    """Whether all lines of ``holder`` are backtrader's own, unbounded, before their first bar, and there once."""
    if isinstance(holder, LineSeries) and not _is_plain_series(type(holder), type(holder.lines)):
        return False
    if len({id(line) for line in lines_of(holder)}) < len(lines_of(holder)):
        return False
    return all(
        _is_plain_line(type(line)) and line.mode == LineBuffer.UnBounded and line._idx == -1 and not line.lencount
        for line in lines_of(holder)
    )


def lines_of(holder: Any) -> list[Any]:
    """The line buffers of a data, an indicator, an observer, a strategy, or of a single line: itself."""
    return list(holder.lines.lines) if isinstance(holder, LineSeries) else [holder]


class Ties:
    """What was tied in a run, and how to give every object back as stock would have left it."""

    def __init__(self, on_break: Callable[[], None]) -> None:
        self.on_break = on_break  # called once, when somebody moves a line by hand
        self.before_break: Callable[[], None] = lambda: None  # the same, while all lines are tied
        self._lines: list[tuple[Any, type]] = []  # line, its class
        self._series: list[tuple[Any, type]] = []
        self._aliases: list[tuple[Any, str, Any]] = []  # object, name, line
        self._datas: list[Any] = []
        self._buffers: list[Any] = []  # what holds the lines of each series
        self.tied = True

    def tie(self, holder: Any, cursor: Cursor, methods: type | None = LeanSeries) -> None:
        """Make the lines of ``holder`` stand where ``cursor`` stands. ``methods``: what ``holder`` itself gets."""
        for line in lines_of(holder):
            if "_halflife_cursor" in line.__dict__:
                continue
            line.__dict__["_halflife_cursor"] = cursor
            self._lines.append((line, type(line)))
            set_class(line, lean_class(type(line), LeanDataLine if methods is LeanData else LeanLine))
        if not isinstance(holder, LineSeries):
            return
        cls = type(holder)
        self.watch(holder)
        for alias, line in zip(holder.getlinealiases(), holder.lines.lines, strict=False):
            is_it = getattr(holder.lines, alias, None) is line  # a base beside backtrader's doubles the names
            if is_it and alias not in holder.__dict__ and not hasattr(cls, alias):
                holder.__dict__[alias] = line
                self._aliases.append((holder, alias, line))
        if methods is not None:
            holder.__dict__.update(_halflife_cursor=cursor, _halflife_first=holder.lines.lines[0])
            self._series.append((holder, cls))
            set_class(holder, lean_class(cls, methods))

    def watch(self, holder: Any) -> None:
        """Notice a line that is put in the place of another."""
        if isinstance(holder, LineSeries):
            self._buffers.append(holder.lines)
            holder.lines.lines = _Watched.over(holder.lines.lines, self)

    def tie_data(self, data: Any, cursor: Cursor) -> None:
        """As ``tie``; the ticks of a data are kept apart until the end."""
        names = [alias for alias in data.getlinealiases() if alias != "datetime"]
        ticks = {"tick_" + name: getattr(data.lines, name) for name in names}
        ticks["tick_last"] = data.lines.lines[0]
        old = {name: data.__dict__.pop(name) for name in ticks if name in data.__dict__}
        data.__dict__.update(_halflife_ticks=ticks, _halflife_old_ticks=old)
        self._datas.append(data)
        self.tie(data, cursor, LeanData)

    def break_off(self) -> None:
        """Somebody moves a line on his own: the rest of the run is stock's."""
        if self.tied:
            self.before_break()
            self.untie()
            self.on_break()

    def untie(self) -> None:
        """Give every object its class, index, length and ticks."""
        if not self.tied:
            return
        self.tied = False
        for data in self._datas:
            state = data.__dict__
            ticks, old = state.pop("_halflife_ticks"), state.pop("_halflife_old_ticks")
            idx = data._halflife_cursor.idx
            if idx < 0:
                state.update(old)
            else:
                last = idx + 1 >= data.buflen()
                for name, line in ticks.items():
                    state.setdefault(name, None if last else line.array[idx])
        for buffers in self._buffers:
            buffers.lines = buffers.lines.own
        for holder, cls in self._series:
            set_class(holder, cls)
            del holder.__dict__["_halflife_cursor"], holder.__dict__["_halflife_first"]
        for line, cls in self._lines:
            idx = line.__dict__.pop("_halflife_cursor").idx
            set_class(line, cls)
            line._idx, line.lencount = idx, idx + 1
        for holder, alias, line in self._aliases:
            if holder.__dict__.get(alias) is line:
                del holder.__dict__[alias]


class _Watched(list):  # type: ignore[type-arg]
    """The line buffers of a holder. Stock moves each on every bar, also one that took the place of another."""

    ties: Ties
    own: list[Any]  # the list that the holder has again after the run

    def __setitem__(self, key: Any, value: Any) -> None:
        self.ties.break_off()
        self.own[key] = value

    def __delitem__(self, key: Any) -> None:
        self.ties.break_off()
        del self.own[key]

    def __iadd__(self, more: Any) -> Any:  # type: ignore[misc]
        self.ties.break_off()
        self.own += more
        return self.own

    def append(self, line: Any) -> None:
        self.ties.break_off()
        self.own.append(line)

    def insert(self, index: Any, line: Any) -> None:
        self.ties.break_off()
        self.own.insert(index, line)

    def extend(self, lines: Any) -> None:
        self.ties.break_off()
        self.own.extend(lines)

    def pop(self, index: Any = -1) -> Any:
        self.ties.break_off()
        return self.own.pop(index)

    @classmethod
    def over(cls, lines: list[Any], ties: Ties) -> _Watched:
        watched = cls(lines)
        watched.ties, watched.own = ties, lines
        return watched
