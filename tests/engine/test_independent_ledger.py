"""Three exchanges, three currencies, two units, random orders of every kind: the account against a plain ledger.

The ledger takes executions (size, price, fees) from the orders and works out cash, interest, borrow fees and equity
day by day from the text of docs/costs.md, without the books.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from core.settings import Settings
from engine.sim_broker import SimBroker
from feeds import ColumnarData

DAYS = 70
LISTED = {  # symbol -> exchange, currency, schedule, borrow rate, hour of the close, price
    "SAP": ("XETR", "EUR", "ibkr_eu_tiered", 0.03, 16.5, 80.0),
    "IBM": ("XNYS", "USD", "ibkr_us_tiered", 0.02, 20.0, 40.0),
    "BP": ("XLON", "GBP", "ibkr_uk_tiered", 0.01, 16.5, 30.0),
}
BENCHMARK = {"EUR": 0.02, "USD": 0.03, "GBP": 0.04}
TIERS = {"EUR": (90_000, 900_000), "USD": (100_000, 1_000_000), "GBP": (80_000, 800_000)}
CAPITAL = 100_000.0


def walk(seed: int, symbol: str) -> pd.DataFrame:
    """Daily bars with gaps and thin volume; every tenth day is missing."""
    rng = np.random.default_rng([seed, list(LISTED).index(symbol)])
    *_, hour, price = LISTED[symbol]
    index = pd.bdate_range("2019-03-01", periods=DAYS, tz="UTC") + pd.Timedelta(hours=hour)
    close = price * np.exp(np.cumsum(rng.normal(0, 0.02, DAYS)))
    open_ = close * np.exp(rng.normal(0, 0.01, DAYS))
    high, low = np.maximum(open_, close) * 1.01, np.minimum(open_, close) * 0.99
    volume = rng.integers(50, 3_000, DAYS).astype(float)
    frame = pd.DataFrame({"open": open_, "high": high, "low": low, "close": close, "volume": volume}, index=index)
    return frame[rng.random(DAYS) >= 0.1]


class Anything(bt.Strategy):
    """Sends and cancels orders of every kind at random; keeps them."""

    params = (("seed", 0),)

    def __init__(self) -> None:
        self.rng = np.random.default_rng(self.p.seed)
        self.seen: dict[int, bt.Order] = {}  # ref -> order

    def notify_order(self, order: bt.Order) -> None:
        self.seen[order.ref] = order

    def prenext(self) -> None:
        self.next()

    def next(self) -> None:
        order, rng = bt.Order, self.rng
        for data in self.datas:
            draw, kind, size = rng.random(4), int(rng.integers(9)), int(rng.integers(1, 60))
            if not len(data) or draw[0] > 0.25:
                continue
            close, up = data.close[0], draw[1] < 0.5
            send, price, valid = self.buy if up else self.sell, close * (0.96 + 0.08 * draw[2]), dt.timedelta(days=3)
            if kind == 0:
                send(data=data, size=size)
            elif kind == 1:
                send(data=data, size=size, exectype=order.Limit, price=price, valid=valid)
            elif kind == 2:
                send(data=data, size=size, exectype=order.Stop, price=price, valid=valid)
            elif kind == 3:
                send(data=data, size=size, exectype=order.StopTrail, trailpercent=0.02)
            elif kind == 4:
                send(data=data, size=size, exectype=order.StopLimit, price=price, plimit=price * 1.003, valid=valid)
            elif kind == 5:
                send(data=data, size=size, exectype=order.Close)
            elif kind == 6:
                away = 0.03 if up else -0.03
                bracket = self.buy_bracket if up else self.sell_bracket
                stop, limit = close * (1 - away), close * (1 + away)
                bracket(data=data, size=size, exectype=order.Market, stopprice=stop, limitprice=limit)
            elif kind == 7:
                self.close(data=data)
            elif self.broker.pending:
                self.cancel(self.broker.pending[int(draw[3] * len(self.broker.pending))])


def debit_of_day(currency: str, debit: float) -> float:
    """Benchmark plus 1.5%, 1.0% and 0.75% by tiers, by 360 (GBP 365)."""
    total, low = 0.0, 0.0
    for high, spread in zip((*TIERS[currency], math.inf), (0.015, 0.010, 0.0075), strict=True):
        total += max(0.0, min(debit, high) - low) * (BENCHMARK[currency] + spread)
        low = high
    return total / (365 if currency == "GBP" else 360)


def ledger(base: str, rates: dict[str, dict[dt.date, float]], frames: dict[str, pd.DataFrame], orders: Any) -> float:
    """Final equity in ``base``."""
    cash: dict[str, float] = defaultdict(float, {base: CAPITAL})
    held: dict[tuple[str, str], float] = defaultdict(float)  # (unit, symbol) -> units
    last: dict[str, float] = {}
    currency = {symbol: row[1] for symbol, row in LISTED.items()}
    fills = defaultdict(list)
    for order in orders:
        for bit in order.executed.exbits:
            stamp = pd.Timestamp(bt.num2date(bit.dt), tz="UTC").round("s")
            fills[stamp].append((order.data, bit.size, bit.price, bit.closedcomm + bit.openedcomm))
    before: dt.date | None = None
    for now in sorted(set().union(*(frame.index for frame in frames.values()))):
        nights = (now.date() - before).days if before else 0
        for _ in range(nights):
            for name in cash:
                proceeds = -sum(n * last[s] for (_, s), n in held.items() if n < 0 and currency[s] == name)
                cash[name] -= debit_of_day(name, max(0.0, proceeds - cash[name]))
        for (_, symbol), units in held.items():
            if units < 0:
                usd = currency[symbol] == "USD"
                mark = math.ceil(1.02 * last[symbol]) if usd else math.ceil(105 * last[symbol]) / 100
                cash[currency[symbol]] += units * mark * LISTED[symbol][3] * nights / 360
        for data, size, price, fees in fills[now]:
            held[data.unit, data.symbol] += size
            cash[currency[data.symbol]] -= size * price + fees
        for symbol, frame in frames.items():
            if now in frame.index:
                last[symbol] = frame.at[now, "close"]
        before = now.date()
    rate = {name: 1.0 if name == base else rates[name][before] for name in BENCHMARK}
    positions = sum(units * last[symbol] * rate[currency[symbol]] for (_, symbol), units in held.items())
    return positions + sum(amount * rate[name] for name, amount in cash.items())


@pytest.mark.parametrize("slippage", ["none", "bps", "half_spread", "volume_share"])
@pytest.mark.parametrize("execution", ["next_open", "next_close"])
@pytest.mark.parametrize("base", ["EUR"])  # the only one that settings accept; books know any
def test_equity_is_that_of_a_plain_ledger(base: str, execution: str, slippage: str, tmp_path: Path) -> None:
    seed = len(base + execution) * len(slippage)
    rng = np.random.default_rng(seed)
    frames = {symbol: walk(seed, symbol) for symbol in LISTED}
    rates: dict[str, dict[dt.date, float]] = {}
    for name in sorted(set(BENCHMARK) - {base}):
        days = [day.date() for day in pd.date_range("2019-02-20", periods=130)]
        rates[name] = dict(zip(days, np.exp(np.cumsum(rng.normal(0, 0.01, len(days)))).round(8), strict=True))
        lines = [f"{day},{rate:.8f}" for day, rate in rates[name].items()]
        (tmp_path / f"{name}.csv").write_text("\n".join(["date,rate", *lines]))
    config = Settings.model_validate(
        {
            "execution": execution,
            "account": {"currency": base, "capital": CAPITAL},
            "instruments": {
                symbol: {"exchange": exchange, "currency": currency, "schedule": schedule, "borrow_rate": borrow}
                for symbol, (exchange, currency, schedule, borrow, *_) in LISTED.items()
            },
            "strategies": {"one": {"strategy": "MeanReversion", "instruments": ["SAP"]}},
            "costs": {
                "slippage": {"model": slippage, "bps": 7.0, "volume_limit": 0.02},
                "fx": {"rates": {}, "files": {name: str(tmp_path / f"{name}.csv") for name in rates}},
                "interest": {"benchmarks": BENCHMARK},
            },
            "risk": {"enabled": False},
        }
    )
    results = []
    for runonce in (True, False):
        bt.Order.refbasis = itertools.count(1)
        cerebro = bt.Cerebro(stdstats=False, runonce=runonce)
        cerebro.setbroker(SimBroker(settings=config))
        for unit, symbol in itertools.product(("one", "two"), LISTED):
            data = ColumnarData(dataname=frames[symbol])
            data.unit, data.symbol, data.instrument = unit, symbol, config.instruments[symbol]
            cerebro.adddata(data, name=f"{unit}/{symbol}")
        cerebro.addstrategy(Anything, seed=seed)
        strategy = cerebro.run()[0]
        results.append((strategy.broker.account.equity_eur, strategy.broker.account.trades))
    assert results[0] == results[1]
    assert len(results[0][1]) > 10
    assert results[0][0] == pytest.approx(ledger(base, rates, frames, strategy.seen.values()), abs=0.005)
