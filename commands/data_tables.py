"""The tables of ``halflife data``: at most 100 columns wide, names as text and never as markup."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.cells import cell_len
from rich.console import Group as RenderGroup
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from commands.console import console

if TYPE_CHECKING:
    import pandas as pd

_LEAST = 24  # characters of a column of text that may be folded
Form = Callable[[Any], str]
STYLES = {"error": "red", "warning": "yellow", "note": "", "doubtful": "yellow"}
ONE_LINE = (
    "symbol", "symbols", "bar", "rule", "severity", "rows", "first", "last", "action", "kind", "adjusted", "source",
    "errors",
)  # fmt: skip


def frame_table(
    frame: pd.DataFrame,
    title: str = "",
    *,
    forms: Mapping[str, Form] | None = None,
    headings: Mapping[str, str] | None = None,
    most: int | None = None,
    rest: str = "",
    spare: Sequence[str] = (),
) -> RenderableType:
    """A table of a frame's columns below its title.

    ``spare``: columns that go, the first one first, where the console is too narrow for all.
    ``forms``: column -> how its values are written, where that is not by their type. ``most``: rows shown; how
    many were left out stands below, with ``rest``, which says where they are.
    """
    left_out = max(0, len(frame) - most) if most is not None else 0
    frame = frame.head(most) if most is not None else frame
    texts = {
        name: [_cell(value, (forms or {}).get(name)) for value in frame[name]] for name in frame.columns
    }  # fmt: skip
    frame, dropped = _fitting(frame, texts, headings or {}, spare)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in frame.columns:
        number, whole = frame[name].dtype.kind in "iuf", _is_whole(frame, name)
        heading = (headings or {}).get(name, name)
        table.add_column(
            heading, justify="right" if number else "left", overflow="fold", no_wrap=whole,
            min_width=_width(heading, texts[name]) if whole else None,
        )  # fmt: skip
    for at, row in enumerate(frame.itertuples(index=False)):
        cells = zip(frame.columns, row, strict=True)
        table.add_row(*(Text(texts[name][at], style=_style(value)) for name, value in cells))
    # A title of the table itself would wrap at the table's width
    shown: list[RenderableType] = [Text(title, style="bold"), table] if title else [table]
    if dropped:
        shown.append(Text(f"left out in a narrow window: {', '.join(dropped)}\n", style="italic"))
    if left_out:
        shown.append(Text(f"... and {left_out:,} more{rest and f'; {rest}'}\n", style="italic"))
    return RenderGroup(*shown)


def _is_whole(frame: pd.DataFrame, name: str) -> bool:
    """Whether the values of a column are never broken or cut."""
    return frame[name].dtype.kind in "iufMO" and (frame[name].dtype.kind in "iufM" or name in ONE_LINE)


def _width(heading: str, texts: Sequence[str]) -> int:
    return max(cell_len(text) for text in (heading, *texts))


def _fitting(
    frame: pd.DataFrame, texts: Mapping[str, Sequence[str]], headings: Mapping[str, str], spare: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """The frame without as many of the spare columns as it takes to fit the console, and which went."""
    needed = {
        name: 1 + (full if _is_whole(frame, name) else min(full, _LEAST))
        for name in frame.columns
        if (full := _width(headings.get(name, name), texts[name]))
    }
    dropped: list[str] = []
    for name in spare:
        if sum(needed.values()) <= console.width:
            break
        if needed.pop(name, 0):
            dropped.append(name)
    return frame[list(needed)], dropped


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
