"""Bars and ticks of the past."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.data.historical_ticks import historical_ticks
from gateway.data.schedule import historical_schedule
from gateway.handlers import on
from gateway.model import Values

if TYPE_CHECKING:
    from gateway.session import Session
    from gateway.tws import Tws


@on("reqHistoricalData")
def historical_data(tws: Tws, session: Session, values: Values) -> None:
    """Bars up to now at the most; with keepUpToDate they go on as updates. SCHEDULE: sessions instead of bars."""
    now = tws.clock.now()
    if str(values["whatToShow"]).upper() == "SCHEDULE":
        session.send("historicalSchedule", historical_schedule(tws.history, values, now))
        return
    tws.pacing.historical(session, values)
    answer = tws.history.bars(values, now, session.version)
    if values["keepUpToDate"]:
        tws.streams.keep_up_to_date(session, values, tws.history.shown(values, now), now, session.version)
        tws.barriers.moved()
    session.send("historicalData", answer)


@on("cancelHistoricalData")
def cancel_historical_data(tws: Tws, session: Session, values: Values) -> None:
    tws.send_all(tws.streams.cancel_historical_data(session, values["reqId"]))
    tws.barriers.moved()


@on("reqHistoricalTicks")
def ticks(tws: Tws, session: Session, values: Values) -> None:
    tws.pacing.historical(session, values)
    session.send(*historical_ticks(tws.history, values, tws.clock.now()))


@on("reqHeadTimestamp")
def head_timestamp(tws: Tws, session: Session, values: Values) -> None:
    head = tws.history.head(values, tws.clock.now())
    session.send("headTimestamp", {"reqId": values["reqId"], "headTimestamp": head})


@on("cancelHeadTimestamp")
def cancel_head_timestamp(tws: Tws, session: Session, values: Values) -> None:
    """It was answered when it came."""
