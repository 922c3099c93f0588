"""A backtrader feed that fills its lines in bulk from a frame."""

from __future__ import annotations

import array
import functools
import numbers
from collections.abc import Mapping
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from core.errors import FeedEmptyError, FeedError, did_you_mean
from feeds.datenum import Floats, date_numbers

PRICES = ("open", "high", "low", "close")
OPTIONAL = ("volume", "openinterest")  # NaN where the frame has no such column, as with PandasData


class BarArrays:
    """Columns of a frame as float arrays with backtrader's datetime floats; shared by the feeds made from it.

    Raises FeedError for an index that is no DatetimeIndex, has NaT or runs backwards, and for columns that
    are no numbers or have one name; FeedEmptyError for a frame without rows.
    """

    def __init__(self, frame: pd.DataFrame, keep: bool = False) -> None:
        """``keep``: nobody writes into the frame any more, so its columns need be looked up but once."""
        if not isinstance(frame, pd.DataFrame):
            raise FeedError(f"a frame of bars is a pandas DataFrame, got {type(frame).__name__}; build one first")
        if not isinstance(frame.index, pd.DatetimeIndex):
            raise FeedError(
                f"the index of a frame of bars is a DatetimeIndex, got {type(frame.index).__name__}; "
                "set it: frame.set_index(pd.to_datetime(frame['date']))"
            )
        if not len(frame):
            raise FeedEmptyError("the frame has no bars; check the source and the range that was asked for")
        if frame.index.hasnans:
            raise FeedError(f"the index has {int(np.count_nonzero(frame.index.isna()))} NaT; drop those rows")
        if not frame.index.is_monotonic_increasing:
            raise FeedError("the index is not sorted by time, so bars would come out of order; call sort_index()")
        self.frame = frame
        self._keep = keep
        self._views: dict[str, Floats] = {}  # column name -> its values, a look at the frame itself

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_views": {}}

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def _index(self) -> pd.DatetimeIndex:
        index = self.frame.index
        assert isinstance(index, pd.DatetimeIndex)  # by __init__
        return index

    @functools.cached_property
    def datetime(self) -> Floats:
        """``bt.date2num`` of the index in UTC; a naive index is UTC."""
        return date_numbers(epoch_microseconds(self._index))

    def is_within(self, begin: float, end: float) -> bool:
        """Whether all bars are in [begin, end], as date numbers."""
        first, last = date_numbers(epoch_microseconds(self._index[[0, -1]]))
        return bool(begin <= first and last <= end)

    def write_datetime(self, line: Any) -> None:
        """Append ``datetime`` to a line, without keeping it."""
        before = len(line.array)
        line.array.extend(array.array("d", [float("nan")]) * len(self))
        date_numbers(epoch_microseconds(self._index), out=np.frombuffer(line.array)[before:])

    @functools.cached_property
    def columns(self) -> Mapping[str, int]:
        """Lower-case column name -> position."""
        positions: dict[str, int] = {}
        for position, name in enumerate(self.frame.columns):
            key = str(name).lower()
            if key in positions:
                raise FeedError(f"two columns of the frame are named {key!r}; drop one")
            positions[key] = position
        return positions

    def column(self, name: str) -> Floats | None:
        """Values of a column as float64 (no copy where the frame holds it so), None when there is none."""
        known = self._views.get(name)
        if known is not None:
            return known
        position = self.place(name)
        if position is None:
            return None
        values = self.values(position)
        if self._keep and values.base is not None:  # no copy, so it costs no memory
            self._views[name] = values
        return values

    def place(self, name: str, is_optional: bool | None = None, nocase: bool = True) -> int | None:
        """Position of a column; None when there is none and it is optional (None: as volume and open interest are)."""
        if nocase:
            position = self.columns.get(name.lower())
        else:
            names = [str(each) for each in self.frame.columns]
            position = names.index(name) if name in names else None
        if position is None and not (name in OPTIONAL if is_optional is None else is_optional):
            known = self.columns if nocase else [str(each) for each in self.frame.columns]
            raise FeedError(f"the frame has no column {name!r}{did_you_mean(name, known)}")
        return position

    def values(self, position: int) -> Floats:
        """Values of the column at a position, as ``column``."""
        series, name = self.frame.iloc[:, position], str(self.frame.columns[position])
        if not pd.api.types.is_numeric_dtype(series) or pd.api.types.is_bool_dtype(series):
            raise FeedError(f"column {name!r} is of type {series.dtype}, not numbers; convert it: pd.to_numeric(...)")
        return np.ascontiguousarray(series.to_numpy(dtype=np.float64, na_value=np.nan))


def epoch_microseconds(index: pd.DatetimeIndex) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Microseconds since 1970-01-01 UTC; nanoseconds are cut off as ``Timestamp.to_pydatetime`` does."""
    stamps = index.asi8  # UTC already when the index is aware
    if index.unit == "ns":
        return stamps // 1_000
    return stamps * {"us": 1, "ms": 1_000, "s": 1_000_000}[index.unit]


class ColumnarData(bt.feed.DataBase):
    """Bars from a frame, loaded in bulk.

    Params:
      - ``dataname``: DataFrame with a DatetimeIndex (naive = UTC, aware is converted) and columns open, high,
        low, close, optionally volume and openinterest, in any case; or a BarArrays to share its conversion.
      - ``open``, ``high``, ``low``, ``close``, ``volume``, ``openinterest`` (-1): the column of a line, as with
        PandasData: its name, its position from 0, -1 for the column named as the line, None for a line of NaN.
      - ``datetime`` (None): the index; or the name or position of a column of times, -1 for the one named datetime,
        the index where there is none.
      - ``nocase`` (True): names of columns match in any case.
      - those of ``bt.feed.DataBase``: name, timeframe, compression, fromdate, todate, tz, sessionend, ...

    A subclass may declare further ``lines``; each is filled from the column that the parameter of its name says, or
    from the one of its name. Gives the same bars as ``bt.feeds.PandasData``, bit for bit, in every mode of Cerebro.
    Raises FeedError as BarArrays does: where PandasData would give NaN for a price without a column, too.
    """

    params = (("nocase", True), ("datetime", None), *((name, -1) for name in (*PRICES, *OPTIONAL)))

    def __init__(self) -> None:
        super().__init__()
        source = self.p.dataname
        stamps = self._stamps_of(source.frame if isinstance(source, BarArrays) else source)
        if stamps is not None:
            source = stamps
        self._arrays = source if isinstance(source, BarArrays) else BarArrays(source)
        names = [name for name in self.getlinealiases() if name != "datetime"]
        self._places = {name: self._place(self._arrays, name, getattr(self.p, name, -1)) for name in names}
        for place in self._places.values():
            if place is not None:
                self._arrays.values(place)  # a frame that cannot be loaded fails here, not in mid-run

    def _place(self, arrays: BarArrays, line: str, wanted: Any) -> int | None:
        """Position of the column that a parameter of PandasData's kind asks for; None for none."""
        if wanted is None:
            return None
        if isinstance(wanted, str):
            return arrays.place(wanted, is_optional=False, nocase=self.p.nocase)
        if not isinstance(wanted, numbers.Integral):
            raise FeedError(f"{line}={wanted!r} is no column; give its name, its position, -1 or None")
        position = int(wanted)
        if position < 0:
            return arrays.place(line, is_optional=line in (*OPTIONAL, "datetime"), nocase=self.p.nocase)
        if position >= len(arrays.frame.columns):
            raise FeedError(f"{line}={wanted} is no column: the frame has {len(arrays.frame.columns)}, counted from 0")
        return position

    def _stamps_of(self, frame: Any) -> pd.DataFrame | None:
        """The frame with the times that ``datetime`` asks for in its index; None where they are there already."""
        if self.p.datetime is None or not isinstance(frame, pd.DataFrame):
            return None
        at_any_time = frame.set_axis(pd.DatetimeIndex(np.zeros(len(frame), dtype="M8[us]")), axis=0)
        place = self._place(BarArrays(at_any_time), "datetime", self.p.datetime)
        if place is None:
            return None
        times = frame.iloc[:, place]
        if not pd.api.types.is_datetime64_any_dtype(times):
            name = str(frame.columns[place])
            raise FeedError(f"column {name!r} is of type {times.dtype}, not times; convert it: pd.to_datetime(...)")
        indexed = frame.copy(deep=False)
        indexed.index = pd.DatetimeIndex(times)
        return indexed

    def _column(self, line: str) -> Floats | None:
        place = self._places[line]
        return None if place is None else self._arrays.values(place)

    def start(self) -> None:
        super().start()
        self._next_row = 0
        self._row_values: list[tuple[Any, Floats]] | None = None  # (line, its column), made when first needed

    def _load(self) -> bool:
        if self._row_values is None:
            columns = ((getattr(self.lines, name), self._column(name)) for name in self._places)
            self._row_values = [(line, column) for line, column in columns if column is not None]
        row = self._next_row
        if row >= len(self._arrays):
            self._row_values = None  # an exhausted feed is pickled without its columns
            return False
        self._next_row += 1
        for line, column in self._row_values:
            line[0] = column.item(row)
        self.lines.datetime[0] = self._arrays.datetime.item(row)
        return True

    def preload(self) -> None:
        """Extend the lines by all bars in [fromdate, todate] at once.

        Filters (resampling too), an input timezone, bound lines and look-ahead room work on single bars: then bars
        are loaded one by one as any backtrader feed does.
        """
        single = self._filters or self._barstack or self._barstash or self._tzinput
        if single or any(line.bindings or line.extension for line in self.lines):
            super().preload()
            return
        arrays = self._arrays
        is_shared = arrays is self.p.dataname  # with other feeds: its datetimes are worth keeping
        if not is_shared and not self._next_row and arrays.is_within(self.fromdate, self.todate):
            rows = slice(0, len(arrays))
            arrays.write_datetime(self.lines.datetime)
        else:
            first = int(np.searchsorted(arrays.datetime, self.fromdate, side="left"))
            last = int(np.searchsorted(arrays.datetime, self.todate, side="right"))
            first = max(first, self._next_row)  # bars before it were loaded already
            rows = slice(first, max(first, last))
            _fill(self.lines.datetime, arrays.datetime, rows)
        for name in self._places:
            _fill(getattr(self.lines, name), self._column(name), rows)
        self._next_row = len(arrays)
        self._last()
        self.home()


def _fill(line: Any, column: Floats | None, rows: slice) -> None:
    """Append the rows of a column (None: NaN) to a line."""
    if column is None:
        line.array.extend(array.array("d", [float("nan")]) * (rows.stop - rows.start))
    elif rows.stop > rows.start:
        line.array.frombytes(column[rows].data.cast("B"))
