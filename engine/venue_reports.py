"""What a venue reports, in the account and in backtrader's orders.

The account is booked from executions alone, each once, whatever an order's status says: a fill after the end of its
order is booked like any other. Fees are estimated by the instrument's own schedule when a fill comes and made exact
when the venue tells them, so that no fill waits for its fee.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import backtrader as bt

from books.account import Account
from books.charges import Charge, MonthlyVolume, OrderFees
from books.trades import Fill, FillTime
from core.logs import log_event
from engine.lean.execution import execute, split
from engine.matching import reason_of
from engine.mending import Mender
from engine.slippage import NoSlippage, SlippageModel, slippage_model
from engine.venue import Accepted, ChangeRefused, Charged, Corrected, Ended, Filled, Report, Resized, VenueOrder
from engine.venue_corrections import Booked, VenueCorrections
from engine.venue_orders import LIMITED

logger = logging.getLogger(__name__)
_ROUNDING = 1e-9  # units; less than this is nothing left to fill
_ENDS = {
    "cancelled": bt.Order.Canceled,
    "expired": bt.Order.Expired,
    "rejected": bt.Order.Rejected,
    "margin": bt.Order.Margin,
}


class VenueReports(VenueCorrections):
    """The listening half of ``engine.venue_broker.VenueBroker``."""

    _mender: Mender

    def _open_reports(self) -> None:
        costs = self._settings.costs
        self._slippage: SlippageModel = slippage_model(costs.slippage) if costs.enabled else NoSlippage()
        self._month = MonthlyVolume()  # of the account, for the tiers of its schedules
        self._fees: dict[int, OrderFees] = {}  # order ref -> what it was charged
        self._sent: dict[int, bt.Order] = {}  # the venue's ref -> every order that was sent
        self._terms: dict[int, VenueOrder] = {}  # order ref -> its terms as they work, with the venue's ref
        self._before: dict[int, VenueOrder] = {}  # ref -> the terms before a modification that may be refused
        self._ends: dict[int, int] = {}  # ref -> backtrader status with which the venue ended it
        self._booked: dict[str, Booked] = {}  # exec id -> execution, also by ids that were corrected
        self._in_bar: set[str] = set()  # books that an order other than at market filled within the bar under way
        self._paid_until: dt.date | None = None  # interest and borrow fees
        self.legs: Any = None

    # ------------------------------------------------------------------ taking in

    def _hear(self, when: dt.datetime, reports: Iterable[Report]) -> None:
        """Take in what a venue yields for a moment."""
        account = self.account
        assert account is not None  # a VenueBroker has settings
        self._when = when
        self._pay_until(account, when)
        for report in reports:
            order = self._sent.get(report.ref)
            if order is None:
                log_event(logger, "unknown order", level=logging.WARNING, ref=report.ref, report=repr(report))
                continue
            is_late = isinstance(report, Filled) and order.ref in self._ends
            self._take_in(account, order, report)
            if is_late or isinstance(report, Corrected | ChangeRefused):
                self._mender.corrected(order, when, is_refused=isinstance(report, ChangeRefused))
            if self.legs is not None:
                self.legs.heard(order)

    def _pay_until(self, account: Account, when: dt.datetime) -> None:
        """What is due for the days until now: before the first fill of a day, on last night's balances."""
        day = when.date()
        if self._paid_until is None or day > self._paid_until:
            days = (day - self._paid_until).days if self._paid_until is not None else 0
            self._paid_until = day
            self._pay_for_days(account, when, days)

    def _take_in(self, account: Account, order: bt.Order, report: Report) -> None:
        match report:
            case Filled():
                self._fill(account, order, report)
            case Accepted():
                if order.status == bt.Order.Submitted:
                    order.accept(self)
                    self.notify(order)
            case Ended():
                self._end(order, report)
            case Resized():
                self._terms[order.ref] = replace(self._terms[order.ref], quantity=report.quantity)
                self._resize(order, report.quantity)
            case ChangeRefused():
                self._refuse_change(order, report)
            case Charged():
                self._charge(account, report)
            case Corrected():
                self._revise(account, order, report)

    def _revise(self, account: Account, order: bt.Order, report: Corrected) -> None:
        """A correction of an execution that stands, that was taken back before, or that was never told."""
        before = self._booked.get(report.corrects)
        if report.exec_id in self._booked:
            log_event(logger, "correction told again", ref=order.ref, exec_id=report.exec_id)
        elif before is not None and before.fill is not None:
            self._correct(account, report)
        else:
            booked = before or Booked(order, None)
            if report.quantity:
                self._fill(account, order, _as_fill(report), booked.before)
                booked.fill = self._booked[report.exec_id].fill
            log_event(
                logger, "execution corrected", level=logging.WARNING, ref=order.ref, exec_id=report.exec_id,
                corrects=report.corrects, size=f"{0 if before else 'not told'} -> {report.quantity:g}",
            )  # fmt: skip
            self._booked[report.corrects] = self._booked[report.exec_id] = booked  # each is booked once

    # ------------------------------------------------------------------ fills

    def _fill(
        self, account: Account, order: bt.Order, report: Filled, again: tuple[float, float] | None = None
    ) -> None:
        """``again``: slippage and fees of an execution that was taken back and stands again: they hold again."""
        if report.exec_id in self._booked:
            log_event(logger, "execution told again", ref=order.ref, exec_id=report.exec_id)
            return
        data, when = order.data, report.when
        sign, key = 1 if order.isbuy() else -1, self._keys[data]
        paid = self._paid(order, report, sign) if again is None else report.price + again[0]
        position, size = self.positions[data], sign * report.quantity
        before, average = position.size, position.price
        _, _, opened, closed = split(before, average, size, paid)
        at_market = order.exectype in (bt.Order.Market, bt.Order.Close)
        if not at_market:
            self._in_bar.add(key)
        charge = self._estimate(order, report) if again is None else Charge(commission=again[1])
        fill = Fill(
            book=key,
            when=when,
            size=size,
            price=paid,
            unslipped_price=report.price,
            fees=charge.total,
            rate=account.rate(account.books[key].currency, when),
            timing=FillTime.OPEN if at_market else FillTime.INTRABAR,
            reason=reason_of(order),
            trade=str(order.info.get("trade", "")),
        )
        row = account.fill(fill, charge)
        position.update(size, paid, when.replace(tzinfo=None))
        if not account.books[key].size and position.size:
            position.fix(0.0, 0.0)  # a rounding of partial fills is no position
        comminfo = self.getcommissioninfo(data)
        values = (
            closed, comminfo.getvaluesize(-closed, average), charge.total * closed / size,
            opened, comminfo.getvaluesize(opened, paid), charge.total * opened / size,
        )  # fmt: skip
        pnl = comminfo.profitandloss(-closed, average, paid)
        stamp = bt.date2num(when.replace(tzinfo=None))
        execute(order, stamp, size, paid, values, comminfo.margin, pnl, position.size, position.price)
        order.addcomminfo(comminfo)
        self._booked[report.exec_id] = Booked(order, fill)
        if order.executed.remsize * sign < _ROUNDING:
            order.executed.remsize = 0.0
            order.completed()
        self.notify(order)
        if order.status == bt.Order.Completed:
            self._rest_no_more(order)
        elif order.ref in self._ends:  # it came late
            order.status = self._ends[order.ref]
            self.notify(order)
        for child in self._pchildren.get(order.ref, ()):
            child.activate()
        if row is not None and self.gate is not None:
            self.gate.on_trade(row)

    def _estimate(self, order: bt.Order, report: Filled) -> Charge:
        """What an execution costs by the instrument's schedule."""
        fees = self._fees.get(order.ref)
        if fees is None:
            fees = self._fees[order.ref] = OrderFees(self._month)
        schedule = self._schedule(order.data)
        return schedule.charge(
            fees, report.quantity, report.price, order.issell(), report.adds_liquidity, report.when
        )  # fmt: skip

    def _paid(self, order: bt.Order, report: Filled, sign: int) -> float:
        """The price with the slippage of the settings, where the venue knows of none; never beyond a limit."""
        price = report.price
        if report.adds_liquidity or report.is_quoted or not self._settings.costs.enabled:
            return price
        paid = self._slippage.price(
            sign, price, report.quantity, report.volume or report.quantity, self._instrument(order.data)
        )
        terms = self._terms[order.ref]
        if terms.kind in LIMITED:
            limit = terms.limit_price if terms.limit_price is not None else price
            return min(paid, max(limit, price)) if sign > 0 else max(paid, min(limit, price))
        return paid

    # ------------------------------------------------------------------ ends and sizes

    def _end(self, order: bt.Order, report: Ended) -> None:
        if order.status == bt.Order.Completed or order.ref in self._ends:
            return
        if report.text:
            order.addinfo(refusal_detail=report.text)
        order.status = self._ends[order.ref] = _ENDS[report.how]
        order.executed.dt = bt.date2num(report.when.replace(tzinfo=None))
        self._rest_no_more(order)
        self.notify(order)

    def _resize(self, order: bt.Order, quantity: float) -> None:
        """The venue works another quantity; what has filled stands."""
        sign = 1 if order.isbuy() else -1
        order.size = sign * quantity
        left = quantity - abs(order.executed.size)
        order.executed.remsize = sign * left if left > _ROUNDING else 0.0

    def _refuse_change(self, order: bt.Order, report: ChangeRefused) -> None:
        before = self._before.pop(order.ref, None)
        if before is not None:
            self._adopt_terms(order, before)
        log_event(logger, "change refused", level=logging.WARNING, ref=order.ref, code=report.code, text=report.text)

    def _adopt_terms(self, order: bt.Order, terms: VenueOrder) -> None:
        """Show the terms as they work in backtrader's order."""
        self._terms[order.ref] = terms
        created = order.created
        if terms.kind == "LMT":
            created.price = created.pricelimit = terms.limit_price
        elif terms.kind in ("STP", "STP LMT"):
            created.price = terms.aux_price
            if terms.limit_price is not None:
                created.pricelimit = terms.limit_price
        elif terms.trail_stop_price is not None:
            created.price = terms.trail_stop_price
        self._resize(order, terms.quantity)

    def _rest_no_more(self, order: bt.Order) -> None:
        """An order works no more."""
        if order in self.pending:
            self.pending.remove(order)
        self._before.pop(order.ref, None)
        parent_ref = order.parent.ref if order.parent is not None else order.ref
        family = self._pchildren.get(parent_ref)
        if family is not None and not any(member.alive() for member in family):
            del self._pchildren[parent_ref]


def _as_fill(report: Corrected) -> Filled:
    return Filled(
        ref=report.ref, when=report.when, exec_id=report.exec_id, quantity=report.quantity, price=report.price
    )
