"""whatToShow: trades, or prices made of quotes. Where there are no quotes, bid and ask are one tick off the trade."""

from __future__ import annotations

import numpy as np

from gateway.data.columns import BarColumns, Floats, QuoteColumns
from gateway.data.slots import Grid, Series, collapsed
from gateway.hours import Moments
from gateway.model import Instrument, Quote

TRADED = frozenset({"TRADES", "ADJUSTED_LAST"})
QUOTED = frozenset({"MIDPOINT", "BID", "ASK", "BID_ASK"})
OTHER = frozenset(
    "HISTORICAL_VOLATILITY OPTION_IMPLIED_VOLATILITY FEE_RATE YIELD_BID YIELD_ASK YIELD_BID_ASK YIELD_LAST SCHEDULE "
    "AGGTRADES".split()
)
NAMES = {  # as error 162 writes them
    "TRADES": "Trades",
    "ADJUSTED_LAST": "Trades",
    "MIDPOINT": "Midpoint",
    "BID": "Bid",
    "ASK": "Ask",
    "BID_ASK": "BidAsk",
}
NONE = -1  # volume, wap and count of prices that are no trades


def price_of(quotes: QuoteColumns, what: str) -> Floats:
    """The price that MIDPOINT, BID or ASK shows."""
    if what == "MIDPOINT":
        middle: Floats = np.round((quotes.bid + quotes.ask) / 2.0, 8)
        return middle
    return quotes.bid if what == "BID" else quotes.ask


def middle_of(quote: Quote) -> float:
    """Between bid and ask, without the dust of the division; NaN where one is missing."""
    return round((quote.bid + quote.ask) / 2.0, 8)


def shift_of(instrument: Instrument, what: str) -> float:
    """What is added to the trade's price where there are no quotes."""
    return {"BID": -instrument.min_tick, "ASK": instrument.min_tick}.get(what, 0.0)


def shifted(rows: BarColumns, instrument: Instrument, what: str) -> BarColumns:
    """Bars of trades as bars of ``what``; BID_ASK as open bid, high ask, low bid, close ask."""
    if what in TRADED:
        return rows
    tick = instrument.min_tick
    up, down = {"BID": (-tick, -tick), "ASK": (tick, tick), "BID_ASK": (tick, -tick)}.get(what, (0.0, 0.0))
    return BarColumns(
        rows.end,
        rows.seconds,
        open=rows.open + down,
        high=rows.high + up,
        low=rows.low + down,
        close=rows.close + up,
        volume=rows.volume,
        wap=rows.wap,
        count=rows.count,
    )


def quoted(quotes: QuoteColumns, grid: Grid, what: str) -> Series:
    """Bars of MIDPOINT, BID or ASK: a bar opens at the price that holds when it begins, within its session."""
    price = price_of(quotes, what)
    known = np.isfinite(price)
    price, end = price[known], quotes.end[known]
    inside, number, slot = grid.place(end)
    price = price[inside]
    before = np.concatenate((price[:1], price[:-1]))
    same = np.append(False, np.diff(number) == 0)
    new = np.append(True, (np.diff(number) != 0) | (np.diff(slot) != 0)) if len(price) else np.zeros(0, dtype=bool)
    opening = np.where(new & same, before, price)
    zero = np.zeros(len(price))
    return collapsed(
        Series(
            number,
            slot,
            opening,
            np.maximum(opening, price),
            np.minimum(opening, price),
            price,
            zero,
            zero,
            np.zeros(len(price), dtype=np.int64),
        )
    )


def both_sides(quotes: QuoteColumns, grid: Grid, bound: int, bars: tuple[Series, Series]) -> Series:
    """BID_ASK from the bars of bid and ask: open and close are the averages over time of bid and ask, high is the
    highest ask, low the lowest bid."""
    bid, ask = bars
    first, last = grid.edges(bid.number, bid.slot)
    begin = grid.hours.windows(grid.regular)[0][bid.number]
    return Series(
        bid.number,
        bid.slot,
        _average(quotes.end, quotes.bid, begin, first, np.minimum(last, bound)),
        ask.high,
        bid.low,
        _average(quotes.end, quotes.ask, begin, first, np.minimum(last, bound)),
        bid.volume,
        bid.wap,
        bid.count,
    )


def _average(end: Moments, price: Floats, session: Moments, first: Moments, last: Moments) -> Floats:
    """Mean over time of a price from ``first``, or from its first value in the session, to ``last``."""
    at = np.searchsorted(end, session, side="right")  # the session's first value
    first = np.maximum(first, end[np.minimum(at, len(end) - 1)])
    area = np.append(0.0, np.cumsum(price[:-1] * np.diff(end)))

    def until(moment: Moments) -> Floats:
        row = np.maximum(np.searchsorted(end, moment, side="right") - 1, 0)
        total: Floats = area[row] + price[row] * (moment - end[row])
        return total

    held = last - first
    latest = price[np.maximum(np.searchsorted(end, last, side="right") - 1, 0)]
    mean: Floats = np.where(held > 0, (until(last) - until(first)) / np.maximum(held, 1), latest)
    return mean
