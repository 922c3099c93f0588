"""The order intake of our brokers: every order passes the risk gate before stock backtrader, or a venue, sees it.

A bracket is judged when its last child transmits, the legs of a pair together; what is refused is rejected whole, with
its reason on every order.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import backtrader as bt

from analyzers.wiring import utc_time
from books.account import Account
from core.errors import EngineError
from core.naming import REFERENCE_UNIT, symbol_of, unit_of
from core.orders import AccountView, ExitReason, Refusal, Role
from core.settings import Settings
from risk import OrderGate
from risk.boundary import BatchRoom, OcaGroups, is_entry, mark_refused, order_view, position_views
from risk.events import KillAction
from risk.limits import invalid

if TYPE_CHECKING:
    from engine.desk_leaps import DeskLeaps


class GatedBroker(bt.brokers.BackBroker):
    """``BackBroker`` behind the gate. Without an ``account`` it is the stock broker; without a ``gate`` all pass."""

    account: Account | None = None
    gate: OrderGate | None = None
    leaps: DeskLeaps | None = None  # of a run that leaps over bars

    def _open_intake(self, settings: Settings) -> None:
        self._settings = settings
        self._groups = OcaGroups()
        self._room = BatchRoom()
        self._owners: dict[bt.AbstractDataBase, bt.Strategy] = {}  # data -> who traded it last
        self._fresh: list[bt.AbstractDataBase] = []  # traded datas with a bar at this moment; see _is_fresh
        self._when: dt.datetime | None = None
        self._still_rates: dict[bt.AbstractDataBase, float] = {}  # data -> exchange rate, where it never moves

    def _moment(self) -> dt.datetime:
        if self._when is None:
            raise EngineError("the broker has seen no bar yet; orders and costs need one")
        return self._when

    def fx_rate(self, data: bt.AbstractDataBase) -> float:
        """Account currency for one unit of the data's currency, at this bar."""
        account = self.account
        if account is None or self._when is None:
            return 1.0
        rate = self._still_rates.get(data)
        if rate is None:
            currency: str = data.instrument.currency
            rate = account.cash.fx.rate(currency, self._when)
            if account.cash.fx.constant(currency) is not None:
                self._still_rates[data] = rate
        return rate

    def _close(self, data: bt.AbstractDataBase) -> float:
        """The last close that is known."""
        return float(data.close[0])

    def _ocoize(self, order: bt.Order, oco: bt.Order | None) -> None:
        super()._ocoize(order, oco)
        if self.account is not None:
            self._groups.add(order, oco)

    def _ococheck(self, order: bt.Order) -> None:
        """Protective exits share one size: a fill of one reduces the others, and cancels them at zero.

        So the stop always covers what is left of a position (IBKR's ocaType 2), and an entry that still works is
        cancelled by the first exit, as is an order that joined the group from the other side or another data. Stock
        cancels the group at the first partial fill, and also when one of its orders is cancelled; other groups behave
        like stock.
        """
        group = self._groups.of(order) if self.account is not None else 0
        if group >= 0:
            super()._ococheck(order)
            return
        if order.status not in (bt.Order.Partial, bt.Order.Completed):
            return
        filled, resting = order.executed.exbits[-1].size, [o for o in self.pending if o is not None]
        for entry in [o for o in resting if o.ref == -group and self._groups.of(o) != group]:
            self.cancel(entry)
            resting = [o for o in self.pending if o is not None]
        for other in resting:
            if other.ref != order.ref and self._groups.of(other) == group:
                left = other.executed.remsize - filled
                if other.data is order.data and other.isbuy() == order.isbuy() and left * other.executed.remsize > 0:
                    other.executed.remsize = left
                else:
                    self.pending.remove(other)
                    other.cancel()
                    self.notify(other)

    def submit(self, order: bt.Order, check: bool = True) -> bt.Order:
        if self.account is None:
            return super().submit(order, check=check)
        self._owners[order.data] = order.owner
        if order.p.valid == bt.Order.DAY:
            order.valid = None  # stock would end it on the date of the last bar, before it can fill
        parent_ref = self._take_children(order)
        if parent_ref is None:
            return order
        family = self._pchildren[parent_ref]
        family.append(order)
        if order.transmit:
            bracket = [o for o in family if o.status == bt.Order.Created]
            self._judge(self._room.receive(bracket), check)
        return order

    def _judge(self, orders: Sequence[bt.Order], check: bool) -> None:
        if not orders:
            return
        views = [order_view(o, self._groups, self.fx_rate(o.data), orders, self._close) for o in orders]
        if self.gate is None:
            fault = invalid(views)
            refused = None if fault is None else (Refusal.INVALID, fault)
        else:
            refused = self.gate.review(views, self.account_view())
        if refused is not None:
            self._reject(orders, *refused)
            return
        self._pass_on(orders, check)

    def _pass_on(self, orders: Sequence[bt.Order], check: bool) -> None:
        """Orders that passed the gate go to where they are filled."""
        for order in orders:
            self.transmit(order, check=check)

    def account_view(self) -> AccountView:
        """Return the account as the gate sees it now."""
        if self.account is None:
            raise EngineError("a broker without settings keeps no account")
        working = [*self.pending, *self.submitted, *self._room]
        views = [order_view(o, self._groups, self.fx_rate(o.data), working, self._close) for o in working if o.alive()]
        return AccountView(
            when=self._moment(),
            equity_eur=self.account.equity_eur,
            positions=position_views(self.positions, self.fx_rate, self._close),
            working=tuple(views),
        )

    def _reject(self, orders: Iterable[bt.Order], refusal: Refusal, detail: str) -> None:
        for order in orders:
            mark_refused(order, refusal, detail)
            order.reject(self)
            self.notify(order)
            self._pchildren.pop(order.ref, None)

    def cancel(self, order: bt.Order, bracket: bool = False) -> bool:
        if self.account is not None and self._withdraw(order):
            return True
        return bool(super().cancel(order, bracket=bracket))

    def _withdraw(self, order: bt.Order) -> bool:
        """Cancel an order that waits to be judged, with all that waits beside it; False: it does not wait."""
        waiting = self._room.drop(order)
        for held in waiting:
            held.cancel()
            self.notify(held)
        return bool(waiting)

    # ------------------------------------------------------------------ the gate's own acts

    def _ask_gate(self, gate: OrderGate, account: Account) -> None:
        if self.leaps is not None and self.leaps.gate is not None:
            action = self.leaps.gate.on_bar(self.leaps.step, account.equity_eur)
        else:
            action = gate.on_bar(self._moment(), account.equity_eur, self._closes(gate))
        if action is None:
            return
        self._on_kill(action)
        for order in [o for o in self.pending if is_entry(o, self.positions[o.data].size)]:
            self.cancel(order)
        if action.flatten:
            self._close_all()

    def _close_all(self) -> None:
        for data, position in list(self.positions.items()):
            if position.size:
                self.flatten(data, position.size)

    def _closes(self, gate: OrderGate) -> dict[str, float]:
        """The closes of this bar by symbol; the gate is told of the volatility index before."""
        series = self._settings.risk.throttle.series
        for data in self.cerebro.datas if series else ():
            if unit_of(data) == REFERENCE_UNIT and symbol_of(data) == series and len(data):
                gate.on_volatility_index(utc_time(data.datetime[0]), data.close[0])
        return {symbol_of(d): d.close[0] for d in self._fresh}

    def _on_kill(self, action: KillAction) -> None:
        """The kill switch has tripped on this bar: called before anything is done about it."""

    def flatten(self, data: bt.AbstractDataBase, size: float, reason: ExitReason = ExitReason.KILL) -> None:
        """Close at market, one exit for each OCA group that closes, in it: protective orders stay until it has filled.

        What works against the position beyond its size would open after the flatten: it is trimmed or cancelled.
        """
        against = [o for o in self.pending if o.data is data and o.active() and o.executed.remsize * size < 0]
        closing: dict[int, list[bt.Order]] = {}  # OCA group -> its working orders, those of brackets first
        for order in sorted(against, key=lambda order: order.parent is None):
            closing.setdefault(self._groups.of(order), []).append(order)
        exits: list[tuple[float, bt.Order | None]] = []  # units, an order of the group
        left = abs(size)
        for orders in closing.values():
            share = min(left, max(abs(order.executed.remsize) for order in orders))
            left -= share
            for order in orders:
                if share:
                    self._trim(order, min(share, abs(order.executed.remsize)))
                else:
                    self.cancel(order)
            exits.append((share, orders[0]))
        for units, order in [*exits, (left, None)]:
            if units:
                self._send_exit(data, size, units, order, reason)

    def _trim(self, order: bt.Order, units: float) -> None:
        """Leave so many units (> 0) of a working order to be filled."""
        order.executed.remsize = math.copysign(units, order.executed.remsize)

    def _send_exit(
        self,
        data: bt.AbstractDataBase,
        position: float,
        size: float,
        oco: bt.Order | None,
        reason: ExitReason,
    ) -> bt.Order:
        """Close ``size`` units of a position at market, in the OCA group of ``oco``."""
        send = self.sell if position > 0 else self.buy
        trade = self._trade_of(data)
        about = {"trade": trade} if trade else {}
        order: bt.Order = send(
            self._owners[data], data, size, exectype=bt.Order.Market, oco=oco, role=Role.EXIT, reason=reason, **about
        )
        return order

    def _trade_of(self, data: bt.AbstractDataBase) -> str:
        """The trade that was sent last for a data: what is held is its."""
        return next((str(o.info.trade) for o in reversed(self.orders) if o.data is data and o.info.get("trade")), "")
