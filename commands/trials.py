"""``halflife trials``: what was ever run, from the trial ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from commands.console import Debug, console, readable
from core.errors import LedgerError
from core.settings import PathSettings

LEDGER = "trials.sqlite"
PORTFOLIO = "portfolio"
WIDE = 100  # columns of the table of trials where it is piped; with 80 its last ones would be cut off


def trials(
    state: Annotated[
        Path | None, typer.Option("--state", metavar="DIR", help="Where the ledger is: paths.state.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Show every backtest that was ever run, and how many distinct ones each set of bars has seen."""
    with readable(debug):
        page = console if console.is_terminal or console.width >= WIDE else Console(width=WIDE)
        for table in _trial_tables(state or Path(PathSettings().state)):
            page.print(table)


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
