"""``halflife backtest``: a run from settings to a results folder."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.console import EXIT_ERROR, Debug, console, errors, readable, show_error
from core.config import load_settings
from core.errors import EngineError, ResultsError, ResultsExistError, did_you_mean
from core.logs import claim_name, setup_logging
from core.progress import progress_bar
from core.settings import Settings
from core.signals import EXIT_INTERRUPTED, HeldSignals

if TYPE_CHECKING:
    from engine import RunResult

ENGINES = ("fast", "stock")
JOURNALS = "journals"  # folders in paths.state: one journal and one log for each run
LOGS = "logs"


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
        str | None,
        typer.Option(
            "--engine",
            metavar="fast|stock",
            show_default=False,
            help="What runs the graph: ours, or backtrader's own loop, slower with the same results.",
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Backtest the strategies of the settings and write a results folder."""
    with readable(debug):
        config = load_settings(settings, [*(set_ or []), *_engine_override(engine)])
        stopped = _run(config, out)
    if stopped:
        raise typer.Exit(EXIT_INTERRUPTED)


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
        console.print(_speed(result), markup=False)
        stopped = result.partial or held.count > 0
        # One Ctrl-C ends the run; who asks again, or asks when the run is over, has no time for pictures
        patient = held.count == int(result.partial and held.handed_on)
        try:
            with errors.status("writing the results"):
                place, whole = _write(result, place, pictures=patient, renamed=folder is None)
        finally:
            for remark in result.remarks:
                show_error(remark)
    console.print(f"{'Partial results' if result.partial else 'Results'}: {place}", markup=False, soft_wrap=True)
    if not whole:
        errors.print("Stopped; pictures were left out, the rest of the results is there.")
    if result.remarks:
        raise typer.Exit(EXIT_ERROR)
    return stopped or not whole


def _speed(result: RunResult) -> str:
    run = result.summary["run"]
    pace = f", {run['bars_per_second']:,.0f} bars a second" if run["bars_per_second"] else ""
    return f"{run['bars']:,} bars in {run['seconds']:.2f} s{pace} (engine: {result.settings.engine})."


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
    if name not in ENGINES:
        raise EngineError(f"--engine {name} does not exist{did_you_mean(name, ENGINES)}")
    return [f"engine={name}"]


@contextmanager
def _progress(held: HeldSignals) -> Iterator[Callable[[int, int], None]]:
    """A progress bar of bars. Once bars pass, signals wait."""
    with progress_bar("backtest", errors) as bar:

        def show(done: int, total: int) -> None:
            held.keep_from_now()
            bar(done, total)

        yield show
