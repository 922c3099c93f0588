"""Into the catalog: bars of files and of services. What one file or symbol lacks keeps no other from coming in."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from core.errors import HalflifeError, UnknownNameError, did_you_mean
from core.progress import Progress
from core.signals import uninterrupted
from feeds.bars import RawBars, Request, Source
from feeds.catalog import Appended, Catalog
from feeds.catalog.incoming import description
from feeds.catalog.index import METADATA, check_agreement
from feeds.room.results import Failure, RoomResult, counted
from feeds.sources.files import FileFormat, read_file

EXCHANGE, CURRENCY = "XNYS", "USD"  # where neither the source nor the user says
SERVICES = ("yahoo", "polygon", "sample")
OVERLAP = {"1d": 7, "1h": 3, "1m": 1, "1s": 0}  # days asked for again when a pull goes on: is it still the same?


@dataclass(frozen=True)
class Stored:
    """What one file or service gave of one symbol, and what became of it."""

    bars: RawBars
    appended: Appended
    notes: tuple[str, ...]

    @property
    def first(self) -> pd.Timestamp | None:
        return self.bars.frame.index.min() if len(self.bars.frame) else None

    @property
    def last(self) -> pd.Timestamp | None:
        return self.bars.frame.index.max() if len(self.bars.frame) else None


@dataclass(frozen=True, repr=False, kw_only=True)
class Storage(RoomResult):
    """What ``import`` and ``pull`` did, symbol by symbol."""

    stored: tuple[Stored, ...] = ()

    columns: ClassVar[tuple[str, ...]] = (
        "symbol", "bar", "source", "rows", "added", "unchanged", "differing", "replaced", "first", "last", "notes",
    )  # fmt: skip

    def rows(self) -> list[tuple[Any, ...]]:
        return [
            (
                one.bars.symbol, one.bars.bar, one.bars.source, len(one.bars.frame), one.appended.added,
                one.appended.unchanged, one.appended.differing, one.appended.replaced, one.first, one.last,
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
        counts = [f"{self.total('added'):,} bars added", f"{self.total('unchanged'):,} stored already"]
        if self.total("replaced"):
            counts.append(f"{self.total('replaced'):,} replaced")
        if self.total("differing") > self.total("replaced"):
            counts.append(f"{self.total('differing') - self.total('replaced'):,} differ and were kept as stored")
        if self.failures:
            counts.append(f"{len(self.failures):,} failed")
        return f"{symbols}: {', '.join(counts)}."


def grouped_notes(notes: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Notes that say the same of several symbols, once. Takes symbols and what is noted of them."""
    found: dict[str, list[str]] = {}
    for symbol, note in notes:
        found.setdefault(note.removeprefix(f"{symbol}: "), []).append(symbol)
    return found


class Storing:
    """Collects what was stored and what failed. KeyboardInterrupt ends the collection, not what was committed."""

    def __init__(self, catalog: Catalog, *, replace: bool, exchange: str | None, currency: str | None) -> None:
        self._catalog, self._replace = catalog, replace
        self._exchange, self._currency = exchange or EXCHANGE, currency or CURRENCY
        self.stored: list[Stored] = []
        self.failures: list[Failure] = []
        self.partial = False

    def add(self, bars: RawBars) -> None:
        """Append the bars of one symbol; a signal waits for that. Raises what the catalog raises."""
        with uninterrupted():
            appended = self._catalog.append(
                bars, replace=self._replace, currency=self._currency, exchange=self._exchange
            )
            self.stored.append(Stored(bars, appended, (*bars.notes, *self._remarks(bars, appended))))

    def agree(self, read: Sequence[RawBars]) -> None:
        """Raise CatalogError where one of these symbols cannot be stored beside what there is."""
        known = {(one.symbol, one.bar): one for one in self._catalog.series()}
        for bars in read:
            about = description(bars, self._currency, self._exchange)
            stored = known.get((bars.symbol, bars.bar))
            if stored is not None:
                check_agreement(about, {name: getattr(stored, name) for name in METADATA})

    def fail(self, what: str, error: HalflifeError) -> None:
        self.failures.append(Failure(what, error))

    def _remarks(self, bars: RawBars, appended: Appended) -> Iterator[str]:
        if appended.differing > appended.replaced:
            yield (
                f"{counted(appended.differing, 'bar')} differ from those stored, which were kept; "
                "--replace takes the new ones."
            )

    def result(self) -> Storage:
        return Storage(stored=tuple(self.stored), failures=tuple(self.failures), partial=self.partial)


def import_files(
    storing: Storing, catalog: Catalog, files: Sequence[Path], form: FileFormat, progress: Progress
) -> Storage:
    """Read and append file by file. A file is read whole and held against what is stored before any of it is."""
    steps, total = 0, len(files)
    try:
        for file in files:
            progress(steps, total)
            try:
                read = read_file(file, form)
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


def pull(
    storing: Storing, catalog: Catalog, source: Source, requests: Sequence[Request], progress: Progress
) -> Storage:
    """Fetch and append, symbol by symbol. A request without a start goes on from the last bar stored."""
    try:
        for at, request in enumerate(requests):
            progress(at, len(requests))
            try:
                storing.add(source.fetch(going_on(catalog, request)))
            except HalflifeError as error:
                storing.fail(request.symbol, error)
        progress(len(requests), len(requests))
    except KeyboardInterrupt:
        storing.partial = True
    return storing.result()


def going_on(catalog: Catalog, request: Request) -> Request:
    """The request with the exchange of the stored series and, where it has no start, from a little before its end."""
    stored = {(one.symbol, one.bar): one for one in catalog.series(request.bar)}.get((request.symbol, request.bar))
    if stored is None:
        return request
    start = request.start or stored.last.date() - dt.timedelta(days=OVERLAP[request.bar])
    return dataclasses.replace(request, start=start, exchange=stored.exchange)


def make_source(name: str, notify: Callable[[str], None] | None = None) -> Source:
    """The service of that name; ``notify`` is told when it pauses. Raises UnknownNameError, SecretMissingError."""
    if name == "yahoo":
        from feeds.sources.yahoo import YahooSource

        return YahooSource(notify=notify)
    if name == "polygon":
        from feeds.sources.polygon import PolygonSource

        return PolygonSource(notify=notify)
    if name == "sample":
        from feeds.sample import SampleSource

        return SampleSource()
    raise UnknownNameError(f"source {name} does not exist{did_you_mean(name, SERVICES)}")
