"""Bars of the local catalog for a run: repaired, adjusted, and with everything that a report must say of them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from core.checks import cross_problems
from core.errors import FeedError
from core.explain import raise_problems
from core.settings import CATALOG, InstrumentSettings, Settings
from feeds.adjusted_bars import adjusted_bars
from feeds.bars import ActionKind, Adjustment, BarSize, CorporateAction, RawBars, Request
from feeds.finer import finer_than, made_of
from feeds.quality import check_bars

if TYPE_CHECKING:  # Parquet and SQLite are loaded when a run asks for the catalog, not with ``feeds``
    from feeds.catalog import Catalog, Repair, Series

_NAMES: dict[ActionKind, str] = {"split": "split", "spin_off": "spin-off", "dividend": "dividend"}


class CatalogSource:
    """A ``feeds.bars.Source`` over a catalog. Its bars are adjusted backward from the last bar of the request.

    Bars that no run can trade on are refused, with the command that repairs them. Closes the catalog on leaving.
    """

    name = CATALOG

    def __init__(self, catalog: Catalog, adjustment: Adjustment = "total") -> None:
        self._catalog, self._adjustment = catalog, adjustment

    def __enter__(self) -> CatalogSource:
        return self

    def __exit__(self, *_: object) -> None:
        self._catalog.close()

    def symbols(self) -> Sequence[str]:
        return tuple(dict.fromkeys(series.symbol for series in self._catalog.series()))

    def fetch(self, request: Request) -> RawBars:
        """Bars of a size that is not stored are made of the next finer one that is.

        Raises UnknownNameError, CatalogError, FeedError (bars to repair), AdjustmentError.
        """
        symbol, bar = request.symbol, request.bar
        finer = self._finer(symbol, bar)
        if finer is not None:
            made = self.fetch(dataclasses.replace(request, bar=finer))
            return made_of(made, bar, request.exchange)
        cure = f"see `halflife data check {symbol}`, then `halflife data repair {symbol}`"
        series = self._catalog.get(symbol, bar)
        if series.errors:
            count = _counted(series.errors, "error")
            raise FeedError(f"{symbol}: the last check found {count} in its bars that no repair mends yet; {cure}")
        bars = adjusted_bars(self._catalog, series, self._adjustment, start=request.start, end=request.end)
        notes: list[str] = []
        if len(bars.frame):
            check_bars(symbol, bars.frame, cure=cure)
            notes += [_origin(series), *_repairs(symbol, bars.frame, self._catalog.repairs(symbol, bar))]
            notes += _adjustment(series, self._adjustment, bars.actions)
            notes += [f"{symbol}: {doubt}" for doubt in bars.doubts] if self._adjustment != "raw" else []
        if series.content == "quotes":
            notes.append(
                f"{symbol}: the bars are quotes: prices are the middle of bid and ask, at which nobody trades, and the "
                "volume is not known."
            )
        if series.errors is None:
            notes.append(
                f"{symbol}: the bars were not checked since they last changed, so rows of holidays or of another "
                "company may be among them; `halflife data check` finds them."
            )
        return RawBars(
            symbol, bar, bars.frame, source=series.source, adjusted=self._adjustment, content=series.content,
            currency=series.currency, exchange=series.exchange, actions=bars.actions, notes=tuple(notes),
        )  # fmt: skip

    def _finer(self, symbol: str, bar: BarSize) -> BarSize | None:
        """The size of which bars of ``bar`` must be made; None: they are there, or nothing finer is."""
        there = {series.bar for series in self._catalog.series() if series.symbol == symbol}
        return None if bar in there else finer_than(bar, there)


def catalog_source(settings: Settings) -> CatalogSource:
    """The catalog in ``paths.catalog``, adjusted as ``data.adjustment`` says. Raises CatalogError."""
    return CatalogSource(open_catalog(settings.paths.catalog), settings.data.adjustment)


def open_catalog(folder: Path | str) -> Catalog:
    """The catalog that is there. Raises CatalogError."""
    from feeds.catalog import Catalog

    return Catalog(folder, create=False)


def complete(settings: Settings) -> Settings:
    """Settings of a catalog with what it knows of the instruments that they name; others come back as they are.

    A symbol without a table gets one, currency and exchange that a table leaves out are the catalog's, and then the
    settings are checked again. Complete ones come back equal, without a look into the catalog. Raises CatalogError,
    UnknownNameError (no such symbol, or not with bars of this size), SettingsError (no rate for a currency).
    """
    if settings.data.source != CATALOG:
        return settings
    instruments = dict(settings.instruments)
    lacking = [symbol for symbol in settings.wanted_symbols if not _is_complete(instruments.get(symbol))]
    if not lacking:
        return settings
    with open_catalog(settings.paths.catalog) as catalog:
        for symbol in lacking:
            series = _series_for(catalog, symbol, settings.data.bar)
            given = instruments.get(symbol, InstrumentSettings())
            known = {"currency": series.currency, "exchange": series.exchange}
            unset = {key: value for key, value in known.items() if key not in given.model_fields_set}
            instruments[symbol] = given.model_copy(update=unset)
    completed = settings.model_copy(update={"instruments": instruments})
    raise_problems(cross_problems(completed), f"settings {settings.name!r} with the catalog {settings.paths.catalog}")
    return completed


def _series_for(catalog: Catalog, symbol: str, bar: BarSize) -> Series:
    """The series of a symbol, or the finer one of which its bars are made. Raises UnknownNameError."""
    there = {series.bar: series for series in catalog.series() if series.symbol == symbol}
    finer = finer_than(bar, there)
    return there[finer] if bar not in there and finer is not None else catalog.get(symbol, bar)


def _is_complete(given: InstrumentSettings | None) -> bool:
    return given is not None and {"currency", "exchange"} <= given.model_fields_set


def _origin(series: Series) -> str:
    source = series.source.partition(":")[0]  # of the kind, so that files of many symbols are one sentence
    return f"{series.symbol}: bars of the catalog, the latest from {source}, updated on {series.updated:%Y-%m-%d}."


def _repairs(symbol: str, frame: pd.DataFrame, repairs: Iterable[Repair]) -> list[str]:
    """A sentence on the repairs between the first bar and the last."""
    rules = Counter(one.rule for one in repairs if frame.index[0] <= one.time <= frame.index[-1])
    if not rules:
        return []
    counts = ", ".join(f"{rule} {count}" for rule, count in sorted(rules.items()))
    return [
        f"{symbol}: {_counted(sum(rules.values()), 'bar')} dropped or corrected by `halflife data repair` ({counts}); "
        "the bars as they came are kept."
    ]


def _adjustment(series: Series, want: Adjustment, actions: Sequence[CorporateAction]) -> list[str]:
    """What the prices are adjusted for and what that means. ``actions``: those known in the range."""
    from feeds.actions.adjust import COUNTED

    symbol = series.symbol
    done = [action for action in actions if action.kind in COUNTED[want] - COUNTED[series.adjusted]]
    left = [action for action in actions if action.kind not in COUNTED[want]]
    notes = []
    if series.adjusted != "raw":
        what = "splits" if series.adjusted == "split" else "splits and dividends"
        notes.append(f"{symbol}: prices came adjusted for {what} from their source.")
    if done:
        notes.append(
            f'{symbol}: prices are adjusted (data.adjustment = "{want}"), backward from the last bar used: sizes, '
            "commissions by the share and ticks are those of adjusted prices."
        )
        notes.append(f"{symbol}: adjusted for {_kinds(done)}.")
    elif want != "raw" and series.adjusted == "raw":
        notes.append(
            f'{symbol}: the catalog knows of nothing to adjust for in the range (data.adjustment = "{want}"), so the '
            "prices are as the source has them; `halflife data adjust` brings splits and dividends in."
        )
    if want == "raw":
        notes.append(
            f'{symbol}: prices are taken as the source has them; nothing is adjusted (data.adjustment = "raw"), so '
            "splits and dividends look like losses and gains."
        )
    elif want == "split":
        notes.append(
            f'{symbol}: dividends are not in the prices (data.adjustment = "split"): they look like losses, and none '
            "is paid into the account."
        )
    if left:
        notes.append(f"{symbol}: not adjusted for {_kinds(left)}.")
    return notes


def _kinds(actions: Iterable[CorporateAction]) -> str:
    counts = Counter(action.kind for action in actions)
    parts = [_counted(counts[kind], name) for kind, name in _NAMES.items() if counts[kind]]
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
