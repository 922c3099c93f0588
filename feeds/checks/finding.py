"""What a check says of a series: one finding for each run of bars that breaks a rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

Severity = Literal["error", "warning", "note"]
Mend = Literal["drop", "set"]


@dataclass(frozen=True)
class Finding:
    """One run of bars (or of bars that are not there) that breaks one rule.

    ``severity``: error = a backtest on these bars is wrong; warning = look at it; note = good to know.
    ``repair``: what a repair would do about it, None = nothing: it is reported and stays as it is.
    """

    symbol: str
    bar: str
    rule: str
    first: pd.Timestamp  # daily: date of the session; intraday: close of the bar, UTC
    last: pd.Timestamp
    rows: int  # bars found, or bars or sessions missing
    detail: str
    severity: Severity
    repair: Mend | None
