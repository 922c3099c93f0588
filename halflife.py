"""The command line. ``halflife backtest`` and ``run_backtest.py`` are the same code; the work is in ``engine``.

Exit codes: 0 done; 1 a fault of the program; 2 an error that the user can mend (one panel, no traceback);
130 stopped by Ctrl-C, with partial results where there are any.
"""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from books.journal import Journal
from core.config import load_settings
from core.errors import EngineError, HalflifeError, ResultsError, did_you_mean
from core.logs import setup_logging
from core.settings import Settings
from core.version import VERSION

if TYPE_CHECKING:
    from engine import RunResult

ENGINES = ("stock",)
JOURNALS = "journals"  # folder in paths.state: one journal for each results folder
EXIT_ERROR = 2
EXIT_INTERRUPTED = 130

main = typer.Typer(
    help="Mean reversion and pairs trading on backtrader, with the costs of a EUR account.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
backtest_script = typer.Typer(add_completion=False, pretty_exceptions_enable=False)  # ``backtest`` alone
console = Console(width=None if sys.stdout.isatty() else 100)  # the tables are made for 100 columns
errors = Console(stderr=True)


@main.command()
@backtest_script.command()
def backtest(
    settings: Annotated[
        Path | None, typer.Argument(metavar="SETTINGS.toml", help="Without it the sample desk runs.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="a.b=value", help="Change one setting; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="New folder for the results.", show_default=False)
    ] = None,
    engine: Annotated[
        str | None, typer.Option("--engine", metavar="stock", help="What runs the graph.", show_default=False)
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Backtest the strategies of the settings and write a results folder."""
    with _readable(debug):
        config = load_settings(settings, [*(set_ or []), *_engine_override(engine)])
        partial = _run(config, out or _default_folder(config))
    if partial:
        raise typer.Exit(EXIT_INTERRUPTED)


@main.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"halflife {VERSION}")


def _run(settings: Settings, folder: Path) -> bool:
    """Backtest, show the tables and write the results folder; whether Ctrl-C cut the run short."""
    # Imported here: backtrader, pandas and statsmodels take seconds that --help and a misspelt key need not wait
    from engine import backtest, check_folder, summary_tables

    place = check_folder(folder)  # before the run: nothing computed is lost to a folder that exists
    state = Path(settings.paths.state)
    with setup_logging(settings.logging, state), Journal(state / JOURNALS / f"{place.name}.sqlite") as journal:
        with _progress() as progress:
            result = backtest(settings, progress=progress, journal=journal)
        for table in summary_tables(result):
            console.print(table)
        with errors.status("writing the results"):
            place = _write(result, place)
    console.print(f"{'Partial results' if result.partial else 'Results'}: {place}", markup=False, soft_wrap=True)
    return result.partial


def _write(result: RunResult, place: Path) -> Path:
    """Write the results; where that fails (a disk filled up meanwhile), into the temporary folder instead."""
    from engine import write_results

    try:
        return write_results(result, place)
    except ResultsError as error:
        spare = Path(tempfile.mkdtemp(prefix="halflife-")) / place.name
        try:
            write_results(result, spare)
        except ResultsError:
            raise error from None
        raise ResultsError(f"{error.args[0]}\nThe results were written to {spare} instead.") from error


def _default_folder(settings: Settings) -> Path:
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    return Path(settings.paths.results) / f"{settings.name}-{stamp}"


def _engine_override(name: str | None) -> list[str]:
    if name is None:
        return []
    if name == "fast":
        raise EngineError("--engine fast is not available in this version; choose --engine stock")
    if name not in ENGINES:
        raise EngineError(f"--engine {name} does not exist{did_you_mean(name, ENGINES)}")
    return [f"engine={name}"]


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr, as a function of bars done and bars in all."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors) as bar:
        task = bar.add_task("backtest", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def _readable(debug: bool) -> Iterator[None]:
    """Show an error that the user can mend as one panel, Ctrl-C as one line; ``debug`` lets the traceback through."""
    try:
        yield
    except HalflifeError as error:
        if debug:
            raise
        errors.print(Panel(Text(str(error)), title="error", title_align="left", border_style="red"))
        raise typer.Exit(EXIT_ERROR) from error
    except KeyboardInterrupt as stop:
        errors.print("Stopped; no results were written.")
        raise typer.Exit(EXIT_INTERRUPTED) from stop
