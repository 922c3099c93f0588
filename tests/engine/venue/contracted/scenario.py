"""A day of hand-made prices, what a strategy does on its minutes, and what it was told: for any venue.

Prices are rows of one second, ``"HH:MM:SS"`` (the second's end, UTC, with a date before it on another day than
``DAY``) and either one price or open, high, low, close; minutes are made of them. An act is called after the minute
bar with its number, from 1 on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import backtrader as bt
import pandas as pd

from core.settings import Settings
from feeds.aggregate import aggregate

DAY = "2024-03-08"  # a Friday; New York trades from 14:30 to 21:00 UTC
VOLUME = 1_000.0
Row = tuple[Any, ...]
Act = Callable[["Actor"], Any]


@dataclass
class Scenario:
    """``acts``: number of the minute bar -> what the strategy does then. ``market_acts``: moment -> what happens to the
    gateway's market, before the prices of that moment. ``shown``: quotes, (time, bid, ask, bid size, ask size)."""

    prices: Mapping[str, Sequence[Row]]
    acts: Mapping[int, Act]
    settings: Mapping[str, Any] = field(default_factory=dict)
    market_acts: Mapping[str, Callable[[Any, Outcome], None]] = field(default_factory=dict)
    shown: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    before: Mapping[str, float] = field(default_factory=dict)  # close of the session before, where it matters


@dataclass
class Told:
    """A notification: the order's name, its status, and what of it had been executed by then."""

    name: str
    status: str
    size: float
    price: float
    comm: float
    bits: int  # executions that are new with this notification
    detail: str

    @property
    def short(self) -> tuple[str, str, float, float]:
        return self.name, self.status, self.size, round(self.price, 6)


@dataclass
class Outcome:
    """What came of it. ``orders``: name -> backtrader's own order (not a copy)."""

    told: list[Told] = field(default_factory=list)
    orders: dict[str, Any] = field(default_factory=dict)
    broker: Any = None
    strategy: Any = None
    knows_seconds: bool = True  # False: all that happens within a minute bears the minute's end

    def of(self, *names: str) -> list[tuple[str, str, float, float]]:
        """Notifications of these orders: name, status, executed size, price."""
        return [told.short for told in self.told if told.name in names]

    def statuses(self, name: str) -> list[str]:
        return [told.status for told in self.told if told.name == name]

    def position(self, symbol: str = "A") -> float:
        """Signed units at the end."""
        return float(self.broker.getposition(self.strategy.getdatabyname(f"one/{symbol}")).size)

    def filled_at(self, name: str) -> list[tuple[str, float, float]]:
        """Executions of an order: time of day, size, price."""
        bits = self.orders[name].executed.exbits
        return [(f"{moment(bit.dt):%H:%M:%S}", bit.size, round(bit.price, 6)) for bit in bits]

    def expect(self, name: str, *fills: tuple[str, float, float]) -> None:
        """Assert these executions of an order."""
        skip = 0 if self.knows_seconds else 1
        assert [fill[skip:] for fill in self.filled_at(name)] == [fill[skip:] for fill in fills]


class Actor(bt.Strategy):
    """Does what a scenario says. ``send(name, ...)`` names an order."""

    params = (("scenario", None), ("outcome", None))

    def __init__(self) -> None:
        self.p.outcome.strategy = self
        self.bars = 0

    def data_of(self, symbol: str) -> Any:
        return self.getdatabyname(f"one/{symbol}")

    def send(self, name: str, size: float, symbol: str = "A", **terms: Any) -> Any:
        """Buy (``size`` > 0) or sell."""
        send = self.buy if size > 0 else self.sell
        order = send(data=self.data_of(symbol), size=abs(size), called=name, **terms)
        self.p.outcome.orders[name] = order
        return order

    def order(self, name: str) -> Any:
        return self.p.outcome.orders[name]

    def next(self) -> None:
        self.bars += 1
        act = self.p.scenario.acts.get(self.bars)
        if act is not None:
            act(self)

    def notify_order(self, order: Any) -> None:
        done, info = order.executed, order.info
        self.p.outcome.told.append(
            Told(
                str(info.get("called", "")), order.getstatusname(), done.size, done.price, done.comm,
                len(done.getpending()), str(info.get("refusal_detail", "")),
            )
        )  # fmt: skip


def moment(number: float) -> dt.datetime:
    return bt.num2date(number)


def at(text: str) -> pd.Timestamp:
    return pd.Timestamp(text if " " in text else f"{DAY} {text}", tz="UTC")


def seconds_of(rows: Sequence[Row]) -> pd.DataFrame:
    """Bars of one second."""
    made = {}
    for time, *prices in rows:
        if len(prices) in (1, 2):
            prices = [prices[0]] * 4 + prices[1:]
        open_, high, low, close, *volume = prices
        made[at(time)] = (open_, high, low, close, volume[0] if volume else VOLUME)
    frame = pd.DataFrame.from_dict(made, orient="index", columns=["open", "high", "low", "close", "volume"])
    return frame.astype(float).set_axis(pd.DatetimeIndex(frame.index).as_unit("us"), axis=0)


def minutes_of(seconds: pd.DataFrame) -> pd.DataFrame:
    return aggregate(seconds, "1m")


def quotes_of(rows: Sequence[Row]) -> pd.DataFrame:
    frame = pd.DataFrame.from_dict(
        {at(time): values for time, *values in rows}, orient="index", columns=["bid", "ask", "bid_size", "ask_size"]
    )
    return frame.astype(float).set_axis(pd.DatetimeIndex(frame.index).as_unit("us"), axis=0)


def settings_of(scenario: Scenario) -> Settings:
    """No slippage, no risk gate, unless the scenario says otherwise."""
    symbols = list(scenario.prices)
    units = {"pairs": [symbols]} if len(symbols) == 2 else {"instruments": symbols}
    strategy = "PairsTrading" if len(symbols) == 2 else "MeanReversion"
    tables: dict[str, Any] = {
        "name": "contract",
        "matching": "ibkr",
        "data": {"source": "catalog", "bar": "1m", "matching_bar": "1s"},
        "instruments": {symbol: {"currency": "USD", "exchange": "XNYS"} for symbol in symbols},
        "strategies": {"one": {"strategy": strategy, **units}},
        "costs": {"slippage": {"model": "none"}},
        "risk": {"enabled": False},
    }
    for key, value in scenario.settings.items():
        tables[key] = {**tables.get(key, {}), **value} if isinstance(value, dict) else value
    return Settings.model_validate(tables)
