"""``halflife replay``: a recorded live day once more, with today's code.

Exit codes: 0 the same orders; 2 another order, or a record that cannot be read; 3 the same orders, and the graph fails
as it did on that day; 130 stopped.
"""

from __future__ import annotations

import datetime as dt
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.console import EXIT_ERROR, Debug, console, errors, readable
from core.errors import RecordError
from core.progress import progress_bar
from core.settings import LoggingSettings, PathSettings

if TYPE_CHECKING:
    from live.replay import Replayed

EXIT_FAILS = 3


def replay(
    day: Annotated[
        str,
        typer.Argument(
            metavar="DAY",
            help="Trading day (YYYY-MM-DD; live, else the newest rehearsal), or a record's folder.",
        ),
    ],
    state: Annotated[
        Path | None, typer.Option("--state", metavar="DIR", help="Where live trading keeps its files: paths.state.")
    ] = None,
    account: Annotated[
        str, typer.Option("--account", metavar="ACCOUNT", help="Where several have traded.", show_default=False)
    ] = "",
    debug: Debug = False,
) -> None:
    """Run a recorded live day through the graph again: the same orders, or the first bar that gives others."""
    with readable(debug, "Stopped."):
        from core.logs import setup_logging

        with setup_logging(LoggingSettings(console="ERROR"), Path(PathSettings().state) / "logs", name="replay"):
            folders = _folders(day, state or Path(PathSettings().state), account)
            results = [_replay(folder, debug) for folder in folders]
    if not all(result.is_same for result in results):
        raise typer.Exit(EXIT_ERROR)
    if any(result.failure for result in results):
        raise typer.Exit(EXIT_FAILS)


def _folders(day: str, state: Path, account: str) -> list[Path]:
    from live.places import accounts_in, find_account, rehearsed
    from live.record_files import records_of

    if Path(day).is_dir():
        return records_of(Path(), day)
    if not _is_day(day):
        raise RecordError(f"'{day}' is neither a day (write YYYY-MM-DD) nor the folder of a record")
    traded = accounts_in(state)
    if traded and (Path(find_account(state, account).days) / day).is_dir():
        return records_of(find_account(state, account).days, day)
    rehearsals = [places.days for places in rehearsed(state) if account in ("", places.account)]
    of_the_day = [days for days in rehearsals if (days / day).is_dir()]
    if of_the_day:
        return records_of(of_the_day[-1], day)  # of the newest rehearsal
    if traded:
        return records_of(find_account(state, account).days, day)  # raises, with the days that there are
    known = sorted({folder.name for days in rehearsals for folder in days.glob("*")})
    there = f"; rehearsals have {', '.join(known)}" if known else ""
    raise RecordError(
        f"{state}: no live day {day} was recorded there{there}; --state names another folder (paths.state)"
    )


def _is_day(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _replay(folder: Path, debug: bool) -> Replayed:
    from live.replay import replay as replay_record

    with progress_bar("replay", errors) as progress:
        result = replay_record(folder, progress=progress)
    for line in _in_words(result):
        console.print(line, highlight=False, markup=False)
    if debug and result.error is not None:
        errors.print("".join(traceback.format_exception(result.error)), highlight=False, markup=False)
    return result


def _in_words(result: Replayed) -> list[str]:
    bar = f"the bar of {result.when:%Y-%m-%d %H:%M:%S} UTC" if result.when else "the start"
    if not result.is_same:
        lines = [
            f"{result.record}: {result.orders:,} orders are the same; the first difference is at {bar}.",
            f"  {result.difference}",
        ]
    elif result.failure:
        lines = [
            f"{result.record}: the same {result.orders:,} orders, and the graph fails at {bar}, as it did on that day.",
            f"  {result.failure}",
        ]
    else:
        lines = [f"{result.record}: {result.bars:,} bars, the same {result.orders:,} orders."]
        if result.is_cut:
            lines.append(f"  The record ends at {bar}: what else was done on it is not known.")
    if result.error is not None:
        lines.append("  --debug shows the traceback.")
    return [*lines, f"  {result.code}"] if result.code else lines
