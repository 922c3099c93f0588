"""``halflife data import`` and ``halflife data pull``: bars into the catalog."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.console import Debug, console, errors
from commands.data_room import BARS, Catalog, Out, data_room, end, say
from commands.data_tables import day, frame_table
from core.errors import SettingsError
from core.progress import progress_bar

if TYPE_CHECKING:
    from feeds.room import Storage

SPARE = ("source", "rows", "unchanged")  # columns that a narrow window does without
SHOWN = 20  # symbols listed one by one

Currency = Annotated[
    str | None,
    typer.Option(
        "--currency", metavar="USD", help="Of the prices, ISO 4217; else as stored, or USD.", show_default=False
    ),
]
Exchange = Annotated[
    str | None,
    typer.Option(
        "--exchange", metavar="XNYS", help="Whose sessions count; else as stored, or XNYS.", show_default=False
    ),
]
Replace = Annotated[
    bool, typer.Option("--replace", metavar="", help="Take bars that differ from those stored; the old are kept aside.")
]


def show_stored(result: Storage, title: str) -> None:
    """Symbols one by one where they are few, else those of which bars differ; then what is worth knowing."""
    table = result.table()
    shown = table if len(table) <= SHOWN else table[table["differing"] > 0]
    if len(shown):
        columns = ["symbol", "bar", "source", "rows", "added", "unchanged", "differing", "replaced", "first", "last"]
        told = {"source": shown["source"].nunique() > 1, "replaced": shown["replaced"].any()}
        chosen = shown[[name for name in columns if told.get(name, True)]]
        rest = "--out FILE writes all of them"
        console.print(frame_table(chosen, title, forms={"first": day, "last": day}, most=SHOWN, rest=rest, spare=SPARE))
    notes = result.notes()
    for note, symbols in list(notes.items())[:SHOWN]:
        whose = symbols[0] if len(symbols) == 1 else f"{len(symbols):,} symbols"
        console.print(f"- {whose}: {note}", markup=False)
    if len(notes) > SHOWN:
        console.print(f"... and {len(notes) - SHOWN:,} more notes; --out FILE writes all of them", markup=False)
    console.print(result.sentence(), markup=False)


def import_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="CSV or Parquet, also .csv.gz.")],
    symbol: Annotated[
        str | None,
        typer.Option(
            "--symbol",
            metavar="SYMBOL",
            show_default=False,
            help="Of a file that names none, else its own name; or the one to take.",
        ),
    ] = None,
    stored_as: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="SYMBOL", show_default=False, help="Store the one symbol of a file under another."
        ),
    ] = None,
    bar: Annotated[
        str | None, typer.Option("--bar", metavar="|".join(BARS), help="Else from the spacing.", show_default=False)
    ] = None,
    tz: Annotated[
        str | None,
        typer.Option(
            "--tz", metavar="ZONE", show_default=False, help="Of intraday times without an offset: America/New_York."
        ),
    ] = None,
    stamp: Annotated[
        str, typer.Option("--stamp", metavar="close|open", help="Which end of an intraday bar its time is.")
    ] = "close",
    exchange: Exchange = None,
    currency: Currency = None,
    adjusted: Annotated[
        str, typer.Option("--adjusted", metavar="raw|split|total", help="What the prices are adjusted for already.")
    ] = "raw",
    adjusted_until: Annotated[
        str | None,
        typer.Option(
            "--adjusted-until",
            metavar="DATE",
            show_default=False,
            help="Up to which day, where that is after the last bar: the day of the download.",
        ),
    ] = None,
    date_order: Annotated[
        str | None,
        typer.Option("--date-order", metavar="dmy|mdy", help="Of dates such as 1/2/2018.", show_default=False),
    ] = None,
    replace: Replace = False,
    out: Out = None,
    catalog: Catalog = None,
    debug: Debug = False,
) -> None:
    """Bring files into the catalog. A file that cannot be read is refused whole and keeps no other from coming in."""
    with data_room(catalog, debug, out) as room:
        if out is not None and any(out.resolve() == file.resolve() for file in files):
            raise SettingsError(f"--out {out} is one of the files that are read; write the table to another one")
        with progress_bar("import", errors) as told:
            result = room.import_files(
                files, symbol=symbol, stored_as=stored_as, bar=bar, timezone=tz, stamp=stamp, exchange=exchange,
                currency=currency,
                adjusted=adjusted, adjusted_until=adjusted_until, date_order=date_order, replace=replace,
                progress=told,
            )  # fmt: skip
        show_stored(result, "Imported")
        end(result, out)


def pull(
    symbols: Annotated[list[str] | None, typer.Argument(metavar="SYMBOL", show_default=False)] = None,
    source: Annotated[
        str, typer.Option("--source", metavar="yahoo|polygon|ibkr|sample", help="Where from.", show_default=False)
    ] = "yahoo",
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="DATE", help="First session; without it a stored series goes on.", show_default=False
        ),
    ] = None,
    end_: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last session.", show_default=False)] = None,
    bar: Annotated[str, typer.Option("--bar", metavar="|".join(BARS), help="Bar size.")] = "1d",
    exchange: Exchange = None,
    currency: Currency = None,
    replace: Replace = False,
    out: Out = None,
    catalog: Catalog = None,
    debug: Debug = False,
) -> None:
    """Fetch bars, splits and dividends from a service. A symbol that fails keeps no other from coming in."""
    with data_room(catalog, debug, out) as room:
        with progress_bar(f"pull from {source}", errors) as told:
            result = room.pull(
                source, symbols, start, end_, bar,
                exchange=exchange, currency=currency, replace=replace, notify=say, progress=told,
            )  # fmt: skip
        show_stored(result, f"From {source}")
        end(result, out)
