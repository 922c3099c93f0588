"""Which series of the catalog are meant, and work on one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import pandas as pd

from core.errors import CatalogError, HalflifeError
from core.progress import Progress
from feeds.adjusted_bars import settled_actions
from feeds.bars import BarSize, CorporateAction
from feeds.catalog import Catalog, Series
from feeds.room.results import Failure, failure

Key = TypeVar("Key")
Thing = TypeVar("Thing")


def select(catalog: Catalog, symbols: Sequence[str] | None, bar: BarSize | None) -> tuple[Series, ...]:
    """The series of these symbols (None: all) and this bar size (None: every one that a symbol has).

    Raises UnknownNameError for a symbol that the catalog does not have, CatalogError when there is nothing at all.
    """
    known = catalog.series(bar)
    if not symbols:
        if not known:
            raise CatalogError(
                f"the catalog {catalog.folder} holds no bars{f' of size {bar}' if bar else ''}; "
                "bring some in with `halflife data import` or `halflife data pull`"
            )
        return known
    found = grouped(known, lambda one: one.symbol)
    chosen: list[Series] = []
    for symbol in dict.fromkeys(symbols):
        chosen += found[symbol] if symbol in found else (catalog.get(symbol, bar or "1d"),)  # raises, names the cure
    return tuple(chosen)


def each(
    chosen: Sequence[Series], progress: Progress, work: Callable[[Series], object]
) -> tuple[tuple[Series, ...], tuple[Failure, ...], bool]:
    """Do the work for each series: those that were done, those that failed, and whether Ctrl-C came before the end."""
    done: list[Series] = []
    failures: list[Failure] = []
    try:
        for at, one in enumerate(chosen):
            progress(at, len(chosen))
            try:
                work(one)
            except HalflifeError as error:
                failures.append(failure(f"{one.symbol} {one.bar}", error))
            else:
                done.append(one)
        progress(len(chosen), len(chosen))
    except KeyboardInterrupt:
        return tuple(done), tuple(failures), True
    return tuple(done), tuple(failures), False


def stamp(time: pd.Timestamp) -> str:
    """A date for a daily bar, date and time in UTC for others."""
    return f"{time:%Y-%m-%d}" if time.tzinfo is None else f"{time:%Y-%m-%d %H:%M:%S}"


def grouped(things: Iterable[Thing], key: Callable[[Thing], Key]) -> dict[Key, list[Thing]]:
    groups: dict[Key, list[Thing]] = {}
    for thing in things:
        groups.setdefault(key(thing), []).append(thing)
    return groups


def known_actions(catalog: Catalog, one: Series) -> tuple[CorporateAction, ...]:
    """The corporate actions that explain moves in the prices of a series. Raises AdjustmentError."""
    return not_counted(one, settled_actions(catalog, one.symbol)[0])


def not_counted(one: Series, actions: Iterable[CorporateAction]) -> tuple[CorporateAction, ...]:
    """The actions that the stored prices are not adjusted for already."""
    from feeds.actions.adjust import COUNTED

    return tuple(action for action in actions if action.kind not in COUNTED[one.adjusted])
