"""Changes to the tape: bars and quotes that the market is given other than they were recorded."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from gateway.model import Bar, Instrument, Quote

ALL, FIRST = "*", "first"


class Step(Protocol):
    """What the tape gives at one moment."""

    @property
    def when(self) -> dt.datetime: ...
    @property
    def bars(self) -> Mapping[Instrument, Bar]: ...
    @property
    def quotes(self) -> Mapping[Instrument, Quote]: ...


S = TypeVar("S", bound=Step)


@dataclass(slots=True)
class Rewrites:
    """What is to be changed, and what was seen. Symbols are resolved when they are asked for: ``first``, ``*``."""

    seen: dict[Instrument, None] = field(default_factory=dict)  # in the order of the tape
    outliers: dict[str, float] = field(default_factory=dict)  # symbol -> factor, for its next bar and quote
    halted: set[str] = field(default_factory=set)  # symbols of which there is nothing until they resume
    crossed: set[str] = field(default_factory=set)  # symbols whose next quote is crossed
    stale: dict[str, dt.datetime] = field(default_factory=dict)  # symbol -> until
    ratios: dict[str, float] = field(default_factory=dict)  # symbol -> shares that one became
    _bars: dict[str, Bar] = field(default_factory=dict)
    _quotes: dict[str, Quote] = field(default_factory=dict)

    def symbols(self, symbol: str) -> list[str]:
        """The symbols that a script means."""
        if symbol == ALL:
            return list(dict.fromkeys(instrument.symbol for instrument in self.seen))
        if symbol == FIRST:
            first = next((each for each in self.seen if each.sec_type == "STK"), next(iter(self.seen), None))
            return [first.symbol] if first is not None else []
        return [symbol]

    def see(self, instruments: Iterable[Instrument]) -> None:
        """Take note of what is on the tape."""
        self.seen |= dict.fromkeys(instruments)

    def rewrite(self, step: S) -> S:
        """The step as it is to be played; the very same object where nothing changes."""
        bars = {
            instrument: self._bar(instrument, bar) for instrument, bar in step.bars.items() if self._trades(instrument)
        }
        quotes = {
            instrument: self._quote(instrument, quote)
            for instrument, quote in step.quotes.items()
            if self._trades(instrument)
        }
        self.crossed -= {instrument.symbol for instrument in step.quotes}
        for instrument in (*step.bars, *step.quotes):
            self.outliers.pop(instrument.symbol, None)
        if bars == dict(step.bars) and quotes == dict(step.quotes):
            return step
        changes: dict[str, Any] = {"bars": bars, "quotes": quotes}
        return dataclasses.replace(step, **changes)  # type: ignore[type-var]  # a tape's steps are dataclasses

    def _trades(self, instrument: Instrument) -> bool:
        return instrument.symbol not in self.halted

    def _is_stale(self, symbol: str, when: dt.datetime) -> bool:
        return symbol in self.stale and when < self.stale[symbol]

    def _bar(self, instrument: Instrument, bar: Bar) -> Bar:
        symbol = instrument.symbol
        if (ratio := self.ratios.get(symbol)) is not None:
            prices: dict[str, Any] = {name: _divided(getattr(bar, name), ratio, instrument.min_tick) for name in PRICES}
            bar = dataclasses.replace(bar, volume=bar.volume * ratio, wap=bar.wap / ratio, **prices)
        if self._is_stale(symbol, bar.end) and symbol in self._bars:
            last = self._bars[symbol].close
            return Bar(bar.start, bar.end, last, last, last, last, 0.0, last, 0)
        self._bars[symbol] = bar
        if (factor := self.outliers.get(symbol)) is not None:
            print_ = _to_tick(bar.close * factor, instrument.min_tick)
            bar = dataclasses.replace(bar, high=max(bar.high, print_), low=min(bar.low, print_))
        return bar

    def _quote(self, instrument: Instrument, quote: Quote) -> Quote:
        symbol, tick = instrument.symbol, instrument.min_tick
        if (ratio := self.ratios.get(symbol)) is not None:
            quote = Quote(
                quote.when, _divided(quote.bid, ratio, tick), _divided(quote.ask, ratio, tick),
                quote.bid_size * ratio, quote.ask_size * ratio,
            )  # fmt: skip
        if self._is_stale(symbol, quote.when) and symbol in self._quotes:
            return dataclasses.replace(self._quotes[symbol], when=quote.when)
        self._quotes[symbol] = quote
        if (factor := self.outliers.get(symbol)) is not None:
            quote = dataclasses.replace(
                quote, bid=_to_tick(quote.bid * factor, tick), ask=_to_tick(quote.ask * factor, tick)
            )
        if symbol in self.crossed:
            bid = max(quote.ask, _to_tick(quote.bid + tick, tick))
            quote = dataclasses.replace(quote, bid=bid, ask=quote.bid)
        return quote


PRICES = ("open", "high", "low", "close")


def _to_tick(price: float, tick: float) -> float:
    """The nearest multiple of the tick; NaN stays."""
    return round(round(price / tick) * tick, 10) if price == price else price


def _divided(price: float, ratio: float, tick: float) -> float:
    return _to_tick(price / ratio, tick)
