"""The entry points: ``halflife`` and, for ``run_backtest.py``, its backtest alone. The commands are in ``commands``.

Nothing is imported here before signals are answered: the imports of the commands take a second, and those of a
backtest several, in which Ctrl-C must neither be lost nor end in a traceback.
"""

from __future__ import annotations

from core.signals import end_on_signal


def main() -> None:
    """Run the command line."""
    end_on_signal()
    from commands import app

    app()


def backtest_script() -> None:
    """Run ``halflife backtest``."""
    end_on_signal()
    from commands import backtest_script as script

    script()
