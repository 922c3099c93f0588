"""The tables of ``halflife data``: at most 100 columns wide, names as text and never as markup."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group as RenderGroup
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import pandas as pd

Form = Callable[[Any], str]
STYLES = {"error": "red", "warning": "yellow", "note": "", "doubtful": "yellow"}
ONE_LINE = ("symbol", "symbols", "bar", "rule", "severity", "rows", "first", "last", "action", "kind")


def frame_table(
    frame: pd.DataFrame,
    title: str = "",
    *,
    forms: Mapping[str, Form] | None = None,
    headings: Mapping[str, str] | None = None,
    most: int | None = None,
    rest: str = "",
) -> RenderableType:
    """A table of a frame's columns below its title.

    ``forms``: column -> how its values are written, where that is not by their type. ``most``: rows shown; how
    many were left out stands below, with ``rest``, which says where they are.
    """
    left_out = max(0, len(frame) - most) if most is not None else 0
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in frame.columns:
        number = frame[name].dtype.kind in "iuf"
        table.add_column(
            (headings or {}).get(name, name), justify="right" if number else "left", overflow="fold",
            no_wrap=number or name in ONE_LINE,
        )  # fmt: skip
    for row in frame.head(most if most is not None else len(frame)).itertuples(index=False):
        cells = zip(frame.columns, row, strict=True)
        table.add_row(*(Text(_cell(value, (forms or {}).get(name)), style=_style(value)) for name, value in cells))
    # A title of the table itself would wrap at the table's width
    shown: list[RenderableType] = [Text(title, style="bold"), table] if title else [table]
    if left_out:
        shown.append(Text(f"... and {left_out:,} more{rest and f'; {rest}'}\n", style="italic"))
    return RenderGroup(*shown)


def facts_table(facts: Mapping[str, str], title: str) -> Table:
    """Two columns: what, and its value."""
    table = Table(
        box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False, title=title, title_justify="left",
        title_style="bold",
    )  # fmt: skip
    for name, value in facts.items():
        table.add_row(Text(name, style="dim"), Text(value))
    return table


def day(value: Any) -> str:
    """The date of a time."""
    return "–" if value is None or value != value else f"{value:%Y-%m-%d}"


def share(value: float) -> str:
    """A fraction as a percentage, which is 100% only when nothing is missing."""
    if value != value:
        return "–"
    return f"{min(value, 0.999) if value < 1 else value:.1%}"


def _style(value: Any) -> str:
    return STYLES.get(value, "") if isinstance(value, str) else ""


def _cell(value: Any, form: Form | None) -> str:
    from feeds.room.results import number

    if form is not None:
        return form(value)
    if value is None or value != value:
        return "–"
    if isinstance(value, float):
        return number(value)
    if hasattr(value, "tzinfo"):  # a time: the label of a daily bar has no timezone and no time of day
        return f"{value:%Y-%m-%d}" if value.tzinfo is None else f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, str | dt.date):
        return str(value)
    return f"{value:,}"
