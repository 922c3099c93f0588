"""Subscriptions of market data: one line of a client, live or delayed."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from gateway.data.board import RT_TRADE_VOLUME, RT_VOLUME, Board, Tick
from gateway.data.history import History
from gateway.model import Bar, Instrument, Quote, Values

Client = Hashable
Answer = tuple[Client, str, Values]
LIVE, FROZEN, DELAYED, DELAYED_FROZEN = 1, 2, 3, 4  # market data types
DELAY = dt.timedelta(minutes=15)
NO_DELAY = dt.timedelta()
_DELAYED_TYPES = {0: 69, 1: 66, 2: 67, 3: 70, 4: 68, 5: 71, 6: 72, 7: 73, 8: 74, 9: 75, 14: 76, 45: 88, 49: 90}


@dataclass(slots=True)
class Line:
    """One request of market data."""

    client: Client
    req_id: int
    instrument: Instrument
    generics: frozenset[int]
    delayed: bool
    lot: int

    def answers(self, ticks: Iterable[Tick]) -> list[Answer]:
        """The messages that ticks of the board are for this client."""
        out: list[Answer] = []
        for tick in ticks:
            if tick.generic and tick.generic not in self.generics:
                continue
            values = {"reqId": self.req_id, **tick.values}
            if self.delayed:
                if tick.generic or values["tickType"] not in _DELAYED_TYPES:
                    continue
                values["tickType"] = _DELAYED_TYPES[values["tickType"]]
            if self.lot > 1:
                _in_lots(values, self.lot)
            out.append((self.client, tick.name, values))
        return out


class Feed:
    """The board of one instrument, live or 15 minutes behind, and the lines that show it."""

    def __init__(
        self, instrument: Instrument, history: History, now: dt.datetime, delay: dt.timedelta,
        shortable: Mapping[int, float],
    ) -> None:  # fmt: skip
        self.instrument = instrument
        self.lines: list[Line] = []
        self._delay = delay
        self.board = Board(instrument, history, now - delay, shortable)
        self._waiting: deque[tuple[dt.datetime, Bar | None, Quote | None]] = deque()
        if delay:
            for bar, quote in history.tape.rows_of(instrument, now - delay, now):
                self._keep(bar, quote)

    def turn_to(self, lines: Iterable[Line]) -> None:
        """Show it to these lines alone."""
        self.lines = list(lines)
        self.board.wanted = frozenset().union(*(line.generics for line in self.lines))

    def hear(self, bar: Bar | None, quote: Quote | None, out: list[Answer]) -> None:
        if self._delay:
            self._keep(bar, quote)
        else:
            self.tell(self.board.hear(bar, quote), out)

    def until(self, when: dt.datetime, out: list[Answer]) -> None:
        """Tell what has been held back for long enough."""
        while self._waiting and self._waiting[0][0] + self._delay <= when:
            _, bar, quote = self._waiting.popleft()
            self.tell(self.board.hear(bar, quote), out)

    def tell(self, ticks: list[Tick], out: list[Answer]) -> None:
        if ticks:
            for line in self.lines:
                out += line.answers(ticks)

    def _keep(self, bar: Bar | None, quote: Quote | None) -> None:
        if bar is not None:
            self._waiting.append((bar.end, bar, None))
        if quote is not None:
            self._waiting.append((quote.when, None, quote))


def _in_lots(values: Values, lot: int) -> None:
    """Sizes in hundreds, as clients below version 163 are sent them."""
    if "size" in values:
        values["size"] //= lot
    elif values["tickType"] in (RT_VOLUME, RT_TRADE_VOLUME):
        price, size, time, volume, *rest = values["value"].split(";")
        values["value"] = ";".join([price, str(int(size) // lot), time, str(int(volume) // lot), *rest])
