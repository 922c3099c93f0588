"""Who writes into the broker's lists of orders himself, past ``buy`` and ``cancel``, gets what stock gives him."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from backtrader.order import BuyOrder, SellOrder
from beside import Logged, frame, run

import engine

Act = Callable[[Any, int], None]
ACTS: dict[str, Act] = {}


def act(function: Act) -> Act:
    ACTS[function.__name__] = function
    return function


class Hand(Logged):
    """Notes down what the broker has on each bar, then acts."""

    logs: list[list[Any]]  # of the strategies of a test, also of those whose run ends in an error
    does: Act

    def __init__(self) -> None:
        super().__init__()
        self.kept: Any = None
        self.logs.append(self.log)
        if type(self).does is ACTS["held_since_before_the_run"]:
            self.kept = self.broker.pending

    def next(self) -> None:
        resting = [order and (order.ref, order.status, order.created.price) for order in self.broker.get_orders_open()]
        self.log.append((len(self), self.broker.getcash(), self.broker.getvalue(), self.position.size, resting))
        type(self).does(self, len(self))


def made(strategy: Any, cls: type = BuyOrder, known: bool = True, **given: Any) -> Any:
    """An order made by hand. ``known``: entered in the broker's books as ``buy`` does it."""
    order = cls(**{"owner": strategy, "data": strategy.data, "size": 5, "exectype": bt.Order.Market, **given})
    if known:
        broker = strategy.broker
        broker._ocos[order.ref] = order.ref
        broker._ocol[order.ref].append(order.ref)
        broker._pchildren[order.ref].append(order)
    return order


def below(strategy: Any, share: float = 0.98) -> dict[str, Any]:
    return {"exectype": bt.Order.Limit, "price": strategy.data.close[0] * share}


@act
def market(s: Any, bar: int) -> None:
    if bar % 50 == 10:
        s.broker.pending.append(made(s))


@act
def of_nobody(s: Any, bar: int) -> None:
    if bar == 10:  # KeyError in stock: it knows no group of it
        s.broker.pending.append(made(s, known=False))


@act
def limit(s: Any, bar: int) -> None:
    if bar % 50 == 10:
        s.broker.pending.append(made(s, **below(s)))


@act
def trailing(s: Any, bar: int) -> None:
    if bar % 50 == 10:
        s.broker.pending.append(made(s, SellOrder, exectype=bt.Order.StopTrail, trailpercent=0.02))


@act
def accepted(s: Any, bar: int) -> None:
    if bar == 10:
        order = made(s)
        order.submit(s.broker)
        order.accept(s.broker)
        s.broker.pending.appendleft(order)


@act
def submitted(s: Any, bar: int) -> None:
    if bar % 50 == 10:
        s.broker.submitted.append(made(s))


@act
def to_activate(s: Any, bar: int) -> None:
    if bar == 10:
        s.kept = made(s)
        s.kept._active = False
        s.broker.pending.append(s.kept)
    elif bar == 30:
        s.broker._toactivate.append(s.kept)


@act
def rests_twice(s: Any, bar: int) -> None:
    if bar == 10:
        s.kept = s.buy(size=5, **below(s))
    elif bar == 12:
        s.broker.pending.append(s.kept)


@act
def rests_beside_its_copy(s: Any, bar: int) -> None:
    if bar == 10:
        s.kept = s.buy(size=5, **below(s))
    elif bar == 12:
        s.broker.pending.append(s.kept.clone())


@act
def trails_twice(s: Any, bar: int) -> None:
    if bar == 10:
        s.kept = s.sell(size=5, exectype=bt.Order.StopTrail, trailpercent=0.05)
    elif bar == 12:
        s.broker.pending.append(s.kept)


@act
def taken_out_and_put_back(s: Any, bar: int) -> None:
    if bar == 10:
        s.kept = s.sell(size=5, exectype=bt.Order.StopTrail, trailpercent=0.04)
    elif bar == 13 and s.kept in s.broker.pending:
        s.broker.pending.remove(s.kept)
    elif bar == 60:
        s.broker.pending.append(s.kept)


@act
def cleared(s: Any, bar: int) -> None:
    if bar % 20 == 10:
        s.buy(size=5, **below(s))
    elif bar % 20 == 12:
        s.broker.pending.clear()


@act
def replaced(s: Any, bar: int) -> None:
    if bar == 10:
        s.buy(size=5, **below(s, 0.9))
    elif bar == 12:
        s.kept = s.broker.pending = deque([made(s)])
    elif bar == 40:
        s.kept.append(made(s))


@act
def held_since(s: Any, bar: int) -> None:
    if bar == 2:
        s.kept = s.broker.pending
    elif bar % 50 == 10:
        s.kept.append(made(s))
    elif bar % 50 == 30:
        s.kept.append(made(s, SellOrder, **{**below(s), "exectype": bt.Order.Stop}))


@act
def held_since_before_the_run(s: Any, bar: int) -> None:
    if bar % 50 == 10:
        s.kept.append(made(s))


@act
def a_method_held(s: Any, bar: int) -> None:
    if bar == 2:
        s.kept = s.broker.pending.append
    elif bar == 10:
        s.kept(made(s))


@act
def none_at_the_front(s: Any, bar: int) -> None:
    if bar == 10:
        s.buy(size=5, **below(s))
        s.buy(size=5, **below(s))
    elif bar == 13:
        s.broker.pending.appendleft(None)


@act
def in_a_notification(s: Any, bar: int) -> None:
    if bar == 10:
        s.buy(size=5)


def played(cerebro_class: Any, name: str, count: int) -> tuple[Any, ...]:
    """All that was logged, how the run ended, and what it left."""
    logs: list[list[Any]] = []

    def notify_order(self: Any, order: Any) -> None:
        Logged.notify_order(self, order)
        if name == "in_a_notification" and order.status == order.Completed and order.isbuy():
            self.broker.pending.append(made(self, SellOrder))

    members = {"does": ACTS[name], "logs": logs, "notify_order": notify_order}
    kinds = [type(f"Hand{number}", (Hand,), members) for number in range(count)]
    frames = [frame(seed, missing=0.1 * (seed - 1)) for seed in range(1, count + 1)]
    try:
        ran = run(cerebro_class, kinds, frames, lambda cerebro: cerebro.addanalyzer(bt.analyzers.DrawDown))
    except (AttributeError, KeyError) as error:
        return repr(logs), repr(error)
    assert cerebro_class is bt.Cerebro or ran.cerebro.stepping_reasons == []
    return repr(logs), ran.account, ran.analyses


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", ACTS)
def test_as_stock(name: str, count: int) -> None:
    assert played(engine.Cerebro, name, count) == played(bt.Cerebro, name, count)


class Leaping(Logged):
    """Buys by hand, at a limit below the market, and keeps or looks up the list that it puts the order into."""

    params = (("keeps", False),)

    def __init__(self) -> None:
        super().__init__()
        self.resting: Any = None

    def next(self) -> None:
        bar = len(self)
        if bar == 2 and self.p.keeps:
            self.resting = self.broker.pending
        elif bar % 50 == 10:
            orders = self.resting if self.p.keeps else self.broker.pending
            orders.append(made(self, **below(self)))
        elif bar % 50 == 40 and self.position:
            self.close()

    def wake_sets(self) -> dict[str, Any]:
        bars = np.arange(1, self.data.buflen() + 1)
        return {"acts": (bars == 2) | (bars % 50 == 10) | (bars % 50 == 40)}

    def wakes(self) -> Iterator[str]:
        yield "acts"

    def leapt(self) -> None:
        pass


@pytest.mark.parametrize("keeps", [False, True])
def test_leaping(keeps: bool) -> None:
    kind = type("Kept", (Leaping,), {"params": (("keeps", keeps),)})
    stock = run(bt.Cerebro, [kind], [frame()], None)
    ours = run(engine.Cerebro, [kind], [frame()], None)
    assert repr(ours.log) == repr(stock.log) and len(ours.log) > 10
    assert ours.account == stock.account
    assert not ours.cerebro.leaping_obstacles
    bars = len(frame())
    assert ours.cerebro.landings == bars if keeps else ours.cerebro.landings < bars / 5  # who keeps it may write on any
