"""What all commands share: the two consoles, errors as one panel, help without types."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.panel import Panel
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from core.errors import HalflifeError
from core.signals import EXIT_INTERRUPTED

EXIT_ERROR = 2
NOTHING_YET = "Stopped; there are no results yet."

PAGE = 80  # columns of what goes into a file or another program


def _columns(stream: TextIO) -> int | None:
    """Width to write in: COLUMNS, else the terminal's own (None)."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    return None if stream.isatty() else PAGE


console = Console(width=_columns(sys.stdout))
errors = Console(stderr=True, width=_columns(sys.stderr))

Debug = Annotated[bool, typer.Option("--debug", metavar="", help="Show the traceback of an error.")]


class _PlainHelp:
    """typer shows a type, ``<bool>``, behind ``--help``, which takes no value."""

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.metavar = ""
        return option


class Command(_PlainHelp, TyperCommand):
    pass


class Group(_PlainHelp, TyperGroup):
    pass


@contextmanager
def readable(debug: bool, stopped: str = NOTHING_YET) -> Iterator[None]:
    """Show an error that the user can mend as one panel, Ctrl-C as one line; ``debug`` lets the traceback through."""
    try:
        yield
    except HalflifeError as error:
        if debug:
            raise
        show_error(error)
        raise typer.Exit(EXIT_ERROR) from error
    except KeyboardInterrupt as stop:
        errors.print(stopped)
        raise typer.Exit(EXIT_INTERRUPTED) from stop


def show_error(error: HalflifeError) -> None:
    errors.print(Panel(Text(str(error)), title="error", title_align="left", border_style="red"))


_TOLD = 10  # failures with their texts


def show_failures(failures: Sequence[tuple[str, HalflifeError]]) -> None:
    """What failed while others went on, each with its name, in one panel. The error of one may say the name itself."""
    if len(failures) == 1 and failures[0][0] in str(failures[0][1]):
        show_error(failures[0][1])
    elif failures:
        told = [Text.assemble((what, "bold"), "\n", str(error)) for what, error in failures[:_TOLD]]
        if len(failures) > _TOLD:
            others = ", ".join(what for what, _ in failures[_TOLD : 3 * _TOLD])
            more = ", ..." if len(failures) > 3 * _TOLD else ""
            told.append(Text(f"and {len(failures) - _TOLD:,} more: {others}{more}"))
        text = Text("\n\n").join(told)
        title = "error" if len(failures) == 1 else f"{len(failures)} errors"
        errors.print(Panel(text, title=title, title_align="left", border_style="red"))
