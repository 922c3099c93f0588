"""Bar sizes and durations as IBKR spells them, what may be asked together, and how far back a duration reaches.

Durations in seconds count trading time and those in days, weeks, months and years begin with a session (seen at IBKR:
github.com/wboayue/rust-ibapi/pull/837). Bars of 1 second are given for 2,000 seconds, those up to 30 seconds for a day;
beyond it HMDS answers ``invalid step`` (github.com/wrighter/ib-scripts/issues/1).
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

import pandas as pd

from gateway.hours import SECOND, TradingHours
from gateway.refused import hmds, invalid

DAY_SECONDS = 86_400
BAR_SIZES: dict[str, int] = {  # barSizeSetting -> seconds
    "1 secs": 1,
    "5 secs": 5,
    "10 secs": 10,
    "15 secs": 15,
    "30 secs": 30,
    "1 min": 60,
    "2 mins": 120,
    "3 mins": 180,
    "5 mins": 300,
    "10 mins": 600,
    "15 mins": 900,
    "20 mins": 1_200,
    "30 mins": 1_800,
    "1 hour": 3_600,
    "2 hours": 7_200,
    "3 hours": 10_800,
    "4 hours": 14_400,
    "8 hours": 28_800,
    "1 day": DAY_SECONDS,
    "1W": 7 * DAY_SECONDS,
    "1M": 30 * DAY_SECONDS,
}
_SPELLINGS = {"1 sec": "1 secs", "1 week": "1W", "1 w": "1W", "1 month": "1M", "1 m": "1M", "1 hours": "1 hour",
              "1 mins": "1 min", "1 days": "1 day"}  # fmt: skip
_MOST_YEARS = 100
_LONGEST = {1: 2_000, 5: DAY_SECONDS, 10: DAY_SECONDS, 15: DAY_SECONDS, 30: DAY_SECONDS}  # seconds, by size of the bar
_DURATION = re.compile(r"\s*(\d{1,9})(?:\s+([SDWMY]))?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Duration:
    """``count`` of S (seconds), D (sessions), W (weeks), M (months) or Y (years)."""

    count: int
    unit: str

    def __str__(self) -> str:
        return f"{self.count} {self.unit}"

    @property
    def seconds(self) -> int:
        """About how long it is, a day being 86,400 s."""
        return self.count * {"S": 1, "D": DAY_SECONDS, "W": 7 * DAY_SECONDS, "M": 30 * DAY_SECONDS}.get(
            self.unit, 365 * DAY_SECONDS
        )

    def begin(self, bound: int, hours: TradingHours, regular: bool) -> int | None:
        """The moment at which it begins when it ends at ``bound``; None: before all sessions known."""
        starts, ends = hours.windows(regular)
        number = hours.begun_before(bound, regular)
        if number < 0:
            return None
        if self.unit == "S":
            left, cursor = self.count * SECOND, min(bound, int(ends[number]))
            while left > cursor - int(starts[number]):
                left -= cursor - int(starts[number])
                number -= 1
                if number < 0:
                    return int(starts[0])
                cursor = int(ends[number])
            return cursor - left
        if self.unit == "D":
            return int(starts[max(0, number - self.count + 1)])
        last = pd.Timestamp(hours.days[number])
        offsets = {"W": pd.DateOffset(weeks=self.count), "M": pd.DateOffset(months=self.count)}
        before = (last - offsets.get(self.unit, pd.DateOffset(years=self.count))).date()
        return int(starts[min(number, hours.between(before + dt.timedelta(days=1), last.date()).start)])


def parse_bar_size(text: str) -> int:
    """Seconds of a barSizeSetting. Raises Refused (321) for one that IBKR does not have."""
    plain = " ".join(text.split())
    plain = _SPELLINGS.get(plain.lower(), plain)
    if plain not in BAR_SIZES:
        raise invalid(
            f"Historical data bar size setting is invalid. Legal ones are: {', '.join(BAR_SIZES)}",
            "bK",
        )
    return BAR_SIZES[plain]


def parse_duration(text: str) -> Duration:
    """A durationStr. Raises Refused (321) for a form that IBKR does not have and for days and seconds beyond its
    limits, and for more years than any history has."""
    found = _DURATION.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise invalid(
            f"Historical data query duration string [{text}] is invalid. Format is 'integer{{SPACE}}unit (S|D|W|M|Y)'.",
            "bN",
        )
    duration = Duration(int(found[1]), (found[2] or "S").upper())
    if duration.unit == "S" and duration.count > DAY_SECONDS:
        raise invalid("Historical data requests for durations greater than 86400 seconds must be made in days.", "bH")
    if duration.unit != "Y" and duration.seconds > 365 * DAY_SECONDS:
        raise invalid("Historical data requests for durations longer than 365 days must be made in years.", "bH")
    if duration.unit == "Y" and duration.count > _MOST_YEARS:
        raise invalid(f"Historical data requests for durations longer than {_MOST_YEARS} years are not served.", "bH")
    return duration


def check_together(duration: Duration, seconds: int) -> None:
    """Raise Refused (162) for a bar that is longer than the duration, or too many small bars."""
    if duration.unit == "S" and seconds > duration.count:
        raise hmds(f"invalid step: {duration.count}")
    if duration.seconds > _LONGEST.get(seconds, duration.seconds):
        raise hmds("Time length exceed max." if duration.unit == "S" else f"invalid step: {seconds}")
