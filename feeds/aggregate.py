"""Bars of seconds or minutes as bars of minutes, hours or days, at once or one by one.

A bar is stamped with its close: the minute 14:31 is made of all that ended after 14:30:00 and not after 14:31:00. Slots
are those of UTC's clock, and with a calendar they are cut where a session opens and closes, as IBKR's are: the first
hour of a US session runs from 09:30 to 10:00. A slot in which nothing was traded has no bar.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.calendar import ExchangeCalendar
from core.errors import FeedError
from feeds.columnar import epoch_microseconds
from feeds.hours import SECONDS
from feeds.quality import COLUMNS, utc_index

_SECOND = 1_000_000  # microseconds
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
Moments = npt.NDArray[np.int64]


class BuiltBar(NamedTuple):
    """A complete bar; ``end`` is its stamp, UTC."""

    end: dt.datetime
    open: float
    high: float
    low: float
    close: float
    volume: float


def aggregate(frame: pd.DataFrame, bar: str, calendar: ExchangeCalendar | None = None) -> pd.DataFrame:
    """Bars of size ``bar`` (a value of ``data.bar``) made of finer ones.

    ``frame``: open, high, low, close, volume by the close of each bar (naive = UTC), in order of time. Returns float64
    columns of the same names, the index in UTC. ``"1d"`` needs the calendar: such a bar is made of what was traded
    within regular hours and stamped with the close of its session.

    Raises FeedError for a frame that is out of order or lacks a column, and for a size that cannot be made.
    """
    _check_size(bar, calendar)
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        raise FeedError(f"no column {', '.join(missing)} to make {bar} bars of; give open, high, low, close, volume")
    index = utc_index(f"finer bars for {bar}", frame.index)
    if not index.is_monotonic_increasing:
        raise FeedError(f"the finer bars for {bar} are not in order of time; sort them: frame.sort_index()")
    rows = {name: np.ascontiguousarray(frame[name], dtype=np.float64) for name in COLUMNS}
    if bar == "1d" and calendar is not None and len(index):
        inside = calendar.in_session(index)
        index, rows = index[inside], {name: values[inside] for name, values in rows.items()}
    stamps = _stamps(index, bar, calendar)
    first = np.flatnonzero(np.diff(stamps, prepend=-1) != 0)
    last = np.append(first[1:], len(stamps))[: len(first)] - 1
    columns = {
        "open": rows["open"][first],
        "high": np.maximum.reduceat(rows["high"], first) if len(first) else rows["high"],
        "low": np.minimum.reduceat(rows["low"], first) if len(first) else rows["low"],
        "close": rows["close"][last],
        "volume": _summed(rows["volume"], first),
    }
    ends = pd.DatetimeIndex(stamps[first].view("M8[us]")).tz_localize("UTC").rename(frame.index.name)
    return pd.DataFrame(columns, index=ends)


class BarBuilder:
    """The same bars one by one. ``add`` takes finer bars in order of time and returns the bar that is complete, if
    any: it is with the finer bar that ends at its stamp, with any later one, or when ``passed`` says that time has.
    """

    def __init__(self, bar: str, calendar: ExchangeCalendar | None = None) -> None:
        """Raises FeedError as ``aggregate`` does."""
        _check_size(bar, calendar)
        self.bar = bar
        self._calendar = calendar
        self._session: tuple[int, int, int] = (0, -1, -1)  # close of the one before, open, close; microseconds
        self._open: _Open | None = None

    @property
    def due(self) -> dt.datetime | None:
        """The stamp of the bar that grows; None where there is none."""
        return None if self._open is None else _moment(self._open.stamp)

    def stamp_of(self, end: dt.datetime) -> dt.datetime:
        """The stamp of the bar to which a finer one belongs that ends at ``end``."""
        return _moment(self._stamp(_microseconds(end)))

    def add(
        self, start: dt.datetime, seconds: float, open: float, high: float, low: float, close: float, volume: float
    ) -> list[BuiltBar]:
        """A finer bar that begins at ``start``, UTC. Raises FeedError where it belongs to a bar that is past."""
        end = _microseconds(start) + round(seconds * _SECOND)
        stamp = self._stamp(end)
        done: list[BuiltBar] = []
        if self._open is not None and stamp < self._open.stamp:
            raise FeedError(f"a bar that ends {_moment(end)} comes after one of {_moment(self._open.stamp)}; sort them")
        if self._open is not None and stamp > self._open.stamp:
            done.append(self._open.closed())
            self._open = None
        if self.bar == "1d" and not self._session[1] < end:
            return done  # before the open
        if self._open is None:
            self._open = _Open(stamp, open, high, low, close, [volume])
        else:
            self._open.add(high, low, close, volume)
        return done + self.passed(_moment(end))

    def passed(self, when: dt.datetime) -> list[BuiltBar]:
        """Nothing that ends at ``when`` or earlier comes any more."""
        if self._open is None or _microseconds(when) < self._open.stamp:
            return []
        done, self._open = self._open.closed(), None
        return [done]

    def _stamp(self, end: int) -> int:
        size = SECONDS.get(self.bar, 0) * _SECOND
        slot = -(-end // size) * size if size else 2**62
        if self._calendar is None:
            return slot
        if not self._session[0] < end <= self._session[2]:
            self._session = _session(self._calendar, end)
        _, opens, closes = self._session
        return min(slot, closes if end > opens or not size else opens)


@dataclass(slots=True)
class _Open:
    """A bar that grows."""

    stamp: int
    open: float
    high: float
    low: float
    close: float
    volumes: list[float]

    def add(self, high: float, low: float, close: float, volume: float) -> None:
        self.high, self.low, self.close = max(self.high, high), min(self.low, low), close
        self.volumes.append(volume)

    def closed(self) -> BuiltBar:
        volume = math.fsum(self.volumes)  # the correctly rounded sum, whatever the order
        return BuiltBar(_moment(self.stamp), self.open, self.high, self.low, self.close, volume)


def _check_size(bar: str, calendar: ExchangeCalendar | None) -> None:
    if bar not in ("1m", "1h", "1d"):
        raise FeedError(f"bars of {bar!r} cannot be made of finer ones; sizes are 1m, 1h and 1d")
    if bar == "1d" and calendar is None:
        raise FeedError("daily bars are made of sessions; give the calendar of the exchange")


def _stamps(index: pd.DatetimeIndex, bar: str, calendar: ExchangeCalendar | None) -> Moments:
    """The stamp of the bar to which each finer one belongs."""
    ends = np.asarray(epoch_microseconds(index), dtype=np.int64)
    size = SECONDS.get(bar, 0) * _SECOND
    slots: Moments = -(-ends // size) * size if size else np.full(len(ends), 2**62, dtype=np.int64)
    if calendar is None or not len(ends):
        return slots
    opens, closes = (epoch_microseconds(each) for each in calendar.hours_of(calendar.session_numbers(index)))
    bounds = closes if not size else np.where(ends > opens, closes, opens)
    return np.minimum(slots, bounds)


def _summed(volume: npt.NDArray[np.float64], first: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Correctly rounded sums of the stretches that begin at ``first``."""
    if not len(first):
        return volume[:0]
    total = float(volume.sum())
    if total < 2**53 and bool((volume == np.floor(volume)).all()):  # sums of whole numbers are exact
        return np.asarray(np.add.reduceat(volume, first), dtype=np.float64)
    return np.array([math.fsum(part) for part in np.split(volume, first[1:])])


def _session(calendar: ExchangeCalendar, end: int) -> tuple[int, int, int]:
    """Close of the session before, open and close of the one to which a moment belongs."""
    number = calendar.session_numbers(pd.DatetimeIndex([_moment(end)]))
    opens, closes = (int(epoch_microseconds(each)[0]) for each in calendar.hours_of(number))
    before = int(epoch_microseconds(calendar.hours_of(np.maximum(number - 1, 0))[1])[0]) if number[0] else -(2**62)
    return before, opens, closes


def _microseconds(when: dt.datetime) -> int:
    return (when - _EPOCH) // _MICROSECOND


def _moment(microseconds: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=microseconds)
