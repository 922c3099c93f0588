"""Keeps what a live session saw and did, so that `halflife replay` can run it again: one folder for each trading day.

``start.json``: settings, versions, orders of before, the state with which the day began. ``turns.jsonl``: what each
turn of Cerebro brought and led to, a line for each thing as it happens (``live.record_lines``); nothing waits for the
disk. A record that cannot be written ends with a word to ``failed`` and never stops trading.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO

import backtrader as bt

from analyzers.wiring import utc_time
from core.errors import HalflifeError, RecordError
from core.orders import Refusal
from engine.venue import Carried, Report, Venue, VenueOrder, VenueRefused
from live.record_lines import (
    Asked,
    Cancelled,
    End,
    Entry,
    Failed,
    Modified,
    Placed,
    Rated,
    Told,
    Turn,
    carried_values,
    end_line,
    more_line,
    to_line,
)
from live.record_orders import KnownOrders

logger = logging.getLogger(__name__)
FORMAT = 2
START = "start.json"
TURNS = "turns.jsonl"


class Recorder:
    """Writes a record into ``folder``, which it makes. ``about``: what ``start.json`` holds beside the orders.

    Raises RecordError where it cannot begin.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], failed: Callable[[str], None] = logger.error) -> None:
        self.folder = folder
        self._about = dict(about)
        self._failed = failed
        self._file: TextIO | None = None
        self._digest = hashlib.sha256()
        try:
            folder.mkdir(parents=True)
            self._file = (folder / TURNS).open("w", encoding="utf-8")
        except OSError as error:
            raise RecordError(
                f"{folder}: the record of this day cannot be written ({error.strerror or error}); free space on the "
                f"disk, or set live.record = false"
            ) from error

    def begin(self, carried: Sequence[Carried], rates: Mapping[str, float]) -> None:
        """Write ``start.json``. ``rates``: exchange rates by currency, as far as they come from outside."""
        values = {"format": FORMAT, **self._about, "rates": dict(rates), "carried": carried_values(carried)}
        self._try(lambda: (self.folder / START).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8"))

    def write(self, turns: Sequence[Turn]) -> None:
        """Turns that have begun."""
        self._write([to_line(turn, _at(turn)) for turn in turns])

    def more(self, *entries: Entry) -> None:
        """What happened next in the turn that was written last."""
        if self._file is not None:
            self._write([more_line(entries)])

    def close(self, is_whole: bool = False) -> None:
        """``is_whole``: nothing is missing of the turn that was written last."""
        self._write([end_line(End(is_whole, self._digest.hexdigest()))])
        file, self._file = self._file, None
        if file is not None:
            self._try(file.close)

    def _write(self, lines: Sequence[str]) -> None:
        file = self._file
        if file is not None and lines:
            text = "".join([f"{line}\n" for line in lines])
            self._digest.update(text.encode())
            self._try(lambda: (file.write(text), file.flush()))

    def _try(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            file, self._file = self._file, None
            if file is not None:
                with contextlib.suppress(OSError):  # what could not be written is tried again by close
                    file.close()
            self._failed(
                f"the record of this day ends here ({error.strerror or error}: {self.folder}), and trading goes on; "
                f"free space on the disk, and the next day is recorded again"
            )


class Records(Protocol):
    """Where the records of a run come from."""

    def first(self) -> Recorder:
        """The record with which the run begins. Raises RecordError."""

    def is_over(self, bar: dt.datetime | None) -> bool:
        """Whether the day of the record is over now that this bar has come, or none."""

    def next(self, last: dt.datetime, bar: dt.datetime | None) -> tuple[Recorder, dt.datetime]:
        """The record of the day that begins, with ``bar`` or before it, after the bar ``last``; and the moment from
        which on it wants bars of the days before, UTC.

        Raises HalflifeError where there can be none.
        """


class RecordingVenue:
    """A venue that notes what passes between it and the broker; everything else of ``venue`` shows through.

    ``watch`` names the datas of the run. ``begin``: its first bar that counts. ``rates``: exchange rates by currency,
    where they come from outside. ``failed`` is told where a record cannot follow the one before. Raises RecordError
    where the first one cannot begin.
    """

    def __init__(
        self,
        venue: Venue,
        records: Records,
        begin: dt.datetime | None = None,
        rates: Callable[[], Mapping[str, float]] = dict[str, float],
        failed: Callable[[str], None] = logger.error,
    ) -> None:
        self._venue = venue
        self._records = records
        # moments come from floats
        self._begin = begin - dt.timedelta(milliseconds=1) if begin is not None else None
        self._rates = rates
        self._failed = failed
        self._recorder: Recorder | None = records.first()
        self._is_open = False
        self._has_begun = False  # the turn in which the venue was opened is under way
        self._datas: Sequence[bt.AbstractDataBase] = ()
        self._seen: dict[bt.AbstractDataBase, int] = {}  # data -> bars of it that are noted
        self._last = 0.0  # backtrader's day number of the newest of them
        self._orders = KnownOrders()
        self._answers: dict[str, str] = {}  # symbol -> the last answer of why_no_entries
        self._rated: dict[str, float] = {}  # currency -> the last rate
        self._has_bars = False  # the turn under way has brought some
        self._is_written = False  # its line is there

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    def watch(self, datas: Sequence[bt.AbstractDataBase]) -> None:
        self._datas = datas

    # -- the venue ------------------------------------------------------------------------------------------------

    def open(self) -> Sequence[Carried]:
        carried = self._venue.open()
        self._orders.take_over(carried)
        self._begin_record(carried)
        self._is_open = self._has_begun = True
        self._next_turn(opening=True)
        return carried

    def play(
        self, until: dt.datetime | None, wake: Callable[[], dt.datetime | None]
    ) -> Iterator[tuple[dt.datetime, Sequence[Report]]]:
        if not self._has_begun:
            self._next_turn()
        self._has_begun = False
        for currency, rate in self._rates().items():
            if self._rated.get(currency) != rate:
                self._rated[currency] = rate
                self._note(Rated(currency, rate))
        for when, reports in self._venue.play(until, wake):
            self._orders.hear(reports)
            self._note(Told(when, tuple(reports)))
            yield when, reports

    def place(self, orders: Sequence[VenueOrder]) -> None:
        refused: tuple[Refusal, str] | None = None
        try:
            self._venue.place(orders)
            self._orders.place(orders)
        except VenueRefused as error:
            refused = error.refusal, error.detail
            raise
        finally:
            self._note(Placed(tuple(orders), refused))

    def cancel(self, ref: int, why: str) -> None:
        self._note(Cancelled(ref, why))
        self._venue.cancel(ref, why)

    def modify(self, order: VenueOrder) -> None:
        refused: tuple[Refusal, str] | None = None
        try:
            self._venue.modify(order)
            self._orders.modify(order)
        except VenueRefused as error:
            refused = error.refusal, error.detail
            raise
        finally:
            self._note(Modified(order, refused))

    def why_no_entries(self, symbol: str) -> str:
        why = self._venue.why_no_entries(symbol)
        if self._answers.get(symbol, "") != why:
            self._answers[symbol] = why
            self._note(Asked(symbol, why))
        return why

    def seal(self) -> None:
        """End the record: what follows is no decision of the graph. On a bar, it may have been about to decide."""
        self._end(is_whole=not self._has_bars)

    def close(self) -> None:
        self._end(is_whole=True)
        self._venue.close()

    def fail(self, error: Exception) -> None:
        """The graph has failed: the bars on which it did are in the record, too, and why."""
        if not self._is_open:
            self._begin_record(())
        if any(len(data) > self._seen.get(data, 0) for data in self._datas):
            self._next_turn()
        self._note(Failed(type(error).__name__, str(error), failed_at(error)))

    # -- notes ----------------------------------------------------------------------------------------------------

    def _begin_record(self, carried: Sequence[Carried]) -> None:
        self._rated = dict(self._rates())
        if self._recorder is not None:
            self._recorder.begin(carried, self._rated)

    def _end(self, is_whole: bool) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.close(is_whole)

    def _note(self, entry: Entry) -> None:
        if self._recorder is None:
            return
        if self._is_written:
            self._recorder.more(entry)
        else:
            self._recorder.write([Turn(entries=[entry])])
            self._is_written = True

    def _next_turn(self, opening: bool = False) -> None:
        """A turn has begun. Write the bars that have come since the last one: many where indicators settled, for then
        the venue is not asked."""
        opens = opening or (self._is_open and self._rolls())
        first = {data: self._seen.get(data, 0) for data in self._datas}
        numbers, turns = self._bars(first)
        self._seen = {data: len(data) for data in self._datas}
        self._last = max([self._last, *numbers])
        has_settled = opening and self._begin is not None and bool(numbers) and utc_time(numbers[-1]) < self._begin
        self._has_bars = bool(numbers) and not has_settled
        if not self._has_bars and opens:
            turns.append(Turn())  # this one has no bar
        if opens:
            turns[-1].opens = True
        self._is_written = opens or self._has_bars
        if self._recorder is not None:
            self._recorder.write(turns)

    def _bars(
        self, first: Mapping[bt.AbstractDataBase, int], end: Mapping[bt.AbstractDataBase, int] | None = None,
    ) -> tuple[list[float], list[Turn]]:  # fmt: skip
        """Turns of the bars of all datas from a place on, up to ``end``, by time, and backtrader's numbers of them."""
        turns: dict[float, Turn] = {}
        for data in self._datas:
            have = len(data)
            for place in range(first[data], have if end is None else end[data]):
                ago = place - have + 1
                number = data.datetime[ago]
                turns.setdefault(number, Turn()).bars[data._name] = (
                    number, data.open[ago], data.high[ago], data.low[ago], data.close[ago], data.volume[ago],
                )  # fmt: skip
        numbers = sorted(turns)
        return numbers, [turns[number] for number in numbers]

    # -- the next day ---------------------------------------------------------------------------------------------

    def _rolls(self) -> bool:
        """Go on in another record where the day of this one is over; whether it is."""
        if self._recorder is None:
            return False
        came = [data.datetime[0] for data in self._datas if len(data) > self._seen.get(data, 0)]
        bar = utc_time(max(came)) if came else None
        try:
            if not self._records.is_over(bar):
                return False
            self._end(is_whole=True)
            self._recorder, since = self._records.next(utc_time(self._last), bar)
        except HalflifeError as error:
            self._end(is_whole=False)
            self._failed(str(error))
            return False
        self._answers.clear()
        self._begin_record(self._orders.carried())
        self._recorder.write(self._bars({data: _first_since(data, since) for data in self._datas}, self._seen)[1])
        return True


def _first_since(data: bt.AbstractDataBase, since: dt.datetime) -> int:
    """The place of the first bar of a data that is of ``since`` or later."""
    number, place = bt.date2num(since.replace(tzinfo=None)), len(data)
    while place > 0 and data.datetime[place - len(data)] >= number:
        place -= 1
    return place


def failed_at(error: Exception) -> str:
    """File and line at which it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def _at(turn: Turn) -> str:
    """The time of its bars, for a person."""
    return f"{utc_time(max(bar[0] for bar in turn.bars.values())):%Y-%m-%d %H:%M:%S}" if turn.bars else ""


def new_folder(day: Path, when: dt.datetime) -> Path:
    """A folder in that of a day that does not exist yet, named by the time at which it begins: ``143000``, UTC."""
    base = day / f"{when:%H%M%S}"
    place, number = base, 1
    while place.exists():
        number += 1
        place = base.with_name(f"{base.name}-{number}")
    return place
