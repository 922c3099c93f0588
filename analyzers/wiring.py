"""What analyzers read of a strategy, its datas and its broker, with fallbacks for anybody's plain Cerebro."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from core import naming

_DAYS_TO_EPOCH = 719_163  # proleptic ordinal of 1970-01-01, the base of backtrader's day numbers
_MS_PER_DAY = 86_400_000


@dataclass(slots=True)
class Execution:
    """What one notification of an order added to its fills."""

    size: float  # signed units
    price: float  # of these units, instrument currency
    commission: float  # for these units, instrument currency


@dataclass(slots=True)
class Executions:
    """Turns the running totals that order notifications carry into single executions."""

    _seen: dict[int, tuple[float, float, float]] = field(default_factory=dict)  # order.ref -> size, value, commission

    def of(self, order: Any) -> Execution | None:
        """Return what was filled since the last call for this order, None if nothing was."""
        size, fees = float(order.executed.size), float(order.executed.comm)
        value = size * order.executed.price
        size_seen, value_seen, fees_seen = self._seen.get(order.ref, (0.0, 0.0, 0.0))
        if size == size_seen:
            return None
        self._seen[order.ref] = (size, value, fees)
        added = size - size_seen
        price = (value - value_seen) / added if size_seen else float(order.executed.price)
        return Execution(added, price, fees - fees_seen)


def unit_of(strategy: Any) -> str:
    """Return the unit of a strategy: its ``unit`` parameter, else that of its first data (``core.naming``)."""
    return str(getattr(strategy.p, "unit", "") or naming.unit_of(strategy.datas[0] if strategy.datas else None))


def account_of(broker: Any) -> Any | None:
    """Return the books of the broker (``books.account.Account``), None with a stock broker."""
    return getattr(broker, "account", None)


def rate_of(broker: Any, data: Any) -> float:
    """Return EUR for one unit of the data's currency; 1 with a broker that knows no currencies."""
    fx_rate = getattr(broker, "fx_rate", None)
    return float(fx_rate(data)) if fx_rate is not None else 1.0


def info_of(order: Any, key: str, default: Any = "") -> Any:
    """Return ``order.info[key]``; reading a missing key as an attribute would create it."""
    value = order.info.get(key, default)
    return default if value is None else value


@functools.lru_cache(maxsize=64)  # a bar's moment is asked for many times
def utc_time(number: float) -> dt.datetime:
    """Return backtrader's day number as an aware UTC datetime."""
    return bt.num2date(number).replace(tzinfo=dt.UTC)


def utc_index(numbers: Sequence[float], name: str = "datetime") -> pd.DatetimeIndex:
    """Return backtrader's day numbers as a UTC index.

    Rounded to the millisecond: a double holds today's day numbers to 10 microseconds only.
    """
    days = np.asarray(numbers, dtype=float) - _DAYS_TO_EPOCH
    stamps = np.rint(days * _MS_PER_DAY).astype("int64").astype("datetime64[ms]").astype("datetime64[ns]")
    return pd.DatetimeIndex(stamps, name=name).tz_localize("UTC")


def position_values(broker: Any, datas: Sequence[Any]) -> tuple[float, float]:
    """Return gross and net value of the open positions in ``datas`` at the last close, EUR."""
    gross = net = 0.0
    for data in datas:
        position = broker.getposition(data)
        if position.size:
            multiplier = broker.getcommissioninfo(data).p.mult
            value = position.size * data.close[0] * multiplier * rate_of(broker, data)
            gross += abs(value)
            net += value
    return gross, net
