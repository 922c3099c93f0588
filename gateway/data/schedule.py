"""Historical schedule: the sessions that whatToShow SCHEDULE asks for."""

from __future__ import annotations

import datetime as dt

from gateway.data.history import History
from gateway.data.spans import DAY_SECONDS, parse_bar_size, parse_duration
from gateway.data.stamps import Stamps, parse_moment
from gateway.hours import hours_of, moment_of
from gateway.model import Values
from gateway.refused import invalid


def historical_schedule(history: History, request: Values, now: dt.datetime) -> Values:
    """The fields of historicalSchedule: sessions of a duration before endDateTime, which may lie ahead of ``now``.

    Raises Refused (200, 321); bars must be of 1 day.
    """
    duration = parse_duration(str(request["durationStr"]))
    if parse_bar_size(str(request["barSizeSetting"])) != DAY_SECONDS or duration.unit == "S":
        raise invalid("Bar size must be 1 day and the duration in days or longer for SCHEDULE", "bN")
    instrument = history.book.one(request["contract"])
    hours = hours_of(instrument)
    regular = bool(int(request.get("useRTH") or 0))
    text = str(request.get("endDateTime") or "")
    bound = moment_of(parse_moment(text, hours, history.zone) if text else now)
    begin = duration.begin(bound, hours, regular)
    starts, ends = hours.windows(regular)
    last = hours.begun_before(bound, regular)
    first = last + 1 if begin is None else hours.begun_before(begin + 1, regular)
    sessions = [
        {
            "startDateTime": f"{hours.local(int(starts[number])):%Y%m%d-%H:%M:%S}",
            "endDateTime": f"{hours.local(int(ends[number])):%Y%m%d-%H:%M:%S}",
            "refDate": Stamps.day(hours.days[number]),
        }
        for number in range(first, last + 1)
    ]
    return {
        "reqId": request.get("reqId", 0),
        "startDateTime": sessions[0]["startDateTime"] if sessions else "",
        "endDateTime": sessions[-1]["endDateTime"] if sessions else "",
        "timeZone": hours.time_zone,
        "sessions": sessions,
    }
