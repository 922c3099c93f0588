"""How the broker of a lean run does what ``BackBroker`` does; see ``desk`` for when, and why it is exact.

Orders are made, submitted, checked against the cash and matched in stock's order of steps; matching of limits and
stops, brackets and groups are stock's own methods.
"""

from __future__ import annotations

import math
from typing import Any

from backtrader.brokers import BackBroker
from backtrader.order import Order

from engine.lean import execution
from engine.lean.copies import clone_order
from engine.lean.desk import is_set
from engine.lean.intake import LeanIntake
from engine.lean.touch import NEVER


def _worked_out(name: str) -> property:
    def get(broker: Any) -> Any:
        broker._book.settle()
        return broker.__dict__[name]

    def put(broker: Any, value: Any) -> None:
        broker._book.settle()
        broker.__dict__[name] = value

    return property(get, put)


def _handed_out(name: str) -> property:
    """A list of orders that somebody asks for, who may write into it: ``Book.is_held`` says for how long."""

    def get(broker: Any) -> Any:
        book = broker._book
        book.wake, book.is_looked_into = 0, True
        return broker.__dict__[name]

    def put(broker: Any, orders: Any) -> None:
        get(broker)
        broker.__dict__[name] = orders

    return property(get, put)


def _get_cash(broker: Any) -> Any:
    return broker.__dict__["cash"]


def _put_cash(broker: Any, cash: float) -> None:
    if not broker._book.passing:
        broker._book.unplain()
    broker.__dict__["cash"] = cash


def _get_credit(broker: Any) -> Any:
    if broker._book.plain and not broker._book.passing:
        broker._book.take_credit()
    return broker.__dict__["d_credit"]


class LeanBroker(LeanIntake):
    """Members that an exact ``BackBroker`` gets for a run."""

    cash = property(_get_cash, _put_cash)
    d_credit = property(_get_credit)
    _value = _worked_out("_value")
    _valuemkt = _worked_out("_valuemkt")
    _valuelever = _worked_out("_valuelever")
    _valuemktlever = _worked_out("_valuemktlever")
    _leverage = _worked_out("_leverage")
    _unrealized = _worked_out("_unrealized")
    _fundval = _worked_out("_fundval")
    pending = _handed_out("pending")
    submitted = _handed_out("submitted")
    _toactivate = _handed_out("_toactivate")

    # -- the account ----------------------------------------------------------------------------------------------

    def get_value(self: Any, datas: Any = None, mkt: bool = False, lever: bool = False) -> Any:
        if datas is None and not mkt and not lever:
            book = self._book
            if book.valued != book.clock.idx:
                book.settle()
            return self.__dict__["_value"]
        return BackBroker.get_value(self, datas, mkt, lever)

    getvalue = get_value

    def add_cash(self: Any, cash: float) -> None:
        self._book.settle()  # the shares that it buys are priced at this bar's value
        self._book.change()
        self._book.wake = 0
        BackBroker.add_cash(self, cash)

    def set_shortcash(self: Any, shortcash: bool) -> None:
        self._book.unplain()
        BackBroker.set_shortcash(self, shortcash)

    def setcommission(self: Any, *args: Any, **kwargs: Any) -> None:
        self._book.unplain()
        BackBroker.setcommission(self, *args, **kwargs)

    def addcommissioninfo(self: Any, comminfo: Any, name: Any = None) -> None:
        self._book.unplain()
        BackBroker.addcommissioninfo(self, comminfo, name)

    # -- orders ---------------------------------------------------------------------------------------------------

    def _send(self: Any, order: Any, oco: Any, check: bool, about: dict[str, Any]) -> Any:
        if about:
            order.addinfo(**about)
        self._ocoize(order, oco)
        if order.__dict__["_active"] and order.p.transmit:  # neither child nor parent
            self._pchildren[order.ref].append(order)
            return self.transmit(order, check=check)
        return self.submit(order, check=check)

    def transmit(self: Any, order: Any, check: bool = True) -> Any:
        if order.status:  # stock sends a parent again with a child that comes late: it rests twice
            self._book.repeats = True
        return LeanIntake.transmit(self, order, check)

    def notify(self: Any, order: Any) -> None:
        self._book.wake = 0
        if self._book.moving:
            self._book.catch_up()
        self.notifs.append(clone_order(order))

    def _bracketize(self: Any, order: Any, cancel: bool = False) -> None:
        if cancel or order.p.parent is not None:
            BackBroker._bracketize(self, order, cancel)
            return
        family = self._pchildren[order.ref]
        family.popleft()
        if family:
            self.__dict__["_toactivate"].extend(family)

    def check_submitted(self: Any) -> None:
        if self._book.plain:
            LeanIntake.check_submitted(self)
        else:
            BackBroker.check_submitted(self)

    def _left_after(self: Any, order: Any, cash: float, positions: dict[Any, list[float]]) -> float:
        data = order.p.data
        held = positions.get(data)
        if held is None:
            position = self.positions[data]
            held = positions[data] = [position.size, position.price]
        return execution.cash_after(self, order, cash, held)

    # -- the pass -------------------------------------------------------------------------------------------------

    def next(self: Any) -> None:
        book = self._book
        if book.plain and is_set(self.p):
            book.unplain(moved=True)
        book.passing = True
        if book.moving:
            book.catch_up()
            book.moving = []
        if not book.plain:
            BackBroker.next(self)
            book.passing, book.valued = False, book.clock.idx
            return
        book.take_credit()
        state = self.__dict__
        while state["_toactivate"]:
            state["_toactivate"].popleft().activate()
        if self.p.checksubmit and state["submitted"]:
            self.check_submitted()
        if book.is_looked_into:
            book.look_for_repeats()
        if state["pending"]:
            self._match()
        if not book.plain:
            self._end_as_stock()
            return
        if self._cash_addition:
            BackBroker._get_value(self)
            book.valued = book.clock.idx
        book.passing = False
        if book.moved:
            book.moved = False
            book.after_fills()
        if state["_toactivate"] or state["submitted"]:  # these wait as long as ``checksubmit`` is off
            book.wake = 0
        elif book.is_held():
            book.wake = 0
        elif state["pending"]:
            book.rest()
        else:
            book.wake = NEVER

    def _end_as_stock(self: Any) -> None:
        """The end of ``BackBroker.next``, for a pass in which an order took the account out of the plain way."""
        for data, position in self.positions.items():
            if position:
                scheme = self.getcommissioninfo(data)
                self.cash += scheme.cashadjust(position.size, position.adjbase, data.close[0])
                position.adjbase = data.close[0]
        self._get_value()
        self._book.passing, self._book.valued = False, self._book.clock.idx

    def _try_exec(self: Any, order: Any) -> None:
        """Stock's, which prefers a data's ``tick_*``: between preloaded bars they are the bar's own prices."""
        data, kind, p = order.p.data, order.exectype, self.p
        if kind == Order.Market:
            if p.coc or p.slip_perc or p.slip_fixed:
                self._try_exec_market(order, data.open[0], data.high[0], data.low[0])
            elif p.coo or data.datetime[0] > order.created.dt:
                self._execute(order, ago=0, price=data.open[0])
            return
        prices = data.open[0], data.high[0], data.low[0]
        created, limit = order.created.price, order.created.pricelimit
        if kind == Order.Close:
            self._try_exec_close(order, data.close[0])
        elif kind == Order.Limit:
            self._try_exec_limit(order, *prices, created)
        elif order.triggered and kind in (Order.StopLimit, Order.StopTrailLimit):
            self._try_exec_limit(order, *prices, limit)
        elif kind in (Order.Stop, Order.StopTrail):
            self._try_exec_stop(order, *prices, created, data.close[0])
        elif kind in (Order.StopLimit, Order.StopTrailLimit):
            self._try_exec_stoplimit(order, *prices, data.close[0], created, limit)
        elif kind == Order.Historical:
            self._try_exec_historical(order)

    def _execute(
        self: Any, order: Any, ago: Any = None, price: Any = None, cash: Any = None, position: Any = None,
        dtcoc: Any = None,
    ) -> Any:  # fmt: skip
        book = self._book
        if not book.plain:
            return BackBroker._execute(self, order, ago, price, cash, position, dtcoc)
        if ago is None or price is None:
            return None
        if order.p.data._compensate is not None or not math.isfinite(price):
            book.unplain(moved=True)
            return BackBroker._execute(self, order, ago, price, cash, position, dtcoc)
        execution.fill(self, order, ago, price, dtcoc)
        return None
