"""When a timed rule happens next."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from core.clock import as_utc
from gateway.faults.script import WEEKDAYS, AtTime

DAYS_AHEAD = 9  # a week, and a day on either side for the zone


def next_time(trigger: AtTime, after: dt.datetime, exchange: ZoneInfo) -> dt.datetime | None:
    """The first such moment later than ``after``, UTC; None: it is past. Within an hour that clocks skip: after it."""
    zone: dt.tzinfo = dt.UTC if trigger.zone == "UTC" else exchange
    if trigger.date is not None:
        days = [trigger.date]
    else:
        today = after.astimezone(zone).date()
        days = [today + dt.timedelta(days=n) for n in range(DAYS_AHEAD)]
    if trigger.every in WEEKDAYS:
        days = [day for day in days if WEEKDAYS[day.weekday()] == trigger.every]
    moments = (as_utc(dt.datetime.combine(day, trigger.time, zone)) for day in days)
    return next((moment for moment in moments if moment > after), None)
