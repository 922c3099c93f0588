"""What a rule is: a name, a severity, and one question that it asks of the bars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from feeds.checks.finding import Mend, Severity
from feeds.checks.rows import Rows

Positions = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Hit:
    """What a rule found in one place.

    ``first``, ``last``: times in microseconds since 1970; ``drop``: positions of rows that a repair takes out;
    ``change``: position -> column -> value that a repair writes; ``severity``: None = that of the rule.
    """

    first: int
    last: int
    rows: int
    detail: str
    severity: Severity | None = None
    drop: tuple[int, ...] = ()
    change: Mapping[int, Mapping[str, float]] = field(default_factory=dict)

    @property
    def mends(self) -> bool:
        """Whether a repair would do anything about it."""
        return bool(self.drop or self.change)


class Rule:
    """One question. A subclass declares what it is and finds its bars in ``find``.

    ``as_it_came``: the question is put to the rows as they came, else to what other repairs leave of them.
    """

    name: ClassVar[str]
    severity: ClassVar[Severity]
    repair: ClassVar[Mend | None] = None
    as_it_came: ClassVar[bool] = False

    def find(self, rows: Rows) -> Iterator[Hit]:
        """Every place where the bars break the rule, in the order of time."""
        raise NotImplementedError


def hit(rows: Rows, at: Positions, detail: str, severity: Severity | None = None, *, drop: bool = False) -> Hit:
    """One hit for the rows at ``at`` (ascending); ``drop`` proposes to take all of them out."""
    mended = tuple(at.tolist()) if drop else ()
    return Hit(int(rows.us[at[0]]), int(rows.us[at[-1]]), len(at), detail, severity, mended)


def runs(at: Positions) -> list[Positions]:
    """Ascending numbers cut where they are not consecutive."""
    return np.split(at, np.flatnonzero(np.diff(at) != 1) + 1) if len(at) else []


def live_runs(rows: Rows, flags: Flags) -> list[Positions]:
    """Positions of flagged live rows, one array for each run of neighbours. ``flags``: bool, one for each live row."""
    return [rows.live[run] for run in runs(np.flatnonzero(flags))]
