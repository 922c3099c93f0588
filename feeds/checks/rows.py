"""The bars under check as arrays: what came, what earlier rules leave of it, and the path of the price through it."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.calendar import ExchangeCalendar
from core.clock import Clock, SystemClock
from core.errors import FeedError
from feeds.bars import COLUMNS, EXTRAS, PRICES, CorporateAction
from feeds.hours import SECONDS
from feeds.quality import FLOAT_NOISE, utc_index

DAY = 86_400_000_000  # microseconds, as all times here
FEWEST_SPACINGS = 5  # below which there is no saying how far apart bars are
_OF_LIVE_ROWS = ("live", "prices", "lacking", "price", "volume", "quotes", "of_quotes", "extent", "spacing")


class Rows:
    """Rows of one symbol in the order of time. Positions count all rows as they came, sorted; ``live`` ones are left.

    Raises FeedError where the frame has no times or no prices.
    """

    def __init__(
        self,
        symbol: str,
        bar: str,
        frame: pd.DataFrame,
        calendar: ExchangeCalendar,
        actions: Sequence[CorporateAction],
        clock: Clock | None = None,
    ) -> None:
        names = [name for name in (*COLUMNS, *EXTRAS) if name in frame.columns]
        if "close" not in names and not {"bid", "ask"} <= set(names):
            raise FeedError(
                f"{symbol} {bar}: no column close, and no bid and ask; there are: {', '.join(frame.columns)}"
            )
        us = utc_index(symbol, frame.index).as_unit("us").asi8
        order = np.argsort(us, kind="stable")
        self.symbol, self.bar, self.calendar, self.actions = symbol, bar, calendar, tuple(actions)
        self.asked = (clock or SystemClock()).now()  # when the rules are asked: later bars cannot be
        self.us: npt.NDArray[np.int64] = us[order]
        self.came = {name: frame[name].to_numpy(dtype=np.float64)[order] for name in names}
        self.now = {name: column.copy() for name, column in self.came.items()}  # what repairs made of it
        self.alive = np.ones(len(us), dtype=np.bool_)

    @property
    def daily(self) -> bool:
        """Whether the bars are labelled by their session and not by a time of day."""
        return self.bar == "1d"

    def stamp(self, us: int) -> pd.Timestamp:
        """A time of bars: naive for daily ones, UTC for others."""
        return pd.Timestamp(us, unit="us", tz=None if self.daily else "UTC").as_unit("us")

    def stamps(self, us: npt.ArrayLike) -> list[pd.Timestamp]:
        """As ``stamp``, for many times."""
        once, at = np.unique(np.asarray(us, dtype=np.int64), return_inverse=True)
        index = pd.DatetimeIndex(once.astype("datetime64[us]"))
        stamps = list(index if self.daily else index.tz_localize("UTC"))
        return [stamps[number] for number in at.tolist()]

    def occurrences(self, positions: npt.NDArray[np.intp]) -> list[int]:
        """Which of the rows of its time each row is, from 0."""
        numbers: list[int] = (positions - np.searchsorted(self.us, self.us[positions], side="left")).tolist()
        return numbers

    # What is left

    @cached_property
    def live(self) -> npt.NDArray[np.intp]:
        """Positions of the rows that no repair takes out."""
        return np.flatnonzero(self.alive)

    @cached_property
    def prices(self) -> dict[str, npt.NDArray[np.float64]]:
        """Live values of the price columns that this series has; empty for a series of quotes alone."""
        return {name: column for name in PRICES if (column := self._column(name)) is not None}

    @cached_property
    def lacking(self) -> tuple[str, ...]:
        """Columns of the frame without one live value although the series has prices: a run refuses such bars."""
        return tuple(name for name in COLUMNS if name in self.now and self._column(name) is None and self.prices)

    @cached_property
    def quotes(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
        """Live bids and asks; None for a series without them."""
        bid, ask = self._column("bid"), self._column("ask")
        return None if bid is None or ask is None else (bid, ask)

    @cached_property
    def of_quotes(self) -> npt.NDArray[np.bool_]:
        """For each live row whether its price is nothing but the middle of bid and ask, as of files with quotes alone.

        Where a quote of such a row is wrong, so are its prices.
        """
        if "close" not in self.prices:
            return np.ones(len(self.live), dtype=np.bool_)
        if self.quotes is None:
            return np.zeros(len(self.live), dtype=np.bool_)
        middle = (self.quotes[0] + self.quotes[1]) / 2.0
        same = [np.isclose(column, middle, rtol=FLOAT_NOISE, atol=0.0) for column in self.prices.values()]
        return np.asarray(np.logical_and.reduce(same), dtype=np.bool_)

    @cached_property
    def price(self) -> npt.NDArray[np.float64]:
        """Live closes, or the middle of bid and ask where there are only quotes."""
        if "close" in self.prices:
            return self.prices["close"]
        if self.quotes is None:
            return np.full(len(self.live), np.nan)
        return (self.quotes[0] + self.quotes[1]) / 2.0

    @cached_property
    def volume(self) -> npt.NDArray[np.float64] | None:
        """Live volumes; None where the series has none or hardly any above 0, as indices and currencies."""
        volume = self._column("volume")
        return volume if volume is not None and float(np.nanmedian(volume)) > 0.0 else None

    def column(self, name: str) -> npt.NDArray[np.float64] | None:
        """Live values of any column; None where the series has none."""
        return self._column(name)

    @cached_property
    def extent(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Lowest and highest price of each live row."""
        columns = np.vstack(tuple(self.prices.values()) or (self.price,))
        return columns.min(axis=0), columns.max(axis=0)

    def drop(self, positions: Iterable[int]) -> None:
        """Take rows out."""
        self.alive[list(positions)] = False
        self._forget()

    def change(self, values: Iterable[tuple[int, Mapping[str, float]]]) -> None:
        """Write values: position, and column -> value."""
        for position, row in values:
            for name, value in row.items():
                self.now[name][position] = value
        self._forget()

    def _column(self, name: str) -> npt.NDArray[np.float64] | None:
        if name not in self.now:
            return None
        column = self.now[name][self.live]
        return None if np.isnan(column).all() else column

    def _forget(self) -> None:
        for name in _OF_LIVE_ROWS:
            self.__dict__.pop(name, None)

    # Sessions. The calendar may not reach as far as the rows: what it does not know is not judged.

    @cached_property
    def known(self) -> npt.NDArray[np.bool_]:
        """For each row whether the calendar reaches it."""
        last = _us(self.calendar.last) if self.daily else _us(self.calendar.close_of(self.calendar.last))
        return (self.us >= _us(self.calendar.first)) & (self.us <= last)

    @cached_property
    def session(self) -> npt.NDArray[np.int64]:
        """For each row a number of its session that grows by 1 from session to session; only where ``known``.

        A daily row of a day without a session counts to the next session, an extended-hours bar to that of its day or
        the next one.
        """
        numbers = np.full(len(self.us), -1, dtype=np.int64)
        if self.daily:
            numbers[self.known] = np.searchsorted(self.session_days, self.us[self.known], side="left")
        else:
            numbers[self.known] = self.calendar.session_numbers(self._utc(self.known))
        return numbers

    @cached_property
    def in_hours(self) -> npt.NDArray[np.bool_]:
        """For each row whether it lies in a session of the exchange; only where ``known``."""
        inside = np.zeros(len(self.us), dtype=np.bool_)
        if self.daily:
            known = self.session[self.known]
            inside[self.known] = self.session_days[known] == self.us[self.known]
        else:
            inside[self.known] = self.calendar.in_session(self._utc(self.known))
        return inside

    @cached_property
    def future(self) -> npt.NDArray[np.bool_]:
        """For each row whether it begins after the rules are asked; a bar that is not over yet is there already."""
        if self.daily:
            return self.us > _us(self._today())
        return self.us - SECONDS[self.bar] * 1_000_000 > _us(self.asked)

    @cached_property
    def counted(self) -> npt.NDArray[np.bool_]:
        """For each row whether it covers a session, or a part of one, that has been."""
        return self.in_hours & ~self.future

    @cached_property
    def spacing(self) -> float:
        """Sessions from one live daily bar to the next one, median: about 5 where weekly bars are stored as daily ones.

        1 for other bar sizes, and where the calendar knows too few of the bars to tell.
        """
        if not self.daily:
            return 1.0
        apart = np.diff(np.unique(self.session[self.live][self.known[self.live]]))
        return float(np.median(apart)) if len(apart) >= FEWEST_SPACINGS else 1.0

    @cached_property
    def session_days(self) -> npt.NDArray[np.int64]:
        """Dates of all sessions of the calendar, microseconds of their midnight; the position is the number."""
        return _session_days(self.calendar.code)

    @cached_property
    def local_day(self) -> npt.NDArray[np.int64]:
        """For each row the date at the exchange on which its bar ends, microseconds; midnight ends the day before."""
        if self.daily:
            return self.us
        local = self._utc(np.ones(len(self.us), dtype=np.bool_)).tz_convert(self.calendar.tz).tz_localize(None)
        wall = local.as_unit("us").asi8 - 1
        return wall - wall % DAY

    def _today(self) -> dt.date:
        """The date at the exchange, or of the session that is under way: some begin on the evening before."""
        calendar = self.calendar
        today = self.asked.astimezone(calendar.tz).date()
        known = calendar.first < today < calendar.last
        if known and calendar.in_session(pd.DatetimeIndex([self.asked]))[0]:
            return max(today, calendar.session_of(self.asked))
        return today

    def _utc(self, where: npt.NDArray[np.bool_]) -> pd.DatetimeIndex:
        return pd.DatetimeIndex(self.us[where].astype("datetime64[us]")).tz_localize("UTC")


@functools.cache
def _session_days(code: str) -> npt.NDArray[np.int64]:
    calendar = ExchangeCalendar(code)
    days = np.array(calendar.sessions(calendar.first, calendar.last), dtype="datetime64[us]")
    return days.astype(np.int64)


def _us(when: dt.date) -> int:
    """A date (its midnight) or an aware time in microseconds since 1970."""
    return int(pd.Timestamp(when).timestamp()) * 1_000_000
