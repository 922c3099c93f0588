"""Entries that carry their protection, exits that are never doubled, and what to do when the broker says no."""

from __future__ import annotations

import logging
import math
from typing import Any

import backtrader as bt
from backtrader import Order

from core.logs import log_event
from core.orders import ExitReason, Role
from strategies.holding import DEAD, FILLING, JUST_SENT, Holding
from strategies.tally import Tally

logger = logging.getLogger(__name__)
_ROUNDING = 1e-9  # units; less than this is nothing


class ProtectedOrders(bt.Strategy):
    """Order side of a strategy: at most one holding for each data, each known by its own orders' executions.

    An entry goes at market for the day with a bracket: the stop and the target are good till cancelled and one
    cancels the other. Both are priced from the close of the signal bar, which is known when the order is sent (the
    fill may be elsewhere). An exit is one market order in the OCA group of the stop, so that the stop stays until the
    exit has filled. What the broker may leave behind (an entry that ends after a part fill, a stop that it cancelled,
    an exit that it refused, orders that close more or less than is held) is put right by ``mend`` once all
    notifications of a bar are in.
    """

    hears_last = True  # that an order is on its way changes nothing here

    def __init__(self) -> None:
        self.holdings: dict[str, Holding] = {}  # name of the data -> holding
        self.tally = Tally()

    def holding(self, data: Any) -> Holding | None:
        return self.holdings.get(data._name) if self.holdings else None

    def taken_up(self, data: Any) -> Holding | None:
        """The holding of a data, for who mends between two bars."""
        return self.holding(data)

    def label(self) -> str:
        """Name of the unit in trade ids and log lines."""
        return type(self).__name__

    def trade_id(self) -> str:
        """Unique for each signal of a unit and the same after a restart: the unit and the time of its bar."""
        return f"{self.label()}@{bt.num2date(self.data.datetime[0]):%Y%m%dT%H%M%S}"

    # -- intent -------------------------------------------------------------------------------------------------

    def enter(
        self,
        data: Any,
        sign: int,
        size: float,
        stop_price: float | None = None,
        target_price: float | None = None,
        reason: str = "",
        *,
        trade: str = "",
        stop_reason: str = ExitReason.STOP,
        **tags: Any,
    ) -> Holding | None:
        """Send a market entry and its protective orders as one bracket; None when there is nothing to send.

        Prices are in the instrument's currency; ``tags`` go into ``order.info`` of every order of the bracket.
        """
        close = float(data.close[0])
        if not (math.isfinite(size) and size > 0) or self.holding(data) is not None:
            return None
        for name, price, side in (("stop", stop_price, sign), ("target", target_price, -sign)):
            if price is not None and not (math.isfinite(price) and price > 0 and side * (close - price) > 0):
                self.tally.not_sized[f"{name}_price"] += 1
                self.log("no_entry", data, why=f"{name} {price} is on the wrong side of {close}")
                return None
        holding = Holding(
            data=data,
            trade=trade or self.trade_id(),
            sign=sign,
            reason=str(reason),
            stop_reason=str(stop_reason),
            stop_price=stop_price,
            target_price=target_price,
            is_bare=stop_price is None,
        )
        self.holdings[data._name] = holding
        self.log("signal", data, trade=holding.trade, sign=sign, size=size, close=close, stop=stop_price,
                 target=target_price, reason=reason)  # fmt: skip
        alone = stop_price is None and target_price is None
        holding.entry = self._order(
            holding, sign, size, role=Role.ENTRY, reason=reason, valid=Order.DAY, transmit=alone, **tags
        )
        self._protect(holding, size, parent=holding.entry, **tags)
        return holding

    def leave(self, data: Any, reason: str) -> None:
        """Want to be flat: cancel what is left of the entry and send one exit; later calls change nothing."""
        holding = self.holding(data)
        if holding is None or holding.exit_reason:
            return
        holding.exit_reason = str(reason)
        if holding.entry is not None:
            self.log("cancel_entry", data, trade=holding.trade, reason=reason)
            self.cancel(holding.entry)
        self._exit(holding)

    # -- orders -------------------------------------------------------------------------------------------------

    def _exit(self, holding: Holding) -> None:
        """One market order for what is held, once the entry can no longer add to it."""
        entry_alive = holding.entry is not None and holding.entry.alive()
        if holding.exit is not None or entry_alive or not holding.size:
            return
        stop = holding.stop if holding.stop is not None and holding.stop.alive() else None
        if stop is not None and stop.ref in holding.fills:
            # A part fill has dissolved its OCA group: stop and exit could both fill, so a new group takes its place.
            self.cancel(stop)
            if stop.alive():
                return
            stop = None
        if stop is None and holding.stop_price is not None and holding.size * holding.sign > 0:
            self._reprotect(holding)  # the exit may be refused
            stop = holding.stop
        if holding.beside is not None:  # the exit is in the group of the other one
            self.cancel(holding.beside)
        self.log("exit", holding.data, trade=holding.trade, size=holding.size, bars=holding.bars,
                 reason=holding.exit_reason)  # fmt: skip
        sign = -1 if holding.size > 0 else 1
        holding.exit = self._order(
            holding, sign, abs(holding.size), role=Role.EXIT, reason=holding.exit_reason, oco=stop
        )

    def _protect(self, holding: Holding, size: float, parent: Any = None, **tags: Any) -> None:
        """Stop and target for ``size`` units in one OCA group; with a parent the last one transmits the bracket."""
        sign, both = -holding.sign, holding.target_price is not None
        if holding.stop_price is not None:
            holding.stop = self._order(
                holding, sign, size, role=Role.STOP, reason=holding.stop_reason, exectype=Order.Stop,
                price=holding.stop_price, parent=parent, transmit=parent is None or not both, **tags,
            )  # fmt: skip
        if both:
            holding.target = self._order(
                holding, sign, size, role=Role.TARGET, reason=ExitReason.TARGET, exectype=Order.Limit,
                price=holding.target_price, parent=parent, oco=holding.stop, **tags,
            )  # fmt: skip

    def _order(self, holding: Holding, sign: int, size: float, *, role: Role, reason: str, **kwargs: Any) -> Any:
        send = self.buy if sign > 0 else self.sell
        return send(data=holding.data, size=size, role=role, reason=str(reason), trade=holding.trade, **kwargs)

    # -- notifications ------------------------------------------------------------------------------------------

    def notify_order(self, order: Order) -> None:
        holding = self.holdings.get(order.data._name) or self._ordered_again(order)
        if holding is None and order.executed.exbits:
            self.notify_stray(order)
            return
        if holding is None or _is_of_another_trade(order, holding):
            return
        if not holding.slot(order.ref):
            self._adopt(holding, order)
        elif order.status in JUST_SENT and not order.executed.size:
            return  # it works, as it did
        before = holding.size
        name = holding.book(order)
        if order.status in FILLING and holding.size != before:
            self._filled(holding, name, order)
        elif order.status in DEAD and name:
            self._dead(holding, name, order)
        if holding.over:
            del self.holdings[order.data._name]
            self.log("over", order.data, trade=holding.trade, bars=holding.bars,
                     reason=holding.exit_reason or "not_filled")  # fmt: skip
            self.notify_over(holding)

    def notify_stray(self, order: Order) -> None:
        """Called with an order that has executions, of a data in which nothing is held as far as is known here."""

    def notify_over(self, holding: Holding) -> None:
        """Called when a holding is over; ``holding.entered`` is 0 where its entry never filled."""

    def _adopt(self, holding: Holding, order: Order) -> None:
        """An order that the broker made for this strategy is its own: an exit, as a kill switch makes it, or an entry
        that was ordered once more, with its stop."""
        role = order.info.get("role")
        if not order.alive():
            return
        if role == Role.EXIT and holding.exit is None:
            holding.exit = order
            holding.exit_reason = str(order.info.get("reason") or ExitReason.KILL)
        elif "retry_of" in order.info:
            if role == Role.ENTRY and holding.entry is None:
                holding.entry = order
            elif role == Role.STOP and holding.stop is None:
                holding.stop, holding.stop_price = order, float(order.created.price)
                holding.stop_reason = str(order.info.get("reason") or holding.stop_reason)

    def _ordered_again(self, order: Order) -> Holding | None:
        """The holding of an entry that the broker orders once more, as it does with the late leg of a pair."""
        if "retry_of" not in order.info or order.info.get("role") != Role.ENTRY or not order.alive():
            return None
        holding = self.holdings[order.data._name] = Holding(
            data=order.data,
            trade=str(order.info.trade),
            sign=1 if order.isbuy() else -1,
            reason=str(order.info.get("reason") or ""),
            stop_reason=str(ExitReason.STOP),
        )
        self.log("again", order.data, trade=holding.trade, sign=holding.sign, size=abs(order.size))
        return holding

    def _filled(self, holding: Holding, name: str, order: Order) -> None:
        self.log("fill", order.data, trade=holding.trade, role=name, size=order.executed.size,
                 price=order.executed.price, position=holding.size)  # fmt: skip
        if name == "entry":
            self.tally.trades.add(holding.trade)
        if name in ("stop", "beside") and getattr(holding, name) is None:  # complete
            holding.exit_reason = holding.stop_reason
        elif name == "target" and holding.target is None:
            holding.exit_reason = str(ExitReason.TARGET)

    def _dead(self, holding: Holding, name: str, order: Order) -> None:
        if name == "entry" and holding.size and not holding.exit_reason:
            self.log("part_entry", order.data, trade=holding.trade, size=holding.size)
        failed_exit = name == "exit" and holding.size * holding.sign > 0
        detail = order.info.get("refusal_detail") or order.info.get("refusal")
        kind = "refused" if order.status in (Order.Margin, Order.Rejected) else "cancelled"
        if kind == "refused" and name == "entry":
            self.tally.refusals.setdefault(holding.trade, str(order.info.get("refusal") or order.getstatusname()))
        self.log(kind, order.data, logging.WARNING if failed_exit else logging.INFO, trade=holding.trade, role=name,
                 status=order.getstatusname(), detail=detail or None)  # fmt: skip

    def mend(self, holding: Holding) -> None:
        """Bring the working orders in line with what is held. Nothing to do in all ordinary cases."""
        size = holding.size
        if holding.entry is not None:
            return
        if not size:  # nothing may be left that opens a position
            for order in holding.orders:
                self.cancel(order)
        elif holding.exit is not None:
            self._fit(holding)
        elif holding.sign * size < 0:  # two exits have filled
            holding.exit_reason = holding.exit_reason or str(ExitReason.SIGNAL)
            self._exit(holding)
        else:
            if holding.stop is None:
                holding.stop, holding.beside = holding.beside, None
            if holding.stop is None and holding.stop_price is not None:
                self._reprotect(holding)
            self._fit(holding)
            if holding.exit_reason:
                self._exit(holding)

    def _fit(self, holding: Holding) -> None:
        """Have orders close as much as is held, where the broker can change them: an execution was taken back, or units
        were given to the unit. They stay in their OCA group, which takes no further order.
        """
        if not hasattr(self.broker, "modify"):
            return
        working = {order.ref: order for order in self.broker.working()}  # what a slot holds may be a copy
        size, stopped = abs(holding.size), 0.0
        for kept in (holding.target, holding.exit, holding.stop, holding.beside):
            order = working.get(kept.ref) if kept is not None else None
            if order is None:
                continue
            is_stop = kept is holding.stop or kept is holding.beside
            most, left = size - stopped if is_stop else size, abs(float(order.executed.remsize))
            if order.isbuy() == (holding.size > 0) or most <= _ROUNDING:  # it would open
                self.cancel(order)
                continue
            if left > most + _ROUNDING:
                self._resize(holding, order, most)
            stopped += min(left, most) if is_stop else 0.0
        stop = working.get(holding.stop.ref) if holding.stop is not None else None
        if not holding.exit_reason and stop is not None and 0.0 < stopped < size - _ROUNDING:
            self._stop_more(holding, stop, size - stopped)

    def _stop_more(self, holding: Holding, stop: Order, units: float) -> None:
        """At the price of the stop there is. A bracket's closes no more than its entry has filled, so another one
        takes the rest, in a group of its own."""
        grown = stop if stop.parent is None else holding.beside
        if grown is not None:
            self._resize(holding, grown, abs(float(grown.executed.remsize)) + units)
            return
        self.log("protect", holding.data, logging.WARNING, trade=holding.trade, size=units, stop=holding.stop_price)
        holding.beside = self._order(
            holding, -holding.sign, units, role=Role.STOP, reason=holding.stop_reason, exectype=Order.Stop,
            price=holding.stop_price,
        )  # fmt: skip

    def _resize(self, holding: Holding, order: Order, units: float) -> None:
        self.log("fit", order.data, logging.WARNING, trade=holding.trade, role=holding.slot(order.ref), size=units)
        self.broker.modify(order, size=abs(float(order.executed.size)) + units)

    def _reprotect(self, holding: Holding) -> None:
        if holding.target is not None:
            self.cancel(holding.target)
        self.log("protect", holding.data, logging.WARNING, trade=holding.trade, size=holding.size,
                 stop=holding.stop_price)  # fmt: skip
        self._protect(holding, abs(holding.size))

    def tells(self) -> bool:
        """Whether lines of this class are read by somebody."""
        return logger.isEnabledFor(logging.INFO) or type(self).log is not ProtectedOrders.log

    # -- log ----------------------------------------------------------------------------------------------------

    def log(self, event: str, data: Any, level: int = logging.INFO, **fields: Any) -> None:
        """One structured line with the bar, the unit and the data; fields that are None are left out."""
        if logger.isEnabledFor(level):
            known = {key: value for key, value in fields.items() if value is not None}
            bar = bt.num2date(self.lines.datetime[0])
            log_event(logger, event, level=level, bar=bar, unit=self.label(), data=data._name, **known)


def _is_of_another_trade(order: Order, holding: Holding) -> bool:
    """Whether an order belongs to an earlier trade in the same data: an execution of it was corrected."""
    trade = order.info.get("trade")
    return bool(trade and holding.trade and str(trade) != holding.trade and not holding.slot(order.ref))
