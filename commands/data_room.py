"""What the commands of ``halflife data`` share: their options, the data room that they open, and how they end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.console import EXIT_ERROR, console, errors, readable, show_failures
from core.settings import PathSettings
from core.signals import EXIT_INTERRUPTED, interruptible

if TYPE_CHECKING:
    from feeds.room import DataRoom, RoomResult

KEPT = "Stopped; what was stored before stays in the catalog."
BARS = ("1d", "1h", "1m", "1s")

Catalog = Annotated[
    Path | None, typer.Option("--catalog", metavar="DIR", help="Folder of the bars: paths.catalog.", show_default=False)
]
Symbols = Annotated[list[str] | None, typer.Argument(metavar="SYMBOL", help="Without any: all.", show_default=False)]
Bar = Annotated[
    str | None, typer.Option("--bar", metavar="|".join(BARS), help="Bar size; without it all.", show_default=False)
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write every row: .csv or .json.", show_default=False)
]


@contextmanager
def data_room(catalog: Path | None, debug: bool, out: Path | None = None) -> Iterator[DataRoom]:
    """The data room of a command. Ctrl-C ends its work between two symbols, and what was stored is reported.

    ``out``: where its table is to be written; a name that it cannot have is refused before the work.
    """
    with readable(debug, KEPT):
        from feeds.room import DataRoom  # pandas and pyarrow take a second that --help need not wait for
        from feeds.room.results import report_path

        if out is not None:
            report_path(out)
        with interruptible():
            yield DataRoom(catalog or PathSettings().catalog)


def end(result: RoomResult, out: Path | None = None, *, wrong: bool = False) -> None:
    """Write the whole table where it is asked for, show what failed, and leave with the exit code that says so."""
    if out is not None:
        console.print(f"Every row: {result.save(out)}", markup=False, soft_wrap=True)
    show_failures([(failure.what, failure.error) for failure in result.failures])
    if result.partial:
        errors.print(KEPT)
        raise typer.Exit(EXIT_INTERRUPTED)
    if result.failures or wrong:
        raise typer.Exit(EXIT_ERROR)


def say(what: str) -> None:
    """Tell why the work waits, beside the progress bar."""
    errors.print(what, markup=False)
