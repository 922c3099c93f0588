"""The market against backtrader's own broker, on random order streams over random bars.

Both match market orders at the next open, limits at the open or the limit, stops at the open or the stop, and stop
limits whose limit is at the stop or beyond it, once they are triggered as limits. Where they differ on purpose:

- **Trailing stops**: backtrader moves them with closes, the market with highs and lows (as TWS does, pessimistically).
- **A limit short of its stop**, triggered within a bar: both fill it where the close proves that the price came back;
  backtrader asks in addition that the bar ended on the other side of its open. Left out here.
- **Ties within a bar** (OCO, brackets): backtrader goes by the order in which orders came, the market hits stops before
  targets. Left out here: no order depends on another.
- **Close orders**: backtrader fills them when it sees the next session's first bar, the market at the close.
- **Cash**: backtrader rejects what it cannot pay at the fill, IBKR at the placing. Both have plenty here.
"""

from __future__ import annotations

import datetime as dt

import backtrader as bt
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import VirtualClock
from gateway.market import Accounts, Market
from gateway.model import Bar, Instrument

OPEN = dt.datetime(2024, 3, 8, 14, 30, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
CASH = 1e9
TYPES = {"MKT": bt.Order.Market, "LMT": bt.Order.Limit, "STP": bt.Order.Stop, "STP LMT": bt.Order.StopLimit}

cents = st.integers(-60, 60)
bars_made = st.lists(st.tuples(cents, cents, st.integers(0, 60), st.integers(0, 60)), min_size=4, max_size=30)
orders_made = st.lists(
    st.tuples(
        st.integers(0, 29),  # the bar after which it is placed
        st.booleans(),  # whether it buys
        st.sampled_from(sorted(TYPES)),
        st.integers(-150, 150),  # its price from that close, cents
        st.integers(0, 40),  # how far its limit lies beyond its stop, cents
        st.integers(1, 500),
        st.none() | st.integers(1, 10),  # bars until it is cancelled
    ),
    max_size=20,
)


def price_path(steps):
    """Bars (open, high, low, close) in cents from (gap, move, above, below)."""
    path, last = [], 10_000
    for gap, move, above, below in steps:
        open_ = last + gap
        last = open_ + move
        path.append((open_, max(open_, last) + above, min(open_, last) - below, last))
    return path


def worked_out(path, orders):
    """Orders with the prices that they get: (bar, buys, kind, price, limit, size, bar of its cancel)."""
    for bar, buys, kind, distance, beyond, size, life in orders:
        if bar < len(path):
            price = path[bar][3] + distance
            limit = price + (beyond if buys else -beyond)
            yield bar, buys, kind, price / 100, limit / 100, size, None if life is None else bar + life


class Scripted(bt.Strategy):
    params = (("orders", ()),)

    def __init__(self):
        self.placed = {}
        self.fills = {}

    def next(self):
        now = len(self.data) - 1
        for key, (bar, buys, kind, price, limit, size, ends) in enumerate(self.p.orders):
            if ends == now and self.placed[key].alive():
                self.cancel(self.placed[key])
            if bar == now:
                order = (self.buy if buys else self.sell)(
                    size=size,
                    exectype=TYPES[kind],
                    price=None if kind == "MKT" else price,
                    plimit=limit if kind == "STP LMT" else None,
                )
                order.addinfo(key=key)
                self.placed[key] = order

    def notify_order(self, order):
        if order.status == order.Completed:
            self.fills[order.info.key] = (len(self.data) - 1, round(order.executed.price, 6), abs(order.executed.size))


def of_backtrader(path, orders):
    index = pd.DatetimeIndex([(OPEN + MINUTE * (i + 1)).replace(tzinfo=None) for i in range(len(path))])
    frame = pd.DataFrame(path, columns=["open", "high", "low", "close"], index=index) / 100
    frame["volume"] = 0
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.setbroker(bt.brokers.BackBroker())
    cerebro.broker.setcash(CASH)
    cerebro.adddata(bt.feeds.PandasData(dataname=frame, timeframe=bt.TimeFrame.Minutes))
    cerebro.addstrategy(Scripted, orders=orders)
    [strategy] = cerebro.run()
    return strategy.fills, strategy.position.size, cerebro.broker.getcash() - CASH


class Fills:
    """Which orders filled in which bar, at what price."""

    def __init__(self):
        self.bar = -1
        self.fills = {}

    def executed(self, execution):
        self.fills[execution.order.order_id] = (self.bar, round(execution.price, 6), execution.shares)

    def order_changed(self, order):
        pass

    def charged(self, execution, report):
        pass

    def told(self, order, code, text, reject=None):
        assert code in (202, 10148), text


def of_market(path, orders):
    instrument = Instrument(1, "AAA", schedule="none", shortable=1e12)
    clock, listener = VirtualClock(OPEN), Fills()
    accounts = Accounts({"DU1": CASH})
    market = Market([instrument], accounts, clock.now, listener, order_limit=1000)
    for now, prices in enumerate(path):
        start = clock.now()
        clock.sleep(60)
        listener.bar = now
        market.advance(clock.now())
        market.bar(instrument, Bar(start, clock.now(), *(price / 100 for price in prices)))
        for key, (bar, buys, kind, price, limit, size, ends) in enumerate(orders):
            if ends == now:
                market.cancel(market.find(1, key))
            if bar == now:
                terms = {"action": "BUY" if buys else "SELL", "totalQuantity": size, "orderType": kind, "tif": "GTC"}
                if kind in ("STP", "STP LMT"):
                    terms["auxPrice"] = price
                if kind in ("LMT", "STP LMT"):
                    terms["lmtPrice"] = price if kind == "LMT" else limit
                market.place(market.new_order(1, key, "DU1", instrument, {"conId": 1}, terms))
    state = accounts["DU1"]
    return listener.fills, state.held(1), state.cash.balances.get("USD", 0.0)


@settings(max_examples=200)
@given(bars_made, orders_made)
def test_the_same_fills_as_backtrader(steps, orders):
    path = price_path(steps)
    orders = list(worked_out(path, orders))
    fills, size, cash = of_market(path, orders)
    bt_fills, bt_size, bt_cash = of_backtrader(path, orders)
    assert fills == bt_fills
    assert size == bt_size
    assert abs(cash - bt_cash) < 1e-4


def test_the_comparison_sees_every_type_fill():
    """A stream by hand, so that the comparison above is known to compare something."""
    path = price_path([(0, 50, 10, 10), (10, -80, 20, 20), (-10, 60, 40, 10), (20, 20, 10, 30)])
    orders = [
        (0, True, "MKT", 100.0, 100.0, 10, None),
        (0, False, "LMT", 100.70, 0.0, 20, None),
        (0, False, "STP", 99.90, 0.0, 30, None),
        (0, True, "STP LMT", 100.75, 100.80, 40, None),
        (0, True, "LMT", 90.0, 0.0, 50, 2),
    ]
    fills, _, _ = of_market(path, orders)
    assert fills == of_backtrader(path, orders)[0]
    assert fills == {0: (1, 100.60, 10), 1: (1, 100.70, 20), 2: (1, 99.90, 30), 3: (1, 100.75, 40)}
