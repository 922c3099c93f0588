"""Local times in UTC, over the changes of clocks."""

from __future__ import annotations

import zoneinfo
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import FeedError, UnknownNameError, did_you_mean
from feeds.sources.stamps import DAY_US
from feeds.sources.table import Table


def localised(
    table: Table, lines: pd.Index[Any], times: pd.DatetimeIndex, timezone: str, *, hourly: bool
) -> pd.DatetimeIndex:
    """Naive local times in UTC. The hour that comes twice in autumn is told apart where the order of rows does.

    ``lines``: number of each row. ``hourly``: bars of an hour, whose time comes twice in a row then. Raises FeedError
    with the line for a time that a change of clocks leaves out or that may be two moments.
    """
    never = np.asarray(times.tz_localize(timezone, nonexistent="NaT", ambiguous=np.ones(len(times), dtype=bool)).isna())
    if never.any():
        at = int(np.argmax(never))
        raise FeedError(
            f"{table.at(int(lines[at]))}: {times[at]:%Y-%m-%d %H:%M:%S} does not exist in {timezone}, where clocks "
            f"were put forward over it{table.in_all(never)}; correct the times or name their timezone"
        )
    unclear = np.asarray(times.tz_localize(timezone, nonexistent="NaT", ambiguous="NaT").isna())
    summer, told = _first_pass(times, unclear, hourly)
    if not told.all():
        at = int(np.argmin(told))
        raise FeedError(
            f"{table.at(int(lines[at]))}: {times[at]:%Y-%m-%d %H:%M:%S} comes twice in {timezone}, where clocks "
            "were put back over it, and nothing says which one is meant; write times in UTC or with their offset"
        )
    return times.tz_localize(timezone, ambiguous=summer).tz_convert("UTC")


def refuse_unknown(timezone: str | None) -> None:
    """Raise UnknownNameError for a timezone that is none."""
    if timezone is None:
        return
    try:
        zoneinfo.ZoneInfo(timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        hint = did_you_mean(timezone, zoneinfo.available_timezones())
        hint = hint if hint.startswith("; did") else "; write it as America/New_York, Europe/Berlin or UTC"
        raise UnknownNameError(f"unknown timezone {timezone!r}{hint}") from error


def _first_pass(
    times: pd.DatetimeIndex, unclear: npt.NDArray[np.bool_], hourly: bool
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """True (summer time) for unclear rows before the clocks went back, and for each row whether the order tells.

    It does where the unclear hour of a day runs through twice: its times rise, fall back once, and rise again (the
    other way round in rows from the newest to the oldest).
    """
    summer, told = np.zeros(len(times), dtype=bool), np.ones(len(times), dtype=bool)
    rows = np.flatnonzero(unclear)
    if not len(rows):
        return summer, told
    values, days = times.asi8, times.asi8 // DAY_US
    forward = values[0] <= values[-1]
    for day in np.unique(days[rows]):
        of_day = rows[days[rows] == day]
        of_day = of_day if forward else of_day[::-1]
        steps = np.diff(values[of_day])
        back = np.flatnonzero(steps <= 0)
        pair = hourly and len(steps) == 1
        if len(back) == 1 and (steps[back[0]] < 0 or pair):
            summer[of_day[: back[0] + 1]] = True
        else:
            told[of_day] = False
    return summer, told
