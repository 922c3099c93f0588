"""How our own broker does in a leaping run what ``SimBroker`` does; see ``house`` for when.

Why it is exact: orders are made, copied and handed over as in any lean run (``engine.lean.orders``, ``copies``,
``notices``), and the pass is ``SimBroker.next`` and ``BackBroker.next`` in one, in their order of steps. What is left
out is nothing for the account: interest and cash adjustment of commission schemes that have none, a history of orders
that is empty, sorting what is in order. Money, fees, slippage and limits are ``SimBroker``'s own methods.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import backtrader as bt
from backtrader.order import Order

from engine.lean.copies import clone_order
from engine.lean.equity import is_plain
from engine.lean.intake import LeanIntake
from engine.sim_broker import SimBroker

_ON_ITS_WAY = frozenset({Order.Submitted, Order.Accepted})


def can_take(broker: Any) -> bool:
    """Whether the commission schemes of a broker ask for nothing but what is written out here."""
    return all(is_plain(scheme) for scheme in broker.comminfo.values())


class Notice(NamedTuple):
    """An order was sent or accepted: said unless there is more to say of it by then (``core.leaping.hears_last``)."""

    order: Any
    status: int


class LeanHouse(LeanIntake):
    """Members that a ``SimBroker`` with settings gets for a run."""

    # -- orders ---------------------------------------------------------------------------------------------------

    def notify(self: Any, order: Any) -> None:
        if order.status in _ON_ITS_WAY and id(order.p.owner) in self._terse and not order.executed.exbits:
            self.notifs.append(Notice(order, order.status))
        else:
            self.notifs.append(clone_order(order))

    def say(self: Any) -> None:
        """Before notices are handed over: of those of an order on its way the last one counts."""
        notices = [each for each in self.notifs if type(each) is not Notice or each.order.status == each.status]
        self.notifs.clear()
        self.notifs.extend([clone_order(each.order) if type(each) is Notice else each for each in notices])

    def get_notification(self: Any) -> Any:
        self.say()
        return SimBroker.get_notification(self)

    def _send(self: Any, order: Any, oco: Any, check: bool, about: dict[str, Any]) -> Any:
        given = order.p  # where backtrader looks up what an order has not, at length
        order.owner, order.data, order.parent, order.transmit = given.owner, given.data, given.parent, given.transmit
        order.exectype = order.exectype
        if given.valid is None:
            order.valid = None
        if about:
            order.info.update(about)
        self._ocoize(order, oco)
        return self.submit(order, check=check)

    def _left_after(self: Any, order: Any, funds: float, positions: dict[Any, Any]) -> float:
        held = self.positions[order.data]  # a look makes an entry, as in stock
        if order.parent is not None:
            return funds  # it closes what its parent opens
        if order.data not in positions:
            positions[order.data] = held.clone()
        return self._funds_after(order, funds, positions[order.data])  # type: ignore[no-any-return]

    def setcommission(self: Any, *args: Any, **kwargs: Any) -> None:
        SimBroker.setcommission(self, *args, **kwargs)
        self._is_plain = can_take(self)

    def addcommissioninfo(self: Any, comminfo: Any, name: Any = None) -> None:
        SimBroker.addcommissioninfo(self, comminfo, name)
        self._is_plain = can_take(self)

    # -- the pass -------------------------------------------------------------------------------------------------

    def next(self: Any) -> None:
        leaps, account = self.leaps, self.account
        if not self._is_plain or self._userhist or self._fundhist or self._cash_addition:
            leaps.settle()
            SimBroker.next(self)
            return
        self._begin_bar(account)
        leaps.unsettled = None
        if self.p.checksubmit and self.submitted:
            self.check_submitted()
        pending = self.pending
        if pending:
            self._expire_day_orders()
            if len(pending) > 1:
                turns = [self._turn(order) for order in pending]
                if turns != sorted(turns):
                    self.pending = pending = deque(sorted(pending, key=self._turn))
        while self._toactivate:
            self._toactivate.popleft().activate()
        leaps.date_positions(leaps.step)
        if pending:
            self._match()
        leaps.adjust_positions(leaps.step)
        self._get_value()
        if self.gate is not None:
            self._ask_gate(self.gate, account)

    def _session(self: Any, data: Any) -> Any:
        return self.leaps.session(data)

    def _try_exec(self: Any, order: Any) -> None:
        """Stock's, which prefers a data's ``tick_*``: between preloaded bars they are the bar's own prices."""
        data, kind = order.data, order.exectype
        if not self._is_fresh(data):
            return
        if kind == Order.Stop:
            self._try_exec_stop(order, data.open[0], data.high[0], data.low[0], order.created.price, data.close[0])
        elif kind == Order.Market:
            p = self.p
            if not self._at_close and (p.coc or p.coo or p.slip_perc or p.slip_fixed):
                self._try_exec_market(order, data.open[0], data.high[0], data.low[0])
            elif data.datetime[0] > order.created.dt:
                self._execute(order, ago=0, price=data.close[0] if self._at_close else data.open[0])
        elif kind == Order.Limit:
            self._try_exec_limit(order, data.open[0], data.high[0], data.low[0], order.created.price)
        else:
            bt.brokers.BackBroker._try_exec(self, order)
