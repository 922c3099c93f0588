"""The pieces of the page's tables: cells, rows and facts, for the template."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analyzers.daily_target import MIN_SESSIONS
from engine.report import formats
from engine.report.formats import Format
from engine.report.rows import TOO_FEW, Metric, words


@dataclass(frozen=True, slots=True)
class Cell:
    """Text, its CSS class, and the exact value with its place in summary.json where it has one."""

    text: str
    css: str = ""
    raw: str | None = None
    key: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    text: str
    css: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """``bar``: percent of the widest bar, or None for a table without bars."""

    title: str
    cells: list[Cell]
    small: str = ""
    hint: str = ""
    bar: float | None = None
    bar_css: str = ""
    total: bool = False
    sub: bool = False  # belongs to the row above


@dataclass(frozen=True, slots=True)
class Table:
    headings: list[Heading] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    title: str
    cell: Cell
    small: str = ""


def number_cell(value: Any, form: Format, key: str = "", *, signed: bool = False) -> Cell:
    """A number as shown, with the exact value beside it; what is not finite has none."""
    x = formats.number(value)
    raw = repr(value) if isinstance(value, int) and not isinstance(value, bool) else repr(x)
    text = form(value)
    return Cell(text, formats.sign(value, text) if signed else "", raw if math.isfinite(x) else None, key)


def metric_cell(metric: Metric, values: Mapping[str, Any], place: str, sessions: float = math.inf) -> Cell:
    """A metric of ``sessions`` sessions; a dash for an annual one of too few."""
    if metric.annual and sessions < MIN_SESSIONS:
        return Cell(formats.DASH, hint=TOO_FEW)
    return number_cell(values.get(metric.key), metric.format, f"{place}.{metric.key}", signed=metric.signed)


def facts(values: Mapping[str, Any], place: str, headings: Mapping[str, str] | None = None) -> list[Fact]:
    """Scalars as rows of a definition list; a mapping of scalars becomes one row (versions)."""
    found = []
    for key, value in values.items():
        if is_plain(value):
            found.append(Fact(words(key, headings or {}), by_name(key, value, f"{place}.{key}")))
        elif isinstance(value, Mapping) and value and key == "versions":
            found.append(Fact(words(key, {}), Cell(", ".join(f"{name} {version}" for name, version in value.items()))))
    return found


def is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool | np.generic) or hasattr(value, "isoformat")


def by_name(key: str, value: Any, place: str = "") -> Cell:
    """A fact in the form that the ending of its name asks for."""
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if value is None or not isinstance(value, int | float | np.number):
        return Cell(formats.DASH if value is None else formats.moment(value) if hasattr(value, "hour") else str(value))
    if key.endswith("_eur"):
        form: Format = formats.cents
    elif key.startswith(("share", "confidence", "probability")) or key.endswith(("_rate", "_share", "drawdown")):
        form = formats.percent
    else:
        form = formats.integer if float(value).is_integer() else formats.ratio
    return number_cell(value, form, place)
