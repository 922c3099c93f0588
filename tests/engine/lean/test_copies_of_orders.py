"""Resting orders: copies of them are backtrader's, what is looked up in them is of the moment, writes are seen."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import backtrader as bt
import pytest
from beside import Logged, both, frame

import engine
from feeds import ColumnarData

KINDS: dict[str, dict[str, Any]] = {
    "trailing": {"exectype": bt.Order.StopTrail, "trailamount": 30.0},
    "limit": {"exectype": bt.Order.Limit, "price": 500.0},
    "close": {"exectype": bt.Order.Close},
}


class Copies(Logged):
    kind = "limit"

    def next(self) -> None:
        if len(self) == 5:
            self.resting = self.sell(size=1, **KINDS[self.kind])
        if len(self) in (20, 21):
            order = self.resting
            created = copy.copy(order.created)
            for each in (order.clone(), copy.copy(order), *self.broker.get_orders_open(safe=True)):
                self.log.append((type(each) is each.__class__, each.created.price, each.status, each.alive()))
                self.log.append(sorted(set(vars(each)) - {"info"}))
            self.log.append((type(created) is created.__class__, created.price, created.pclose))
            self.log.append(sorted(vars(pickle.loads(pickle.dumps(created))).items(), key=str)[:8])
            self.log.append(repr(vars(order.created)))
            self.log.append(vars(order).get("pannotated"))
            self.log.append(getattr(order, "pannotated", None))

    def stop(self) -> None:
        self.log.append([(each.created.price, type(each) is each.__class__) for each in self.broker.orders])


@pytest.mark.parametrize("kind", KINDS)
def test_copies_are_stock_s_and_of_the_moment(kind: str) -> None:
    both(type("Copies", (Copies,), {"kind": kind}))


class Keeps(bt.Strategy):
    params = (("at", 5),)

    def next(self) -> None:
        if len(self) == self.p.at:
            self.sell(size=1, exectype=bt.Order.StopTrail, trailamount=30.0)
        if len(self) == 20:
            self.kept = self.broker.get_orders_open(safe=True)


def test_copies_that_a_strategy_kept_go_through_an_optimisation() -> None:
    cerebro = engine.Cerebro(stdstats=False)
    cerebro.adddata(ColumnarData(dataname=frame(bars=60)), name="d")
    cerebro.optstrategy(Keeps, at=[5, 6])
    ran = cerebro.run(maxcpus=2, optreturn=False)
    assert [type(each.kept[0]) for (each,) in ran] == [bt.order.SellOrder] * 2


def test_a_price_written_past_the_attribute_is_seen() -> None:
    class Writes(Logged):
        def next(self) -> None:
            if len(self) == 5:
                self.resting = self.sell(size=1, **KINDS["limit"])
            if len(self) == 30:
                vars(self.resting.created)["price"] = 1.0

    _, ours = both(Writes)
    assert [event[1] for event in ours.log if event[3] == bt.Order.Completed] == [31]
