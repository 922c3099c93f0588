"""The board of one instrument: the values that market data shows, and the ticks that change them. Types are IBKR's
numbers."""

from __future__ import annotations

import datetime as dt
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gateway.data.history import History
from gateway.data.showing import middle_of, price_of
from gateway.data.slots import Grid
from gateway.data.spans import DAY_SECONDS
from gateway.hours import SECOND, hours_of, moment_of
from gateway.model import Bar, Instrument, Quote, Values

BID_SIZE, BID, ASK, ASK_SIZE, LAST, LAST_SIZE, HIGH, LOW, VOLUME, CLOSE = range(10)
OPEN, AVERAGE_VOLUME, HISTORICAL_VOLATILITY, MARK_PRICE, LAST_TIME, SHORTABLE, RT_VOLUME, HALTED = (
    14,
    21,
    23,
    37,
    45,
    46,
    48,
    49,
)
TRADE_COUNT, TRADE_RATE, VOLUME_RATE, LAST_RTH_TRADE, RT_TRADE_VOLUME, SHORTABLE_SHARES = 54, 55, 56, 57, 77, 89
YEAR = 252  # sessions
GENERIC = frozenset({104, 165, 221, 232, 233, 236, 293, 294, 295, 318, 375})  # those that have data here
_COUNTED, _MARKED = frozenset({233, 293, 294, 295, 375}), frozenset({221, 232})
_NONE_SAID: Mapping[int, float] = {}
NO_PRICE = -1.0  # what a missing bid or ask is told as


@dataclass(frozen=True, slots=True)
class Tick:
    """A message of market data without its reqId. ``generic``: the generic tick that asks for it; 0: all get it."""

    name: str
    values: Values
    generic: int = 0


def price_tick(kind: int, price: float, size: float = 0.0, generic: int = 0) -> Tick:
    return Tick("tickPrice", {"tickType": kind, "price": price, "size": size, "attrib": _ATTRIBUTES}, generic)


def size_tick(kind: int, size: float, generic: int = 0) -> Tick:
    return Tick("tickSize", {"tickType": kind, "size": size}, generic)


class Board:
    """Bid, ask, last, sizes, volume, open, high, low and close of one instrument as they stand at a moment.

    Volume and number of trades count the whole session, open, high and low its regular hours. Currency pairs have no
    trades, but high and low of the middle of bid and ask. ``close`` is that of the session before. Where the tape has
    no quotes of the instrument, bid and ask are a tick beside the last price, as in the history. ``shortable``: con_id
    -> shares that can be borrowed now, where they are not those of the instrument.
    """

    def __init__(
        self, instrument: Instrument, history: History, now: dt.datetime, shortable: Mapping[int, float] = _NONE_SAID
    ) -> None:
        self.instrument = instrument
        self._history = history
        self._shortable = shortable
        self._quoted = instrument in history.tape.quotes
        self._is_pair = instrument.sec_type == "CASH"
        self._hours = hours_of(instrument)
        self.bid = self.ask = self.bid_size = self.ask_size = math.nan
        self.last = self.last_size = self.open = self.high = self.low = self.close = math.nan
        self.volume = self.worth = 0.0
        self.trades = 0
        self.last_time = 0
        self.halted = False
        self._session = (0, 0, 0, 0)  # start, end, open, close
        self.wanted = GENERIC  # the generic ticks that anybody listens to
        self._minute: deque[tuple[int, int, float]] = deque()  # moment, trades, volume of the last 60 seconds
        self._start(now)

    def hear(self, bar: Bar | None, quote: Quote | None) -> list[Tick]:
        """Take a step of the tape; return the ticks that it makes."""
        ticks: list[Tick] = []
        if bar is not None and not self._quoted:
            quote = self._beside(bar)
        if quote is not None:
            ticks += self._quote(quote)
        if bar is not None and not self._is_pair:
            ticks += self._bar(bar)
        return ticks

    def halt(self, halted: bool) -> list[Tick]:
        """Trading of the instrument stops or goes on."""
        self.halted = halted
        return [Tick("tickGeneric", {"tickType": HALTED, "value": float(halted)})]

    def standing(self) -> list[Tick]:
        """All that is known, as a new subscriber gets it."""
        ticks = [] if math.isnan(self.bid) and math.isnan(self.ask) else self._both_sides()
        if not math.isnan(self.last):
            ticks += [price_tick(LAST, self.last, self.last_size), size_tick(LAST_SIZE, self.last_size)]
            ticks += [Tick("tickString", {"tickType": LAST_TIME, "value": str(self.last_time)})]
            ticks += self._counters()
            ticks += [size_tick(VOLUME, self.volume)]
        ticks += [
            price_tick(kind, value)
            for kind, value in ((HIGH, self.high), (LOW, self.low), (CLOSE, self.close), (OPEN, self.open))
            if not math.isnan(value)
        ]
        ticks += [Tick("tickGeneric", {"tickType": HALTED, "value": float(self.halted)})]
        return ticks + self._mark() + self._statistics() + self.inventory()

    def _both_sides(self) -> list[Tick]:
        ticks = []
        for kind, price, size_kind, size in (
            (BID, self.bid, BID_SIZE, self.bid_size),
            (ASK, self.ask, ASK_SIZE, self.ask_size),
        ):
            none = math.isnan(price)
            size = 0.0 if none else size
            ticks += [price_tick(kind, NO_PRICE if none else price, size), size_tick(size_kind, size)]
        return ticks

    def _quote(self, quote: Quote) -> list[Tick]:
        ticks: list[Tick] = []
        sides = (
            (BID, BID_SIZE, quote.bid, quote.bid_size, self.bid, self.bid_size),
            (ASK, ASK_SIZE, quote.ask, quote.ask_size, self.ask, self.ask_size),
        )
        for kind, size_kind, price, size, old, old_size in sides:
            none = math.isnan(price)
            size = 0.0 if none else size
            if _differs(price, old):
                ticks += [price_tick(kind, NO_PRICE if none else price, size), size_tick(size_kind, size)]
            elif _differs(size, old_size):
                ticks += [size_tick(size_kind, size)]
        self.bid, self.ask, self.bid_size, self.ask_size = quote.bid, quote.ask, quote.bid_size, quote.ask_size
        if self._is_pair:
            ticks += self._turn(moment_of(quote.when))
            middle = middle_of(quote)
            if not math.isnan(middle):
                ticks += self._extremes(middle, middle)
        return ticks + self._mark() if ticks else ticks

    def _bar(self, bar: Bar) -> list[Tick]:
        end = moment_of(bar.end)
        ticks = self._turn(end)
        ticks += [price_tick(LAST, bar.close, size := last_size(bar))] if bar.close != self.last else []
        ticks += [size_tick(LAST_SIZE, size := last_size(bar))]
        self.last, self.last_size = bar.close, size
        self.volume += bar.volume
        self.worth += bar.wap * bar.volume
        self.trades += bar.count
        second = (end - 1) // SECOND
        if second != self.last_time:
            self.last_time = second
            ticks += [Tick("tickString", {"tickType": LAST_TIME, "value": str(second)})]
        ticks += [size_tick(VOLUME, self.volume)]
        if self._session[2] < end <= self._session[3]:
            if math.isnan(self.open):
                self.open = bar.open
                ticks += [price_tick(OPEN, bar.open)]
            ticks += self._extremes(bar.high, bar.low)
            ticks += [price_tick(LAST_RTH_TRADE, bar.close, size, 318)]
        self._minute.append((end, bar.count, bar.volume))
        while self._minute[0][0] <= end - 60 * SECOND:
            self._minute.popleft()
        return ticks + self._counters() + self._mark()

    def _extremes(self, high: float, low: float) -> list[Tick]:
        ticks = []
        if not high <= self.high:
            self.high = high
            ticks.append(price_tick(HIGH, high))
        if not low >= self.low:
            self.low = low
            ticks.append(price_tick(LOW, low))
        return ticks

    def _counters(self) -> list[Tick]:
        """RTVolume, its twin of all trades, and the counts and rates of trades."""
        if self.wanted.isdisjoint(_COUNTED):
            return []
        vwap = self.worth / self.volume if self.volume > 0 else self.last
        text = f"{self.last};{self.last_size:.0f};{self.last_time * 1000};{self.volume:.0f};{vwap:.8f};true"
        return [
            Tick("tickString", {"tickType": RT_VOLUME, "value": text}, 233),
            Tick("tickString", {"tickType": RT_TRADE_VOLUME, "value": text}, 375),
            Tick("tickGeneric", {"tickType": TRADE_COUNT, "value": float(self.trades)}, 293),
            Tick("tickGeneric", {"tickType": TRADE_RATE, "value": float(sum(row[1] for row in self._minute))}, 294),
            Tick("tickGeneric", {"tickType": VOLUME_RATE, "value": float(sum(row[2] for row in self._minute))}, 295),
        ]

    def _mark(self) -> list[Tick]:
        """The mark price: the last one, held within bid and ask."""
        if self.wanted.isdisjoint(_MARKED):
            return []
        middle = round((self.bid + self.ask) / 2.0, 8)
        mark = middle if math.isnan(self.last) else self.last
        if not math.isnan(middle):
            mark = min(max(mark, self.bid), self.ask)
        return [] if math.isnan(mark) else [price_tick(MARK_PRICE, mark, generic=code) for code in (221, 232)]

    def inventory(self) -> list[Tick]:
        """Generic tick 236: above 2.5 there are at least 1,000 shares to borrow, above 1.5 it depends, else there are
        none."""
        if self.instrument.sec_type != "STK":
            return []
        shares = self._shortable.get(self.instrument.con_id, self.instrument.shortable)
        level = 3.0 if shares >= 1_000 else 2.0 if shares > 0 else 1.0
        return [
            Tick("tickGeneric", {"tickType": SHORTABLE, "value": level}, 236),
            size_tick(SHORTABLE_SHARES, shares, 236),
        ]

    def _statistics(self) -> list[Tick]:
        """Generic ticks 165 (lows and highs of 13, 26 and 52 weeks, average volume of 90 sessions) and 104
        (volatility of 30)."""
        grid = Grid(self._hours, DAY_SECONDS, regular=True)
        what = "MIDPOINT" if self.instrument.sec_type == "CASH" else "TRADES"
        rows = self._history.series(self.instrument, what, grid, -(2**62), self._session[0])
        if not len(rows):
            return []
        ticks: list[Tick] = []
        days = np.array([self._hours.days[number].toordinal() for number in rows.number.tolist()])
        today = days[-1]
        for kind, weeks in ((15, 13), (17, 26), (19, 52)):
            recent = days > today - 7 * weeks
            ticks += [
                price_tick(kind, float(rows.low[recent].min()), generic=165),
                price_tick(kind + 1, float(rows.high[recent].max()), generic=165),
            ]
        ticks += [size_tick(AVERAGE_VOLUME, float(np.floor(rows.volume[-90:].mean())), 165)]
        returns = np.diff(np.log(rows.close[-31:]))
        if len(returns) > 1:
            volatility = float(returns.std(ddof=1) * np.sqrt(YEAR))
            ticks += [Tick("tickGeneric", {"tickType": HISTORICAL_VOLATILITY, "value": volatility}, 104)]
        return ticks

    def _turn(self, moment: int) -> list[Tick]:
        """Enter the session of a moment; at a new one the day's values begin anew."""
        if self._session[0] < moment <= self._session[1]:
            return []
        number = self._hours.begun_before(moment, regular=False)
        if number < 0:
            return []
        session = self._hours.session(number)
        bounds = (session.start, session.end, session.open, session.close)
        if bounds == self._session:
            return []
        self._session = bounds
        close = self._history.previous_close(self.instrument, session.start)
        self.close = math.nan if close is None else close
        self.open = self.high = self.low = math.nan
        self.volume = self.worth = 0.0
        self.trades = 0
        return [] if close is None else [price_tick(CLOSE, close)]

    def _start(self, now: dt.datetime) -> None:
        """Read from the tape what stands at ``now``."""
        tape, moment = self._history.tape, moment_of(now)
        self._turn(moment)
        quote, bar = tape.last_quote(self.instrument, now), tape.last_bar(self.instrument, now)
        if bar is not None and not self._quoted:
            quote = self._beside(bar)
        if quote is not None and moment_of(quote.when) > self._session[0]:
            self.bid, self.ask, self.bid_size, self.ask_size = quote.bid, quote.ask, quote.bid_size, quote.ask_size
        if bar is not None and not self._is_pair:
            self.last, self.last_size = bar.close, last_size(bar)
            self.last_time = (moment_of(bar.end) - 1) // SECOND
            rows = tape.bars[self.instrument].within(self._session[0], moment)
            self.volume = float(rows.volume.sum())
            self.worth = float((rows.volume * rows.wap).sum())
            self.trades = int(rows.count.sum())
            recent = rows.within(moment - 60 * SECOND, moment)
            columns = (recent.end.tolist(), recent.count.tolist(), recent.volume.tolist())
            self._minute.extend(zip(*columns, strict=True))
            rows = rows.within(self._session[2], min(moment, self._session[3]))
            if len(rows):
                self.open, self.high, self.low = float(rows.open[0]), float(rows.high.max()), float(rows.low.min())
        elif self._is_pair:
            if self._quoted:
                middle = price_of(tape.quotes[self.instrument].within(self._session[0], moment), "MIDPOINT")
            elif bar is not None:
                middle = tape.bars[self.instrument].within(self._session[0], moment).close
            else:
                return
            if np.isfinite(middle).any():
                self.high, self.low = float(np.nanmax(middle)), float(np.nanmin(middle))

    def _beside(self, bar: Bar) -> Quote:
        """A quote made of a trade."""
        tick, size = self.instrument.min_tick, max(1.0, last_size(bar))
        return Quote(bar.end, round(bar.close - tick, 8), round(bar.close + tick, 8), size, size)


def last_size(bar: Bar) -> float:
    """Size of the bar's last trade: its volume spread over its trades, in whole shares."""
    return float(max(1.0, bar.volume // max(1, bar.count))) if bar.volume > 0 else 0.0


def _differs(one: float, other: float) -> bool:
    return one != other and not (math.isnan(one) and math.isnan(other))


_ATTRIBUTES = {"canAutoExecute": True, "pastLimit": False, "preOpen": False}
