"""Keeps what a live session saw and did, so that `halflife replay` can run it again: one folder for each run.

``start.json``: settings, versions, orders of before, the state that was restored. ``turns.jsonl``: a line for each turn
of Cerebro in which anything happened (``live.record_lines``). A record that cannot be written ends with a word to
``failed`` and never stops trading.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import backtrader as bt

from analyzers.wiring import utc_time
from core.errors import RecordError
from core.orders import Refusal
from engine.venue import Carried, Report, Venue, VenueOrder, VenueRefused
from live.record_lines import Asked, Cancelled, Entry, Modified, Placed, Rated, Told, Turn, carried_values, to_line

logger = logging.getLogger(__name__)
FORMAT = 1
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
        try:
            folder.mkdir(parents=True)
            self._file = (folder / TURNS).open("w", encoding="utf-8")
        except OSError as error:
            raise RecordError(
                f"{folder}: the record of this day cannot be written ({error.strerror or error}); free space on the "
                f"disk, or set live.record = false"
            ) from error

    def begin(self, carried: Sequence[Carried]) -> None:
        """Write ``start.json``."""
        values = {"format": FORMAT, **self._about, "carried": carried_values(carried)}
        self._try(lambda: (self.folder / START).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8"))

    def write(self, turn: Turn) -> None:
        file = self._file
        if file is None or not turn:
            return
        at = max(bar[0] for bar in turn.bars.values()) if turn.bars else None
        line = to_line(turn, "" if at is None else f"{utc_time(at):%Y-%m-%d %H:%M:%S}")
        self._try(lambda: (file.write(line + "\n"), file.flush()))

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            self._try(file.close)

    def _try(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            file, self._file = self._file, None
            if file is not None:
                with contextlib.suppress(OSError):  # what could not be written is tried again by close
                    file.close()
            self._failed(f"the record of this day ends here: {error.strerror or error} ({self.folder})")


class RecordingVenue:
    """A venue that notes what passes between it and the broker; everything else of ``venue`` shows through.

    ``watch`` names the datas of the run. ``begin``: its first bar that counts. ``rates``: exchange rates by currency,
    where they come from outside.
    """

    def __init__(
        self,
        venue: Venue,
        recorder: Recorder,
        begin: dt.datetime | None = None,
        rates: Callable[[], Mapping[str, float]] = dict[str, float],
    ) -> None:
        self._venue = venue
        self._recorder = recorder
        # moments come from floats
        self._begin = begin - dt.timedelta(milliseconds=1) if begin is not None else None
        self._rates = rates
        self._has_begun = False  # the turn in which the venue was opened is under way
        self._datas: Sequence[bt.AbstractDataBase] = ()
        self._seen: dict[bt.AbstractDataBase, int] = {}  # data -> bars of it that are noted
        self._answers: dict[str, str] = {}  # symbol -> the last answer of why_no_entries
        self._rated: dict[str, float] = {}  # currency -> the last rate
        self._turn = Turn()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    def watch(self, datas: Sequence[bt.AbstractDataBase]) -> None:
        self._datas = datas

    # -- the venue ------------------------------------------------------------------------------------------------

    def open(self) -> Sequence[Carried]:
        carried = self._venue.open()
        self._next_turn()
        self._turn.opens = self._has_begun = True
        self._recorder.begin(carried)
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
            self._note(Told(when, tuple(reports)))
            yield when, reports

    def place(self, orders: Sequence[VenueOrder]) -> None:
        refused: tuple[Refusal, str] | None = None
        try:
            self._venue.place(orders)
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
        """End the record: what follows is no decision of the graph."""
        self._recorder.write(self._turn)
        self._turn = Turn()
        self._recorder.close()

    def close(self) -> None:
        self.seal()
        self._venue.close()

    # -- notes ----------------------------------------------------------------------------------------------------

    def _note(self, entry: Entry) -> None:
        self._turn.entries.append(entry)

    def _next_turn(self) -> None:
        """Write the turn that is over, and those of the bars that came since: while indicators settle the venue is not
        asked."""
        self._recorder.write(self._turn)
        turns: dict[float, Turn] = {}  # backtrader's day number -> its bars
        for data in self._datas:
            for ago in range(len(data) - self._seen.get(data, 0) - 1, -1, -1):
                number = data.datetime[-ago]
                turns.setdefault(number, Turn()).bars[data._name] = (
                    number, data.open[-ago], data.high[-ago], data.low[-ago], data.close[-ago], data.volume[-ago],
                )  # fmt: skip
            self._seen[data] = len(data)
        numbers = sorted(turns)
        if not numbers or (self._begin is not None and utc_time(numbers[-1]) < self._begin):
            self._turn = Turn()  # this one has no bar
        else:
            self._turn = turns[numbers.pop()]
        for number in numbers:
            self._recorder.write(turns[number])


def new_folder(days: Path, when: dt.datetime) -> Path:
    """A folder that does not exist yet: ``days/2024-06-12/143000``, UTC."""
    base = days / f"{when:%Y-%m-%d}" / f"{when:%H%M%S}"
    place, number = base, 1
    while place.exists():
        number += 1
        place = base.with_name(f"{base.name}-{number}")
    return place
