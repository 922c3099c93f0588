"""The broker of a lean run: exactly ``BackBroker``, asleep while it has nothing to do.

Only a broker that is backtrader's own (or ``SimBroker`` without settings) is taken, and only while its account is
plain: stock-like commission schemes without interest, no filler, no histories. On a bar without fills the pass of such
a broker changes nothing but the value, which is worked out when read (``equity``), and marks on open positions, which
are looked up when read (``LeanPosition``). So the pass is left out until something was sent, cancelled or paid in, or a
resting order can be touched (``touch``).

Whatever makes the account other than plain in mid-run (a commission scheme, a setting, cash set by hand) first brings
every attribute up to date; from then on stock's own pass runs on every bar.
"""

from __future__ import annotations

import functools
import types
from collections import deque
from collections.abc import Callable
from sys import getrefcount
from typing import Any

from backtrader import num2date
from backtrader.brokers import BackBroker
from backtrader.order import OrderBase
from backtrader.position import Position

from engine.lean.cursor import Cursor, lean_class, real_dict, set_class, watching_class
from engine.lean.endings import do_all
from engine.lean.equity import LeanPosition, is_plain, state_of, work_out, work_out_from
from engine.lean.moving import TRAILS, Moving
from engine.lean.orders import SessionEnds
from engine.lean.schemes import attend
from engine.lean.timeline import Timeline
from engine.lean.touch import Touch
from engine.sim_broker import SimBroker

KNOWN = (BackBroker, SimBroker)  # brokers whose every method is known here
_lists = {"orders": deque[Any]()}
_ALONE = getrefcount(_lists["orders"])  # what is counted for a list that nobody but its owner's dictionary has
Change = tuple[int, float, list[tuple[Any, float, float]]]  # step, cash after it, open (data, size, price) after it


class Book:
    """What a lean run knows of its broker. ``wake``: the step on which the pass must run next."""

    def __init__(self, broker: Any, clock: Cursor, timeline: Timeline, datas: list[Any]) -> None:
        self.broker = broker
        self.broker_class = type(broker)
        self.clock = clock  # stands on the step
        self.timeline = timeline
        self.places = {id(data): place for place, data in enumerate(datas)}
        self.touch = Touch(timeline, datas, self.places, moves=True)
        self.moving: list[Moving] = []  # orders that rest and change on every step
        self.wake = 0
        self.valued = -1  # step for which the value is worked out
        self.passing = False
        self.plain = True
        self.repeats = False  # whether an order was sent twice, or put by hand where it is
        self.is_looked_into = False  # whether somebody asked the broker for its lists of orders since its last pass
        self.moved = False  # whether something was filled in this pass
        self.filled: dict[int, int] = {}  # id of a position -> step of its last fill
        self.changes: list[Change] = []
        self._watched: list[tuple[Any, type]] = []  # resting orders and what they were made with, their classes
        self._watchers: dict[type, type] = {}
        self._leave_schemes: Callable[[], None] = lambda: None  # be told of writes into them no longer
        self.on_change: list[Callable[[], None]] = []  # told once the equity no longer follows from ``changes``

    def wakes_at(self, step: int) -> int:
        """The first step after ``step`` on which the broker has something to do; see ``engine.leap.run``."""
        return max(self.wake, step + 1)

    def leap(self, first: int, end: int) -> int:
        """Steps on which the broker sleeps change nothing of it."""
        return end

    def price_before(self, data: Any) -> float:
        """The close that a data stood on in the pass of the step before."""
        row = self.timeline.row(self.places[id(data)], self.clock.idx - 1)
        return float(data.lines.close.array[row])

    def settle(self) -> None:
        """Work the value out, unless it is."""
        if self.valued != self.clock.idx and not self.passing:
            self.valued = self.clock.idx
            work_out(self.broker)

    def after_fills(self) -> None:
        """Write down what the equity depends on from this step on; open positions forget the marks of this bar."""
        held = []
        for data, each in self.broker.positions.items():
            if each.size:
                state_of(each).pop("adjbase", None)
                held.append((data, each.size, each.price))
        self.changes.append((self.clock.idx, self.broker.__dict__["cash"], held))

    def rest(self) -> None:
        """Sleep until the next step on which a resting order can change, or until somebody writes into one."""
        pending, step = self.broker.__dict__["pending"], self.clock.idx
        if not all(isinstance(order, OrderBase) for order in pending):
            self.wake = step + 1  # stock ends its pass at a None that somebody put there
            return
        if self.repeats and any(order.exectype in TRAILS for order in pending):
            self.wake = step + 1  # one that rests twice meets each bar twice, the second time with a price it moved
            return
        self.wake = self.touch.next_step(pending, step)
        if self.wake <= step + 1:
            return
        for order in pending:
            moving = self.touch.moving(order, step)
            if moving is not None:
                self.moving.append(moving)
            self._watch(order, ("pannotated",))
            self._watch(order.created, ("price", "pricelimit"))  # a copy of the order has the same one

    def is_held(self) -> bool:
        """Whether somebody keeps a list of the broker's orders, and could write into it unseen."""
        state = self.broker.__dict__
        return (
            getrefcount(state["pending"]) > _ALONE
            or getrefcount(state["submitted"]) > _ALONE
            or getrefcount(state["_toactivate"]) > _ALONE
        )

    def look_for_repeats(self) -> None:
        """Somebody may have put an order where it is already."""
        self.is_looked_into = False
        refs = [order.ref for order in self.broker.__dict__["pending"] if isinstance(order, OrderBase)]
        self.repeats = self.repeats or len(set(refs)) < len(refs)

    def catch_up(self) -> None:
        """Resting orders are as after the pass of this step; before and in a pass, of the one before."""
        step = self.clock.idx - self.passing
        for each in self.moving:
            each.catch_up(step)

    def _watch(self, thing: Any, moves: tuple[str, ...]) -> None:
        """Give a resting order, or what it was made with, a class of the run's, unless it has one."""
        cls = type(thing)
        if cls is not thing.__class__:
            return
        if cls not in self._watchers:
            self._watchers[cls] = self._watcher(cls, moves)
        self._watched.append((thing, cls))
        set_class(thing, self._watchers[cls])

    def _watcher(self, cls: type, moves: tuple[str, ...]) -> type:
        """A class whose writes wake the broker. ``moves``: attributes that change while the broker sleeps."""
        state_of_thing = real_dict(cls)

        def write(thing: Any, name: str, value: Any) -> None:
            self.catch_up()
            object.__setattr__(thing, name, value)
            self.wake = 0

        def state(thing: Any) -> dict[str, Any]:
            self.catch_up()
            self.wake = 0  # whoever asks for it may write into it
            return state_of_thing(thing)

        def caught_up(name: str) -> property:
            def get(thing: Any) -> Any:
                self.catch_up()
                return state_of_thing(thing)[name]

            def put(thing: Any, value: Any) -> None:
                state_of_thing(thing)[name] = value

            return property(get, put)

        members = {name: caught_up(name) for name in moves}
        return watching_class(cls, write, {**members, "__dict__": property(state)})

    def own(self, data: Any, position: Position, stamp: float) -> None:
        """After a fill: stock writes time and close of every further bar into the position; see ``LeanPosition``."""
        state = state_of(position)
        state.pop("datetime", None)
        state["_stamp"] = stamp
        self.moved = True
        self.filled[id(position)] = self.clock.idx
        if "_data" not in state:
            state["_data"] = data
            set_class(position, LeanPosition)

    def change(self) -> None:
        """The equity no longer follows from the fills alone."""
        calls, self.on_change = self.on_change, []
        for call in calls:
            call()

    def unplain(self, moved: bool = False) -> None:
        """From now on the broker is stock's in all but its class. ``moved``: the datas have left the last pass."""
        if not self.plain:
            return
        if not moved:
            self.settle()
        try:
            self.change()
        finally:
            self._give_positions_back(moved)
            self.plain = False
            self.wake = 0

    def _go_back(self) -> None:
        """The value is still that of the step before."""
        before = self.clock.idx - 1
        if not self.plain or self.valued == before:
            return
        past = [change for change in self.changes if change[0] <= before]
        cash, held = past[-1][1:] if past else (self.broker.startingcash, [])
        work_out_from(self.broker, cash, [(*each, self.price_before(each[0])) for each in held])

    def take_credit(self) -> None:
        """Stock adds the interest of each bar to an entry for the data, which is there from the bar after a fill."""
        credit = self.broker.__dict__["d_credit"]
        for data, position in self.broker.positions.items():
            if position.size and self.filled.get(id(position), self.clock.idx) < self.clock.idx:
                credit[data] += 0.0

    def _give_positions_back(self, moved: bool = False) -> None:
        if self.plain:
            self.take_credit()
        for data, position in self.broker.positions.items():
            if type(position) is not LeanPosition:
                continue
            as_stock = position._as_stock()
            if moved and position.size and "adjbase" not in state_of(position):
                as_stock["adjbase"] = self.price_before(data)
            if moved and position.size and not self.passing:
                row = self.timeline.row(self.places[id(data)], self.clock.idx - 1)
                line = data.lines.datetime
                as_stock["datetime"] = num2date(line.array[row], tz=line._tz)
            set_class(position, Position)
            position.__dict__.clear()
            position.__dict__.update(as_stock)

    def open(self, methods: type) -> None:
        """Give the broker its lean methods."""
        self.broker._book, self.broker._ends = self, SessionEnds()
        set_class(self.broker, lean_class(self.broker_class, methods))
        self._leave_schemes = attend(self.broker.comminfo.values(), self.unplain)

    def close(self) -> None:
        """Make the broker stock's again, while the lines still stand where they stood."""
        work_out_value = self._go_back if self.passing else self.settle  # an error can end a run in the midst of a pass
        give_positions_back = functools.partial(self._give_positions_back, moved=self.passing)
        do_all([work_out_value, give_positions_back, self.catch_up, self._let_go])

    def _let_go(self) -> None:
        self.passing = False
        self._leave_schemes()
        for thing, cls in self._watched:
            set_class(thing, cls)
        set_class(self.broker, self.broker_class)
        del self.broker.__dict__["_book"], self.broker.__dict__["_ends"]


def is_patched(broker: Any) -> bool:
    """Whether somebody put a method of his own on the object."""
    return any(isinstance(value, types.FunctionType | types.MethodType) for value in vars(broker).values())


def can_take(broker: Any) -> str:
    """Why a broker runs its own pass on every bar; empty if it is stock's and its account plain."""
    if type(broker) not in KNOWN or getattr(broker, "account", None) is not None:
        return f"{type(broker).__name__} has its own pass"
    if is_patched(broker):
        return "a method of the broker was replaced"
    if broker._userhist or broker._fundhist:
        return "the broker plays a history of orders or of the fund"
    if broker.positions or broker.pending or broker.submitted or broker._toactivate or broker._cash_addition:
        return "the broker has orders before the first bar"
    if not broker._fundshares:
        return "the account starts with nothing, which stock cannot divide by"
    if is_set(broker.p):
        return "the broker has a filler, cheats on open, or keeps interest out of results"
    if not all(is_plain(scheme) for scheme in broker.comminfo.values()):
        return "a commission scheme has margin or interest, or is not backtrader's"
    return ""


def is_set(parameters: Any) -> bool:
    """Whether a setting takes the broker out of the plain way."""
    return parameters.filler is not None or bool(parameters.coo) or not parameters.int2pnl
