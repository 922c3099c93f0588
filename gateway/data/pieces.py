"""What a step of the tape means for one kind of price: pieces of bars with the same meaning as the history's rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gateway.data.showing import QUOTED, middle_of, shift_of
from gateway.data.tape import Tape
from gateway.hours import SECOND, moment_of
from gateway.model import Bar, Instrument, Quote

FIVE = 5 * SECOND


@dataclass(slots=True)
class Piece:
    """Prices of a stretch of time that ends at ``end``, microseconds UTC. ``worth``: price times volume."""

    end: int
    open: float
    high: float
    low: float
    close: float
    volume: float = 0.0
    worth: float = 0.0
    count: int = 0

    def add(self, other: Piece) -> None:
        """Take the piece that follows."""
        self.end = other.end
        self.high = max(self.high, other.high)
        self.low = min(self.low, other.low)
        self.close = other.close
        self.volume += other.volume
        self.worth += other.worth
        self.count += other.count

    def open_at(self, price: float) -> None:
        """Let it begin with the price that held before it."""
        self.open = price
        self.high = max(self.high, price)
        self.low = min(self.low, price)

    @property
    def wap(self) -> float:
        return round(self.worth / self.volume, 8) if self.volume > 0 else self.close


class Pieces:
    """Makes pieces of the bars or quotes of one instrument; ``carried``: what held before a piece opens it."""

    def __init__(self, tape: Tape, instrument: Instrument, what: str) -> None:
        self.what = what
        self.carried = what in QUOTED and instrument in tape.quotes
        self.shift = shift_of(instrument, what)
        self.seconds = tape.bars[instrument].seconds if instrument in tape.bars else 1

    def of(self, bar: Bar | None, quote: Quote | None) -> Piece | None:
        """The piece of a step, if there is one."""
        if self.carried:
            price = math.nan if quote is None else _price(quote, self.what)
            return Piece(moment_of(quote.when), *(price,) * 4) if quote is not None and price == price else None
        if bar is None:
            return None
        by = self.shift
        prices = (bar.open + by, bar.high + by, bar.low + by, bar.close + by)
        return Piece(moment_of(bar.end), *prices, bar.volume, bar.wap * bar.volume, bar.count)


def split(piece: Piece, seconds: int) -> list[Piece]:
    """A piece of ``seconds``, a multiple of 5, as pieces of 5 seconds that make exactly it when put together.

    The path is open, the extreme that the bar's direction suggests, the other one, close; volume is spread evenly.
    Where there are fewer shares than pieces, only the last pieces are given: without a trade there is no price.
    """
    parts = seconds * SECOND // FIVE
    if piece.volume > 0:
        parts = min(parts, max(1, int(piece.volume)))
    if parts <= 1:
        return [piece]
    extremes = (piece.low, piece.high) if piece.close >= piece.open else (piece.high, piece.low)
    first, second = parts // 3, max(parts // 3, 2 * parts // 3)
    path = [piece.open] * (first + 1) + [extremes[0]] * (second - first) + [extremes[1]] * (parts - second)
    shares, trades = divmod(int(piece.volume), parts), divmod(piece.count, parts)
    rest = piece.volume - int(piece.volume)
    begin = piece.end - parts * FIVE
    out = []
    for at in range(parts):
        ends = piece.close if at == parts - 1 else path[at + 1]
        prices = [path[at], ends]
        prices += [extremes[0]] if at == first else []
        prices += [extremes[1]] if at == second else []
        volume = shares[0] + (at < shares[1]) + (rest if at == parts - 1 else 0.0)
        worth = piece.worth * (volume / piece.volume) if piece.volume else 0.0
        high, low = max(prices), min(prices)
        count = trades[0] + (at < trades[1])
        out.append(Piece(begin + (at + 1) * FIVE, path[at], high, low, ends, float(volume), worth, count))
    return out


def _price(quote: Quote, what: str) -> float:
    if what == "MIDPOINT":
        return middle_of(quote)
    return quote.bid if what == "BID" else quote.ask
