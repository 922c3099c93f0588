"""How orders come to the broker of a lean run, whichever it is: made, checked against the cash, accepted, looked at.

Why it is exact: the steps are ``BackBroker``'s, in its order; what is left out are lookups and copies that change
nothing. A broker that takes these members (``broker``, ``engine.leap.house_broker``) says how an order is sent
(``_send``), what would be left of the cash were it filled (``_left_after``), and who is told (``notify``). The lists of
orders are read from ``__dict__``: as attributes they may be watched (``broker``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backtrader.order import BuyOrder, Order, SellOrder

from engine.lean.orders import make

ALIVE = frozenset({Order.Created, Order.Submitted, Order.Accepted, Order.Partial})
_SUBMITTED, _ACCEPTED, _COMPLETED = Order.Submitted, Order.Accepted, Order.Completed


def _maker(cls: type) -> Callable[..., Any]:
    """``BackBroker.buy`` or ``sell``."""

    def send(
        self: Any, owner: Any, data: Any, size: float, price: Any = None, plimit: Any = None, exectype: Any = None,
        valid: Any = None, tradeid: Any = 0, oco: Any = None, trailamount: Any = None, trailpercent: Any = None,
        parent: Any = None, transmit: bool = True, histnotify: bool = False, _checksubmit: bool = True, **kwargs: Any,
    ) -> Any:  # fmt: skip
        order = make(
            cls, self._ends, owner, data, size, price, plimit, exectype, valid, tradeid, trailamount, trailpercent,
            parent, transmit, histnotify,
        )  # fmt: skip
        return self._send(order, oco, _checksubmit, kwargs)

    return send


class LeanIntake:
    """Members that a broker gets for a run. ``_ends``: the ends of sessions, as orders have them."""

    buy = _maker(BuyOrder)
    sell = _maker(SellOrder)

    def transmit(self: Any, order: Any, check: bool = True) -> Any:
        if check and self.p.checksubmit:
            order.status = _SUBMITTED
            order.broker = None
            order.plen = len(order.p.data)
            self.__dict__["submitted"].append(order)
            self.orders.append(order)
            self.notify(order)
        else:
            self.submit_accept(order)
        return order

    def submit_accept(self: Any, order: Any) -> None:
        order.pannotated = None
        order.status = _ACCEPTED
        order.broker = None
        order.plen = len(order.p.data)
        self.__dict__["pending"].append(order)
        self.notify(order)

    def check_submitted(self: Any) -> None:
        cash = self.cash
        positions: dict[Any, Any] = {}  # data -> its position were the orders so far filled
        submitted = self.__dict__["submitted"]
        while submitted:
            order = submitted.popleft()
            if order.p.parent is not None and self._take_children(order) is None:
                continue
            cash = self._left_after(order, cash, positions)
            if cash >= 0.0:
                self.submit_accept(order)
                continue
            order.margin()
            self.notify(order)
            self._ococheck(order)
            self._bracketize(order, cancel=True)

    def _match(self: Any) -> None:
        """The loop of ``BackBroker.next`` over what is pending."""
        pending = self.__dict__["pending"]
        pending.append(None)
        while True:
            order = pending.popleft()
            if order is None:
                return
            if order.expire():
                self.notify(order)
                self._ococheck(order)
                self._bracketize(order, cancel=True)
            elif not order._active:
                pending.append(order)
            else:
                self._try_exec(order)
                status = order.status
                if status in ALIVE:
                    pending.append(order)
                elif status == _COMPLETED:
                    self._bracketize(order)
