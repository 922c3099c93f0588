"""Tick-by-tick data: each trade or quote of an instrument for one client."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.data.live_bars import Answer, Client
from gateway.data.showing import middle_of
from gateway.data.trades import last_values, quote_values, trades_of
from gateway.model import Bar, Instrument, Quote

BY_TICK = {"Last": 1, "AllLast": 2, "BidAsk": 3, "MidPoint": 4}  # tickType of the request -> of the answer


@dataclass(slots=True)
class ByTick:
    """A request of tick-by-tick data."""

    client: Client
    req_id: int
    kind: str
    ignore_size: bool
    last: tuple[float, float] = (0.0, 0.0)

    def hear(self, instrument: Instrument, bar: Bar | None, quote: Quote | None, out: list[Answer]) -> None:
        if self.kind in ("Last", "AllLast"):
            for trade in trades_of(bar) if bar is not None else ():
                values = {"reqId": self.req_id, "tickType": BY_TICK[self.kind]}
                values |= last_values(trade, instrument.primary_exchange)
                out.append((self.client, "tickByTickAllLast", values))
            return
        if quote is None:
            return
        values = {"reqId": self.req_id, "tickType": BY_TICK[self.kind]} | quote_values(quote)
        prices = (values["bidPrice"], values["askPrice"])
        changed, self.last = prices != self.last, prices
        if self.kind == "BidAsk" and (changed or not self.ignore_size):
            out.append((self.client, "tickByTickBidAsk", values))
        elif self.kind == "MidPoint" and changed and all(prices):
            middle = {"reqId": self.req_id, "tickType": 4, "time": values["time"], "midPoint": middle_of(quote)}
            out.append((self.client, "tickByTickMidPoint", middle))
