"""``halflife data check``, ``repair`` and ``adjust``: what is wrong with the bars, and what is done about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.console import Debug, console, errors
from commands.data_room import Bar, Catalog, Out, Symbols, data_room, end, say
from commands.data_tables import frame_table
from core.errors import SettingsError
from core.progress import progress_bar

if TYPE_CHECKING:
    from feeds.room import Adjusted

FEW = 5  # series of which every finding is listed
SHOWN, MANY = 40, 20  # rows of a table, and of one among others


def check(
    symbols: Symbols = None,
    bar: Bar = None,
    raw: Annotated[bool, typer.Option("--raw", metavar="", help="The bars as they came, before any repair.")] = False,
    out: Out = None,
    catalog: Catalog = None,
    debug: Debug = False,
) -> None:
    """Report what is wrong with the bars, by rule and by symbol. Exit code 2 while there are errors."""
    with data_room(catalog, debug, out) as room:
        with progress_bar("check", errors) as told:
            result = room.check(symbols, bar, raw=raw, progress=told)
        if result.findings:
            console.print(frame_table(result.by_rule(), "By rule", spare=("repairable", "findings")))
            if len(result.series) <= FEW:
                columns = ["symbol", "severity", "rule", "first", "last", "rows", "detail"]
                findings = result.table()[columns]
                rest = "--out FILE writes all of them"
                console.print(
                    frame_table(findings, "Findings", most=SHOWN, rest=rest, spare=("severity", "last", "rows"))
                )
            else:
                by_symbol = result.by_symbol().sort_values(["errors", "warnings"], ascending=False, kind="stable")
                rest = "name symbols to see each finding, or --out FILE"
                console.print(frame_table(by_symbol, "By symbol", most=MANY, rest=rest))
        console.print(result.sentence(), markup=False)
        wrong = result.count("error") > 0
        if wrong and not raw:
            console.print("`halflife data repair` mends the errors and keeps the bars as they came.", markup=False)
        end(result, out, wrong=wrong)


def repair(
    symbols: Symbols = None,
    bar: Bar = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", metavar="", help="Say what would be changed; change nothing.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", metavar="", help="Take all repairs back: the bars are as they came.")
    ] = False,
    out: Out = None,
    catalog: Catalog = None,
    debug: Debug = False,
) -> None:
    """Mend the errors that check finds, and say what was done. The bars as they came are kept."""
    with data_room(catalog, debug, out) as room:
        if undo and dry_run:
            raise SettingsError("--undo takes all repairs back and has no dry run; say one of the two")
        if undo:
            with progress_bar("undo", errors) as told:
                taken = room.undo_repairs(symbols, bar, progress=told)
            console.print(taken.sentence(), markup=False)
            end(taken, out)
            return
        with progress_bar("repair", errors) as told:
            result = room.repair(symbols, bar, dry_run=dry_run, progress=told)
        if result.changes:
            console.print(frame_table(result.by_rule(), "By rule"))
            rest = "--out FILE writes every change"
            console.print(frame_table(result.by_symbol(), "By symbol", most=MANY, rest=rest, spare=("action", "bar")))
        console.print(result.sentence(), markup=False)
        end(result, out)


def adjust(
    symbols: Symbols = None,
    events: Annotated[
        Path | None,
        typer.Option(
            "--events",
            metavar="FILE",
            show_default=False,
            help="Splits and dividends as a file: symbol, ex_date, kind, value. Without it: from adj_close.",
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="yahoo|polygon", help="Ask a service.", show_default=False)
    ] = None,
    forget: Annotated[
        str | None,
        typer.Option("--forget", metavar="SOURCE", show_default=False, help="Drop what a file or service told."),
    ] = None,
    out: Out = None,
    catalog: Catalog = None,
    debug: Debug = False,
) -> None:
    """Record splits, spin-offs and dividends, and say what is doubtful. Bars are adjusted when they are read."""
    with data_room(catalog, debug, out) as room:
        with progress_bar("adjust", errors) as told:
            result = room.adjust(symbols, events, source=source, forget=forget, notify=say, progress=told)
        _show_actions(result)
        console.print(result.sentence(), markup=False)
        end(result, out)


def _show_actions(result: Adjusted) -> None:
    """Every action of a few symbols; of many, splits one by one and dividends by symbol. Then what is doubtful."""
    rest = "--out FILE writes all of them"
    few = len(result.series) <= FEW
    for table, title in (
        ((result.table(), "Corporate actions"),)
        if few
        else ((result.split_table(), "Splits and spin-offs"), (result.dividend_table(), "Dividends"))
    ):
        if len(table):
            console.print(frame_table(table, title, most=SHOWN if few else MANY, rest=rest))
    if result.doubts:
        console.print(frame_table(result.doubt_table(), "Doubtful", most=SHOWN, rest="name symbols to see them"))
    jumps = result.jump_table()
    for severity, title in (("warning", "Suspicious moves"), ("note", "Other large moves")):
        found = jumps[jumps["severity"] == severity].drop(columns="severity")
        if len(found):
            found["what"] = found["what"].str.partition(": ")[0]  # what the title says is not repeated
            console.print(frame_table(found, f"{title} that no action explains", most=MANY, rest="see `data check`"))
