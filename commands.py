"""The commands. ``halflife backtest`` and ``run_backtest.py`` are the same code; the work is in ``engine``.

Exit codes: 0 done; 1 a fault of the program; 2 an error that the user can mend (one panel, no traceback);
130 stopped by Ctrl-C or SIGTERM, with partial results where there are any.
"""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from core.config import load_settings
from core.errors import EngineError, HalflifeError, LedgerError, ResultsError, ResultsExistError, did_you_mean
from core.logs import claim_name, setup_logging
from core.settings import PathSettings, Settings
from core.signals import EXIT_INTERRUPTED, HeldSignals
from core.version import VERSION

if TYPE_CHECKING:
    from engine import RunResult

ENGINES = ("stock",)
JOURNALS = "journals"  # folders in paths.state: one journal and one log for each run
LOGS = "logs"
LEDGER = "trials.sqlite"
PORTFOLIO = "portfolio"
EXIT_ERROR = 2


class _PlainHelp:
    """typer shows a type, ``<bool>``, behind ``--help``, which takes no value."""

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.metavar = ""
        return option


class _Command(_PlainHelp, TyperCommand):
    pass


class _Group(_PlainHelp, TyperGroup):
    pass


app = typer.Typer(
    cls=_Group,
    help="Mean reversion and pairs trading on backtrader, with the costs of a EUR account.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
backtest_script = typer.Typer(add_completion=False, pretty_exceptions_enable=False)  # ``backtest`` alone
console = Console(width=None if sys.stdout.isatty() else 100)  # the tables are made for 100 columns
errors = Console(stderr=True)


@app.command(cls=_Command)
@backtest_script.command(cls=_Command)
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
    debug: Annotated[bool, typer.Option("--debug", metavar="", help="Show the traceback of an error.")] = False,
) -> None:
    """Backtest the strategies of the settings and write a results folder."""
    with _readable(debug):
        config = load_settings(settings, [*(set_ or []), *_engine_override(engine)])
        stopped = _run(config, out)
    if stopped:
        raise typer.Exit(EXIT_INTERRUPTED)


@app.command(cls=_Command)
def version() -> None:
    """Print the version."""
    typer.echo(f"halflife {VERSION}")


@app.command(cls=_Command)
def trials(
    state: Annotated[
        Path | None, typer.Option("--state", metavar="DIR", help="Where the ledger is: paths.state.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", metavar="", help="Show the traceback of an error.")] = False,
) -> None:
    """Show every backtest that was ever run, and how many distinct ones each set of bars has seen."""
    with _readable(debug):
        for table in _trial_tables(state or Path(PathSettings().state)):
            console.print(table)


def _run(settings: Settings, folder: Path | None) -> bool:
    """Backtest, show the tables and write the results folder; whether Ctrl-C cut anything short."""
    # Imported here: backtrader, pandas and statsmodels take seconds that --help and a misspelt key need not wait
    from books.journal import Journal
    from engine import backtest, summary_tables

    place, name = _claim(settings, folder)
    state = Path(settings.paths.state)
    with (
        setup_logging(settings.logging, state / LOGS, name=name),
        Journal(state / JOURNALS / f"{name}.sqlite") as journal,
        HeldSignals(keep=False) as held,
    ):
        with _progress(held) as progress:
            result = backtest(settings, progress=progress, journal=journal)
        for table in summary_tables(result):
            console.print(table)
        stopped = result.partial or held.count > 0
        # One Ctrl-C ends the run; who asks again, or asks when the run is over, has no time for pictures
        patient = held.count == int(result.partial and held.handed_on)
        try:
            with errors.status("writing the results"):
                place, whole = _write(result, place, pictures=patient, renamed=folder is None)
        finally:
            for remark in result.remarks:
                _show(remark)
    console.print(f"{'Partial results' if result.partial else 'Results'}: {place}", markup=False, soft_wrap=True)
    if not whole:
        errors.print("Stopped; pictures were left out, the rest of the results is there.")
    if result.remarks:
        raise typer.Exit(EXIT_ERROR)
    return stopped or not whole


def _claim(settings: Settings, folder: Path | None) -> tuple[Path, str]:
    """The results folder of a run, and the name that its log and its journal have alone.

    Checked before the run: nothing computed is lost to a folder that exists.
    """
    from engine import check_folder

    logs = Path(settings.paths.state) / LOGS
    if folder is not None:
        place = check_folder(folder)
        return place, claim_name(logs, place.name)
    results, stamp = Path(settings.paths.results), dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    check_folder(results / f".{stamp}")
    while True:  # until a name that no other run of the same second has
        name = claim_name(logs, f"{settings.name}-{stamp}")
        with suppress(ResultsExistError):
            return check_folder(results / name), name


def _write(result: RunResult, place: Path, *, pictures: bool = True, renamed: bool = False) -> tuple[Path, bool]:
    """Write the results; return their folder and whether it has all pictures.

    ``renamed``: a name that another run took meanwhile gets a number. Where writing fails otherwise (a disk filled up
    meanwhile) the results go into the temporary folder, and the ResultsError says so.
    """
    from engine import write_results
    from engine.report.folder import PicturesSkipped

    taken = 0
    try:
        while True:
            try:
                name = place.name if not taken else f"{place.name}-{taken + 1}"
                return write_results(result, place.with_name(name), pictures=pictures), pictures
            except ResultsExistError:
                if not renamed:
                    raise
                taken += 1
    except PicturesSkipped as skipped:
        return skipped.place, False
    except ResultsError as error:
        spare = Path(tempfile.mkdtemp(prefix="halflife-")) / place.name
        try:
            write_results(result, spare, pictures=pictures)
        except PicturesSkipped:
            pass
        except ResultsError:
            raise error from None
        raise ResultsError(f"{error.args[0]}\nThe results were written to {spare} instead.") from error


def _engine_override(name: str | None) -> list[str]:
    if name is None:
        return []
    if name == "fast":
        raise EngineError("--engine fast is not available in this version; choose --engine stock")
    if name not in ENGINES:
        raise EngineError(f"--engine {name} does not exist{did_you_mean(name, ENGINES)}")
    return [f"engine={name}"]


def _trial_tables(state: Path) -> list[Table]:
    """Every trial, newest last, and the distinct ones for each set of bars."""
    file = state / LEDGER
    if not file.is_file():
        raise LedgerError(
            f"there is no trial ledger {file}; a backtest makes one, and --state names another folder (paths.state)"
        )
    from books.ledger import TrialLedger

    trials, counts = Table(title="Trials", title_justify="left"), Table(title="Distinct trials", title_justify="left")
    trials.add_column("when (UTC)", no_wrap=True)
    for name, width in {"name": 4, "strategy": 9, "parameters": 12}.items():
        trials.add_column(name, overflow="fold", min_width=width)
    for name in ("sessions", "Sharpe", "final EUR"):
        trials.add_column(name, justify="right", no_wrap=True)
    trials.add_column("bars", no_wrap=True)
    for name in ("bars", "of the account", "of account and strategies"):
        counts.add_column(name, justify="left" if name == "bars" else "right")
    with TrialLedger(file) as ledger:
        rows = ledger.trials()
        for trial in rows:
            trials.add_row(
                f"{trial.when:%Y-%m-%d %H:%M}",
                escape(trial.name + (" (partial)" if trial.kind == "partial" else "")),
                escape(trial.strategy),
                escape(_in_short(trial.parameters)),
                str(trial.sessions),
                _number(trial.metrics.get("sharpe"), ",.2f"),
                _number(trial.metrics.get("final_equity_eur"), ",.0f"),
                trial.data_hash[:8],
            )
        for bars in dict.fromkeys(trial.data_hash for trial in rows):
            accounts, every = ledger.count(data_hash=bars, strategy=PORTFOLIO), ledger.count(data_hash=bars)
            counts.add_row(bars[:8], str(accounts), str(every))
    return [trials, counts]


def _in_short(parameters: dict[str, Any]) -> str:
    """The class of a strategy, what it trades and the parameters that are not its defaults."""
    from strategies import STRATEGIES

    if not parameters:
        return ""
    name = str(parameters.get("strategy", ""))
    fields = STRATEGIES[name].model.model_fields if name in STRATEGIES else {}
    traded = [*parameters.get("instruments", ()), *("/".join(pair) for pair in parameters.get("pairs", ()))]
    chosen = [
        f"{key}={value}"
        for key, value in parameters.get("parameters", {}).items()
        if key not in fields or fields[key].default != value
    ]
    return " ".join([name, *traded, *chosen]).strip()


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


@contextmanager
def _progress(held: HeldSignals) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr, as a function of bars done and bars in all. Once bars pass, signals wait."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors) as bar:
        task = bar.add_task("backtest", total=None)

        def show(done: int, total: int) -> None:
            held.keep_from_now()
            bar.update(task, completed=done, total=total)

        yield show


@contextmanager
def _readable(debug: bool) -> Iterator[None]:
    """Show an error that the user can mend as one panel, Ctrl-C as one line; ``debug`` lets the traceback through."""
    try:
        yield
    except HalflifeError as error:
        if debug:
            raise
        _show(error)
        raise typer.Exit(EXIT_ERROR) from error
    except KeyboardInterrupt as stop:
        errors.print("Stopped; there are no results yet.")
        raise typer.Exit(EXIT_INTERRUPTED) from stop


def _show(error: HalflifeError) -> None:
    errors.print(Panel(Text(str(error)), title="error", title_align="left", border_style="red"))
