"""The strategies of a programme: they do what its plan says and write down all that they see."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import backtrader as bt
from parity import tape as tapes
from parity.actions import act
from parity.graphs import grow
from parity.programme import Programme
from parity.tape import Tape

TICKS = ("tick_open", "tick_high", "tick_low", "tick_close", "tick_volume", "tick_last")


class Quiet(bt.Strategy):
    """Overrides as little as a strategy does that could be run by shortcuts."""

    params = (("number", 0),)
    programme: Programme
    tape: Tape

    def __init__(self) -> None:
        self.plan = self.programme.plans[self.p.number % len(self.programme.plans)]
        self.calls: dict[str, int] = {}
        self.own: list[Any] = []  # orders that it sent, as they were returned
        self.nodes = grow(self, self.plan.nodes)
        if self.plan.timer is not None:
            self.add_timer(**timer_options(self.plan.timer))

    def note(self, kind: str, *values: Any) -> None:
        self.tape.at = (self._id, len(self))
        self.tape.add(kind, *values)

    def called(self, where: str) -> None:
        """Count a call of ``where`` and do what the plan has for it."""
        count = self.calls[where] = self.calls.get(where, 0) + 1
        for action in self.plan.actions:
            if action.where == where and action.at == count:
                act(self, action)

    def start(self) -> None:
        self.seen = [*self.watched()] if self.plan.reads > 1 else []
        self.note("start")
        self.called("start")

    def watched(self) -> Iterator[Any]:
        """Indicators of every level, and operations."""
        waiting = list(self._lineiterators[bt.LineIterator.IndType])
        while waiting:
            thing = waiting.pop(0)
            yield thing
            waiting += getattr(thing, "_lineiterators", {}).get(bt.LineIterator.IndType, ())

    def look(self, kind: str) -> None:
        """One event with what can be read on this bar."""
        if self.plan.reads == 0:
            self.note(kind, len(self))
            return
        if self.plan.reads == 1:
            self.note(kind, len(self), self.lines.datetime[0], self.broker.getcash(), self.broker.getvalue())
            return
        datas = tuple((*latest(data), *(getattr(data, tick, "none") for tick in TICKS)) for data in self.datas)
        indicators = tuple(latest(thing) for thing in self.seen)
        orders = tuple(
            (self.tape.order_ref(o.ref), o.status, o.created.price, o.created.pricelimit, o.executed.size, o.triggered)
            for o in self.own[-4:]
        )
        self.note(
            kind, tuple(len(d) for d in self.datas), self.lines.datetime[0], datas, indicators,
            tapes.account(self.broker), tapes.positions(self.broker), orders,
        )  # fmt: skip

    def next(self) -> None:
        self.look("bar")
        self.called("bar")

    def notify_order(self, order: bt.Order) -> None:
        self.note("order", *self.tape.order(order))
        self.called("order")

    def stop(self) -> None:
        self.note("stop")
        self.called("stop")


class Loud(Quiet):
    """Overrides every callback there is."""

    def prenext(self) -> None:
        self.look("prenext")
        self.called("bar")

    def nextstart(self) -> None:
        self.look("nextstart")
        self.called("bar")

    def prenext_open(self) -> None:
        self.note("prenext_open", len(self))

    def nextstart_open(self) -> None:
        self.note("nextstart_open", len(self))
        self.called("open")

    def next_open(self) -> None:
        self.note("open", len(self), tuple(data.open[0] for data in self.datas), self.broker.getcash())
        self.called("open")

    def notify_trade(self, trade: bt.Trade) -> None:
        self.note("trade", *self.tape.trade(trade))
        self.called("trade")

    def notify_cashvalue(self, cash: float, value: float) -> None:
        self.note("cashvalue", cash, value)
        self.called("cash")

    def notify_fund(self, cash: float, value: float, fundvalue: float, shares: float) -> None:
        self.note("fund", cash, value, fundvalue, shares)

    def notify_timer(self, timer: Any, when: Any, *args: Any, **kwargs: Any) -> None:
        self.note("timer", timer.p.tid, str(when), args, tuple(kwargs), timer.p.cheat)
        self.called("timer")

    def notify_store(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        self.note("store", str(msg), args)

    def notify_data(self, data: Any, status: Any, *args: Any, **kwargs: Any) -> None:
        self.note("data", data._name, status, args)


def latest(thing: Any) -> tuple[Any, ...]:
    """Length and the present values of all lines, or the error that reading them gives."""
    try:
        return (len(thing), *(line[0] for line in tapes.lines_of(thing)))
    except (IndexError, TypeError) as error:
        return (len(thing), type(error).__name__)


def timer_options(options: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    """Keywords of ``add_timer``; minutes as numbers, times as text."""
    given = dict(options)
    for name in ("offset", "repeat"):
        if name in given:
            given[name] = dt.timedelta(minutes=given[name])
    if isinstance(given["when"], str):
        given["when"] = dt.time.fromisoformat(given["when"])
    return given
