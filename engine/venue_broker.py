"""The broker of all orders that are filled elsewhere: at IBKR, in the gateway's market, in the record of a day.

It is one class for backtests with ``matching = "ibkr"``, live trading and replays, so the order stream cannot depend
on which of them it is. It decides nothing about fills: it sends what the gate lets pass to its venue
(``engine.venue``) and books what the venue reports.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from typing import Any

import backtrader as bt

from books.account import Account
from books.kept_account import KeptAccount
from core.errors import EngineError
from core.logs import log_event
from core.naming import symbol_of, unit_of
from core.orders import ExitReason, Refusal, Role
from core.settings import Settings
from engine.flattening import Flattener
from engine.legs import LegGuard
from engine.mending import Mender
from engine.venue import Ended, Venue, VenueListener, VenueOrder, VenueRefused
from engine.venue_carried import VenueCarried
from engine.venue_orders import changed, venue_order
from risk.boundary import closes_parent, is_entry, order_view

logger = logging.getLogger(__name__)


class VenueBroker(VenueCarried):
    """Broker over a venue.

    Params:
      - settings: ``core.settings.Settings``, needed

    ``venue``: where orders are filled. ``listeners`` are told what is done, in the order in which it is done.
    ``is_live``: time passes by itself. ``needs_stops``: pairs whose legs have no stop at the broker are refused,
    unless the settings accept them. ``account`` and ``gate`` are made anew at each start.
    """

    is_live = False
    needs_stops = False
    account_type = KeptAccount

    def __init__(self, venue: Venue, **params: Any) -> None:
        """``params``: those that backtrader has not taken, so names that do not exist."""
        self.venue = venue
        self.listeners: list[VenueListener] = []
        super().__init__(**params)

    def init(self) -> None:
        settings: Settings | None = self.p.settings
        if settings is None:
            raise EngineError("a VenueBroker needs settings; give VenueBroker(venue, settings=...)")
        self.p.cash = settings.account.capital
        super().init()
        self._open_account(settings)
        self._open_reports()
        self._bar: dt.datetime | None = None  # close of the newest bar that is over
        self._lengths = 0  # of all datas together, at the last pass
        self._is_open = False
        self._is_under_way = False  # a backtest plays what happened within the newest bar
        self._oca_names: dict[int, str] = {}  # group of OcaGroups -> name at the venue
        self.carried_orders: list[bt.Order] = []  # of an earlier run, those that have ended too
        self._asked: set[int] = set()  # refs of orders whose cancellation was asked for
        self._mender = Mender(self, self._asked)
        self._is_closing = False  # everything has to go before the session ends
        self._flattener = Flattener(self, self._why_flat)

    def start(self) -> None:
        super().start()
        assert self.account is not None  # made by init
        self._start_account(self.account)
        self.legs = LegGuard(self._settings.risk.legs, self, getattr(self.venue, "bus", None))

    def paid_until(self, ordinal: int) -> None:
        """Interest and borrow fees are paid up to this date (proleptic ordinal, 0 = none yet): after a restart."""
        self._paid_until = dt.date.fromordinal(ordinal) if ordinal else None

    def stop(self) -> None:
        super().stop()
        self.venue.close()

    # ------------------------------------------------------------------ the order of a bar

    def next(self) -> None:
        """Let the venue's time pass and, where a bar has come, mark the account and ask the gate."""
        account = self.account
        assert account is not None  # made by init
        lengths = sum([len(data) for data in self.cerebro.datas])
        is_new, self._lengths = lengths != self._lengths, lengths
        if not lengths:
            return
        if is_new:
            when, self._fresh = self._newest()
            if not self._is_open and self._is_warming(when):
                self._when = self._bar = when
                if self.gate is not None:
                    self.gate.on_prices(when, self._closes(self.gate))
                return
        else:
            when, self._fresh = self._moment(), []
        if not self._is_open:
            self._open_venue(account, when)
        if is_new or self.is_live:
            self._is_under_way = not self.is_live
            for moment, reports in self.venue.play(None if self.is_live else when, self._wake):
                for listener in self.listeners:
                    listener.reported(moment, reports)
                self._hear(moment, reports)
                if self.legs is not None:
                    self.legs.check(moment)
                self._mender.check(moment)
                self._flattener.check(moment)
            self._is_under_way = False
        if is_new:
            self._end_bar(account, when)

    def _close(self, data: bt.AbstractDataBase) -> float:
        """The last close that is known: while the bar of a backtest is under way, that of the bar before."""
        return float(data.close[-1 if self._is_under_way and len(data) > 1 and self._is_fresh(data) else 0])

    def _wake(self) -> dt.datetime | None:
        legs = self.legs.next_due() if self.legs is not None else None
        dues = [legs, self._mender.next_due(), self._flattener.next_due()]
        return min([due for due in dues if due is not None], default=None)

    def _open_venue(self, account: Account, when: dt.datetime) -> None:
        """Begin, at the first bar that counts or, live, when all bars of before are in."""
        self._is_open = True
        orders = self.carried_orders = self._carry(account, self.venue.open(), when)
        self._mender.carried(orders, when)
        if orders and self.legs is not None:
            self.legs.carried(orders)
        self._flattener.check(when)

    def _end_bar(self, account: Account, when: dt.datetime) -> None:
        self._when = self._bar = when
        self._pay_until(account, when)
        self._refuse_leftovers()
        self._get_value()
        self._in_bar.clear()
        if self.gate is not None:
            self._ask_gate(self.gate, account)
        for listener in self.listeners:
            listener.marked(when, account.equity_eur)

    def _ranges(self) -> dict[str, tuple[float, float, float]]:
        """What each position saw of the bar: (high, low, close). One that changed within it saw the close for sure."""
        seen = {}
        for data in self._fresh:
            key, close = self._keys[data], data.close[0]
            seen[key] = (close, close, close) if key in self._in_bar else (data.high[0], data.low[0], close)
        return seen

    # ------------------------------------------------------------------ sending

    def _pass_on(self, orders: Sequence[bt.Order], check: bool) -> None:
        """Send a bracket, or the brackets of a batch, together."""
        refused = self._objection(orders)
        if refused is not None:
            self._reject(orders, *refused)
            return
        bar = self._bar or self._moment()
        sent = [self._terms_for(order, bar) for order in orders]
        for listener in self.listeners:
            listener.sent(sent)
        try:
            self.venue.place(sent)
        except VenueRefused as error:
            self._reject(orders, error.refusal, error.detail)
            if error.refusal.may_pass:
                self._mender.refused(orders, self._moment())
            return
        for order, terms in zip(orders, sent, strict=True):
            self._sent[terms.ref], self._terms[order.ref] = order, terms
            order.submit(self)
            order.addcomminfo(self.getcommissioninfo(order.data))
            self.orders.append(order)
            self.pending.append(order)
            self.notify(order)
        if self.legs is not None and "batch" in orders[0].info:
            self.legs.opened(orders)

    def _objection(self, orders: Sequence[bt.Order]) -> tuple[Refusal, str] | None:
        """Why entries among these orders cannot go out."""
        entries = [o for o in orders if o.parent is None and is_entry(o, self.positions[o.data].size)]
        for symbol in dict.fromkeys(symbol_of(order.data) for order in entries):
            reason = self.venue.why_no_entries(symbol)
            if reason:
                return Refusal.BLIND, reason
        if self.needs_stops and not self._settings.risk.legs.accept_without_stops:
            stopped = {o.parent.ref for o in orders if o.parent is not None and o.exectype == bt.Order.Stop}
            for order in entries:
                if "batch" in order.info and order.ref not in stopped:
                    return Refusal.NO_STOP, (
                        f"{symbol_of(order.data)}: the leg of a pair has no stop at the broker; set disaster_stop, or "
                        "accept it with risk.legs.accept_without_stops"
                    )
        return None

    def _terms_for(self, order: bt.Order, bar: dt.datetime) -> VenueOrder:
        parent = self._terms.get(order.parent.ref) if order.parent is not None else None
        known_as = parent.ref if parent is not None else None  # of an earlier run, it has another ref at the venue
        return venue_order(order, bar, self._oca_name(order, bar), self._leg(order), known_as)

    def _leg(self, order: bt.Order) -> str:
        """The place of an order's instrument in its unit; empty where there is a single one."""
        own = [data for data in self.cerebro.datas if unit_of(data) == unit_of(order.data)]
        if len(own) != 2:
            return ""
        return "y" if own[0] is order.data else "x"

    def _oca_name(self, order: bt.Order, bar: dt.datetime) -> str:
        """The OCA group of an order; whatever rests has one from the start, for IBKR lets nothing join one later."""
        group = self._groups.of(order)
        name = self._oca_names.get(group)
        if name is None:
            if order.exectype in (bt.Order.Market, bt.Order.Close):
                return ""
            book = f"{unit_of(order.data)}/{symbol_of(order.data)}"
            name = self._oca_names[group] = f"{book}@{bar:%Y%m%dT%H%M%S}#{abs(group)}"
        return name

    # ------------------------------------------------------------------ being flat

    def close_all(self) -> None:
        """Close everything at market, and again what was not closed: the session ends."""
        self._is_closing = True
        self._flattener.check(self._moment())

    def _close_all(self) -> None:
        self._flattener.check(self._moment())

    def _why_flat(self) -> ExitReason | None:
        """Why nothing may be held: a stop wants it, or a kill switch that flattens has tripped."""
        if self._is_closing:
            return ExitReason.SESSION
        return ExitReason.KILL if self._settings.risk.kill_switch.flatten and self._is_killed() else None

    def _is_killed(self) -> bool:
        return self.gate is not None and self.gate.killed

    def _trade_of(self, data: bt.AbstractDataBase) -> str:
        carried = [str(o.info.trade) for o in self.carried_orders if o.data is data and o.info.get("trade")]
        return super()._trade_of(data) or (carried[-1] if carried else "")

    def unsettled(self) -> list[str]:
        """What must not be left alone: pairs with one leg, stops that are being put back. A sentence each."""
        bare = [f"{symbol_of(data)} is held without its stop" for data in self._mender.without_stop()]
        return [*(self.legs.unsettled() if self.legs is not None else ()), *bare]

    # ------------------------------------------------------------------ changing one's mind

    def _end(self, order: bt.Order, report: Ended) -> None:
        super()._end(order, report)
        self._mender.ended(order, report.when)
        parent = order.parent
        if report.how not in ("rejected", "margin") or parent is None or not closes_parent(order):
            return
        if order.info.get("role", Role.STOP) == Role.STOP and parent.alive():
            self.cancel(parent, why="its stop was refused, and no entry may fill without one")

    def cancel(self, order: bt.Order, bracket: bool = False, why: str = "") -> bool:
        """Ask to cancel an order; it works until the venue says that it has ended. False: it does not work.

        Cancelling one order of an OCA group cancels the group, as at IBKR.
        """
        if self._withdraw(order):
            return True
        if order.ref not in self._terms or order.ref in self._ends or order.status == bt.Order.Completed:
            return False
        if order.ref not in self._asked:
            self._asked.add(order.ref)
            ref = self._terms[order.ref].ref
            for listener in self.listeners:
                listener.cancelled(ref, why)
            self.venue.cancel(ref, why)
        return True

    def modify(
        self, order: bt.Order, *, size: float | None = None, price: float | None = None, limit: float | None = None
    ) -> bool:
        """Ask for other terms of a working order: total units (> 0), its price, the limit of a stop-limit.

        False where it was not sent: the order does not work, or the gate or the venue refused. What the venue refuses
        later leaves the terms of before.
        """
        before = self._terms.get(order.ref)
        order = self._sent[before.ref] if before is not None else order  # not the copy that was notified
        if before is None or order.ref in self._ends or not order.alive():
            return False
        wanted = changed(before, float(order.data.instrument.tick), size, price, limit)
        if wanted == before:
            return True
        self._adopt_terms(order, wanted)
        refused = None
        if self.gate is not None:
            view = order_view(order, self._groups, self.fx_rate(order.data), close_of=self._close)
            refused = self.gate.review([view], self.account_view())
        if refused is None:
            try:
                self.venue.modify(wanted)
            except VenueRefused as error:
                refused = error.refusal, error.detail
        if refused is not None:
            self._adopt_terms(order, before)
            log_event(
                logger, "change refused", level=logging.WARNING, ref=order.ref, why=refused[0].value, detail=refused[1]
            )
            return False
        self._before[order.ref] = before
        return True

    def _trim(self, order: bt.Order, units: float) -> None:
        if units < abs(order.executed.remsize):
            self.modify(order, size=abs(order.executed.size) + units)

    def terms_of(self, order: bt.Order) -> VenueOrder | None:
        """The terms of an order that was sent, as they work."""
        return self._terms.get(order.ref)

    def working(self) -> tuple[bt.Order, ...]:
        """Orders that were sent and have not ended, in the order in which they were sent."""
        return tuple(self.pending)
