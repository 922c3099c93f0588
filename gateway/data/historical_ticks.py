"""Historical ticks: up to 1,000 trades, quotes or midpoints from a moment on, or before one."""

from __future__ import annotations

import datetime as dt

from gateway.data.history import History
from gateway.data.showing import middle_of
from gateway.data.stamps import parse_moment
from gateway.data.trades import last_values, quote_values, trades_of
from gateway.hours import hours_of, moment_of
from gateway.model import Instrument, Values
from gateway.refused import Refused

MOST = 1_000  # ticks of a request
_ANSWERS = {"TRADES": "historicalTicksLast", "BID_ASK": "historicalTicksBidAsk", "MIDPOINT": "historicalTicks"}
_LOOK = dt.timedelta(minutes=10)


def historical_ticks(history: History, request: Values, now: dt.datetime) -> tuple[str, Values]:
    """The answer, by name, to reqHistoricalTicks; its last second is complete, so there may be more than were asked
    for.

    ``request``: contract, startDateTime or endDateTime, numberOfTicks, whatToShow, useRth, ignoreSize.
    Raises Refused (200, 321, 10187).
    """
    instrument = history.book.one(request["contract"])
    what = str(request.get("whatToShow") or "TRADES").upper()
    start, end = str(request.get("startDateTime") or ""), str(request.get("endDateTime") or "")
    count = int(request.get("numberOfTicks") or 0)
    if what not in _ANSWERS:
        raise _failed(f"Invalid what to show {what}")
    if bool(start) == bool(end):
        raise _failed("Specify either start or end date time")
    if not 0 < count <= MOST:
        raise _failed(f"Number of ticks must be between 1 and {MOST}")
    hours = hours_of(instrument)
    moment = parse_moment(start or end, hours, history.zone)
    useful = bool(int(request.get("useRth") or request.get("useRTH") or 0))
    if start:
        ticks = _forward(history, instrument, what, moment, now, count, useful)
    else:
        ticks = _backward(history, instrument, what, min(moment, now), count, useful)
    if request.get("ignoreSize"):
        ticks = _price_changes(ticks)
    return _ANSWERS[what], {"reqId": request.get("reqId", 0), "ticks": ticks, "done": True}


def _forward(
    history: History,
    instrument: Instrument,
    what: str,
    start: dt.datetime,
    now: dt.datetime,
    count: int,
    regular: bool,
) -> list[Values]:
    found: list[Values] = []
    for tick in _ticks(history, instrument, what, start - dt.timedelta(microseconds=1), now, regular):
        if tick["time"] < start.timestamp():
            continue
        if len(found) >= count and tick["time"] != found[-1]["time"]:
            break
        found.append(tick)
    return found


def _backward(
    history: History, instrument: Instrument, what: str, end: dt.datetime, count: int, regular: bool
) -> list[Values]:
    found: list[Values] = []
    until = end
    while until > history.tape.begin and len(found) <= count:
        found = [*_ticks(history, instrument, what, until - _LOOK, until, regular), *found]
        until -= _LOOK
    found = [tick for tick in found if tick["time"] < end.timestamp() or what != "TRADES"]
    if len(found) > count:
        first = found[-count]["time"]
        found = [tick for tick in found if tick["time"] >= first]
    return found


def _ticks(
    history: History, instrument: Instrument, what: str, after: dt.datetime, until: dt.datetime, regular: bool
) -> list[Values]:
    """Ticks of the tape's rows after a moment up to another."""
    hours = hours_of(instrument)
    found: list[Values] = []
    for bar, quote in history.tape.rows_of(instrument, after, until):
        when = bar.end if bar is not None else quote.when if quote is not None else until
        if regular and hours.number_at(moment_of(when) - 1, regular=True) is None:
            continue
        if what == "TRADES":
            found += [last_values(trade, instrument.primary_exchange) for trade in (trades_of(bar) if bar else [])]
        elif quote is not None:
            values = quote_values(quote)
            if what == "BID_ASK":
                found.append(
                    {
                        "time": values["time"],
                        "tickAttribBidAsk": values["tickAttribBidAsk"],
                        "priceBid": values["bidPrice"],
                        "priceAsk": values["askPrice"],
                        "sizeBid": values["bidSize"],
                        "sizeAsk": values["askSize"],
                    }
                )
            elif quote.bid == quote.bid and quote.ask == quote.ask:
                found.append({"time": values["time"], "price": middle_of(quote), "size": 0.0})
    return found


def _price_changes(ticks: list[Values]) -> list[Values]:
    """Without ticks that change sizes only."""
    kept: list[Values] = []
    for tick in ticks:
        keys = ("priceBid", "priceAsk") if "priceBid" in tick else ("price",)
        if not kept or any(tick[key] != kept[-1][key] for key in keys):
            kept.append(tick)
    return kept


def _failed(cause: str) -> Refused:
    return Refused(10187, f"Failed to request historical ticks:{cause}")
