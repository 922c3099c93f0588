"""Market data that goes on: ticks, bars of 5 seconds, tick by tick."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.handlers import on
from gateway.model import Values

if TYPE_CHECKING:
    from gateway.session import Session
    from gateway.tws import Tws


@on("reqMktData")
def market_data(tws: Tws, session: Session, values: Values) -> None:
    tws.send_all(tws.streams.market_data(session, values, tws.clock.now(), session.version))
    tws.barriers.moved()


@on("cancelMktData")
def cancel_market_data(tws: Tws, session: Session, values: Values) -> None:
    tws.streams.cancel_market_data(session, values["reqId"])
    tws.barriers.moved()


@on("reqMarketDataType")
def market_data_type(tws: Tws, session: Session, values: Values) -> None:
    tws.streams.set_data_type(session, values["marketDataType"])


@on("reqTickByTickData")
def tick_by_tick(tws: Tws, session: Session, values: Values) -> None:
    tws.send_all(tws.streams.tick_by_tick(session, values, tws.clock.now()))
    tws.barriers.moved()


@on("cancelTickByTickData")
def cancel_tick_by_tick(tws: Tws, session: Session, values: Values) -> None:
    tws.streams.cancel_tick_by_tick(session, values["reqId"])
    tws.barriers.moved()


@on("reqRealTimeBars")
def real_time_bars(tws: Tws, session: Session, values: Values) -> None:
    tws.pacing.historical(session, values)
    tws.streams.real_time_bars(session, values, tws.clock.now(), session.version)
    tws.barriers.moved()


@on("cancelRealTimeBars")
def cancel_real_time_bars(tws: Tws, session: Session, values: Values) -> None:
    tws.streams.cancel_real_time_bars(session, values["reqId"])
    tws.barriers.moved()
