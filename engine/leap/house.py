"""Our own broker in a leaping run: when it has something to do, and what it does for the steps between.

Why it is exact: an order that rests is looked at and left alone until its data reaches its price
(``engine.lean.touch``); orders at market, at the close and for the day, a batch that waits for its partner and anything
to be told are for the next step. Money and limits over the steps between are ``engine.desk_leaps``, which stops at
every step on which the gate wants the broker. A step that is landed on because a strategy wakes, while no order can
change, is one more of the steps between: the broker stands on it, and has no pass.
"""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np

from core.leaping import hears_last
from core.steps import Steps
from engine.desk_leaps import DeskLeaps
from engine.lean.cursor import lean_class, set_class
from engine.lean.notices import deliver
from engine.lean.orders import SessionEnds
from engine.lean.seat import Seat
from engine.lean.timeline import Timeline
from engine.lean.touch import Touch
from engine.leap.house_broker import LeanHouse, can_take
from engine.sim_broker import SimBroker

_AT_ONCE = frozenset({bt.Order.Market, bt.Order.Close})


class HouseBroker:
    """``engine.SimBroker(settings=...)`` for the length of a run; see ``engine.leap.run.LeapingBroker``."""

    def __init__(self, broker: Any, steps: Steps, timeline: Timeline, datas: list[Any]) -> None:
        self._broker = broker
        self._steps = steps
        self._touch = Touch(timeline, datas, {id(data): place for place, data in enumerate(datas)})
        self._leaps: DeskLeaps | None = None
        self._due = 0  # the step on which the broker itself has something to do
        self.shortened: set[int] = set()  # numbers of the seats that are told the last of several notices alone
        self.shortened_until = -1  # the last step on which they were
        self._is_ahead = False  # whether the step that is landed on was leapt, for others alone have to do on it

    @classmethod
    def of(cls, cerebro: bt.Cerebro, timeline: Timeline, datas: list[Any]) -> HouseBroker | None:
        """None for any other broker, and where the history of the run does not know its steps."""
        broker, history = cerebro.broker, getattr(cerebro, "history", None)
        if type(broker) is not SimBroker or broker.account is None or history is None:
            return None
        steps = history.steps(history.frames)
        if steps is None or not np.array_equal(steps.numbers, timeline.stamps):
            return None
        return cls(broker, steps, timeline, datas)

    def open(self, seats: list[Seat]) -> None:
        """From here on the account and the gate go in leaps."""
        broker = self._broker
        self._leaps = DeskLeaps(broker, self._steps, broker.cerebro.history.begin)
        broker._ends = self._steps.cache.setdefault("session ends", SessionEnds())
        broker._is_plain = can_take(broker)
        self.shortened = {
            number
            for number, seat in enumerate(seats)
            if not seat.own_notify and all(map(hears_last, (seat.strategy, *seat.on_order)))
        }
        broker._terse = {id(seats[number].strategy) for number in self.shortened}
        set_class(broker, lean_class(SimBroker, LeanHouse))

    def close(self) -> None:
        """Leave the broker as one that steps."""
        if self._leaps is None:
            return
        leaps, self._leaps = self._leaps, None
        self.shortened_until = leaps.step
        try:
            leaps.close()
            self._broker.say()
        finally:
            set_class(self._broker, SimBroker)
            for name in ("_ends", "_is_plain", "_terse"):
                del self._broker.__dict__[name]

    def stand(self, step: int) -> None:
        """Before the broker's pass on a step."""
        if self._leaps is not None:
            self._leaps.step = step

    def serve(self) -> None:
        """The broker's pass, and what it has to tell."""
        broker = self._broker
        if self._is_ahead and self._leaps is not None:
            self._is_ahead = False
            self._leaps.settle()
            return
        broker.next()
        if broker.notifs:
            if self._leaps is not None and broker._terse:
                broker.say()
            deliver(broker.cerebro, broker)

    def wakes_at(self, step: int) -> int:
        self._due = self._next_due(step)
        return self._due

    def _next_due(self, step: int) -> int:
        broker = self._broker
        if step < 0 or broker.submitted or broker.notifs or broker._room.is_waiting:
            return step + 1
        for order in broker.pending:
            if order.exectype in _AT_ONCE or order.p.valid == bt.Order.DAY:
                return step + 1
        children = list(broker._toactivate)  # the next pass lets them live; until then nobody may see that they do
        for order in children:
            order.activate()
        due = self._touch.next_step(broker.pending, step)
        for order in children:
            order._active = False
        return due

    def leap(self, first: int, end: int) -> int:
        leaps = self._leaps
        assert leaps is not None  # the loop opens it
        is_for_others = end < min(self._due, len(self._steps))
        until = leaps.reach(end + is_for_others)
        leaps.commit(until)
        if until > first:
            while self._broker._toactivate:
                self._broker._toactivate.popleft().activate()
        self._is_ahead = until > end
        return min(until, end)
