"""pyfolio's returns tear sheet as a PNG.

pyfolio-reloaded 0.9.8 and 0.10.1 work with pandas 3 and matplotlib 3.11, but not quietly; four things are kept from
the caller, each for the time of the call only:

1. It uses pyplot, so a window or a notebook's output would take the figure: the backend is Agg meanwhile.
2. It prints or displays its tables, which are in our report: the two functions that do so are silent meanwhile.
3. It and seaborn use spellings that pandas 3.1 (``inplace``) and matplotlib 3.11 (``vert``) deprecate.
   These are warnings, but errors for whoever runs with ``-W error``: they are ignored meanwhile.
4. It warns on import that zipline is absent, which concerns positions only.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analyzers.sessions import session_returns
from engine.report.view import Result, session_calendar

log = logging.getLogger(__name__)

MIN_SESSIONS = 2  # pyfolio measures dispersion
DPI = 80
PANELS = 12  # axes of pyfolio's sheet without a benchmark


def write_tear_sheet(result: Result, path: Path) -> str:
    """Write the tear sheet of the portfolio's session returns to ``path``; return a remark if there is none.

    What pyfolio cannot digest costs a picture, not the results: its error is logged and named in the remark.
    Errors of writing are the OSError of the system.
    """
    equity, capital = result.equity["equity_eur"], result.settings.account.capital
    returns = session_returns(equity, capital, session_calendar(result)).dropna()
    if len(returns) < MIN_SESSIONS:
        return f"The tear sheet needs {MIN_SESSIONS} sessions with a return, the run has {len(returns)}."
    with _quiet_pyfolio() as pyfolio:
        try:
            figure = pyfolio.create_returns_tear_sheet(returns, return_fig=True)
        except Exception as error:  # any: the input is ours, but the code and its dependencies are not
            log.exception("pyfolio could not draw the tear sheet")
            return f"The tear sheet could not be drawn: pyfolio raised {type(error).__name__} ({error})."
        _arrange(figure)
        figure.savefig(path, dpi=DPI, bbox_inches="tight", pad_inches=0.3)
    return ""


@contextmanager
def _quiet_pyfolio() -> Iterator[Any]:
    """pyfolio under the four conditions of the module's text until the block ends; closes the figures it opened."""
    backend, before = plt.get_backend(), set(plt.get_fignums())
    with ExitStack() as undo:
        undo.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        undo.enter_context(matplotlib.rc_context())
        undo.enter_context(redirect_stdout(io.StringIO()))
        import pyfolio  # takes a second, and only here are its warnings expected

        if backend.lower() != "agg":
            plt.switch_backend("agg")
            undo.callback(_restore_backend, backend)
        undo.callback(_close_figures_but, before)
        for name in ("show_perf_stats", "show_worst_drawdown_periods"):
            undo.callback(setattr, pyfolio.plotting, name, getattr(pyfolio.plotting, name))
            setattr(pyfolio.plotting, name, _silent)
        yield pyfolio


def _close_figures_but(kept: set[int]) -> None:
    for number in set(plt.get_fignums()) - kept:
        plt.close(number)


def _silent(*args: Any, **options: Any) -> None:
    """In place of functions that only print."""


def _restore_backend(backend: str) -> None:
    try:
        plt.switch_backend(backend)
    except ImportError as error:  # it was named (MPLBACKEND) but could never have been loaded here
        log.debug("matplotlib backend %s cannot be loaded: %s", backend, error)
        matplotlib.rcParams["backend"] = backend


def _arrange(figure: Figure) -> None:
    """Drop the second panel, which repeats the first without a benchmark, and mend labels that repeat a number.

    pyfolio rounds axes to two decimals or to whole percents; a quiet strategy is all 0.01 then. The panels are known by
    their number: another version of pyfolio keeps its own layout.
    """
    panels = figure.axes
    if len(panels) != PANELS:
        return
    panels.pop(1).remove()
    figure.set_size_inches(14, 46)
    grid = figure.add_gridspec(9, 4, height_ratios=(1.6, *[1.0] * 6, 1.7, 1.0), hspace=0.5, wspace=0.5)
    places = [grid[row, :] for row in range(7)] + [grid[7, :2], grid[7, 2], grid[7, 3], grid[8, :]]
    for axes, place in zip(panels, places, strict=True):
        axes.set_subplotspec(place)
        axes.xaxis.label.set_fontsize(13)
        axes.yaxis.label.set_fontsize(13)
    plain, percent = FuncFormatter(lambda x, _: f"{x:.4g}"), FuncFormatter(lambda x, _: f"{x:.3g}%")
    total, log_total, _, volatility, _, periods, underwater, _, annual, monthly, _ = panels
    for axes in (total, log_total, volatility, periods):
        axes.yaxis.set_major_formatter(plain)
    log_total.yaxis.set_minor_formatter(plain)
    underwater.yaxis.set_major_formatter(percent)
    for axes in (annual, monthly):
        axes.xaxis.set_major_formatter(percent)
        axes.xaxis.set_major_locator(MaxNLocator(4))
    monthly.set_title("Monthly returns")
