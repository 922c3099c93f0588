"""Historical data: bars, head timestamp, schedule, as HMDS gives them, of the tape and of the frames before it.

Nothing that ends after ``now`` is ever shown, and what a fault has changed on the tape is shown as it was played. Bars
are stamped with their start; daily, weekly and monthly ones with a date.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.errors import FeedError
from gateway.data.columns import BarColumns, QuoteColumns, bar_columns
from gateway.data.contracts import ContractBook, local_symbol, lot_of
from gateway.data.played import PlayedTape
from gateway.data.showing import NAMES, NONE, OTHER, QUOTED, TRADED, both_sides, quoted, shifted
from gateway.data.slots import Grid, Series, collapsed, filled, grouped, period_of
from gateway.data.spans import DAY_SECONDS, check_together, parse_bar_size, parse_duration
from gateway.data.stamps import Stamps, parse_moment
from gateway.data.tape import Step, Tape
from gateway.hours import SECOND, hours_of, moment_of
from gateway.model import Instrument, Values
from gateway.refused import Refused, hmds, invalid

Frames = Mapping[Instrument, Mapping[int, pd.DataFrame]]
WHOLE_SHARES = 163  # sizes of US stocks are in hundreds below this version


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Bars of a request as arrays. ``begin`` and ``bound``: what the duration covers, microseconds UTC."""

    instrument: Instrument
    what: str
    grid: Grid
    series: Series
    begin: int
    bound: int


class History:
    """Answers for historical bars from a tape and from frames of earlier days.

    ``frames``: by instrument and size of the bars in seconds (86,400: daily bars of the regular sessions, stamped
    with their date or their close) open, high, low, close, volume as on the tape. ``fill``: slots without a trade are
    shown flat with volume 0, as HMDS does. ``zone``: of the times told to clients older than 174 (default: the
    instrument's).
    """

    def __init__(
        self, tape: Tape, book: ContractBook, frames: Frames | None = None, *, fill: bool = True, zone: str = ""
    ) -> None:
        self.tape = tape.copy()
        self._played = PlayedTape(self.tape)
        self.book = book
        self.fill = fill
        self.zone = zone
        self.frames: dict[Instrument, dict[int, BarColumns]] = {
            instrument: {seconds: _earlier(frame, instrument, seconds) for seconds, frame in by_size.items()}
            for instrument, by_size in (frames or {}).items()
        }

    def bars(self, request: Values, now: dt.datetime, version: int = 176) -> Values:
        """reqId, start, end and bars (date, open, high, low, close, volume, wap, barCount) of historicalData.

        ``request``: contract, endDateTime, durationStr, barSizeSetting, whatToShow, useRTH, formatDate, keepUpToDate.
        Raises Refused with IBKR's error: 200, 321, 162.
        """
        shown = self.shown(request, now)
        stamps = self.stamps(shown.instrument, version, int(request.get("formatDate") or 1))
        rows = self.rows(shown, stamps, version)
        if not rows:
            raise self.no_data(shown.instrument, request, shown.what)
        return {
            "reqId": request.get("reqId", 0),
            "start": stamps.moment(shown.begin),
            "end": stamps.moment(shown.bound),
            "bars": rows,
        }

    def shown(self, request: Values, now: dt.datetime) -> Shown:
        """The bars of a request as arrays; there may be none. Raises Refused."""
        seconds = parse_bar_size(str(request["barSizeSetting"]))
        duration = parse_duration(str(request["durationStr"]))
        what = str(request.get("whatToShow") or "TRADES").upper()
        end_text = str(request.get("endDateTime") or "")
        if what not in TRADED | QUOTED | OTHER:
            raise invalid(f"Historical data query what to show [{what}] is invalid.", "bN")
        if request.get("keepUpToDate") and end_text:
            raise invalid("End date/time is not supported with keepUpToDate", "bN")
        if what == "ADJUSTED_LAST" and end_text:
            raise invalid("End Date not supported with adjusted last", "bN")
        if request.get("keepUpToDate") and seconds < 5:
            raise invalid("Bar size must be 5 secs or greater with keepUpToDate", "bN")
        instrument = self.book.one(request["contract"])
        hours = hours_of(instrument)
        end = moment_of(now)
        if end_text:
            end = min(end, moment_of(parse_moment(end_text, hours, self.zone)))
        check_together(duration, seconds)
        regular = bool(int(request.get("useRTH") or 0))
        grid = Grid(hours, seconds, regular)
        begin = duration.begin(end, hours, regular)
        if begin is None or (what not in QUOTED and not _trades(instrument, what)):
            raise self.no_data(instrument, request, what)
        return Shown(instrument, what, grid, self.series(instrument, what, grid, begin, end), begin, end)

    def series(self, instrument: Instrument, what: str, grid: Grid, begin: int, bound: int) -> Series:
        """Bars whose slot ends after ``begin``, of what has ended by ``bound``."""
        if grid.seconds >= DAY_SECONDS:
            rows = self._by_day(instrument, what, grid, bound)
        else:
            rows = self._intraday(instrument, what, grid, begin, bound)
        _, ends = grid.edges(rows.number, rows.slot)
        rows = rows.take(np.asarray(ends > begin))
        return rows if grid.seconds <= DAY_SECONDS else _by_period(rows, grid)

    def rows(self, shown: Shown, stamps: Stamps, version: int) -> list[Values]:
        """The rows ``bars`` of historicalData."""
        series, grid = shown.series, shown.grid
        if grid.seconds >= DAY_SECONDS:
            dates = [stamps.day(grid.hours.days[number]) for number in series.number.tolist()]
        else:
            dates = [stamps.moment(start) for start in grid.edges(series.number, series.slot)[0].tolist()]
        lot = lot_of(shown.instrument) if version < WHOLE_SHARES else 1
        numbers = (column.tolist() for column in (series.open, series.high, series.low, series.close))
        if shown.what in TRADED:
            sizes = [(series.volume // lot).tolist() if lot > 1 else series.volume.tolist()]
            sizes += [series.wap.tolist(), series.count.tolist()]
        else:
            sizes = [[float(NONE)] * len(series), [float(NONE)] * len(series), [NONE] * len(series)]
        return [
            dict(zip(_FIELDS, (date, *(_tidy(price) for price in prices), volume, _tidy(wap), count), strict=True))
            for date, *prices, volume, wap, count in zip(dates, *numbers, *sizes, strict=True)
        ]

    def split(self, instrument: Instrument, ratio: float) -> None:
        """One share has become ``ratio``: from now on all history is shown as if it had always been so."""
        self.tape.split(instrument, ratio)
        by_size = self.frames.get(instrument, {})
        for seconds, bars in by_size.items():
            by_size[seconds] = bars.split(ratio, instrument.min_tick)

    def played(self, recorded: Step, step: Step) -> None:
        """A step of the tape was played otherwise than it is recorded: from now on history shows what was played."""
        self._played.write(recorded, step)

    def stamps(self, instrument: Instrument, version: int, format_date: int) -> Stamps:
        return Stamps(hours_of(instrument), version, format_date, self.zone)

    def head(self, request: Values, now: dt.datetime) -> str:
        """The first moment of which there are bars: headTimestamp, ``yyyymmdd-hh:mm:ss`` UTC, or seconds with
        formatDate 2."""
        instrument = self.book.one(request["contract"])
        what = str(request.get("whatToShow") or "TRADES").upper()
        regular = bool(int(request.get("useRTH") or 0))
        hours = hours_of(instrument)
        starts, ends = hours.windows(regular)
        known: list[int] = []
        for seconds, rows in self.frames.get(instrument, {}).items():
            if len(rows):
                number = hours.begun_before(int(rows.end[0]), regular)
                known.append(int(starts[max(number, 0)] if seconds == DAY_SECONDS else rows.start[0]))
        bars, quotes = self.tape.bars.get(instrument), self.tape.quotes.get(instrument)
        if bars is not None and len(bars):
            known.append(int(bars.start[0]))
        if what in QUOTED and quotes is not None and len(quotes):
            known.append(int(quotes.end[0]))
        now_moment = moment_of(now)
        first = min(known, default=now_moment)
        first = max(first, int(starts[np.searchsorted(ends, first, side="right")]))  # within the hours
        if first >= now_moment or (what in TRADED and not _trades(instrument, what)):
            raise hmds(f"No head time stamp: {_name(instrument, request)}")
        if int(request.get("formatDate") or 1) == 2:
            return str(first // SECOND)
        return f"{pd.Timestamp(first, unit='us'):%Y%m%d-%H:%M:%S}"

    def previous_close(self, instrument: Instrument, moment: int) -> float | None:
        """The close of the last regular session that ended before the one of ``moment``; None: not known."""
        hours = hours_of(instrument)
        number = hours.begun_before(moment + 1, regular=False)
        if number < 0:
            return None
        what = "TRADES" if _trades(instrument, "TRADES") else "MIDPOINT"
        rows = self._by_day(instrument, what, Grid(hours, DAY_SECONDS, regular=True), int(hours.start[number]))
        return float(rows.close[-1]) if len(rows) else None

    def no_data(self, instrument: Instrument, request: Values, what: str) -> Refused:
        """162: HMDS query returned no data."""
        name = NAMES.get(what, what.replace("_", " ").title())
        return hmds(f"HMDS query returned no data: {_name(instrument, request)} {name}")

    def _intraday(self, instrument: Instrument, what: str, grid: Grid, begin: int, bound: int) -> Series:
        number = grid.hours.begun_before(begin + 1, grid.regular)
        after = int(grid.hours.windows(grid.regular)[0][max(number, 0)])  # the session's start: what holds at begin
        parts: list[Series] = []
        until = bound
        if what in QUOTED and instrument in self.tape.quotes:
            quotes = self.tape.quotes[instrument]
            parts.append(_of_quotes(quotes, grid, what, after, bound))
            if len(quotes):
                until = min(until, int(quotes.end[0]))
        elif instrument in self.tape.bars:
            bars = self.tape.bars[instrument]
            if _divides(bars.seconds, grid.seconds):
                parts.append(grouped(shifted(bars.within(after, bound), instrument, what), grid))
            if len(bars):
                until = min(until, int(bars.start[0]))
        by_size = self.frames.get(instrument, {})
        for seconds in sorted((each for each in by_size if _divides(each, grid.seconds)), reverse=True):
            bars = by_size[seconds]
            if len(bars):
                parts.append(grouped(shifted(bars.within(after, until), instrument, what), grid))
                until = min(until, int(bars.start[0]))
        rows = collapsed(Series.joined(parts[::-1]))
        return filled(rows, grid, bound) if self.fill else rows

    def _by_day(self, instrument: Instrument, what: str, grid: Grid, bound: int) -> Series:
        """One row for each session; what the tape holds comes before daily frames, these before finer ones."""
        daily = Grid(grid.hours, DAY_SECONDS, grid.regular)
        parts: list[Series] = []
        if what in QUOTED and instrument in self.tape.quotes:
            parts.append(_of_quotes(self.tape.quotes[instrument], daily, what, -(2**62), bound))
        elif instrument in self.tape.bars:
            bars = self.tape.bars[instrument].within(-(2**62), bound)
            parts.append(grouped(shifted(bars, instrument, what), daily))
        for _, bars in sorted(self.frames.get(instrument, {}).items(), reverse=True):
            parts.append(grouped(shifted(bars.within(-(2**62), bound), instrument, what), daily))
        rows = Series.joined(parts)
        _, first = np.unique(rows.number, return_index=True)
        return rows.take(first)


_FIELDS = ("date", "open", "high", "low", "close", "volume", "wap", "barCount")


def _earlier(frame: pd.DataFrame, instrument: Instrument, seconds: int) -> BarColumns:
    """Columns of a frame; daily rows get the close of their session as end."""
    name = f"{instrument.symbol}, history of {seconds} s"
    if seconds != DAY_SECONDS:
        if seconds > DAY_SECONDS:
            raise FeedError(f"{name}: bars longer than a day are made of daily ones; give those")
        return bar_columns(frame, name, seconds)
    columns = bar_columns(frame, name, 1)
    hours = hours_of(instrument)
    number = np.searchsorted(hours.close, columns.end, side="left")
    if len(number) and (number[-1] == len(hours) or (np.diff(number) == 0).any()):
        raise FeedError(f"{name}: two rows belong to one session, or to none; keep one for each session")
    return BarColumns(
        hours.close[number],
        1,
        *(columns.open, columns.high, columns.low, columns.close, columns.volume, columns.wap),
        count=columns.count,
    )


def _of_quotes(quotes: QuoteColumns, grid: Grid, what: str, after: int, bound: int) -> Series:
    rows = quotes.within(after, bound)
    if what != "BID_ASK":
        return quoted(rows, grid, what)
    known = np.isfinite(rows.bid) & np.isfinite(rows.ask)
    rows = QuoteColumns(rows.end[known], rows.bid[known], rows.ask[known], rows.bid_size[known], rows.ask_size[known])
    return both_sides(rows, grid, bound, (quoted(rows, grid, "BID"), quoted(rows, grid, "ASK")))


def _by_period(rows: Series, grid: Grid) -> Series:
    """Daily rows as weekly or monthly ones, which bear the date of their last session."""
    periods = [period_of(grid.hours.days[number], grid.seconds) for number in rows.number.tolist()]
    slots = np.array([year * 100 + part for year, part in periods], dtype=np.int64)
    merged = collapsed(Series(slots, slots, *(getattr(rows, name) for name in Series.__slots__[2:])))
    last = np.append(np.flatnonzero(np.diff(slots)), len(slots) - 1) if len(slots) else slots
    number = rows.number[last]
    return Series(number, np.zeros_like(number), *(getattr(merged, name) for name in Series.__slots__[2:]))


def _trades(instrument: Instrument, what: str) -> bool:
    """Whether an instrument has prices of that kind: pairs have no trades."""
    return what in TRADED and instrument.sec_type != "CASH"


def _divides(seconds: int, size: int) -> bool:
    return seconds <= size and size % seconds == 0


def _name(instrument: Instrument, request: Values) -> str:
    return f"{local_symbol(instrument)}@{request['contract'].get('exchange') or instrument.exchange}"


def _tidy(price: float) -> float:
    """Without the dust of sums: prices have at most eight decimals."""
    return round(price, 8)
