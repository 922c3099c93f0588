"""Trades and quotes one by one, for tick-by-tick data and historical ticks.

A bar is told as up to four trades, open, extremes and close, that share its volume: they make exactly the bar again.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.hours import SECOND, moment_of
from gateway.model import Bar, Quote, Values

VENUE = "NYSE"


@dataclass(frozen=True, slots=True)
class Trade:
    """``time``: seconds since 1970."""

    time: int
    price: float
    size: float


def trades_of(bar: Bar) -> list[Trade]:
    """The trades of a bar; none where its volume is 0."""
    if bar.volume <= 0:
        return []
    extremes = (bar.low, bar.high) if bar.close >= bar.open else (bar.high, bar.low)
    prices = [bar.open]
    prices += [price for price in extremes if price not in (bar.open, bar.close)]
    if bar.close != bar.open or len(prices) > 1:
        prices.append(bar.close)
    start, end = moment_of(bar.start), moment_of(bar.end)
    share = bar.volume // len(prices)
    sizes = [share] * (len(prices) - 1)
    sizes.append(bar.volume - sum(sizes))
    step = (end - start) // len(prices)
    return [
        Trade((start + at * step) // SECOND, price, size)
        for at, (price, size) in enumerate(zip(prices, sizes, strict=True))
        if size > 0 or len(prices) == 1
    ]


def last_values(trade: Trade, venue: str = VENUE) -> Values:
    """The fields of a tick Last or AllLast, but reqId and tickType."""
    return {
        "time": trade.time,
        "price": trade.price,
        "size": trade.size,
        "tickAttribLast": {"pastLimit": False, "unreported": False},
        "exchange": venue,
        "specialConditions": "",
    }


def quote_values(quote: Quote) -> Values:
    """The fields of a tick BidAsk, but reqId."""
    return {
        "time": moment_of(quote.when) // SECOND,
        "bidPrice": 0.0 if quote.bid != quote.bid else quote.bid,
        "askPrice": 0.0 if quote.ask != quote.ask else quote.ask,
        "bidSize": 0.0 if quote.bid != quote.bid else quote.bid_size,
        "askSize": 0.0 if quote.ask != quote.ask else quote.ask_size,
        "tickAttribBidAsk": {"bidPastLow": False, "askPastHigh": False},
    }
