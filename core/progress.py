"""Progress of long work, as a function that is told how much is done; shown as a bar on stderr or in a notebook.

Who works takes a ``Progress`` and knows nothing of consoles.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

Progress = Callable[[int, int], None]  # steps done, steps in all
ShowsProgress = bool | Progress  # False: nothing is shown; True: a bar of its own for each piece of work
_PAUSE = 0.1  # seconds between two pictures of a notebook's bar


@contextmanager
def progress_bar(what: str, console: Console | None = None) -> Iterator[Progress]:
    """A progress bar that ``what`` stands before: in a Jupyter cell where there is one, else on stderr."""
    notebook = _notebook_display()
    if notebook is not None:
        yield _CellBar(what, notebook)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console or Console(stderr=True)) as bars:
        task = bars.add_task(what, total=None)

        def show(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        try:
            yield show
        finally:
            if bars.tasks[0].total is None:  # nothing was done: an error says why, and a bar of nothing does not help
                bars.update(task, visible=False)


@contextmanager
def shown(what: str, progress: ShowsProgress) -> Iterator[Progress]:
    """The function to tell: that of a caller who has one, a new bar, or one that does nothing."""
    if callable(progress):
        yield progress
    elif progress:
        with progress_bar(what) as bar:
            yield bar
    else:
        yield lambda done, total: None


class _CellBar:
    """A bar of HTML below a notebook's cell. rich would want ipywidgets for that and warns on stderr without them."""

    def __init__(self, what: str, display: Callable[..., Any]) -> None:
        self._what = what
        self._place = display(_Html(self._text(0, 0)), display_id=True)
        self._drawn = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total or now - self._drawn >= _PAUSE:
            self._drawn = now
            self._place.update(_Html(self._text(done, total)))

    def _text(self, done: int, total: int) -> str:
        size = f' max="{total}" value="{done}"' if total else ""
        return f"{escape(self._what)} <progress{size}></progress> {f'{done:,} of {total:,}' if total else ''}"


class _Html:
    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        return self._text


def _notebook_display() -> Callable[..., Any] | None:
    """``IPython.display.display`` in a Jupyter kernel, which has loaded it, else None."""
    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    display: Callable[..., Any] = sys.modules["IPython.display"].display
    return display
