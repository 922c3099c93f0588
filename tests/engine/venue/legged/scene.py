"""A pair over seconds, what goes wrong with it, and what became of it.

The bars are seconds of two instruments, the strategy decides on their minutes by z-scores that a test writes. A test
names faults by venue time; ``Maker`` makes the broker that meets them. What happened is judged from the reports and
orders that a listener of the broker hears, never from what the guard thinks.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

import strategies
from core.settings import Settings
from engine import build
from engine.venue import Corrected, Ended, Filled, Report, Resized, VenueOrder
from feeds import History
from feeds.aggregate import aggregate
from strategies import PairsTrading

BEGIN = dt.datetime(2024, 3, 5, 14, 30, tzinfo=dt.UTC)  # a Tuesday, XNYS opens
FREE: dict[str, Any] = {  # no gates, short windows
    "hedge_period": 3, "zscore_period": 2, "half_life_period": 4, "vol_period": 2, "time_stop": 0.0,
    "coint_max": 0.0, "correlation_min": 0.0, "half_life_min": 0.0, "half_life_max": 0.0, "disaster_stop": 0.1,
}  # fmt: skip
FIRST = PairsTrading.bars_needed(FREE)  # the first minute that is decided on
ENTRY = FIRST + 1  # the minute at whose close the pair is entered, counted from 1
PRICES = {"Y": 100.0, "X": 50.0}  # at that close
SIZES = {"Y": 100.0, "X": 200.0}  # by hand: 2% of 100,000 at risk, a unit with 2 x loses 20 at the disaster stops


def at(seconds: float) -> dt.datetime:
    """So many seconds after the close of the minute on which the pair is entered."""
    return BEGIN + dt.timedelta(minutes=ENTRY, seconds=seconds)


@dataclass(frozen=True)
class Fault:
    """Something goes wrong at a moment of the venue's time.

    ``kind``: ``halt``, ``resume``, ``bust`` (the newest execution of the symbol; ``reach`` = how far back), ``lend``
    (``shares`` can be borrowed from now on), ``freeze`` (its working orders of ``role`` meet nothing any more),
    ``thaw``, ``strike`` (its working orders of ``role`` are cancelled by the exchange), ``reject`` (they end: 201),
    ``refuse`` (the next ``count`` orders of ``role`` are rejected when they come: 201), ``deaf`` (no cancel of the
    symbol's orders arrives any more).
    """

    when: dt.datetime
    kind: str
    symbol: str
    role: str = "entry"
    shares: float = 0.0
    count: int = 1
    text: str = "Order rejected - reason:Test"
    reach: int = 1


Maker = Callable[[Settings, History, Sequence[Fault]], bt.BrokerBase]


class Witness:
    """Listener that writes down what each leg holds, and sees what must never be."""

    def __init__(self) -> None:
        self.orders: dict[int, VenueOrder] = {}
        self.filled: dict[int, float] = defaultdict(float)  # ref -> units
        self.total: dict[int, float] = {}  # ref -> quantity as it works
        self.ended: dict[int, Ended] = {}
        self.done: set[int] = set()  # refs of what has filled, even if an execution was taken back since
        self.executions: dict[str, tuple[int, float]] = {}  # base id -> ref, units
        self.holds: dict[str, float] = defaultdict(float)  # symbol -> signed units
        self.line: list[tuple[dt.datetime, dict[str, float]]] = []  # when what was held changed
        self.fills: list[tuple[dt.datetime, str, str, float, float]] = []  # when, symbol, role, signed units, price
        self.sends: list[tuple[dt.datetime, VenueOrder]] = []
        self.doubled: list[VenueOrder] = []  # exits that went out while another one of the leg worked
        self.busted: set[str] = set()
        self.now = BEGIN

    def sent(self, orders: Sequence[VenueOrder]) -> None:
        for order in orders:
            if order.role == "exit":
                rivals = [o for o in self.working(order.symbol) if o.role == "exit" and o.trade == order.trade]
                if rivals:
                    self.doubled.append(order)
            self.orders[order.ref], self.total[order.ref] = order, order.quantity
            self.sends.append((self.now, order))

    def working(self, symbol: str = "") -> list[VenueOrder]:
        return [
            order for ref, order in self.orders.items()
            if symbol in ("", order.symbol) and ref not in self.ended and ref not in self.done
        ]  # fmt: skip

    def cancelled(self, ref: int, why: str) -> None:
        """Nothing is held by it."""

    def marked(self, when: dt.datetime, equity_eur: float) -> None:
        self.now = when

    def reported(self, when: dt.datetime, reports: Iterable[Report]) -> None:
        self.now = when
        for report in reports:
            order = self.orders.get(report.ref)
            if order is None:
                continue
            if isinstance(report, Filled):
                self.executions[report.exec_id.rpartition(".")[0]] = report.ref, report.quantity
                self._move(report.when, order, report.quantity)
                self.fills.append((report.when, order.symbol, order.role, order.sign * report.quantity, report.price))
            elif isinstance(report, Corrected):
                base = report.corrects.rpartition(".")[0]
                _, before = self.executions[base]
                self.executions[base] = report.ref, report.quantity
                self.busted.add(order.symbol)
                self._move(report.when, order, report.quantity - before)
            elif isinstance(report, Resized):
                self.total[report.ref] = report.quantity
            elif isinstance(report, Ended):
                self.ended[report.ref] = report

    def _move(self, when: dt.datetime, order: VenueOrder, units: float) -> None:
        self.filled[order.ref] += units
        if self.filled[order.ref] >= self.total[order.ref] - 1e-9:
            self.done.add(order.ref)
        self.holds[order.symbol] += order.sign * units
        self.line.append((when, dict(self.holds)))


@dataclass
class Outcome:
    """What became of a run."""

    witness: Witness
    strategy: Any
    broker: Any
    fine: Mapping[str, pd.DataFrame]
    end: dt.datetime
    notices: list[tuple[str, str, str]] = field(default_factory=list)  # symbol, role, backtrader's status

    @property
    def held(self) -> dict[str, float]:
        return {symbol: size for symbol, size in self.witness.holds.items() if size}

    def fills(self, since: dt.datetime | None = None) -> list[tuple[float, str, str, float]]:
        """(seconds after the signal, symbol, role, signed units)"""
        zero = at(0)
        return [
            ((when - zero).total_seconds(), symbol, role, units)
            for when, symbol, role, units, _ in self.witness.fills
            if since is None or when >= since
        ]

    def naked_spans(self, cap: float) -> list[tuple[dt.datetime, dt.datetime, str]]:
        """(begin, end, symbol that holds too much) of each stretch with more than ``cap`` EUR naked."""
        spans: list[tuple[dt.datetime, dt.datetime, str]] = []
        since: dt.datetime | None = None
        who = ""
        for when, holds in self.witness.line:
            parts = {symbol: abs(holds.get(symbol, 0.0)) / SIZES[symbol] for symbol in SIZES}
            more = max(parts, key=lambda symbol: parts[symbol])
            naked = (max(parts.values()) - min(parts.values())) * SIZES[more] * PRICES[more]
            if naked > cap + 1e-6:
                since, who = since or when, more
            elif since is not None:
                spans.append((since, when, who))
                since = None
        if since is not None:
            spans.append((since, self.end, who))
        return spans


def second_bars(
    minutes: int,
    *,
    silent: Mapping[str, Sequence[tuple[float, float]]] | None = None,
    jumps: Mapping[str, Sequence[tuple[float, float]]] | None = None,
    volumes: Mapping[str, float] | None = None,
    begin: dt.datetime = BEGIN,
) -> dict[str, pd.DataFrame]:
    """Y at 100 and X at 50, a cent up and down by the minute, flat within it; the entry is decided at 100 and 50.

    ``silent``: stretches (from, to) in seconds after the signal without bars. ``jumps``: (second, factor): from the
    bar that ends after this second on the price is so many times what it was. ``volumes``: units traded in a second.
    """
    index = pd.date_range(begin + dt.timedelta(seconds=1), periods=60 * minutes, freq="s")
    minute = np.arange(60 * minutes) // 60
    after = np.arange(60 * minutes) + 1.0 - 60.0 * ENTRY
    frames = {}
    for symbol, price in (("Y", 100.0), ("X", 50.0)):
        close = price + 0.01 * ((minute - ENTRY + 1) % 2)
        for second, factor in (jumps or {}).get(symbol, ()):
            close = np.where(after > second, np.round(close * factor, 2), close)
        columns = dict.fromkeys(("open", "high", "low", "close"), close)
        heard = np.ones(len(index), dtype=bool)
        for since, until in (silent or {}).get(symbol, ()):
            heard &= ~((after > since) & (after <= until))
        volume = (volumes or {}).get(symbol, 10_000.0)
        frame = pd.DataFrame({**columns, "volume": volume}, index=index)[heard]
        frames[symbol] = frame
    return frames


def settings_for(legs: Mapping[str, Any], parameters: Mapping[str, Any] | None = None, **rest: Any) -> Settings:
    """Settings of the scene. ``rest``: more tables; the money is EUR and trading is free unless they say otherwise."""
    instrument = {"currency": "EUR", "exchange": "XNYS", "tick": 0.01, "schedule": "none"}
    return Settings.model_validate(
        {
            "matching": "ibkr",
            "data": {"bar": "1m", "matching_bar": "1s"},
            "instruments": {"Y": instrument, "X": instrument},
            "strategies": {
                "pair": {
                    "strategy": "ScriptedPair",
                    "pairs": [("Y", "X")],
                    "parameters": {**FREE, **(parameters or {})},
                    "sizing": {"max_cost_bps": 0.0},
                }
            },
            "costs": {"enabled": False},
            **rest,
            "risk": {
                "max_gross_exposure": 5.0, "max_trade_notional": 5.0, "throttle": {"enabled": False},
                **rest.get("risk", {}), "legs": {"timeout_seconds": 10.0, **legs},
            },
        }
    )  # fmt: skip


class ScriptedPair(PairsTrading):
    """PairsTrading that enters at minute ENTRY and leaves at the minutes of ``leaves``; buys Y unless ``sign`` is 1."""

    sign = -1
    leaves: frozenset[int] = frozenset()
    again: frozenset[int] = frozenset()  # minutes of further entries

    def z(self) -> float:
        minute = len(self.data)
        if minute < ENTRY or minute in self.leaves:
            return 0.0
        return 2.1 * self.sign if minute == ENTRY or minute in self.again else 1.5 * self.sign

    def units_of_x(self, plans: list[Any]) -> float:
        return 2.0

    def blocked(self, z: float) -> Any:
        return None


def play(
    maker: Maker,
    settings: Settings,
    fine: Mapping[str, pd.DataFrame],
    faults: Sequence[Fault] = (),
    *,
    sign: int = -1,
    leaves: Iterable[int] = (),
    begin: dt.datetime | None = None,
) -> Outcome:
    """Run the scene. ``sign``: of the z-score; -1 buys Y and sells X. ``leaves``: minutes of exits, counted from 1.

    ``begin``: the first bar that counts, for a run that takes up an earlier one; None: all count.
    """
    body = {"sign": sign, "leaves": frozenset(leaves), "__module__": __name__}
    strategies.STRATEGIES["ScriptedPair"] = type(ScriptedPair)("ScriptedPair", (ScriptedPair,), body)
    try:
        bars = {symbol: aggregate(frame, "1m") for symbol, frame in fine.items()}
        if begin is not None:
            last = begin - dt.timedelta(minutes=1)  # the minute that ends at ``begin`` is played
            fine = {symbol: frame[frame.index > last] for symbol, frame in fine.items()}
        history = History(bars, begin=begin, fine=dict(fine))
        broker = maker(settings, history, faults)
        witness = Witness()
        broker.listeners.append(witness)
        cerebro = build(settings, history, broker)
        strategy = cerebro.run()[0]
    finally:
        del strategies.STRATEGIES["ScriptedPair"]
    end = max(frame.index[-1] for frame in fine.values()).to_pydatetime()
    return Outcome(witness, strategy, broker, fine, end)
