"""``halflife data show``, ``export`` and ``remove``: what is in the catalog, and out of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.console import Debug, console, errors
from commands.data_room import Bar, Catalog, Out, Symbols, data_room, end
from commands.data_tables import Form, day, facts_table, frame_table, share
from core.errors import SettingsError
from core.progress import progress_bar

if TYPE_CHECKING:
    from feeds.room import DataRoom, Listing, Shown

LISTED = 60  # series of a listing
SPARE = ("source", "adjusted", "actions", "repairs")  # columns of a listing that a narrow window does without
RECENT = 10  # repairs, actions and acts of one series


def show(
    symbols: Symbols = None,
    bar: Bar = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE.png", help="Draw the prices of one symbol.", show_default=False),
    ] = None,
    out: Out = None,
    catalog: Catalog = None,
    debug: Debug = False,
) -> None:
    """List what the catalog holds and how much of its sessions it covers; for one symbol, show all there is to know."""
    with data_room(catalog, debug, out) as room:
        listing = room.show(symbols, bar)
        if plot is not None:
            _draw(room, listing, plot)
        if symbols and len(symbols) == 1:
            for one in listing.series:
                _show_series(room.look(one.symbol, one.bar))
        else:
            columns = [
                "symbol", "bar", "rows", "first", "last", "coverage", "errors", "repairs", "actions", "adjusted",
                "source",
            ]  # fmt: skip
            forms: dict[str, Form] = {"coverage": share, "source": _kind, "first": day, "last": day}
            rest = "name symbols, or --out FILE"
            table = frame_table(listing.table()[columns], forms=forms, most=LISTED, rest=rest, spare=SPARE)
            console.print(table)
            console.print(listing.sentence(), markup=False)
        end(listing, out)


def export(
    folder: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder of the files.", show_default=False)],
    symbols: Symbols = None,
    bar: Bar = None,
    adjust: Annotated[
        str | None,
        typer.Option(
            "--adjust",
            metavar="raw|split|total",
            show_default=False,
            help="For splits and spin-offs, or dividends too; without it as stored.",
        ),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--unrepaired", metavar="", help="The bars as they came, before any repair.")
    ] = False,
    form: Annotated[str, typer.Option("--format", metavar="csv|parquet", help="Of the files.")] = "csv",
    catalog: Catalog = None,
    debug: Debug = False,
) -> None:
    """Write a file for each series, which import reads back to equal bars."""
    from feeds.room.exporting import COMMANDS

    with data_room(catalog, debug) as room:
        with progress_bar("export", errors) as told:
            result = room.export(symbols, folder, bar=bar, adjust=adjust, repaired=not raw, format=form, progress=told)
        console.print(f"{result.sentence()} Folder: {folder}", markup=False, soft_wrap=True)
        if result.files:
            console.print(f"{COMMANDS} in it has the command that brings them back.", markup=False)
        end(result)


def remove(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL")],
    bar: Bar = None,
    yes: Annotated[bool, typer.Option("--yes", metavar="", help="Do not ask.")] = False,
    catalog: Catalog = None,
    debug: Debug = False,
) -> None:
    """Take the bars of a symbol out of the catalog for good."""
    with data_room(catalog, debug) as room:
        listing = room.show([symbol], bar)
        rows = f"{sum(one.rows for one in listing.series):,} bars of {symbol}"
        if not yes and not _confirmed(f"Remove {rows} from {room.folder} for good?"):
            console.print("Nothing was removed.")
            return
        console.print(f"Removed: {room.remove(symbol, bar).sentence()}", markup=False)


def _confirmed(question: str) -> bool:
    """Whether the user says yes. Raises KeyboardInterrupt on Ctrl-C, SettingsError where nobody can answer."""
    try:
        return typer.confirm(question)
    except typer.Abort as abort:  # typer makes the same of Ctrl-C and of an input that has ended
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from abort
        raise SettingsError("nobody answered, so nothing was removed; --yes removes without asking") from abort


def _draw(room: DataRoom, listing: Listing, file: Path) -> None:
    from feeds.room.picture import save_picture

    if len(listing.series) != 1:
        raise SettingsError("--plot draws one series; name one symbol, and --bar where it has several sizes")
    one = listing.series[0]
    picture = save_picture(room.look(one.symbol, one.bar).picture(), file)
    console.print(f"Picture: {picture}", markup=False, soft_wrap=True)


def _show_series(shown: Shown) -> None:
    """Everything about one series: facts, coverage by year, actions, repairs, what was done, last bars."""
    console.print(facts_table(shown.facts(), f"{shown.series.symbol} {shown.series.bar}"))
    console.print()
    console.print(frame_table(shown.year_table(), "Coverage by year", forms={"share": share}))
    for table, title in (
        (shown.action_table(), "Corporate actions"),
        (shown.repair_table(), "Repairs"),
        (shown.act_table(), "What was done"),
    ):
        if len(table):
            title += f", the latest {RECENT} of {len(table):,}" if len(table) > RECENT else ""
            console.print(frame_table(table.tail(RECENT), title))
    console.print(frame_table(shown.last_bars(), "Last bars, repaired, not adjusted"))


def _kind(source: str) -> str:
    """``csv`` of ``csv:prices.csv``: the file is shown with the series."""
    return source.partition(":")[0]
