"""The facade of the data room."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Literal, TypeVar, overload

import pandas as pd

from core.errors import SettingsError, UnknownNameError, did_you_mean
from core.progress import Progress, ShowsProgress, shown
from core.signals import uninterrupted
from feeds.adjusted_bars import adjusted_bars
from feeds.bars import ADJUSTMENTS, BAR_SIZES, Request, Source
from feeds.catalog import Catalog
from feeds.room import adjusting, checking, exporting, showing, storing
from feeds.room.adjusting import Adjusted
from feeds.room.checking import Checked, Repaired, Undone
from feeds.room.exporting import KINDS, Exported
from feeds.room.series import select
from feeds.room.showing import Listing, Shown
from feeds.room.storing import Storage
from feeds.sources.files import FileFormat
from feeds.sources.local_times import refuse_unknown
from feeds.sources.times import DATE_ORDERS

STAMPS: tuple[Literal["open", "close"], ...] = ("open", "close")
Name = TypeVar("Name", bound=str)
Symbols = Sequence[str] | str | None  # None: all


class DataRoom:
    """Bars in a local catalog: bring them in, check, repair, adjust, look at them, take them out.

    ``folder``: where the catalog is, or is made by the first import. ``progress``: True shows a bar for each piece of
    work (in a notebook below the cell, else on stderr), a function is told steps done and steps in all. Every answer
    has ``table()`` and shows itself in a notebook. An error of one file or symbol is in ``failures`` of the answer and
    keeps no other from being done; an error of the whole is raised (HalflifeError). Ctrl-C ends the work between two
    symbols; the answer is then ``partial``, and what it lists was done.
    """

    def __init__(self, folder: Path | str = "catalog", progress: ShowsProgress | None = None) -> None:
        self.folder = Path(folder)
        self._progress: ShowsProgress = progress or False

    def __repr__(self) -> str:
        return f"DataRoom({str(self.folder)!r})"

    # In

    def import_files(
        self,
        files: Sequence[Path | str] | Path | str,
        *,
        symbol: str | None = None,
        stored_as: str | None = None,
        bar: str | None = None,
        timezone: str | None = None,
        stamp: str = "close",
        exchange: str | None = None,
        currency: str | None = None,
        adjusted: str = "raw",
        adjusted_until: dt.date | str | None = None,
        date_order: str | None = None,
        replace: bool = False,
        progress: ShowsProgress | None = None,
    ) -> Storage:
        """Bring in CSV or Parquet files; what they do not say is told by the options (see feeds.sources.files).

        A file is taken whole or not at all. Bars that are stored already stay as they are: equal ones are counted,
        and where others differ the answer says so; ``replace`` takes the new ones and keeps the old in a file aside.
        ``exchange`` (an alias counts as its code) and ``currency`` (ISO 4217) are those of the stored series where
        they are not said, in a file of many symbols each by its own; a new series is of XNYS and in USD.
        """
        exchange, currency = storing.said(exchange, currency)  # what is unknown is refused before a catalog is made
        names = [files] if isinstance(files, Path | str) else files
        form = FileFormat(
            symbol=symbol,
            stored_as=stored_as,
            bar=chosen_of("bar size", bar, BAR_SIZES),
            timezone=timezone,
            stamp=chosen_of("stamp", stamp, STAMPS),
            exchange=exchange,
            currency=currency,
            adjusted=chosen_of("adjustment", adjusted, ADJUSTMENTS),
            adjusted_until=as_date(adjusted_until),
            date_order=chosen_of("date order", date_order, DATE_ORDERS),
        )
        refuse_unknown(timezone)
        with Catalog(self.folder) as catalog, self._shown("import", progress) as told:
            collected = storing.Storing(catalog, replace=replace, exchange=exchange, currency=currency)
            return storing.import_files(collected, [Path(name) for name in names], form, told)

    def pull(
        self,
        source: Source | str,
        symbols: Symbols,
        start: dt.date | str | None = None,
        end: dt.date | str | None = None,
        bar: str = "1d",
        *,
        exchange: str | None = None,
        currency: str | None = None,
        replace: bool = False,
        notify: Callable[[str], None] | None = None,
        progress: ShowsProgress | None = None,
    ) -> Storage:
        """Fetch bars and corporate actions from a service: "yahoo", "polygon", "ibkr", "sample" or any Source.

        Without ``start`` a series that is stored goes on from its last bar; the bars of some days before it are asked
        for again, and where they differ the answer says so. With it "ibkr", which is slow, goes on where what it told
        ends in the catalog, unless ``replace``. ``exchange`` and ``currency`` count where the source does not know
        them; without them the stored series says, and a new one is of XNYS and in USD. ``notify`` is told when the
        source pauses, and why. A service that answers nobody is not asked for the rest: see ``not_asked``.
        """
        exchange, currency = storing.said(exchange, currency)
        size = chosen_of("bar size", bar, BAR_SIZES)
        place = storing.make_source(source, notify, currency) if isinstance(source, str) else source
        wanted = listed_symbols(symbols) or place.symbols()
        if not wanted:
            raise SettingsError(f"{place.name} cannot say which symbols it has; name those that are to be pulled")
        requests = [
            Request(symbol, size, as_date(start), as_date(end), exchange or storing.EXCHANGE) for symbol in wanted
        ]
        opened = place if isinstance(place, AbstractContextManager) else nullcontext()  # it holds a connection
        with opened, Catalog(self.folder) as catalog, self._shown(f"pull from {place.name}", progress) as told:
            collected = storing.Storing(catalog, replace=replace, exchange=exchange, currency=currency)
            return storing.pull(collected, place, requests, told)

    # Care

    def check(
        self,
        symbols: Symbols = None,
        bar: str | None = None,
        *,
        raw: bool = False,
        progress: ShowsProgress | None = None,
    ) -> Checked:
        """What is wrong with the bars, as a backtest would get them; ``raw``: as they came, before any repair."""
        with self._opened() as catalog, self._shown("check", progress) as told:
            chosen = select(catalog, listed_symbols(symbols), chosen_of("bar size", bar, BAR_SIZES))
            return checking.check(catalog, chosen, raw=raw, progress=told)

    def repair(
        self,
        symbols: Symbols = None,
        bar: str | None = None,
        *,
        dry_run: bool = False,
        progress: ShowsProgress | None = None,
    ) -> Repaired:
        """Record what is to be done about the errors: which rows go, which values are set. The raw bars are kept."""
        with self._opened() as catalog, self._shown("repair", progress) as told:
            chosen = select(catalog, listed_symbols(symbols), chosen_of("bar size", bar, BAR_SIZES))
            return checking.repair(catalog, chosen, dry_run=dry_run, progress=told)

    def undo_repairs(
        self, symbols: Symbols = None, bar: str | None = None, *, progress: ShowsProgress | None = None
    ) -> Undone:
        """Take all repairs back: the bars are then as they came."""
        with self._opened() as catalog, self._shown("undo", progress) as told:
            return checking.undo(
                catalog, select(catalog, listed_symbols(symbols), chosen_of("bar size", bar, BAR_SIZES)), progress=told
            )

    def adjust(
        self,
        symbols: Symbols = None,
        events: Path | str | None = None,
        *,
        source: Source | str | None = None,
        forget: str | None = None,
        notify: Callable[[str], None] | None = None,
        progress: ShowsProgress | None = None,
    ) -> Adjusted:
        """Record splits, spin-offs and dividends: those of the file ``events``, those that a service knows, or, without
        either, those that the adjusted close of daily bars tells. ``forget``: a source or file whose actions go.

        What cannot be true beside what is stored is refused before it is. The answer has all that are known, what is
        doubtful, and large moves that none explains. Bars are adjusted when they are read, never in the catalog.
        ``notify`` is told when the service pauses, and why; one that answers nobody is not asked for the rest.
        """
        if sum(given is not None for given in (events, source, forget)) > 1:
            raise SettingsError("corporate actions come from a file or from a service, or are forgotten: one at a time")
        with self._opened() as catalog, self._shown("adjust", progress) as told:
            chosen = select(catalog, listed_symbols(symbols), None)
            origin: adjusting.Origin = adjusting.from_adj_close
            strange: tuple[adjusting.Doubt, ...] = ()
            if events is not None:
                origin, strange = adjusting.from_file(catalog, Path(events))
            elif forget is not None:
                origin = adjusting.to_forget(catalog, chosen, forget)
            elif source is not None:
                place = storing.make_source(source, notify) if isinstance(source, str) else source
                origin = adjusting.from_service(catalog, place)
            result = adjusting.adjust_by(catalog, chosen, origin, progress=told)
            return dataclasses.replace(result, doubts=(*strange, *result.doubts))

    # Out

    def show(self, symbols: Symbols = None, bar: str | None = None) -> Listing:
        """What there is: rows, range, coverage, repairs and actions of each series, from the index alone."""
        with self._opened() as catalog:
            return Listing(series=select(catalog, listed_symbols(symbols), chosen_of("bar size", bar, BAR_SIZES)))

    def look(self, symbol: str, bar: str | None = None) -> Shown:
        """One series in full: facts, last bars, coverage by year, actions, repairs, what was done, ``picture()``."""
        with self._opened() as catalog:
            return showing.show(catalog, select(catalog, [symbol], chosen_of("bar size", bar, BAR_SIZES))[0])

    def bars(
        self,
        symbol: str,
        bar: str = "1d",
        start: dt.date | str | None = None,
        end: dt.date | str | None = None,
        *,
        adjust: str | None = None,
        repaired: bool = True,
    ) -> pd.DataFrame:
        """Bars of one symbol (see feeds.bars), adjusted backward from the last of them; None: as they are stored."""
        wanted = chosen_of("adjustment", adjust, ADJUSTMENTS)
        with self._opened() as catalog:
            one = catalog.get(symbol, chosen_of("bar size", bar, BAR_SIZES))
            span = {"start": as_date(start), "end": as_date(end)}
            return adjusted_bars(catalog, one, wanted, repaired=repaired, **span).frame

    def export(
        self,
        symbols: Symbols,
        folder: Path | str,
        *,
        bar: str | None = None,
        adjust: str | None = None,
        repaired: bool = True,
        format: str = "csv",
        progress: ShowsProgress | None = None,
    ) -> Exported:
        """Write a file for each series, which ``import_files`` reads back to equal bars. ``adjust`` as in ``bars``."""
        wanted = chosen_of("adjustment", adjust, ADJUSTMENTS)
        kind = chosen_of("format", format, KINDS)
        with self._opened() as catalog, self._shown("export", progress) as told:
            chosen = select(catalog, listed_symbols(symbols), chosen_of("bar size", bar, BAR_SIZES))
            return exporting.export(catalog, chosen, Path(folder), wanted, repaired=repaired, kind=kind, progress=told)

    def remove(self, symbol: str, bar: str | None = None) -> Listing:
        """Take a symbol's series out of the catalog for good, raw bars included. The answer lists what was removed."""
        with self._opened() as catalog:
            chosen = select(catalog, [symbol], chosen_of("bar size", bar, BAR_SIZES))
            with uninterrupted():
                for one in chosen:
                    catalog.remove(one.symbol, one.bar)
            return Listing(series=chosen)

    @contextmanager
    def _opened(self) -> Iterator[Catalog]:
        """The catalog, which must exist."""
        with Catalog(self.folder, create=False) as catalog:
            yield catalog

    @contextmanager
    def _shown(self, what: str, progress: ShowsProgress | None) -> Iterator[Progress]:
        with shown(what, self._progress if progress is None else progress) as told:
            yield told


def listed_symbols(symbols: Symbols) -> list[str]:
    """Symbols as a list; one may be given as it is."""
    return [symbols] if isinstance(symbols, str) else list(symbols or ())


@overload
def chosen_of(what: str, value: str, known: Sequence[Name]) -> Name: ...
@overload
def chosen_of(what: str, value: str | None, known: Sequence[Name]) -> Name | None: ...
def chosen_of(what: str, value: str | None, known: Sequence[Name]) -> Name | None:
    """The value, which is one of those that are known, or None. Raises UnknownNameError with a did-you-mean."""
    for name in known:
        if name == value:
            return name
    if value is None:
        return None
    raise UnknownNameError(f"{what} {value} does not exist{did_you_mean(value, known)}")


def as_date(day: dt.date | str | None) -> dt.date | None:
    """A date, also from text. Raises SettingsError."""
    if isinstance(day, dt.datetime):
        raise SettingsError(f"{day} is a moment; a range is of whole sessions: give dates")
    if not isinstance(day, str):
        return day
    try:
        return dt.date.fromisoformat(day)
    except ValueError as error:
        raise SettingsError(f"{day} is no date; write it as 2015-12-31") from error
