"""``halflife replay``: a recorded live day once more, with today's code.

Exit codes: 0 the same orders; 2 another order, or a record that cannot be read; 130 stopped.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.console import EXIT_ERROR, Debug, console, errors, readable
from core.errors import RecordError
from core.progress import progress_bar
from core.settings import LoggingSettings, PathSettings

if TYPE_CHECKING:
    from live.replay import Replayed


def replay(
    day: Annotated[str, typer.Argument(metavar="DAY", help="YYYY-MM-DD on which it began, or the folder of a record.")],
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
            results = [_replay(folder) for folder in _folders(day, state or Path(PathSettings().state), account)]
    if not all(result.is_same for result in results):
        raise typer.Exit(EXIT_ERROR)


def _folders(day: str, state: Path, account: str) -> list[Path]:
    from live.places import accounts_in, find_account
    from live.record_files import records_of

    if Path(day).is_dir():
        return records_of(Path(), day)
    if not accounts_in(state):
        raise RecordError(f"{state}: no live day was recorded there; --state names another folder (paths.state)")
    return records_of(find_account(state, account).days, day)


def _replay(folder: Path) -> Replayed:
    from live.replay import replay as replay_record

    with progress_bar("replay", errors) as progress:
        result = replay_record(folder, progress=progress)
    if result.is_same:
        console.print(f"{folder}: {result.bars:,} bars, the same {result.orders:,} orders.", highlight=False)
    else:
        when = f"{result.when:%Y-%m-%d %H:%M:%S} UTC" if result.when else "the start"
        console.print(
            f"{folder}: {result.orders:,} orders are the same; the first difference is at the bar of {when}.\n"
            f"  {result.difference}",
            highlight=False,
            markup=False,
        )
    if result.code:
        console.print(f"  {result.code}", highlight=False, markup=False)
    return result
