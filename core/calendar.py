"""Sessions of exchanges, from exchange_calendars.

A moment belongs to the first session that has not closed before it: the time of the close is still that
session, the evening after it is already the next one.
"""

from __future__ import annotations

import datetime as dt
import functools
import warnings
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from core.clock import SystemClock, as_utc
from core.errors import CalendarError, did_you_mean
from core.settings import Settings

# exchange_calendars and pandas take most of a second to import, which reading settings need not wait for
if TYPE_CHECKING:
    import exchange_calendars as xc
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

FIRST = dt.date(1990, 1, 1)  # exchange_calendars would start 20 years ago
_AHEAD = dt.timedelta(days=366)  # its schedules reach a year ahead


class ExchangeCalendar:
    """Sessions, closes and weeks of one exchange (ISO 10383 code as ``"XNYS"``, or an alias of exchange_calendars).

    ``code`` is that of the calendar: of ``"NYSE"`` it is ``"XNYS"``. Instances of one code share one table. Datetimes
    may be naive (UTC) or aware. Raises CalendarError for an unknown code and for dates outside ``first`` to ``last``.
    """

    def __init__(self, code: str) -> None:
        self.code = exchange_code(code)
        self._table = _table(self.code)

    def __repr__(self) -> str:
        return f"ExchangeCalendar({self.code!r})"

    def __reduce__(self) -> tuple[type[ExchangeCalendar], tuple[str]]:
        return ExchangeCalendar, (self.code,)

    @property
    def first(self) -> dt.date:
        """First session known."""
        return self._table.dates[0]

    @property
    def last(self) -> dt.date:
        """Last session known, about a year ahead."""
        return self._table.dates[-1]

    @property
    def tz(self) -> dt.tzinfo:
        """The exchange's own timezone."""
        return self._table.tz

    def session_of(self, when: dt.datetime) -> dt.date:
        """The session to which a moment belongs: the first one that closes at it or later."""
        position = bisect_left(self._table.closes, as_utc(when))
        if position == len(self._table.dates) or (position == 0 and as_utc(when).date() < self.first):
            raise self._outside(when)
        return self._table.dates[position]

    def sessions_of(self, times: pd.DatetimeIndex) -> tuple[dt.date, ...]:
        """The distinct sessions to which many moments belong, in order."""
        import numpy as np

        seen = np.bincount(self.session_numbers(times)) if len(times) else np.zeros(0)
        return tuple(self._table.dates[position] for position in np.flatnonzero(seen))

    def session_numbers(self, times: pd.DatetimeIndex) -> npt.NDArray[np.intp]:
        """For each moment the number of its session, counted from the first one known."""
        import numpy as np

        utc = times.tz_localize("UTC") if times.tz is None else times.tz_convert("UTC")
        if not len(utc):
            return np.zeros(0, dtype=np.intp)
        for moment in (utc.min(), utc.max()):
            self.session_of(moment.to_pydatetime(warn=False))  # raises where the calendar does not reach
        closes = self._table.closes_index
        if not utc.is_monotonic_increasing:
            return closes.searchsorted(utc, side="left")
        # Moments in order: a search for each session's close among them is much shorter than one for each moment
        first, last = closes.searchsorted(utc[[0, -1]], side="left")
        ends = utc.searchsorted(closes[first : last + 1], side="right")
        return np.repeat(np.arange(first, first + len(ends)), np.diff(ends, prepend=0))

    def weeks_of(self, numbers: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
        """For sessions with these numbers that of their ISO week, counted from any one: equal in the same week."""
        days = self._table.dates_index.asi8[numbers] // 86_400_000_000
        return (days + 3) // 7  # 1970-01-01 was a Thursday

    def closes_after(self, times: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """For each moment the close of the session to which it belongs, UTC."""
        return self._table.closes_index[self.session_numbers(times)]

    def in_session(self, times: pd.DatetimeIndex) -> npt.NDArray[np.bool_]:
        """For each moment whether it lies after the open of its session and not after its close."""
        import numpy as np

        utc = times.tz_localize("UTC") if times.tz is None else times.tz_convert("UTC")
        return np.asarray(utc > self._table.opens_index[self.session_numbers(utc)], dtype=np.bool_)

    def closes_of(self, days: pd.DatetimeIndex) -> tuple[pd.DatetimeIndex, npt.NDArray[np.bool_]]:
        """The closes, UTC, of those of many days (naive midnights) that are sessions, and which of them are.

        Raises CalendarError for days outside ``first`` to ``last``: that they are unknown is not to say that there was
        no session.
        """
        import numpy as np

        if len(days):
            for day in (days.min().date(), days.max().date()):
                if not self.first <= day <= self.last:
                    raise self._outside(day)
        dates = self._table.dates_index
        at = np.minimum(dates.searchsorted(days), len(dates) - 1)
        there = np.asarray(dates[at] == days, dtype=np.bool_)
        return self._table.closes_index[at[there]], there

    def span(self, start: dt.date | None, end: dt.date | None) -> tuple[dt.datetime | None, dt.datetime | None] | None:
        """The moments of the sessions from ``start`` to ``end``, inclusive: after the first and not after the second.

        None leaves a side open, and is a side that the calendar leaves open; None for both: no session lies between.
        """
        after = until = None
        if start is not None and start > self.first:
            after = self._table.closes[bisect_left(self._table.dates, min(start, self.last)) - 1]
        if end is not None and end < self.last:
            if end < self.first:
                return None
            until = self._table.closes[bisect_right(self._table.dates, end) - 1]
        return after, until

    def hours_of(self, numbers: npt.NDArray[np.intp]) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
        """Opens and closes, UTC, of the sessions with these numbers (see ``session_numbers``)."""
        return self._table.opens_index[numbers], self._table.closes_index[numbers]

    @property
    def regular_seconds(self) -> float:
        """Length of a regular session, seconds: the most frequent one of the last 252."""
        import numpy as np

        lengths, counts = np.unique(
            (self._table.closes_index[-252:] - self._table.opens_index[-252:]).total_seconds(), return_counts=True
        )
        return float(lengths[np.argmax(counts)])

    def close_of(self, session: dt.date) -> dt.datetime:
        """The close of a session, UTC. Raises CalendarError when the exchange is closed on that day."""
        position = self._table.position.get(session)
        if position is None:
            if not self.first <= session <= self.last:
                raise self._outside(session)
            following = self._table.dates[bisect_left(self._table.dates, session)]
            raise CalendarError(f"{self.code} has no session on {session}; the next one is {following}")
        return self._table.closes[position]

    def is_session(self, day: dt.date) -> bool:
        """Whether the exchange trades on that day."""
        return day in self._table.position

    def week_of(self, when: dt.datetime) -> tuple[int, int]:
        """ISO year and week of the session to which a moment belongs."""
        year, week, _ = self.session_of(when).isocalendar()
        return year, week

    def sessions(self, start: dt.date, end: dt.date) -> tuple[dt.date, ...]:
        """Sessions from ``start`` to ``end``, both inclusive. Raises CalendarError outside the known range."""
        for day in (start, end):
            if not min(self.first, FIRST) <= day <= self.last:
                raise self._outside(day)
        dates = self._table.dates
        return dates[bisect_left(dates, start) : bisect_right(dates, end)]

    def sessions_between(self, first: dt.date, second: dt.date) -> int:
        """Sessions after ``first`` up to and including ``second``; negative when ``second`` is earlier."""
        dates = self._table.dates
        return bisect_right(dates, second) - bisect_right(dates, first)

    def _outside(self, when: dt.date) -> CalendarError:
        return CalendarError(
            f"{when} is outside the calendar of {self.code}, which is known from {self.first} to {self.last};"
            " cut the data to this range"
        )


class _Table:
    """Sessions of an exchange as sorted tuples."""

    def __init__(self, calendar: xc.ExchangeCalendar) -> None:
        import pandas as pd

        self.dates: tuple[dt.date, ...] = tuple(stamp.date() for stamp in calendar.sessions)
        self.closes: tuple[dt.datetime, ...] = tuple(
            stamp.to_pydatetime().replace(tzinfo=dt.UTC) for stamp in calendar.schedule["close"]
        )
        self.dates_index = pd.DatetimeIndex(self.dates).as_unit("us")
        self.closes_index = pd.DatetimeIndex(self.closes).as_unit("us")
        self.opens_index = pd.DatetimeIndex(calendar.schedule["open"]).tz_convert("UTC").as_unit("us")
        self.position: dict[dt.date, int] = {date: at for at, date in enumerate(self.dates)}
        self.tz: dt.tzinfo = calendar.tz


def desk_calendar(settings: Settings) -> ExchangeCalendar:
    """The calendar by which a desk counts sessions, days and weeks: that of its first traded instrument."""
    return ExchangeCalendar(settings.instruments[settings.traded_symbols[0]].exchange)


def same_exchange(one: str, other: str | None) -> bool:
    """Whether two codes or aliases name one calendar: ``"NYSE"`` is ``"XNYS"``."""
    import exchange_calendars as xc

    return other is not None and (one == other or xc.resolve_alias(one) == xc.resolve_alias(other))


@functools.cache
def exchange_code(name: str) -> str:
    """The code under which an exchange is stored: its calendar's, ``"XNYS"`` of ``"NYSE"``. Raises CalendarError."""
    import exchange_calendars as xc

    if name in calendar_names():
        return str(xc.resolve_alias(name))
    hint = did_you_mean(name, calendar_names())
    if not hint.startswith("; did"):  # a list of all helps nobody
        hint = "; give a code of exchange_calendars, such as XNYS, XLON or XTKS"
    raise CalendarError(f"unknown exchange {name!r}{hint}")


@functools.cache
def calendar_names() -> frozenset[str]:
    """Codes and aliases that exchange_calendars knows."""
    import exchange_calendars as xc

    return frozenset(xc.get_calendar_names())


@functools.cache
def _table(code: str) -> _Table:
    with warnings.catch_warnings():
        # exchange_calendars 4.13 calls what pandas 3.1 deprecates; its users can do nothing about that
        warnings.simplefilter("ignore", DeprecationWarning)
        return _Table(_make(code))


def _make(code: str) -> xc.ExchangeCalendar:
    """Build the calendar over all that it knows since 1990: some begin later or end earlier."""
    import exchange_calendars as xc
    import pandas as pd

    end = pd.Timestamp(SystemClock().now().date() + _AHEAD)
    first = pd.Timestamp(FIRST)
    try:
        try:
            return xc.get_calendar(code, start=first, end=end)
        except ValueError:  # outside the bounds of this calendar
            default = xc.get_calendar(code)
            lower, upper = default.bound_min(), default.bound_max()
            start = first if lower is None else max(first, lower)
            return xc.get_calendar(code, start=start, end=end if upper is None else min(end, upper))
    except (ValueError, NotImplementedError) as error:  # with pandas 3.1: Orthodox Easter, Sunday half-days
        raise CalendarError(
            f"exchange_calendars {xc.__version__} cannot build the calendar {code!r} with pandas {pd.__version__} "
            f"({type(error).__name__}: {str(error)[:80]}); install another release of either"
        ) from error
