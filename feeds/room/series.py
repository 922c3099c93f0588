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
from feeds.room.results import Failure, counted, failure
from feeds.sources.http import ClosedError

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
    """Do the work for each series: those that were done, those that failed, and whether Ctrl-C came before the end.

    A service that answers nobody is the last failure: it is not asked for the symbols after it.
    """
    done: list[Series] = []
    failures: list[Failure] = []
    try:
        for at, one in enumerate(chosen):
            progress(at, len(chosen))
            try:
                work(one)
            except ClosedError as error:
                left = len(unasked(chosen, one.symbol))
                failures.append(failure(f"{one.symbol} {one.bar}", given_up(error, left)))
                break
            except HalflifeError as error:
                failures.append(failure(f"{one.symbol} {one.bar}", error))
            else:
                done.append(one)
        else:
            progress(len(chosen), len(chosen))
    except KeyboardInterrupt:
        return tuple(done), tuple(failures), True
    return tuple(done), tuple(failures), False


def unasked(chosen: Sequence[Series], last: str) -> tuple[str, ...]:
    """The symbols that come after the last one that was asked for."""
    symbols = tuple(dict.fromkeys(one.symbol for one in chosen))
    return symbols[symbols.index(last) + 1 :]


def given_up(error: ClosedError, left: int) -> ClosedError:
    """The error of a service that answers nobody, and for how many more symbols it was not asked."""
    rest = f"; {counted(left, 'more symbol')} {'was' if left == 1 else 'were'} not asked for" if left else ""
    return type(error)(f"{error.args[0]}{rest}")


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
