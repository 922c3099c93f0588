"""Into the catalog: bars of files and of services. What one file or symbol lacks keeps no other from coming in."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from core.calendar import ExchangeCalendar, exchange_code
from core.currencies import check_currency
from core.errors import CalendarError, FeedEmptyError, HalflifeError, UnknownNameError, did_you_mean
from core.progress import Progress
from core.signals import uninterrupted
from feeds.bars import BarSize, RawBars, Request, Source
from feeds.catalog import Appended, Catalog, Series
from feeds.catalog.incoming import description
from feeds.catalog.index import METADATA, check_agreement
from feeds.catalog.names import check_symbol
from feeds.room.arrivals import doubt_bars
from feeds.room.coverage import held_until
from feeds.room.results import Failure, RoomResult, counted
from feeds.room.series import given_up
from feeds.sources.exchange_fit import doubt_exchange
from feeds.sources.files import EXCHANGE, FileFormat, read_file
from feeds.sources.http import ClosedError

CURRENCY = "USD"  # of a new series, where neither the source nor the user says, as EXCHANGE
SERVICES = ("yahoo", "polygon", "ibkr", "sample")
PACED = ("ibkr",)  # services that take hours for a long range: what is stored of them is not asked for again
OVERLAP = {"1d": 7, "1h": 3, "1m": 1, "1s": 0}  # days asked for again when a pull goes on: is it still the same?


@dataclass(frozen=True)
class Brought:
    """Which bars came, without the bars: an import of thousands of symbols keeps none of them in memory."""

    symbol: str
    bar: BarSize
    source: str
    rows: int
    first: pd.Timestamp | None
    last: pd.Timestamp | None


@dataclass(frozen=True)
class Stored:
    """What one file or service gave of one symbol, and what became of it."""

    bars: Brought
    appended: Appended
    notes: tuple[str, ...]


@dataclass(frozen=True, repr=False, kw_only=True)
class Storage(RoomResult):
    """What ``import`` and ``pull`` did, symbol by symbol."""

    stored: tuple[Stored, ...] = ()
    not_asked: tuple[str, ...] = ()  # symbols left out by a pull because the service answers nobody

    columns: ClassVar[tuple[str, ...]] = (
        "symbol", "bar", "source", "rows", "added", "unchanged", "differing", "replaced", "first", "last", "notes",
    )  # fmt: skip

    def rows(self) -> list[tuple[Any, ...]]:
        return [
            (
                one.bars.symbol, one.bars.bar, one.bars.source, one.bars.rows, one.appended.added,
                one.appended.unchanged, one.appended.differing, one.appended.replaced, one.bars.first, one.bars.last,
                " ".join(one.notes),
            )
            for one in self.stored
        ]  # fmt: skip

    def notes(self) -> dict[str, list[str]]:
        """Each note without its symbol, and the symbols that have it."""
        return grouped_notes((one.bars.symbol, note) for one in self.stored for note in one.notes)

    def total(self, what: str) -> int:
        """Sum over the symbols of added, unchanged, differing or replaced."""
        return sum(getattr(one.appended, what) for one in self.stored)

    def sentence(self) -> str:
        symbols = counted(len({one.bars.symbol for one in self.stored}), "symbol")
        counts = [f"{counted(self.total('added'), 'bar')} added", f"{self.total('unchanged'):,} stored already"]
        if self.total("replaced"):
            counts.append(f"{self.total('replaced'):,} replaced")
        if self.total("readjusted"):
            counts.append(f"{self.total('readjusted'):,} with a newer adj_close")
        if self.total("differing") > self.total("replaced"):
            counts.append(f"{self.total('differing') - self.total('replaced'):,} differ and were kept as stored")
        if self.failures:
            counts.append(f"{len(self.failures):,} failed")
        if self.not_asked:
            counts.append(f"{len(self.not_asked):,} not asked")
        return f"{symbols}: {', '.join(counts)}."


def grouped_notes(notes: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Notes that say the same of several symbols, once. Takes symbols and what is noted of them."""
    found: dict[str, list[str]] = {}
    for symbol, note in notes:
        found.setdefault(note.removeprefix(f"{symbol}: "), []).append(symbol)
    return found


def said(exchange: str | None, currency: str | None) -> tuple[str | None, str | None]:
    """What the user says of exchange and currency, as it is stored. Raises CalendarError, UnknownNameError."""
    return (
        None if exchange is None else exchange_code(exchange),
        None if currency is None else check_currency(currency),
    )


class Storing:
    """Collects what was stored and what failed. KeyboardInterrupt ends the collection, not what was committed.

    ``exchange`` and ``currency``: of what the source does not know; None: as the series has them, XNYS and USD of a new
    one.
    """

    def __init__(self, catalog: Catalog, *, replace: bool, exchange: str | None, currency: str | None) -> None:
        self._catalog, self._replace = catalog, replace
        self._exchange, self._currency = said(exchange, currency)
        self._series = {(one.symbol, one.bar): one for one in catalog.series()}  # asked once, and kept up to date
        self.stored: list[Stored] = []
        self.failures: list[Failure] = []
        self.not_asked: tuple[str, ...] = ()
        self.partial = False

    def series(self, symbol: str, bar: BarSize) -> Series | None:
        """What the catalog has of a symbol."""
        return self._series.get((symbol, bar))

    def exchange_of(self, symbol: str, bar: BarSize) -> str | None:
        """The exchange of a stored series."""
        known = self.series(symbol, bar)
        return known.exchange if known is not None else None

    def going_on(self, request: Request, service: str) -> tuple[Request, str]:
        """What to ask for: the exchange is that of the stored series, and it goes on from a little before the end of
        what is there where the request has no start, or the service is a slow one; and a note on that."""
        stored = self.series(request.symbol, request.bar)
        if stored is None:
            return request, ""
        end, note = stored.last.date() if request.start is None else self._held(request, stored, service), ""
        start = request.start if end is None else end - dt.timedelta(days=OVERLAP[request.bar])
        if request.start is not None and start is not None and start > request.start:
            note = f"asked for from {start} on, since the catalog has what comes before; --replace asks for all of it."
        elif request.start is not None:
            start = request.start
        return dataclasses.replace(request, start=start, exchange=stored.exchange), note

    def _held(self, request: Request, stored: Series, service: str) -> dt.date | None:
        """The session up to which the catalog has what a slow service is asked for; None: all of it is asked for."""
        if request.start is None or service not in PACED or service != stored.source or self._replace:
            return None
        calendar, last = ExchangeCalendar(stored.exchange), min(stored.last.date(), request.end or dt.date.max)
        if not calendar.first <= request.start <= last:
            return None
        bars = self._catalog.raw(request.symbol, request.bar, request.start - dt.timedelta(days=1), None)
        return held_until(pd.DatetimeIndex(bars.index), calendar, request.start, last)

    def add(self, bars: RawBars) -> None:
        """Append the bars of one symbol; a signal waits for that. Raises what the catalog raises."""
        complete, frame = self._completed(bars), bars.frame
        assumed = not (bars.exchange or self._exchange or self.series(bars.symbol, bars.bar))
        with uninterrupted():
            appended = self._catalog.append(complete, replace=self._replace)
            # Of bars that the catalog found to be bars
            doubts = [*doubt_bars(bars, complete.exchange or EXCHANGE)]
            doubts += doubt_exchange(bars, EXCHANGE) if assumed else ()
            first, last = (frame.index.min(), frame.index.max()) if len(frame) else (None, None)
            brought = Brought(bars.symbol, bars.bar, bars.source, len(frame), first, last)
            self.stored.append(Stored(brought, appended, (*bars.notes, *self._remarks(appended), *doubts)))
            if len(frame):
                self._series[bars.symbol, bars.bar] = self._catalog.get(bars.symbol, bars.bar)

    def agree(self, read: Sequence[RawBars]) -> None:
        """Raise CatalogError where one of these symbols cannot be stored beside what there is."""
        for bars in read:
            about = description(self._completed(bars), CURRENCY, EXCHANGE)
            stored = self.series(bars.symbol, bars.bar)
            if stored is not None:
                check_agreement(about, {name: getattr(stored, name) for name in METADATA})

    def fail(self, what: str, error: HalflifeError) -> None:
        self.failures.append(Failure(what, error))

    def _completed(self, bars: RawBars) -> RawBars:
        """Bars with an exchange and a currency: what the source says, else the user, else the catalog."""
        try:
            exchange, currency = said(bars.exchange or None, bars.currency or None)
        except (CalendarError, UnknownNameError) as error:
            raise type(error)(f"{bars.symbol}: {error.args[0]}") from error
        stored = self.series(bars.symbol, bars.bar)
        exchange = exchange or self._exchange or (stored.exchange if stored else EXCHANGE)
        currency = currency or self._currency or (stored.currency if stored else CURRENCY)
        return dataclasses.replace(bars, exchange=exchange, currency=currency)

    def _remarks(self, appended: Appended) -> Iterator[str]:
        if appended.differing > appended.replaced:
            yield (
                f"{counted(appended.differing, 'bar')} differ from those stored, which were kept; "
                "--replace takes the new ones."
            )
        if appended.readjusted:
            yield (
                f"the adj_close of {counted(appended.readjusted, 'stored bar')} is another one by now and was taken; "
                "`halflife data adjust` reads it anew."
            )
        if appended.older:
            yield (
                f"{counted(appended.older, 'stored bar')} outside of the file keep the adj_close of an earlier one, so "
                "the two do not fit together; import the whole history before `halflife data adjust`."
            )

    def result(self) -> Storage:
        return Storage(
            stored=tuple(self.stored), not_asked=self.not_asked, failures=tuple(self.failures), partial=self.partial
        )


def import_files(storing: Storing, files: Sequence[Path], form: FileFormat, progress: Progress) -> Storage:
    """Read and append file by file. A file is read whole and held against what is stored before any of it is."""
    steps, total = 0, len(files)
    try:
        for file in files:
            progress(steps, total)
            try:
                read = read_file(file, form, storing.exchange_of)
                storing.agree(read)
            except HalflifeError as error:
                storing.fail(str(file), error)
                steps += 1
                continue
            total += len(read) - 1
            for bars in read:
                try:
                    storing.add(bars)
                except HalflifeError as error:  # of this series alone: a damaged file of it, a full disk
                    storing.fail(f"{file}: {bars.symbol}", error)
                steps += 1
                progress(steps, total)
        progress(total, total)
    except KeyboardInterrupt:
        storing.partial = True
    return storing.result()


def pull(storing: Storing, source: Source, requests: Sequence[Request], progress: Progress) -> Storage:
    """Fetch and append, symbol by symbol. A request without a start goes on from the last bar stored; one with a start
    does at a slow service from the first session that is not stored whole, unless bars are to be replaced.

    A service that answers nobody is not asked for the other symbols.
    """
    try:
        for at, request in enumerate(requests):
            progress(at, len(requests))
            try:
                check_symbol(request.symbol)
                asked, note = storing.going_on(request, source.name)
                bars = source.fetch(asked)
                bars = dataclasses.replace(bars, notes=(note, *bars.notes)) if note else bars
                if not len(bars.frame) and storing.series(request.symbol, request.bar) is None:
                    raise FeedEmptyError(f"{request.symbol}: {source.name} has no bar of the range; widen it")
                storing.add(bars)
                if getattr(source, "is_interrupted", False):  # what had come by then is stored
                    raise KeyboardInterrupt
            except ClosedError as error:
                storing.not_asked = tuple(one.symbol for one in requests[at + 1 :])
                storing.fail(request.symbol, given_up(error, len(storing.not_asked)))
                break
            except HalflifeError as error:
                storing.fail(request.symbol, error)
        else:
            progress(len(requests), len(requests))
    except KeyboardInterrupt:
        storing.partial = True
    return storing.result()


def make_source(name: str, notify: Callable[[str], None] | None = None, currency: str | None = None) -> Source:
    """The service of that name; ``notify`` is told when it pauses, ``currency`` tells contracts apart.

    Raises UnknownNameError, SecretMissingError, SettingsError.
    """
    if name == "yahoo":
        from feeds.sources.yahoo import YahooSource

        return YahooSource(notify=notify)
    if name == "polygon":
        from feeds.sources.polygon import PolygonSource

        return PolygonSource(notify=notify)
    if name == "ibkr":
        from feeds.sources.ibkr import IbkrSource

        return IbkrSource(notify=notify, currency=currency or CURRENCY)
    if name == "sample":
        from feeds.sample import SampleSource

        return SampleSource()
    raise UnknownNameError(f"source {name} does not exist{did_you_mean(name, SERVICES)}")
