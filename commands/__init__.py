"""The commands. ``halflife backtest`` and ``run_backtest.py`` are the same code; the work is in the layers below.

Exit codes: 0 done; 1 a fault of the program; 2 an error that the user can mend (one panel, no traceback);
130 stopped by Ctrl-C or SIGTERM, with partial results where there are any.
"""

from __future__ import annotations

import typer

from commands import backtest, data, gateway, live, reconcile, replay, trials
from commands.console import Command, Group
from core.version import VERSION

app = typer.Typer(
    cls=Group,
    help="Mean reversion and pairs trading on backtrader, with the costs of a EUR account.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
backtest_script = typer.Typer(add_completion=False, pretty_exceptions_enable=False)  # ``backtest`` alone


@app.command(cls=Command)
def version() -> None:
    """Print the version."""
    typer.echo(f"halflife {VERSION}")


app.command(cls=Command)(backtest.backtest)
backtest_script.command(cls=Command)(backtest.backtest)
app.command(cls=Command)(trials.trials)
app.add_typer(data.app, name="data")
app.command(cls=Command)(gateway.gateway)
app.command(cls=Command)(live.live)
app.command(cls=Command)(reconcile.reconcile)
app.command(cls=Command)(replay.replay)

__all__ = ["app", "backtest_script"]
