"""Repairs: held against the rows they are for, stored, and seen by readers."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from books.database import Database
from core.errors import CatalogError
from feeds.bars import COLUMNS, EXTRAS, BarSize
from feeds.catalog.index import ALWAYS, NEVER, microseconds, moment
from feeds.catalog.records import Repair

_NAMES = dict.fromkeys((*COLUMNS, *EXTRAS)).keys()


@dataclass(frozen=True)
class Difference:
    """What becomes of the repairs of a series when others take their place."""

    new: tuple[Repair, ...]  # do what none did before
    withdrawn: tuple[Repair, ...]  # did what none does any more


def difference(before: Sequence[Repair], after: Sequence[Repair]) -> Difference:
    """Hold repairs against those in force, by what they do: why and from which values is not asked."""
    did, do = {_effect(repair) for repair in before}, {_effect(repair) for repair in after}
    return Difference(
        new=tuple(repair for repair in after if _effect(repair) not in did),
        withdrawn=tuple(repair for repair in before if _effect(repair) not in do),
    )


def rules_of(repairs: Iterable[Repair]) -> str:
    """The rules of repairs, each once."""
    return ", ".join(sorted({repair.rule for repair in repairs}))


def repairs_of(
    database: Database, series: int, bar: BarSize, first: int | None = None, last: int | None = None
) -> tuple[Repair, ...]:
    """Repairs in order of time."""
    return tuple(
        Repair(
            time=moment(row["time"], bar), row=row["row"], rule=row["rule"], action=row["action"],
            before=_values(row["before"]), after=_values(row["after"]), reason=row["reason"],
        )
        for row in database.rows(
            "SELECT * FROM repairs WHERE series = ? AND time BETWEEN ? AND ? ORDER BY time, row",
            (series, NEVER if first is None else first, ALWAYS if last is None else last),
        )
    )  # fmt: skip


def insert_repairs(connection: sqlite3.Connection, series: int, repairs: Iterable[Repair]) -> int:
    """Store repairs of rows that have none yet; return how many were new."""
    new = 0
    for repair in repairs:
        new += connection.execute(
            "INSERT OR IGNORE INTO repairs VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (series, microseconds(repair.time), repair.row, repair.rule, repair.action, _json(repair.before),
             _json(repair.after), repair.reason),
        ).rowcount  # fmt: skip
    return new


def forget_repairs(connection: sqlite3.Connection, series: int, times: Iterable[int]) -> int:
    """Delete the repairs of rows that are no more; return how many there were."""
    return sum(
        connection.execute("DELETE FROM repairs WHERE series = ? AND time = ?", (series, when)).rowcount
        for when in times
    )


def check_repairs(name: str, rows: pd.DataFrame, repairs: Sequence[Repair]) -> None:
    """Raise CatalogError where a repair is for a row that is not there, or not as it was when the repair was made."""
    times = rows["time"].to_numpy()
    values = {name: rows[name].to_numpy() for name in rows.columns[1:]}
    for repair in repairs:
        named, sets = {*repair.before, *repair.after}, repair.action == "set"
        if not named <= _NAMES or repair.action not in ("drop", "set") or sets != bool(repair.after):
            raise CatalogError(f"{name}: {repair} is no repair; it drops a row, or sets some of {', '.join(_NAMES)}")
        at = position(times, repair)
        if at is None or not all(
            _same(values[column][at] if column in values else math.nan, value)
            for column, value in repair.before.items()
        ):
            raise CatalogError(
                f"{name}: row {repair.row} of {repair.time} is not what the repair {repair.rule!r} is for; the bars "
                "have changed since they were checked: check them again"
            )


def position(times: npt.NDArray[np.int64], repair: Repair) -> int | None:
    """Where the row of a repair is among rows of these sorted times."""
    when = microseconds(repair.time)
    at = int(np.searchsorted(times, when)) + repair.row
    return at if 0 <= repair.row and at < len(times) and times[at] == when else None


def repaired(rows: pd.DataFrame, repairs: Sequence[Repair]) -> pd.DataFrame:
    """Rows as readers see them. A repair of a row that is not among them changes nothing."""
    if not repairs:
        return rows
    times = rows["time"].to_numpy()
    keep = np.ones(len(rows), dtype=bool)
    columns: dict[str, Any] = {name: rows[name].to_numpy().copy() for name in rows.columns}
    for repair in repairs:
        at = position(times, repair)
        if at is None:
            continue
        if repair.action == "drop":
            keep[at] = False
        for name, value in repair.after.items():
            columns.setdefault(name, np.full(len(rows), np.nan))[at] = value
    return pd.DataFrame({name: values[keep] for name, values in columns.items()}, copy=False)


def _effect(repair: Repair) -> tuple[int, int, str, str, str]:
    values = dict(sorted(repair.after.items()))
    return microseconds(repair.time), repair.row, repair.rule, repair.action, _json(values)


def _same(stored: float, expected: float) -> bool:
    return stored == expected or (math.isnan(stored) and math.isnan(expected))


def _json(values: Mapping[str, float]) -> str:
    return json.dumps({key: float(value) for key, value in values.items()})  # NaN stays NaN: only we read it


def _values(text: str) -> dict[str, float]:
    values: dict[str, float] = json.loads(text)
    return values
