"""Slots of a bar size: how finer rows become bars.

Intraday slots are aligned to midnight of the instrument's time zone and cut by the session, so the first hourly bar
of a regular US session runs from 09:30 to 10:00. A daily, weekly or monthly slot runs from the start of its first to
the end of its last session. A row belongs to the slot that holds the moment just before its end.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from gateway.data.columns import BarColumns, Floats
from gateway.data.spans import BAR_SIZES, DAY_SECONDS
from gateway.hours import SECOND, Moments, TradingHours


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Slots of ``seconds`` in the regular (else the extended) hours."""

    hours: TradingHours
    seconds: int
    regular: bool

    def place(self, moments: Moments) -> tuple[npt.NDArray[np.bool_], Moments, Moments]:
        """Of rows that end at ``moments``: which lie in a session, and of those the session's number and the slot's."""
        starts, ends = self.hours.windows(self.regular)
        inner = moments - 1
        number = np.searchsorted(starts, inner, side="right") - 1
        inside = (number >= 0) & (inner < ends[np.maximum(number, 0)])
        number = number[inside]
        if self.seconds >= DAY_SECONDS:
            return inside, number, np.zeros_like(number)
        return inside, number, (inner[inside] - self.hours.midnight[number]) // (self.seconds * SECOND)

    def edges(self, number: Moments, slot: Moments) -> tuple[Moments, Moments]:
        """Starts and ends of slots."""
        starts, ends = (edge[number] for edge in self.hours.windows(self.regular))
        if self.seconds >= DAY_SECONDS:
            return starts, ends
        size = self.seconds * SECOND
        first = self.hours.midnight[number] + slot * size
        return np.maximum(first, starts), np.minimum(first + size, ends)

    def slot_at(self, moment: int) -> tuple[int, int, int] | None:
        """Number of the session, start and end of the slot that a row belongs to that ends at ``moment``."""
        inside, number, slot = self.place(np.array([moment], dtype=np.int64))
        if not inside[0]:
            return None
        first, last = self.edges(number, slot)
        if self.seconds > DAY_SECONDS:
            return self._period(int(number[0]))
        return int(number[0]), int(first[0]), int(last[0])

    def _period(self, number: int) -> tuple[int, int, int]:
        period = period_of(self.hours.days[number], self.seconds)
        first = last = number
        while first > 0 and period_of(self.hours.days[first - 1], self.seconds) == period:
            first -= 1
        while last + 1 < len(self.hours) and period_of(self.hours.days[last + 1], self.seconds) == period:
            last += 1
        starts, ends = self.hours.windows(self.regular)
        return number, int(starts[first]), int(ends[last])


def period_of(day: dt.date, seconds: int) -> tuple[int, int]:
    """The ISO week or the month of a day."""
    if seconds == BAR_SIZES["1M"]:
        return day.year, day.month
    year, week, _ = day.isocalendar()
    return year, week


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Bars by slot: ``number`` of the session, ``slot`` within it."""

    number: Moments
    slot: Moments
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    wap: Floats
    count: Moments

    def __len__(self) -> int:
        return len(self.number)

    def take(self, index: npt.NDArray[np.intp] | npt.NDArray[np.bool_] | slice) -> Self:
        return type(self)(*(getattr(self, name)[index] for name in self.__slots__))

    @classmethod
    def joined(cls, parts: list[Series]) -> Series:
        """Parts one after the other."""
        if not parts:
            whole, real = np.zeros(0, dtype=np.int64), np.zeros(0)
            return cls(whole, whole, real, real, real, real, real, real, whole)
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))


def grouped(rows: BarColumns, grid: Grid) -> Series:
    """Rows as bars of the grid; rows outside the sessions are left out."""
    inside, number, slot = grid.place(rows.end)
    return collapsed(
        Series(
            number,
            slot,
            rows.open[inside],
            rows.high[inside],
            rows.low[inside],
            rows.close[inside],
            rows.volume[inside],
            rows.wap[inside],
            rows.count[inside],
        )
    )


def collapsed(rows: Series) -> Series:
    """Neighbouring rows of one slot as one."""
    if not len(rows):
        return rows
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (np.diff(rows.number) != 0) | (np.diff(rows.slot) != 0)
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(rows)) - 1
    volume = np.add.reduceat(rows.volume, first)
    worth = np.add.reduceat(rows.wap * rows.volume, first)
    close = rows.close[last]
    return Series(
        rows.number[first],
        rows.slot[first],
        rows.open[first],
        np.maximum.reduceat(rows.high, first),
        np.minimum.reduceat(rows.low, first),
        close,
        volume,
        np.divide(worth, volume, out=close.copy(), where=volume > 0),
        np.add.reduceat(rows.count, first),
    )


def filled(rows: Series, grid: Grid, bound: int) -> Series:
    """Slots without a trade between the first of a session and ``bound`` get the close before them and volume 0."""
    if not len(rows) or grid.seconds >= DAY_SECONDS:
        return rows
    size = grid.seconds * SECOND
    firsts = np.flatnonzero(np.append(True, np.diff(rows.number) != 0))
    lasts = np.append(firsts[1:], len(rows)) - 1
    ends = grid.hours.windows(grid.regular)[1]
    parts, numbers = [], []
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        at = int(rows.number[first])
        over = (min(bound, int(ends[at])) - int(grid.hours.midnight[at])) // size  # slots that have ended
        parts.append(np.arange(int(rows.slot[first]), max(over, int(rows.slot[last]) + 1), dtype=np.int64))
        numbers.append(np.full(len(parts[-1]), at, dtype=np.int64))
    number, slot = np.concatenate(numbers), np.concatenate(parts)
    base = int(min(0, slot.min()))
    width = int(slot.max()) - base + 1
    keys, wanted = rows.number * width + rows.slot - base, number * width + slot - base
    source = np.searchsorted(keys, wanted, side="right") - 1
    there = keys[source] == wanted
    out = rows.take(source)
    flat = {name: np.where(there, getattr(out, name), out.close) for name in ("open", "high", "low", "wap")}
    return Series(
        number,
        slot,
        flat["open"],
        flat["high"],
        flat["low"],
        out.close,
        np.where(there, out.volume, 0.0),
        flat["wap"],
        np.where(there, out.count, 0),
    )
