"""How times are written and read in requests and answers for bars.

A moment is ``yyyymmdd hh:mm:ss US/Eastern`` in the zone of the instrument for clients of version 174 and later, and
``yyyymmdd  hh:mm:ss`` (two spaces, no zone) for older ones, in the zone that the gateway is logged in with; with
formatDate 2 it is seconds since 1970. A day is ``yyyymmdd``.
"""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.hours import SECOND, TradingHours, moment_to_datetime
from gateway.refused import invalid

ZONES_TOLD = 174  # times carry their zone from this version on
_TEXT = re.compile(r"(\d{8})(?:(-)|\s+)(\d{1,2}:\d{2}(?::\d{2})?)(?:\s+(\S+))?")
_SHORT_ZONES = {
    "EST": "America/New_York",
    "CST": "America/Chicago",
    "GMT": "UTC",
    "JST": "Asia/Tokyo",
    "HKT": "Asia/Hong_Kong",
}


class Stamps:
    """Writes moments for one client and instrument. ``zone``: where it differs from the instrument's own."""

    def __init__(self, hours: TradingHours, version: int, format_date: int = 1, zone: str = "") -> None:
        self.hours = hours
        self.version = version
        self.told = version >= ZONES_TOLD
        self.epoch = format_date == 2
        self.name = zone if zone and not self.told else hours.time_zone
        self.zone = ZoneInfo(self.name)

    def moment(self, moment: int) -> str:
        """A moment, microseconds UTC."""
        if self.epoch:
            return str(moment // SECOND)
        local = moment_to_datetime(moment).astimezone(self.zone)
        return f"{local:%Y%m%d %H:%M:%S} {self.name}" if self.told else f"{local:%Y%m%d  %H:%M:%S}"

    @staticmethod
    def day(day: dt.date) -> str:
        return f"{day:%Y%m%d}"


def parse_moment(text: str, hours: TradingHours, zone: str = "") -> dt.datetime:
    """The UTC datetime of ``endDateTime``: ``yyyymmdd hh:mm:ss``, with a zone or in ``zone`` (default: the
    instrument's), or ``yyyymmdd-hh:mm:ss`` in UTC. Raises Refused (321)."""
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        raise _malformed(text)
    day, dash, clock, named = found.groups()
    if dash and not named:
        named = "UTC"
    try:
        info = ZoneInfo(_SHORT_ZONES.get(named, named) if named else zone or hours.time_zone)
        seconds = ":00" if clock.count(":") == 1 else ""
        return dt.datetime.strptime(day + clock + seconds, "%Y%m%d%H:%M:%S").replace(tzinfo=info).astimezone(dt.UTC)
    except (ValueError, ZoneInfoNotFoundError) as error:
        raise _malformed(text) from error


def _malformed(text: str) -> Exception:
    return invalid(
        f"Historical data query end date/time string [{text}] is invalid.  "
        "Format is 'YYYYMMDD{SPACE}hh:mm:ss[{SPACE}TMZ]'.",
        "bN",
    )
