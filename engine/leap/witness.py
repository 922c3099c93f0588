"""What one run was, written down bar by bar, so that ``verify`` can hold two of them against each other.

A witness sits among the analyzers of a strategy without being one that the user sees. It is told of orders and trades,
looks at the account whenever the strategy or its analyzers have their turn, and changes nothing. What strategies and
Cerebro are told of timers passes it on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import backtrader as bt
import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from engine.lean.loop import LeanRun

Facts = Mapping[str, Any]
CEREBRO = -1  # in the place of a strategy's number


class Event(NamedTuple):
    """``step`` of the run, number of the strategy (or CEREBRO), what it was told of, and all that was said of it."""

    step: int
    strategy: int
    what: str
    facts: Facts


class Record:
    """One run. ``called``: by strategy, the steps on which it had its turn; ``values``: of the account on each step.

    ``first_order``: the number that backtrader gives to its first order.
    """

    def __init__(self, first_order: int) -> None:
        self.events: list[Event] = []
        self.accounts: dict[int, Facts] = {}  # step -> the account on it
        self.values: list[float] = []
        self.called: list[set[int]] = []
        self._first_order = first_order
        self._trades: dict[int, int] = {}  # ref -> number in this run, from 1
        self.written: list[tuple[int, int, str]] = []  # step, number of the strategy, resting order it wrote into
        self._leaving: list[Callable[[], None]] = []  # how to leave no method behind
        self.error: Exception | None = None
        self.run: LeanRun | None = None
        self.strategies: list[bt.Strategy] = []
        self.left: dict[str, Any] = {}  # orders, account and gate at the end

    def attend(self, run: LeanRun) -> None:
        """Be there from the first bar on."""
        self.run = run
        self.strategies = list(run.strategies)
        for number, seat in enumerate(run.seats):
            self.called.append(set())
            seat.watching = [Witness(self, number, seat)]
            seat.listen()
            self._overhear(seat.strategy, number)
            if run.cerebro._is_control:
                self._watch_orders(seat.strategy, number)
        self._overhear(run.cerebro, CEREBRO)

    def _overhear(self, listener: Any, number: int) -> None:
        """Write down what is said of timers."""
        run = self.run
        assert run is not None  # it attends one
        timers = [*run.cerebro._timers, *run.cerebro._timerscheat]
        heard = listener.notify_timer

        def notify_timer(timer: Any, when: Any, *args: Any, **kwargs: Any) -> None:
            name = next((f"timer {place}" for place, each in enumerate(timers, 1) if each is timer), "a timer")
            facts = {"when": when, "args": plain(args), "kwargs": plain(kwargs)}
            self.events.append(Event(run.clock.idx, number, name, facts))
            heard(timer, when, *args, **kwargs)

        self._put(listener, "notify_timer", notify_timer)

    def _watch_orders(self, strategy: Any, number: int) -> None:
        """Write down which resting orders a strategy writes into."""
        run = self.run
        assert run is not None  # it attends one

        def watched(act: Callable[[], None]) -> Callable[[], None]:
            def call() -> None:
                before = resting(strategy.broker)
                act()
                after = resting(strategy.broker)
                changed = (ref for ref, facts in before.items() if ref in after and repr(after[ref]) != repr(facts))
                self.written += [(run.clock.idx, number, self.name("order", ref)) for ref in changed]

            return call

        for name in ("prenext", "nextstart", "next"):
            self._put(strategy, name, watched(getattr(strategy, name)))

    def _put(self, thing: Any, name: str, method: Any) -> None:
        """Put a method in the way of another until the run is over."""
        state = vars(thing)
        was_there, before = name in state, state.get(name)

        def take_away() -> None:
            del state[name]
            if was_there:
                state[name] = before

        state[name] = method
        self._leaving.append(take_away)

    def fail(self, error: Exception) -> None:
        """The run ended in an error: a strategy whose turn it was had been called."""
        self.error = error
        run = self.run
        seat = run.acting if run is not None else None
        if run is not None and seat is not None and seat.cursor.idx == run.clock.idx and not seat.slept:
            self.called[run.seats.index(seat)].add(run.clock.idx)

    @property
    def has_leapt(self) -> bool:
        return self.run is not None and self.run.is_leaping

    @property
    def last(self) -> int:
        """The step on which the run ended."""
        return self.run.clock.idx if self.run is not None else -1

    def name(self, kind: str, ref: int) -> str:
        """An order or trade by its number in this run: what backtrader counts goes on from run to run."""
        if kind == "order":  # the order in which they are told of is another where notices are shortened
            return f"order {ref - self._first_order + 1}"
        return f"{kind} {self._trades.setdefault(ref, len(self._trades) + 1)}"

    def is_shortened(self, event: Event) -> bool:
        """Whether who is told of an event hears the last of several notices of an order alone."""
        house = self.run.house if self.run is not None else None
        return house is not None and event.strategy in house.shortened and event.step <= house.shortened_until

    def close(self) -> None:
        """The run is over: the value of each of its steps, from those on which somebody looked and from the fills."""
        run = self.run
        if run is None:
            return
        while self._leaving:
            self._leaving.pop()()
        count = run.clock.idx + 1
        account = getattr(run.cerebro.broker, "account", None)
        if not self.has_leapt:
            return
        if run.curve is not None:
            self.values = run.curve.upto(count).tolist()
        elif account is not None and getattr(account, "leaps", None) is not None:
            rows = account.leaps.rows("")
            known = dict(zip(rows.steps.tolist(), rows.equity_eur.tolist(), strict=True))
            known |= {step: facts["value"] for step, facts in self.accounts.items()}
            self.values = [known.get(step, float("nan")) for step in range(count)]


class Witness:
    """The ears of a record at one strategy; called as analyzers are, and told no more than they ask for."""

    leaps = True
    hears_last = True
    _children = ()

    def __init__(self, record: Record, number: int, seat: Any) -> None:
        self._record = record
        self._number = number
        self._seat = seat
        self._clock = record.run.clock if record.run is not None else None

    @property
    def _step(self) -> int:
        return int(self._clock.idx) if self._clock is not None else -1

    def _notify_order(self, order: Any) -> None:
        name = self._record.name("order", order.ref)
        self._record.events.append(Event(self._step, self._number, name, order_facts(order)))

    notify_order = _notify_order

    def _notify_trade(self, trade: Any) -> None:
        name = self._record.name("trade", trade.ref)
        self._record.events.append(Event(self._step, self._number, name, trade_facts(trade)))

    def _next(self) -> None:
        if not self._seat.slept:
            self._record.called[self._number].add(self._step)
        self._record.accounts[self._step] = account_facts(self._seat.strategy.broker)

    _prenext = _nextstart = _next

    def leapt(self, first: int, end: int) -> None:
        """Nothing was seen of these steps; ``Record.close`` works out what they were worth."""


def order_facts(order: Any) -> Facts:
    created, executed = order.created, order.executed
    return {
        "data": order.data._name, "side": "buy" if order.isbuy() else "sell", "size": order.size,
        "type": bt.Order.ExecTypes[order.exectype], "status": bt.Order.Status[order.status], "made": created.dt,
        "price": created.price, "limit": created.pricelimit, "valid": order.valid, "trade": order.tradeid,
        "executed.size": executed.size, "executed.price": executed.price, "executed.value": executed.value,
        "executed.comm": executed.comm, "executed.pnl": executed.pnl, "executed.left": executed.remsize,
        "executed.when": executed.dt, "info": plain(order.info),
    }  # fmt: skip


def resting(broker: Any) -> dict[int, Facts]:
    """What can be written into each resting order."""
    return {order.ref: {**order_facts(order), "info": None} for order in broker.pending if order is not None}


def trade_facts(trade: Any) -> Facts:
    return {
        "data": trade.data._name, "status": trade.status, "size": trade.size, "price": trade.price,
        "value": trade.value, "commission": trade.commission, "pnl": trade.pnl, "pnlcomm": trade.pnlcomm,
        "opened on bar": trade.baropen, "closed on bar": trade.barclose, "bars": trade.barlen,
    }  # fmt: skip


def account_facts(broker: Any) -> Facts:
    held = {data._name: (each.size, each.price) for data, each in broker.positions.items() if each.size}
    return {
        "cash": broker.getcash(), "value": broker.getvalue(), "fundvalue": getattr(broker, "fundvalue", None),
        "positions": held,
    }  # fmt: skip


def plain(value: Any) -> Any:
    """What an analysis is made of, as mappings, lists and single values, in their order."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, pd.DataFrame | pd.Series):
        return plain(value.reset_index().to_dict("list") if isinstance(value, pd.DataFrame) else value.to_dict())
    if isinstance(value, np.ndarray | np.generic) or type(value).__name__ in ("array", "deque"):
        return plain(value.tolist() if hasattr(value, "tolist") else list(value))
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    text = repr(value)
    return type(value).__name__ if " at 0x" in text else value
